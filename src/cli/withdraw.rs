//! `countersign withdraw REPO --version V --reason TEXT`

use clap::Args;
use serde_json::{Value, json};

use crate::cli::failure::Failure;
use crate::cli::options::Shared;
use crate::cli::output::{Outcome, document};
use crate::cli::{operation, promote};
use crate::oci::Repository;
use crate::ops::operate::{Ending, Operation, WithdrawRequest, withdraw};
use crate::promotion::Version;

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  countersign withdraw ghcr.io/acme/app --version 1.4.0 --reason \"breaks upgrades, see #812\""
)]
pub(crate) struct WithdrawArgs {
    /// The repository whose version is withdrawn
    #[arg(value_name = "REPO")]
    repository: Repository,
    /// The version to withdraw
    #[arg(long, value_name = "V")]
    version: Version,
    /// Why, for everybody who asks for this version later
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Show what would happen and stop before the first write
    #[arg(long)]
    plan: bool,
}

pub(crate) fn blank(args: &WithdrawArgs) -> (&'static str, Value) {
    let fields = json!({
        "repository": args.repository.to_string(), "version": args.version.to_string(), "digest": null,
        "state": "unknown", "moves": [], "siblings": [],
    });
    ("Withdrawal", fields)
}

pub(crate) async fn run(shared: &Shared, args: &WithdrawArgs) -> Result<Outcome, Failure> {
    if args.reason.trim().is_empty() {
        return Err(Failure::usage("--reason is empty").help("say why: it is what people will read"));
    }
    let (app, operator) = operation::operator(shared, &args.repository)?;
    let request = WithdrawRequest {
        repository: args.repository.clone(),
        version: args.version.clone(),
        reason: args.reason.clone(),
        plan_only: args.plan,
    };
    let done = promote::with_signals(&app.stop, withdraw(&operator, &request)).await?;
    let done = done.map_err(operation::stopped)?;
    Ok(Outcome { exit: operation::exit(&done), document: fields(&done)?, text: text(&done) })
}

fn fields(done: &Operation) -> Result<Value, Failure> {
    document(
        "Withdrawal",
        json!({
            "repository": done.repository.to_string(),
            "version": done.version.as_ref().map(ToString::to_string),
            "digest": done.digest.as_ref().map(ToString::to_string),
            "state": operation::state(done, "withdrawn"),
            "moves": operation::moves(done),
            "siblings": done.siblings.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "reasons": done.reasons,
        }),
    )
}

fn text(done: &Operation) -> String {
    let version = done.version.as_ref().map(ToString::to_string).unwrap_or_default();
    let state = operation::state(done, "withdrawn");
    let mut text = operation::text(done, format!("{state} {} {version}", done.repository));
    if matches!(done.ending, Ending::Done | Ending::Planned | Ending::Unchanged) {
        for sibling in &done.siblings {
            text.push_str(&format!(
                "  the release also has {sibling}: countersign withdraw {sibling} --version {version}\n"
            ));
        }
    }
    text
}
