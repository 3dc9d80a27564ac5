//! `promote --save-plan FILE` and `--confirm-plan FILE`.

use std::path::Path;

use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::promote::PromoteArgs;
use crate::oci::DigestReference;
use crate::ops::promote::{Promotion, State};
use crate::promotion::saved_plan::{MAX_PLAN_BYTES, SavedPlan};

/// Reads a plan that somebody confirmed.
pub(crate) fn read(path: &Path) -> Result<SavedPlan, Failure> {
    let refuse = |why: String| {
        Failure::usage(format!("--confirm-plan {}: {why}", path.display()))
            .help("make a plan with countersign promote --save-plan FILE")
    };
    let size = std::fs::metadata(path).map_err(|e| refuse(e.to_string()))?.len();
    if size > MAX_PLAN_BYTES {
        return Err(refuse(format!("{size} bytes, at most {MAX_PLAN_BYTES} are read")));
    }
    let bytes = std::fs::read(path).map_err(|e| refuse(e.to_string()))?;
    SavedPlan::parse(&bytes).map_err(refuse)
}

/// The command line as if the plan's release had been named on it. What is named all the same must agree.
pub(crate) fn confirmed(
    args: &PromoteArgs,
    plan: &SavedPlan,
    given: Option<Vec<DigestReference>>,
) -> Result<(PromoteArgs, Vec<DigestReference>), Failure> {
    let differs = |what: &str| {
        Failure::usage(format!("{what} on the command line is not the plan's"))
            .help("leave it out: the plan names the release")
    };
    let candidates = plan.candidates();
    if let Some(mut given) = given {
        let mut planned = candidates.clone();
        given.sort();
        planned.sort();
        if given != planned {
            return Err(differs("the set of candidates"));
        }
    }
    if args.version.is_some() && args.version.as_ref() != plan.version() {
        return Err(differs("--version"));
    }
    let mut args = args.clone();
    args.version = plan.version().cloned();
    args.git_ref = args.git_ref.or_else(|| Some(plan.git().git_ref.to_string()));
    args.sha = args.sha.or_else(|| plan.git().commit.as_ref().map(ToString::to_string));
    Ok((args, candidates))
}

/// Writes the plan of a run that stopped before its first write. A plan that cannot be carried out is not saved.
pub(crate) fn save(path: &Path, promotion: &Promotion) -> Result<(), Failure> {
    let (State::Planned | State::Unchanged, Some(plan)) = (promotion.state, &promotion.plan) else { return Ok(()) };
    let json =
        serde_json::to_string_pretty(plan).map_err(|e| Failure::new(Exit::Internal, "internal", e.to_string()))?;
    std::fs::write(path, format!("{json}\n"))
        .map_err(|e| Failure::usage(format!("cannot write {}: {e}", path.display())).help("check --save-plan"))
}
