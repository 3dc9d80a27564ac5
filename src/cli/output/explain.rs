//! Expected beside found, the changed claim, and the command that would accept it: for people, and in the JSON document.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::evidence::verdict::{TreeVerdict, Verdict};
use crate::oci::Reference;
use crate::policy::{Explanation, Reason};

/// More different signers than this say nothing more.
const MAX_SHOWN: usize = 3;

/// One block for each different explanation in a tree that did not verify.
pub(crate) fn text(tree: &TreeVerdict, reference: &Reference) -> String {
    let nodes = tree.nodes().iter().filter(|node| node.verdict() != Verdict::Verified);
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let blocks = nodes.flat_map(|node| node.reasons()).filter_map(explanation).map(|e| block(e, reference));
    blocks.filter(|block| seen.insert(block.clone())).take(MAX_SHOWN).collect()
}

fn explanation(reason: &Reason) -> Option<&Explanation> {
    reason.explanation.as_deref()
}

fn block(explanation: &Explanation, reference: &Reference) -> String {
    let shown = |side: &Option<String>, none: &str| side.as_deref().map_or_else(|| none.to_owned(), printable);
    let rows: Vec<[String; 3]> = explanation
        .claims
        .iter()
        .map(|claim| [claim.claim.to_owned(), shown(&claim.expected, "anything"), shown(&claim.found, "none")])
        .collect();
    let width = |i: usize, title: &str| rows.iter().map(|row| row[i].chars().count()).chain([title.len()]).max();
    let (name, expected) = (width(0, "").unwrap_or(0), width(1, "expected").unwrap_or(0));
    let mut text = format!("  {:name$}  {:expected$}    found\n", "", "expected");
    for (row, claim) in rows.iter().zip(&explanation.claims) {
        let sign = if claim.same { '=' } else { '≠' };
        text.push_str(&format!("  {:name$}  {:expected$}  {sign} {}\n", row[0], row[1], row[2]));
    }
    text.push_str(&format!("  changed: {}\n", explanation.changed.join(", ")));
    text.push_str(&format!("  to accept it, if you trust this signer: {}\n", command(explanation, reference)));
    text
}

fn command(explanation: &Explanation, reference: &Reference) -> String {
    format!("countersign verify {reference} {}", explanation.accepting_flags())
}

/// Strangers chose these texts: no control characters on a terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Adds `command` to every explanation of a document, however deep it stands.
pub(crate) fn add_commands(document: &mut Value, reference: &Reference) {
    match document {
        Value::Array(items) => items.iter_mut().for_each(|item| add_commands(item, reference)),
        Value::Object(fields) => {
            if let Some(Value::Object(explanation)) = fields.get_mut("explanation") {
                let flags = explanation.get("accept").and_then(Value::as_array).cloned().unwrap_or_default();
                let flags: Vec<String> =
                    flags.iter().filter_map(Value::as_str).map(crate::policy::explanation::shell_word).collect();
                let command = format!("countersign verify {reference} {}", flags.join(" "));
                explanation.insert("command".to_owned(), json!(command));
            }
            fields.values_mut().for_each(|value| add_commands(value, reference));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::ComparedClaim;

    #[test]
    fn both_sides_stand_beside_each_other_without_control_characters() {
        let claim = |claim, expected: &str, found: &str| ComparedClaim {
            claim,
            expected: Some(expected.to_owned()),
            found: Some(found.to_owned()),
            same: expected == found,
        };
        let claims = vec![claim("issuer", "https://i", "https://i"), claim("identity", "a@b.example", "e\u{1b}@b")];
        let explanation = Explanation::new(claims, vec!["--identity".to_owned(), "it's".to_owned()]);
        let reference: Reference = "registry.example/app:1".parse().unwrap();
        let expected = "            expected       found\n  issuer    https://i    = https://i\n  identity  a@b.example  ≠ e\u{fffd}@b\n  \
                        changed: identity\n  to accept it, if you trust this signer: countersign verify \
                        registry.example/app:1 --identity 'it'\\''s'\n";
        assert_eq!(block(&explanation, &reference), expected);
    }
}
