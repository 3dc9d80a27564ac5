//! `countersign copy REPO@DIGEST DEST`

use clap::Args;
use serde_json::{Value, json};

use crate::app::App;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::identity_args::IdentityArgs;
use crate::cli::options::Shared;
use crate::cli::output::{Outcome, tree};
use crate::cli::promote::with_signals;
use crate::cli::verify::{self, Children};
use crate::cli::wiring;
use crate::evidence::Moment;
use crate::identity::ExpectedIdentities;
use crate::oci::{DigestReference, Repository};
use crate::ops::copy::{Copy, copy};
use crate::ops::gather::{Rules, UnclearApi};
use crate::policy::{Reason, ReasonCode};

#[derive(Debug, Args)]
pub(crate) struct CopyArgs {
    /// REPOSITORY@DIGEST
    #[arg(value_name = "REPO@DIGEST")]
    source: DigestReference,
    /// The repository to copy to; no release tag is ever written there
    #[arg(value_name = "DEST")]
    destination: Repository,
    #[command(flatten)]
    identity: IdentityArgs,
    /// What must be attached, here and there
    /// [default: signature; with a configuration: what promote writes]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    require: Vec<String>,
}

pub(crate) fn blank(args: &CopyArgs) -> (&'static str, Value) {
    let fields = json!({
        "source": args.source.to_string(),
        "destination": format!("{}@{}", args.destination, args.source.digest),
        "digest": args.source.digest.to_string(),
        "verdict": "unknown",
        "copied": null,
        "nodes": [],
    });
    ("Copy", fields)
}

pub(crate) async fn run(shared: &Shared, args: &CopyArgs) -> Result<Outcome, Failure> {
    if args.destination == args.source.repository {
        return Err(Failure::usage(format!("{} is the source itself", args.destination)));
    }
    let app = wiring::app(shared, &[&args.source.repository, &args.destination])?;
    let expected = wiring::expected(&app, args.identity.expected()?)?;
    let trust_root = app.trust_root()?;
    let required = verify::requirements(&app, &args.require, Children::Covered)?;
    let (registry, fresh) = (app.registry()?, app.registry()?);
    let (moment, unclear_api) = (Moment::now(App::clock()()), UnclearApi::MayHoldEvidence);
    let rules = Rules { trust_root: &trust_root, expected: &expected, moment, unclear_api };
    let work = copy(registry.as_ref(), fresh.as_ref(), &args.source, &args.destination, rules, &required, &app.stop);
    let copied = with_signals(&app.stop, work).await?;
    outcome(&copied, &expected)
}

fn outcome(copy: &Copy, expected: &ExpectedIdentities) -> Result<Outcome, Failure> {
    let reasons: Vec<Reason> = match &copy.failed {
        Some(reason) => vec![reason.clone()],
        None => copy.verification.reasons.clone(),
    };
    let contradicts = |code| matches!(code, ReasonCode::ChildMissing | ReasonCode::DigestMismatch);
    let exit = match &copy.failed {
        Some(reason) if contradicts(reason.code) => Exit::Refuted,
        Some(_) => wiring::unknown_exit(&reasons),
        None => wiring::exit_of(copy.verification.verdict, &reasons),
    };
    let verdict = match (&copy.failed, exit) {
        (None, _) => json!(copy.verification.verdict),
        (Some(_), Exit::Refuted) => json!("refuted"),
        (Some(_), _) => json!("unknown"),
    };
    let nodes = copy.verification.tree.as_ref().map_or_else(|| json!([]), |tree| json!(tree.nodes()));
    let fields = json!({
        "source": copy.source.to_string(),
        "destination": copy.destination.to_string(),
        "digest": copy.source.digest.to_string(),
        "verdict": verdict,
        "copied": {
            "manifests": copy.copied.manifests,
            "blobs": copy.copied.blobs,
            "bytes": copy.copied.bytes,
            "referrers": copy.copied.referrers,
            "legacyTags": copy.copied.legacy_tags,
        },
        "nodes": nodes,
        "reasons": reasons,
    });
    Outcome::new(exit, "Copy", fields, text(copy, exit, expected))
}

fn text(copy: &Copy, exit: Exit, expected: &ExpectedIdentities) -> String {
    let mut text = String::new();
    match &copy.failed {
        Some(reason) => text.push_str(&tree::Reasons::default().lines("", "", std::slice::from_ref(reason))),
        None => text.push_str(&verify::text(&copy.verification, expected, &[])),
    }
    let copied = &copy.copied;
    let written = format!(
        "{} manifests, {} blobs ({} bytes), {} referrers, {} signature tags",
        copied.manifests, copied.blobs, copied.bytes, copied.referrers, copied.legacy_tags
    );
    text.push_str(&match (exit, copied.is_nothing()) {
        (Exit::Ok, true) => format!("unchanged: everything was at {}\n", copy.destination),
        (Exit::Ok, false) => format!("copied to {}: {written}\n", copy.destination),
        (_, true) => "nothing was written\n".to_owned(),
        (_, false) => format!("written so far: {written}; the same command goes on from there\n"),
    });
    text
}
