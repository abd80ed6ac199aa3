//! Where Redis is.

use secrecy::SecretString;

use super::{Problems, problems::present};

const SCHEMES: [&str; 6] = [
    "redis",
    "rediss",
    "redis-cluster",
    "rediss-cluster",
    "redis-sentinel",
    "rediss-sentinel",
];

/// The server that carries what is live.
#[expect(
    clippy::struct_field_names,
    reason = "named as their flags and variables are"
)]
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Redis")]
pub(crate) struct RedisArgs {
    /// redis://, rediss://, redis-cluster:// or redis-sentinel:// URL.
    #[arg(long, env = "REDIS_URL", hide_env_values = true)]
    redis_url: Option<String>,
    /// File that holds the URL, instead of `REDIS_URL`.
    #[arg(long, env = "REDIS_URL_FILE")]
    redis_url_file: Option<String>,
    /// First part of every channel and key; deployments that share a Redis need different ones.
    #[arg(long, env = "REDIS_PREFIX", default_value = "rw")]
    redis_prefix: String,
    /// File with the certificates (PEM) that may sign the one of a server behind `rediss`; unset: those of
    /// the system.
    #[arg(long, env = "REDIS_TLS_CA_FILE")]
    redis_tls_ca_file: Option<String>,
    /// File with the certificate (PEM) to show to servers that ask for one.
    #[arg(long, env = "REDIS_TLS_CERT_FILE")]
    redis_tls_cert_file: Option<String>,
    /// File with the key (PEM) of that certificate.
    #[arg(long, env = "REDIS_TLS_KEY_FILE")]
    redis_tls_key_file: Option<String>,
}

/// Parsed form of [`RedisArgs`].
#[derive(Debug, Clone)]
pub(crate) struct Redis {
    pub(crate) url: SecretString,
    /// 1 to 32 letters, digits, `-` or `_`.
    pub(crate) prefix: String,
    /// Certificates for connections with TLS.
    pub(crate) tls: RedisTls,
}

/// Certificates as PEM, not yet read.
#[derive(Debug, Clone, Default)]
pub(crate) struct RedisTls {
    /// Whose signatures count; the system's where unset.
    pub(crate) authorities: Option<String>,
    /// What to show to a server that asks: the certificates, and the key.
    pub(crate) identity: Option<(String, SecretString)>,
}

impl RedisArgs {
    pub(crate) fn resolve(self, problems: &mut Problems) -> Option<Redis> {
        let url = problems.required_secret("REDIS_URL", self.redis_url, self.redis_url_file);
        problems.check_url("REDIS_URL", url.as_ref(), &SCHEMES);
        let prefix = self.redis_prefix;
        let plain = prefix
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        if !plain || prefix.is_empty() || prefix.len() > 32 {
            problems.add("REDIS_PREFIX", "expected 1 to 32 letters, digits, - or _");
        }
        let authorities = problems.file("REDIS_TLS_CA_FILE", self.redis_tls_ca_file);
        let alone = present(self.redis_tls_cert_file.clone()).is_some()
            != present(self.redis_tls_key_file.clone()).is_some();
        if alone {
            problems.add(
                "REDIS_TLS_CERT_FILE",
                "goes together with REDIS_TLS_KEY_FILE",
            );
        }
        let certificate = problems.file("REDIS_TLS_CERT_FILE", self.redis_tls_cert_file);
        let key = problems.file("REDIS_TLS_KEY_FILE", self.redis_tls_key_file);
        Some(Redis {
            url: url?,
            prefix,
            tls: RedisTls {
                authorities,
                identity: certificate.zip(key.map(Into::into)),
            },
        })
    }
}
