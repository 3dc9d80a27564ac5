//! The port to GitHub's REST API, as far as it holds evidence: attestations that were never pushed to a registry, and how
//! two commits are related.
//!
//! "Nothing there" is an empty answer or `None`; not being able to look is an error, never absence (I6). What comes back is
//! capped, and as little believed as what a registry serves: whoever asks verifies it. Nothing here writes. Implementation:
//! `http`.

mod attestations;
pub mod http;

use std::fmt::Debug;

use async_trait::async_trait;

use crate::identity::GitHubRepository;
use crate::oci::Digest;
use crate::promotion::Commit;

/// Attestations of one digest that are looked at. A nightly rebuild to the same bytes adds one each night; more than these
/// are *unknown*, as with referrers.
pub const MAX_ATTESTATIONS: usize = 100;

#[async_trait]
pub trait GitHub: Send + Sync + Debug {
    /// The bundles of build provenance that GitHub keeps about `subject` in `repository`, each at most
    /// [`crate::evidence::MAX_BUNDLE_BYTES`], or why that one could not be fetched. An answer of 404 is an empty list: GitHub says
    /// nothing else for a repository that the token may not see.
    async fn attestations(
        &self,
        repository: &GitHubRepository,
        subject: &Digest,
    ) -> Result<Vec<Result<Vec<u8>, GitHubError>>, GitHubError>;

    /// How `head` is related to `base`; `None` where GitHub does not know both, or the token may not see them.
    async fn compare(
        &self,
        repository: &GitHubRepository,
        base: &Commit,
        head: &Commit,
    ) -> Result<Option<Relation>, GitHubError>;
}

/// `status` of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// `head` has everything of `base`, and more.
    Ahead,
    Identical,
    /// `head` lacks commits of `base`.
    Behind,
    /// Each has commits that the other lacks.
    Diverged,
}

/// For branching; texts are for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// 401: an expired or revoked token.
    Unauthenticated,
    /// 403 that is no rate limit.
    Forbidden,
    /// 429, or 403 with GitHub's rate-limit signs.
    RateLimited,
    /// Connection, time-out, 5xx.
    Unavailable,
    /// An answer that breaks the protocol, redirects to other origins included.
    Malformed,
    /// More bytes, pages or attestations than we look at (I12).
    Limit,
}

/// Why GitHub could not be asked. Never holds a token or the query of an address, which may be a signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("GET {subject}: {message}")]
pub struct GitHubError {
    pub kind: ErrorKind,
    /// Origin and path that were asked.
    pub subject: String,
    /// Expected and found.
    pub message: String,
}
