//! What a node tells in its metrics, read as a Prometheus server reads it.

use super::{Rest, eventually};

/// Everything that was told at one moment.
#[derive(Debug)]
pub(crate) struct Figures(String);

impl Figures {
    pub(crate) async fn read(admin: &Rest) -> Self {
        let answer = admin.get("/metrics").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        Self(answer.text)
    }

    /// The text as it came.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    /// Names with their labels, and values.
    pub(crate) fn samples(&self) -> impl Iterator<Item = (&str, f64)> {
        let lines = self
            .0
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty());
        lines.map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name, value.parse().unwrap_or_else(|_| panic!("{line}")))
        })
    }

    /// The sum over all samples of this name that have all of these labels.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let wanted: Vec<_> = labels.iter().map(|(l, v)| format!("{l}=\"{v}\"")).collect();
        let all = self.samples().filter(|(whole, _)| {
            let (own, labels) = whole.split_once('{').unwrap_or((whole, ""));
            let has = |label: &String| {
                labels
                    .trim_end_matches('}')
                    .split(',')
                    .any(|own| own == label)
            };
            own == name && wanted.iter().all(has)
        });
        all.map(|(_, value)| value).sum()
    }

    /// Whether there is a sample of this name, or of its parts.
    pub(crate) fn has(&self, name: &str) -> bool {
        let ends = ["", "_bucket", "_sum", "_count"];
        self.samples().any(|(whole, _)| {
            let own = whole.split('{').next().unwrap();
            ends.iter().any(|end| own.strip_suffix(end) == Some(name))
        })
    }
}

/// Waits until a sum has a value.
pub(crate) async fn eventually_told(
    admin: &Rest,
    (name, labels): (&str, &[(&str, &str)]),
    value: f64,
) {
    eventually(&format!("{name} {labels:?} {value}"), async || {
        let told = Figures::read(admin).await.sum(name, labels);
        (told - value).abs() < f64::EPSILON
    })
    .await;
}
