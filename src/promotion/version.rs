//! A release version: Semantic Versioning 2.0.0 without build metadata, a leading `v` stripped.
//!
//! Build metadata is refused because two versions that differ only there have no order, and a tag cannot carry `+`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::oci::Tag;
use crate::promotion::ReleaseNameError;

/// Largest number in a version that every peer still reads exactly (JavaScript's safe integers, as node-semver).
pub const MAX_VERSION_NUMBER: u64 = (1 << 53) - 1;

/// Longest version text: it has to fit a tag, with a `v` in front.
pub const MAX_VERSION_LEN: usize = crate::oci::tag::MAX_TAG_LEN - 1;

/// Ordered as Semantic Versioning says: `1.2.3-rc.1 < 1.2.3 < 1.10.0`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version(semver::Version);

impl Version {
    #[must_use]
    pub fn major(&self) -> u64 {
        self.0.major
    }

    #[must_use]
    pub fn minor(&self) -> u64 {
        self.0.minor
    }

    /// Pre-releases get their full version tags only (I5).
    #[must_use]
    pub fn is_prerelease(&self) -> bool {
        !self.0.pre.is_empty()
    }

    /// The version that a full version tag spells, `v1.2.3` or `1.2.3`; `None` for every other tag.
    #[must_use]
    pub fn of_tag(tag: &Tag) -> Option<Self> {
        tag.as_str().parse().ok()
    }
}

impl FromStr for Version {
    type Err = ReleaseNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |why: String| ReleaseNameError::Version { text: text.chars().take(200).collect(), why };
        let plain = text.strip_prefix('v').unwrap_or(text);
        if plain.len() > MAX_VERSION_LEN {
            return Err(refuse(format!("longer than {MAX_VERSION_LEN} characters")));
        }
        let version = semver::Version::parse(plain).map_err(|e| refuse(e.to_string()))?;
        if !version.build.is_empty() {
            return Err(refuse("build metadata (+…) has no order and no place in a tag".to_owned()));
        }
        if [version.major, version.minor, version.patch].iter().any(|n| *n > MAX_VERSION_NUMBER) {
            return Err(refuse(format!("a number is larger than {MAX_VERSION_NUMBER}")));
        }
        Ok(Self(version))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<String> for Version {
    type Error = ReleaseNameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn a_leading_v_is_stripped_and_nothing_else_is_tolerated() {
        assert_eq!(version("v1.2.3").to_string(), "1.2.3");
        assert_eq!(version("1.2.3-rc.1").to_string(), "1.2.3-rc.1");
        for bad in ["", "v", "1", "1.2", "V1.2.3", "vv1.2.3", "01.2.3", "1.2.3.4", "1.2.3 ", "1.2.3+build"] {
            assert!(bad.parse::<Version>().is_err(), "{bad}");
        }
        assert!(format!("1.2.3-{}", "a".repeat(200)).parse::<Version>().is_err());
    }

    #[test]
    fn numbers_above_the_safe_integers_are_refused() {
        assert!("9007199254740991.0.0".parse::<Version>().is_ok());
        assert!("9007199254740992.0.0".parse::<Version>().is_err());
        assert!("0.0.18446744073709551616".parse::<Version>().is_err());
    }

    #[test]
    fn order_is_numeric_and_prereleases_come_before_their_release() {
        let sorted = ["0.9.0", "1.0.0-alpha", "1.0.0-alpha.2", "1.0.0-alpha.10", "1.0.0", "1.2.0", "1.10.0"];
        for pair in sorted.windows(2) {
            assert!(version(pair[0]) < version(pair[1]), "{pair:?}");
        }
        assert!(version("1.0.0-rc.1").is_prerelease() && !version("1.0.0").is_prerelease());
    }

    proptest! {
        #[test]
        fn versions_round_trip(major in 0..=MAX_VERSION_NUMBER, minor in 0u64..9999, patch in 0u64..9999,
                               pre in proptest::option::of("[a-z]{1,4}(\\.[1-9]{1,3})?")) {
            let text = pre.map_or(format!("{major}.{minor}.{patch}"), |p| format!("{major}.{minor}.{patch}-{p}"));
            prop_assert_eq!(version(&text).to_string(), text.clone());
            prop_assert_eq!(version(&format!("v{text}")), version(&text));
        }
    }
}
