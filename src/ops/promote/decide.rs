//! Step 4: policy over the evidence. The plans were made before; both must agree before anything is written (I2).

use jiff::Timestamp;

use crate::image::{ImageTree, NodeKind};
use crate::oci::{Digest, Platform};
use crate::ops::promote::prove::{Proof, Proofs};
use crate::ops::promote::result::GateDecision;
use crate::ops::promote::survey::Surveyed;
use crate::ops::promote::{CandidateImage, Gate, Promotion, State, Stop};
use crate::packages::Inventory;
use crate::policy::input::{
    API_VERSION, ComponentInput, ImageInput, PolicyInput, ProvenanceInput, ReleaseInput, SbomInput, ScanInput,
    SubjectInput, UnsupportedChild,
};
use crate::policy::{Decision, PolicyError, Reason, ReasonCode};
use crate::promotion::plan::Action;
use crate::promotion::{Phase, TagClass};

impl Gate<'_> {
    pub(in crate::ops::promote) fn decide(
        &self,
        result: &mut Promotion,
        trees: &[ImageTree],
        proofs: &Proofs,
        surveyed: &[Surveyed],
    ) -> Result<(), Stop> {
        self.ports.reporter.begin("decide");
        let now = (self.request.clock)();
        let mut decisions = Vec::new();
        for (((image, tree), proofs), surveyed) in self.request.images.iter().zip(trees).zip(proofs).zip(surveyed) {
            let provenance = surveyed.provenance.input();
            let input = PolicyInput { provenance, ..self.policy_input(image, tree, proofs.values(), now) };
            let decision = self.request.policy.evaluate(&input).map_err(policy_failed)?;
            let name = image.reference.repository.path();
            result.save(format!("{name}.policy-input.json"), serde_json::to_vec_pretty(&input).unwrap_or_default());
            result.save(format!("{name}.decision.json"), decision_document(&decision));
            decisions.push(decision);
        }
        match Decision::all(decisions) {
            Decision::Allow { warnings } => {
                result.decision = GateDecision::Allow;
                self.step("decide", &format!("allow, {} warnings", warnings.len()));
                result.warnings.extend(warnings);
                Ok(())
            }
            Decision::Deny { mut reasons, warnings } => {
                result.warnings.extend(warnings);
                reasons.extend(self.partial_release(surveyed));
                self.step("decide", &format!("deny, {} reasons", reasons.len()));
                Err(result.stop(State::Denied, reasons))
            }
        }
    }

    /// The policy input of one candidate.
    fn policy_input<'p>(
        &self,
        image: &CandidateImage,
        tree: &ImageTree,
        proofs: impl Iterator<Item = &'p Proof>,
        now: Timestamp,
    ) -> PolicyInput {
        let candidate = &self.request.candidate;
        PolicyInput {
            api_version: API_VERSION.to_owned(),
            now,
            subject: SubjectInput {
                repository: image.reference.repository.clone(),
                digest: image.reference.digest.clone(),
            },
            release: ReleaseInput {
                version: candidate.version.clone(),
                git_ref: candidate.git.git_ref.clone(),
                commit: candidate.git.commit.clone(),
                source_repository: self.request.source_repository.clone(),
            },
            requirements: image.require.clone(),
            settings: self.request.settings.clone(),
            provenance: ProvenanceInput::default(),
            images: proofs.map(|proof| image_input(proof, now)).collect(),
            unsupported_children: unsupported(tree),
        }
    }

    /// Digest of rules, settings and requirements under which an image was decided.
    pub(in crate::ops::promote) fn policy_digest(&self, image: &CandidateImage) -> Result<Digest, Stop> {
        let settings = &self.request.settings;
        self.request.policy.digest_under(settings, &image.require).map_err(policy_failed)
    }

    /// Some tags of this very release are public already: the people downstream need to know, and can withdraw.
    fn partial_release(&self, surveyed: &[Surveyed]) -> Option<Reason> {
        let version = self.request.candidate.version.as_ref()?;
        let lines = surveyed.iter().flat_map(|s| &s.plan.moves);
        let mut kept = lines.filter(|line| line.action == Action::Keep && line.phase() == Phase::Versions);
        let line = kept.find(|line| line.class == TagClass::Version)?;
        let message =
            format!("{}:{} and possibly more tags of {version} are public already", line.repository, line.tag);
        let help = format!("countersign withdraw {} --version {version} --reason TEXT", line.repository);
        Some(Reason::new(ReasonCode::DeniedAfterPartialRelease, message).with_help(help))
    }

    /// Complete evidence of an earlier run may be used while its scan is young and the policy is the same.
    pub(in crate::ops::promote) fn still_fresh(&self, surveyed: &[Surveyed]) -> bool {
        let now = (self.request.clock)();
        self.request.images.iter().zip(surveyed).all(|(image, surveyed)| {
            let Some(complete) = &surveyed.complete else { return false };
            let Ok(policy) = self.policy_digest(image) else { return false };
            let reports = complete.statements().filter_map(|(_, s)| scan_finished(s));
            let young = |finished: Timestamp| {
                now.as_second().saturating_sub(finished.as_second()) <= self.request.settings.max_age_seconds
            };
            let mut reports = reports.peekable();
            reports.peek().is_some()
                && reports.all(young)
                && complete
                    .records()
                    .iter()
                    .any(|r| r.predicate().get("policy").and_then(|p| p.as_str()) == Some(&policy.to_string()))
        })
    }
}

