//! Until it is known what became of something.
//!
//! A connection that breaks between a commit and its answer leaves open whether the commit took place. What
//! is asked of Postgres here does no harm when it is asked again, so it is asked again until there is an answer.

use std::{future::Future, time::Duration};

use tokio::time::{Instant, sleep, timeout_at};

use super::Error;

/// How long something is asked again of which nobody knows what became of it. Clients take who does not answer
/// for ten seconds for gone.
pub(super) const UNKNOWN_MAX: Duration = Duration::from_secs(8);
/// How long it rests in between.
const AGAIN_EVERY: Duration = Duration::from_millis(250);

/// The tries of something that may be done more than once: they go on until Postgres says what became of it, for
/// at most 8 s. Then it is [`Error::Unknown`].
#[derive(Debug, Default)]
pub(super) struct Tries {
    /// The first that said nothing, and when to give up.
    unknown: Option<(Error, Instant)>,
}

impl Tries {
    /// Whether an earlier try may have been done.
    pub(super) fn is_again(&self) -> bool {
        self.unknown.is_some()
    }

    /// Makes one try. None if another is to be made.
    pub(super) async fn settle<T, E: Into<Error>>(
        &mut self,
        attempt: impl Future<Output = Result<T, E>>,
    ) -> Option<Result<T, Error>> {
        let Some((_, until)) = &self.unknown else {
            return match attempt.await.map_err(Into::into) {
                Err(failed) if failed.leaves_unknown() => {
                    self.unknown = Some((failed, Instant::now() + UNKNOWN_MAX));
                    sleep(AGAIN_EVERY).await;
                    None
                }
                known => Some(known),
            };
        };
        let until = *until;
        match timeout_at(until, attempt).await {
            Ok(Ok(known)) => return Some(Ok(known)),
            // Also where this try was refused: of the first that says nothing.
            Ok(Err(error)) => {
                let error: Error = error.into();
                tracing::debug!(%error, "what became of a change is not known yet");
            }
            Err(_) => {}
        }
        if Instant::now() + AGAIN_EVERY < until {
            sleep(AGAIN_EVERY).await;
            return None;
        }
        let (failed, _) = self.unknown.take()?;
        Some(Err(Error::Unknown(Box::new(failed))))
    }
}
