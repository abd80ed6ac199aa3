//! One authority, and one certificate that all programs of the plane show as servers and clients.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::said::Said;

/// Writes `ca.crt`, `admin.crt` and `admin.key` into the folder. Whoever shows them may do everything.
pub(super) fn write(folder: &Path) {
    let key = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
    ];
    let authority = [
        "-subj",
        "/CN=authority",
        "-keyout",
        "ca.key",
        "-out",
        "ca.crt",
    ];
    openssl(folder, &["req", "-x509", "-days", "2"], &[&key, &authority]);
    let admin = [
        "-subj",
        "/O=system:masters/CN=admin",
        "-keyout",
        "admin.key",
    ];
    openssl(folder, &["req", "-out", "admin.csr"], &[&key, &admin]);
    // Where the aggregation layer looks for metrics-server.
    let names =
        "subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth,clientAuth\n";
    fs::write(folder.join("names"), names).unwrap();
    let signed = ["-in", "admin.csr", "-out", "admin.crt", "-extfile", "names"];
    let by = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial"];
    openssl(folder, &["x509", "-req", "-days", "2"], &[&signed, &by]);
}

fn openssl(folder: &Path, first: &[&str], rest: &[&[&str]]) {
    let mut command = Command::new("openssl");
    command.args(first).args(rest.concat()).current_dir(folder);
    Said::of(&mut command, "").ok();
}
