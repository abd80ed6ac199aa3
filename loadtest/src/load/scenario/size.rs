//! A number that differs from one to the next: the members of rooms, the bytes of messages.

use rand::RngExt;
use rand::rngs::StdRng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One number for all, or a distribution.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema, Serialize)]
#[serde(untagged)]
pub enum Size {
    /// The same for all.
    Same(u32),
    /// Between two numbers, both included.
    Between(Between),
}

/// Between two numbers: each as likely as another, or few large and many small ones.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Between {
    /// The smallest.
    from: u32,
    /// The largest.
    to: u32,
    /// The exponent of Zipf's law: the n-th size above the smallest is n to this power rarer than the
    /// smallest. Without it all are alike.
    #[serde(default)]
    zipf: Option<f64>,
}

impl Size {
    /// The smallest and the largest.
    #[must_use]
    pub fn bounds(&self) -> (u32, u32) {
        match *self {
            Self::Same(size) => (size, size),
            Self::Between(Between { from, to, .. }) => (from, to),
        }
    }

    /// What is wrong with it, if it must lie within these bounds.
    #[must_use]
    pub fn problem(&self, least: u32, most: u32) -> Option<String> {
        let (from, to) = self.bounds();
        if from < least || to > most || from > to {
            return Some(format!(
                "must be from {least} to {most}, the smaller number first"
            ));
        }
        let zipf = match self {
            Self::Between(Between { zipf, .. }) => *zipf,
            Self::Same(_) => None,
        };
        let wrong = zipf.is_some_and(|zipf| !(zipf > 0.0 && zipf <= 10.0));
        wrong.then(|| "zipf must be above 0 and at most 10".to_owned())
    }

    /// The next one.
    pub fn draw(&self, dice: &mut StdRng) -> u32 {
        match *self {
            Self::Same(size) => size,
            Self::Between(Between {
                from,
                to,
                zipf: None,
            }) => dice.random_range(from..=to),
            Self::Between(Between {
                from,
                to,
                zipf: Some(exponent),
            }) => {
                // The inverse of the distribution as if sizes were continuous: near enough for a load,
                // and needs no table.
                let most = f64::from(to - from) + 1.0;
                let uniform: f64 = dice.random();
                let rank = if (exponent - 1.0).abs() < 1e-9 {
                    most.powf(uniform)
                } else {
                    let power = 1.0 - exponent;
                    ((most.powf(power) - 1.0) * uniform + 1.0).powf(1.0 / power)
                };
                from + whole(rank - 1.0).min(to - from)
            }
        }
    }
}

/// The whole part of a number that is not negative.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the range of the type"
)]
fn whole(value: f64) -> u32 {
    value.clamp(0.0, f64::from(u32::MAX)) as u32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;

    use super::*;

    proptest! {
        #[test]
        fn what_is_drawn_lies_between(
            from in 1..1_000_u32, more in 0..5_000_u32, zipf in prop::option::of(0.1..4.0), seed: u64,
        ) {
            let size = Size::Between(Between { from, to: from + more, zipf });
            let mut dice = StdRng::seed_from_u64(seed);
            for _ in 0..50 {
                let drawn = size.draw(&mut dice);
                prop_assert!((from..=from + more).contains(&drawn));
            }
        }
    }

    #[test]
    fn by_zipf_most_are_small_and_some_are_large() {
        let size = Size::Between(Between {
            from: 2,
            to: 500,
            zipf: Some(1.2),
        });
        let mut dice = StdRng::seed_from_u64(5);
        let drawn: Vec<u32> = (0..2_000).map(|_| size.draw(&mut dice)).collect();
        let small = drawn.iter().filter(|size| **size <= 10).count();
        assert!(small > 800, "{small} of 2,000 have 10 or fewer");
        assert!(drawn.iter().any(|size| *size > 300));
    }

    #[test]
    fn bounds_that_make_no_sense_are_refused() {
        let between = |from, to, zipf| Size::Between(Between { from, to, zipf });
        assert!(Size::Same(4).problem(2, 10).is_none());
        for wrong in [
            Size::Same(1),
            between(5, 3, None),
            between(2, 11, None),
            between(2, 9, Some(0.0)),
            between(2, 9, Some(f64::NAN)),
        ] {
            assert!(wrong.problem(2, 10).is_some(), "{wrong:?}");
        }
    }
}
