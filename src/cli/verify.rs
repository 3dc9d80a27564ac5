//! `countersign verify REF…`

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use futures_util::future::join_all;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::app::App;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::identity_args::IdentityArgs;
use crate::cli::options::Shared;
use crate::cli::output::{Outcome, document, explain, list, tree};
use crate::cli::provenance_args::ProvenanceArgs;
use crate::cli::{github, wiring};
use crate::evidence::verdict::{ChildrenRule, NodeKind, Requirements, Verdict};
use crate::evidence::{Moment, PredicateType};
use crate::identity::ExpectedIdentities;
use crate::image::OfflineRegistry;
use crate::oci::{Reference, Repository};
use crate::ops::gather::{Depth, Rules, UnclearApi};
use crate::ops::verify::{Verification, verify_with};
use crate::policy::Reason;
use crate::registry::Registry;

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// REPOSITORY:TAG or REPOSITORY@DIGEST
    #[arg(required = true, value_name = "REF")]
    references: Vec<Reference>,
    #[command(flatten)]
    identity: IdentityArgs,
    #[command(flatten)]
    provenance: ProvenanceArgs,
    /// What must be attached: signature, sbom, vulnerability, provenance, promotion, vsa, or a predicate type
    /// [default: signature; with a configuration: what promote writes]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    require: Vec<String>,
    /// May a verified index vouch for its children?
    #[arg(long, value_enum, default_value_t = Children::Covered)]
    children: Children,
    /// Judge as of this time (RFC 3339); what was signed later does not exist yet
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// Read an OCI layout with its referrers instead of the registry; the references stay the registry's
    #[arg(long, value_name = "DIR")]
    offline: Option<PathBuf>,
    /// Read everything that is attached, even when the requirements are met
    #[arg(long)]
    all: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Children {
    /// Signature and VSA of the index are enough
    Covered,
    /// Each child needs its own
    Signed,
}

pub(crate) fn blank(args: &VerifyArgs) -> (&'static str, Value) {
    let reference = args.references.first();
    let fields = json!({
        "reference": reference.map(ToString::to_string),
        "repository": reference.map(|r| r.repository().to_string()),
        "digest": null,
        "verdict": "unknown",
        "nodes": [],
    });
    ("Verification", fields)
}

pub(crate) async fn run(shared: &Shared, args: &VerifyArgs) -> Result<Outcome, Failure> {
    let repositories: Vec<&Repository> = args.references.iter().map(Reference::repository).collect();
    let app = wiring::app(shared, &repositories)?;
    let expected = wiring::expected(&app, args.identity.expected()?)?;
    let expected = args.provenance.added_to(expected, &app.config, &args.identity)?;
    let trust_root = if args.offline.is_some() { app.stored_trust_root().await? } else { app.trust_root().await? };
    let registry: Arc<dyn Registry> = match &args.offline {
        Some(folder) => Arc::new(OfflineRegistry::open(folder).await?),
        None => app.registry()?,
    };
    let moment = Moment { now: App::clock()(), at: args.at };
    let unclear_api = UnclearApi::MayHoldEvidence;
    let rules = Rules { trust_root: &trust_root, expected: &expected, moment, unclear_api };
    let required = requirements(&app, &args.require, args.children)?;
    let depth = if args.all { Depth::Everything } else { Depth::Enough };
    let limit = shared.time_limit();
    // Whoever verifies offline asks nobody.
    let asks = args.offline.is_none() && required.types.contains(&PredicateType::PROVENANCE);
    let archive = if asks { github::archive(&app, &expected)? } else { None };
    let each = args.references.iter().map(async |reference| {
        let verified = verify_with(registry.as_ref(), archive.as_ref(), reference, rules, &required, depth);
        wiring::in_time(limit, &reference.to_string(), verified).await.unwrap_or_else(|reason| Verification {
            reference: reference.clone(),
            digest: None,
            verdict: Verdict::Unknown,
            tree: None,
            reasons: vec![reason],
        })
    });
    let verifications = join_all(each).await;
    let exits = verifications.iter().map(|v| wiring::exit_of(v.verdict, &v.reasons));
    let exit = Exit::worst(exits);
    let warned: Vec<(&Verification, Vec<Reason>)> = verifications.iter().map(|v| (v, warnings(v, &expected))).collect();
    let text = warned.iter().map(|(v, warnings)| text(v, &expected, warnings)).collect::<Vec<_>>().join("\n");
    let items = warned.iter().map(|(v, warnings)| verification_document(v, warnings)).collect::<Result<Vec<_>, _>>()?;
    Ok(Outcome { exit, document: list("Verification", items), text })
}

