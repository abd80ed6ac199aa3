//! What a client has shown that may be its token.
//!
//! Browsers, proxies and other servers of the same site add headers, cookies and parameters of their
//! own. None of them may hide the one that is ours, so all are kept, in the order of the contract.

use super::Refusal;

/// Candidates that are checked, which each cost a signature.
const CHECKED_MAX: usize = 8;
/// Longest token, in bytes; what issuers sign has one or two thousand.
const BYTES_MAX: usize = 16 * 1024;

/// Texts of the form of a token, at most 8, each of at most 16 KiB, first things first. What has
/// another form takes nobody's place. Holds tokens: it has no `Debug`, on purpose.
#[derive(Default)]
pub(crate) struct Candidates {
    tokens: Vec<String>,
    /// What was shown first is no token.
    begins_malformed: bool,
}

impl Candidates {
    /// Adds what stands in one more place. Nothing but white space counts as not shown.
    pub(crate) fn offer(&mut self, shown: impl IntoIterator<Item: AsRef<str>>) {
        for text in shown {
            let text = text.as_ref().trim();
            if text.is_empty() {
                continue;
            }
            if !has_form(text) {
                self.begins_malformed |= self.tokens.is_empty();
            } else if self.tokens.len() < CHECKED_MAX && !self.tokens.iter().any(|t| t == text) {
                self.tokens.push(text.to_owned());
            }
        }
    }

    /// Those that are worth checking.
    pub(crate) fn tokens(&self) -> &[String] {
        &self.tokens
    }

    /// What is told without checking anything, where the first place held no token, or none did.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        if self.begins_malformed {
            return Some(Refusal::Malformed);
        }
        self.tokens.is_empty().then_some(Refusal::Missing)
    }
}

/// Whether a text is three parts in base64 for URLs, as the compact form of a JWS is (RFC 7515,
/// section 7.1). An empty signature is for the verifier to refuse.
fn has_form(text: &str) -> bool {
    let is_base64 = |part: &str| {
        part.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    let mut parts = text.split('.');
    let (Some(header), Some(claims), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    text.len() <= BYTES_MAX
        && !header.is_empty()
        && !claims.is_empty()
        && [header, claims, signature].into_iter().all(is_base64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(texts: &[&str]) -> Candidates {
        let mut shown = Candidates::default();
        shown.offer(texts);
        shown
    }

    #[test]
    fn what_is_no_token_takes_no_place_and_is_told_only_if_it_came_first() {
        let junk = [
            "nonsense", "a.b", "a.b.c.d", "ä.b.c", "a. b.c", ".b.c", "a..c",
        ];
        let mut all: Vec<_> = junk.iter().cycle().take(50).copied().collect();
        all.push("a.b.c");
        assert_eq!(shown(&all).tokens(), ["a.b.c"]);
        assert_eq!(shown(&all).refusal(), Some(Refusal::Malformed));
        assert_eq!(shown(&["a.b.c", "nonsense"]).refusal(), None);
        assert_eq!(shown(&["", " ", "\t"]).refusal(), Some(Refusal::Missing));
        assert_eq!(shown(&["", " a.b.c "]).tokens(), ["a.b.c"]);
        assert_eq!(shown(&["", "a.b.c"]).refusal(), None);
    }

    #[test]
    fn no_more_than_eight_are_kept_none_twice_and_none_beyond_its_bound() {
        let many: Vec<String> = (0..20).map(|n| format!("a.b.c{}", n / 2)).collect();
        let mut all = Candidates::default();
        all.offer(&many);
        let kept: Vec<String> = (0..8).map(|n| format!("a.b.c{n}")).collect();
        assert_eq!(all.tokens(), kept);
        let long = format!("a.b.{}", "c".repeat(BYTES_MAX - 4));
        let longer = format!("{long}c");
        assert_eq!(shown(&[&longer, &long]).tokens(), [long]);
        assert_eq!(shown(&[&longer]).refusal(), Some(Refusal::Malformed));
    }
}
