//! An OCI image layout inside an uncompressed tar file, as `skopeo`, `buildx` and Docker 25 write it.
//!
//! The file is walked once for the places of its entries; blobs are then read, and hashed, from there. Archives of
//! Docker before 25 hold no manifest, so they have no digest to speak of: a coded error.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use crate::image::layer::Fault;
use crate::image::layer_scan::normalise;
use crate::image::layout::{roots_of, verified_manifest};
use crate::image::limits::{MAX_ENTRIES, PIPE_PIECE_BYTES};
use crate::image::tar_walk::{Kind, TarWalk};
use crate::image::verified::Verified;
use crate::image::{BlobStream, ImageError, ImageSource, Witness};
use crate::oci::manifest::MAX_MANIFEST_BYTES;
use crate::oci::{Descriptor, Digest, RawManifest};

#[derive(Debug, Clone)]
pub struct ArchiveSource {
    path: PathBuf,
    entries: Arc<BTreeMap<String, Place>>,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    offset: u64,
    size: u64,
}

impl ArchiveSource {
    /// Walks the archive; blocking work runs on its own thread.
    pub async fn open(path: &Path) -> Result<Self, ImageError> {
        let path = path.to_owned();
        let name = path.display().to_string();
        let opened = tokio::task::spawn_blocking(move || Self::index(path)).await;
        opened.unwrap_or(Err(ImageError::Stopped { subject: name }))
    }

    fn index(path: PathBuf) -> Result<Self, ImageError> {
        let name = path.display().to_string();
        let layout = |why: String| ImageError::Layout { path: name.clone(), why };
        let file = File::open(&path).map_err(|e| ImageError::File { path: name.clone(), why: e.to_string() })?;
        let entries = places(file).map_err(|fault| layout(fault.to_string()))?;
        if entries.contains_key("oci-layout") && entries.contains_key("index.json") {
            return Ok(Self { path, entries: Arc::new(entries) });
        }
        let why = if entries.contains_key("manifest.json") {
            "a Docker archive without an OCI index has no digests: save it with Docker 25 or later, or with skopeo"
        } else {
            "no oci-layout and index.json in it"
        };
        Err(layout(why.to_owned()))
    }

    /// What `index.json` names.
    pub async fn roots(&self) -> Result<Vec<Descriptor>, ImageError> {
        let bytes = self.read_capped("index.json").await?.unwrap_or_default();
        roots_of(&bytes).map_err(|why| ImageError::Layout { path: self.path.display().to_string(), why })
    }

    async fn open_at(&self, place: Place) -> Result<tokio::io::Take<tokio::fs::File>, ImageError> {
        let failed = |e: std::io::Error| ImageError::File { path: self.path.display().to_string(), why: e.to_string() };
        let mut file = tokio::fs::File::open(&self.path).await.map_err(failed)?;
        file.seek(SeekFrom::Start(place.offset)).await.map_err(failed)?;
        Ok(file.take(place.size))
    }

    async fn read_capped(&self, name: &str) -> Result<Option<Vec<u8>>, ImageError> {
        let Some(place) = self.entries.get(name) else { return Ok(None) };
        if place.size > MAX_MANIFEST_BYTES {
            let subject = format!("{name} in {}", self.path.display());
            return Err(ImageError::Limit { subject, what: "bytes of a manifest", max: MAX_MANIFEST_BYTES });
        }
        let mut bytes = Vec::new();
        let read = self.open_at(*place).await?.read_to_end(&mut bytes).await;
        read.map_err(|e| ImageError::File { path: self.path.display().to_string(), why: e.to_string() })?;
        Ok(Some(bytes))
    }
}

/// Regular files by name; of two with one name the last counts.
fn places(file: File) -> Result<BTreeMap<String, Place>, Fault> {
    let mut tar = TarWalk::new(BufReader::with_capacity(PIPE_PIECE_BYTES, file));
    let mut found = BTreeMap::new();
    while let Some(entry) = tar.next()? {
        if entry.kind == Kind::File {
            let place = Place { offset: tar.offset(), size: entry.size };
            found.insert(normalise(&String::from_utf8_lossy(&entry.path)), place);
        }
        if found.len() as u64 > MAX_ENTRIES {
            return Err(Fault::Limit { what: "entries", max: MAX_ENTRIES });
        }
    }
    Ok(found)
}

fn blob_name(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().name(), digest.hex())
}

#[async_trait]
impl ImageSource for ArchiveSource {
    async fn manifest(&self, digest: &Digest) -> Result<Option<RawManifest>, ImageError> {
        let bytes = self.read_capped(&blob_name(digest)).await?;
        bytes.map(|bytes| verified_manifest(digest, bytes)).transpose()
    }

    async fn blob(&self, descriptor: &Descriptor) -> Result<Option<BlobStream>, ImageError> {
        let Some(place) = self.entries.get(&blob_name(&descriptor.digest)) else { return Ok(None) };
        Ok(Some(Box::pin(Verified::new(self.open_at(*place).await?, descriptor))))
    }

    async fn witness(&self, descriptor: &Descriptor) -> Witness {
        let Some(place) = self.entries.get(&blob_name(&descriptor.digest)) else { return Witness::Unknown };
        Witness::of(&tokio::fs::metadata(&self.path).await, place.offset)
    }
}
