//! Claims a certificate must make besides issuer and name: any of Fulcio's extensions .9 to .24, by value.
//!
//! `runner-environment=github-hosted` keeps out self-hosted runners, `source-repository-visibility=public` private
//! repositories; cosign has no flag for either. Names are those of Fulcio's documentation
//! (<https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md>).

use std::fmt;
use std::str::FromStr;

use crate::identity::{CiClaims, IdentityError, IdentityField, IdentityMismatch};

type Read = fn(&CiClaims) -> &Option<String>;

/// Name with extension, and where a certificate's claims hold it.
const NAMES: [(&str, Read); 16] = [
    ("build-signer-uri (.9)", |c| &c.build_signer_uri),
    ("build-signer-digest (.10)", |c| &c.build_signer_digest),
    ("runner-environment (.11)", |c| &c.runner_environment),
    ("source-repository-uri (.12)", |c| &c.source_repository_uri),
    ("source-repository-digest (.13)", |c| &c.source_repository_digest),
    ("source-repository-ref (.14)", |c| &c.source_repository_ref),
    ("source-repository-identifier (.15)", |c| &c.source_repository_identifier),
    ("source-repository-owner-uri (.16)", |c| &c.source_repository_owner_uri),
    ("source-repository-owner-identifier (.17)", |c| &c.source_repository_owner_identifier),
    ("build-config-uri (.18)", |c| &c.build_config_uri),
    ("build-config-digest (.19)", |c| &c.build_config_digest),
    ("build-trigger (.20)", |c| &c.build_trigger),
    ("run-invocation-uri (.21)", |c| &c.run_invocation_uri),
    ("source-repository-visibility (.22)", |c| &c.source_repository_visibility),
    ("deployment-environment (.23)", |c| &c.deployment_environment),
    ("token-subject (.24)", |c| &c.token_subject),
];

/// One claim with the one value it must have, compared byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequiredClaim {
    /// Index into [`NAMES`].
    at: usize,
    value: String,
}

impl RequiredClaim {
    /// `name` as in `NAMES`, without the extension.
    pub fn new(name: &str, value: &str) -> Result<Self, IdentityError> {
        let refuse = || IdentityError::Claim { text: format!("{name}={value}").chars().take(200).collect() };
        let at = NAMES.iter().position(|(known, _)| known.split_once(' ').is_some_and(|(known, _)| known == name));
        match at {
            Some(at) if !value.is_empty() => Ok(Self { at, value: value.to_owned() }),
            _ => Err(refuse()),
        }
    }

    /// Name and extension.
    pub(super) fn name(&self) -> &'static str {
        NAMES[self.at].0
    }

    pub(super) fn value(&self) -> &str {
        &self.value
    }

    /// What a certificate says there.
    pub(super) fn found<'a>(&self, claims: &'a CiClaims) -> Option<&'a str> {
        let (_, read) = NAMES[self.at];
        read(claims).as_deref()
    }

    pub(super) fn matches(&self, claims: &CiClaims) -> Result<(), IdentityMismatch> {
        let found = self.found(claims);
        if found == Some(self.value.as_str()) {
            return Ok(());
        }
        let field = IdentityField::Claim(self.name());
        Err(IdentityMismatch { field, expected: self.value.clone(), found: found.map(str::to_owned) })
    }
}

impl FromStr for RequiredClaim {
    type Err = IdentityError;

    /// `NAME=VALUE`
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        Self::new(name, value)
    }
}

impl fmt::Display for RequiredClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, _) = NAMES[self.at];
        write!(f, "{}={}", name.split(' ').next().unwrap_or_default(), self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_a_known_name_and_a_value_that_must_be_there_exactly() {
        let claim: RequiredClaim = "runner-environment=github-hosted".parse().unwrap();
        assert_eq!(claim.to_string(), "runner-environment=github-hosted");
        let with =
            |value: Option<&str>| CiClaims { runner_environment: value.map(str::to_owned), ..CiClaims::default() };
        assert!(claim.matches(&with(Some("github-hosted"))).is_ok());
        for other in [None, Some("self-hosted"), Some("github-hosted "), Some("")] {
            assert!(claim.matches(&with(other)).is_err(), "{other:?}");
        }
        for bad in ["", "runner-environment", "runner-environment=", "wish=granted", "=x", "(.11)=x"] {
            assert!(bad.parse::<RequiredClaim>().is_err(), "{bad}");
        }
    }

    #[test]
    fn every_claim_of_a_certificate_can_be_required() {
        for (at, (name, _)) in NAMES.iter().enumerate() {
            let (name, number) = name.split_once(' ').unwrap();
            assert_eq!(number, format!("(.{})", at + 9));
            assert!(RequiredClaim::new(name, "x").is_ok());
        }
    }
}
