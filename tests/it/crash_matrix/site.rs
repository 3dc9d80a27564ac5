//! Where one worker releases, again and again, each time in repositories of their own; and what a release leaves.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use countersign_sandbox::image::Content;
use countersign_sandbox::registry::{Options, Switch};
use futures_util::stream::{self, StreamExt};
use serde_json::Value;

use crate::support::{Gateway, Run, digest, sample};

const VERSION: &str = "1.2.3";
const IMAGES: [&str; 2] = ["app", "web"];
static SERIAL: AtomicU64 = AtomicU64::new(0);

/// One registry of the matrix.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) switches: Vec<Switch>,
    pub(super) upstream: Option<String>,
}

pub(super) struct Site {
    pub(super) gateway: Gateway,
    http: reqwest::Client,
    fallback: bool,
}

/// What a run leaves that counts: tags, those of them that do not show their candidate, and attestations by image, node
/// and predicate type.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Standing {
    pub(super) tags: Vec<String>,
    pub(super) strayed: Vec<String>,
    pub(super) attestations: BTreeMap<(usize, usize, String), usize>,
}

impl Site {
    pub(super) async fn start(column: &Column) -> Self {
        let options =
            Options { switches: column.switches.clone(), upstream: column.upstream.clone(), ..Options::default() };
        let fallback = !column.switches.is_empty() || column.upstream.is_some();
        Self {
            gateway: Gateway::with(&[], options).await,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            fallback,
        }
    }

    /// Pushes both images into new repositories, configures the release, and returns the candidates.
    pub(super) async fn prepare(&self) -> Vec<String> {
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let names = IMAGES.map(|image| format!("acme/r{serial}/{image}"));
        let mut candidates = Vec::new();
        for name in &names {
            candidates.push(self.push(name, &sample(&format!("{VERSION}-{name}"))).await);
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        self.gateway.configure(&names, "");
        self.gateway.token(&self.gateway.sigstore.email_token(crate::support::EMAIL));
        self.gateway.registry.clear_log();
        candidates
    }

    pub(super) async fn promote(&self, candidates: &[String]) -> Run {
        let arguments = promotion(candidates);
        self.gateway.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).await
    }

    pub(super) async fn standing(&self, candidates: &[String]) -> Standing {
        let mut standing = Standing::default();
        for (image, candidate) in candidates.iter().enumerate() {
            let (name, root) = (path_of(candidate), digest(candidate));
            for tag in self.tags(candidate).await {
                let tag_name = format!("{}:{tag}", IMAGES[image]);
                if self.shows(name, &tag).await.as_deref() != Some(root) {
                    standing.strayed.push(tag_name.clone());
                }
                standing.tags.push(tag_name);
            }
            let index = self.get(&format!("/v2/{name}/manifests/{root}")).await;
            let children = index["manifests"].as_array().cloned().unwrap_or_default();
            let children = children.iter().filter_map(|child| child["digest"].as_str());
            for (node, of) in std::iter::once(root).chain(children).enumerate() {
                for kind in self.attested(name, of).await {
                    *standing.attestations.entry((image, node, kind)).or_default() += 1;
                }
            }
        }
        standing
    }

    /// Verifies every tag that is visible now; says how many there were.
    pub(super) async fn visible_tags_verify(&self, candidates: &[String]) -> Result<u64, String> {
        let mut seen = 0;
        for candidate in candidates {
            let tags = self.tags(candidate).await;
            let repository = candidate.split_once('@').unwrap().0;
            let references: Vec<String> = tags.iter().map(|tag| format!("{repository}:{tag}")).collect();
            if references.is_empty() {
                continue;
            }
            let mut arguments = vec!["verify", "--children", "signed"];
            arguments.extend(references.iter().map(String::as_str));
            let run = self.gateway.run(&arguments).await;
            if run.code != 0 {
                return Err(format!("{tags:?} are visible and do not verify: {run}"));
            }
            seen += tags.len() as u64;
        }
        Ok(seen)
    }

