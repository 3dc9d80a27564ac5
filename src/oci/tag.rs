//! A tag name (OCI distribution spec, "Pulling manifests": `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::oci::{Digest, NameError};

/// Longest tag that the distribution spec allows.
pub const MAX_TAG_LEN: usize = 128;

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tag(String);

impl Tag {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The referrers fallback tag of `subject` (distribution spec, "Referrers tag schema").
    #[must_use]
    pub fn referrers_fallback(subject: &Digest) -> Self {
        let hex: String = subject.hex().chars().take(64).collect();
        Self(format!("{}-{hex}", subject.algorithm().name()))
    }

    /// Tag of cosign's legacy layout: `sha256-<hex>.sig`, `.att`, `.sbom`.
    #[must_use]
    pub fn cosign_legacy(subject: &Digest, suffix: &str) -> Self {
        Self(format!("{}-{}.{suffix}", subject.algorithm().name(), subject.hex()))
    }
}

impl FromStr for Tag {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
        let good =
            !text.is_empty() && text.len() <= MAX_TAG_LEN && text.bytes().all(allowed) && !text.starts_with(['.', '-']);
        if good { Ok(Self(text.to_owned())) } else { Err(NameError::Tag { text: text.chars().take(200).collect() }) }
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Tag {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Tag> for String {
    fn from(tag: Tag) -> Self {
        tag.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_follow_the_distribution_grammar() {
        for good in ["1.2.3", "v1.2.3-rc.1", "_x", "latest", &"a".repeat(128)] {
            assert_eq!(good.parse::<Tag>().unwrap().to_string(), good);
        }
        for bad in ["", ".a", "-a", "a b", "a/b", "a:b", "é", &"a".repeat(129)] {
            assert!(bad.parse::<Tag>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_fallback_tag_is_algorithm_dash_hex() {
        let digest = Digest::of(b"");
        assert_eq!(Tag::referrers_fallback(&digest).to_string(), format!("sha256-{}", digest.hex()));
    }
}
