//! Postgres and Redis behind TLS with certificates of a private authority.

use crate::support::{Authority, SECRET, TlsRedis, run, text, tls_postgres};

#[test]
fn servers_with_certificates_of_a_private_authority_are_trusted_by_its_certificate_only() {
    let (authority, other) = (Authority::new("tls"), Authority::new("tls-other"));
    let (postgres, redis) = (tls_postgres(&authority), TlsRedis::start(&authority, &[]));
    let redis_url = format!("rediss://{}", redis.address());
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
