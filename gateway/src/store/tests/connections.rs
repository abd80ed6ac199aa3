//! What becomes of a connection after something went wrong on it.

use super::*;

/// A store whose uses all get the same connection, for as long as it is kept.
async fn store() -> Store {
    store_with(1).await
}

/// Runs a statement on whatever connection the pool has, as an administrator might on all of them.
async fn run(store: &Store, statement: &'static str) -> Result<(), Error> {
    sqlx::query(statement).execute(&store.pool).await?;
    Ok(())
}

/// The server's process behind the store's connection.
async fn backend(store: &Store) -> i32 {
    sqlx::query_scalar("select pg_backend_pid()")
        .fetch_one(&store.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_connection_that_cannot_write_is_refused_once_and_then_replaced() {
    let store = store().await;
    let room = room(&store, 1, &["ann"]).await;
    let mut writer = Writer::new(store.clone());
    run(&store, "set default_transaction_read_only = on")
        .await
        .unwrap();
    let batch = [message(room, "ann", "one", None)];
    let refused = writer.append(&batch).await;
    assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
    writer.append(&batch).await.unwrap();
}

#[tokio::test]
async fn a_server_that_does_not_take_writes_is_not_ready_and_costs_its_connections() {
    let store = store().await;
    run(&store, "set default_transaction_read_only = on")
        .await
        .unwrap();
    let not_ready = store.ready(None).await;
    assert!(matches!(not_ready, Err(Error::ReadOnly)), "{not_ready:?}");
    store.ready(None).await.unwrap();
}

#[tokio::test]
async fn a_use_that_is_given_up_half_way_costs_its_connection_and_nobody_waits_for_it() {
    let store = store().await;
    let before = backend(&store).await;
    let sleeping = run(&store, "select pg_sleep(60)");
    let given_up = tokio::time::timeout(Duration::from_millis(100), sleeping).await;
    assert!(given_up.is_err());
    assert_ne!(backend(&store).await, before);
}

#[tokio::test]
async fn whatever_means_not_now_is_unavailable_and_the_rest_is_our_fault() {
    let store = store().await;
    for (code, unavailable) in [
        ("28P01", true),
        ("55000", true),
        ("55P03", true),
        ("57P01", true),
        ("40001", true),
        ("53200", true),
        ("22023", false),
        ("23514", false),
        ("P0001", false),
    ] {
        let raise = format!("do $$ begin raise exception 'no' using errcode = '{code}'; end $$");
        let raised = sqlx::raw_sql(sqlx::AssertSqlSafe(raise))
            .execute(&store.pool)
            .await;
        let error = Error::from(raised.unwrap_err());
        let is = matches!(error, Error::Unavailable(_) | Error::Held);
        assert_eq!(is, unavailable, "{code}: {error:?}");
    }
}

#[tokio::test]
async fn a_statement_that_is_cancelled_leaves_its_connection_in_use() {
    let store = store().await;
    let before = backend(&store).await;
    let cancelled = run(&store, "set statement_timeout = 50").await;
    cancelled.unwrap();
    let cancelled = run(&store, "select pg_sleep(60)").await;
    assert!(matches!(cancelled, Err(Error::Unavailable(_))));
    assert_eq!(backend(&store).await, before);
}

#[tokio::test]
async fn sessions_have_the_isolation_that_the_functions_need() {
    let store = store().await;
    let isolation: String = sqlx::query_scalar("show default_transaction_isolation")
        .fetch_one(&store.pool)
        .await
        .unwrap();
    assert_eq!(isolation, "read committed");
}

#[tokio::test]
async fn a_server_that_does_not_say_which_database_it_is_is_used_all_the_same() {
    let store = store().await;
    let lineages = Lineages::new();
    let mut borrowed = store.pool.borrow().await.unwrap();
    let connection = borrowed.connection().unwrap();
    lineages.note(connection).await.unwrap();
    let role = format!("nobody_{}", std::process::id());
    let hide = format!(
        "revoke execute on function pg_walfile_name(pg_lsn), pg_control_system() from public;
        create role {role}; set role {role}"
    );
    let hidden = sqlx::raw_sql(sqlx::AssertSqlSafe(hide)).execute(&mut *connection);
    hidden.await.unwrap();
    lineages.note(connection).await.unwrap();
    assert_eq!(*lineages.changes().borrow(), 0);
}
