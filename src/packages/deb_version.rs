//! A Debian version, split into its parts (deb-version(7)). No ordering: advisories are matched by the scanner.

use std::fmt;
use std::str::FromStr;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DebVersion {
    pub epoch: u32,
    pub upstream: String,
    /// Empty for native packages.
    pub revision: String,
}

/// A text that is no Debian version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a Debian version: {text:?}")]
pub struct DebVersionError {
    pub text: String,
}

impl FromStr for DebVersion {
    type Err = DebVersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = || DebVersionError { text: text.chars().take(100).collect() };
        let (epoch, rest) = match text.split_once(':') {
            Some((epoch, rest)) if epoch.bytes().all(|b| b.is_ascii_digit()) => {
                (epoch.parse().map_err(|_| refuse())?, rest)
            }
            Some(_) => return Err(refuse()),
            None => (0, text),
        };
        let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
        let upstream_byte = |b: u8| b.is_ascii_alphanumeric() || b".+-~:".contains(&b);
        let revision_byte = |b: u8| b.is_ascii_alphanumeric() || b".+~".contains(&b);
        if upstream.is_empty() || !upstream.bytes().all(upstream_byte) || !revision.bytes().all(revision_byte) {
            return Err(refuse());
        }
        Ok(Self { epoch, upstream: upstream.to_owned(), revision: revision.to_owned() })
    }
}

impl fmt::Display for DebVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.epoch > 0 {
            write!(f, "{}:", self.epoch)?;
        }
        f.write_str(&self.upstream)?;
        if self.revision.is_empty() { Ok(()) } else { write!(f, "-{}", self.revision) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_split_at_the_first_colon_and_the_last_hyphen() {
        for (text, epoch, upstream, revision) in [
            ("1.2", 0, "1.2", ""),
            ("1:2.36-9+deb12u4", 1, "2.36", "9+deb12u4"),
            ("2.0-rc1-3", 0, "2.0-rc1", "3"),
            ("20230311~deb12u1", 0, "20230311~deb12u1", ""),
        ] {
            let version: DebVersion = text.parse().unwrap();
            let parts = (version.epoch, version.upstream.as_str(), version.revision.as_str());
            assert_eq!(parts, (epoch, upstream, revision));
            assert_eq!(version.to_string(), text);
        }
    }

    #[test]
    fn what_dpkg_would_refuse_is_refused() {
        for bad in ["", ":1", "a:1", "1 2", "1\x002", "1-2_3", "99999999999:1", "-1"] {
            assert!(bad.parse::<DebVersion>().is_err(), "{bad:?}");
        }
    }
}
