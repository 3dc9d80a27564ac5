//! `countersign policy lint [REF…]`

use clap::{Args, Subcommand};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::app::App;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::identity_args::IdentityArgs;
use crate::cli::options::Shared;
use crate::cli::output::{Outcome, tree};
use crate::cli::wiring;
use crate::evidence::Moment;
use crate::evidence::verdict::Requirements;
use crate::identity::{ExpectedIdentities, ExpectedIdentity, IdentityFinding, IdentityRole, SignerIdentity, lint};
use crate::oci::{Reference, Repository};
use crate::ops::gather::{Depth, Rules, UnclearApi};
use crate::ops::verify::verify;
use crate::policy::{Reason, ReasonCode};

#[derive(Debug, Args)]
pub(crate) struct PolicyArgs {
    #[command(subcommand)]
    pub(crate) command: PolicyCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Expected identities that accept more than was meant, with the exact ones to use instead; loads the rules too
    Lint(LintArgs),
}

#[derive(Debug, Args)]
pub(crate) struct LintArgs {
    /// Images whose certificates show the identity to use instead
    #[arg(value_name = "REF")]
    references: Vec<Reference>,
    #[command(flatten)]
    identity: IdentityArgs,
}

pub(crate) fn blank() -> (&'static str, Value) {
    ("Lint", json!({ "findings": [] }))
}

/// A finding and the accepted identity it is about.
struct Line {
    role: IdentityRole,
    identity: String,
    finding: IdentityFinding,
}

pub(crate) async fn run(shared: &Shared, args: &PolicyArgs) -> Result<Outcome, Failure> {
    let PolicyCommand::Lint(args) = &args.command;
    let repositories: Vec<&Repository> = args.references.iter().map(Reference::repository).collect();
    let app = wiring::app(shared, &repositories)?;
    // Rules that do not load are a configuration error, exit 2.
    app.policy()?;
    let named = without_issuer(&args.identity)?;
    let expected = match &named {
        Some(named) => named.clone(),
        None => wiring::expected(&app, args.identity.expected()?)?,
    };
    let (signers, unread) = signers(shared, &app, &args.references, &expected).await?;
    let mut lines: Vec<Line> = Vec::new();
    if named.is_some() {
        lines.extend(missing_issuer(&args.identity, &signers));
    }
    for (role, identity) in expected.iter() {
        // Without an issuer the name is all there is to look at.
        let found: Vec<SignerIdentity> = match named {
            Some(_) => signers.iter().map(|s| under(s, identity)).collect(),
            None => signers.clone(),
        };
        lines.extend(lint(identity, &found).into_iter().map(|finding| Line {
            role,
            identity: super::verify::describe(identity),
            finding,
        }));
    }
    let mut seen: Vec<Reason> = Vec::new();
    lines.retain(|line| {
        let reason = line.finding.reason();
        let new = !seen.contains(&reason);
        seen.push(reason);
        new
    });
    outcome(&lines, &unread)
}

fn under(signer: &SignerIdentity, identity: &ExpectedIdentity) -> SignerIdentity {
    SignerIdentity { issuer: identity.issuer().to_string(), ..signer.clone() }
}

/// A name without an issuer, which no other command accepts: linted as if GitHub were meant.
fn without_issuer(args: &IdentityArgs) -> Result<Option<ExpectedIdentities>, Failure> {
    if args.issuer.is_some() || (args.identity.is_none() && args.identity_regexp.is_none()) {
        return Ok(None);
    }
    let issuer = Some(crate::identity::Issuer::github_actions().to_string());
    IdentityArgs { issuer, ..args.clone() }.expected()
}

fn missing_issuer(args: &IdentityArgs, signers: &[SignerIdentity]) -> Option<Line> {
    let identity = args.identity.clone().or_else(|| args.identity_regexp.as_ref().map(|r| format!("regexp {r}")))?;
    let expected = without_issuer(args).ok().flatten()?;
    let meant = |s: &&SignerIdentity| expected.iter().any(|(_, e)| e.matches(&under(s, e)).is_ok());
    let message = format!("{identity} without an issuer: whoever Fulcio trusts could vouch for that name");
    let found = signers.iter().find(meant).cloned();
    let finding = IdentityFinding { code: ReasonCode::IdentityIssuerMissing, message, found };
    Some(Line { role: IdentityRole::Named, identity, finding })
}

/// Everybody who signed something about the references, and what could not be read.
async fn signers(
    shared: &Shared,
    app: &App,
    references: &[Reference],
    expected: &ExpectedIdentities,
) -> Result<(Vec<SignerIdentity>, Vec<Reason>), Failure> {
    if references.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    let (trust_root, registry) = (app.trust_root()?, app.registry()?);
    let (moment, unclear_api) = (Moment::now(App::clock()()), UnclearApi::MayHoldEvidence);
    let rules = Rules { trust_root: &trust_root, expected, moment, unclear_api };
    let (required, limit) = (Requirements::signature(), shared.time_limit());
    let each = references.iter().map(async |reference| {
        let verified = verify(registry.as_ref(), reference, rules, &required, Depth::Everything);
        wiring::in_time(limit, &reference.to_string(), verified).await
    });
    let (mut signers, mut unread) = (Vec::new(), Vec::new());
    for verified in join_all(each).await {
        match verified {
            Ok(verification) => match verification.tree {
                Some(tree) => signers.extend(tree.signers()),
                None => unread.extend(verification.reasons),
            },
            Err(reason) => unread.push(reason),
        }
    }
    Ok((signers, unread))
}

fn outcome(lines: &[Line], unread: &[Reason]) -> Result<Outcome, Failure> {
    let findings: Vec<Value> = lines.iter().map(line_document).collect();
    let reasons: Vec<Reason> = lines.iter().map(|line| line.finding.reason()).collect();
    let mut text = tree::Reasons::default().lines("", "", &[&reasons, unread].concat());
    let exit = match (lines.is_empty(), unread.is_empty()) {
        (true, true) => Exit::Ok,
        (true, false) => wiring::unknown_exit(unread),
        (false, _) => Exit::Refuted,
    };
    match lines.len() {
        0 if exit == Exit::Ok => text.push_str("no finding\n"),
        0 => {}
        n => text.push_str(&format!("{n} finding{}\n", if n == 1 { "" } else { "s" })),
    }
    Outcome::new(exit, "Lint", json!({ "findings": findings, "reasons": unread }), text)
}

fn line_document(line: &Line) -> Value {
    let reason = line.finding.reason();
    let found = line.finding.found.as_ref();
    json!({
        "code": reason.code,
        "message": reason.message,
        "help": reason.help,
        "role": line.role.to_string(),
        "identity": line.identity,
        "found": found.map(|signer| json!({ "identity": signer.name, "issuer": signer.issuer })),
        "useInstead": line.finding.use_instead(),
    })
}
