//! What `withdraw` and `rollback` share: wiring, exit code, and the lines of their moves.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::app::App;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::options::Shared;
use crate::cli::output::tree;
use crate::cli::{progress, wiring};
use crate::oci::Repository;
use crate::ops::operate::{Ending, Operation, Operator};
use crate::ops::promote::Stop;
use crate::promotion::TagMove;
use crate::sigstore::KeylessSigner;

/// Everything an operator's command needs, under the configured identities.
pub(crate) async fn operator(shared: &Shared, repository: &Repository) -> Result<(Arc<App>, Operator), Failure> {
    let app = wiring::app(shared, &[repository])?;
    let identities = wiring::expected(&app, None)?;
    let trust_root = app.trust_root().await?;
    let signer = app.signer(trust_root.clone()).await?;
    check_layouts(&app, &signer)?;
    let operator = Operator {
        registry: app.registry()?,
        fresh: app.fresh(),
        signer: Arc::new(signer),
        reporter: progress::reporter(shared),
        identities,
        trust_root,
        layouts: app.config.signatures,
        clock: App::clock(),
    };
    Ok((app, operator))
}

/// `signatures: legacy` and `both` need a log of their own; to be known before anything is read or signed.
pub(crate) fn check_layouts(app: &App, signer: &KeylessSigner) -> Result<(), Failure> {
    if !app.config.signatures.needs_rekor_v1() {
        return Ok(());
    }
    signer.check_legacy().map_err(|error| {
        let help = "use signatures: bundle, or sign with services that still run a Rekor v1 log";
        Failure::new(Exit::Usage, "signing-config", error.to_string()).help(help)
    })
}

/// A set-up problem as a failure.
pub(crate) fn stopped(stop: Stop) -> Failure {
    match stop {
        Stop::Setup { code: "internal", message, help } => Failure::new(Exit::Internal, "internal", message).help(help),
        Stop::Setup { code, message, help } => Failure::new(Exit::Usage, code, message).help(help),
        Stop::Result(_) => Failure::new(Exit::Internal, "internal", "an operation ended without a result"),
    }
}

pub(crate) fn exit(operation: &Operation) -> Exit {
    match operation.ending {
        Ending::Planned | Ending::Done | Ending::Unchanged => Exit::Ok,
        Ending::Denied => Exit::Denied,
        Ending::Conflict => Exit::Conflict,
        Ending::Refuted => Exit::Refuted,
        Ending::Unknown => wiring::unknown_exit(&operation.reasons),
        Ending::Incomplete => wiring::incomplete_exit(&operation.reasons),
    }
}

/// The word of the machine output; `done` is the command's own.
pub(crate) fn state(operation: &Operation, done: &'static str) -> &'static str {
    match operation.ending {
        Ending::Planned => "planned",
        Ending::Done => done,
        Ending::Unchanged => "unchanged",
        Ending::Denied => "denied",
        Ending::Conflict => "conflict",
        Ending::Refuted => "refuted",
        Ending::Unknown => "unknown",
        Ending::Incomplete => "incomplete",
    }
}

/// As in `promote`'s document.
pub(crate) fn moves(operation: &Operation) -> Value {
    let line = |line: &TagMove| {
        json!({
            "tag": line.tag.to_string(),
            "class": line.class.as_str(),
            "action": line.action.as_str(),
            "from": line.from.as_ref().map(ToString::to_string),
            "to": line.to.to_string(),
            "why": line.why.as_ref().map_or("", |why| why.message.as_str()),
        })
    };
    Value::Array(operation.moves.iter().map(line).collect())
}

/// For people: one line per channel, then what is wrong.
pub(crate) fn text(operation: &Operation, head: String) -> String {
    let mut text = format!("{head}\n");
    for line in &operation.moves {
        let why = line.why.as_ref().map(|why| format!("  {}", why.message)).unwrap_or_default();
        text.push_str(&format!("  {} {:<10} {}{why}\n", line.action.sign(), line.tag.to_string(), line.to));
    }
    if !operation.reasons.is_empty() {
        text.push_str(&tree::Reasons::default().lines("  ", "", &operation.reasons));
    }
    text
}
