//! The registry port over HTTP (OCI distribution spec 1.1), on `reqwest` with rustls.
//!
//! Owns the protocol: addresses, authorisation, retries, redirects, paging, limits, and the verification of every byte
//! while it is read. One file per noun; `exchange` is the only one that sends. Why not `oci-client`: docs/adr/0001.

mod auth;
mod blob;
mod capability;
mod challenge;
mod clients;
mod copy;
mod credentials;
mod docker_config;
pub(super) mod endpoint;
mod error_body;
mod exchange;
mod limiter;
mod limits;
pub(super) mod link;
mod manifest_io;
mod options;
mod realm;
mod redirect;
mod referrers;
mod retry;
mod retry_after;
mod tag_list;
mod token;
mod upload;
mod warning;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Method};
use tokio::time::Instant;

/// Pure parsers of foreign headers, for fuzz/ only.
#[doc(hidden)]
pub mod fuzzing {
    /// `WWW-Authenticate`, `Link` and `Retry-After`: no text may do harm.
    pub fn headers(text: &str) {
        let _ = super::challenge::parse_challenges(text);
        let _ = super::link::parse_next(text);
        let _ = super::retry_after::retry_after_in(text);
        let _ = super::retry_after::parse_retry_after(text, jiff::Timestamp::UNIX_EPOCH);
    }
}

pub use credentials::{CredentialOptions, ExplicitToken};
pub use options::{HttpOptions, HttpSetupError};
pub use warning::Warnings;

use crate::oci::{Descriptor, Digest, RawManifest, Reference, Repository, Tag, TagReference, media_type};
use crate::registry::http::auth::Auth;
use crate::registry::http::capability::Capabilities;
use crate::registry::http::clients::Clients;
use crate::registry::http::endpoint::{Endpoint, is_loopback};
use crate::registry::http::exchange::{Call, Exchange};
use crate::registry::http::limiter::{Direction, Limiter};
use crate::registry::http::limits::{MIN_UPLOAD_RATE, TAGS_PER_PAGE, UPLOAD_UNASKED_BYTES};
use crate::registry::http::manifest_io::Head;
use crate::registry::http::retry::Budget;
use crate::registry::http::retry::{Failure, retrying};
use crate::registry::http::token::Scope;
use crate::registry::http::upload::Uploads;
use crate::registry::{BlobStream, ErrorKind, PutOutcome, PutTarget, ReferrersAnswer, Registry, RegistryError};

/// A client for any number of registries. Caches (credentials, tokens, capabilities, uploads) live as long as it does; a new one
/// starts empty.
#[derive(Debug)]
pub struct HttpRegistry {
    exchange: Exchange,
    capabilities: Capabilities,
    uploads: Uploads,
    plain_http: Vec<String>,
    deadline: Duration,
}

impl HttpRegistry {
    /// Opens no connection. Fails on an unreadable certificate authority or a realm that is not encrypted.
    pub fn new(options: HttpOptions) -> Result<Self, HttpSetupError> {
        for (registry, realm) in &options.realms {
            if realm.scheme() != "https" && !is_loopback(realm) {
                return Err(HttpSetupError::Realm { registry: registry.clone(), realm: realm.to_string() });
            }
        }
        let exchange = Exchange {
            clients: Clients::new(&options)?,
            limiter: Limiter::new(options.reads_per_host, options.writes_per_host),
            budget: Budget::new(options.retries),
            auth: Auth::new(options.credentials, options.realms),
            warnings: options.warnings,
            request_timeout: options.request_timeout,
            stop: options.stop,
        };
        let (plain_http, deadline) = (options.plain_http, options.deadline);
        Ok(Self { exchange, capabilities: Capabilities::default(), uploads: Uploads::default(), plain_http, deadline })
    }

    /// What came of a PUT with several tags. A registry that ignores or refuses the query wrote none of them.
    fn multi_tag(
        &self,
        repository: &Repository,
        wanted: &[Tag],
        outcome: Result<PutOutcome, RegistryError>,
    ) -> Result<PutOutcome, RegistryError> {
        let mut outcome = match outcome {
            Err(error) if error.kind == ErrorKind::Refused => PutOutcome::default(),
            outcome => outcome?,
        };
        outcome.tags.retain(|tag| wanted.contains(tag));
        if outcome.tags.is_empty() {
            self.capabilities.multi_tag_absent(repository.registry());
        }
        Ok(outcome)
    }

    /// Between two attempts to write lies a pause of seconds or minutes, in which somebody else may have written the tag.
    async fn may_replay(&self, repository: &Repository, target: &PutTarget) -> Result<bool, Failure> {
        match target {
            PutTarget::Digest | PutTarget::Tag(_) => Ok(true),
            PutTarget::Tags(_) => Ok(false),
            PutTarget::Move { tag, from } => {
                let now = self.head(repository, tag).await.map_err(Failure::fatal)?;
                Ok(now == *from)
            }
        }
    }

