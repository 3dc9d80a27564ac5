//! Images from registries, layouts and archives; layers as streams.
//!
//! [`ImageSource`] is the port: manifests and blobs by digest, hashed and capped by whoever implements it (I7), so that
//! a swapped blob in a layout is refused just as one from a registry. [`expand`] walks an index to its images,
//! [`catalog()`] reads their layers, each once, without unpacking anything to disk. What the files mean is decided in
//! `packages`. Specs: OCI image 1.1 (image-layout.md, layer.md), Docker archive.

mod archive;
mod cache;
mod catalog;
mod config;
mod covers;
mod error;
mod inflate;
mod layer;
mod layer_scan;
mod layout;
pub mod limits;
mod offline;
mod pieces;
mod pool;
mod registry_source;
mod root;
mod stored;
mod tar_walk;
mod tree;
mod verified;

use std::fmt;

use async_trait::async_trait;

use crate::oci::{Descriptor, Digest, RawManifest};
/// The walk through a foreign layer, for fuzz/ only.
#[doc(hidden)]
pub mod fuzzing {
    /// An uncompressed layer: no bytes may do harm.
    pub fn layer(bytes: &[u8]) {
        let _ = super::layer_scan::scan(
            &mut super::tar_walk::TarWalk::new(bytes),
            &Default::default(),
            &Default::default(),
        );
    }
}

pub use crate::registry::BlobStream;
pub use archive::ArchiveSource;
pub use cache::LayerCache;
pub use catalog::{Catalog, Options, catalog};
pub use config::ImageFacts;
pub use error::{ErrorKind, ImageError};
pub use layout::{LayoutSource, ref_name};
pub use offline::OfflineRegistry;
pub use registry_source::RegistrySource;
pub use tree::{ImageNode, ImageTree, Node, NodeKind, expand};

/// Where an image's manifests and blobs come from.
#[async_trait]
pub trait ImageSource: Send + Sync + fmt::Debug {
    /// The manifest with this digest, at most 4 MiB, hashed. `Ok(None)`: looked, and it is not there.
    async fn manifest(&self, digest: &Digest) -> Result<Option<RawManifest>, ImageError>;

    /// A blob as a stream of exactly `descriptor.size` bytes with `descriptor.digest`; reading ends with an error where
    /// they differ, and nothing derived from it may be used before `read` returned `Ok(0)`. `Ok(None)`: not there.
    async fn blob(&self, descriptor: &Descriptor) -> Result<Option<BlobStream>, ImageError>;

    /// For blobs in local files: which file it is, so that a result may be used again only while that file is in place.
    async fn witness(&self, _descriptor: &Descriptor) -> Witness {
        Witness::Remote
    }
}

/// What stands behind a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Witness {
    /// Addressed by its digest elsewhere.
    Remote,
    /// A file: device, inode, size, modification and change time.
    File(String),
    /// A file that is not there or cannot be looked at.
    Unknown,
}

impl Witness {
    /// What a cache is asked with; `None` when nothing may be used again.
    fn name(&self) -> Option<Option<String>> {
        match self {
            Self::Remote => Some(None),
            Self::File(name) => Some(Some(name.clone())),
            Self::Unknown => None,
        }
    }

    fn of(metadata: &std::io::Result<std::fs::Metadata>, place: u64) -> Self {
        use std::os::unix::fs::MetadataExt;
        let Ok(m) = metadata else { return Self::Unknown };
        let modified = (m.mtime(), m.mtime_nsec());
        let changed = (m.ctime(), m.ctime_nsec());
        Self::File(format!("{} {} {} {modified:?} {changed:?} {place}", m.dev(), m.ino(), m.len()))
    }
}
