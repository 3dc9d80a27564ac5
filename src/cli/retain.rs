//! `countersign retain REPO`

use clap::Args;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::app::App;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::identity_args::IdentityArgs;
use crate::cli::options::Shared;
use crate::cli::output::{Outcome, document, tree};
use crate::cli::wiring;
use crate::evidence::Moment;
use crate::oci::{Repository, Tag};
use crate::ops::gather::{Rules, UnclearApi};
use crate::ops::retain::{Retention, apply, plan};
use crate::policy::Reason;
use crate::policy::age::Age;
use crate::promotion::retention::Limits;

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  countersign retain ghcr.io/acme/app --keep-last 20 --older-than 90d\n  countersign retain registry.example.com/acme/app --keep-last 20 --apply"
)]
pub(crate) struct RetainArgs {
    /// The repository whose keep-set is computed
    #[arg(value_name = "REPO")]
    repository: Repository,
    /// Keep this many of the last releases, pre-releases and builds each
    #[arg(long, value_name = "N")]
    keep_last: Option<usize>,
    /// Let go only what was promoted longer ago, for example 90d
    #[arg(long, value_name = "AGE")]
    older_than: Option<Age>,
    /// Delete what may go; without it nothing is written
    #[arg(long)]
    apply: bool,
    #[command(flatten)]
    identity: IdentityArgs,
}

pub(crate) fn blank(args: &RetainArgs) -> (&'static str, Value) {
    let repository = args.repository.to_string();
    ("Retention", json!({ "repository": repository, "state": "unknown", "live": 0, "keep": [], "delete": [] }))
}

pub(crate) async fn run(shared: &Shared, args: &RetainArgs) -> Result<Outcome, Failure> {
    if args.apply && args.keep_last.is_none() && args.older_than.is_none() {
        return Err(Failure::usage("--apply without a limit").help("pass --keep-last or --older-than"));
    }
    let app = wiring::app(shared, &[&args.repository])?;
    let expected = wiring::expected(&app, args.identity.expected()?)?;
    let (trust_root, registry) = (app.trust_root()?, app.registry()?);
    let now = App::clock()();
    let (moment, unclear_api) = (Moment::now(now), UnclearApi::MayHoldEvidence);
    let rules = Rules { trust_root: &trust_root, expected: &expected, moment, unclear_api };
    let since = args.older_than.and_then(|age| now.checked_sub(SignedDuration::from_secs(age.seconds())).ok());
    let limits = Limits { keep_last: args.keep_last, since };
    let (planned, mut reasons) = match plan(&registry, &args.repository, rules, limits).await {
        Ok(planned) => (planned, Vec::new()),
        Err(reasons) => (Retention::default(), reasons),
    };
    let mut state = if reasons.is_empty() { "planned" } else { "unknown" };
    if args.apply && reasons.is_empty() {
        state = "unchanged";
        if !planned.delete.is_empty() {
            match apply(registry.as_ref(), &args.repository, &planned).await {
                Ok(_) => state = "deleted",
                Err(reason) => {
                    state = "incomplete";
                    reasons.push(reason);
                }
            }
        }
    }
    let exit = if reasons.is_empty() { Exit::Ok } else { wiring::unknown_exit(&reasons) };
    let document = retention_document(args, &planned, state, &reasons)?;
    Ok(Outcome { exit, document, text: text(args, &planned, state, &reasons) })
}

fn names(tags: &[Tag]) -> Vec<String> {
    tags.iter().map(ToString::to_string).collect()
}

fn retention_document(
    args: &RetainArgs,
    planned: &Retention,
    state: &str,
    reasons: &[Reason],
) -> Result<Value, Failure> {
    let keep = planned.keep.iter().map(
        |kept| json!({ "digest": kept.digest.to_string(), "tags": names(&kept.tags), "why": kept.why.to_string() }),
    );
    let delete = planned.delete.iter().map(|deletion| {
        let with: Vec<String> = deletion.with.iter().map(ToString::to_string).collect();
        json!({ "digest": deletion.digest.to_string(), "tags": names(&deletion.tags), "with": with })
    });
    let fields = json!({
        "repository": args.repository.to_string(),
        "state": state,
        "live": planned.live,
        "keep": keep.collect::<Vec<_>>(),
        "delete": delete.collect::<Vec<_>>(),
        "reasons": reasons,
    });
    document("Retention", fields)
}

fn text(args: &RetainArgs, planned: &Retention, state: &str, reasons: &[Reason]) -> String {
    let mut text = String::new();
    for deletion in &planned.delete {
        let (tags, with) = (names(&deletion.tags).join(" "), deletion.with.len());
        text.push_str(&format!("  - {} {tags} and {with} manifests below it\n", deletion.digest.short()));
    }
    for kept in &planned.keep {
        text.push_str(&format!("  = {} {}  {}\n", kept.digest.short(), names(&kept.tags).join(" "), kept.why));
    }
    text.push_str(&tree::Reasons::default().lines("  ", "", reasons));
    let (keep, delete) = (planned.keep.len(), planned.delete.len());
    text.push_str(&format!(
        "{state} {}: {keep} kept ({} manifests), {delete} to delete\n",
        args.repository, planned.live
    ));
    text
}
