//! An OCI image layout in a folder (image-layout.md). Every blob is hashed here: other tools believe the file name.

use std::io;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use serde::Deserialize;
use tokio::io::AsyncReadExt;

use crate::image::error::document_media_type;
use crate::image::verified::Verified;
use crate::image::{BlobStream, ImageError, ImageSource, Witness};
use crate::oci::manifest::MAX_MANIFEST_BYTES;
use crate::oci::{Descriptor, Digest, RawManifest};

/// Annotation under which a layout's `index.json` keeps a tag.
const REF_NAME: &str = "org.opencontainers.image.ref.name";

#[derive(Debug, Clone)]
pub struct LayoutSource {
    folder: PathBuf,
}

#[derive(Deserialize)]
struct IndexJson {
    manifests: Vec<Descriptor>,
}

impl LayoutSource {
    /// A folder is a layout when it has the file `oci-layout`.
    pub async fn open(folder: &Path) -> Result<Self, ImageError> {
        let marker = folder.join("oci-layout");
        match tokio::fs::metadata(&marker).await {
            Ok(_) => Ok(Self { folder: folder.to_owned() }),
            Err(e) => Err(ImageError::Layout { path: folder.display().to_string(), why: format!("oci-layout: {e}") }),
        }
    }

    /// What `index.json` names. The entries are claims: sizes and digests are checked when they are read.
    pub async fn roots(&self) -> Result<Vec<Descriptor>, ImageError> {
        let path = self.folder.join("index.json");
        let bytes = read_capped(&path).await?.ok_or_else(|| self.malformed("no index.json"))?;
        roots_of(&bytes).map_err(|why| self.malformed(&why))
    }

    fn malformed(&self, why: &str) -> ImageError {
        ImageError::Layout { path: self.folder.display().to_string(), why: why.to_owned() }
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.folder.join("blobs").join(digest.algorithm().name()).join(digest.hex())
    }
}

/// The manifests of an `index.json`.
pub(super) fn roots_of(bytes: &[u8]) -> Result<Vec<Descriptor>, String> {
    serde_json::from_slice::<IndexJson>(bytes).map(|index| index.manifests).map_err(|e| format!("index.json: {e}"))
}

/// The tag that a layout gives one of its roots.
#[must_use]
pub fn ref_name(descriptor: &Descriptor) -> Option<&str> {
    descriptor.annotations.get(REF_NAME).map(String::as_str)
}

fn file_error(path: &Path, error: &io::Error) -> ImageError {
    ImageError::File { path: path.display().to_string(), why: error.to_string() }
}

/// A regular file, `None` when there is nothing. Opening a pipe would wait for a writer for ever.
async fn open_file(path: &Path) -> Result<Option<tokio::fs::File>, ImageError> {
    match tokio::fs::metadata(path).await {
        Ok(metadata) if metadata.is_file() => {}
        Ok(_) => return Err(ImageError::File { path: path.display().to_string(), why: "no regular file".to_owned() }),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(file_error(path, &e)),
    }
    tokio::fs::File::open(path).await.map(Some).map_err(|e| file_error(path, &e))
}

/// At most [`MAX_MANIFEST_BYTES`] of a file, `None` when there is none.
async fn read_capped(path: &Path) -> Result<Option<Vec<u8>>, ImageError> {
    let Some(file) = open_file(path).await? else { return Ok(None) };
    let mut bytes = Vec::new();
    file.take(MAX_MANIFEST_BYTES + 1).read_to_end(&mut bytes).await.map_err(|e| file_error(path, &e))?;
    if bytes.len() as u64 > MAX_MANIFEST_BYTES {
        let subject = path.display().to_string();
        return Err(ImageError::Limit { subject, what: "bytes of a manifest", max: MAX_MANIFEST_BYTES });
    }
    Ok(Some(bytes))
}

/// Checks `bytes` against `digest` and gives them their media type.
pub(super) fn verified_manifest(digest: &Digest, bytes: Vec<u8>) -> Result<RawManifest, ImageError> {
    if !digest.matches(&bytes) {
        return Err(ImageError::Contradiction {
            subject: format!("manifest {digest}"),
            expected: digest.to_string(),
            found: Digest::of(&bytes).to_string(),
        });
    }
    Ok(RawManifest::new(document_media_type(&bytes), bytes))
}

#[async_trait]
impl ImageSource for LayoutSource {
    async fn manifest(&self, digest: &Digest) -> Result<Option<RawManifest>, ImageError> {
        let bytes = read_capped(&self.path(digest)).await?;
        bytes.map(|bytes| verified_manifest(digest, bytes)).transpose()
    }

    async fn blob(&self, descriptor: &Descriptor) -> Result<Option<BlobStream>, ImageError> {
        let Some(file) = open_file(&self.path(&descriptor.digest)).await? else { return Ok(None) };
        Ok(Some(Box::pin(Verified::new(file, descriptor))))
    }

    async fn witness(&self, descriptor: &Descriptor) -> Witness {
        Witness::of(&tokio::fs::metadata(self.path(&descriptor.digest)).await, 0)
    }
}
