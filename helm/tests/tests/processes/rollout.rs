//! What the Deployment controller of Kubernetes decides, as pure functions.

use serde_json::Value;

/// How far a rollout may go beyond the replicas, and how far below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// Pods beyond the replicas.
    pub(crate) surge: usize,
    /// Replicas that need not be available.
    pub(crate) unavailable: usize,
}

/// The pods of one template.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Group {
    /// All but those that are to end.
    pub(crate) pods: usize,
    /// Those of them that have been ready for long enough.
    pub(crate) available: usize,
}

/// The next thing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Start so many pods of the new template.
    Start(usize),
    /// End so many pods of the new template.
    EndNew(usize),
    /// End so many pods of the old template of this number, those that are not available first.
    EndOld(usize, usize),
    /// Wait for something to change.
    Wait,
}

impl Bounds {
    /// Reads `spec.strategy` of a Deployment: a surge in per cent is rounded up, what may be missing is
    /// rounded down, and both are never zero.
    pub(crate) fn of(strategy: &Value, replicas: usize) -> Self {
        let rolling = strategy.pointer("/rollingUpdate");
        let share = |key: &str, round: fn(usize) -> usize| {
            let given = rolling.and_then(|rolling| rolling.get(key));
            match given.unwrap_or(&Value::from("25%")) {
                Value::Number(count) => usize::try_from(count.as_u64().unwrap()).unwrap(),
                text => {
                    let per_cent = text.as_str().and_then(|text| text.strip_suffix('%'));
                    round(per_cent.unwrap().parse::<usize>().unwrap() * replicas)
                }
            }
        };
        let surge = share("maxSurge", |hundredths| hundredths.div_ceil(100));
        let unavailable = share("maxUnavailable", |hundredths| hundredths / 100);
        let stuck = surge == 0 && unavailable == 0;
        Self {
            surge,
            unavailable: if stuck { 1 } else { unavailable },
        }
    }

    /// Pods that there may be at once.
    pub(crate) fn most(self, replicas: usize) -> usize {
        replicas + self.surge
    }

    /// Pods that must be available.
    pub(crate) fn least(self, replicas: usize) -> usize {
        replicas.saturating_sub(self.unavailable)
    }
}

/// What brings a Deployment nearer to `replicas` pods of the new template; `old` begins with the
/// oldest. First new pods, as far as there is room; then as many old ones end as are not needed any
/// more.
pub(crate) fn next(replicas: usize, bounds: Bounds, new: Group, old: &[Group]) -> Step {
    let all = new.pods + old.iter().map(|group| group.pods).sum::<usize>();
    if new.pods > replicas {
        return Step::EndNew(new.pods - replicas);
    }
    let missing = replicas - new.pods;
    let start = missing.min(bounds.most(replicas).saturating_sub(all));
    if start > 0 {
        return Step::Start(start);
    }
    // New pods that are not available yet may never be.
    let pending = new.pods - new.available;
    let spare = all.saturating_sub(bounds.least(replicas) + pending);
    let useless = |group: &Group| group.pods - group.available;
    if let Some((number, group)) = old.iter().enumerate().find(|(_, group)| useless(group) > 0)
        && spare > 0
    {
        return Step::EndOld(number, useless(group).min(spare));
    }
    let available = new.available + old.iter().map(|group| group.available).sum::<usize>();
    let spare = spare.min(available.saturating_sub(bounds.least(replicas)));
    match old.iter().enumerate().find(|(_, group)| group.pods > 0) {
        Some((number, group)) if spare > 0 => Step::EndOld(number, spare.min(group.pods)),
        _ => Step::Wait,
    }
}

