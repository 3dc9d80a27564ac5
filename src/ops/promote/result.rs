//! What a promotion came to, and how a step stops it.

use crate::evidence::verdict::TreeVerdict;
use crate::oci::DigestReference;
use crate::ops::promote::Request;
use crate::policy::Reason;
use crate::promotion::saved_plan::SavedPlan;
use crate::promotion::{ReleasePlan, TagMove, Version};

/// The word of the machine output (product.md, `Promotion`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Planned,
    Promoted,
    /// Nothing at all was written.
    Unchanged,
    Denied,
    Conflict,
    Refuted,
    Unknown,
    /// Stopped after the first tag was written.
    Incomplete,
}

/// Allow or deny; undecided where the run stopped before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum GateDecision {
    Allow,
    Deny,
    Undecided,
}

/// One image of the release.
#[derive(Debug, Clone)]
pub struct ImageResult {
    pub reference: DigestReference,
    /// Evidence as far as it was verified.
    pub tree: Option<TreeVerdict>,
    pub moves: Vec<TagMove>,
}

/// A document for `--evidence-dir`.
#[derive(Debug, Clone)]
pub struct EvidenceFile {
    /// File name without path separators.
    pub name: String,
    pub bytes: Vec<u8>,
}

#[derive(Debug, Clone)]
pub struct Promotion {
    pub version: Option<Version>,
    pub decision: GateDecision,
    pub state: State,
    pub images: Vec<ImageResult>,
    pub reasons: Vec<Reason>,
    /// Reasons that do not stop anything.
    pub warnings: Vec<Reason>,
    pub evidence: Vec<EvidenceFile>,
    /// For `--save-plan`; known once the plan can be carried out.
    pub plan: Option<SavedPlan>,
}

/// Ends a run early.
#[derive(Debug)]
pub enum Stop {
    /// The verdict is known.
    Result(Box<Promotion>),
    /// Something outside the release is missing or wrong: exit 2.
    Setup { code: &'static str, message: String, help: String },
}

impl Promotion {
    pub(super) fn new(request: &Request) -> Self {
        let images = request.images.iter();
        Self {
            version: request.candidate.version.clone(),
            decision: GateDecision::Undecided,
            state: State::Unknown,
            images: images
                .map(|image| ImageResult { reference: image.reference.clone(), tree: None, moves: Vec::new() })
                .collect(),
            reasons: Vec::new(),
            warnings: Vec::new(),
            evidence: Vec::new(),
            plan: None,
        }
    }

    pub(super) fn set_plan(&mut self, plan: &ReleasePlan) {
        for (image, plan) in self.images.iter_mut().zip(plan.plans()) {
            image.moves.clone_from(&plan.moves);
        }
    }

    pub(super) fn ended(mut self, state: State) -> Self {
        self.state = state;
        if matches!(state, State::Promoted | State::Unchanged | State::Planned) {
            self.decision = GateDecision::Allow;
        }
        self
    }

    /// Ends the run here with everything known so far.
    pub(super) fn stop(&mut self, state: State, reasons: Vec<Reason>) -> Stop {
        self.state = state;
        if state == State::Denied {
            self.decision = GateDecision::Deny;
        }
        for reason in reasons {
            if !self.reasons.contains(&reason) {
                self.reasons.push(reason);
            }
        }
        Stop::Result(Box::new(self.clone()))
    }

    pub(super) fn save(&mut self, name: String, bytes: Vec<u8>) {
        let safe: String =
            name.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' }).collect();
        // `a/b` and `a-b` are different repositories and would be one file.
        let taken = |name: &str| self.evidence.iter().any(|file| file.name == name);
        let again = (2_usize..).map(|n| format!("{n}-{safe}"));
        let name = std::iter::once(safe.clone()).chain(again).find(|name| !taken(name)).unwrap_or(safe.clone());
        self.evidence.push(EvidenceFile { name, bytes });
    }
}
