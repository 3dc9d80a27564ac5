//! The registry client over real loopback HTTP: each rule of the port, against the sandbox and against real registries.

mod attaching;
mod authorisation;
mod blobs;
mod lists;
mod manifests;
mod oracle;
mod quirks;
mod real;
mod retries;

use std::time::Duration;

use countersign::oci::{Descriptor, Digest, RawManifest, Reference, Repository, Tag, TagReference, media_type};
use countersign::registry::http::{CredentialOptions, ExplicitToken, HttpOptions, HttpRegistry};
use countersign_sandbox::registry as sandbox;

/// Short enough for tests that wait for it.
const REQUEST_TIMEOUT: Duration = Duration::from_millis(700);

fn options() -> HttpOptions {
    HttpOptions { request_timeout: REQUEST_TIMEOUT, deadline: Duration::from_secs(20), ..HttpOptions::default() }
}

fn client() -> HttpRegistry {
    HttpRegistry::new(options()).unwrap()
}

/// A client with `user:password` or a token for this registry.
fn client_as(registry: &sandbox::Registry, secret: &str) -> HttpRegistry {
    let explicit = Some(ExplicitToken { registry: registry.address(), token: secret.to_owned().into() });
    let credentials = CredentialOptions { explicit, ..CredentialOptions::default() };
    HttpRegistry::new(HttpOptions { credentials, ..options() }).unwrap()
}

async fn start(options: sandbox::Options) -> (sandbox::Registry, Repository) {
    let registry = sandbox::Registry::start(options).await.unwrap();
    let repository = format!("{}/team/app", registry.address()).parse().unwrap();
    (registry, repository)
}

async fn open() -> (sandbox::Registry, Repository) {
    start(sandbox::Options::default()).await
}

fn tag(name: &str) -> Tag {
    name.parse().unwrap()
}

fn by_tag(repository: &Repository, name: &str) -> Reference {
    Reference::Tag(TagReference { repository: repository.clone(), tag: tag(name) })
}

fn by_digest(repository: &Repository, digest: &Digest) -> Reference {
    Reference::Digest(countersign::oci::DigestReference { repository: repository.clone(), digest: digest.clone() })
}

/// An empty index: the smallest manifest that refers to nothing.
fn small_index(marker: &str) -> RawManifest {
    let json = format!(
        r#"{{"schemaVersion":2,"mediaType":"{}","manifests":[],"annotations":{{"marker":"{marker}"}}}}"#,
        media_type::OCI_INDEX
    );
    RawManifest::new(media_type::OCI_INDEX, json.into_bytes())
}

/// Puts a manifest under a tag behind the client's back.
fn seed(registry: &sandbox::Registry, name: &str, manifest: &RawManifest) {
    registry.put_manifest_raw("team/app", manifest.media_type(), manifest.bytes().to_vec());
    registry.set_tag("team/app", name, &manifest.digest().to_string());
}

fn seed_blob(registry: &sandbox::Registry, bytes: &[u8]) -> Descriptor {
    registry.put_blob("team/app", bytes.to_vec());
    Descriptor::of("application/octet-stream", bytes)
}

/// Requests so far, as `METHOD path`.
fn requests(registry: &sandbox::Registry) -> Vec<String> {
    registry.log().iter().map(|request| format!("{} {}", request.method, request.path())).collect()
}

fn count(registry: &sandbox::Registry, start: &str) -> usize {
    requests(registry).iter().filter(|request| request.starts_with(start)).count()
}
