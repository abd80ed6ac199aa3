//! Where Redis is.

use secrecy::SecretString;

use super::Problems;

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
}

/// Parsed form of [`RedisArgs`].
#[derive(Debug, Clone)]
pub(crate) struct Redis {
    pub(crate) url: SecretString,
    /// 1 to 32 letters, digits, `-` or `_`.
    pub(crate) prefix: String,
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
        Some(Redis { url: url?, prefix })
    }
}
