use serde_json::{Value, json};

use super::*;

fn package(purl: &str, properties: &[&str]) -> Value {
    let properties: Vec<Value> = properties.iter().map(|name| json!({ "name": name, "value": "x" })).collect();
    json!({ "type": "library", "name": "openssl", "version": "1", "purl": purl, "properties": properties })
}

fn debian() -> Value {
    json!({ "type": "operating-system", "name": "debian", "version": "12" })
}

fn document(components: Value) -> Value {
    json!({ "bomFormat": "CycloneDX", "specVersion": "1.5", "components": components })
}

fn codes(document: &Value) -> Vec<&'static str> {
    review(document.to_string().as_bytes()).unwrap().anomalies.iter().map(|a| a.code.as_str()).collect()
}

const DEB: &str = "pkg:deb/debian/openssl@1?arch=amd64";
const FULL: [&str; 2] = ["aquasecurity:trivy:SrcName", "aquasecurity:trivy:LayerDigest"];

#[test]
fn what_costs_findings_is_an_anomaly_each_with_its_code() {
    let cases = [
        ("all there", json!([debian(), package(DEB, &FULL)]), &[][..]),
        ("property without its prefix", json!([debian(), package(DEB, &["SrcName", "LayerDiffID"])]), &[]),
        ("no operating system", json!([package(DEB, &FULL)]), &["os-unknown"]),
        ("no source package", json!([debian(), package(DEB, &["LayerDigest"])]), &["source-unknown"]),
        ("no package URL", json!([debian(), package(DEB, &FULL), package("", &[])]), &["identifier-missing"]),
        ("two systems", json!([debian(), debian(), package(DEB, &FULL)]), &["os-unknown"]),
        ("no components", json!([]), &["no-components"]),
        ("only files", json!([{ "type": "file", "name": "/x" }]), &["no-components"]),
        ("only a language", json!([package("pkg:npm/a@1", &[])]), &[]),
        (
            "a system without version",
            json!([{ "type": "operating-system", "name": "debian" }, package(DEB, &FULL)]),
            &["os-unknown"],
        ),
        (
            "a system without advisories",
            json!([{ "type": "operating-system", "name": "myos", "version": "1" }, package(DEB, &FULL)]),
            &["os-unknown"],
        ),
        (
            "a nested package",
            json!([debian(), { "type": "application", "name": "a", "components": [package(DEB, &[])] }]),
            &["source-unknown"],
        ),
    ];
    for (what, components, expect) in cases {
        assert_eq!(codes(&document(components)), expect, "{what}");
    }
}

#[test]
fn layers_and_version_are_only_notes() {
    let mut value = document(json!([debian(), package(DEB, &["SrcName"])]));
    value["specVersion"] = json!("1.7");
    let review = review(value.to_string().as_bytes()).unwrap();
    assert_eq!((review.anomalies.len(), review.notes.len()), (0, 2), "{review:?}");
}

#[test]
fn a_document_that_says_it_is_incomplete_is_believed() {
    let mut value = document(json!([debian(), package(DEB, &FULL)]));
    value["compositions"] = json!([{ "aggregate": "incomplete_third_party_only" }]);
    assert_eq!(codes(&value), ["document-incomplete"]);
    // One of ours says which anomalies, also those of a later version.
    let anomaly = |text: &str| json!({ "name": ANOMALY_PROPERTY, "value": text });
    let list = [anomaly("limit-exceeded opt/x in sha256:abc: 17 bytes"), anomaly("novel-code: y")];
    value["metadata"] = json!({ "component": { "properties": list } });
    assert_eq!(codes(&value), ["limit-exceeded", "document-incomplete"]);
    let review = review(value.to_string().as_bytes()).unwrap();
    assert_eq!(review.anomalies[0].detail, "opt/x in sha256:abc: 17 bytes");
}

#[test]
fn versions_from_1_4_to_1_7_are_read_and_everything_else_is_refused() {
    let with = |version: &str| {
        let mut value = document(json!([package("pkg:npm/a@1", &[])]));
        value["specVersion"] = json!(version);
        review(value.to_string().as_bytes())
    };
    assert!(READABLE.iter().all(|version| with(version).is_ok()));
    for version in ["1.3", "1.8", "2.0", ""] {
        assert_eq!(with(version), Err(SbomError::Unreadable { version: version.to_owned() }));
    }
    for spdx in [
        json!({ "spdxVersion": "SPDX-2.3" }),
        json!({ "@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld", "@graph": [] }),
    ] {
        assert_eq!(review(spdx.to_string().as_bytes()), Err(SbomError::Spdx));
    }
    for other in ["{}", "[]", "", r#"{"bomFormat":"x"}"#] {
        assert!(matches!(review(other.as_bytes()), Err(SbomError::Malformed { .. })), "{other}");
    }
}

#[test]
fn our_own_document_lacks_nothing() {
    use crate::sbom::tests::{inventory, write};
    assert_eq!(review(&write(&inventory(), 1)).unwrap().anomalies, []);
}
