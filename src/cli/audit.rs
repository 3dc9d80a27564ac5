//! `countersign audit REPO…`

use clap::Args;
use serde_json::{Value, json};

use crate::app::App;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::identity_args::IdentityArgs;
use crate::cli::options::Shared;
use crate::cli::output::{Outcome, document, tree};
use crate::cli::wiring;
use crate::evidence::Moment;
use crate::oci::Repository;
use crate::ops::audit::{Audit, AuditRules, DEFAULT_TREES, audit};
use crate::ops::gather::{Rules, UnclearApi};
use crate::policy::Reason;

#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 nothing found, 4 findings, 6 not authorised, 7 something could not be looked at.\n\nExample (cron):\n  countersign audit ghcr.io/acme/app ghcr.io/acme/agent --output json=audit.json"
)]
pub(crate) struct AuditArgs {
    /// Repositories whose tags are compared with the signed records
    #[arg(required = true, value_name = "REPO")]
    repositories: Vec<Repository>,
    /// Releases whose whole tree is looked at, those shown by channels first; "all" for every one
    #[arg(long, value_name = "N|all", default_value_t = Trees(DEFAULT_TREES))]
    trees: Trees,
    #[command(flatten)]
    identity: IdentityArgs,
}

/// A number, or `all`.
#[derive(Debug, Clone, Copy)]
struct Trees(usize);

impl std::str::FromStr for Trees {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "all" => Ok(Self(usize::MAX)),
            number => number.parse().map(Self).map_err(|_| format!("expected a number or all, found {text:?}")),
        }
    }
}

impl std::fmt::Display for Trees {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0 == usize::MAX { f.write_str("all") } else { self.0.fmt(f) }
    }
}

pub(crate) fn blank(_: &AuditArgs) -> (&'static str, Value) {
    ("Audit", json!({ "findings": [], "checked": [] }))
}

pub(crate) async fn run(shared: &Shared, args: &AuditArgs) -> Result<Outcome, Failure> {
    let repositories: Vec<&Repository> = args.repositories.iter().collect();
    let app = wiring::app(shared, &repositories)?;
    let expected = wiring::expected(&app, args.identity.expected()?)?;
    let (trust_root, registry) = (app.trust_root()?, app.registry()?);
    let (moment, unclear_api) = (Moment::now(App::clock()()), UnclearApi::MayHoldEvidence);
    let rules = AuditRules {
        rules: Rules { trust_root: &trust_root, expected: &expected, moment, unclear_api },
        max_scan_age_seconds: app.config.policy.max_scan_age.seconds(),
        trees: args.trees.0,
    };
    let mut audits = Vec::new();
    for repository in repositories {
        audits.push(audit(&registry, repository, rules).await);
    }
    Ok(Outcome { exit: exit(&audits), document: audit_document(&audits)?, text: text(&audits) })
}

fn exit(audits: &[Audit]) -> Exit {
    Exit::worst(audits.iter().flat_map(|audit| {
        let found = if audit.findings.is_empty() { Exit::Ok } else { Exit::Refuted };
        let unknown = if audit.unknown.is_empty() { Exit::Ok } else { wiring::unknown_exit(&audit.unknown) };
        [found, unknown]
    }))
}

/// One document for all repositories, with the fixed fields of product.md, `Audit`.
fn audit_document(audits: &[Audit]) -> Result<Value, Failure> {
    let finding = |audit: &Audit, tag: String, digest: String, reason: &Reason| {
        json!({
            "repository": audit.repository.to_string(), "tag": tag, "digest": digest,
            "code": reason.code, "message": reason.message, "help": reason.help,
        })
    };
    let findings = audits.iter().flat_map(|audit| {
        let of = audit.findings.iter();
        of.map(move |found| finding(audit, found.tag.to_string(), found.digest.to_string(), &found.reason))
    });
    let checked = |audit: &Audit| {
        json!({
            "repository": audit.repository.to_string(), "tags": audit.checked.tags,
            "digests": audit.checked.digests, "trees": audit.checked.trees,
        })
    };
    let reasons: Vec<&Reason> = audits.iter().flat_map(|audit| &audit.unknown).collect();
    let fields = json!({
        "findings": findings.collect::<Vec<_>>(),
        "checked": audits.iter().map(checked).collect::<Vec<_>>(),
        "reasons": reasons,
    });
    document("Audit", fields)
}

fn text(audits: &[Audit]) -> String {
    let mut text = String::new();
    for audit in audits {
        let crate::ops::audit::Checked { tags, digests, trees } = audit.checked;
        let found = match audit.findings.len() {
            0 => "no findings".to_owned(),
            1 => "1 finding".to_owned(),
            count => format!("{count} findings"),
        };
        text.push_str(&format!(
            "{}: {found}; {tags} tags, {digests} digests, {trees} trees looked at\n",
            audit.repository
        ));
        for finding in &audit.findings {
            let Reason { code, message, help, .. } = &finding.reason;
            text.push_str(&format!("  {code}: {}: {message}\n", finding.tag));
            if !help.is_empty() {
                text.push_str(&format!("    help: {help}\n"));
            }
        }
        text.push_str(&tree::Reasons::default().lines("  ", "unknown: ", &audit.unknown));
    }
    text
}
