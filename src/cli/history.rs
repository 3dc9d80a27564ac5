//! `countersign history REPO:TAG`

use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::app::App;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::identity_args::IdentityArgs;
use crate::cli::options::Shared;
use crate::cli::output::{Outcome, document, tree};
use crate::cli::wiring;
use crate::evidence::Moment;
use crate::oci::TagReference;
use crate::ops::gather::{Rules, UnclearApi};
use crate::ops::history::{History, HistoryOutcome, history};
use crate::ops::look::{Failures, Look};
use crate::promotion::history::Entry;

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  countersign history ghcr.io/acme/app:latest\n  countersign history ghcr.io/acme/app:1.2 --at 2026-11-01T00:00:00Z"
)]
pub(crate) struct HistoryArgs {
    /// REPOSITORY:TAG
    #[arg(value_name = "REPO:TAG")]
    reference: TagReference,
    /// Only the entry in force at this time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    #[command(flatten)]
    identity: IdentityArgs,
}

pub(crate) fn blank(args: &HistoryArgs) -> (&'static str, Value) {
    ("History", json!({ "reference": args.reference.to_string(), "digest": null, "entries": [] }))
}

pub(crate) async fn run(shared: &Shared, args: &HistoryArgs) -> Result<Outcome, Failure> {
    let app = wiring::app(shared, &[&args.reference.repository])?;
    let expected = wiring::expected(&app, args.identity.expected()?)?;
    let (trust_root, registry) = (app.trust_root()?, app.registry()?);
    let (moment, unclear_api) = (Moment::now(App::clock()()), UnclearApi::MayHoldEvidence);
    let rules = Rules { trust_root: &trust_root, expected: &expected, moment, unclear_api };
    let failures = Failures::default();
    let look = Look { registry: &registry, rules, failures: &failures };
    let told = history(&look, &args.reference, args.at).await;
    let exit = match told.outcome {
        HistoryOutcome::Told => Exit::Ok,
        HistoryOutcome::Refuted => Exit::Refuted,
        HistoryOutcome::NotFound => Exit::NotFound,
        HistoryOutcome::Unknown => wiring::unknown_exit(&told.reasons),
    };
    let entry = |entry: &Entry| {
        json!({
            "tag": told.reference.tag.to_string(),
            "digest": entry.digest.to_string(),
            "version": entry.version.as_ref().map(ToString::to_string),
            "at": entry.at.to_string(),
            "identity": entry.identity,
            "kind": entry.kind.as_str(),
            "state": entry.state.as_str(),
        })
    };
    let fields = json!({
        "reference": told.reference.to_string(),
        "digest": told.digest.as_ref().map(ToString::to_string),
        "entries": told.entries.iter().map(entry).collect::<Vec<_>>(),
        "reasons": told.reasons,
    });
    Ok(Outcome { exit, document: document("History", fields)?, text: text(&told) })
}

fn text(told: &History) -> String {
    let mut text = format!("{}\n", told.reference);
    for entry in &told.entries {
        let version = entry.version.as_ref().map(ToString::to_string).unwrap_or_else(|| "-".to_owned());
        let (kind, state) = (entry.kind.as_str(), entry.state.as_str());
        let Entry { at, digest, identity, .. } = entry;
        text.push_str(&format!("  {at}  {kind:<10} {version:<12} {state:<11} {digest}  {identity}\n"));
    }
    text.push_str(&tree::Reasons::default().lines("  ", "", &told.reasons));
    text
}
