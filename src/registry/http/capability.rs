//! What a registry was found not to offer, so that it is asked once: per registry and repository, for some minutes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

use crate::oci::Repository;
use crate::registry::http::limits::ABSENT_TTL;

#[derive(Debug, Default)]
pub(super) struct Capabilities {
    without_referrers: Mutex<HashMap<Repository, Instant>>,
    /// By `host[:port]`: what a registry's software can do is the same for all its repositories.
    without_multi_tag: Mutex<HashMap<String, Instant>>,
    /// Likewise; locked while the first blob finds out.
    single_post: Mutex<HashMap<String, Arc<tokio::sync::Mutex<SinglePost>>>>,
}

/// Whether a registry takes a blob with the request that opens its upload.
#[derive(Debug, Clone, Copy, Default)]
pub(super) enum SinglePost {
    #[default]
    Unknown,
    Taken,
    IgnoredSince(Instant),
}

impl SinglePost {
    pub(super) fn is_taken(self) -> bool {
        matches!(self, Self::Taken)
    }

    pub(super) fn is_unknown(self) -> bool {
        match self {
            Self::Unknown => true,
            Self::Taken => false,
            Self::IgnoredSince(since) => since.elapsed() >= ABSENT_TTL,
        }
    }
}

impl Capabilities {
    /// The referrers API of this repository answered 404.
    pub(super) fn referrers_absent(&self, repository: &Repository) {
        let mut absent = self.without_referrers.lock().unwrap_or_else(PoisonError::into_inner);
        absent.insert(repository.clone(), Instant::now());
    }

    /// The registry said that it lists a referrer: whatever it said before, ask it again.
    pub(super) fn referrers_promised(&self, repository: &Repository) {
        self.without_referrers.lock().unwrap_or_else(PoisonError::into_inner).remove(repository);
    }

    /// A manifest sent with several tags was stored without them.
    pub(super) fn multi_tag_absent(&self, registry: &str) {
        let mut absent = self.without_multi_tag.lock().unwrap_or_else(PoisonError::into_inner);
        absent.insert(registry.to_owned(), Instant::now());
    }

    pub(super) fn is_without_multi_tag(&self, registry: &str) -> bool {
        let absent = self.without_multi_tag.lock().unwrap_or_else(PoisonError::into_inner);
        absent.get(registry).is_some_and(|since| since.elapsed() < ABSENT_TTL)
    }

    pub(super) fn single_post(&self, registry: &str) -> Arc<tokio::sync::Mutex<SinglePost>> {
        let mut known = self.single_post.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.entry(registry.to_owned()).or_default())
    }

    pub(super) fn is_without_referrers(&self, repository: &Repository) -> bool {
        let absent = self.without_referrers.lock().unwrap_or_else(PoisonError::into_inner);
        absent.get(repository).is_some_and(|since| since.elapsed() < ABSENT_TTL)
    }
}
