//! What a certificate says about its holder. Claims, not permissions: [`crate::identity::ExpectedIdentities`] decides.

use std::fmt;

/// The kind of the subject alternative name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NameKind {
    /// A person, or a service account.
    Email,
    /// A workload, for example a CI workflow.
    Uri,
}

impl fmt::Display for NameKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Email => "an e-mail address",
            Self::Uri => "a URI",
        })
    }
}

/// The one subject alternative name, the issuer, and the CI claims.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SignerIdentity {
    pub name: String,
    pub kind: NameKind,
    pub issuer: String,
    pub claims: CiClaims,
}

impl fmt::Display for SignerIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (issuer {})", self.name, self.issuer)
    }
}

/// Fulcio's extensions 1.3.6.1.4.1.57264.1.9 to .24; a certificate of a person has none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct CiClaims {
    /// .9
    pub build_signer_uri: Option<String>,
    /// .10
    pub build_signer_digest: Option<String>,
    /// .11
    pub runner_environment: Option<String>,
    /// .12
    pub source_repository_uri: Option<String>,
    /// .13
    pub source_repository_digest: Option<String>,
    /// .14
    pub source_repository_ref: Option<String>,
    /// .15
    pub source_repository_identifier: Option<String>,
    /// .16
    pub source_repository_owner_uri: Option<String>,
    /// .17
    pub source_repository_owner_identifier: Option<String>,
    /// .18
    pub build_config_uri: Option<String>,
    /// .19
    pub build_config_digest: Option<String>,
    /// .20
    pub build_trigger: Option<String>,
    /// .21
    pub run_invocation_uri: Option<String>,
    /// .22
    pub source_repository_visibility: Option<String>,
    /// .23
    pub deployment_environment: Option<String>,
    /// .24
    pub token_subject: Option<String>,
}
