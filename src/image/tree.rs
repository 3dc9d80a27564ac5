//! From a root digest to every platform image below it.
//!
//! Children that are neither images nor BuildKit attestations, and platforms listed twice, are *problems* of the tree
//! (policy denies them), not errors. A child that is missing is an error that refutes; one that could not be fetched is
//! an error that leaves everything unknown.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::{StreamExt, TryStreamExt, stream};

use crate::image::limits::{CONCURRENT_MANIFESTS, MAX_CHILDREN, MAX_CONFIG_BYTES, MAX_INDEX_DEPTH};
use crate::image::verified::read_small;
use crate::image::{ImageError, ImageFacts, ImageSource};
use crate::oci::manifest::Image;
use crate::oci::{Descriptor, Digest, Manifest, Platform, RawManifest, media_type};
use crate::policy::{Reason, ReasonCode};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageTree {
    pub root: Node,
    /// What policy must deny: `unsupported-child`.
    pub problems: Vec<Reason>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeKind {
    Index,
    Image,
    /// A chart, or any other artifact packed as a manifest.
    Artifact,
    /// BuildKit's unsigned SBOM and provenance: shown, never evidence.
    BuildKitAttestation,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// As the parent describes it; for the root, as fetched.
    pub descriptor: Descriptor,
    pub kind: NodeKind,
    /// From the parent's descriptor, else from the image's configuration; not normalised.
    pub platform: Option<Platform>,
    pub manifest: RawManifest,
    /// For images only.
    pub image: Option<ImageFacts>,
    pub children: Vec<Self>,
}

/// A platform image, ready to be catalogued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageNode {
    pub digest: Digest,
    pub platform: Option<Platform>,
    pub facts: ImageFacts,
}

impl ImageTree {
    /// Every image of the tree, in the index's order.
    #[must_use]
    pub fn images(&self) -> Vec<ImageNode> {
        self.nodes()
            .into_iter()
            .filter_map(|node| {
                let facts = node.image.clone()?;
                Some(ImageNode { digest: node.digest().clone(), platform: node.platform.clone(), facts })
            })
            .collect()
    }

    /// Root first, then depth first.
    #[must_use]
    pub fn nodes(&self) -> Vec<&Node> {
        let mut all = vec![&self.root];
        let mut next = 0;
        while let Some(node) = all.get(next).copied() {
            next += 1;
            for (i, child) in node.children.iter().enumerate() {
                all.insert(next + i, child);
            }
        }
        all
    }
}

impl Node {
    #[must_use]
    pub fn digest(&self) -> &Digest {
        self.manifest.digest()
    }
}

/// Fetches the root and everything below it, children concurrently.
pub async fn expand(source: &dyn ImageSource, root: &Digest) -> Result<ImageTree, ImageError> {
    let Some(manifest) = source.manifest(root).await? else {
        return Err(ImageError::NotFound { digest: root.clone(), place: "the source".to_owned() });
    };
    same_digest(root, &manifest)?;
    let walk = Walk { source, children: AtomicUsize::new(0) };
    let root = walk.node(manifest.descriptor(), manifest, 1).await?;
    let mut tree = ImageTree { root, problems: Vec::new() };
    tree.problems = problems(&tree);
    Ok(tree)
}

struct Walk<'a> {
    source: &'a dyn ImageSource,
    children: AtomicUsize,
}

type NodeFuture<'a> = Pin<Box<dyn Future<Output = Result<Node, ImageError>> + Send + 'a>>;

