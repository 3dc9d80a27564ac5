//! `promote`: the seven steps, in this order and in no other.
//!
//! 1 expand, 2 SBOM, 3 scan, 4 decide, 5 attest, 6 read back, 7 promote. Everything before 5 only reads (I2); 7 takes an
//! [`Approval`], which only evidence read back in 6, or an earlier run's evidence that verifies now, can make (I1). What
//! could not be looked up stops the run as *unknown*; nothing is decided by a failed look-up (I6).

mod attest;
mod decide;
mod draft;
mod moves;
mod prove;
mod provenance;
mod publish;
mod read_back;
mod result;
mod resume;
mod survey;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;

use crate::evidence::{TrustRoot, VerifiedEvidence};
use crate::identity::{ExpectedIdentities, IdentityRole};
use crate::oci::{DigestReference, Tag};
use crate::ops::Reporter;
use crate::ops::builders::BuildersArchive;
use crate::ops::kept::Kept;
use crate::ops::look::Failures;
use crate::policy::PolicySet;
use crate::policy::input::{Requirements, Settings};
use crate::promotion::plan::{Adoption, Ancestry, PlanOutcome};
use crate::promotion::saved_plan::SavedPlan;
use crate::promotion::{AllowedTag, Approval, Candidate, Commit, Layouts, ReleasePlan, approve};
use crate::registry::Registry;
use crate::scanner::Scanner;
use crate::sigstore::{Clock, Signer};

pub use prove::sbom_subject;
pub use result::{EvidenceFile, ImageResult, Promotion, State, Stop};
pub use resume::recorded;

/// Makes a registry client with empty caches, for the read-back.
pub trait FreshRegistry: Send + Sync + Debug {
    fn fresh(&self) -> Result<Arc<dyn Registry>, Stop>;
}

/// The git history, as far as branch tags need it.
#[async_trait]
pub trait History: Send + Sync + Debug {
    /// Is `ours` a descendant of `theirs`? Whoever does not have both commits answers *unknown*.
    async fn ancestry(&self, theirs: &Commit, ours: &Commit) -> Ancestry;
}

/// The edges a promotion needs.
#[derive(Debug, Clone)]
pub struct Ports {
    pub registry: Arc<dyn Registry>,
    pub fresh: Arc<dyn FreshRegistry>,
    pub signer: Arc<dyn Signer>,
    pub scanner: Arc<dyn Scanner>,
    pub history: Arc<dyn History>,
    pub reporter: Arc<dyn Reporter>,
    /// Where provenance may lie that was not pushed to the registry.
    pub archive: Option<BuildersArchive>,
}

/// One candidate with the tags it may carry.
#[derive(Debug, Clone)]
pub struct CandidateImage {
    pub reference: DigestReference,
    pub allowed: Vec<AllowedTag>,
    pub require: Requirements,
}

/// Which foreign channel targets may be taken over.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Adopt {
    #[default]
    None,
    /// Every target; the version comes from its label.
    ByLabel,
    Named(BTreeMap<Tag, crate::promotion::Version>),
}

/// What is to be promoted, under which rules.
pub struct Request {
    pub candidate: Candidate,
    pub images: Vec<CandidateImage>,
    pub identities: ExpectedIdentities,
    pub trust_root: TrustRoot,
    pub policy: PolicySet,
    pub settings: Settings,
    /// `https://github.com/OWNER/REPO`, where the configuration names one.
    pub source_repository: Option<String>,
    pub adopt: Adopt,
    /// Where signatures and attestations go, and must be found again.
    pub layouts: Layouts,
    /// Stop before the first write.
    pub plan_only: bool,
    /// Go on only if this is what would happen.
    pub confirmed: Option<SavedPlan>,
    /// URL of the CI run, or empty.
    pub run: String,
    pub clock: Clock,
}

impl Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request").field("candidate", &self.candidate).finish_non_exhaustive()
    }
}

/// Runs the gate. `Err` only where a set-up problem (exit 2) keeps it from starting or going on; every verdict about the
/// release is a [`Promotion`].
pub async fn promote(ports: &Ports, request: &Request) -> Result<Promotion, Stop> {
    let kept = Arc::new(Kept::new(&ports.registry));
    let shared: Arc<dyn Registry> = kept.clone();
    let gate = Gate { ports, kept, shared, request, own: own_identities(request), failures: Failures::default() };
    match gate.run().await {
        Ok(promotion) => Ok(promotion),
        Err(Stop::Result(promotion)) => Ok(*promotion),
        Err(stop @ Stop::Setup { .. }) => Err(stop),
    }
}

/// An identity given without roles stands for each.
fn own_identities(request: &Request) -> ExpectedIdentities {
    let role = match request.candidate.version {
        Some(_) => IdentityRole::Release,
        None => IdentityRole::Branch,
    };
    request.identities.only(role).unwrap_or_else(|| request.identities.clone())
}

pub(in crate::ops::promote) struct Gate<'a> {
    ports: &'a Ports,
    /// The registry without fetching content twice; whether content is there, the port itself is asked.
    kept: Arc<Kept>,
    /// The same as a port.
    shared: Arc<dyn Registry>,
    request: &'a Request,
    /// Who may sign what this run attaches: the release identity for a version, else the branch identity.
    own: ExpectedIdentities,
    /// Looks that failed, for the reasons of a plan that is undecided.
    failures: Failures,
}