fn scan_finished(statement: &crate::evidence::Verified<crate::evidence::Statement>) -> Option<Timestamp> {
    use crate::evidence::PredicateType;
    use crate::evidence::predicates::vulnerability::VulnerabilityPredicate;
    if *statement.predicate_type() != PredicateType::VULNERABILITY {
        return None;
    }
    let predicate: VulnerabilityPredicate = serde_json::from_value(statement.content().predicate.clone()).ok()?;
    Some(predicate.metadata.scan_finished_on)
}

fn image_input(proof: &Proof, now: Timestamp) -> ImageInput {
    let node = &proof.node;
    let unknown = || Platform { os: "unknown".to_owned(), architecture: "unknown".to_owned(), variant: None };
    ImageInput {
        digest: node.digest.clone(),
        platform: node.platform.clone().unwrap_or_else(unknown),
        user: node.facts.user.clone().unwrap_or_default(),
        compressed_size: node.facts.compressed_size,
        labels: node.facts.labels.clone(),
        sbom: sbom_input(&proof.inventory),
        scan: ScanInput::of(&proof.scan, now),
    }
}

fn sbom_input(inventory: &Inventory) -> SbomInput {
    let mut components: Vec<ComponentInput> = inventory
        .packages
        .iter()
        .map(|package| ComponentInput {
            name: package.name.clone(),
            version: package.version.clone(),
            purl: crate::packages::purl::purl(package, inventory.os.as_ref()).unwrap_or_default(),
            licenses: package.licences.clone(),
        })
        .collect();
    components.sort();
    SbomInput { complete: inventory.complete(), components, anomalies: inventory.anomalies.clone() }
}

/// The tree's problems, and an artifact where an image was expected.
fn unsupported(tree: &ImageTree) -> Vec<UnsupportedChild> {
    let why =
        |reason: &Reason| UnsupportedChild { digest: tree.root.descriptor.digest.clone(), why: reason.message.clone() };
    let mut found: Vec<UnsupportedChild> = tree.problems.iter().map(why).collect();
    if tree.root.kind == NodeKind::Artifact {
        let why = "an artifact, where an image was expected".to_owned();
        found.push(UnsupportedChild { digest: tree.root.descriptor.digest.clone(), why });
    }
    found
}

fn decision_document(decision: &Decision) -> Vec<u8> {
    let document = serde_json::json!({
        "decision": if decision.is_allow() { "allow" } else { "deny" },
        "reasons": decision.reasons(),
        "warnings": decision.warnings(),
    });
    format!("{document:#}\n").into_bytes()
}

/// A policy that cannot be evaluated decides nothing; the user has to mend it.
fn policy_failed(error: PolicyError) -> Stop {
    Stop::Setup {
        code: "policy",
        message: crate::causes::chain(&error),
        help: "check the files given by --policy".to_owned(),
    }
}
