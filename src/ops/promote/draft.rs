//! What one image's evidence will say: statements that stand already, and those that are to be signed, by layout.

use serde_json::Value;

use crate::evidence::predicates::same_content;
use crate::evidence::predicates::vsa::ResourceDescriptor;
use crate::evidence::verdict::Format;
use crate::evidence::{PredicateType, Statement, legacy};
use crate::oci::{Descriptor, Digest};
use crate::ops::promote::survey::Surveyed;
use crate::promotion::Layouts;
use crate::sigstore::Payload;

/// A payload to be signed, and the node it goes on.
pub(in crate::ops::promote) struct Pending {
    pub(in crate::ops::promote) image: usize,
    pub(in crate::ops::promote) subject: Descriptor,
    pub(in crate::ops::promote) predicate_type: PredicateType,
    pub(in crate::ops::promote) payload: Payload,
}

/// What one node carries in the end: attached already, or pending.
#[derive(Debug, Clone)]
pub(in crate::ops::promote) struct Carried {
    pub(in crate::ops::promote) subject: Digest,
    pub(in crate::ops::promote) predicate_type: PredicateType,
    pub(in crate::ops::promote) payload: Digest,
}

/// The statements of one image of the release.
pub(in crate::ops::promote) struct Draft<'a> {
    image: usize,
    repository: String,
    layouts: Layouts,
    pub(in crate::ops::promote) surveyed: &'a Surveyed,
    pub(in crate::ops::promote) pending: Vec<Pending>,
    pub(in crate::ops::promote) carried: Vec<Carried>,
}

impl<'a> Draft<'a> {
    pub(in crate::ops::promote) fn new(
        image: usize,
        repository: String,
        layouts: Layouts,
        surveyed: &'a Surveyed,
    ) -> Self {
        Self { image, repository, layouts, surveyed, pending: Vec::new(), carried: Vec::new() }
    }

    /// Adds a statement for each layout where none with the same content stands already.
    pub(in crate::ops::promote) fn add(&mut self, node: &Descriptor, predicate_type: PredicateType, predicate: Value) {
        let kind = predicate_type.clone();
        let new = predicate.clone();
        self.add_unless(node, predicate_type, predicate, move |standing| same_content(&kind, standing, &new));
    }

    /// As [`Self::add`]; `same` says which predicates make this one needless.
    pub(in crate::ops::promote) fn add_unless(
        &mut self,
        node: &Descriptor,
        predicate_type: PredicateType,
        predicate: Value,
        same: impl Fn(&Value) -> bool,
    ) {
        let surveyed = self.surveyed;
        let standing: Vec<_> = surveyed
            .attached(&node.digest)
            .filter(|(_, s)| *s.predicate_type() == predicate_type && same(&s.content().predicate))
            .collect();
        let mut digest = standing.first().map(|(_, standing)| standing.payload_digest().clone());
        // What stands in one layout is said again word for word in the other, so that one digest names both.
        let predicate = standing.first().map_or(predicate, |(_, standing)| standing.content().predicate.clone());
        for format in self.layouts.formats() {
            if standing.iter().any(|(found, _)| found == format) {
                continue;
            }
            let payload = self.payload(*format, node, &predicate_type, &predicate);
            digest.get_or_insert_with(|| Digest::of(payload.bytes()));
            let (image, subject) = (self.image, node.clone());
            self.pending.push(Pending { image, subject, predicate_type: predicate_type.clone(), payload });
        }
        if let Some(payload) = digest {
            self.carried.push(Carried { subject: node.digest.clone(), predicate_type, payload });
        }
    }

    /// A signature is as `cosign sign` makes it, anything else as `cosign attest` does.
    fn payload(&self, format: Format, node: &Descriptor, predicate_type: &PredicateType, predicate: &Value) -> Payload {
        let is_signature = *predicate_type == PredicateType::SIGNATURE;
        let statement = || Statement::new(node.digest.clone(), predicate_type.clone(), predicate.clone());
        match (format, is_signature) {
            (Format::BundleV03, true) => Payload::Bundle(statement().to_bytes()),
            (Format::BundleV03, false) => Payload::Bundle(statement().to_named_bytes(&self.repository)),
            (Format::CosignLegacy, true) => {
                Payload::LegacySignature(legacy::simple_signing(&self.repository, &node.digest))
            }
            (Format::CosignLegacy, false) => Payload::LegacyStatement(statement().to_named_bytes(&self.repository)),
        }
    }

    /// SBOM and report of `subjects`, as a VSA names them.
    pub(in crate::ops::promote) fn inputs(&self, subjects: &[&Digest]) -> Vec<ResourceDescriptor> {
        let of = self.carried.iter().filter(|c| subjects.contains(&&c.subject));
        let kinds = [PredicateType::CYCLONEDX, PredicateType::VULNERABILITY];
        let of = of.filter(|c| kinds.contains(&c.predicate_type));
        of.filter_map(|c| ResourceDescriptor::new(c.predicate_type.as_str(), &c.payload)).collect()
    }
}