impl Gate<'_> {
    async fn run(&self) -> Result<Promotion, Stop> {
        let mut result = Promotion::new(self.request);
        // 1 expand: all bytes hashed by us. Only manifests and configurations are read here.
        let (trees, lists) = self.expand(&mut result).await?;
        // What is there already: tags, records, evidence of an earlier run.
        let surveyed = self.survey(&mut result, &trees, lists).await?;
        let plan = ReleasePlan::new(surveyed.iter().map(|s| s.plan.clone()).collect());
        result.set_plan(&plan);
        result.warnings.extend(surveyed.iter().filter_map(|s| s.shared_identity(&self.own)));
        self.stop_on_obstacles(&mut result, &plan)?;
        self.stop_unless_confirmed(&mut result, &plan)?;
        if let Some(approval) = self.approve_earlier_run(&plan, &surveyed) {
            let unchanged = plan.outcome() == PlanOutcome::Unchanged;
            // A run that was killed between its last write and its second look is finished here (I8).
            let stable = surveyed.iter().all(|s| s.left_over.is_empty());
            if unchanged && (stable || self.request.plan_only) {
                return Ok(result.ended(State::Unchanged));
            }
            if !self.request.plan_only && (unchanged || self.still_fresh(&surveyed)) {
                self.step("evidence", "verified from an earlier run");
                return self.promote_tags(result, &surveyed, approval).await;
            }
        }
        let surveyed = self.ask_builders(surveyed).await;
        self.stop_unless_provenance_is_known(&mut result, &surveyed)?;
        // 2 SBOM, 3 scan
        let proofs = self.prove(&mut result, &trees).await?;
        // 4 decide
        self.decide(&mut result, &trees, &proofs, &surveyed)?;
        if self.request.plan_only {
            return Ok(result.ended(State::Planned));
        }
        // 5 attest
        let placed = self.attest(&mut result, &trees, &proofs, &surveyed).await?;
        // 6 read back
        let evidence = self.read_back(&mut result, &placed).await?;
        // 7 promote
        let approval = self.approve(&mut result, &plan, &evidence)?;
        self.promote_tags(result, &surveyed, approval).await
    }

    pub(in crate::ops::promote) fn registry(&self) -> Arc<dyn Registry> {
        Arc::clone(&self.shared)
    }

    fn approve(
        &self,
        result: &mut Promotion,
        plan: &ReleasePlan,
        evidence: &[VerifiedEvidence],
    ) -> Result<Approval, Stop> {
        approve(&self.request.candidate, plan, evidence, &self.request.identities).map_err(|error| {
            let reason = crate::policy::Reason::new(crate::policy::ReasonCode::MissingAttestation, error.to_string());
            result.stop(State::Refuted, vec![reason])
        })
    }

    /// Evidence that an earlier run left complete, and that verifies now, is as good as ours.
    fn approve_earlier_run(&self, plan: &ReleasePlan, surveyed: &[survey::Surveyed]) -> Option<Approval> {
        let evidence: Option<Vec<VerifiedEvidence>> = surveyed.iter().map(|s| s.complete.clone()).collect();
        approve(&self.request.candidate, plan, &evidence?, &self.request.identities).ok()
    }

    /// The plan as it may be saved; against the one that was confirmed, where one was.
    fn stop_unless_confirmed(&self, result: &mut Promotion, plan: &ReleasePlan) -> Result<(), Stop> {
        let policies: Vec<_> =
            self.request.images.iter().map(|image| self.policy_digest(image)).collect::<Result<_, _>>()?;
        let now = SavedPlan::of(&self.request.candidate, plan, &policies);
        let differences = self.request.confirmed.as_ref().map(|confirmed| confirmed.differences(&now));
        result.plan = Some(now);
        match differences {
            Some(differences) if !differences.is_empty() => Err(result.stop(State::Conflict, differences)),
            Some(_) | None => Ok(()),
        }
    }

    fn stop_on_obstacles(&self, result: &mut Promotion, plan: &ReleasePlan) -> Result<(), Stop> {
        let state = match plan.outcome() {
            PlanOutcome::Ready | PlanOutcome::Unchanged => return Ok(()),
            PlanOutcome::Conflict => State::Conflict,
            PlanOutcome::Denied => State::Denied,
            PlanOutcome::Undecided => State::Unknown,
        };
        let mut reasons = plan.obstacles();
        if state == State::Unknown {
            reasons.extend(self.failures.take());
        }
        Err(result.stop(state, reasons))
    }

    pub(in crate::ops::promote) fn step(&self, step: &str, outcome: &str) {
        self.ports.reporter.done(step, outcome);
    }

    pub(in crate::ops::promote) fn adoption(&self, labels: BTreeMap<Tag, crate::promotion::Version>) -> Adoption {
        match &self.request.adopt {
            Adopt::None => Adoption::none(),
            Adopt::ByLabel => Adoption::labelled(labels),
            Adopt::Named(versions) => Adoption::named(versions.clone()),
        }
    }
}
