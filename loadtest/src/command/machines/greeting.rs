//! Who is let in: a worker that speaks this version and knows the secret, by a coordinator that knows it
//! as well.

use thiserror::Error;
use tokio::net::TcpStream;

use super::line::{LineError, LineReader, LineWriter, split};
use super::proof::{Keys, Side, nonce};
use super::wire::{
    GREETING_BYTES_MAX, GREETING_LINE_MAX, Refusal, ToCoordinator, ToWorker, VERSION,
};
use crate::client::tokens::TokenError;

/// Why two machines do not work together.
#[derive(Debug, Error)]
pub enum GreetingError {
    /// The connection failed.
    #[error(transparent)]
    Line(#[from] LineError),
    /// The other side said something that is not due.
    #[error("the other side does not greet as it should")]
    Rude,
    /// It speaks another version of the protocol.
    #[error(
        "the other side speaks another version of the protocol: run the same release everywhere"
    )]
    Version,
    /// One of the two does not know the other one's secret.
    #[error("the two sides have different secrets")]
    Secret,
    /// The proof could not be made.
    #[error(transparent)]
    Token(#[from] TokenError),
}

impl GreetingError {
    /// Whether another attempt may end otherwise.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self, Self::Line(_))
    }
}

/// Lets a worker in.
pub(super) async fn admit(
    stream: TcpStream,
    keys: &Keys,
) -> Result<(LineReader, LineWriter), GreetingError> {
    let (mut reader, mut writer) = split(stream).map_err(LineError::from)?;
    let asked = nonce();
    let challenge = ToWorker::Challenge {
        version: VERSION,
        nonce: asked.clone(),
    };
    tell(&mut writer, &challenge).await?;
    let hello = reader.hear(GREETING_BYTES_MAX, GREETING_LINE_MAX).await?;
    let Some(ToCoordinator::Hello {
        version,
        nonce,
        proof,
    }) = hello
    else {
        return Err(GreetingError::Rude);
    };
    let refusal = if version != VERSION {
        Some((Refusal::Version, GreetingError::Version))
    } else if !keys.is_proof(Side::Worker, &asked, &proof) {
        Some((Refusal::Secret, GreetingError::Secret))
    } else {
        None
    };
    if let Some((refusal, error)) = refusal {
        tell(&mut writer, &ToWorker::Refused(refusal)).await?;
        return Err(error);
    }
    let proof = keys.prove(Side::Coordinator, &nonce)?;
    tell(&mut writer, &ToWorker::Welcome { proof }).await?;
    Ok((reader, writer))
}

/// Asks a coordinator to be let in.
pub(super) async fn enter(
    stream: TcpStream,
    keys: &Keys,
) -> Result<(LineReader, LineWriter), GreetingError> {
    let (mut reader, mut writer) = split(stream).map_err(LineError::from)?;
    let Some(ToWorker::Challenge {
        version,
        nonce: asked,
    }) = reader.hear(GREETING_BYTES_MAX, GREETING_LINE_MAX).await?
    else {
        return Err(GreetingError::Rude);
    };
    if version != VERSION {
        return Err(GreetingError::Version);
    }
    let asks = nonce();
    let hello = ToCoordinator::Hello {
        version: VERSION,
        nonce: asks.clone(),
        proof: keys.prove(Side::Worker, &asked)?,
    };
    writer
        .tell(&hello, GREETING_BYTES_MAX, GREETING_LINE_MAX)
        .await?;
    match reader.hear(GREETING_BYTES_MAX, GREETING_LINE_MAX).await? {
        Some(ToWorker::Welcome { proof }) if keys.is_proof(Side::Coordinator, &asks, &proof) => {
            Ok((reader, writer))
        }
        Some(ToWorker::Welcome { .. } | ToWorker::Refused(Refusal::Secret)) => {
            Err(GreetingError::Secret)
        }
        Some(ToWorker::Refused(Refusal::Version)) => Err(GreetingError::Version),
        _ => Err(GreetingError::Rude),
    }
}

