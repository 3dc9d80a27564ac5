//! The predicate types we write and read, and their short names for `--require`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest predicate type we accept; real ones are under 100 characters.
const MAX_LEN: usize = 512;

/// An in-toto predicate type: a URI, compared byte for byte.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PredicateType(Repr);

/// The types we know are always `Known`, so that constants can stand in patterns.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Repr {
    Known(&'static str),
    Other(String),
}

impl PredicateType {
    /// cosign's signature of an image. No other predicate type is ever a signature.
    pub const SIGNATURE: Self = Self(Repr::Known("https://sigstore.dev/cosign/sign/v1"));
    pub const CYCLONEDX: Self = Self(Repr::Known("https://cyclonedx.org/bom"));
    pub const VULNERABILITY: Self = Self(Repr::Known("https://cosign.sigstore.dev/attestation/vuln/v1"));
    pub const VSA: Self = Self(Repr::Known("https://slsa.dev/verification_summary/v1"));
    pub const PROVENANCE: Self = Self(Repr::Known("https://slsa.dev/provenance/v1"));
    /// SLSA provenance before 1.0, which counts as provenance too.
    pub const PROVENANCE_V02: Self = Self(Repr::Known("https://slsa.dev/provenance/v0.2"));
    pub const PROMOTION: Self = Self(Repr::Known("https://countersign.dev/promotion/v1"));
    pub const WITHDRAWAL: Self = Self(Repr::Known("https://countersign.dev/withdrawal/v1"));
    pub const ROLLBACK: Self = Self(Repr::Known("https://countersign.dev/rollback/v1"));

    /// Short names, as `--require` and messages use them.
    pub const NAMED: [(&'static str, Self); 8] = [
        ("signature", Self::SIGNATURE),
        ("sbom", Self::CYCLONEDX),
        ("vulnerability", Self::VULNERABILITY),
        ("vsa", Self::VSA),
        ("provenance", Self::PROVENANCE),
        ("promotion", Self::PROMOTION),
        ("withdrawal", Self::WITHDRAWAL),
        ("rollback", Self::ROLLBACK),
    ];

    /// Build provenance of any version that is read.
    #[must_use]
    pub fn is_provenance(&self) -> bool {
        [Self::PROVENANCE, Self::PROVENANCE_V02].contains(self)
    }

    /// Does it count where `required` is asked for? Itself, and provenance v0.2 for provenance.
    #[must_use]
    pub fn satisfies(&self, required: &Self) -> bool {
        self == required || (*required == Self::PROVENANCE && self.is_provenance())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Repr::Known(text) => text,
            Repr::Other(text) => text,
        }
    }

    /// The short name, or the URI where there is none.
    #[must_use]
    pub fn name(&self) -> &str {
        Self::NAMED.iter().find(|(_, known)| known == self).map_or(self.as_str(), |(name, _)| name)
    }

    /// Reads a short name or a URI.
    pub fn from_name(text: &str) -> Result<Self, NotAPredicateType> {
        match Self::NAMED.into_iter().find(|(name, _)| *name == text) {
            Some((_, known)) => Ok(known),
            None => text.parse(),
        }
    }
}

/// A text that is neither a short name nor a URI.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a predicate type: {text:?}: expected a URI or one of signature, sbom, vulnerability, vsa, provenance, promotion"
)]
pub struct NotAPredicateType {
    pub text: String,
}

impl FromStr for PredicateType {
    type Err = NotAPredicateType;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = text.len() <= MAX_LEN && !text.chars().any(|c| c.is_whitespace() || c.is_control());
        let has_scheme = text.split_once(':').is_some_and(|(scheme, rest)| {
            let mut bytes = scheme.bytes();
            bytes.next().is_some_and(|b| b.is_ascii_alphabetic())
                && bytes.all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
                && !rest.is_empty()
        });
        if plain && has_scheme {
            let known = Self::NAMED.into_iter().map(|(_, known)| known).chain([Self::PROVENANCE_V02]);
            let known = known.into_iter().find(|known| known.as_str() == text);
            return Ok(known.unwrap_or_else(|| Self(Repr::Other(text.to_owned()))));
        }
        Err(NotAPredicateType { text: text.chars().take(200).collect() })
    }
}

impl fmt::Display for PredicateType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl TryFrom<String> for PredicateType {
    type Error = NotAPredicateType;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<PredicateType> for String {
    fn from(predicate_type: PredicateType) -> Self {
        predicate_type.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_and_uris_round_trip() {
        for (name, known) in PredicateType::NAMED {
            assert_eq!(PredicateType::from_name(name), Ok(known.clone()));
            assert_eq!(known.name(), name);
            assert_eq!(known.to_string().parse(), Ok(known));
        }
        assert_eq!(PredicateType::from_name("https://a/b").unwrap().name(), "https://a/b");
        for bad in ["", "sign", ":x", "https:", "a b:c", "https://a\n"] {
            assert!(PredicateType::from_name(bad).is_err(), "{bad:?}");
        }
    }
}
