//! The in-toto Statement: written as v1 with exactly one subject, read as v1 or v0.1 with exactly one subject.
//!
//! Spec: <https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md>. cosign 3 writes v1 for signatures
//! (subject without a name) and v0.1 for attestations (subject named after the repository); names are unsigned hints to
//! us and are dropped.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::evidence::{NotAPredicateType, PredicateType};
use crate::oci::Digest;
use crate::policy::ReasonCode;

/// The DSSE payload type of every statement.
pub const IN_TOTO_PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// Digests of a subject besides those we read; other verifiers allow 32 in all (CVE-2024-45395).
const MAX_OTHER_DIGESTS: usize = 30;

const TYPE_V1: &str = "https://in-toto.io/Statement/v1";
const TYPE_V0_1: &str = "https://in-toto.io/Statement/v0.1";

/// What is said (`predicate`, of `predicate_type`) about which content (`subject`).
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    pub subject: Digest,
    pub predicate_type: PredicateType,
    pub predicate: Value,
}

impl Statement {
    #[must_use]
    pub fn new(subject: Digest, predicate_type: PredicateType, predicate: Value) -> Self {
        Self { subject, predicate_type, predicate }
    }

    /// A plain signature, as `cosign sign` writes it.
    #[must_use]
    pub fn signature(subject: Digest) -> Self {
        Self::new(subject, PredicateType::SIGNATURE, Value::Object(serde_json::Map::new()))
    }

    /// The DSSE payload. The same statement always has the same bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.payload(None)
    }

    /// The DSSE payload with a subject name, as `cosign attest` writes it: sigstore-python reads no statement without.
    #[must_use]
    pub fn to_named_bytes(&self, name: &str) -> Vec<u8> {
        self.payload(Some(name))
    }

    fn payload(&self, name: Option<&str>) -> Vec<u8> {
        let digest = serde_json::json!({ self.subject.algorithm().name(): self.subject.hex() });
        let out = Out {
            r#type: TYPE_V1,
            subject: [OutSubject { name, digest }],
            predicate_type: self.predicate_type.as_str(),
            predicate: &self.predicate,
        };
        serde_json::to_vec(&out).expect("strings and JSON values always serialise")
    }

    /// Reads a payload strictly. The caller decides whether its bytes are authenticated.
    pub fn parse(payload: &[u8]) -> Result<Self, StatementError> {
        let wire: Wire =
            serde_json::from_slice(payload).map_err(|e| StatementError::Malformed { why: e.to_string() })?;
        if !is_known_type(&wire.r#type) {
            return Err(StatementError::Type { found: wire.r#type.chars().take(200).collect() });
        }
        let predicate_type = wire.predicate_type.parse()?;
        let [subject] = <[WireSubject; 1]>::try_from(wire.subject)
            .map_err(|subjects| StatementError::SubjectCount { found: subjects.len() })?;
        if subject.digest.others.len() > MAX_OTHER_DIGESTS {
            let why = format!("more than {MAX_OTHER_DIGESTS} other digests of one subject");
            return Err(StatementError::Malformed { why });
        }
        let digest = match (subject.digest.sha256, subject.digest.sha512) {
            (Some(hex), _) => format!("sha256:{hex}"),
            (None, Some(hex)) => format!("sha512:{hex}"),
            (None, None) => {
                return Err(StatementError::SubjectDigest { found: "neither sha256 nor sha512".to_owned() });
            }
        };
        let subject = digest.parse().map_err(|_| StatementError::SubjectDigest { found: digest })?;
        Ok(Self { subject, predicate_type, predicate: wire.predicate })
    }
}

/// `_type` of the versions we read.
pub(super) fn is_known_type(text: &str) -> bool {
    matches!(text, TYPE_V1 | TYPE_V0_1)
}

#[derive(Serialize)]
struct Out<'a> {
    #[serde(rename = "_type")]
    r#type: &'a str,
    subject: [OutSubject<'a>; 1],
    #[serde(rename = "predicateType")]
    predicate_type: &'a str,
    predicate: &'a Value,
}

#[derive(Serialize)]
struct OutSubject<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    digest: Value,
}

/// A derived reader refuses a field that stands twice, so that no other reader can see another value than we do.
#[derive(Deserialize)]
struct Wire {
    #[serde(rename = "_type")]
    r#type: String,
    subject: Vec<WireSubject>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    #[serde(default)]
    predicate: Value,
}

