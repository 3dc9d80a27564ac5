//! `withdraw` and `rollback`: what an operator says is signed and attached first, then channels are moved to what counts.
//!
//! Both delete nothing. Both are finished by the same command run again, and by anybody's next promote: from the moment
//! the statement stands, every plan and every resolve obeys it; the moves only follow.

mod publish;
mod rollback;
mod settle;
mod withdraw;

use std::fmt::Debug;
use std::sync::Arc;

use crate::evidence::{Moment, TrustRoot};
use crate::identity::{ExpectedIdentities, IdentityRole};
use crate::oci::{Digest, Repository, Tag};
use crate::ops::Reporter;
use crate::ops::gather::{Rules, UnclearApi};
use crate::ops::look::{Failures, Look};
use crate::ops::promote::{FreshRegistry, Stop};
use crate::policy::Reason;
use crate::promotion::plan::{Adoption, PlanInput, TagList};
use crate::promotion::{Layouts, TagMove, Version};
use crate::registry::Registry;
use crate::sigstore::{Clock, Signer};

pub use rollback::{RollbackRequest, rollback};
pub use withdraw::{WithdrawRequest, withdraw};

/// The edges an operation needs, and the rules by which evidence counts.
#[derive(Clone)]
pub struct Operator {
    pub registry: Arc<dyn Registry>,
    pub fresh: Arc<dyn FreshRegistry>,
    pub signer: Arc<dyn Signer>,
    pub reporter: Arc<dyn Reporter>,
    pub identities: ExpectedIdentities,
    pub trust_root: TrustRoot,
    /// Where what is said goes; it is read wherever it stands.
    pub layouts: Layouts,
    pub clock: Clock,
}

impl Debug for Operator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Operator").finish_non_exhaustive()
    }
}

impl Operator {
    fn rules(&self) -> Rules<'_> {
        Rules {
            trust_root: &self.trust_root,
            expected: &self.identities,
            moment: Moment::now((self.clock)()),
            unclear_api: UnclearApi::IsNoApi,
        }
    }

    fn look<'a>(&'a self, failures: &'a Failures) -> Look<'a> {
        Look { registry: &self.registry, rules: self.rules(), failures }
    }

    /// Who may sign an operation. An identity given without roles stands for each.
    fn operators(&self) -> ExpectedIdentities {
        self.identities.only(IdentityRole::Operator).unwrap_or_else(|| self.identities.clone())
    }
}

/// How an operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// `--plan`
    Planned,
    Done,
    /// Nothing at all was written.
    Unchanged,
    Denied,
    Conflict,
    Refuted,
    /// Could not look or could not decide, or there is nothing of that name.
    Unknown,
    /// Stopped after the statement was attached.
    Incomplete,
}

/// What an operation came to.
#[derive(Debug, Clone)]
pub struct Operation {
    pub repository: Repository,
    pub ending: Ending,
    /// What was withdrawn, or where the channel goes.
    pub version: Option<Version>,
    pub digest: Option<Digest>,
    /// Rollback: what the channel showed.
    pub from: Option<Version>,
    /// Rollback: a release above this version ends the hold.
    pub held_through: Option<Version>,
    pub moves: Vec<TagMove>,
    /// Other images of the withdrawn release, which are withdrawn one by one.
    pub siblings: Vec<Repository>,
    pub reasons: Vec<Reason>,
}

impl Operation {
    fn new(repository: &Repository) -> Self {
        Self {
            repository: repository.clone(),
            ending: Ending::Unknown,
            version: None,
            digest: None,
            from: None,
            held_through: None,
            moves: Vec::new(),
            siblings: Vec::new(),
            reasons: Vec::new(),
        }
    }

    fn ended(mut self, ending: Ending) -> Self {
        self.ending = ending;
        self
    }

    /// Ends here. What was attached already makes it *incomplete* instead of unknown.
    fn halted(mut self, halt: Halt, attached: bool, failures: &Failures) -> Result<Self, Stop> {
        let (ending, reason) = match halt {
            Halt::Setup(stop) => return Err(stop),
            Halt::Ended(ending, reason) => (ending, reason),
        };
        self.ending = if attached && ending == Ending::Unknown { Ending::Incomplete } else { ending };
        self.reasons.push(reason);
        if matches!(self.ending, Ending::Unknown | Ending::Incomplete) {
            self.reasons.extend(failures.take());
        }
        Ok(self)
    }
}

/// Ends an operation early.
#[derive(Debug)]
enum Halt {
    Ended(Ending, Reason),
    Setup(Stop),
}

impl Halt {
    fn unknown(reason: Reason) -> Self {
        Self::Ended(Ending::Unknown, reason)
    }
}

/// The facts of a repository before anything else is read.
fn facts(repository: &Repository, digest: Digest, list: TagList) -> PlanInput {
    PlanInput {
        repository: repository.clone(),
        digest,
        version: None,
        allowed: Vec::new(),
        list,
        targets: std::collections::BTreeMap::new(),
        records: std::collections::BTreeMap::new(),
        branches: std::collections::BTreeMap::new(),
        adoption: Adoption::none(),
    }
}

/// Both spellings of a version tag.
fn version_tags(version: &Version) -> Vec<Tag> {
    [format!("v{version}"), version.to_string()].iter().filter_map(|name| name.parse().ok()).collect()
}
