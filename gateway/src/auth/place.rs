//! Where an issuer publishes its keys: a file or a URL.

use std::time::Duration;

use tokio::{fs::File, io::AsyncReadExt as _, time::timeout};

use super::jwks::{Error, Keys};

/// How long one read may take.
pub(super) const TIMEOUT: Duration = Duration::from_secs(5);
/// Largest key set, in bytes.
pub(super) const BYTES_MAX: usize = 1024 * 1024;

/// Where a set is published.
pub(super) enum Place {
    File(String),
    Url(String, reqwest::Client),
}

impl Place {
    pub(super) fn parse(place: &str) -> Result<Self, Error> {
        let scheme = place.split_once("://").map(|(scheme, _)| scheme);
        let is_url = |scheme: &str| {
            let known = ["http", "https"];
            known.iter().any(|one| scheme.eq_ignore_ascii_case(one))
        };
        if scheme.is_some_and(is_url) {
            let client = reqwest::Client::builder().build()?;
            return Ok(Self::Url(place.to_owned(), client));
        }
        Ok(Self::File(place.to_owned()))
    }

    /// Reads the set, within a bound of bytes and of time.
    pub(super) async fn load(&self) -> Result<Keys, Error> {
        Keys::parse(&timeout(TIMEOUT, self.bytes()).await??)
    }

    async fn bytes(&self) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        match self {
            Self::File(path) => {
                let bound = u64::try_from(BYTES_MAX).unwrap_or(u64::MAX);
                let file = File::open(path).await?;
                file.take(bound.saturating_add(1))
                    .read_to_end(&mut bytes)
                    .await?;
            }
            Self::Url(url, client) => {
                let mut answer = client.get(url).send().await?.error_for_status()?;
                while let Some(chunk) = answer.chunk().await? {
                    bytes.extend_from_slice(&chunk);
                    if bytes.len() > BYTES_MAX {
                        break;
                    }
                }
            }
        }
        if bytes.len() > BYTES_MAX {
            return Err(Error::TooLarge);
        }
        Ok(bytes)
    }
}