impl Walk<'_> {
    fn node(&self, descriptor: Descriptor, manifest: RawManifest, depth: usize) -> NodeFuture<'_> {
        Box::pin(async move {
            let declared = descriptor.platform.clone();
            let (kind, image, children) = match manifest.parse()? {
                Manifest::Index(index) => {
                    let children = self.index(manifest.digest(), index.manifests, depth).await?;
                    (NodeKind::Index, None, children)
                }
                Manifest::Image(image) if is_buildkit_attestation(&descriptor, &image) => {
                    (NodeKind::BuildKitAttestation, None, Vec::new())
                }
                Manifest::Image(image) if image.is_container_image() => {
                    (NodeKind::Image, Some(self.facts(&manifest, &image).await?), Vec::new())
                }
                Manifest::Image(_) => (NodeKind::Artifact, None, Vec::new()),
            };
            let platform = declared.or_else(|| image.as_ref().and_then(|facts| facts.platform.clone()));
            Ok(Node { descriptor, kind, platform, manifest, image, children })
        })
    }

    async fn index(&self, parent: &Digest, list: Vec<Descriptor>, depth: usize) -> Result<Vec<Node>, ImageError> {
        let limit = |what, max: usize| ImageError::Limit { subject: format!("index {parent}"), what, max: max as u64 };
        if depth > MAX_INDEX_DEPTH {
            return Err(limit("levels of indexes", MAX_INDEX_DEPTH));
        }
        if self.children.fetch_add(list.len(), Ordering::Relaxed) + list.len() > MAX_CHILDREN {
            return Err(limit("children", MAX_CHILDREN));
        }
        // Children of a foreign kind cannot be parsed; they show up in `problems` from the index itself.
        let known =
            |d: &Descriptor| media_type::is_index(&d.media_type) || media_type::is_image_manifest(&d.media_type);
        let fetches = list.into_iter().filter(known).map(|child| self.child(parent.clone(), child, depth));
        stream::iter(fetches).buffered(CONCURRENT_MANIFESTS).try_collect().await
    }

    async fn child(&self, parent: Digest, child: Descriptor, depth: usize) -> Result<Node, ImageError> {
        let Some(manifest) = self.source.manifest(&child.digest).await? else {
            return Err(ImageError::ChildMissing { parent, child: child.digest });
        };
        same_digest(&child.digest, &manifest)?;
        let contradiction = |what: &str, expected: String, found: String| {
            let subject = format!("{what} of manifest {} in index {parent}", child.digest);
            Err(ImageError::Contradiction { subject, expected, found })
        };
        let size = manifest.bytes().len() as u64;
        if size != child.size {
            return contradiction("size", child.size.to_string(), size.to_string());
        }
        if manifest.media_type() != child.media_type {
            return contradiction("media type", child.media_type.clone(), manifest.media_type().to_owned());
        }
        self.node(child, manifest, depth + 1).await
    }

    async fn facts(&self, manifest: &RawManifest, image: &Image) -> Result<ImageFacts, ImageError> {
        let parent = manifest.digest().to_string();
        let Some(stream) = self.source.blob(&image.config).await? else {
            return Err(ImageError::BlobMissing { parent, blob: image.config.digest.clone() });
        };
        let bytes = read_small(stream, &image.config, "bytes of an image configuration", MAX_CONFIG_BYTES).await?;
        if !image.config.digest.matches(&bytes) {
            let subject = format!("configuration of manifest {parent}");
            let (expected, found) = (image.config.digest.to_string(), Digest::of(&bytes).to_string());
            return Err(ImageError::Contradiction { subject, expected, found });
        }
        ImageFacts::parse(image, &bytes)
    }
}

fn same_digest(asked: &Digest, manifest: &RawManifest) -> Result<(), ImageError> {
    if asked.matches(manifest.bytes()) {
        return Ok(());
    }
    Err(ImageError::Contradiction {
        subject: format!("manifest {asked}"),
        expected: asked.to_string(),
        found: manifest.digest().to_string(),
    })
}

/// Annotation, platform and content must all say so: otherwise an image could hide from the scan behind an annotation.
fn is_buildkit_attestation(descriptor: &Descriptor, image: &Image) -> bool {
    descriptor.is_marked_as_buildkit_attestation()
        && image.layers.iter().all(|layer| layer.media_type == media_type::IN_TOTO)
}

fn problems(tree: &ImageTree) -> Vec<Reason> {
    let mut found = Vec::new();
    let mut unsupported = |message: String| found.push(Reason::new(ReasonCode::UnsupportedChild, message));
    let mut seen: BTreeMap<Platform, Digest> = BTreeMap::new();
    for index in tree.nodes().into_iter().filter(|node| node.kind == NodeKind::Index) {
        if let Ok(Manifest::Index(list)) = index.manifest.parse() {
            let fetched = |d: &Descriptor| index.children.iter().any(|c| c.descriptor == *d);
            for child in list.manifests.iter().filter(|d| !fetched(d)) {
                unsupported(format!("child {} has media type {:?}", child.digest, child.media_type));
            }
        }
        for child in &index.children {
            match (child.kind, &child.platform) {
                (NodeKind::Index | NodeKind::BuildKitAttestation, _) => {}
                (NodeKind::Artifact, _) => unsupported(format!("child {} is an artifact, no image", child.digest())),
                (NodeKind::Image, None) => unsupported(format!("child {} names no platform", child.digest())),
                (NodeKind::Image, Some(platform)) if platform.os == "unknown" => {
                    unsupported(format!("child {} is an image for platform {platform}", child.digest()));
                }
                (NodeKind::Image, Some(platform)) => {
                    if let Some(first) = seen.insert(platform.normalised(), child.digest().clone()) {
                        unsupported(format!("platform {platform} twice: {first} and {}", child.digest()));
                    }
                }
            }
        }
    }
    found
}
