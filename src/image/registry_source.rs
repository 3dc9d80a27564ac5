//! An image in a registry. The registry edge hashes and caps; this only asks.

use std::sync::Arc;

use async_trait::async_trait;

use crate::image::{BlobStream, ImageError, ImageSource};
use crate::oci::{Descriptor, Digest, DigestReference, RawManifest, Reference, Repository};
use crate::registry::Registry;

#[derive(Debug, Clone)]
pub struct RegistrySource {
    registry: Arc<dyn Registry>,
    repository: Repository,
}

impl RegistrySource {
    #[must_use]
    pub fn new(registry: Arc<dyn Registry>, repository: Repository) -> Self {
        Self { registry, repository }
    }
}

#[async_trait]
impl ImageSource for RegistrySource {
    async fn manifest(&self, digest: &Digest) -> Result<Option<RawManifest>, ImageError> {
        let reference = DigestReference { repository: self.repository.clone(), digest: digest.clone() };
        Ok(self.registry.manifest(&Reference::Digest(reference)).await?)
    }

    async fn blob(&self, descriptor: &Descriptor) -> Result<Option<BlobStream>, ImageError> {
        Ok(self.registry.blob(&self.repository, descriptor).await?)
    }
}
