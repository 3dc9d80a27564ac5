//! Words of the OCI specifications as types: digest, repository, tag, reference, descriptor, media type, platform.
//!
//! Pure values that parse at the edge and round-trip; nothing here fetches. There is no implied host, no implied
//! `latest`, and one [`Digest`] type for the whole program. Wire formats (manifest, index, configuration) are read by
//! [`manifest`] from bytes that the caller has capped and hashed. Specs: OCI distribution 1.1, OCI image 1.1.

pub mod descriptor;
pub mod digest;
pub mod manifest;
pub mod media_type;
pub mod platform;
pub mod reference;
pub mod repository;
pub mod tag;

pub use descriptor::Descriptor;
pub use digest::Digest;
pub use manifest::{Manifest, RawManifest};
pub use platform::Platform;
pub use reference::{DigestReference, Reference, TagReference};
pub use repository::Repository;
pub use tag::Tag;

/// Why a text is not the OCI name it claims to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("not a digest: {text:?}: expected sha256:<64 hex digits>")]
    Digest { text: String },
    #[error("not a repository: {text:?}: {why}")]
    Repository { text: String, why: &'static str },
    #[error("not a tag: {text:?}: expected up to 128 of [A-Za-z0-9_.-], not starting with . or -")]
    Tag { text: String },
    #[error("not a reference: {text:?}: {why}")]
    Reference { text: String, why: &'static str },
    #[error("not a platform: {text:?}: expected os/architecture[/variant]")]
    Platform { text: String },
}