/// Flags, else what `promote` writes under the configuration, else a signature.
pub(crate) fn requirements(app: &App, require: &[String], children: Children) -> Result<Requirements, Failure> {
    let children = match children {
        Children::Covered => ChildrenRule::Covered,
        Children::Signed => ChildrenRule::Signed,
    };
    let types = if !require.is_empty() {
        let types = require.iter().map(|name| PredicateType::from_name(name));
        types.collect::<Result<_, _>>().map_err(|e| Failure::usage(format!("--require: {e}")))?
    } else if app.config_path.is_some() {
        Requirements::of_promote(NodeKind::Index).types
    } else {
        Requirements::signature().types
    };
    Ok(Requirements { types, children })
}

/// What is too broad about the expected identities, by the certificates that were found.
fn warnings(v: &Verification, expected: &ExpectedIdentities) -> Vec<Reason> {
    let found = v.tree.as_ref().map(crate::evidence::verdict::TreeVerdict::signers).unwrap_or_default();
    crate::identity::warnings(expected, &found)
}

/// The fixed fields of product.md, `Verification`.
pub(crate) fn verification_document(v: &Verification, warnings: &[Reason]) -> Result<Value, Failure> {
    let nodes = v.tree.as_ref().map_or_else(|| json!([]), |tree| json!(tree.nodes()));
    let mut document = document(
        "Verification",
        json!({
            "reference": v.reference.to_string(),
            "repository": v.reference.repository().to_string(),
            "digest": v.digest.as_ref().map(ToString::to_string),
            "verdict": v.verdict,
            "nodes": nodes,
            "reasons": v.reasons,
            "warnings": warnings,
        }),
    )?;
    explain::add_commands(&mut document, &v.reference);
    Ok(document)
}

pub(crate) fn text(v: &Verification, expected: &ExpectedIdentities, warnings: &[Reason]) -> String {
    let tagged = matches!(v.reference, Reference::Tag(_));
    let digest = v.digest.as_ref().filter(|_| tagged).map(|d| format!(" → {}", d.short())).unwrap_or_default();
    let mut text = format!("{} {}{digest}\n", tree::verdict(v.verdict), v.reference);
    let mut said = tree::Reasons::default();
    match &v.tree {
        Some(verdict) => text.push_str(&tree::nodes(verdict.nodes(), &mut said)),
        None => text.push_str(&said.lines("  ", "", &v.reasons)),
    }
    if let Some(tree) = v.tree.as_ref().filter(|_| v.verdict != Verdict::Verified) {
        text.push_str(&expectation(expected));
        text.push_str(&explain::text(tree, &v.reference));
    }
    text.push_str(&said.lines("", "warning ", warnings));
    text
}

/// Who was expected to sign; roles that are the same identity on one line.
fn expectation(expected: &ExpectedIdentities) -> String {
    let mut lines: Vec<(String, Vec<String>)> = Vec::new();
    for (role, identity) in expected.iter() {
        let identity = describe(identity);
        match lines.iter_mut().find(|(known, _)| *known == identity) {
            Some((_, roles)) => roles.push(role.to_string()),
            None => lines.push((identity, vec![role.to_string()])),
        }
    }
    lines.iter().map(|(identity, roles)| format!("expected ({}): {identity}\n", roles.join(", "))).collect()
}

pub(crate) fn describe(identity: &crate::identity::ExpectedIdentity) -> String {
    use crate::identity::ExpectedIdentity as E;
    match identity {
        E::Name { issuer, name } => format!("{name}, issuer {issuer}"),
        E::GitHub { issuer, github } => format!("{github}, issuer {issuer}"),
    }
}
