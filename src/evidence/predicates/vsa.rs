//! The verification summary: that this gate's policy allowed this digest (step 4), not that a tag exists.
//!
//! Spec: <https://slsa.dev/spec/v1.0/verification_summary>.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::evidence::provenance::BuildLevel;
use crate::oci::{Digest, DigestReference};

/// What we claim unless provenance was verified.
const UNEVALUATED: &str = "SLSA_BUILD_LEVEL_UNEVALUATED";
const PASSED: &str = "PASSED";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VsaPredicate {
    pub verifier: Verifier,
    pub time_verified: Timestamp,
    pub resource_uri: String,
    pub policy: ResourceDescriptor,
    pub input_attestations: Vec<ResourceDescriptor>,
    pub verification_result: String,
    pub verified_levels: Vec<String>,
    pub slsa_version: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verifier {
    pub id: String,
}

/// A URI and the digest of what it names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceDescriptor {
    pub uri: String,
    pub digest: DigestSet,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DigestSet {
    pub sha256: String,
}

impl ResourceDescriptor {
    /// `None` for anything but SHA-256, which the predicate cannot name.
    #[must_use]
    pub fn new(uri: &str, digest: &Digest) -> Option<Self> {
        let sha256 = digest.to_string().strip_prefix("sha256:")?.to_owned();
        Some(Self { uri: uri.to_owned(), digest: DigestSet { sha256 } })
    }
}

impl VsaPredicate {
    /// A passed verification of `reference` by `verifier` (a URI naming this gate). `inputs` name the attestations the
    /// decision used, by the digest of their DSSE payload.
    #[must_use]
    pub fn passed(
        verifier: &str,
        reference: &DigestReference,
        policy: ResourceDescriptor,
        inputs: Vec<ResourceDescriptor>,
        time: Timestamp,
    ) -> Self {
        Self {
            verifier: Verifier { id: verifier.to_owned() },
            time_verified: time,
            resource_uri: resource_uri(reference),
            policy,
            input_attestations: inputs,
            verification_result: PASSED.to_owned(),
            verified_levels: vec![UNEVALUATED.to_owned()],
            slsa_version: "1.0".to_owned(),
        }
    }

    /// States the level that verified provenance shows, and names it among the inputs.
    #[must_use]
    pub fn with_provenance(mut self, level: Option<BuildLevel>, inputs: Vec<ResourceDescriptor>) -> Self {
        if let Some(level) = level {
            self.verified_levels = vec![level.as_str().to_owned()];
            self.input_attestations.extend(inputs);
        }
        self
    }

    #[must_use]
    pub fn to_value(&self) -> Value {
        serde_json::to_value(self).expect("strings and times always serialise")
    }
}

/// The package URL of an image (purl-spec, type `oci`).
#[must_use]
pub fn resource_uri(reference: &DigestReference) -> String {
    let digest = reference.digest.to_string().replace(':', "%3A");
    format!("pkg:oci/{}@{digest}?repository_url={}", reference.repository.name(), reference.repository)
}

/// Same resource, policy and result; time and inputs may differ.
#[must_use]
pub fn same(a: &Value, b: &Value) -> bool {
    let read = |value: &Value| serde_json::from_value::<VsaPredicate>(value.clone()).ok();
    match (read(a), read(b)) {
        (Some(a), Some(b)) => {
            let key = |v: VsaPredicate| (v.resource_uri, v.policy, v.verification_result, v.verified_levels);
            key(a) == key(b)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_the_same_when_policy_and_result_are() {
        let digest = Digest::of(b"image");
        let reference: DigestReference = format!("localhost:5000/org/app@{digest}").parse().unwrap();
        let policy = |text: &[u8]| ResourceDescriptor::new("policy", &Digest::of(text)).unwrap();
        let vsa = |policy: ResourceDescriptor, at: &str| {
            VsaPredicate::passed("https://v", &reference, policy, Vec::new(), at.parse().unwrap()).to_value()
        };
        let first = vsa(policy(b"p"), "2026-01-01T00:00:00Z");
        assert_eq!(
            first["resourceUri"],
            format!("pkg:oci/app@sha256%3A{}?repository_url=localhost:5000/org/app", digest.hex())
        );
        assert_eq!(first["verifiedLevels"][0], UNEVALUATED);
        assert!(same(&first, &vsa(policy(b"p"), "2026-01-02T00:00:00Z")));
        assert!(!same(&first, &vsa(policy(b"q"), "2026-01-01T00:00:00Z")));
    }
}
