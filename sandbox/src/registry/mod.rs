//! An OCI distribution 1.1 registry in memory, over real loopback HTTP, with faults that tests choose while it runs.
//!
//! Without switches it is strict: digests are checked, children and blobs must exist, media types must agree. What real
//! registries do differently is one table ([`Switch`]); what breaks on the way is another ([`Fault`]). Every request is
//! logged. Specification: <https://github.com/opencontainers/distribution-spec/blob/main/spec.md>.

mod admit;
mod auth;
mod blobs;
mod call;
mod control;
mod digest;
mod faults;
mod listener;
mod lists;
mod log;
mod manifests;
mod names;
mod path;
mod query;
mod referrers;
mod reply;
mod server;
mod store;
mod switches;
mod token;
mod trap;
mod uploads;
mod upstream;

#[cfg(test)]
mod client;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use axum::Router;
use bytes::Bytes;

pub use self::auth::{Access, Right, User};
pub use self::control::Control;
pub use self::digest::sha256;
pub use self::faults::{Fault, Faults, Place, RetryAfter, Stop, When};
pub use self::log::{Credential, Request, marker};
pub use self::store::{Manifest, RepositorySnapshot, Snapshot};
pub use self::switches::Switch;
pub use self::trap::{Bait, Caught, Trap};

use self::listener::{CuttableListener, Line, Lines, bind};
use self::server::{Shared, handle, lock};

/// How a registry starts. The default is open, without users, on a port that the system chooses.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// 0 lets the system choose.
    pub port: u16,
    /// How clients prove who they are.
    pub access: Access,
    /// Who they may be.
    pub users: Vec<User>,
    /// Whether reading needs no credential.
    pub anonymous_pull: bool,
    /// Switches that are on from the start.
    pub switches: Vec<Switch>,
    /// `HOST:PORT` of a real registry: it answers, and this one only logs and breaks. Users and all switches but latency
    /// are the real one's business then.
    pub upstream: Option<String>,
}

/// A running registry. Ends, with all its connections, when dropped.
#[derive(Debug)]
pub struct Registry {
    address: SocketAddr,
    shared: Arc<Shared>,
    lines: Lines,
    task: tokio::task::JoinHandle<()>,
}

impl Registry {
    /// Starts a registry on the loopback interface, in the current Tokio runtime.
    ///
    /// # Errors
    /// When the port is not free.
    pub async fn start(options: Options) -> io::Result<Self> {
        let (listener, address) = bind(options.port).await?;
        let faults = Faults::default();
        options.switches.into_iter().for_each(|s| faults.on(s));
        let auth = auth::Auth {
            access: options.access,
            users: options.users,
            anonymous_pull: options.anonymous_pull,
            tokens: BTreeMap::new(),
        };
        let shared = Arc::new(Shared {
            origin: format!("http://{address}"),
            store: Mutex::default(),
            auth: Mutex::new(auth),
            log: Mutex::default(),
            faults,
            upstream: options.upstream,
        });
        let lines = Lines::default();
        let listener = CuttableListener { listener, lines: lines.clone() };
        let router = Router::new().fallback(handle).with_state(shared.clone());
        let service = router.into_make_service_with_connect_info::<Line>();
        let task = tokio::spawn(async move {
            let _ = axum::serve(listener, service).await;
        });
        Ok(Self { address, shared, lines, task })
    }

