//! Writes cosign's older tags (`sha256-<hex>.sig`, `.att`): one manifest, one layer for each signature.
//!
//! Everybody who signs replaces the whole manifest, so the rules of the fallback index hold here too: the new one is the
//! union of all versions seen and ours, and it is read back until ours and all others stand.

use std::time::Duration;

use futures_util::future::{try_join, try_join_all};
use serde::Serialize;
use tokio::time::Instant;

use crate::oci::{Descriptor, Digest, Manifest, RawManifest, Reference, Repository, Tag, TagReference, media_type};
use crate::registry::backoff::Backoff;
use crate::registry::{ErrorKind, MAX_REFERRERS, PutTarget, Registry, RegistryError};

const OPERATION: &str = "write signature tag";
/// Given up after this time: somebody else writes all the time, or the registry forgets.
const DEADLINE: Duration = Duration::from_secs(60);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// Another writer's manifest may land after ours was read back, if it read before we wrote.
const SETTLE: Duration = Duration::from_millis(120);

/// Uploads these layers and adds them to the tag `sha256-<hex>.<suffix>` of `subject`: the layers of others stay.
pub async fn attach_layers(
    registry: &dyn Registry,
    repository: &Repository,
    subject: &Digest,
    suffix: &str,
    layers: &[(&Descriptor, &[u8])],
) -> Result<(), RegistryError> {
    if layers.is_empty() {
        return Ok(());
    }
    let blobs = layers.iter().map(|(layer, bytes)| registry.put_blob(repository, &layer.media_type, bytes));
    let descriptors: Vec<Descriptor> = layers.iter().map(|(layer, _)| (*layer).clone()).collect();
    let manifest = with_layers(registry, repository, &descriptors);
    let (_, manifest) = try_join(try_join_all(blobs), manifest).await?;
    merge_tag(registry, repository, &Tag::cosign_legacy(subject, suffix), &manifest).await?;
    Ok(())
}

/// Puts `manifest` under `tag`, or what stands there with the manifest's layers added. Returns whether anything was
/// written. Blobs must be there already.
pub async fn merge_tag(
    registry: &dyn Registry,
    repository: &Repository,
    tag: &Tag,
    manifest: &RawManifest,
) -> Result<bool, RegistryError> {
    let ours =
        layers_of(manifest).ok_or_else(|| refused(repository, tag, "expected an image manifest of signatures"))?;
    let (started, mut written) = (Instant::now(), false);
    let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
    let mut union = ours;
    loop {
        let standing = standing(registry, repository, tag).await?;
        let layers = standing.as_ref().and_then(layers_of).unwrap_or_default();
        if union.iter().all(|layer| layers.contains(layer)) {
            if !written {
                return Ok(false);
            }
            tokio::time::sleep(SETTLE).await;
            let settled = self::standing(registry, repository, tag).await?.as_ref().and_then(layers_of);
            if settled.is_some_and(|settled| union.iter().all(|layer| settled.contains(layer))) {
                return Ok(true);
            }
            continue;
        }
        if started.elapsed() > DEADLINE {
            let message = "the tag does not keep our signatures";
            return Err(RegistryError::new(ErrorKind::Unavailable, OPERATION, format!("{repository}:{tag}"), message));
        }
        if written {
            tokio::time::sleep(backoff.pause()).await;
        }
        for layer in layers {
            if !union.contains(&layer) {
                union.push(layer);
            }
        }
        if union.len() > MAX_REFERRERS {
            let message = format!("{} signatures would be more than {MAX_REFERRERS}", union.len());
            return Err(RegistryError::new(ErrorKind::Limit, OPERATION, format!("{repository}:{tag}"), message));
        }
        // Where nothing stands, the very manifest, so that a copy keeps its digest.
        let next = match standing {
            None => manifest.clone(),
            Some(_) => with_layers(registry, repository, &union).await?,
        };
        registry.put_manifest(repository, &PutTarget::Tag(tag.clone()), &next).await?;
        written = true;
    }
}

fn refused(repository: &Repository, tag: &Tag, message: &str) -> RegistryError {
    RegistryError::new(ErrorKind::Refused, OPERATION, format!("{repository}:{tag}"), message)
}

async fn standing(
    registry: &dyn Registry,
    repository: &Repository,
    tag: &Tag,
) -> Result<Option<RawManifest>, RegistryError> {
    let reference = Reference::Tag(TagReference { repository: repository.clone(), tag: tag.clone() });
    let found = registry.manifest(&reference).await?;
    match found {
        // GitLab resolves some of these tags to the subject itself.
        Some(manifest) if tag.as_str().contains(manifest.digest().hex()) => Ok(None),
        Some(manifest) if layers_of(&manifest).is_none() => {
            Err(refused(repository, tag, "something that is no manifest of signatures stands there"))
        }
        found => Ok(found),
    }
}

fn layers_of(manifest: &RawManifest) -> Option<Vec<Descriptor>> {
    match manifest.parse() {
        Ok(Manifest::Image(image)) => Some(image.layers),
        Ok(Manifest::Index(_)) | Err(_) => None,
    }
}

/// The manifest over these layers, as cosign writes it; its configuration is uploaded.
pub async fn with_layers(
    registry: &dyn Registry,
    repository: &Repository,
    layers: &[Descriptor],
) -> Result<RawManifest, RegistryError> {
    #[derive(Serialize)]
    struct Config<'a> {
        architecture: &'a str,
        created: &'a str,
        os: &'a str,
        config: serde_json::Map<String, serde_json::Value>,
        rootfs: RootFs,
    }
    #[derive(Serialize)]
    struct RootFs {
        r#type: &'static str,
        diff_ids: Vec<String>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Wire<'a> {
        schema_version: u8,
        media_type: &'static str,
        config: Descriptor,
        layers: &'a [Descriptor],
    }
    let diff_ids = layers.iter().map(|layer| layer.digest.to_string()).collect();
    let rootfs = RootFs { r#type: "layers", diff_ids };
    let config =
        Config { architecture: "", created: "0001-01-01T00:00:00Z", os: "", config: Default::default(), rootfs };
    let config = serde_json::to_vec(&config).expect("a configuration of strings serialises");
    let config = registry.put_blob(repository, media_type::OCI_CONFIG, &config).await?;
    let wire = Wire { schema_version: 2, media_type: media_type::OCI_MANIFEST, config, layers };
    let bytes = serde_json::to_vec(&wire).expect("a manifest of plain descriptors serialises");
    Ok(RawManifest::new(media_type::OCI_MANIFEST, bytes))
}
