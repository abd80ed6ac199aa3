//! Questions to the store that many callers have at the same time share its statements.
//!
//! Owns the queue and the rounds; knows nothing of what is asked. While one round is under way the
//! next one gathers, so a lone question is asked at once and a thousand are two rounds.

use std::future::Future;

use tokio::sync::{mpsc, oneshot};

use crate::{domain::ChatError, store, workers::Workers};

/// Questions that may wait; more make their askers wait.
const WAITING_MAX: usize = 8_192;
/// Questions in one round.
const TOGETHER_MAX: usize = 500;

struct Question<Q, A> {
    asked: Q,
    done: oneshot::Sender<Result<A, ChatError>>,
}

/// The queue of one kind of question.
pub(super) struct Together<Q, A>(mpsc::Sender<Question<Q, A>>);

impl<Q: Send + 'static, A: Send + 'static> Together<Q, A> {
    /// Starts to work through the queue. `answer` gets 1 to 500 questions and returns an answer for
    /// each, in their order; one that is missing counts as unavailable.
    pub(super) fn start<F, T>(workers: &Workers, answer: F) -> Self
    where
        F: Fn(Vec<Q>) -> T + Send + 'static,
        T: Future<Output = Result<Vec<A>, store::Error>> + Send + 'static,
    {
        Self::in_rounds_of(TOGETHER_MAX, workers, answer)
    }

    /// As [`Together::start`], with at most `most` questions in one round: for large answers.
    pub(super) fn in_rounds_of<F, T>(most: usize, workers: &Workers, answer: F) -> Self
    where
        F: Fn(Vec<Q>) -> T + Send + 'static,
        T: Future<Output = Result<Vec<A>, store::Error>> + Send + 'static,
    {
        let (queue, waiting) = mpsc::channel(WAITING_MAX);
        workers.run(run(waiting, most, answer));
        Self(queue)
    }

    /// Asks, and waits for the round that answers.
    pub(super) async fn ask(&self, asked: Q) -> Result<A, ChatError> {
        let (done, told) = oneshot::channel();
        let question = Question { asked, done };
        let unavailable = |_| ChatError::unavailable();
        let queued = self.0.send(question).await;
        queued.map_err(|_| ChatError::unavailable())?;
        told.await.map_err(unavailable)?
    }
}

async fn run<Q, A, F, T>(mut waiting: mpsc::Receiver<Question<Q, A>>, most: usize, answer: F)
where
    F: Fn(Vec<Q>) -> T,
    T: Future<Output = Result<Vec<A>, store::Error>>,
{
    let mut batch = Vec::with_capacity(most);
    while waiting.recv_many(&mut batch, most).await > 0 {
        let (asked, askers): (Vec<_>, Vec<_>) =
            batch.drain(..).map(|one| (one.asked, one.done)).unzip();
        match answer(asked).await {
            Ok(answers) => {
                for (done, answer) in askers.into_iter().zip(answers) {
                    // Whoever asked may be gone.
                    drop(done.send(Ok(answer)));
                }
            }
            Err(error) => {
                let error = ChatError::from(error);
                for done in askers {
                    drop(done.send(Err(error.clone())));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use futures_util::future::join_all;
    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn what_is_asked_during_one_round_is_answered_together_in_the_next() {
        let (rounds, gate) = (
            Arc::new(Mutex::new(Vec::new())),
            Arc::new(Semaphore::new(0)),
        );
        let (workers, sizes, open) = (Workers::default(), Arc::clone(&rounds), Arc::clone(&gate));
        let doubled = Together::start(&workers, move |asked: Vec<u32>| {
            sizes.lock().unwrap().push(asked.len());
            let open = Arc::clone(&open);
            async move {
                open.acquire().await.unwrap().forget();
                Ok(asked.into_iter().map(|number| number * 2).collect())
            }
        });
        let all = join_all((0..600).map(|number| doubled.ask(number)));
        tokio::pin!(all);
        assert!(futures_util::poll!(&mut all).is_pending());
        gate.add_permits(600);
        let answers: Vec<u32> = all.await.into_iter().map(Result::unwrap).collect();
        assert_eq!(
            answers,
            (0..600).map(|number| number * 2).collect::<Vec<_>>()
        );
        let rounds = rounds.lock().unwrap();
        assert_eq!(rounds.iter().sum::<usize>(), 600);
        assert!(rounds.len() < 30 && rounds.iter().all(|size| *size <= 500));
    }

    #[tokio::test]
    async fn a_round_is_never_larger_than_its_answers_allow() {
        let workers = Workers::default();
        let rounds = Together::in_rounds_of(3, &workers, |asked: Vec<u32>| async move {
            Ok(vec![asked.len(); asked.len()])
        });
        let sizes = join_all((0..20).map(|number| rounds.ask(number))).await;
        let sizes: Vec<usize> = sizes.into_iter().map(Result::unwrap).collect();
        assert!(sizes.iter().all(|size| (1..=3).contains(size)), "{sizes:?}");
        assert!(sizes.contains(&3), "{sizes:?}");
    }

    #[tokio::test]
    async fn a_round_that_fails_is_told_to_everybody_in_it() {
        let workers = Workers::default();
        let failing = Together::<(), ()>::start(&workers, |_| async {
            Err(store::Error::Inconsistent("rooms"))
        });
        let (one, other) = tokio::join!(failing.ask(()), failing.ask(()));
        assert!(one.is_err() && other.is_err());
    }
}
