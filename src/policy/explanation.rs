//! What was expected beside what was found, claim by claim, and what would accept it instead.
//!
//! A value for reports: it decides nothing. It is made only of claims that were authenticated (`evidence::explain`), so
//! that a report never repeats what anybody could have written.

use serde::Serialize;

/// One claim, both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ComparedClaim {
    /// As the flags call it: `issuer`, `identity`, `predicate type`, `source ref` …
    pub claim: &'static str,
    /// `None`: any value is accepted.
    pub expected: Option<String>,
    /// `None`: the certificate or statement makes no such claim.
    pub found: Option<String>,
    pub same: bool,
}

/// Why something authentic does not count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    pub claims: Vec<ComparedClaim>,
    /// The claims that differ; most often one.
    pub changed: Vec<&'static str>,
    /// Flags of `verify` under which it would be accepted. For a reader who trusts this signer, never to be applied by a
    /// machine: whoever signed it chose what stands here.
    pub accept: Vec<String>,
}

impl Explanation {
    #[must_use]
    pub fn new(claims: Vec<ComparedClaim>, accept: Vec<String>) -> Self {
        let changed = claims.iter().filter(|claim| !claim.same).map(|claim| claim.claim).collect();
        Self { claims, changed, accept }
    }

    /// The flags as one would type them.
    #[must_use]
    pub fn accepting_flags(&self) -> String {
        self.accept.iter().map(|word| shell_word(word)).collect::<Vec<_>>().join(" ")
    }
}

/// A word for a POSIX shell. Names come from certificates of strangers: quotes and control characters must not get out.
#[must_use]
pub fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@=,+%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    let visible: String = word.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    format!("'{}'", visible.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_never_leaves_its_quotes() {
        let cases = [
            ("a@example.com", "a@example.com"),
            ("refs/tags/v*", "'refs/tags/v*'"),
            ("", "''"),
            ("a'; rm -rf /; '", r"'a'\''; rm -rf /; '\'''"),
            ("a\n\u{1b}[31mb", "'a\u{fffd}\u{fffd}[31mb'"),
            ("$(id)", "'$(id)'"),
        ];
        for (word, expected) in cases {
            assert_eq!(shell_word(word), expected, "{word:?}");
        }
    }

    #[test]
    fn the_claims_that_differ_are_the_changed_ones() {
        let claim = |claim, same| ComparedClaim { claim, expected: None, found: None, same };
        let explanation = Explanation::new(vec![claim("issuer", true), claim("identity", false)], Vec::new());
        assert_eq!(explanation.changed, ["identity"]);
    }
}
