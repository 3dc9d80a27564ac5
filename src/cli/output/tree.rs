//! Evidence as a tree for people: nodes, their attestations, and why something does not count. Colour only repeats
//! what the words say.

use owo_colors::OwoColorize;

use crate::evidence::verdict::{AttestationOutcome, NodeKind, NodeVerdict, Verdict};
use crate::policy::Reason;

/// The verdict's word, of fixed width.
pub(crate) fn verdict(verdict: Verdict) -> String {
    match verdict {
        Verdict::Verified => "verified".green().to_string(),
        Verdict::Refuted => "refuted ".red().to_string(),
        Verdict::Unknown => "unknown ".yellow().to_string(),
    }
}

/// One reason with its help.
pub(crate) fn reason(indent: &str, reason: &Reason) -> String {
    let mut text = format!("{indent}{}: {}\n", reason.code, reason.message);
    if !reason.help.is_empty() {
        text.push_str(&format!("{indent}  help: {}\n", reason.help));
    }
    text
}

pub(crate) fn nodes(nodes: &[NodeVerdict]) -> String {
    let mut text = String::new();
    for (i, node) in nodes.iter().enumerate() {
        let last = i + 1 == nodes.len();
        let (branch, rest) = if last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        let platform = node.platform().map_or_else(|| kind(node.kind()).to_owned(), ToString::to_string);
        text.push_str(&format!("{branch}{} {platform} {}\n", verdict(node.verdict()), node.digest().short()));
        for (j, attestation) in node.attestations().iter().enumerate() {
            let branch = if j + 1 == node.attestations().len() { "└─ " } else { "├─ " };
            text.push_str(&format!("{rest}{branch}{}", self::attestation(attestation)));
            for found in attestation.reasons() {
                text.push_str(&reason(&format!("{rest}   "), found));
            }
        }
        for found in node.reasons() {
            text.push_str(&reason(rest, found));
        }
    }
    text
}

fn attestation(attestation: &AttestationOutcome) -> String {
    let name = attestation.predicate_type().map_or("attestation", |kind| kind.name());
    match attestation.statement() {
        Some(statement) => {
            let signer = statement.signer();
            format!("{} {name} by {} at {}\n", verdict(attestation.verdict()), signer.name, statement.logged_at())
        }
        None => format!("{} {name} {}\n", verdict(attestation.verdict()), attestation.bundle().short()),
    }
}

fn kind(kind: NodeKind) -> &'static str {
    match kind {
        NodeKind::Index => "index",
        NodeKind::Image => "image",
        NodeKind::Artifact => "artifact",
    }
}
