//! The servers answer, and are gone when they should be.

#![expect(
    clippy::unwrap_used,
    reason = "a helper that fails should fail its test"
)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use roomwire_dev::servers::{Durability, Servers};
use sqlx::{Connection as _, PgConnection};

/// Set for the copy of this test program that only holds servers until it is killed.
const HOLDER: &str = "ROOMWIRE_DEV_TEST_HOLDER";

/// More than both stop deadlines of a server together.
const DEADLINE: Duration = Duration::from_secs(15);

#[test]
fn servers_answer_and_are_gone_after_drop() {
    let servers = Servers::start(Durability::Fast).unwrap();
    let pids = [servers.postgres_pid(), servers.redis_pid()];
    let folders = folders_of(std::process::id());
    assert_eq!(ping(servers.redis_url()), "+PONG\r\n");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let wanted = format!("a_test_{}", std::process::id());
        let url = servers.create_database(&wanted).await.unwrap();
        let mut connection = PgConnection::connect(&url).await.unwrap();
        let (name, durable): (String, String) =
            sqlx::query_as("select current_database()::text, current_setting('fsync')")
                .fetch_one(&mut connection)
                .await
                .unwrap();
        assert_eq!(name, wanted);
        if pids[0].is_some() {
            assert_eq!(durable, "off");
        }
        let again = servers.create_database(&wanted).await;
        assert!(again.is_err(), "the name is taken");
        servers.drop_database(&wanted).await.unwrap();
        let gone = PgConnection::connect(&url).await;
        assert!(gone.is_err(), "the database is gone");
    });
    drop(servers);
    for pid in pids.into_iter().flatten() {
        assert!(!is_running(pid), "process {pid} is still there");
    }
    for folder in folders {
        assert!(!Path::new(&folder).exists(), "{folder} is still there");
    }
}

#[test]
fn servers_are_gone_after_their_holder_is_killed() {
    let mut holder = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "hold", "--nocapture"])
        .env(HOLDER, "1")
        .env_remove("DATABASE_URL")
        .env_remove("REDIS_URL")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(holder.stdout.take().unwrap()).lines();
    let held = lines
        .map(Result::unwrap)
        .find(|line| line.starts_with("holding "))
        .unwrap();
    let pids: Vec<u32> = held
        .split(' ')
        .skip(1)
        .map(|pid| pid.parse().unwrap())
        .collect();
    let folders = folders_of(holder.id());
    assert_eq!((pids.len(), folders.len()), (2, 2), "{held} {folders:?}");
    assert!(pids.iter().all(|pid| is_running(*pid)));

    holder.kill().unwrap();
    holder.wait().unwrap();

    let deadline = Instant::now() + DEADLINE;
    loop {
        let left = pids.iter().filter(|pid| is_running(**pid)).count();
        let files = folders
            .iter()
            .filter(|folder| Path::new(folder).exists())
            .count();
        if left + files == 0 {
            break;
        }
        assert!(
            Instant::now() < deadline,
            "{left} processes and {files} folders are left"
        );
        thread::sleep(Duration::from_millis(20));
    }
}

/// Not a test by itself: the process that the test above kills.
#[test]
fn hold() {
    if std::env::var_os(HOLDER).is_none() {
        return;
    }
    let servers = Servers::start(Durability::Real).unwrap();
    let pids = [servers.postgres_pid(), servers.redis_pid()].map(Option::unwrap);
    writeln!(std::io::stdout(), "\nholding {} {}", pids[0], pids[1]).unwrap();
    loop {
        thread::park();
    }
}

fn ping(url: &str) -> String {
    let address: SocketAddr = url.trim_start_matches("redis://").parse().unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"PING\r\n").unwrap();
    let mut answer = [0; 7];
    stream.read_exact(&mut answer).unwrap();
    String::from_utf8(answer.to_vec()).unwrap()
}

/// The private folders that a process made; the holder of two servers has two.
fn folders_of(process: u32) -> Vec<String> {
    let entries = std::env::temp_dir().read_dir().unwrap();
    let paths = entries.map(|entry| entry.unwrap().path().to_str().unwrap().to_owned());
    paths
        .filter(|path| path.contains("/roomwire-") && path.contains(&format!("-{process}-")))
        .collect()
}

fn is_running(pid: u32) -> bool {
    let probe = Command::new("kill")
        .args(["-0", &pid.to_string()])
        .stderr(Stdio::null())
        .status();
    probe.unwrap().success() && !is_zombie(pid)
}

/// Where nobody adopts orphans, the dead stay listed.
fn is_zombie(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status
        .lines()
        .any(|line| line.starts_with("State:") && line.contains('Z'))
}