/// The order in which pods end that nobody needs: those that are not ready, then those that have been
/// ready for the shortest time. Takes how long each has been ready.
pub(crate) fn first_to_end<T: Ord>(ready_for: &[Option<T>], count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..ready_for.len()).collect();
    order.sort_by_key(|pod| &ready_for[*pod]);
    order.truncate(count);
    order
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn bounds(surge: &str, unavailable: &str, replicas: usize) -> (usize, usize) {
        let number = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
        let strategy = json!({
            "rollingUpdate": { "maxSurge": number(surge), "maxUnavailable": number(unavailable) }
        });
        let bounds = Bounds::of(&strategy, replicas);
        (bounds.surge, bounds.unavailable)
    }

    fn group(pods: usize, available: usize) -> Group {
        Group { pods, available }
    }

    const ONE_MORE: Bounds = Bounds {
        surge: 1,
        unavailable: 0,
    };

    #[test]
    fn a_surge_in_per_cent_is_rounded_up() {
        assert_eq!(bounds("25%", "0", 3), (1, 0));
        assert_eq!(bounds("25%", "0", 4), (1, 0));
        assert_eq!(bounds("25%", "0", 5), (2, 0));
        assert_eq!(bounds("100%", "0", 2), (2, 0));
    }

    #[test]
    fn what_may_be_missing_in_per_cent_is_rounded_down() {
        assert_eq!(bounds("0", "25%", 3), (0, 1));
        assert_eq!(bounds("0", "25%", 7), (0, 1));
        assert_eq!(bounds("0", "25%", 8), (0, 2));
        assert_eq!(bounds("1", "25%", 3), (1, 0));
    }

    #[test]
    fn a_rollout_that_could_not_move_may_miss_one_pod() {
        assert_eq!(bounds("0", "0", 3), (0, 1));
        assert_eq!(bounds("0%", "10%", 3), (0, 1));
    }

    #[test]
    fn a_strategy_that_says_nothing_means_a_quarter_both_ways() {
        let bounds = Bounds::of(&json!({}), 6);
        assert_eq!((bounds.surge, bounds.unavailable), (2, 1));
    }

    #[test]
    fn the_first_pods_start_all_at_once() {
        assert_eq!(next(3, ONE_MORE, Group::default(), &[]), Step::Start(3));
    }

    #[test]
    fn a_new_template_starts_as_many_pods_as_the_surge_has_room_for() {
        let old = [group(3, 3)];
        assert_eq!(next(3, ONE_MORE, Group::default(), &old), Step::Start(1));
        assert_eq!(next(3, ONE_MORE, group(1, 0), &old), Step::Wait);
    }

    #[test]
    fn an_old_pod_ends_only_once_a_new_one_is_available() {
        let old = [group(3, 3)];
        assert_eq!(next(3, ONE_MORE, group(1, 1), &old), Step::EndOld(0, 1));
        assert_eq!(
            next(3, ONE_MORE, group(1, 1), &[group(2, 2)]),
            Step::Start(1)
        );
        assert_eq!(
            next(3, ONE_MORE, group(3, 3), &[group(1, 1)]),
            Step::EndOld(0, 1)
        );
        assert_eq!(next(3, ONE_MORE, group(3, 3), &[group(0, 0)]), Step::Wait);
    }

    #[test]
    fn an_available_old_pod_is_kept_while_too_few_are_available() {
        let old = [group(3, 2)];
        assert_eq!(next(3, ONE_MORE, group(1, 0), &old), Step::Wait);
        assert_eq!(next(3, ONE_MORE, group(1, 1), &old), Step::EndOld(0, 1));
        assert_eq!(
            next(3, ONE_MORE, group(1, 1), &[group(2, 2)]),
            Step::Start(1)
        );
    }

    #[test]
    fn what_may_be_missing_ends_before_anything_new_is_available() {
        let bounds = Bounds {
            surge: 0,
            unavailable: 1,
        };
        let old = [group(3, 3)];
        assert_eq!(next(3, bounds, Group::default(), &old), Step::EndOld(0, 1));
    }

    #[test]
    fn the_oldest_template_ends_first() {
        let old = [group(1, 1), group(2, 2)];
        assert_eq!(next(3, ONE_MORE, group(1, 1), &old), Step::EndOld(0, 1));
    }

    #[test]
    fn more_replicas_are_more_pods_of_the_same_template_and_fewer_are_fewer() {
        assert_eq!(next(5, ONE_MORE, group(3, 3), &[]), Step::Start(2));
        assert_eq!(next(2, ONE_MORE, group(5, 5), &[]), Step::EndNew(3));
        assert_eq!(next(2, ONE_MORE, group(2, 2), &[]), Step::Wait);
    }

    #[test]
    fn pods_that_are_not_ready_end_first_and_then_the_youngest() {
        assert_eq!(
            first_to_end(&[Some(9), None, Some(2), Some(5)], 3),
            [1, 2, 3]
        );
    }
}
