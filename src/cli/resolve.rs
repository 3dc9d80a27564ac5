//! `countersign resolve REPO:TAG…`

use clap::Args;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::app::App;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::identity_args::IdentityArgs;
use crate::cli::options::Shared;
use crate::cli::output::{Outcome, document, list, tree};
use crate::cli::wiring;
use crate::evidence::Moment;
use crate::evidence::verdict::Verdict;
use crate::oci::{Repository, TagReference};
use crate::ops::gather::{Rules, UnclearApi};
use crate::ops::resolve::{Resolution, resolve};

#[derive(Debug, Args)]
pub(crate) struct ResolveArgs {
    /// REPOSITORY:TAG
    #[arg(required = true, value_name = "REPO:TAG")]
    references: Vec<TagReference>,
    #[command(flatten)]
    identity: IdentityArgs,
}

pub(crate) fn blank(args: &ResolveArgs) -> (&'static str, Value) {
    let reference = args.references.first().map(ToString::to_string);
    let fields = json!({
        "reference": reference, "digest": null, "pin": null, "verdict": "unknown", "version": null, "promotedAt": null,
    });
    ("Resolution", fields)
}

pub(crate) async fn run(shared: &Shared, args: &ResolveArgs) -> Result<Outcome, Failure> {
    let repositories: Vec<&Repository> = args.references.iter().map(|r| &r.repository).collect();
    let app = wiring::app(shared, &repositories)?;
    let expected = wiring::expected(&app, args.identity.expected()?)?;
    let trust_root = app.trust_root().await?;
    let registry = app.registry()?;
    let (moment, unclear_api) = (Moment::now(App::clock()()), UnclearApi::MayHoldEvidence);
    let rules = Rules { trust_root: &trust_root, expected: &expected, moment, unclear_api };
    let limit = shared.time_limit();
    let each = args.references.iter().map(async |reference| {
        let resolved = resolve(&registry, reference, rules);
        wiring::in_time(limit, &reference.to_string(), resolved).await.unwrap_or_else(|reason| Resolution {
            reference: reference.clone(),
            digest: None,
            verdict: Verdict::Unknown,
            version: None,
            promoted_at: None,
            reasons: vec![reason],
        })
    });
    let resolutions = join_all(each).await;
    let exit = Exit::worst(resolutions.iter().map(|r| wiring::exit_of(r.verdict, &r.reasons)));
    let text = resolutions.iter().map(text).collect();
    let items = resolutions.iter().map(resolution_document).collect::<Result<Vec<_>, _>>()?;
    Ok(Outcome { exit, document: list("Resolution", items), text })
}

fn pin(resolution: &Resolution) -> Option<String> {
    resolution.digest.as_ref().map(|digest| format!("{}@{digest}", resolution.reference))
}

/// The fixed fields of product.md, `Resolution`.
fn resolution_document(resolution: &Resolution) -> Result<Value, Failure> {
    document(
        "Resolution",
        json!({
            "reference": resolution.reference.to_string(),
            "digest": resolution.digest.as_ref().map(ToString::to_string),
            "pin": pin(resolution),
            "verdict": resolution.verdict,
            "version": resolution.version.as_ref().map(ToString::to_string),
            "promotedAt": resolution.promoted_at.map(|at| at.to_string()),
            "reasons": resolution.reasons,
        }),
    )
}

/// A pin is printed only where it may be used.
fn text(resolution: &Resolution) -> String {
    match (resolution.verdict, pin(resolution)) {
        (Verdict::Verified, Some(pin)) => format!("{pin}\n"),
        (verdict, _) => {
            let reasons = tree::Reasons::default().lines("  ", "", &resolution.reasons);
            format!("{} {}\n{reasons}", tree::verdict(verdict), resolution.reference)
        }
    }
}
