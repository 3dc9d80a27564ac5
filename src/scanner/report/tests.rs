use serde_json::{Value, json};

use super::*;

fn document() -> Document {
    let sbom = json!({ "bomFormat": "CycloneDX", "specVersion": "1.5", "components": [
        { "bom-ref": "ssl", "name": "libssl3", "version": "3.0.11", "purl": "pkg:deb/debian/libssl3@3.0.11" },
    ]});
    Document::prepare(sbom.to_string().as_bytes()).unwrap()
}

fn canary() -> Value {
    json!({ "VulnerabilityID": "CVE-2019-10744", "PkgIdentifier": { "BOMRef": "countersign:canary:lodash" } })
}

fn report(vulnerabilities: Value) -> Result<Outcome, ScanError> {
    let text = json!({ "SchemaVersion": 2, "Trivy": { "Version": "0.76.0" }, "ArtifactType": "cyclonedx",
        "Results": [{ "Class": "secret" }, { "Vulnerabilities": vulnerabilities }] });
    read(text.to_string().as_bytes(), &document())
}

#[test]
fn findings_carry_our_names_and_the_canary_is_taken_out() {
    let outcome = report(json!([canary(), { "VulnerabilityID": "CVE-1", "PkgIdentifier": { "BOMRef": "ssl" },
        "PkgName": "something else", "InstalledVersion": "9", "FixedVersion": "", "Severity": "CRITICAL" }]))
    .unwrap();
    let expected = Finding {
        id: "CVE-1".to_owned(),
        package: "libssl3".to_owned(),
        purl: "pkg:deb/debian/libssl3@3.0.11".to_owned(),
        installed: "3.0.11".to_owned(),
        fixed: None,
        severity: Severity::Critical,
        status: "unknown".to_owned(),
    };
    assert_eq!(outcome, Outcome { version: "0.76.0".to_owned(), findings: vec![expected] });
}

#[test]
fn findings_are_sorted_and_unique() {
    let one = |id: &str| json!({ "VulnerabilityID": id, "PkgIdentifier": { "BOMRef": "ssl" }, "Severity": "LOW" });
    let outcome = report(json!([one("CVE-2"), one("CVE-1"), canary(), one("CVE-2")])).unwrap();
    let ids: Vec<&str> = outcome.findings.iter().map(|finding| finding.id.as_str()).collect();
    assert_eq!(ids, ["CVE-1", "CVE-2"]);
}

#[test]
fn no_canary_is_no_scan() {
    let other = json!({ "VulnerabilityID": "CVE-0", "PkgIdentifier": { "BOMRef": "countersign:canary:lodash" } });
    for vulnerabilities in [json!([]), json!(null), json!([other])] {
        assert!(matches!(report(vulnerabilities), Err(ScanError::CanaryNotFound { .. })));
    }
}

#[test]
fn a_finding_about_a_component_we_did_not_send_is_an_error() {
    for reference in ["", "SSL", "pkg:deb/debian/libssl3@3.0.11"] {
        let foreign = json!({ "VulnerabilityID": "CVE-1", "PkgIdentifier": { "BOMRef": reference } });
        assert!(matches!(report(json!([canary(), foreign])), Err(ScanError::UnmappedFinding { .. })), "{reference}");
    }
}

#[test]
fn anything_but_a_schema_2_report_about_a_cyclonedx_document_is_garbage() {
    let bad = [
        json!({}),
        json!([]),
        json!({ "SchemaVersion": 3, "Trivy": { "Version": "1" }, "ArtifactType": "cyclonedx" }),
        json!({ "SchemaVersion": 2, "Trivy": { "Version": "1" }, "ArtifactType": "container_image" }),
        json!({ "SchemaVersion": 2, "ArtifactType": "cyclonedx" }),
        json!({ "SchemaVersion": 2, "Trivy": { "Version": "1" }, "ArtifactType": "cyclonedx", "Results": {} }),
    ];
    for value in bad {
        assert!(matches!(read(value.to_string().as_bytes(), &document()), Err(ScanError::Garbage { .. })), "{value}");
    }
    assert!(matches!(read(b"", &document()), Err(ScanError::Garbage { .. })));
    let empty_id = json!({ "VulnerabilityID": "", "PkgIdentifier": { "BOMRef": "ssl" } });
    assert!(matches!(report(json!([canary(), empty_id])), Err(ScanError::Garbage { .. })));
}