    /// The tag shows something else by now, and is left alone; or the registry compares with something other than the
    /// digest, and the write is made without a condition. Only a look tells.
    async fn condition_failed(
        &self,
        repository: &Repository,
        target: &PutTarget,
        plain: &Call<'_>,
        manifest: &RawManifest,
    ) -> Result<PutOutcome, Failure> {
        if !self.may_replay(repository, target).await? {
            return Ok(PutOutcome::default());
        }
        self.capabilities.conditions_misread(repository.registry());
        Ok(manifest_io::put(&self.exchange, plain, manifest).await?.unwrap_or_default())
    }

    /// Where, as whom and until when: what the calls of one method have in common.
    fn visit(
        &self,
        repository: &Repository,
        direction: Direction,
        operation: &'static str,
    ) -> Result<Visit, RegistryError> {
        let endpoint = Endpoint::of(repository, &self.plain_http)?;
        let scope = match direction {
            Direction::Read => Scope::pull(repository.path()),
            Direction::Write => Scope::push(repository.path()),
        };
        let (repository, deadline) = (repository.clone(), Instant::now() + self.deadline);
        Ok(Visit { subject: repository.to_string(), repository, endpoint, scope, direction, operation, deadline })
    }
}

struct Visit {
    repository: Repository,
    endpoint: Endpoint,
    scope: Scope,
    direction: Direction,
    operation: &'static str,
    subject: String,
    deadline: Instant,
}

impl Visit {
    fn about(mut self, subject: impl std::fmt::Display) -> Self {
        self.subject = subject.to_string();
        self
    }

    /// Uploads get more time, by their size.
    fn sending(mut self, bytes: usize) -> Self {
        self.deadline += Duration::from_secs(bytes as u64 / MIN_UPLOAD_RATE);
        self
    }

    /// A GET of `/v2/<name>/<tail>`, to be changed as needed.
    fn call(&self, tail: &str) -> Call<'_> {
        Call {
            operation: self.operation,
            subject: &self.subject,
            endpoint: &self.endpoint,
            scope: &self.scope,
            method: Method::GET,
            url: self.endpoint.url(&self.repository, tail),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            direction: self.direction,
            deadline: self.deadline,
        }
    }
}

#[async_trait]
impl Registry for HttpRegistry {
    async fn head(&self, repository: &Repository, tag: &Tag) -> Result<Option<Digest>, RegistryError> {
        let reference = TagReference { repository: repository.clone(), tag: tag.clone() };
        let visit = self.visit(repository, Direction::Read, "HEAD manifest")?.about(&reference);
        match manifest_io::head(&self.exchange, visit.call(&format!("manifests/{tag}"))).await? {
            Head::Absent => Ok(None),
            Head::Digest(digest) => Ok(Some(digest)),
            Head::Silent => Ok(self.manifest(&reference.into()).await?.map(|manifest| manifest.digest().clone())),
        }
    }

    async fn manifest(&self, reference: &Reference) -> Result<Option<RawManifest>, RegistryError> {
        let visit = self.visit(reference.repository(), Direction::Read, "GET manifest")?.about(reference);
        let tail = match reference {
            Reference::Tag(reference) => format!("manifests/{}", reference.tag),
            Reference::Digest(reference) => format!("manifests/{}", reference.digest),
        };
        manifest_io::get(&self.exchange, visit.call(&tail), reference).await
    }

    async fn put_manifest(
        &self,
        repository: &Repository,
        target: &PutTarget,
        manifest: &RawManifest,
    ) -> Result<PutOutcome, RegistryError> {
        let (subject, tail) = match target {
            PutTarget::Digest => {
                (format!("{repository}@{}", manifest.digest()), format!("manifests/{}", manifest.digest()))
            }
            PutTarget::Tag(tag) | PutTarget::Move { tag, .. } => {
                (format!("{repository}:{tag}"), format!("manifests/{tag}"))
            }
            // Several tags at once came into registries years after the referrers API: who lacks that lacks this.
            PutTarget::Tags(_)
                if self.capabilities.is_without_multi_tag(repository.registry())
                    || self.capabilities.is_without_referrers(repository) =>
            {
                return Ok(PutOutcome::default());
            }
            // The characters of a tag need no escaping.
            PutTarget::Tags(tags) => {
                let query = tags.iter().map(|tag| format!("tag={tag}")).collect::<Vec<_>>().join("&");
                (format!("{repository}@{}", manifest.digest()), format!("manifests/{}?{query}", manifest.digest()))
            }
        };
        let visit = self.visit(repository, Direction::Write, "PUT manifest")?.about(subject);
        let visit = visit.sending(manifest.bytes().len());
        let plain = manifest_io::writing(visit.call(&tail), manifest)?;
        let call = match target {
            PutTarget::Move { from, .. } if !self.capabilities.misreads_conditions(repository.registry()) => {
                manifest_io::while_it_shows(plain.clone(), from.as_ref())
            }
            _ => plain.clone(),
        };
        let sent = AtomicBool::new(false);
        let outcome = retrying(visit.deadline, &self.exchange.budget, || async {
            if sent.swap(true, Ordering::Relaxed) && !self.may_replay(repository, target).await? {
                return Ok(PutOutcome::default());
            }
            match manifest_io::put(&self.exchange, &call, manifest).await {
                Ok(Some(outcome)) => Ok(outcome),
                Ok(None) => self.condition_failed(repository, target, &plain, manifest).await,
                Err(failure) if matches!(target, PutTarget::Tags(_)) => Err(failure.error.into()),
                Err(failure) => Err(failure),
            }
        })
        .await;
        let outcome = match (target, outcome) {
            (PutTarget::Tags(wanted), outcome) => self.multi_tag(repository, wanted, outcome)?,
            (_, outcome) => outcome?,
        };
        if outcome.subject_handled {
            self.capabilities.referrers_promised(repository);
        }
        Ok(outcome)
    }

