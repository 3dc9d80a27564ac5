use super::*;

fn layer(media_type: &str, annotations: &[(&str, &str)]) -> Descriptor {
    let mut layer = Descriptor::of(media_type, b"{}");
    layer.annotations = annotations.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    layer
}

#[test]
fn a_payload_states_one_subject_and_only_as_a_cosign_signature() {
    let subject = Digest::of(b"image");
    let good = simple_signing("registry.example/app", &subject);
    assert_eq!(statement_of(&good), Ok(Statement::signature(subject.clone())));
    let text = String::from_utf8(good).unwrap();
    let expected = format!(
        r#"{{"critical":{{"identity":{{"docker-reference":"registry.example/app"}},"image":{{"docker-manifest-digest":"{subject}"}},"type":"cosign container image signature"}},"optional":null}}"#
    );
    assert_eq!(text, expected);
    let code = |text: String| statement_of(text.as_bytes()).unwrap_err().code;
    assert_eq!(code(text.replace("cosign container", "atomic container")), ReasonCode::StatementMalformed);
    assert_eq!(code(text.replace("sha256:", "")), ReasonCode::SubjectMismatch);
    let twice = format!(r#""image":{{"docker-manifest-digest":"{subject}"}},"image":"#);
    assert_eq!(code(text.replacen(r#""image":"#, &twice, 1)), ReasonCode::StatementMalformed);
    assert_eq!(code("[]".to_owned()), ReasonCode::StatementMalformed);
}

#[test]
fn what_a_layer_lacks_has_its_own_code() {
    let code = |layer: &Descriptor| Unverified::from_legacy(layer, b"{}").unwrap_err().code;
    assert_eq!(code(&layer("text/plain", &[])), ReasonCode::BundleTooLarge);
    assert_eq!(code(&layer(media_type::SIMPLE_SIGNING, &[])), ReasonCode::BundleMalformed);
    let signed = (SIGNATURE_ANNOTATION, "AAAA");
    assert_eq!(code(&layer(media_type::SIMPLE_SIGNING, &[signed])), ReasonCode::BundleMaterial);
    let two = "-----BEGIN CERTIFICATE-----\n-----BEGIN CERTIFICATE-----";
    assert_eq!(
        code(&layer(media_type::SIMPLE_SIGNING, &[signed, (CERTIFICATE_ANNOTATION, two)])),
        ReasonCode::BundleMaterial
    );
    let pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let certified = (CERTIFICATE_ANNOTATION, pem);
    assert_eq!(code(&layer(media_type::SIMPLE_SIGNING, &[signed, certified])), ReasonCode::LogEntryMissing);
    let bundle = (BUNDLE_ANNOTATION, r#"{"SignedEntryTimestamp":"AAAA"}"#);
    assert_eq!(code(&layer(media_type::SIMPLE_SIGNING, &[signed, certified, bundle])), ReasonCode::BundleMalformed);
}
