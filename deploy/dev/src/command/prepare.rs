//! `cargo dev prepare`: keeps the `.sqlx` folder in step with the queries and migrations.
//!
//! The folder is filled by the query macros themselves, while the gateway is checked against a
//! database that holds nothing but the migrations.

use std::fs::File;
use std::path::Path;
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::{Context as _, bail};
use roomwire_dev::servers::{Durability, Postgres};
use sqlx::migrate::Migrator;
use sqlx::{Connection as _, PgConnection};
use tokio::task::spawn_blocking;

use super::queries::{Queries, Scratch};
use super::{PrepareOptions, cargo, console, workspace};

/// The roots of the gateway's library and binary. A newer one is what makes cargo compile again.
const ROOTS: [&str; 2] = ["gateway/src/lib.rs", "gateway/src/main.rs"];

/// Writes the folder, or compares it and exits with 1 if it is out of date.
pub(super) async fn run(options: &PrepareOptions) -> anyhow::Result<ExitCode> {
    let committed = workspace().join(".sqlx");
    let fresh = describe().await?;
    let before = Queries::read(&committed)?;
    let differences = before.differences(&fresh);
    if differences.is_empty() {
        console::progress(&format!(".sqlx is up to date ({} queries)", fresh.len()));
        return Ok(ExitCode::SUCCESS);
    }
    for difference in &differences {
        console::say(difference);
    }
    if options.check {
        console::complain("error: .sqlx is out of date; run cargo dev prepare and commit it");
        return Ok(ExitCode::FAILURE);
    }
    fresh.write(&committed)?;
    console::progress(&format!(".sqlx is written ({} queries)", fresh.len()));
    Ok(ExitCode::SUCCESS)
}

/// What the macros say about all queries. Always in a database of its own, also on a server named
/// by `DATABASE_URL`, since a database in use may differ from its migrations.
async fn describe() -> anyhow::Result<Queries> {
    console::progress("starting Postgres");
    let started = spawn_blocking(|| Postgres::start(Durability::Fast)).await;
    let postgres = started.context("starting Postgres was cut short")??;
    let name = format!("roomwire_prepare_{}", std::process::id());
    let url = postgres.create_database(&name).await?;
    let queries = async {
        console::progress("applying the migrations");
        migrate(&url).await?;
        console::progress("checking the gateway against them");
        compile(&url).await
    };
    let queries = queries.await;
    let dropped = postgres.drop_database(&name).await;
    // The first failure is the one to tell.
    let queries = queries?;
    dropped?;
    Ok(queries)
}

async fn migrate(url: &str) -> anyhow::Result<()> {
    let folder = workspace().join("migrations");
    let migrator = Migrator::new(folder)
        .await
        .context("cannot read the migrations")?;
    let mut connection = PgConnection::connect(url)
        .await
        .context("cannot reach Postgres")?;
    migrator
        .run(&mut connection)
        .await
        .context("a migration failed")?;
    connection.close().await.context("cannot leave Postgres")
}

/// Checks the gateway with the macros connected to the database and writing into a new folder.
///
/// The usual target folder is used, so that no dependency is compiled twice. As the macros are
/// invisible to cargo, the crate's roots are touched to have it compiled in any case.
async fn compile(url: &str) -> anyhow::Result<Queries> {
    let scratch = Scratch::create(&workspace().join(".roomwire"))?;
    for root in ROOTS {
        touch(&workspace().join(root))?;
    }
    let env = [
        ("DATABASE_URL", url.into()),
        ("SQLX_OFFLINE", "false".into()),
        ("SQLX_OFFLINE_DIR", scratch.path().into()),
    ];
    let checked = cargo::run(&["check"], &env).await?;
    if !checked.compiled_library {
        bail!("cargo took the gateway for up to date, so its queries were not seen");
    }
    Queries::read(scratch.path())
}

fn touch(path: &Path) -> anyhow::Result<()> {
    File::options()
        .append(true)
        .open(path)
        .and_then(|file| file.set_modified(SystemTime::now()))
        .with_context(|| format!("cannot touch {}", path.display()))
}
