//! The one table of lasting behaviours: how real registries differ from the specification, and how attackers would.
//!
//! A switch holds until it is turned off. What happens to single requests is a [`Fault`](super::Fault).

use std::time::Duration;

use regex::Regex;

/// A lasting behaviour of the whole registry.
#[derive(Debug, Clone)]
pub enum Switch {
    /// `/referrers/` answers 404 as text and `OCI-Subject` is never sent: distribution 2.8 and 3, GHCR.
    ReferrersOff,
    /// `/referrers/` answers this status with an error envelope (400, 405, 429, 501 …), and `OCI-Subject` is never sent.
    ReferrersStatus(u16),
    /// `/referrers/` answers 303 to this origin (`http://host:port`), as GHCR does to github.com; no `OCI-Subject`.
    ReferrersRedirect(String),
    /// The `artifactType` filter is ignored, and `OCI-Filters-Applied` is not sent.
    ReferrersUnfiltered,
    /// `OCI-Subject` is not sent although the referrers API works: older zot.
    NoOciSubject,
    /// `OCI-Subject` is sent although nothing is indexed: ECR and Docker Hub for a while. Use with `ReferrersOff`.
    LyingOciSubject,
    /// 201 without `Location` on manifest PUT: ECR.
    NoLocation,
    /// Answers without `Docker-Content-Digest`.
    NoDigestHeader,
    /// `Location` is a path instead of a URL.
    RelativeLocation,
    /// The first this many reads of a tag after its PUT see what was there before, absence included.
    StaleTagReads(u32),
    /// Reads of a tag within this time after its PUT see what was there before, absence included.
    StaleTagsFor(Duration),
    /// Every request waits this long before it is handled.
    Latency(Duration),
    /// The Bearer challenge names this realm instead of our own token endpoint. With a [`Trap`](super::Trap) behind it.
    ForeignRealm(String),
    /// Blob GETs answer 307 to `ORIGIN/NAME/DIGEST`: storage on another origin, or a trap.
    BlobRedirect(String),
    /// Tags that match cannot be written again, not even with the same digest: ECR's immutable tags.
    ImmutableTags(Regex),
    /// Reading the tag `sha256-<hex>` gives the manifest of that digest: GitLab.
    DigestAsTag,
    /// `If-Match` and `If-None-Match` of a manifest PUT are obeyed, with the quoted digest as entity tag. Elsewhere they are
    /// ignored, as in every registry that was measured.
    ConditionalPut,
    /// Every manifest PUT with a condition answers 412, as if entity tags were something else than digests.
    MisreadConditions,
    /// `PUT /manifests/DIGEST?tag=a&tag=b` sets these tags and answers `OCI-Tag`: zot, olareg. Elsewhere it is ignored.
    MultiTag,
    /// Lists are given in pages of at most this many entries, with `Link`.
    PageSize(usize),
    /// The tag list ignores `n` and `last` and has no `Link`: distribution 2.8.
    NoPaging,
    /// A manifest is only found when its media type is in `Accept` by name: distribution 2.8 with OCI manifests.
    AcceptByName,
    /// Deleting by tag answers 400 `UNSUPPORTED`: distribution 2.8.
    NoTagDelete,
    /// Every DELETE answers 405 `UNSUPPORTED`: GHCR.
    NoDelete,
    /// `POST ?digest=` is answered 202 as if it had no digest: distribution 2.8.
    NoSinglePost,
    /// Mounts are answered 202: an ordinary upload.
    NoMount,
    /// An expired token is answered 403 instead of 401: ECR.
    ExpiredIsForbidden,
    /// Every answer carries this text as `Warning: 299 - "…"`.
    Warning(String),
}
