//! What is listed for a node, before anything of it is fetched: the referrers API's answer, and the fallback tag where the
//! API has none. Known this early, the lists of a whole tree come in while its manifests do.

use crate::oci::{Descriptor, Digest, Repository};
use crate::registry::{ReferrersAnswer, Registry, RegistryError, fallback};

#[derive(Debug, Clone)]
pub struct Lists {
    pub(super) api: Result<ReferrersAnswer, RegistryError>,
    /// `None`: not asked, because the API answered.
    pub(super) fallback: Option<Result<Option<Vec<Descriptor>>, RegistryError>>,
}

impl Lists {
    /// Asks the API, and the fallback tag unless the API gave a list: who has one keeps referrers there.
    pub async fn read(registry: &dyn Registry, repository: &Repository, subject: &Digest) -> Self {
        let api = registry.referrers(repository, subject).await;
        let fallback = match &api {
            Ok(ReferrersAnswer::Supported(_)) => None,
            Ok(ReferrersAnswer::Absent | ReferrersAnswer::Unclear { .. }) | Err(_) => {
                Some(fallback::read_fallback(registry, repository, subject).await)
            }
        };
        Self { api, fallback }
    }

    /// Everything that was listed.
    pub fn entries(&self) -> impl Iterator<Item = &Descriptor> {
        let api = match &self.api {
            Ok(ReferrersAnswer::Supported(list)) => list.as_slice(),
            Ok(ReferrersAnswer::Absent | ReferrersAnswer::Unclear { .. }) | Err(_) => &[],
        };
        let fallback = match &self.fallback {
            Some(Ok(Some(list))) => list.as_slice(),
            Some(Ok(None) | Err(_)) | None => &[],
        };
        api.iter().chain(fallback)
    }

    /// Did the referrers API give a list?
    #[must_use]
    pub fn from_api(&self) -> bool {
        matches!(self.api, Ok(ReferrersAnswer::Supported(_)))
    }

    /// The fallback tag, asked now if it was not before.
    pub(super) async fn fallback(
        &mut self,
        registry: &dyn Registry,
        repository: &Repository,
        subject: &Digest,
    ) -> Result<Option<Vec<Descriptor>>, RegistryError> {
        match self.fallback.take() {
            Some(answer) => answer,
            None => fallback::read_fallback(registry, repository, subject).await,
        }
    }
}
