//! Why an image could not be read. Keeps *refuted* (looked, and it is wrong or absent) apart from *unknown*.

use crate::oci::manifest::ManifestError;
use crate::oci::{Digest, media_type};
use crate::policy::{Reason, ReasonCode};
use crate::registry::{self, RegistryError};

/// For branching.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The root is not there.
    NotFound,
    /// Everything was readable, and it contradicts itself, or a part is missing.
    Refuted,
    /// A limit of ours, or a format that we cannot read: nobody can say.
    Undecided,
    Unauthenticated,
    Forbidden,
    /// Could not look.
    Unreachable,
    /// A bug of ours.
    Internal,
}

#[derive(Debug, Clone, thiserror::Error)]
pub enum ImageError {
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error("no manifest {digest} in {place}")]
    NotFound { digest: Digest, place: String },
    #[error("index {parent} names manifest {child}, which is not there")]
    ChildMissing { parent: Digest, child: Digest },
    #[error("manifest {parent} names blob {blob}, which is not there")]
    BlobMissing { parent: String, blob: Digest },
    #[error("{subject}: expected {expected}, found {found}")]
    Contradiction { subject: String, expected: String, found: String },
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error("configuration {digest} is malformed: {why}")]
    Config { digest: Digest, why: String },
    #[error("layer {layer} is declared as {declared}, but its bytes are {found}")]
    LayerEncoding { layer: Digest, declared: &'static str, found: &'static str },
    #[error("layer {layer} cannot be read: {why}")]
    LayerMalformed { layer: Digest, why: String },
    #[error("{subject}: more than {max} {what}")]
    Limit { subject: String, what: &'static str, max: u64 },
    #[error("{path}: {why}")]
    File { path: String, why: String },
    #[error("{path} is no image: {why}")]
    Layout { path: String, why: String },
    #[error("reading {subject} stopped unexpectedly")]
    Stopped { subject: String },
}

impl ImageError {
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Registry(error) => match error.kind {
                registry::ErrorKind::Unauthenticated => ErrorKind::Unauthenticated,
                registry::ErrorKind::Forbidden => ErrorKind::Forbidden,
                registry::ErrorKind::RateLimited | registry::ErrorKind::Unavailable => ErrorKind::Unreachable,
                registry::ErrorKind::Contradiction => ErrorKind::Refuted,
                registry::ErrorKind::Malformed | registry::ErrorKind::Refused | registry::ErrorKind::Limit => {
                    ErrorKind::Undecided
                }
            },
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::ChildMissing { .. }
            | Self::BlobMissing { .. }
            | Self::Contradiction { .. }
            | Self::Manifest(_)
            | Self::Config { .. }
            | Self::LayerEncoding { .. }
            | Self::LayerMalformed { .. }
            | Self::Layout { .. } => ErrorKind::Refuted,
            Self::Limit { .. } => ErrorKind::Undecided,
            Self::File { .. } => ErrorKind::Unreachable,
            Self::Stopped { .. } => ErrorKind::Internal,
        }
    }

    /// The coded reason that a verdict shows.
    #[must_use]
    pub fn reason(&self) -> Reason {
        let code = match self {
            Self::NotFound { .. } => ReasonCode::NotFound,
            Self::ChildMissing { .. } | Self::BlobMissing { .. } => ReasonCode::ChildMissing,
            Self::Contradiction { .. } => ReasonCode::DigestMismatch,
            Self::Limit { .. } => ReasonCode::LimitExceeded,
            Self::Manifest(_)
            | Self::Config { .. }
            | Self::LayerEncoding { .. }
            | Self::LayerMalformed { .. }
            | Self::Layout { .. } => ReasonCode::MalformedAnswer,
            Self::File { .. } | Self::Stopped { .. } => ReasonCode::Unreachable,
            Self::Registry(error) => match error.kind {
                registry::ErrorKind::Unauthenticated => ReasonCode::Unauthenticated,
                registry::ErrorKind::Forbidden => ReasonCode::Forbidden,
                registry::ErrorKind::Contradiction => ReasonCode::DigestMismatch,
                registry::ErrorKind::RateLimited | registry::ErrorKind::Unavailable => ReasonCode::Unreachable,
                registry::ErrorKind::Malformed | registry::ErrorKind::Refused => ReasonCode::MalformedAnswer,
                registry::ErrorKind::Limit => ReasonCode::LimitExceeded,
            },
        };
        Reason::new(code, self.to_string())
    }

    /// An error from reading a blob stream: what the edge put inside, else "could not read".
    pub(super) fn of_io(subject: &str, error: &std::io::Error) -> Self {
        let inner = error.get_ref();
        if let Some(image) = inner.and_then(|e| e.downcast_ref::<Self>()) {
            return image.clone();
        }
        if let Some(registry) = RegistryError::of_io(error) {
            return Self::Registry(registry.clone());
        }
        Self::File { path: subject.to_owned(), why: error.to_string() }
    }
}

/// The media type of a manifest whose place keeps none (a layout's blobs): what the document says, else its shape.
pub(super) fn document_media_type(bytes: &[u8]) -> &'static str {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Peek {
        media_type: Option<String>,
        manifests: Option<serde::de::IgnoredAny>,
    }
    let Ok(peek) = serde_json::from_slice::<Peek>(bytes) else { return "application/octet-stream" };
    let known =
        [media_type::OCI_INDEX, media_type::OCI_MANIFEST, media_type::DOCKER_INDEX, media_type::DOCKER_MANIFEST];
    match peek.media_type {
        Some(text) => known.into_iter().find(|k| *k == text).unwrap_or("application/octet-stream"),
        None if peek.manifests.is_some() => media_type::OCI_INDEX,
        None => media_type::OCI_MANIFEST,
    }
}