    async fn tags(&self, candidate: &str) -> Vec<String> {
        let name = path_of(candidate);
        let list = self.get(&format!("/v2/{name}/tags/list")).await;
        let tags = list["tags"].as_array().into_iter().flatten();
        let mut tags: Vec<String> = tags.filter_map(|tag| Some(tag.as_str()?.to_owned())).collect();
        tags.retain(|tag| !tag.starts_with("sha256-"));
        tags.sort();
        tags
    }

    /// The digest behind a tag.
    async fn shows(&self, name: &str, tag: &str) -> Option<String> {
        let url = format!("{}/v2/{name}/manifests/{tag}", self.gateway.registry.origin());
        let answer = self.http.head(url).header("accept", ACCEPT).send().await.unwrap();
        Some(answer.headers().get("docker-content-digest")?.to_str().unwrap().to_owned())
    }

    /// The predicate types of what is attached to a node.
    async fn attested(&self, name: &str, node: &str) -> Vec<String> {
        let path = if self.fallback {
            format!("/v2/{name}/manifests/{}", node.replace(':', "-"))
        } else {
            format!("/v2/{name}/referrers/{node}")
        };
        let list = self.get(&path).await;
        let mut kinds = Vec::new();
        for entry in list["manifests"].as_array().into_iter().flatten() {
            let entry = entry["digest"].as_str().unwrap_or_default();
            let manifest = self.get(&format!("/v2/{name}/manifests/{entry}")).await;
            let kind = manifest["annotations"]["dev.sigstore.bundle.predicateType"].as_str();
            kinds.push(kind.unwrap_or("?").to_owned());
        }
        kinds
    }

    /// A document of the registry; null when there is none.
    async fn get(&self, path: &str) -> Value {
        let request = self.http.get(format!("{}{path}", self.gateway.registry.origin())).header("accept", ACCEPT);
        let answer = request.send().await.unwrap();
        if answer.status() != 200 {
            return Value::Null;
        }
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
    }

    /// Pushes by digest, over HTTP, and returns the candidate.
    async fn push(&self, name: &str, content: &(dyn Content + Sync)) -> String {
        let blobs = content.blobs().into_iter().map(|(digest, bytes)| self.push_blob(name, digest, bytes));
        stream::iter(blobs).buffer_unordered(4).collect::<Vec<()>>().await;
        for node in content.manifests() {
            let url = format!("{}/v2/{name}/manifests/{}", self.gateway.registry.origin(), node.digest);
            let put = self.http.put(url).header("content-type", node.media_type.clone()).body(node.bytes.clone());
            assert_eq!(put.send().await.unwrap().status(), 201, "{}", node.digest);
        }
        self.gateway.reference(name, &content.root().digest)
    }

    async fn push_blob(&self, name: &str, digest: String, bytes: Vec<u8>) {
        let (client, origin) = (&self.http, self.gateway.registry.origin());
        let session = client.post(format!("{origin}/v2/{name}/blobs/uploads/")).send().await.unwrap();
        let location = session.headers()["location"].to_str().unwrap();
        let location = if location.starts_with('/') { format!("{origin}{location}") } else { location.to_owned() };
        let joint = if location.contains('?') { '&' } else { '?' };
        let put = client.put(format!("{location}{joint}digest={digest}")).body(bytes).send().await.unwrap();
        assert_eq!(put.status(), 201, "{digest}");
    }
}

const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json";

pub(super) fn promotion(candidates: &[String]) -> Vec<String> {
    let flags = ["--version", VERSION, "--timeout", "10s"].map(str::to_owned);
    ["promote".to_owned()].into_iter().chain(candidates.iter().cloned()).chain(flags).collect()
}

fn path_of(candidate: &str) -> &str {
    candidate.split_once('/').unwrap().1.split_once('@').unwrap().0
}
