//! Why an identity is not the expected one, and why an expectation cannot be used.

use std::fmt;

use crate::policy::{Reason, ReasonCode};

/// What was compared. The names are those of the flags and of Fulcio's extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum IdentityField {
    /// The certificate's subject alternative name.
    Name,
    /// The OIDC issuer (.8).
    Issuer,
    /// The source repository URI (.12).
    Repository,
    /// The source repository ref (.14).
    Ref,
    /// The build signer URI (.9).
    Workflow,
    /// Another required claim, by name and extension.
    Claim(&'static str),
}

impl IdentityField {
    #[must_use]
    pub fn code(self) -> ReasonCode {
        match self {
            Self::Name => ReasonCode::IdentityMismatch,
            Self::Issuer => ReasonCode::IssuerMismatch,
            Self::Repository | Self::Ref | Self::Workflow | Self::Claim(_) => ReasonCode::ClaimMismatch,
        }
    }
}

impl fmt::Display for IdentityField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "identity",
            Self::Issuer => "issuer",
            Self::Repository => "source repository (.12)",
            Self::Ref => "source ref (.14)",
            Self::Workflow => "build signer (.9)",
            Self::Claim(name) => name,
        })
    }
}

/// The first thing in which a certificate differs from what is expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: expected {expected}, found {}", found.as_deref().unwrap_or("none"))]
pub struct IdentityMismatch {
    pub field: IdentityField,
    pub expected: String,
    /// `None`: the certificate makes no such claim.
    pub found: Option<String>,
}

impl IdentityMismatch {
    #[must_use]
    pub fn code(&self) -> ReasonCode {
        self.field.code()
    }

    #[must_use]
    pub fn reason(&self) -> Reason {
        Reason::new(self.code(), self.to_string())
    }
}

/// An expectation that cannot be used: a configuration error, never "no restriction".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    #[error("not an issuer: {text:?}: expected an https URL")]
    Issuer { text: String },
    #[error("identity regexp {pattern:?} cannot be used: {why}")]
    Regexp { pattern: String, why: String },
    #[error("an empty {what} would match nothing")]
    Empty { what: &'static str },
    #[error("not a GitHub repository: {text:?}: expected OWNER/REPO")]
    Repository { text: String },
    #[error(
        "not a workflow: {text:?}: expected .github/workflows/FILE or OWNER/REPO/.github/workflows/FILE, without @REF"
    )]
    Workflow { text: String },
    #[error("not a required claim: {text:?}: expected NAME=VALUE, for example runner-environment=github-hosted")]
    Claim { text: String },
    #[error(
        "not a builder: {text:?}: expected a workflow file, OWNER/REPO/.github/workflows/FILE, or an exact URI or e-mail address"
    )]
    Builder { text: String },
    #[error("no expected identity: give an issuer and an identity")]
    None,
}
