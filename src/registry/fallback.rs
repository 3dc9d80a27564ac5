//! The referrers tag schema: an image index under the tag `sha256-<hex>` of a subject, for registries without the
//! referrers API (distribution spec, "Referrers tag schema").
//!
//! Owns the document: which descriptor a referrer is listed with, reading the index, building one. Who writes it when
//! is `attach`. What is listed here is a hint: nobody signed it, others write it wrongly (missing annotations, an
//! artifact type of the configuration), so readers fetch each child and use its own fields, its `subject` included.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::oci::{Descriptor, Digest, Manifest, RawManifest, Reference, Repository, Tag, TagReference, media_type};
use crate::registry::{ErrorKind, MAX_REFERRERS, Registry, RegistryError};

const OPERATION: &str = "GET fallback index";

/// The referrers that the fallback tag of `subject` lists. `Ok(None)`: there is no such tag.
///
/// Anything else than an index under that tag is [`ErrorKind::Malformed`], more than [`MAX_REFERRERS`] entries are
/// [`ErrorKind::Limit`]. GitLab resolves the tag to the subject itself: that says nothing about referrers, `None`.
pub async fn read_fallback(
    registry: &dyn Registry,
    repository: &Repository,
    subject: &Digest,
) -> Result<Option<Vec<Descriptor>>, RegistryError> {
    let Some(manifest) = manifest_of(registry, repository, subject).await? else { return Ok(None) };
    let error = |kind, message: String| RegistryError::new(kind, OPERATION, format!("{repository}@{subject}"), message);
    if !media_type::is_index(manifest.media_type()) {
        return Err(error(ErrorKind::Malformed, format!("expected an image index, found {}", manifest.media_type())));
    }
    let entries = manifest.parse_referrer_list().map_err(|why| error(ErrorKind::Malformed, why.to_string()))?;
    if entries.len() > MAX_REFERRERS {
        let message = format!("{} referrers, at most {MAX_REFERRERS} are looked at", entries.len());
        return Err(error(ErrorKind::Limit, message));
    }
    Ok(Some(entries))
}

async fn manifest_of(
    registry: &dyn Registry,
    repository: &Repository,
    subject: &Digest,
) -> Result<Option<RawManifest>, RegistryError> {
    let tag = Tag::referrers_fallback(subject);
    let reference = Reference::Tag(TagReference { repository: repository.clone(), tag });
    Ok(registry.manifest(&reference).await?.filter(|manifest| manifest.digest() != subject))
}

/// The fallback index as it stands, with its own annotations, which a rewrite keeps.
pub(super) async fn read_index(
    registry: &dyn Registry,
    repository: &Repository,
    subject: &Digest,
) -> Result<Option<crate::oci::manifest::Index>, RegistryError> {
    let tag = Tag::referrers_fallback(subject);
    let reference = Reference::Tag(TagReference { repository: repository.clone(), tag });
    let error = |kind, message: String| RegistryError::new(kind, OPERATION, &reference, message);
    let Some(manifest) = manifest_of(registry, repository, subject).await? else { return Ok(None) };
    let index = match manifest.parse() {
        Ok(Manifest::Index(index)) => index,
        Ok(Manifest::Image(_)) => {
            return Err(error(ErrorKind::Malformed, "expected an image index of referrers, found an image".to_owned()));
        }
        Err(why) => return Err(error(ErrorKind::Malformed, why.to_string())),
    };
    if index.manifests.len() > MAX_REFERRERS {
        let message = format!("{} referrers, at most {MAX_REFERRERS} are looked at", index.manifests.len());
        return Err(error(ErrorKind::Limit, message));
    }
    Ok(Some(index))
}

/// The descriptor under which `manifest` is to be listed as a referrer: its artifact type (else its configuration's
/// media type) and all its annotations. `None`: it is no readable manifest or has no subject.
#[must_use]
pub fn referrer_descriptor(manifest: &RawManifest) -> Option<Descriptor> {
    let parsed = manifest.parse().ok()?;
    parsed.subject()?;
    let artifact_type = match &parsed {
        Manifest::Image(image) => Some(image.effective_artifact_type().to_owned()),
        Manifest::Index(index) => index.artifact_type.clone(),
    };
    Some(Descriptor { artifact_type, annotations: parsed.annotations().clone(), ..manifest.descriptor() })
}

/// As [`referrer_descriptor`], for a referrer of exactly this subject.
#[must_use]
pub fn listed_under(manifest: &RawManifest, subject: &Digest) -> Option<Descriptor> {
    let parsed = manifest.parse().ok()?;
    if parsed.subject()?.digest != *subject {
        return None;
    }
    referrer_descriptor(manifest)
}

/// The fallback index over these entries: sorted by digest, each once, the same bytes for the same entries.
#[must_use]
pub(super) fn index_of(entries: &BTreeMap<Digest, Descriptor>, annotations: &BTreeMap<String, String>) -> RawManifest {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Wire<'a> {
        schema_version: u8,
        media_type: &'static str,
        manifests: Vec<&'a Descriptor>,
        #[serde(skip_serializing_if = "BTreeMap::is_empty")]
        annotations: &'a BTreeMap<String, String>,
    }
    let wire = Wire {
        schema_version: 2,
        media_type: media_type::OCI_INDEX,
        manifests: entries.values().collect(),
        annotations,
    };
    // Strings, numbers and string-keyed maps only: serialising cannot fail.
    let bytes = serde_json::to_vec(&wire).expect("an index of plain descriptors serialises");
    RawManifest::new(media_type::OCI_INDEX, bytes)
}
