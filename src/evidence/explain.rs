//! What an authentic attestation that does not count says, beside what was expected of it.

use crate::evidence::{Found, PredicateType};
use crate::identity::{ExpectedIdentities, accepting_flags};
use crate::policy::{ComparedClaim, Explanation};

const PREDICATE_TYPE: &str = "predicate type";

/// Compares identity, issuer and predicate type; an attestation of any of the `required` types would do.
pub(super) fn explain(found: &Found, expected: &ExpectedIdentities, required: &[PredicateType]) -> Explanation {
    let mut claims = expected.compare(&found.signer);
    let same = required.is_empty() || found.predicate_type.as_ref().is_some_and(|t| required.contains(t));
    claims.push(ComparedClaim {
        claim: PREDICATE_TYPE,
        expected: list(required),
        found: found.predicate_type.as_ref().map(ToString::to_string),
        same,
    });
    let mut accept = accepting_flags(&found.signer);
    if let Some(found) = found.predicate_type.as_ref().filter(|_| !same) {
        accept.extend(["--require".to_owned(), found.name().to_owned()]);
    }
    Explanation::new(claims, accept)
}

/// For a node where a required type is missing and others, by the right identity, are there.
pub(super) fn explain_missing(missing: &PredicateType, there: &[(PredicateType, Vec<String>)]) -> Option<Explanation> {
    let (_, flags) = there.first()?;
    let mut types: Vec<PredicateType> = there.iter().map(|(predicate_type, _)| predicate_type.clone()).collect();
    types.sort();
    types.dedup();
    let claim =
        ComparedClaim { claim: PREDICATE_TYPE, expected: Some(missing.to_string()), found: list(&types), same: false };
    let names: Vec<&str> = types.iter().map(PredicateType::name).collect();
    let mut accept = flags.clone();
    accept.extend(["--require".to_owned(), names.join(",")]);
    Some(Explanation::new(vec![claim], accept))
}

fn list(types: &[PredicateType]) -> Option<String> {
    let types: Vec<&str> = types.iter().map(PredicateType::as_str).collect();
    (!types.is_empty()).then(|| types.join(" or "))
}
