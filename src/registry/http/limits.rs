//! Every limit of the HTTP client with its reason (I12). Passing one is an error of kind `Limit`, never silence.

use std::time::Duration;

/// Attempts of one request that is safe to replay: what regclient and oras-go settled on.
pub(super) const MAX_ATTEMPTS: u32 = 5;
/// First pause between attempts; doubles. Long enough for a restarting proxy, short enough not to be noticed.
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// Longest pause that we choose ourselves.
pub(super) const MAX_PAUSE: Duration = Duration::from_secs(10);
/// Good answers in a row after which one more request may be under way again at a host that limited us.
pub(super) const GOOD_ANSWERS_PER_PLACE: u32 = 20;
/// Repetitions of requests in one run, all registries together: an outage ends in minutes however many requests it
/// meets, and a rate limit does not become a storm.
pub(super) const RETRY_BUDGET: u32 = 200;
/// A registry that asks for more patience than this (`Retry-After`) is reported instead of waited for.
pub(super) const MAX_RETRY_AFTER: Duration = Duration::from_secs(300);
/// TCP and TLS handshake.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Uploads slower than this (bytes per second) are given up: the request time-out grows by size over rate.
pub(super) const MIN_UPLOAD_RATE: u64 = 256 * 1024;

/// Hops of a blob download. Registries use one, CDNs behind them another.
pub(super) const MAX_REDIRECTS: usize = 5;

/// Bytes of an error body that are looked at for codes and rate-limit texts.
pub(super) const MAX_ERROR_BODY: u64 = 16 * 1024;
/// Characters of a registry's own words inside our errors.
pub(super) const MAX_ERROR_TEXT: usize = 300;
/// Bytes of a token answer; Docker Hub's JWTs have 3 KB, cloud registries' up to 12.
pub(super) const MAX_TOKEN_BODY: u64 = 256 * 1024;

/// Bytes of one page of tags: 10,000 names of full length.
pub(super) const MAX_TAG_PAGE_BYTES: u64 = 4 * 1024 * 1024;
/// Pages of one tag list. GHCR serves up to 1,000 names a page, others 100.
pub(super) const MAX_TAG_PAGES: usize = 2_000;
/// Tags of one repository: the largest seen has 220,000 (immich); this many names take about 30 MB.
pub(super) const MAX_TAGS: usize = 300_000;
/// Names asked for per page, the most that GHCR grants.
pub(super) const TAGS_PER_PAGE: usize = 1_000;

/// Pages of one referrers list: one entry a page is the worst that is still of use.
pub(super) const MAX_REFERRER_PAGES: usize = crate::registry::MAX_REFERRERS + 1;
/// How long "this registry has no referrers API" is remembered; a server process outlives registry upgrades.
pub(super) const ABSENT_TTL: Duration = Duration::from_secs(600);

/// Blobs up to this size are sent without asking first: a HEAD costs as much as it could save.
pub(super) const UPLOAD_UNASKED_BYTES: usize = 64 * 1024;

/// The blob that finds out whether a registry takes content with the first request: sent twice where it does not. The
/// empty configuration of an attestation has two bytes.
pub(super) const MAX_TRIAL_BYTES: usize = 1024;

/// How long an uploaded blob is taken to be there still; registries collect garbage much later.
pub(super) const UPLOADED_TTL: Duration = Duration::from_secs(600);
/// Uploads remembered at once; a promote makes a few dozen.
pub(super) const MAX_REMEMBERED_UPLOADS: usize = 10_000;

/// A token without `expires_in` lives this long (distribution token specification).
pub(super) const DEFAULT_TOKEN_LIFE: Duration = Duration::from_secs(60);
/// No token is believed for longer than this, whatever its answer says.
pub(super) const MAX_TOKEN_LIFE: Duration = Duration::from_secs(3600);
/// A token is renewed this long before it expires, so that it does not expire on the way.
pub(super) const TOKEN_MARGIN: Duration = Duration::from_secs(10);
/// A credential helper may ask a person or a cloud; one that hangs must not hang us.
pub(super) const HELPER_TIMEOUT: Duration = Duration::from_secs(30);

/// Header text that is parsed: longer ones are hostile.
pub(super) const MAX_HEADER_TEXT: usize = 8 * 1024;
/// Distinct `Warning` texts kept for the person.
pub(super) const MAX_WARNINGS: usize = 50;
