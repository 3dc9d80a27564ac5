//! A plan in a file: made by `--save-plan`, read by a person, applied by `--confirm-plan` to exactly that.
//!
//! The file authorises nothing. A confirmed run makes its own plan from the registry and compares; only the same lines, or
//! lines that are carried out already, go on.

use serde::{Deserialize, Serialize};

use crate::oci::{Digest, DigestReference, Repository, Tag};
use crate::policy::{Reason, ReasonCode};
use crate::promotion::record::GitSource;
use crate::promotion::{Candidate, ReleasePlan, TagMove, Version};

/// A release of 256 images with 128 tags each stays below.
pub const MAX_PLAN_BYTES: u64 = 16 * 1024 * 1024;

const API_VERSION: &str = "countersign.dev/v1";
const KIND: &str = "Plan";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SavedPlan {
    api_version: String,
    kind: String,
    version: Option<Version>,
    git: GitSource,
    images: Vec<SavedImage>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SavedImage {
    repository: Repository,
    digest: Digest,
    /// Rules and settings that are to decide.
    policy: Digest,
    moves: Vec<SavedMove>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SavedMove {
    tag: Tag,
    action: String,
    from: Option<Digest>,
    to: Digest,
}

impl SavedMove {
    fn of(line: &TagMove) -> Self {
        let action = line.action.as_str().to_owned();
        Self { tag: line.tag.clone(), action, from: line.from.clone(), to: line.to.clone() }
    }

    /// Is this what was planned, or what it leads to?
    fn matches(&self, now: &Self) -> bool {
        let carried_out = matches!(self.action.as_str(), "create" | "move") && now.action == "keep";
        self == now || (carried_out && self.to == now.to)
    }
}

impl SavedPlan {
    /// `policies`: one for each image, in the plan's order.
    #[must_use]
    pub fn of(candidate: &Candidate, plan: &ReleasePlan, policies: &[Digest]) -> Self {
        let images = plan.plans().iter().zip(policies).map(|(one, policy)| SavedImage {
            repository: one.repository.clone(),
            digest: one.digest.clone(),
            policy: policy.clone(),
            moves: one.moves.iter().map(SavedMove::of).collect(),
        });
        Self {
            api_version: API_VERSION.to_owned(),
            kind: KIND.to_owned(),
            version: candidate.version.clone(),
            git: candidate.git.clone(),
            images: images.collect(),
        }
    }

    /// # Errors
    /// Not a plan, in words.
    pub fn parse(json: &[u8]) -> Result<Self, String> {
        let plan: Self = serde_json::from_slice(json).map_err(|e| e.to_string())?;
        match (plan.api_version.as_str(), plan.kind.as_str()) {
            (API_VERSION, KIND) => Ok(plan),
            (version, kind) => Err(format!("expected {API_VERSION} {KIND}, found {version} {kind}")),
        }
    }

    #[must_use]
    pub fn version(&self) -> Option<&Version> {
        self.version.as_ref()
    }

    #[must_use]
    pub fn git(&self) -> &GitSource {
        &self.git
    }

    #[must_use]
    pub fn candidates(&self) -> Vec<DigestReference> {
        let reference = |i: &SavedImage| DigestReference { repository: i.repository.clone(), digest: i.digest.clone() };
        self.images.iter().map(reference).collect()
    }

    /// What is different now; nothing means that the plan may be carried out.
    #[must_use]
    pub fn differences(&self, now: &Self) -> Vec<Reason> {
        let mut found = Vec::new();
        let mut differs = |message: String| found.push(Reason::new(ReasonCode::PlanOutdated, message));
        if self.version != now.version || self.git != now.git {
            differs("the plan is for another version, git ref or commit".to_owned());
        }
        let (mut ours, mut theirs) = (self.candidates(), now.candidates());
        ours.sort();
        theirs.sort();
        if ours != theirs {
            differs("the plan is for other images".to_owned());
        }
        for image in &now.images {
            let Some(planned) = self.images.iter().find(|i| i.repository == image.repository) else { continue };
            let repository = &image.repository;
            if planned.policy != image.policy {
                differs(format!("policy of {repository}: planned under {}, now {}", planned.policy, image.policy));
            }
            for line in &image.moves {
                match planned.moves.iter().find(|p| p.tag == line.tag) {
                    Some(planned) if planned.matches(line) => {}
                    Some(planned) => {
                        let (was, is) = (told(planned), told(line));
                        differs(format!("{repository}:{}: planned to {was}, now it would {is}", line.tag));
                    }
                    None => differs(format!("{repository}:{} is not in the plan", line.tag)),
                }
            }
            for planned in planned.moves.iter().filter(|p| !image.moves.iter().any(|line| line.tag == p.tag)) {
                differs(format!("{repository}:{} is in the plan only", planned.tag));
            }
        }
        found
    }
}

fn told(line: &SavedMove) -> String {
    let from = line.from.as_ref().map_or_else(|| "nothing".to_owned(), Digest::short);
    format!("{} it from {from} to {}", line.action, line.to.short())
}
