//! `push`: an image from a layout or archive to a repository, by digest and under no tag.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::io::AsyncReadExt;

use crate::image::{ImageError, ImageSource};
use crate::oci::{Descriptor, Digest, DigestReference, Manifest, RawManifest, Repository};
use crate::registry::{PutTarget, Registry, RegistryError};

/// Why an image was not pushed. What was uploaded before stays, unreferenced.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    #[error(transparent)]
    Image(#[from] ImageError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error("manifest {digest} is not in the source")]
    Missing { digest: Digest },
    #[error("blob {digest} cannot be read: {why}")]
    Blob { digest: Digest, why: String },
}

/// Pushes the tree under `root`: blobs, then manifests from the leaves up.
pub async fn push(
    source: &Arc<dyn ImageSource>,
    root: &Digest,
    registry: &Arc<dyn Registry>,
    repository: &Repository,
) -> Result<DigestReference, PushError> {
    manifest(source, root, registry, repository).await?;
    Ok(DigestReference { repository: repository.clone(), digest: root.clone() })
}

fn manifest<'a>(
    source: &'a Arc<dyn ImageSource>,
    digest: &'a Digest,
    registry: &'a Arc<dyn Registry>,
    repository: &'a Repository,
) -> BoxFuture<'a, Result<(), PushError>> {
    Box::pin(async move {
        let found = source.manifest(digest).await?;
        let raw: RawManifest = found.ok_or_else(|| PushError::Missing { digest: digest.clone() })?;
        match raw.parse().map_err(ImageError::from)? {
            Manifest::Index(index) => {
                for child in &index.manifests {
                    manifest(source, &child.digest, registry, repository).await?;
                }
            }
            Manifest::Image(image) => {
                for descriptor in std::iter::once(&image.config).chain(&image.layers) {
                    blob(source, descriptor, registry, repository).await?;
                }
            }
        }
        registry.put_manifest(repository, &PutTarget::Digest, &raw).await?;
        Ok(())
    })
}

async fn blob(
    source: &Arc<dyn ImageSource>,
    descriptor: &Descriptor,
    registry: &Arc<dyn Registry>,
    repository: &Repository,
) -> Result<(), PushError> {
    let found = source.blob(descriptor).await?;
    let mut stream = found.ok_or_else(|| PushError::Missing { digest: descriptor.digest.clone() })?;
    let mut bytes = Vec::new();
    let read = stream.read_to_end(&mut bytes).await;
    read.map_err(|e| PushError::Blob { digest: descriptor.digest.clone(), why: e.to_string() })?;
    registry.put_blob(repository, &descriptor.media_type, &bytes).await?;
    Ok(())
}
