//! The end of step 5: what was signed is uploaded and attached, in each layout by its own rules.

use std::collections::BTreeMap;

use futures_util::future::{try_join_all, try_join3};

use crate::oci::{Descriptor, Digest, media_type};
use crate::ops::promote::Gate;
use crate::ops::promote::draft::Pending;
use crate::ops::promote::survey::Surveyed;
use crate::registry::RegistryError;
use crate::registry::attach::{AttachOptions, attach, bundle_manifest, upload_bundles};
use crate::registry::legacy::attach_layers;
use crate::sigstore::{Signed, SignedBundle, SignedLayer};

/// What goes on one subject.
#[derive(Default)]
struct Group<'a> {
    bundles: Vec<(&'a Pending, &'a SignedBundle)>,
    /// By the tag's suffix.
    signatures: Vec<&'a SignedLayer>,
    attestations: Vec<&'a SignedLayer>,
}

impl Gate<'_> {
    /// Subjects concurrently; all referrers of one subject in one index update, all its layers in one update of each tag.
    pub(in crate::ops::promote) async fn attach_all(
        &self,
        pending: &[Pending],
        signed: &[Signed],
        surveyed: &[Surveyed],
    ) -> Result<(), RegistryError> {
        let mut groups: BTreeMap<(usize, Digest), Group<'_>> = BTreeMap::new();
        for (pending, signed) in pending.iter().zip(signed) {
            let group = groups.entry((pending.image, pending.subject.digest.clone())).or_default();
            match signed {
                Signed::Bundle(bundle) => group.bundles.push((pending, bundle)),
                Signed::Layer(layer) if layer.descriptor.media_type == media_type::SIMPLE_SIGNING => {
                    group.signatures.push(layer);
                }
                Signed::Layer(layer) => group.attestations.push(layer),
            }
        }
        let each = groups.iter().map(|((image, subject), group)| {
            let known = surveyed[*image].fallback.get(subject).map(Vec::as_slice).unwrap_or_default();
            try_join3(
                self.attach_bundles(*image, &group.bundles, known),
                self.attach_layers(*image, subject, "sig", &group.signatures),
                self.attach_layers(*image, subject, "att", &group.attestations),
            )
        });
        try_join_all(each).await.map(|_| ())
    }

    async fn attach_bundles(
        &self,
        image: usize,
        group: &[(&Pending, &SignedBundle)],
        known: &[Descriptor],
    ) -> Result<(), RegistryError> {
        let Some((first, _)) = group.first() else { return Ok(()) };
        let registry = self.ports.registry.as_ref();
        let repository = &self.request.images[image].reference.repository;
        let bytes: Vec<&[u8]> = group.iter().map(|(_, bundle)| bundle.bytes.as_slice()).collect();
        let blobs = upload_bundles(registry, repository, &bytes).await?;
        let created = (self.request.clock)();
        let manifests: Vec<_> = group
            .iter()
            .zip(&blobs)
            .map(|((pending, _), blob)| {
                bundle_manifest(blob, &pending.subject, pending.predicate_type.as_str(), created)
            })
            .collect();
        attach(registry, repository, &first.subject, &manifests, known, &AttachOptions::default()).await?;
        Ok(())
    }

    /// One tag of cosign's older layout: the layers of others stay.
    async fn attach_layers(
        &self,
        image: usize,
        subject: &Digest,
        suffix: &str,
        layers: &[&SignedLayer],
    ) -> Result<(), RegistryError> {
        let registry = self.ports.registry.as_ref();
        let repository = &self.request.images[image].reference.repository;
        let layers: Vec<_> = layers.iter().map(|layer| (&layer.descriptor, layer.bytes.as_slice())).collect();
        attach_layers(registry, repository, subject, suffix, &layers).await
    }
}
