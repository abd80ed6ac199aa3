//! Postgres and Redis behind TLS with certificates of a private authority.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::{Child, Command},
    time::Instant,
};

use roomwire_dev::{
    free_port,
    servers::{Durability, Postgres},
};

use crate::support::{DEADLINE, SECRET, run, servers, text};

/// An authority, and certificates that it has signed, for one test.
struct Authority {
    folder: PathBuf,
}

impl Authority {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("roomwire-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        let authority = Self { folder };
        authority.openssl(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
             -subj /CN=authority -keyout ca.key -out ca.crt",
        );
        authority.sign("server");
        authority.sign("client");
        authority
    }

    fn sign(&self, name: &str) {
        self.openssl(&format!(
            "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN={name} \
             -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout {name}.key -out {name}.csr"
        ));
        self.openssl(&format!(
            "x509 -req -in {name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 \
             -copy_extensions copy -out {name}.crt"
        ));
    }

    fn openssl(&self, arguments: &str) {
        let mut command = Command::new("openssl");
        command
            .args(arguments.split_whitespace())
            .current_dir(&self.folder);
        let ended = command.output().unwrap();
        assert!(ended.status.success(), "{}", text(&ended));
    }

    fn path(&self, file: &str) -> String {
        self.folder.join(file).to_string_lossy().into_owned()
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.folder).ok();
    }
}

/// A Redis that speaks TLS only, with those who can show a certificate.
struct TlsRedis {
    process: Child,
    port: u16,
}

impl TlsRedis {
    fn start(authority: &Authority) -> Self {
        let port = free_port().unwrap();
        let mut command = Command::new("redis-server");
        command
            .args(["--port", "0", "--save", "", "--tls-port", &port.to_string()])
            .args(["--tls-cert-file", &authority.path("server.crt")])
            .args(["--tls-key-file", &authority.path("server.key")])
            .args(["--tls-ca-cert-file", &authority.path("ca.crt")])
            .args(["--logfile", "/dev/null", "--dir", "/tmp"]);
        let process = command.spawn().unwrap();
        let begun = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < DEADLINE, "redis does not listen");
            std::thread::yield_now();
        }
        Self { process, port }
    }
}

impl Drop for TlsRedis {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// A Postgres that has a certificate; its key must be its own.
fn tls_postgres(authority: &Authority) -> Postgres {
    let pid = servers().postgres_pid().unwrap();
    let owner = fs::metadata(Path::new("/proc").join(pid.to_string())).unwrap();
    let key = authority.path("server.key");
    fs::copy(&key, authority.path("postgres.key")).unwrap();
    let key = authority.path("postgres.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    std::os::unix::fs::chown(&key, Some(owner.uid()), Some(owner.gid())).unwrap();
    let certificate = format!("ssl_cert_file={}", authority.path("server.crt"));
    let key = format!("ssl_key_file={key}");
    Postgres::start_with(Durability::Fast, &["ssl=on", &certificate, &key]).unwrap()
}

#[test]
fn servers_with_certificates_of_a_private_authority_are_trusted_by_its_certificate_only() {
    let (authority, other) = (Authority::new("tls"), Authority::new("tls-other"));
    let (postgres, redis) = (tls_postgres(&authority), TlsRedis::start(&authority));
    let redis_url = format!("rediss://127.0.0.1:{}", redis.port);
    let check = |of: &Authority, command: &str, client: bool| {
        let (ca, certificate, key) = (
            of.path("ca.crt"),
            of.path("client.crt"),
            of.path("client.key"),
        );
        let mut env = vec![
            ("DATABASE_URL", postgres.url()),
            ("PGSSLMODE", "verify-full"),
            ("PGSSLROOTCERT", &ca),
            ("REDIS_URL", &redis_url),
            ("REDIS_TLS_CA_FILE", &ca),
            ("JWT_HS256_SECRET", SECRET),
        ];
        if client {
            env.push(("REDIS_TLS_CERT_FILE", &certificate));
            env.push(("REDIS_TLS_KEY_FILE", &key));
        }
        text(&run(&[command], &env))
    };
    let migrated = check(&authority, "migrate", true);
    assert!(migrated.contains("up to date"), "{migrated}");
    let well = check(&authority, "check", true);
    assert!(well.contains("postgres: ok\nredis: ok\nkeys: ok"), "{well}");
    let nobody = check(&authority, "check", false);
    assert!(nobody.contains("postgres: ok"), "{nobody}");
    assert!(!nobody.contains("redis: ok"), "{nobody}");
    let stranger = check(&other, "check", true);
    assert!(!stranger.contains("postgres: ok"), "{stranger}");
    assert!(!stranger.contains("redis: ok"), "{stranger}");
}

#[test]
fn half_a_certificate_is_a_mistake_that_is_told_by_name() {
    let ended = run(
        &["serve"],
        &[
            ("REDIS_TLS_CERT_FILE", "/nowhere/tls.crt"),
            ("REDIS_TLS_CA_FILE", "/nowhere/ca.crt"),
        ],
    );
    assert_eq!(ended.status.code(), Some(2));
    for expected in [
        "REDIS_TLS_CERT_FILE: goes together with REDIS_TLS_KEY_FILE",
        "REDIS_TLS_CA_FILE: cannot be read",
    ] {
        assert!(text(&ended).contains(expected), "{}", text(&ended));
    }
}
