//! What a Deployment promises while it changes: never too few pods available, never too many in all.

use super::rollout::{Bounds, Group};

/// Breaches that are told one by one.
const TOLD_MAX: usize = 20;

/// The promise.
#[derive(Debug, Default)]
pub(crate) struct Promise {
    /// How many must be available: none before it has been reached once.
    floor: Option<usize>,
    told: usize,
}

impl Promise {
    /// Looks at what there is, and says what is wrong with it.
    ///
    /// More replicas are promised only once they have been available; fewer hold at once.
    pub(crate) fn keep(
        &mut self,
        replicas: usize,
        bounds: Bounds,
        all: Group,
        is_complete: bool,
    ) -> Vec<String> {
        let least = bounds.least(replicas);
        self.floor = if is_complete {
            Some(least)
        } else {
            self.floor.map(|floor| floor.min(least))
        };
        let (floor, most) = (self.floor.unwrap_or(0), bounds.most(replicas));
        let few = (all.available < floor).then(|| {
            format!(
                "{} pods were available, {floor} were promised",
                all.available
            )
        });
        let many =
            (all.pods > most).then(|| format!("there were {} pods, {most} at the most", all.pods));
        let broken: Vec<String> = few.into_iter().chain(many).collect();
        self.told += broken.len();
        if self.told > TOLD_MAX {
            return Vec::new();
        }
        broken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds {
        surge: 1,
        unavailable: 0,
    };

    fn keep(promise: &mut Promise, replicas: usize, pods: usize, available: usize) -> usize {
        let all = Group { pods, available };
        let is_complete = pods == replicas && available == replicas;
        promise.keep(replicas, BOUNDS, all, is_complete).len()
    }

    #[test]
    fn nothing_is_promised_before_the_first_pods_are_available() {
        let mut promise = Promise::default();
        assert_eq!(keep(&mut promise, 3, 3, 0), 0);
        assert_eq!(keep(&mut promise, 3, 3, 3), 0);
        assert_eq!(keep(&mut promise, 3, 3, 2), 1);
    }

    #[test]
    fn more_pods_than_the_surge_allows_break_the_promise() {
        let mut promise = Promise::default();
        assert_eq!(keep(&mut promise, 3, 4, 3), 0);
        assert_eq!(keep(&mut promise, 3, 5, 3), 1);
    }

    #[test]
    fn more_replicas_are_promised_once_they_have_been_available() {
        let mut promise = Promise::default();
        keep(&mut promise, 3, 3, 3);
        assert_eq!(keep(&mut promise, 5, 5, 3), 0);
        assert_eq!(keep(&mut promise, 5, 5, 2), 1);
        assert_eq!(keep(&mut promise, 5, 5, 5), 0);
        assert_eq!(keep(&mut promise, 5, 5, 4), 1);
        assert_eq!(keep(&mut promise, 2, 2, 2), 0);
    }
}
