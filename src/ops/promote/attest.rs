//! Step 5: statements for every node, signed together, uploaded and attached; what stands already is left alone.
//!
//! All statements are built before the first is signed, because VSA and record name the others by the digest of their
//! DSSE payload. Submitting them together costs a log that publishes once a second one second, not twelve.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::evidence::predicates::sbom::content_digest;
use crate::evidence::predicates::vsa::{ResourceDescriptor, VsaPredicate};
use crate::evidence::predicates::vulnerability::VulnerabilityPredicate;
use crate::evidence::{PredicateType, Unverified, verify};
use crate::image::{ImageTree, Node, NodeKind};
use crate::oci::{Digest, DigestReference};
use crate::ops::gather::{Rules, lookup_failure};
use crate::ops::promote::draft::{Draft, Pending};
use crate::ops::promote::prove::{Proof, Proofs};
use crate::ops::promote::publish::PlacedOn;
use crate::ops::promote::survey::Surveyed;
use crate::ops::promote::{CandidateImage, Gate, Promotion, State, Stop};
use crate::policy::{Reason, ReasonCode};
use crate::promotion::record::{ObservedTarget, RecordEvidence, RecordImage, RecordScanner};
use crate::promotion::{Record, VerifiedRecord};
use crate::registry::ErrorKind;
use crate::sigstore::{Payload, Signed, SigstoreError, SigstoreErrorKind};

/// Who says that the gate was passed; the name of this program's verification, not of an installation.
const VERIFIER: &str = "https://countersign.dev/gate";

