//! Who may have signed: expected identities, and what a Fulcio certificate says about its holder.
//!
//! Pure comparison of strings that verification has authenticated before; certificates are parsed in
//! `evidence::certificate`. Semantics are product.md's "Verdict rules": the issuer is always compared, regular
//! expressions match the whole name, GitHub claims are compared by Fulcio's extension OIDs
//! (<https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md>) and never by the deprecated `.2` to `.6`.

mod builder;
mod claims;
mod compare;
mod expected;
mod github;
mod issuer;
mod lint;
mod mismatch;
mod signer;

pub use builder::{BuildSource, Builder, ExpectedProvenance};
pub use claims::RequiredClaim;
pub use compare::accepting_flags;
pub use expected::{ExpectedIdentities, ExpectedIdentity, IdentityRole, NamePattern};
pub use github::{GitHubExpectation, GitHubRepository, RefGlob, Workflow, WorkflowRun, workflow_run};
pub use issuer::Issuer;
pub use lint::{IdentityFinding, lint, warnings};
pub use mismatch::{IdentityError, IdentityField, IdentityMismatch};
pub use signer::{CiClaims, NameKind, SignerIdentity};
