//! Images to inventories: layers in parallel, each downloaded once however many platforms share it.
//!
//! Memory stays bounded by the number of layers worked on at once (one per core, at most [`MAX_WORKERS`]) and by what
//! each may buffer; see `limits`.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::sync::{OnceCell, Semaphore};

use crate::image::cache::LayerKey;
use crate::image::inflate::{Budget, Encoding};
use crate::image::layer::{self, ReadLayer, Reading};
use crate::image::layer_scan::{Aliases, LayerFacts};
use crate::image::limits::MAX_IMAGE_BYTES;
use crate::image::pool::Pool;
use crate::image::root::Root;
use crate::image::{ImageError, ImageNode, ImageSource, LayerCache, Witness};
use crate::oci::{Descriptor, Digest};
use crate::packages::package::Layer;
use crate::packages::{Anomaly, AnomalyCode, Inventory, inventory};

/// More workers would need more memory than a promote may have.
const MAX_WORKERS: usize = 4;
/// Layers waited for at once per image; workers bound what really runs.
const CONCURRENT_LAYERS: usize = 16;

type Cell = Arc<OnceCell<Arc<ReadLayer>>>;

/// How images are catalogued.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Where results of earlier runs are, if they may be used.
    pub cache: Option<Arc<LayerCache>>,
    /// Keep language packages whose files belong to OS packages. Scanners would count them twice.
    pub keep_os_owned: bool,
}

/// Layers of one run, by digest and by what was looked for in them.
pub struct Catalog {
    source: Arc<dyn ImageSource>,
    options: Options,
    layers: Mutex<HashMap<(Digest, Arc<Aliases>), Cell>>,
    workers: Semaphore,
    pool: Pool,
}