async fn tell(writer: &mut LineWriter, what: &ToWorker) -> Result<(), LineError> {
    writer
        .tell(what, GREETING_BYTES_MAX, GREETING_LINE_MAX)
        .await
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

    use super::super::line::tests::pair;
    use super::*;

    fn keys(secret: &str) -> Keys {
        Keys::new(&SecretString::from(secret))
    }

    /// What a coordinator makes of a worker that answers its challenge like this, and what it tells it.
    async fn answered(
        answer: impl FnOnce(String) -> ToCoordinator,
    ) -> (GreetingError, Option<ToWorker>) {
        let (one, other) = pair().await;
        let worker = async {
            let (mut reader, mut writer) = split(one).unwrap();
            let challenge = reader.hear(GREETING_BYTES_MAX, GREETING_LINE_MAX).await;
            let Ok(Some(ToWorker::Challenge { nonce, .. })) = challenge else {
                panic!("no challenge")
            };
            // A line that is too long is the coordinator's to refuse.
            let answer = answer(nonce);
            let told = writer.tell(&answer, usize::MAX, GREETING_LINE_MAX).await;
            told.unwrap();
            let said = reader.hear(GREETING_BYTES_MAX, GREETING_LINE_MAX).await;
            said.unwrap_or_default()
        };
        let ours = keys("ours");
        let (admitted, said) = tokio::join!(admit(other, &ours), worker);
        (admitted.unwrap_err(), said)
    }

    fn hello(version: u32, proof: String) -> ToCoordinator {
        ToCoordinator::Hello {
            version,
            nonce: nonce(),
            proof,
        }
    }

    #[tokio::test]
    async fn those_who_know_the_same_secret_work_together() {
        let (one, other) = pair().await;
        let ours = keys("ours");
        let (admitted, entered) = tokio::join!(admit(other, &ours), enter(one, &ours));
        assert!(admitted.is_ok() && entered.is_ok());
    }

    #[tokio::test]
    async fn another_secret_is_refused_and_both_are_told() {
        let (one, other) = pair().await;
        let (ours, theirs) = (keys("ours"), keys("theirs"));
        let (admitted, entered) = tokio::join!(admit(other, &ours), enter(one, &theirs));
        for error in [admitted.unwrap_err(), entered.unwrap_err()] {
            assert!(matches!(error, GreetingError::Secret), "{error}");
            assert!(!error.may_pass());
        }
    }

    #[tokio::test]
    async fn another_version_is_refused_whatever_it_knows() {
        let proved = |nonce: String| keys("ours").prove(Side::Worker, &nonce).unwrap();
        let (error, said) = answered(|nonce| hello(VERSION + 1, proved(nonce))).await;
        assert!(matches!(error, GreetingError::Version), "{error}");
        assert!(matches!(said, Some(ToWorker::Refused(Refusal::Version))));
    }

    #[tokio::test]
    async fn a_proof_of_another_connection_a_long_line_and_no_hello_are_refused() {
        let old = keys("ours").prove(Side::Worker, &nonce()).unwrap();
        let (error, _) = answered(|_| hello(VERSION, old)).await;
        assert!(matches!(error, GreetingError::Secret), "{error}");
        let (error, _) = answered(|_| hello(VERSION, "x".repeat(GREETING_BYTES_MAX))).await;
        let long = matches!(error, GreetingError::Line(LineError::TooLong(_)));
        assert!(long, "{error}");
        let (error, _) = answered(|_| ToCoordinator::Ready {}).await;
        assert!(matches!(error, GreetingError::Rude), "{error}");
    }

    /// Passes on what comes, and keeps it.
    async fn tap(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> Vec<u8> {
        let (mut all, mut more) = (Vec::new(), [0; 1_024]);
        while let Ok(bytes @ 1..) = from.read(&mut more).await {
            to.write_all(&more[..bytes]).await.unwrap();
            all.extend_from_slice(&more[..bytes]);
        }
        all
    }

    #[tokio::test]
    async fn the_secret_is_in_nothing_that_is_sent() {
        let ((worker, tapped), (coordinator, other)) = (pair().await, pair().await);
        let (here, there) = (tapped.into_split(), other.into_split());
        let (up, down) = (
            tokio::spawn(tap(here.0, there.1)),
            tokio::spawn(tap(there.0, here.1)),
        );
        let ours = keys("a secret of ours");
        let greeted = tokio::join!(admit(coordinator, &ours), enter(worker, &ours));
        assert!(greeted.0.is_ok() && greeted.1.is_ok());
        drop(greeted);
        let sent = [up.await.unwrap(), down.await.unwrap()].map(String::from_utf8);
        for sent in sent.map(Result::unwrap) {
            assert!(
                sent.contains("nonce") && !sent.contains("secret of ours"),
                "{sent}"
            );
        }
    }

    #[tokio::test]
    async fn a_coordinator_that_does_not_know_the_secret_gets_nobody_to_work() {
        let (one, other) = pair().await;
        let coordinator = async {
            let (mut reader, mut writer) = split(other).unwrap();
            let challenge = ToWorker::Challenge {
                version: VERSION,
                nonce: nonce(),
            };
            tell(&mut writer, &challenge).await.unwrap();
            let hello = reader.hear::<ToCoordinator>(GREETING_BYTES_MAX, GREETING_LINE_MAX);
            let Ok(Some(ToCoordinator::Hello { proof, .. })) = hello.await else {
                panic!("no hello")
            };
            // Its own proof, sent back.
            tell(&mut writer, &ToWorker::Welcome { proof })
                .await
                .unwrap();
        };
        let ours = keys("ours");
        let (entered, ()) = tokio::join!(enter(one, &ours), coordinator);
        assert!(matches!(entered.unwrap_err(), GreetingError::Secret));
    }
}