    /// `127.0.0.1:PORT`, as it stands at the front of a reference.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// `http://127.0.0.1:PORT`
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.shared.origin
    }

    /// The table of switches and faults; changes hold for the next request.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// All requests since the start or the last [`clear_log`](Self::clear_log), in order of arrival.
    #[must_use]
    pub fn log(&self) -> Vec<Request> {
        lock(&self.shared.log).entries()
    }

    /// Forgets the log; numbers begin at 1 again.
    pub fn clear_log(&self) {
        lock(&self.shared.log).clear();
    }

    /// Makes every token that was issued until now expire.
    pub fn expire_tokens(&self) {
        let now = Instant::now();
        lock(&self.shared.auth).tokens.values_mut().for_each(|t| t.expires = now);
    }

    /// A second origin; with [`Bait::Blobs`] it serves this registry's blobs, as blob storage does.
    ///
    /// # Errors
    /// When no loopback port is free.
    pub async fn trap(&self, bait: Bait) -> io::Result<Trap> {
        Trap::with_registry(bait, Some(self.shared.clone())).await
    }

    /// A port from which scripts read the log and set switches and faults.
    ///
    /// # Errors
    /// When no loopback port is free.
    pub async fn control(&self) -> io::Result<Control> {
        Control::start(self.shared.clone()).await
    }

    /// The tags of a repository with their digests; none when there is no such repository.
    #[must_use]
    pub fn tags(&self, repository: &str) -> BTreeMap<String, String> {
        let store = lock(&self.shared.store);
        let tags = store.repositories.get(repository).map(|r| &r.tags);
        tags.into_iter().flatten().map(|(t, s)| (t.clone(), s.digest.clone())).collect()
    }

    /// Where a tag really points, stale or not for clients.
    #[must_use]
    pub fn tag_digest(&self, repository: &str, tag: &str) -> Option<String> {
        self.tags(repository).remove(tag)
    }

    /// A manifest by digest.
    #[must_use]
    pub fn manifest(&self, repository: &str, digest: &str) -> Option<Manifest> {
        lock(&self.shared.store).manifest(repository, digest).cloned()
    }

    /// A blob by digest.
    #[must_use]
    pub fn blob(&self, repository: &str, digest: &str) -> Option<Bytes> {
        lock(&self.shared.store).blob(repository, digest).cloned()
    }

    /// Digests of the manifests whose `subject` is this digest, whatever the referrers switches say.
    #[must_use]
    pub fn referrers(&self, repository: &str, subject: &str) -> Vec<String> {
        lock(&self.shared.store).referrers(repository, subject).into_iter().map(|(digest, _)| digest).collect()
    }

    /// Points a tag at a digest, whether or not that exists.
    pub fn set_tag(&self, repository: &str, tag: &str, digest: &str) {
        lock(&self.shared.store).repository(repository).set_tag(tag, digest);
    }

    /// Removes a tag; returns whether it was there.
    pub fn delete_tag(&self, repository: &str, tag: &str) -> bool {
        lock(&self.shared.store).repository(repository).tags.remove(tag).is_some()
    }

    /// Stores a manifest unchecked, under the digest of its bytes, which is returned.
    pub fn put_manifest_raw(&self, repository: &str, media_type: &str, bytes: impl Into<Bytes>) -> String {
        let bytes = bytes.into();
        let digest = sha256(&bytes);
        self.put_manifest_at(repository, &digest, media_type, bytes);
        digest
    }

    /// Stores a manifest unchecked under any digest: a registry that lies.
    pub fn put_manifest_at(&self, repository: &str, digest: &str, media_type: &str, bytes: impl Into<Bytes>) {
        let manifest = Manifest { bytes: bytes.into(), media_type: media_type.to_owned() };
        lock(&self.shared.store).repository(repository).manifests.insert(digest.to_owned(), manifest);
    }

    /// Stores a blob under its digest, which is returned.
    pub fn put_blob(&self, repository: &str, bytes: impl Into<Bytes>) -> String {
        let bytes = bytes.into();
        let digest = sha256(&bytes);
        self.put_blob_at(repository, &digest, bytes);
        digest
    }

    /// Stores a blob unchecked under any digest: a registry that lies.
    pub fn put_blob_at(&self, repository: &str, digest: &str, bytes: impl Into<Bytes>) {
        lock(&self.shared.store).repository(repository).blobs.insert(digest.to_owned(), bytes.into());
    }

    /// Removes a manifest and all tags of it; returns whether it was there.
    pub fn delete_manifest(&self, repository: &str, digest: &str) -> bool {
        lock(&self.shared.store).repository(repository).delete_manifest(digest)
    }

    /// Removes a blob; returns whether it was there.
    pub fn delete_blob(&self, repository: &str, digest: &str) -> bool {
        lock(&self.shared.store).repository(repository).blobs.remove(digest).is_some()
    }

    /// The complete content as a comparable value: equal before and after means that nothing was written.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        lock(&self.shared.store).snapshot()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.task.abort();
        self.lines.cut_all();
    }
}
