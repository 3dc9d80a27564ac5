//! What a registry was found not to offer, so that it is asked once: per registry and repository, for some minutes.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

use crate::oci::Repository;
use crate::registry::http::limits::ABSENT_TTL;

#[derive(Debug, Default)]
pub(super) struct Capabilities {
    without_referrers: Lately<Repository>,
    /// By `host[:port]`: what a registry's software can do is the same for all its repositories.
    without_multi_tag: Lately<String>,
    /// Likewise: compares conditions with something that is not the digest.
    misreads_conditions: Lately<String>,
    /// Likewise; locked while the first blob finds out.
    single_post: Mutex<HashMap<String, Arc<tokio::sync::Mutex<SinglePost>>>>,
}

/// What was found out some minutes ago at most.
#[derive(Debug)]
struct Lately<K>(Mutex<HashMap<K, Instant>>);

impl<K> Default for Lately<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash> Lately<K> {
    fn note(&self, key: K) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key, Instant::now());
    }

    fn forget(&self, key: &K) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    fn has<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        let noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        noted.get(key).is_some_and(|since| since.elapsed() < ABSENT_TTL)
    }
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
        self.without_referrers.note(repository.clone());
    }

    /// The registry said that it lists a referrer: whatever it said before, ask it again.
    pub(super) fn referrers_promised(&self, repository: &Repository) {
        self.without_referrers.forget(repository);
    }

    /// A manifest sent with several tags was stored without them.
    pub(super) fn multi_tag_absent(&self, registry: &str) {
        self.without_multi_tag.note(registry.to_owned());
    }

    pub(super) fn is_without_multi_tag(&self, registry: &str) -> bool {
        self.without_multi_tag.has(registry)
    }

    /// A write was refused for a condition that holds.
    pub(super) fn conditions_misread(&self, registry: &str) {
        self.misreads_conditions.note(registry.to_owned());
    }

    pub(super) fn misreads_conditions(&self, registry: &str) -> bool {
        self.misreads_conditions.has(registry)
    }

    pub(super) fn single_post(&self, registry: &str) -> Arc<tokio::sync::Mutex<SinglePost>> {
        let mut known = self.single_post.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.entry(registry.to_owned()).or_default())
    }

    pub(super) fn is_without_referrers(&self, repository: &Repository) -> bool {
        self.without_referrers.has(repository)
    }
}
