//! Postgres and Redis with certificates of a private authority.

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

use super::{DEADLINE, servers, text};

/// An authority, and certificates that it has signed, for one test.
pub(crate) struct Authority {
    folder: PathBuf,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
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

    pub(crate) fn path(&self, file: &str) -> String {
        self.folder.join(file).to_string_lossy().into_owned()
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.folder).ok();
    }
}

/// A Redis that speaks TLS only, with those who can show a certificate.
pub(crate) struct TlsRedis {
    process: Child,
    port: u16,
}

impl TlsRedis {
    pub(crate) fn start(authority: &Authority, settings: &[&str]) -> Self {
        let port = free_port().unwrap();
        let mut command = Command::new("redis-server");
        command
            .args(["--port", "0", "--save", "", "--tls-port", &port.to_string()])
            .args(["--tls-cert-file", &authority.path("server.crt")])
            .args(["--tls-key-file", &authority.path("server.key")])
            .args(["--tls-ca-cert-file", &authority.path("ca.crt")])
            .args(["--logfile", "/dev/null", "--dir", "/tmp"])
            .args(settings);
        let mut process = command.spawn().unwrap();
        let begun = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < DEADLINE, "redis does not listen");
            assert_eq!(process.try_wait().unwrap(), None, "redis has ended");
            std::thread::yield_now();
        }
        Self { process, port }
    }

    /// Host and port.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Drop for TlsRedis {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// A Postgres that has a certificate; its key must be its own.
pub(crate) fn tls_postgres(authority: &Authority) -> Postgres {
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