impl Gate<'_> {
    pub(in crate::ops::promote) async fn attest(
        &self,
        result: &mut Promotion,
        trees: &[ImageTree],
        proofs: &Proofs,
        surveyed: &[Surveyed],
    ) -> Result<Vec<PlacedOn>, Stop> {
        self.ports.reporter.begin("attest");
        let mut drafts = Vec::new();
        for (i, ((image, tree), proofs)) in self.request.images.iter().zip(trees).zip(proofs).enumerate() {
            let repository = image.reference.repository.to_string();
            let mut draft = Draft::new(i, repository, self.request.layouts, &surveyed[i]);
            self.draft_nodes(&mut draft, image, tree, proofs)?;
            drafts.push(draft);
        }
        for (i, proofs) in proofs.iter().enumerate() {
            self.draft_record(&mut drafts[i], &self.request.images[i], &trees[i], proofs)?;
        }
        let pending: Vec<Pending> = drafts.into_iter().flat_map(|draft| draft.pending).collect();
        if pending.is_empty() {
            self.step("attest", "everything stands already");
            return Ok(Vec::new());
        }
        let payloads: Vec<Payload> = pending.iter().map(|p| p.payload.clone()).collect();
        let signed = self.ports.signer.sign_each(&payloads).await.map_err(|error| signing_failed(result, &error))?;
        self.signed_by_whom_we_expect(result, &pending, &signed)?;
        let placed = self.attach_all(&pending, &signed, surveyed).await.map_err(|error| {
            let state = if error.kind == ErrorKind::Contradiction { State::Refuted } else { State::Unknown };
            result.stop(state, vec![lookup_failure(&error)])
        })?;
        self.step("attest", &format!("{} attestations signed and attached", signed.len()));
        Ok(placed)
    }

    /// What a stranger would refuse is not attached in the first place: the token may be another workflow's, or of a ref
    /// that may not authorise this version.
    fn signed_by_whom_we_expect(
        &self,
        result: &mut Promotion,
        pending: &[Pending],
        signed: &[Signed],
    ) -> Result<(), Stop> {
        let Rules { trust_root, expected, moment, .. } = self.own_rules();
        for (pending, signed) in pending.iter().zip(signed) {
            let unverified = match signed {
                Signed::Bundle(bundle) => Unverified::from_bytes(&bundle.bytes),
                Signed::Layer(layer) => Unverified::from_legacy(&layer.descriptor, &layer.bytes),
            };
            let verified = unverified
                .and_then(|bundle| verify(&bundle, &pending.subject.digest, expected, trust_root, moment))
                .map_err(|refusal| {
                    let help = "sign with the identity that the configuration expects: countersign doctor";
                    result.stop(State::Refuted, vec![refusal.reason().with_help(help)])
                })?;
            if *verified.predicate_type() == PredicateType::PROMOTION {
                let repository = self.request.images[pending.image].reference.repository.clone();
                let subject = DigestReference { repository, digest: pending.subject.digest.clone() };
                VerifiedRecord::of(&subject, &verified, expected).map_err(|why| {
                    let reason = Reason::new(ReasonCode::IdentityMismatch, why.to_string());
                    let help = "run the gate in the workflow run of that version's own git tag";
                    result.stop(State::Refuted, vec![reason.with_help(help)])
                })?;
            }
        }
        Ok(())
    }

    /// SBOM and report on images, signature and VSA on index and images.
    fn draft_nodes(
        &self,
        draft: &mut Draft<'_>,
        image: &CandidateImage,
        tree: &ImageTree,
        proofs: &BTreeMap<Digest, Proof>,
    ) -> Result<(), Stop> {
        let policy = self.policy_digest(image)?;
        let policy = ResourceDescriptor::new("https://countersign.dev/policy", &policy)
            .ok_or_else(|| internal("the policy digest is not SHA-256"))?;
        let mut nodes: Vec<&Node> = tree.nodes();
        nodes.retain(|node| matches!(node.kind, NodeKind::Index | NodeKind::Image));
        for node in nodes.iter().filter(|node| node.kind == NodeKind::Image) {
            let proof = proofs.get(&node.descriptor.digest).ok_or_else(|| internal("an image without proof"))?;
            let report = VulnerabilityPredicate::new(&proof.scan, content_digest(&proof.sbom), &self.request.run);
            draft.add(&node.descriptor, PredicateType::CYCLONEDX, proof.sbom.clone());
            draft.add(&node.descriptor, PredicateType::VULNERABILITY, report.to_value());
        }
        for node in nodes {
            let reference = DigestReference {
                repository: image.reference.repository.clone(),
                digest: node.descriptor.digest.clone(),
            };
            let below: Vec<&Digest> = images_below(node).into_iter().map(|n| &n.descriptor.digest).collect();
            let inputs = draft.inputs(&below);
            let vsa = VsaPredicate::passed(VERIFIER, &reference, policy.clone(), inputs, (self.request.clock)());
            let (level, built) = draft.surveyed.provenance.shown(&node.descriptor.digest);
            let vsa = vsa.with_provenance(level, built);
            draft.add(&node.descriptor, PredicateType::SIGNATURE, Value::Object(serde_json::Map::new()));
            draft.add(&node.descriptor, PredicateType::VSA, vsa.to_value());
        }
        Ok(())
    }

    /// The promotion record on the released digest, made once per (release, digest).
    fn draft_record(
        &self,
        draft: &mut Draft<'_>,
        image: &CandidateImage,
        tree: &ImageTree,
        proofs: &BTreeMap<Digest, Proof>,
    ) -> Result<(), Stop> {
        let candidate = &self.request.candidate;
        let images: Vec<RecordImage> = self
            .request
            .images
            .iter()
            .map(|i| RecordImage {
                repository: i.reference.repository.clone(),
                digest: i.reference.digest.clone(),
                tags: i.allowed.iter().map(|allowed| allowed.tag.clone()).collect(),
            })
            .collect();
        let scan = &proofs.values().next().ok_or_else(|| internal("no platform image"))?.scan;
        let observed = draft.surveyed.plan.moves.iter().map(|line| ObservedTarget {
            repository: line.repository.clone(),
            tag: line.tag.clone(),
            digest: line.from.clone(),
        });
        let record = Record {
            version: candidate.version.clone(),
            git: candidate.git.clone(),
            images,
            policy: self.policy_digest(image)?,
            exceptions: Vec::new(),
            scanner: RecordScanner {
                digest: scan.scanner.digest.clone(),
                database: scan.database.digest.clone(),
                database_updated_at: scan.database.updated_at,
            },
            evidence: draft
                .carried
                .iter()
                .map(|c| RecordEvidence {
                    subject: c.subject.clone(),
                    predicate_type: c.predicate_type.as_str().to_owned(),
                    payload: c.payload.clone(),
                })
                .collect(),
            observed: observed.collect(),
        };
        record.validate().map_err(|error| internal(error.to_string()))?;
        let value = serde_json::to_value(&record).map_err(|error| internal(error.to_string()))?;
        draft.add_unless(&tree.root.descriptor, PredicateType::PROMOTION, value, |standing| {
            Record::parse(standing.to_string().as_bytes()).is_ok_and(|standing| same_authorisation(&standing, &record))
        });
        Ok(())
    }
}

/// The images at and below a node.
fn images_below(node: &Node) -> Vec<&Node> {
    let mut found: Vec<&Node> = node.children.iter().flat_map(images_below).collect();
    if node.kind == NodeKind::Image {
        found.insert(0, node);
    }
    found
}

/// Same release, same digests, same tags, same policy: a second record would say nothing new.
fn same_authorisation(a: &Record, b: &Record) -> bool {
    a.version == b.version && a.git == b.git && a.images == b.images && a.policy == b.policy
}

fn internal(message: impl Into<String>) -> Stop {
    Stop::Setup { code: "internal", message: message.into(), help: String::new() }
}

fn signing_failed(result: &mut Promotion, error: &SigstoreError) -> Stop {
    let code = match error.kind() {
        SigstoreErrorKind::Configuration => {
            return Stop::Setup { code: error.setup().0, message: error.to_string(), help: error.setup().1.to_owned() };
        }
        SigstoreErrorKind::Unauthorized => ReasonCode::IdentityTokenRefused,
        SigstoreErrorKind::Unavailable | SigstoreErrorKind::Rejected => ReasonCode::SigningFailed,
    };
    result.stop(State::Unknown, vec![Reason::new(code, error.to_string())])
}
