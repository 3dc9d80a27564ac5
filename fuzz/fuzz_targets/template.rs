//! A good bundle of the sandbox, in which one field is replaced by the fuzzer's bytes. Whatever they are, verification ends
//! with an answer; where every byte of the field is signed or compared, it accepts only what it accepted before.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign::evidence::{Moment, TrustRoot, Unverified, verify};
use countersign::identity::{ExpectedIdentities, ExpectedIdentity, NamePattern};
use countersign::oci::Digest;
use serde_json::Value;

static BUNDLE: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../templates/bundle.sigstore.json")).expect("the template is JSON")
});
static ROOT: LazyLock<TrustRoot> = LazyLock::new(|| {
    TrustRoot::from_json(include_bytes!("../templates/trusted_root.json")).expect("the template's trust root")
});

/// Whose bundle the template is, and when it was made; see `templates/README.md`.
const EMAIL: &str = "releaser@example.com";

/// What kind of field it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    /// Base64 of bytes, each of which matters.
    Exact,
    /// Base64 of bytes with unsigned parts, such as the certificates of a timestamp token.
    Loose,
    /// Text with unsigned parts, such as the name before a checkpoint's signature.
    Text,
}

/// Replaces the field at `pointer` by `data` and verifies.
pub(crate) fn verify_with(pointer: &str, data: &[u8], field: Field) {
    let new = match (field, std::str::from_utf8(data)) {
        (Field::Text, Ok(text)) => text.to_owned(),
        (Field::Text, Err(_)) => return,
        (Field::Exact | Field::Loose, _) => STANDARD.encode(data),
    };
    let mut bundle = BUNDLE.clone();
    let place = bundle.pointer_mut(pointer).expect("the template has this field");
    let same = *place == Value::String(new.clone());
    *place = Value::String(new);
    let issuer = include_str!("../templates/issuer").trim().parse().expect("the template's issuer");
    let name = NamePattern::exact(EMAIL).expect("a name");
    let expected = ExpectedIdentities::one(ExpectedIdentity::Name { issuer, name });
    let now = include_str!("../templates/now").trim().parse().expect("the template's time");
    let subject = Digest::of(b"artifact");
    let result = Unverified::from_bytes(bundle.to_string().as_bytes())
        .and_then(|bundle| verify(&bundle, &subject, &expected, &ROOT, Moment::now(now)));
    assert!(!same || result.is_ok(), "the template itself: {result:?}");
    assert!(same || field != Field::Exact || result.is_err(), "accepted with another {pointer}");
}