#[derive(Deserialize)]
struct WireSubject {
    digest: WireDigest,
}

#[derive(Deserialize)]
struct WireDigest {
    sha256: Option<String>,
    sha512: Option<String>,
    #[serde(flatten)]
    others: BTreeMap<String, IgnoredAny>,
}

/// Why a payload is not a statement we accept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    #[error("the payload is no in-toto statement: {why}")]
    Malformed { why: String },
    #[error("statement type: expected {TYPE_V1} or v0.1, found {found:?}")]
    Type { found: String },
    #[error("a statement names exactly one subject, found {found}")]
    SubjectCount { found: usize },
    #[error("the subject's digest cannot be used: {found}")]
    SubjectDigest { found: String },
    #[error(transparent)]
    PredicateType(#[from] NotAPredicateType),
}

impl StatementError {
    #[must_use]
    pub fn code(&self) -> ReasonCode {
        match self {
            Self::SubjectCount { .. } => ReasonCode::SubjectCount,
            Self::SubjectDigest { .. } => ReasonCode::SubjectMismatch,
            Self::Malformed { .. } | Self::Type { .. } | Self::PredicateType(_) => ReasonCode::StatementMalformed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> Option<ReasonCode> {
        Statement::parse(text.as_bytes()).err().map(|e| e.code())
    }

    #[test]
    fn a_statement_has_one_subject_and_always_the_same_bytes() {
        let subject = Digest::of(b"image");
        let statement = Statement::signature(subject.clone());
        let text = String::from_utf8(statement.to_bytes()).unwrap();
        let expected = format!(
            r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{{"digest":{{"sha256":"{}"}}}}],"predicateType":"https://sigstore.dev/cosign/sign/v1","predicate":{{}}}}"#,
            subject.hex()
        );
        assert_eq!(text, expected);
        assert_eq!(Statement::parse(text.as_bytes()), Ok(statement.clone()));
        let named = String::from_utf8(statement.to_named_bytes("example.com/org/app")).unwrap();
        assert_eq!(named, expected.replace(r#"{"digest""#, r#"{"name":"example.com/org/app","digest""#));
        assert_eq!(Statement::parse(named.as_bytes()), Ok(statement));
    }

    #[test]
    fn only_statement_v1_and_v0_1_with_one_subject_are_read() {
        let hex = "a".repeat(64);
        let one = format!(r#"[{{"name":"r","digest":{{"sha256":"{hex}"}}}}]"#);
        let with = |kind: &str, subject: &str, rest: &str| {
            code(&format!(r#"{{"_type":"{kind}","subject":{subject},"predicateType":"https://p"{rest}}}"#))
        };
        assert_eq!(with(TYPE_V1, &one, r#","predicate":{}"#), None);
        assert_eq!(with(TYPE_V0_1, &one, ""), None);
        assert_eq!(with("https://in-toto.io/Statement/v2", &one, ""), Some(ReasonCode::StatementMalformed));
        assert_eq!(with("", &one, ""), Some(ReasonCode::StatementMalformed));
        assert_eq!(with(TYPE_V1, "[]", ""), Some(ReasonCode::SubjectCount));
        let two = format!(r#"[{{"digest":{{"sha256":"{hex}"}}}},{{"digest":{{"sha256":"{hex}"}}}}]"#);
        assert_eq!(with(TYPE_V1, &two, ""), Some(ReasonCode::SubjectCount));
        assert_eq!(with(TYPE_V1, r#"[{"digest":{"md5":"00"}}]"#, ""), Some(ReasonCode::SubjectMismatch));
        let upper = format!(r#"[{{"digest":{{"sha256":"{}"}}}}]"#, "A".repeat(64));
        assert_eq!(with(TYPE_V1, &upper, ""), Some(ReasonCode::SubjectMismatch));
        assert_eq!(with(TYPE_V1, &one, &format!(r#","subject":{one}"#)), Some(ReasonCode::StatementMalformed));
        let twice = format!(r#"[{{"digest":{{"sha256":"{hex}","sha256":"{hex}"}}}}]"#);
        assert_eq!(with(TYPE_V1, &twice, ""), Some(ReasonCode::StatementMalformed));
        assert_eq!(code("null"), Some(ReasonCode::StatementMalformed));
    }
}
