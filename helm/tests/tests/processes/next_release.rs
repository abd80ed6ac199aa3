//! What the migration of the release after this one leaves behind.

use secrecy::{ExposeSecret as _, SecretString};
use sqlx::{Connection as _, Executor as _, PgConnection};

/// Something new beside what there is, as the first step of every change of the schema, and its entry in
/// the list of what was applied.
const EXPAND: [&str; 3] = [
    "alter table rooms add column colour text",
    "create table room_colours (name text constraint room_colours_pkey primary key)",
    "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
     select max(version) + 1, 'paint rooms', true, '\\xc0ffee', 1 from _sqlx_migrations",
];

/// Migrates to the schema of the next release, while this one runs.
pub(crate) async fn migrate(database_url: &SecretString) {
    let mut connection = PgConnection::connect(database_url.expose_secret())
        .await
        .unwrap();
    let mut transaction = connection.begin().await.unwrap();
    for statement in EXPAND {
        transaction.execute(statement).await.unwrap();
    }
    transaction.commit().await.unwrap();
    connection.close().await.unwrap();
}