    async fn delete_manifest(&self, repository: &Repository, digest: &Digest) -> Result<bool, RegistryError> {
        let visit = self.visit(repository, Direction::Write, "DELETE manifest")?;
        let visit = visit.about(format!("{repository}@{digest}"));
        manifest_io::delete(&self.exchange, visit.call(&format!("manifests/{digest}"))).await
    }

    async fn blob(
        &self,
        repository: &Repository,
        descriptor: &Descriptor,
    ) -> Result<Option<BlobStream>, RegistryError> {
        let subject = format!("{repository}@{}", descriptor.digest);
        let visit = self.visit(repository, Direction::Read, "GET blob")?.about(subject);
        let call = visit.call(&format!("blobs/{}", descriptor.digest));
        blob::download(&self.exchange, call, descriptor).await
    }

    async fn put_blob(
        &self,
        repository: &Repository,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<Descriptor, RegistryError> {
        let descriptor = Descriptor::of(media_type, bytes);
        let subject = format!("{repository}@{}", descriptor.digest);
        let visit = self.visit(repository, Direction::Write, "PUT blob")?.about(subject).sending(bytes.len());
        let here = format!("blobs/{}", descriptor.digest);
        let work = async {
            // A bundle was signed with a key made for it: nobody can have it already.
            let ask = bytes.len() > UPLOAD_UNASKED_BYTES && media_type != media_type::SIGSTORE_BUNDLE;
            if ask && upload::exists(&self.exchange, visit.call(&here)).await? {
                return Ok(());
            }
            let (session, body) = (visit.call("blobs/uploads/"), Bytes::copy_from_slice(bytes));
            let single = self.capabilities.single_post(repository.registry());
            upload::upload(&self.exchange, session, &single, &descriptor.digest, body).await
        };
        self.uploads.once(repository, &descriptor.digest, work).await?;
        Ok(descriptor)
    }

    async fn copy_blob(
        &self,
        from: &Repository,
        to: &Repository,
        descriptor: &Descriptor,
    ) -> Result<bool, RegistryError> {
        let subject = format!("{to}@{}", descriptor.digest);
        let size = usize::try_from(descriptor.size).unwrap_or(usize::MAX);
        let visit = self.visit(to, Direction::Write, "copy blob")?.about(subject).sending(size);
        if upload::exists(&self.exchange, visit.call(&format!("blobs/{}", descriptor.digest))).await? {
            return Ok(false);
        }
        let mount = format!("blobs/uploads/?mount={}&from={}", descriptor.digest, from.path());
        let tail = if from.registry() == to.registry() { mount.as_str() } else { "blobs/uploads/" };
        let open = Call { method: Method::POST, ..visit.call(tail) };
        let open = &open;
        retrying(visit.deadline, &self.exchange.budget, || async {
            let found = self.blob(from, descriptor).await.map_err(Failure::by_kind)?;
            let mut stream = found.ok_or_else(|| {
                let message = format!("blob {} is not in {from}", descriptor.digest);
                Failure::fatal(open.error(ErrorKind::Contradiction, message))
            })?;
            copy::upload_stream(&self.exchange, open, descriptor, &mut stream).await
        })
        .await?;
        Ok(true)
    }

    async fn tags(&self, repository: &Repository) -> Result<Option<Vec<Tag>>, RegistryError> {
        let visit = self.visit(repository, Direction::Read, "GET tags")?;
        tag_list::list(&self.exchange, visit.call(&format!("tags/list?n={TAGS_PER_PAGE}"))).await
    }

    async fn referrers(&self, repository: &Repository, subject: &Digest) -> Result<ReferrersAnswer, RegistryError> {
        if self.capabilities.is_without_referrers(repository) {
            return Ok(ReferrersAnswer::Absent);
        }
        let visit = self.visit(repository, Direction::Read, "GET referrers")?;
        let visit = visit.about(format!("{repository}@{subject}"));
        let answered = referrers::list(&self.exchange, visit.call(&format!("referrers/{subject}"))).await?;
        if answered.answer == ReferrersAnswer::Absent && answered.repository_exists {
            self.capabilities.referrers_absent(repository);
        }
        Ok(answered.answer)
    }
}
