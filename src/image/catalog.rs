//! Images to inventories: layers in parallel, each downloaded once however many platforms share it.
//!
//! Memory stays bounded by the number of layers worked on at once (one per core, at most [`MAX_WORKERS`]) and by what
//! each may buffer; see `limits`.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::sync::{OnceCell, Semaphore};

use crate::image::inflate::Encoding;
use crate::image::layer::{self, ReadLayer};
use crate::image::layer_scan::{Aliases, LayerFacts};
use crate::image::root::Root;
use crate::image::{ImageError, ImageNode, ImageSource};
use crate::oci::{Descriptor, Digest};
use crate::packages::package::Layer;
use crate::packages::{Anomaly, AnomalyCode, Inventory, inventory};

/// More workers would need more memory than a promote may have.
const MAX_WORKERS: usize = 4;
/// Layers waited for at once per image; workers bound what really runs.
const CONCURRENT_LAYERS: usize = 16;

type Cell = Arc<OnceCell<Arc<Known>>>;

/// Layers of one run, by digest and by what was looked for in them.
pub struct Catalog {
    source: Arc<dyn ImageSource>,
    layers: Mutex<HashMap<(Digest, Aliases), Cell>>,
    workers: Semaphore,
}

#[derive(Debug)]
struct Known {
    facts: Arc<LayerFacts>,
    diff_id: Digest,
}

/// The inventories of all `nodes`, by image digest.
pub async fn catalog(
    source: Arc<dyn ImageSource>,
    nodes: &[ImageNode],
) -> Result<BTreeMap<Digest, Inventory>, ImageError> {
    let catalog = Catalog::new(source);
    let inventories = stream::iter(nodes).map(|node| catalog.inventory(node)).buffered(nodes.len().max(1));
    let inventories: Vec<Inventory> = inventories.try_collect().await?;
    Ok(nodes.iter().map(|node| node.digest.clone()).zip(inventories).collect())
}

impl std::fmt::Debug for Catalog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Catalog").field("source", &self.source).finish_non_exhaustive()
    }
}

impl Catalog {
    #[must_use]
    pub fn new(source: Arc<dyn ImageSource>) -> Self {
        let workers = thread::available_parallelism().map_or(1, |n| n.get().min(MAX_WORKERS));
        Self { source, layers: Mutex::default(), workers: Semaphore::new(workers) }
    }

    /// The inventory of one image.
    pub async fn inventory(&self, node: &ImageNode) -> Result<Inventory, ImageError> {
        let mut aliases = Aliases::new();
        let mut layers = self.layers(node, &aliases).await?;
        let mut root = Root::squash(&facts(&layers), &aliases);
        let missed = root.missed(&aliases);
        if !missed.is_empty() {
            // A database behind a link: the layers are read once more, with its real path in mind.
            aliases.extend(missed);
            layers = self.layers(node, &aliases).await?;
            root = Root::squash(&facts(&layers), &aliases);
        }
        let places: Vec<Layer> = layers.iter().map(|layer| layer.place.clone()).collect();
        let (files, mut anomalies) = root.found(&places, &aliases);
        anomalies.extend(layers.into_iter().flat_map(|layer| layer.anomalies));
        anomalies.extend(foreign_system(node));
        let work = tokio::task::spawn_blocking(move || inventory(&files, anomalies));
        work.await.map_err(|_| ImageError::Stopped { subject: format!("image {}", node.digest) })
    }

    async fn layers(&self, node: &ImageNode, aliases: &Aliases) -> Result<Vec<Placed>, ImageError> {
        let pairs = node.facts.layers.iter().zip(&node.facts.diff_ids);
        let reads = pairs.map(|(layer, diff_id)| self.placed(node, layer, diff_id, aliases));
        stream::iter(reads).buffered(CONCURRENT_LAYERS).try_collect().await
    }

    async fn placed(
        &self,
        node: &ImageNode,
        layer: &Descriptor,
        diff_id: &Digest,
        aliases: &Aliases,
    ) -> Result<Placed, ImageError> {
        let place = Layer { digest: layer.digest.clone(), diff_id: diff_id.clone() };
        let Some(encoding) = Encoding::declared(&layer.media_type) else {
            let detail = format!("layers of type {:?} are not read", layer.media_type);
            let anomaly = anomaly(&place, AnomalyCode::LayerUnsupported, String::new(), detail);
            return Ok(Placed { place, facts: Arc::default(), anomalies: vec![anomaly] });
        };
        let known = self.read(node, layer, encoding, aliases).await?;
        if known.diff_id != *diff_id {
            return Err(ImageError::Contradiction {
                subject: format!("diff_id of layer {}", layer.digest),
                expected: diff_id.to_string(),
                found: known.diff_id.to_string(),
            });
        }
        let of_layer =
            |(code, path, detail): &(AnomalyCode, String, String)| anomaly(&place, *code, path.clone(), detail.clone());
        let anomalies = known.facts.anomalies.iter().map(of_layer).collect();
        Ok(Placed { facts: Arc::clone(&known.facts), anomalies, place })
    }

    /// Reads a layer, or waits for whoever is reading it. A failure is not remembered.
    async fn read(
        &self,
        node: &ImageNode,
        layer: &Descriptor,
        encoding: Encoding,
        aliases: &Aliases,
    ) -> Result<Arc<Known>, ImageError> {
        let cell = {
            let mut layers = self.layers.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(layers.entry((layer.digest.clone(), aliases.clone())).or_default())
        };
        let parent = node.digest.to_string();
        let known = cell
            .get_or_try_init(|| async {
                let stopped = |_| ImageError::Stopped { subject: parent.clone() };
                let _worker = self.workers.acquire().await.map_err(stopped)?;
                let read = layer::read(&*self.source, layer, encoding, aliases.clone(), &parent).await?;
                let ReadLayer { facts, diff_id } = read;
                Ok::<_, ImageError>(Arc::new(Known { facts: Arc::new(facts), diff_id }))
            })
            .await?;
        Ok(Arc::clone(known))
    }
}

/// A layer in its image.
struct Placed {
    place: Layer,
    facts: Arc<LayerFacts>,
    anomalies: Vec<Anomaly>,
}

fn facts(layers: &[Placed]) -> Vec<Arc<LayerFacts>> {
    layers.iter().map(|layer| Arc::clone(&layer.facts)).collect()
}

fn anomaly(place: &Layer, code: AnomalyCode, path: String, detail: String) -> Anomaly {
    Anomaly { code, path, layer: Some(place.digest.clone()), detail }
}

/// Layers of other systems have another shape; what we find in them is not all there is.
fn foreign_system(node: &ImageNode) -> Option<Anomaly> {
    let platform = node.platform.as_ref().filter(|p| p.os != "linux")?;
    let detail = format!("images for {} are not catalogued", platform.os);
    Some(Anomaly { code: AnomalyCode::LayerUnsupported, path: String::new(), layer: None, detail })
}
