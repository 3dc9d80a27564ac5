//! Evidence as a tree for people: nodes, their attestations, and why something does not count. Colour only repeats
//! what the words say.

use std::collections::BTreeSet;

use owo_colors::OwoColorize;

use crate::evidence::verdict::{AttestationOutcome, NodeKind, NodeVerdict, Verdict};
use crate::policy::{Reason, ReasonCode};

/// The verdict's word, of fixed width.
pub(crate) fn verdict(verdict: Verdict) -> String {
    match verdict {
        Verdict::Verified => "verified".green().to_string(),
        Verdict::Refuted => "refuted ".red().to_string(),
        Verdict::Unknown => "unknown ".yellow().to_string(),
    }
}

/// Of one code, this many reasons are shown in a text; the JSON document has all.
const MAX_SHOWN: usize = 10;

/// Prints reasons: those of one code together, each help once in a text.
#[derive(Debug, Default)]
pub(crate) struct Reasons {
    helps: BTreeSet<String>,
}

impl Reasons {
    /// One line for each reason, `label` before its code.
    pub(crate) fn lines(&mut self, indent: &str, label: &str, reasons: &[Reason]) -> String {
        let mut text = String::new();
        let mut codes: Vec<ReasonCode> = Vec::new();
        for code in reasons.iter().map(|r| r.code) {
            if codes.contains(&code) {
                continue;
            }
            codes.push(code);
            let same: Vec<&Reason> = reasons.iter().filter(|r| r.code == code).collect();
            for reason in same.iter().take(MAX_SHOWN) {
                text.push_str(&format!("{indent}{label}{code}: {}\n", reason.message));
            }
            if same.len() > MAX_SHOWN {
                text.push_str(&format!("{indent}… and {} more\n", same.len() - MAX_SHOWN));
            }
            for reason in same {
                if !reason.help.is_empty() && self.helps.insert(reason.help.clone()) {
                    text.push_str(&format!("{indent}  help: {}\n", reason.help));
                }
            }
        }
        text
    }
}

/// A tree of nodes under the line of its reference.
pub(crate) fn nodes(nodes: &[NodeVerdict], said: &mut Reasons) -> String {
    let mut text = String::new();
    for (i, node) in nodes.iter().enumerate() {
        let last = i + 1 == nodes.len();
        let (branch, rest) = if last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        let platform = node.platform().map_or_else(|| kind(node.kind()).to_owned(), ToString::to_string);
        text.push_str(&format!("{branch}{} {platform} {}\n", verdict(node.verdict()), node.digest().short()));
        let mut outcomes: Vec<&AttestationOutcome> = node.attestations().iter().collect();
        outcomes.sort_by_key(|outcome| name(outcome));
        for (j, attestation) in outcomes.iter().enumerate() {
            let (branch, below) = if j + 1 == outcomes.len() { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            text.push_str(&format!("{rest}{branch}{}", self::attestation(attestation)));
            text.push_str(&said.lines(&format!("{rest}{below}"), "", attestation.reasons()));
        }
        let about = format!(" on {}", node.digest());
        let shorter = |r: &Reason| Reason { message: r.message.replace(&about, ""), ..r.clone() };
        text.push_str(&said.lines(rest, "", &node.reasons().iter().map(shorter).collect::<Vec<_>>()));
    }
    text
}

fn name(attestation: &AttestationOutcome) -> &str {
    attestation.predicate_type().map_or("attestation", |kind| kind.name())
}

fn attestation(attestation: &AttestationOutcome) -> String {
    let name = name(attestation);
    let place = attestation.keeper().map(|page| format!(", kept at {page}")).unwrap_or_default();
    match attestation.statement() {
        Some(statement) => {
            let signer = statement.signer();
            let at = statement.logged_at().strftime("%Y-%m-%d %H:%M:%SZ");
            format!("{} {name:<13} by {} at {at}{place}\n", verdict(attestation.verdict()), signer.name)
        }
        None => format!("{} {name} {}{place}\n", verdict(attestation.verdict()), attestation.bundle().short()),
    }
}

fn kind(kind: NodeKind) -> &'static str {
    match kind {
        NodeKind::Index => "index",
        NodeKind::Image => "image",
        NodeKind::Artifact => "artifact",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_help_is_said_once_and_long_lists_are_cut_in_texts() {
        let denied = |i: usize| Reason::new(ReasonCode::VulnerabilityDenied, format!("CVE-{i}"));
        let mut reasons: Vec<Reason> = (0..13).map(denied).collect();
        reasons.insert(1, Reason::new(ReasonCode::SbomEmpty, "nothing"));
        let mut said = Reasons::default();
        let text = said.lines("", "", &reasons);
        assert_eq!(text.lines().count(), 13, "{text}");
        assert!(text.contains("CVE-9\n… and 3 more\n  help: update the package"), "{text}");
        assert!(text.ends_with("sbom-empty: nothing\n"), "{text}");
        assert!(!said.lines("", "", &[denied(14)]).contains("help"));
    }
}
