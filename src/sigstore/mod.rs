//! Keyless signing and where trust roots come from: the Sigstore edge.
//!
//! The port is [`Signer`]: statements in, bundles out, all submitted together, each checked against the trust root before
//! it is handed back. Real: [`KeylessSigner`] (Fulcio, Rekor v2 or v1, timestamp authority). Verification is core and
//! lives in `evidence`; attaching is `registry`'s. The identity token goes to Fulcio only, redirects are not followed, and
//! neither token nor foreign bodies beyond a short excerpt reach an error text (I10, I11).

mod blob;
mod browser;
mod exchange;
mod fulcio;
mod keyless;
mod layer;
mod log;
mod oidc;
mod retry;
mod services;
mod timestamp;
mod trust_root;
mod tuf;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::oci::{Descriptor, Digest};
use crate::policy::ReasonCode;

pub use browser::{Browser, Person};
pub use keyless::KeylessSigner;
pub use oidc::{ClaimMismatch, TokenSource, WorkloadToken};
pub use services::{Services, http_client};
pub use trust_root::{Instance, load_trust_root};
pub use tuf::{EXPIRY_NOTICE, Network, Origin, TrustMaterial, trust_material};

/// Reads the time. Given by `app`, so that nothing here reads the clock itself.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What is to be signed, and for which layout. Statements become the DSSE payload byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// An in-toto statement for a bundle.
    Bundle(Vec<u8>),
    /// An in-toto statement for cosign's `.att` tag.
    LegacyStatement(Vec<u8>),
    /// A simple-signing payload for cosign's `.sig` tag.
    LegacySignature(Vec<u8>),
}

impl Payload {
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Bundle(bytes) | Self::LegacyStatement(bytes) | Self::LegacySignature(bytes) => bytes,
        }
    }
}

/// What became of a [`Payload`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signed {
    Bundle(SignedBundle),
    Layer(SignedLayer),
}

/// Signs in-toto statements.
#[async_trait]
pub trait Signer: Send + Sync + fmt::Debug {
    /// Signs every payload under one certificate and returns the results in the same order. All are submitted at once; if
    /// one fails, none is returned, and what was logged meanwhile does no harm. Without a Rekor v1 log, payloads of the
    /// older layout are a configuration error before anything is signed.
    async fn sign_each(&self, payloads: &[Payload]) -> Result<Vec<Signed>, SigstoreError>;

    /// As [`Self::sign_each`], for bundles alone.
    async fn sign(&self, statements: &[Vec<u8>]) -> Result<Vec<SignedBundle>, SigstoreError> {
        let payloads: Vec<Payload> = statements.iter().cloned().map(Payload::Bundle).collect();
        let bundle = |signed| match signed {
            Signed::Bundle(bundle) => Some(bundle),
            Signed::Layer(_) => None,
        };
        Ok(self.sign_each(&payloads).await?.into_iter().filter_map(bundle).collect())
    }
}

/// A layer of cosign's older tags that stood up to the trust root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedLayer {
    /// With the verification material in its annotations.
    pub descriptor: Descriptor,
    pub bytes: Vec<u8>,
}

/// A finished bundle v0.3 that stood up to the trust root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedBundle {
    /// The JSON document, as it is attached.
    pub bytes: Vec<u8>,
    /// Of the DSSE payload, that is of the statement.
    pub payload_digest: Digest,
    /// The earliest trusted time.
    pub logged_at: Timestamp,
}

/// What a caller decides by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SigstoreErrorKind {
    /// Trust root, signing configuration, token source: exit 2.
    Configuration,
    /// No token, an expired one, or one that Fulcio refuses: exit 6.
    Unauthorized,
    /// Not reached in time, although tried again: exit 7.
    Unavailable,
    /// Reached, and the request was refused for what it is: exit 7, but trying again will not help.
    Rejected,
}

/// The services signing talks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    Fulcio,
    Rekor,
    TimestampAuthority,
    /// The issuer of identity tokens.
    Oidc,
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fulcio => "Fulcio",
            Self::Rekor => "Rekor",
            Self::TimestampAuthority => "the timestamp authority",
            Self::Oidc => "the identity token service",
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SigstoreError {
    #[error("cannot read {path}: {why}")]
    File { path: String, why: String },
    #[error("unusable trust root {origin}: {why}")]
    TrustRoot { origin: String, why: String },
    #[error("unusable signing configuration: {why}")]
    SigningConfig { why: String },
    #[error("no identity token: neither a file, nor SIGSTORE_ID_TOKEN, nor a CI that gives one")]
    NoToken,
    #[error("not an identity token ({origin}): {why}")]
    TokenMalformed { origin: &'static str, why: String },
    #[error("the identity token expired at {expired_at}, it is {now} now")]
    TokenExpired { expired_at: Timestamp, now: Timestamp },
    #[error("{service} refused the identity (HTTP {status}): {why}")]
    Unauthorized { service: Service, status: u16, why: String },
    #[error("{service} refused the request (HTTP {status}): {why}")]
    Rejected { service: Service, status: u16, why: String },
    #[error("{service} gave no usable answer: {why}")]
    Unavailable { service: Service, why: String },
    #[error("a statement cannot be signed: {why}")]
    Statement { why: String },
    /// Known before anything was signed.
    #[error("a statement of {bytes} bytes is too large: {place} takes at most {most}")]
    TooLarge { bytes: u64, most: u64, place: String },
    /// The services that signed are not those of the trust root, or one of them misbehaves.
    #[error("a bundle just signed does not verify with the trust root ({code}): {why}")]
    NotVerifiable { code: ReasonCode, why: String },
}

impl SigstoreError {
    #[must_use]
    pub fn kind(&self) -> SigstoreErrorKind {
        match self {
            Self::File { .. }
            | Self::TrustRoot { .. }
            | Self::SigningConfig { .. }
            | Self::TooLarge { .. }
            | Self::NotVerifiable { .. } => SigstoreErrorKind::Configuration,
            Self::NoToken | Self::TokenMalformed { .. } | Self::TokenExpired { .. } | Self::Unauthorized { .. } => {
                SigstoreErrorKind::Unauthorized
            }
            Self::Unavailable { .. } => SigstoreErrorKind::Unavailable,
            Self::Rejected { .. } | Self::Statement { .. } => SigstoreErrorKind::Rejected,
        }
    }

    /// Of a set-up problem: its code, and what to do.
    #[must_use]
    pub fn setup(&self) -> (&'static str, &'static str) {
        match self {
            Self::TooLarge { .. } => (
                "attestation-too-large",
                "sign with services that offer a Rekor v2 log, which takes a hash alone, or give the image fewer packages: its SBOM and report grow with them",
            ),
            _ => ("sigstore", "check --trust-root and --signing-config: countersign doctor"),
        }
    }
}
