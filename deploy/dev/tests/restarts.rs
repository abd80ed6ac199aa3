//! Servers that are stopped in the rudest ways come back where they were.

#![expect(
    clippy::unwrap_used,
    reason = "a helper that fails should fail its test"
)]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use roomwire_dev::servers::{Durability, Postgres, Redis};
use sqlx::{Connection as _, PgConnection};

#[test]
fn servers_come_back_on_their_ports_with_what_they_had_committed() {
    let (Ok(mut redis), Ok(mut postgres)) = (Redis::start(), Postgres::start(Durability::Real))
    else {
        panic!("the servers do not start");
    };
    if redis.pid().is_none() || postgres.pid().is_none() {
        assert!(redis.kill().is_err() || postgres.stop_immediately().is_err());
        return;
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let on = async |statement: &'static str| {
        let mut connection = PgConnection::connect(postgres.url()).await?;
        sqlx::query(statement).execute(&mut connection).await
    };
    runtime.block_on(on("create table kept ()")).unwrap();
    redis.kill().unwrap();
    assert!(TcpStream::connect(address(&redis)).is_err());
    redis.start_again().unwrap();
    assert_eq!(ping(&redis), "+PONG");
    redis.pause().unwrap();
    redis.resume().unwrap();
    assert_eq!(ping(&redis), "+PONG");
    postgres.stop_immediately().unwrap();
    postgres.start_again().unwrap();
    let url = postgres.url().to_owned();
    let kept = runtime.block_on(async {
        let mut connection = PgConnection::connect(&url).await?;
        sqlx::query("select from kept")
            .execute(&mut connection)
            .await
    });
    assert!(kept.is_ok(), "{kept:?}");
}

fn address(redis: &Redis) -> String {
    redis.url().trim_start_matches("redis://").to_owned()
}

fn ping(redis: &Redis) -> String {
    let mut stream = TcpStream::connect(address(redis)).unwrap();
    stream.write_all(b"PING\r\n").unwrap();
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).unwrap();
    String::from_utf8(answer.to_vec()).unwrap()
}
