//! What was found wrong, and the story that shows it.

use std::fmt;

use serde::Serialize;

use crate::result::Check;

/// Stories told of each kind.
const STORIES_PER_KIND: usize = 2;

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

impl Kind {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Lost,
        Self::Doubled,
        Self::Reordered,
        Self::Phantom,
        Self::HeardAfterLeave,
        Self::Contradiction,
        Self::Gap,
        Self::Late,
        Self::Refused,
        Self::Crashed,
    ];
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
        f.write_str(&self.what)?;
        for line in &self.story {
            write!(f, "\n    {line}")?;
        }
        Ok(())
    }
}

/// One check for each kind, with the shortest stories of what was found: what to read first.
#[must_use]
pub fn checks(findings: &[Finding]) -> Vec<Check> {
    let mut checks = Vec::with_capacity(Kind::ALL.len());
    for kind in Kind::ALL {
        let mut found: Vec<&Finding> = findings.iter().filter(|f| f.kind == kind).collect();
        let count = found.len() as u64;
        found.sort_by_key(|finding| finding.story.len());
        found.truncate(STORIES_PER_KIND);
        let told = found.into_iter().map(ToString::to_string);
        checks.push(Check::new(kind.to_string(), count).told(told));
    }
    checks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_stories_of_each_kind_are_told() {
        let long = Finding::new(Kind::Lost, "a").told(["1".to_owned(), "2".to_owned()]);
        let short = Finding::new(Kind::Lost, "b").told(["1".to_owned()]);
        let all = [long.clone(), long.clone(), short, long];
        let checks = checks(&all);
        assert_eq!(checks.len(), Kind::ALL.len());
        assert_eq!((checks[0].name.as_str(), checks[0].failed), ("lost", 4));
        assert_eq!(checks[0].told, ["b\n    1", "a\n    1\n    2"]);
        assert!(checks[1..].iter().all(|check| check.failed == 0));
    }
}
