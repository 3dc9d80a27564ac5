//! Statements, predicates and bundles, and the verification of them: from foreign bytes to verified evidence.
//!
//! Pure: the trust root, the clock and all bytes are handed in. The chain is `Unverified<Bundle>` → [`verify()`] →
//! `Verified<Statement>` → [`verdict::judge`] → [`VerifiedEvidence`], and each arrow is the only way to its right side.
//! Not here: fetching (`registry`), signing and trust root files (`sigstore`), what a promotion record says
//! (`promotion::record`). Specs: in-toto Statement v1, Sigstore bundle v0.3 and client spec, `docs/adr/0002`.

pub mod predicates;
pub mod scan;
pub mod verdict;

mod authenticate;
mod blob;
mod bundle;
mod certificate;
mod explain;
pub mod legacy;
mod log;
mod predicate_type;
mod promise;
pub mod provenance;
mod refusal;
mod statement;
mod trust_expiry;
mod trust_root;
mod verified;
mod verify;

pub(crate) use blob::authenticate_own_blob;
pub use blob::{Blob, BlobBundle, BlobSigner, PublicKey, VerifiedBlob, verify_blob};
pub use bundle::{Bundle, MAX_BUNDLE_BYTES, Unverified};
pub use predicate_type::{NotAPredicateType, PredicateType};
pub use promise::Promise;
pub use refusal::{Found, Refusal};
pub use statement::{IN_TOTO_PAYLOAD_TYPE, Statement, StatementError};
pub use trust_root::{MAX_TRUST_ROOT_BYTES, TrustRoot, TrustRootError};
pub use verified::{RecordEvidence, VerifiedEvidence};
pub use verify::{Moment, Verified, verify};
pub(crate) use verify::{authenticate_own, authenticate_own_layer};
