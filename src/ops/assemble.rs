//! `push --index`: one index over per-platform builds that lie in the repository already.
//!
//! The index is a pure function of its members, whatever their order: platforms are sorted, members of a member index
//! (as buildx makes one per platform, with its attestation manifest) are taken over as they are.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;

use crate::image::limits::MAX_CHILDREN;
use crate::image::{ImageError, RegistrySource, expand};
use crate::oci::{Descriptor, DigestReference, Manifest, Platform, RawManifest, Repository, media_type};
use crate::registry::{PutTarget, Registry, RegistryError};

/// Why there is no index. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum AssembleError {
    #[error(transparent)]
    Image(#[from] ImageError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error("{reference} does not exist")]
    Missing { reference: DigestReference },
    #[error("{reference} is in another repository than the index, {repository}")]
    Elsewhere { reference: DigestReference, repository: Repository },
    #[error("{reference} does not say which platform it is for")]
    NoPlatform { reference: DigestReference },
    #[error("platform {platform} twice: {reference} is the second")]
    PlatformTwice { platform: Platform, reference: DigestReference },
    #[error("the index would have {found} members, at most {MAX_CHILDREN} are read back")]
    TooMany { found: usize },
}

/// Assembles and pushes the index, by digest and under no tag.
///
/// # Errors
/// A member that is missing, elsewhere, without platform, or of a platform that another member is for.
pub async fn assemble(
    registry: &Arc<dyn Registry>,
    members: &[DigestReference],
    repository: &Repository,
) -> Result<DigestReference, AssembleError> {
    let mut descriptors = Vec::new();
    for member in members {
        if member.repository != *repository {
            return Err(AssembleError::Elsewhere { reference: member.clone(), repository: repository.clone() });
        }
        descriptors.extend(read(registry, member).await?.into_iter().map(|d| (member, d)));
    }
    if descriptors.len() > MAX_CHILDREN {
        return Err(AssembleError::TooMany { found: descriptors.len() });
    }
    let mut platforms = BTreeSet::new();
    for (member, descriptor) in &descriptors {
        if descriptor.is_marked_as_buildkit_attestation() {
            continue;
        }
        let no_platform = || AssembleError::NoPlatform { reference: (*member).clone() };
        let platform = descriptor.platform.clone().ok_or_else(no_platform)?;
        if !platforms.insert(platform.normalised().to_string()) {
            return Err(AssembleError::PlatformTwice { platform, reference: (*member).clone() });
        }
    }
    let mut manifests: Vec<Descriptor> = descriptors.into_iter().map(|(_, descriptor)| descriptor).collect();
    let place = |d: &Descriptor| {
        let platform = d.platform.as_ref().map(ToString::to_string).unwrap_or_default();
        (d.is_marked_as_buildkit_attestation(), platform, d.digest.to_string())
    };
    manifests.sort_by_key(place);
    let index = index_of(manifests);
    registry.put_manifest(repository, &PutTarget::Digest, &index).await?;
    Ok(DigestReference { repository: repository.clone(), digest: index.digest().clone() })
}

/// The members that `member` stands for: itself with its platform, or those of an index.
async fn read(registry: &Arc<dyn Registry>, member: &DigestReference) -> Result<Vec<Descriptor>, AssembleError> {
    let source = RegistrySource::new(registry.clone(), member.repository.clone());
    let missing = || AssembleError::Missing { reference: member.clone() };
    let manifest = registry.manifest(&member.clone().into()).await?.ok_or_else(missing)?;
    // Everything below must be there and be what it says.
    let tree = expand(&source, &member.digest).await?;
    match manifest.parse().map_err(ImageError::from)? {
        Manifest::Index(index) => Ok(index.manifests),
        Manifest::Image(_) => {
            let platform =
                tree.images().first().and_then(|image| image.platform.clone().or(image.facts.platform.clone()));
            let no_platform = || AssembleError::NoPlatform { reference: member.clone() };
            Ok(vec![Descriptor { platform: Some(platform.ok_or_else(no_platform)?), ..manifest.descriptor() }])
        }
    }
}

fn index_of(manifests: Vec<Descriptor>) -> RawManifest {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Wire {
        schema_version: u8,
        media_type: &'static str,
        manifests: Vec<Descriptor>,
    }
    let wire = Wire { schema_version: 2, media_type: media_type::OCI_INDEX, manifests };
    // Strings and numbers only: serialising cannot fail.
    let bytes = serde_json::to_vec(&wire).expect("an index of plain descriptors serialises");
    RawManifest::new(media_type::OCI_INDEX, bytes)
}
