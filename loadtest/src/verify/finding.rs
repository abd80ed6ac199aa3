//! What was found wrong, and the story that shows it.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

/// The ways in which the promise can be broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Acknowledged, and not in the history or in a member's copy of it.
    Lost,
    /// In the history or in a feed twice.
    Doubled,
    /// A feed, or the acks of one socket, against the order of positions.
    Reordered,
    /// Shown, and never written or not in the history; or shown before it could be read.
    Phantom,
    /// Shown to somebody who had left before it was written.
    HeardAfterLeave,
    /// Two answers about one message that cannot both be true.
    Contradiction,
    /// Positions of a room's log that nothing accounts for.
    Gap,
    /// Not shown in time to a member who was connected all the while.
    Late,
    /// Refused, or never answered, without a reason that its writer gave.
    Refused,
    /// A gateway died by itself.
    Crashed,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lost => "lost",
            Self::Doubled => "doubled",
            Self::Reordered => "reordered",
            Self::Phantom => "phantom",
            Self::HeardAfterLeave => "heard-after-leave",
            Self::Contradiction => "contradiction",
            Self::Gap => "gap",
            Self::Late => "late",
            Self::Refused => "refused",
            Self::Crashed => "crashed",
        })
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// In which way.
    pub kind: Kind,
    /// What, in one sentence.
    pub what: String,
    /// What is known around it, one line each.
    pub story: Vec<String>,
}

impl Finding {
    /// A finding without a story yet.
    #[must_use]
    pub fn new(kind: Kind, what: impl Into<String>) -> Self {
        Self {
            kind,
            what: what.into(),
            story: Vec::new(),
        }
    }

    /// Adds lines to the story.
    #[must_use]
    pub fn told(mut self, lines: impl IntoIterator<Item = String>) -> Self {
        self.story.extend(lines);
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.what)?;
        for line in &self.story {
            write!(f, "\n    {line}")?;
        }
        Ok(())
    }
}

/// How many there are of each kind.
#[must_use]
pub fn counts(findings: &[Finding]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for finding in findings {
        *counts.entry(finding.kind.to_string()).or_default() += 1;
    }
    counts
}

/// The shortest story of each kind, at most `per_kind` of them: what to read first.
#[must_use]
pub fn smallest(findings: &[Finding], per_kind: usize) -> Vec<&Finding> {
    let mut by_kind: BTreeMap<Kind, Vec<&Finding>> = BTreeMap::new();
    for finding in findings {
        by_kind.entry(finding.kind).or_default().push(finding);
    }
    by_kind
        .into_values()
        .flat_map(|mut of_kind| {
            of_kind.sort_by_key(|finding| finding.story.len());
            of_kind.truncate(per_kind);
            of_kind
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_story_of_each_kind_comes_first() {
        let long = Finding::new(Kind::Lost, "a").told(["1".to_owned(), "2".to_owned()]);
        let short = Finding::new(Kind::Lost, "b").told(["1".to_owned()]);
        let other = Finding::new(Kind::Late, "c");
        let all = [long, short, other];
        let read: Vec<&str> = smallest(&all, 1).iter().map(|f| f.what.as_str()).collect();
        assert_eq!(read, ["b", "c"]);
        assert_eq!(counts(&all)["lost"], 2);
        assert_eq!(all[1].to_string(), "lost: b\n    1");
    }
}
