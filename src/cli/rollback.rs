//! `countersign rollback REPO:CHANNEL [--to V]`

use clap::Args;
use serde_json::{Value, json};

use crate::cli::failure::Failure;
use crate::cli::options::Shared;
use crate::cli::output::{Outcome, document};
use crate::cli::{operation, promote};
use crate::oci::TagReference;
use crate::ops::operate::{Operation, RollbackRequest, rollback};
use crate::promotion::{Scope, Version};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  countersign rollback ghcr.io/acme/app:latest --to 1.3.2\n  countersign rollback ghcr.io/acme/app:1 --reason \"1.4.0 leaks memory\""
)]
pub(crate) struct RollbackArgs {
    /// The channel that goes back
    #[arg(value_name = "REPO:CHANNEL")]
    channel: TagReference,
    /// The version it goes to [default: the highest below the one it shows]
    #[arg(long, value_name = "V")]
    to: Option<Version>,
    /// Why, for the record
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
    /// Show what would happen and stop before the first write
    #[arg(long)]
    plan: bool,
}

pub(crate) fn blank(args: &RollbackArgs) -> (&'static str, Value) {
    let fields = json!({
        "repository": args.channel.repository.to_string(), "channel": args.channel.tag.to_string(), "from": null,
        "to": args.to.as_ref().map(ToString::to_string), "digest": null, "heldThrough": null, "state": "unknown",
        "moves": [],
    });
    ("Rollback", fields)
}

pub(crate) async fn run(shared: &Shared, args: &RollbackArgs) -> Result<Outcome, Failure> {
    let Some(scope) = Scope::of_tag(&args.channel.tag) else {
        return Err(Failure::usage(format!("{} is no channel", args.channel.tag))
            .help("channels are latest, 1, 1.2 and their variants; a version tag never moves"));
    };
    if let Some(to) = args.to.as_ref().filter(|to| !scope.contains(to)) {
        return Err(Failure::usage(format!("{to} is not in the scope of channel {}", args.channel.tag)));
    }
    let (app, operator) = operation::operator(shared, &args.channel.repository)?;
    let request = RollbackRequest {
        repository: args.channel.repository.clone(),
        channel: args.channel.tag.clone(),
        scope,
        to: args.to.clone(),
        reason: args.reason.clone(),
        plan_only: args.plan,
    };
    let done = promote::with_signals(&app.stop, rollback(&operator, &request)).await?;
    let done = done.map_err(operation::stopped)?;
    let text = text(&done, args);
    Ok(Outcome { exit: operation::exit(&done), document: fields(&done, args)?, text })
}

fn fields(done: &Operation, args: &RollbackArgs) -> Result<Value, Failure> {
    document(
        "Rollback",
        json!({
            "repository": done.repository.to_string(),
            "channel": args.channel.tag.to_string(),
            "from": done.from.as_ref().map(ToString::to_string),
            "to": done.version.as_ref().or(args.to.as_ref()).map(ToString::to_string),
            "digest": done.digest.as_ref().map(ToString::to_string),
            "heldThrough": done.held_through.as_ref().map(ToString::to_string),
            "state": operation::state(done, "rolled-back"),
            "moves": operation::moves(done),
            "reasons": done.reasons,
        }),
    )
}

fn text(done: &Operation, args: &RollbackArgs) -> String {
    let to = done.version.as_ref().map(|to| format!(" to {to}")).unwrap_or_default();
    let held = done.held_through.as_ref().filter(|through| Some(*through) != done.version.as_ref());
    let held = held.map(|through| format!(", held until a release above {through}")).unwrap_or_default();
    operation::text(done, format!("{} {}{to}{held}", operation::state(done, "rolled-back"), args.channel))
}