/// The inventories of all `nodes`, by image digest.
pub async fn catalog(
    source: Arc<dyn ImageSource>,
    nodes: &[ImageNode],
    options: Options,
) -> Result<BTreeMap<Digest, Inventory>, ImageError> {
    let catalog = Catalog::new(source, options);
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
    pub fn new(source: Arc<dyn ImageSource>, options: Options) -> Self {
        let workers = thread::available_parallelism().map_or(1, |n| n.get().min(MAX_WORKERS));
        let workers = Semaphore::new(workers);
        Self { source, options, layers: Mutex::default(), workers, pool: Pool::default() }
    }

    /// The inventory of one image.
    pub async fn inventory(&self, node: &ImageNode) -> Result<Inventory, ImageError> {
        let mut aliases = Aliases::new();
        let image = &OneImage { node, budget: Budget::new(MAX_IMAGE_BYTES) };
        let mut layers = self.layers(image, Arc::default(), None).await?;
        let mut root = Root::squash(&facts(&layers), &aliases);
        let missed = root.missed(&aliases);
        if !missed.is_empty() {
            // Something behind a link: layers that have it are read once more, with its real path in mind.
            aliases = missed;
            layers = self.layers(image, Arc::new(aliases.clone()), Some(&layers)).await?;
            root = Root::squash(&facts(&layers), &aliases);
        }
        let places: Vec<Layer> = layers.iter().map(|layer| layer.place.clone()).collect();
        let (files, mut anomalies) = root.found(&places, &aliases);
        anomalies.extend(layers.into_iter().filter_map(|layer| layer.unread));
        anomalies.extend(foreign_system(node));
        let keep = self.options.keep_os_owned;
        let work = tokio::task::spawn_blocking(move || inventory(&files, anomalies, keep));
        work.await.map_err(|_| ImageError::Stopped { subject: format!("image {}", node.digest) })
    }

    /// All layers, lowest first. They are begun with the largest, so that it is not alone at the end. Where `known` has
    /// a layer without anything that `aliases` is about, it is taken as it is.
    async fn layers(
        &self,
        image: &OneImage<'_>,
        aliases: Arc<Aliases>,
        known: Option<&[Placed]>,
    ) -> Result<Vec<Placed>, ImageError> {
        let facts = &image.node.facts;
        let mut order: Vec<(usize, &Descriptor, &Digest)> =
            facts.layers.iter().zip(&facts.diff_ids).enumerate().map(|(n, (l, d))| (n, l, d)).collect();
        order.sort_by_key(|(_, layer, _)| std::cmp::Reverse(layer.size));
        let reads = order.into_iter().map(|(number, layer, diff_id)| {
            let aliases = Arc::clone(&aliases);
            async move {
                let before = known.and_then(|known| known.get(number));
                let placed = match before.filter(|b| !aliases.keys().any(|real| b.read.facts.covers.touches(real))) {
                    Some(before) => before.clone(),
                    None => self.placed(image, layer, diff_id, aliases).await?,
                };
                Ok::<_, ImageError>((number, placed))
            }
        });
        let mut read: Vec<(usize, Placed)> = stream::iter(reads).buffered(CONCURRENT_LAYERS).try_collect().await?;
        read.sort_by_key(|(number, _)| *number);
        Ok(read.into_iter().map(|(_, placed)| placed).collect())
    }

    async fn placed(
        &self,
        image: &OneImage<'_>,
        layer: &Descriptor,
        diff_id: &Digest,
        aliases: Arc<Aliases>,
    ) -> Result<Placed, ImageError> {
        let place = Layer { digest: layer.digest.clone(), diff_id: diff_id.clone() };
        let Some(encoding) = Encoding::declared(&layer.media_type) else {
            let detail = unread(&layer.media_type);
            let layer = Some(place.digest.clone());
            let unread = Anomaly { code: AnomalyCode::LayerUnsupported, path: String::new(), layer, detail };
            return Ok(Placed { place, read: Arc::new(ReadLayer::nothing(diff_id)), unread: Some(unread) });
        };
        let read = self.read(image, layer, encoding, aliases, diff_id).await?;
        same_diff_id(layer, diff_id, &read)?;
        Ok(Placed { place, read, unread: None })
    }

    /// Reads a layer, or waits for whoever is reading it. A failure is not remembered.
    async fn read(
        &self,
        image: &OneImage<'_>,
        layer: &Descriptor,
        encoding: Encoding,
        aliases: Arc<Aliases>,
        diff_id: &Digest,
    ) -> Result<Arc<ReadLayer>, ImageError> {
        let cell = {
            let mut layers = self.layers.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(layers.entry((layer.digest.clone(), Arc::clone(&aliases))).or_default())
        };
        let parent = image.node.digest.to_string();
        let read = cell
            .get_or_try_init(|| async {
                let stopped = |_| ImageError::Stopped { subject: parent.clone() };
                let _worker = self.workers.acquire().await.map_err(stopped)?;
                let witness = self.source.witness(layer).await;
                if let Some(read) = self.cached(layer, encoding, &aliases, diff_id, &witness).await {
                    let fault = |fault| layer::named(fault, layer);
                    self.pool.keep(read.facts.weight()).map_err(fault)?;
                    return Ok(Arc::new(read));
                }
                let reading = Reading {
                    source: &*self.source,
                    layer,
                    encoding,
                    aliases: Arc::clone(&aliases),
                    pool: self.pool.clone(),
                    budget: image.budget.clone(),
                    parent: &parent,
                };
                let read = Arc::new(layer::read(reading).await?);
                same_diff_id(layer, diff_id, &read)?;
                self.keep(layer, encoding, &aliases, witness, &read).await;
                Ok::<_, ImageError>(read)
            })
            .await?;
        Ok(Arc::clone(read))
    }

    async fn cached(
        &self,
        layer: &Descriptor,
        encoding: Encoding,
        aliases: &Arc<Aliases>,
        diff_id: &Digest,
        witness: &Witness,
    ) -> Option<ReadLayer> {
        let cache = Arc::clone(self.options.cache.as_ref()?);
        let witness = witness.name()?;
        let (digest, aliases) = (layer.digest.clone(), Arc::clone(aliases));
        let look = tokio::task::spawn_blocking(move || {
            cache.get(LayerKey { digest: &digest, encoding, aliases: &aliases }, witness.as_deref())
        });
        let read = look.await.ok()??;
        // Not what this configuration says: the layer itself must tell who is right.
        (read.diff_id == *diff_id).then_some(read)
    }

    /// Only for layers whose digests were both compared (I7), and only if the file is still the one that was read.
    async fn keep(
        &self,
        layer: &Descriptor,
        encoding: Encoding,
        aliases: &Arc<Aliases>,
        witness: Witness,
        read: &Arc<ReadLayer>,
    ) {
        let Some(cache) = self.options.cache.clone() else { return };
        let Some(name) = witness.name() else { return };
        if self.source.witness(layer).await != witness {
            return;
        }
        let (digest, aliases, read) = (layer.digest.clone(), Arc::clone(aliases), Arc::clone(read));
        let keep = tokio::task::spawn_blocking(move || {
            cache.put(LayerKey { digest: &digest, encoding, aliases: &aliases }, name.as_deref(), &read);
        });
        // A cache that fails is none.
        let _ = keep.await;
    }
}

fn same_diff_id(layer: &Descriptor, diff_id: &Digest, read: &ReadLayer) -> Result<(), ImageError> {
    if read.diff_id == *diff_id {
        return Ok(());
    }
    Err(ImageError::Contradiction {
        subject: format!("diff_id of layer {}", layer.digest),
        expected: diff_id.to_string(),
        found: read.diff_id.to_string(),
    })
}

/// Why layers of this type are not read.
fn unread(media_type: &str) -> String {
    let what = if media_type.contains("encrypted") {
        "encrypted layers"
    } else if media_type.contains("nondistributable") || media_type.contains("foreign") {
        "foreign layers, which no registry keeps,"
    } else {
        "layers of this type"
    };
    format!("{what} are not read: {media_type:?}")
}

/// An image that is being read.
struct OneImage<'a> {
    node: &'a ImageNode,
    /// A layer that other images share is charged to the one that reads it.
    budget: Budget,
}

/// A layer in its image.
#[derive(Clone)]
struct Placed {
    place: Layer,
    read: Arc<ReadLayer>,
    /// Why it was not read, if it was not.
    unread: Option<Anomaly>,
}

fn facts(layers: &[Placed]) -> Vec<&LayerFacts> {
    layers.iter().map(|layer| &layer.read.facts).collect()
}

/// Layers of other systems have another shape; what we find in them is not all there is.
fn foreign_system(node: &ImageNode) -> Option<Anomaly> {
    let platform = node.platform.as_ref().filter(|p| p.os != "linux")?;
    let detail = format!("images for {} are not catalogued", platform.os);
    Some(Anomaly { code: AnomalyCode::LayerUnsupported, path: String::new(), layer: None, detail })
}
