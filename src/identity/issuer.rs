//! The OIDC issuer: compared byte for byte, because `https://a` and `https://a/` are two issuers.

use std::fmt;
use std::str::FromStr;

use crate::identity::IdentityError;

/// The issuer of GitHub Actions' tokens, assumed for GitHub expectations that name none.
const GITHUB_ACTIONS: &str = "https://token.actions.githubusercontent.com";

/// An `https` (or, for local instances, `http`) URL, kept as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Issuer(String);

impl Issuer {
    /// GitHub Actions on github.com.
    #[must_use]
    pub fn github_actions() -> Self {
        Self(GITHUB_ACTIONS.to_owned())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Issuer {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = || IdentityError::Issuer { text: text.chars().take(200).collect() };
        let url = url::Url::parse(text).map_err(|_| refuse())?;
        let plain = !text.chars().any(|c| c.is_whitespace() || c.is_control());
        if !plain || !matches!(url.scheme(), "https" | "http") || url.host_str().is_none() {
            return Err(refuse());
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_a_url_and_keeps_its_spelling() {
        for good in ["https://token.actions.githubusercontent.com", "http://127.0.0.1:9000/ci", "https://a.example/"] {
            assert_eq!(good.parse::<Issuer>().unwrap().to_string(), good);
        }
        for bad in ["", "accounts.google.com", "ftp://a", "https://", "https://a b", " https://a", "https://a\n"] {
            assert!(bad.parse::<Issuer>().is_err(), "{bad:?}");
        }
    }
}
