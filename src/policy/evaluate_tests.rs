//! Every code of the built-in policy has a document here that triggers it, and exactly it.

use serde_json::{Value, json};

use super::*;

/// A candidate that nothing is wrong with.
fn document() -> Value {
    json!({
        "apiVersion": "countersign.dev/policy-input/v1",
        "now": "2026-11-21T12:00:00Z",
        "subject": { "repository": "ghcr.io/a/b", "digest": Digest::of(b"index") },
        "release": { "version": "1.2.3", "gitRef": "refs/tags/v1.2.3", "commit": "a".repeat(40),
                     "sourceRepository": "https://github.com/a/b" },
        "requirements": { "platforms": ["linux/amd64"], "maxCompressedSize": 1000, "nonRoot": true,
            "labels": ["org.opencontainers.image.version", "org.opencontainers.image.revision",
                       "org.opencontainers.image.source", "x"] },
        "settings": { "deny": ["CRITICAL"], "warn": ["HIGH"], "fixableOnly": false,
                      "maxAgeSeconds": 604_800, "maxDatabaseAgeSeconds": 86_400,
                      "provenance": { "require": true, "builders": ["b"] } },
        "provenance": { "verified": true, "attestations": [{
            "subject": Digest::of(b"index"), "predicateType": "https://slsa.dev/provenance/v1", "builder": "b", "issuer": "i",
            "level": null, "refusals": [{ "code": "provenance-ref", "message": "m" }] }] },
        "images": [image("linux/amd64"), image("linux/arm64")],
        "unsupportedChildren": []
    })
}

fn image(platform: &str) -> Value {
    json!({
        "digest": Digest::of(platform.as_bytes()), "platform": platform, "user": "1000:1000", "compressedSize": 1000,
        "labels": { "org.opencontainers.image.version": "v1.2.3", "org.opencontainers.image.revision": "a".repeat(40),
                    "org.opencontainers.image.source": "https://github.com/A/b.git", "x": "y" },
        "sbom": { "complete": true, "anomalies": [],
                  "components": [{ "name": "libc6", "version": "2.36", "purl": "pkg:deb/debian/libc6@2.36",
                                   "licenses": [] }] },
        "scan": { "finishedAt": "2026-11-21T11:00:00Z", "ageSeconds": 3600,
                  "databaseUpdatedAt": "2026-11-21T00:00:00Z", "databaseAgeSeconds": 43_200,
                  "findings": [finding("CVE-1", "MEDIUM", Some("2.37"))] }
    })
}

fn finding(id: &str, severity: &str, fixed: Option<&str>) -> Value {
    json!({ "id": id, "package": "libc6", "purl": "pkg:deb/debian/libc6@2.36", "installed": "2.36", "fixed": fixed,
            "severity": severity, "status": "affected" })
}

fn decide(document: &Value) -> Decision {
    PolicySet::builtin().evaluate(&serde_json::from_value(document.clone()).unwrap()).unwrap()
}

/// Codes of denials, then of warnings after a bar.
fn codes(document: &Value) -> String {
    let decision = decide(document);
    let list = |reasons: &[Reason]| reasons.iter().map(|r| r.code.as_str()).collect::<Vec<_>>().join(" ");
    format!("{}|{}", list(decision.reasons()), list(decision.warnings()))
}

fn with(pointer: &str, value: Value) -> Value {
    let mut document = document();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = document.pointer_mut(parent).unwrap();
    match key.parse::<usize>() {
        Ok(index) if parent.is_array() => parent[index] = value,
        _ => parent[key] = value,
    }
    document
}

#[test]
fn a_candidate_without_defects_is_allowed() {
    assert_eq!(codes(&document()), "|");
    let decision = decide(&document());
    assert_eq!(decision, Decision::Allow { warnings: vec![] });
}

#[test]
fn one_defect_gives_its_code_and_no_other() {
    let anomaly = json!([{ "code": "entry-unreadable", "path": "var/lib/dpkg/status", "layer": null, "detail": "x" }]);
    let label = "/images/0/labels/org.opencontainers.image.";
    let cases = [
        ("/images/0/scan/findings/0", finding("CVE-1", "CRITICAL", None), "vulnerability-denied|"),
        ("/images/0/scan/findings/0", finding("CVE-1", "HIGH", None), "|vulnerability-warned"),
        ("/images/0/scan/findings/0", finding("CVE-1", "UNKNOWN", None), "|"),
        ("/images/0/sbom/complete", json!(false), "sbom-incomplete|"),
        ("/images/0/sbom/anomalies", anomaly, "sbom-incomplete|"),
        ("/images/0/sbom/components", json!([]), "sbom-empty|"),
        ("/requirements/platforms", json!(["linux/s390x"]), "platform-missing|"),
        ("/requirements/platforms", json!(["linux/arm64/v8", "linux/amd64"]), "|"),
        ("/unsupportedChildren", json!([{ "digest": Digest::of(b"x"), "why": "twice" }]), "unsupported-child|"),
        ("/images/1/compressedSize", json!(1001), "image-too-large|"),
        ("/images/0/labels/x", json!(""), "label-missing|"),
        (&format!("{label}version"), json!("1.2.4"), "label-mismatch|"),
        (&format!("{label}revision"), json!("b".repeat(40)), "label-mismatch|"),
        (&format!("{label}source"), json!("https://github.com/evil/b"), "label-mismatch|"),
        ("/release/version", json!(null), "|"),
        ("/release/sourceRepository", json!(null), "|"),
    ];
    for (pointer, value, expected) in cases {
        assert_eq!(codes(&with(pointer, value.clone())), expected, "{pointer} = {value}");
    }
}

#[test]
fn an_index_without_images_is_denied() {
    assert_eq!(codes(&with("/images", json!([]))), "platform-missing platform-missing|");
}

#[test]
fn root_is_recognised_however_it_is_spelled() {
    for user in ["", "0", "root", "0:0", "root:staff", "00", "+0", ":1000"] {
        assert_eq!(codes(&with("/images/0/user", json!(user))), "runs-as-root|", "{user:?}");
    }
    for user in ["1", "1000:0", "nobody", "rooty", "10"] {
        assert_eq!(codes(&with("/images/0/user", json!(user))), "|", "{user:?}");
    }
    let mut tolerated = with("/images/0/user", json!(""));
    tolerated["requirements"]["nonRoot"] = json!(false);
    assert_eq!(codes(&tolerated), "|");
}

#[test]
fn ages_count_from_the_moment_they_pass_the_limit_and_the_future_is_denied() {
    let scan = |finished: &str, age: i64| {
        let mut document = with("/images/0/scan/finishedAt", json!(finished));
        document["images"][0]["scan"]["ageSeconds"] = json!(age);
        codes(&document)
    };
    assert_eq!(scan("2026-11-14T12:00:00Z", 604_800), "|");
    assert_eq!(scan("2026-11-14T11:59:59Z", 604_801), "scan-too-old|");
    assert_eq!(scan("2026-11-21T12:05:00Z", -300), "|");
    assert_eq!(scan("2026-11-21T12:05:01Z", -301), "time-in-future|");
    let database = |updated: &str, age: i64| {
        let mut document = with("/images/0/scan/databaseUpdatedAt", json!(updated));
        document["images"][0]["scan"]["databaseAgeSeconds"] = json!(age);
        codes(&document)
    };
    assert_eq!(database("2026-11-20T11:59:59Z", 86_401), "database-too-old|");
    assert_eq!(database("2026-11-21T13:00:00Z", -3600), "time-in-future|");
}

#[test]
fn fixable_only_turns_denials_without_a_fix_into_warnings() {
    let mut document = with("/images/0/scan/findings/0", finding("CVE-1", "CRITICAL", None));
    document["settings"]["fixableOnly"] = json!(true);
    assert_eq!(codes(&document), "|vulnerability-warned");
    document["images"][0]["scan"]["findings"][0]["fixed"] = json!("2.37");
    assert_eq!(codes(&document), "vulnerability-denied|");
}

#[test]
fn unknown_severity_is_treated_as_configured_and_deny_wins_over_warn() {
    let mut document = with("/images/0/scan/findings/0", finding("CVE-1", "UNKNOWN", None));
    document["settings"]["deny"] = json!(["UNKNOWN"]);
    document["settings"]["warn"] = json!(["UNKNOWN"]);
    assert_eq!(codes(&document), "vulnerability-denied|");
}

#[test]
fn a_finding_of_several_platforms_is_one_reason_that_names_them() {
    let mut document = document();
    for index in [0, 1] {
        document["images"][index]["scan"]["findings"] = json!([finding("CVE-9", "CRITICAL", Some("2.37"))]);
    }
    let decision = decide(&document);
    let messages: Vec<&str> = decision.reasons().iter().map(|r| r.message.as_str()).collect();
    assert_eq!(messages, ["CVE-9 (CRITICAL) in libc6 2.36, fixed in 2.37, on linux/amd64, linux/arm64"]);
}

#[test]
fn a_document_that_contradicts_itself_is_not_decided() {
    let evaluate = |document: Value| PolicySet::builtin().evaluate(&serde_json::from_value(document).unwrap());
    let lied = evaluate(with("/images/0/scan/ageSeconds", json!(1)));
    assert!(matches!(lied, Err(PolicyError::Input(InputError::Age { .. }))));
    let old = evaluate(with("/apiVersion", json!("v0")));
    assert!(matches!(old, Err(PolicyError::Input(InputError::Version { .. }))));
    assert!(serde_json::from_value::<PolicyInput>(with("/settings/denied", json!([]))).is_err());
}

fn with_user(text: &str) -> Result<Decision, PolicyError> {
    let input: PolicyInput =
        serde_json::from_value(with("/images/0/scan/findings/0", finding("CVE-1", "CRITICAL", None))).unwrap();
    PolicySet::with_user(&[("own.rego", text)])?.evaluate(&input)
}

#[test]
fn a_users_rule_adds_reasons_of_its_own_code() {
    let text = r#"package own
deny contains "no libc6" if input.images[_].sbom.components[_].name == "libc6"
warn contains {"message": "hm", "help": "do that"} if true"#;
    let decision = with_user(text).unwrap();
    let reasons: Vec<(&str, &str)> = decision.reasons().iter().map(|r| (r.code.as_str(), r.message.as_str())).collect();
    assert_eq!(reasons[0], ("policy-rule", "no libc6"));
    assert_eq!((reasons.len(), reasons[1].0), (2, "vulnerability-denied"));
    assert_eq!((decision.warnings()[0].message.as_str(), decision.warnings()[0].help.as_str()), ("hm", "do that"));
}

#[test]
fn a_users_policy_cannot_remove_a_builtin_denial() {
    for text in [
        "package countersign.vulnerabilities\ndeny contains \"x\" if false\ntolerated(_) if true",
        "package countersign.vulnerabilities\nfindings := set()\ndeny contains \"x\" if false",
        "package countersign\nvulnerabilities := {}\ndeny contains \"x\" if false",
    ] {
        let decision = with_user(text).unwrap();
        let codes: Vec<&str> = decision.reasons().iter().map(|r| r.code.as_str()).collect();
        assert_eq!(codes, ["vulnerability-denied"], "{text}");
    }
}

#[test]
fn whatever_keeps_a_users_rule_from_an_answer_is_an_error() {
    let failing = [
        ("package own\ndeny := \"x\" if false", "NotASet"),
        ("package own\ndeny := true", "NotASet"),
        ("package own\ndeny contains 1 if true", "MalformedReason"),
        ("package own\ndeny contains to_number(\"x\") if true", "Evaluate"),
        ("package own\ndeny contains \"x\" if rand.intn(\"a\", 2) == 1", "Evaluate"),
        ("package own\nallow := true", "NoRule"),
        ("package own\ndeny contains", "Parse"),
        ("package own\ndeny contains \"x\" if http.send({\"url\": \"http://127.0.0.1\"}).status == 1", "Evaluate"),
        ("package own\ndeny contains \"x\" if time.now_ns() > 0", "Evaluate"),
        ("package own\ndeny contains \"x\" if undefined_function(1)", "Evaluate"),
        ("package own\nimport data.other\ndeny contains \"x\" if opa.runtime().env", "Evaluate"),
    ];
    for (text, expected) in failing {
        let error = format!("{:?}", with_user(text).unwrap_err());
        assert!(error.starts_with(expected), "{text}: {error}");
    }
    let twice = PolicySet::with_user(&[("a", "package a\ndeny contains 1 if true"), ("a", "package b")]);
    assert!(matches!(twice, Err(PolicyError::ModuleTwice { .. })));
    let large = "#".repeat(MAX_USER_POLICY_BYTES + 1);
    assert!(matches!(PolicySet::with_user(&[("a", &large)]), Err(PolicyError::TooLarge { .. })));
}

#[test]
fn the_digest_covers_every_rule_and_every_setting() {
    let user = |text| PolicySet::with_user(&[("a.rego", text)]).unwrap().digest();
    let one = user("package a\ndeny contains \"x\" if false");
    assert_eq!(one, user("package a\ndeny contains \"x\" if false"));
    assert_ne!(one, user("package a\ndeny contains \"y\" if false"));
    assert_ne!(one, PolicySet::builtin().digest());
    let under = |document: Value| {
        let input: PolicyInput = serde_json::from_value(document).unwrap();
        PolicySet::builtin().digest_under(&input.settings, &input.requirements).unwrap()
    };
    let first = under(document());
    assert_eq!(first, under(with("/now", json!("2026-11-21T12:00:01Z"))));
    assert_ne!(first, under(with("/settings/deny", json!([]))));
    assert_ne!(first, under(with("/requirements/nonRoot", json!(false))));
}

#[test]
fn the_input_document_is_the_documented_one() {
    let input: PolicyInput = serde_json::from_value(document()).unwrap();
    assert_eq!(serde_json::to_value(&input).unwrap(), document());
    let readme = include_str!("../../policies/README.md");
    fn keys(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(map) => map.iter().for_each(|(key, value)| {
                found.insert(key.clone());
                keys(value, found);
            }),
            Value::Array(list) => list.iter().for_each(|value| keys(value, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut found = BTreeSet::new();
    keys(&document(), &mut found);
    for key in found.iter().filter(|key| !key.starts_with("org.") && *key != "x") {
        assert!(readme.contains(&format!("`{key}`")), "policies/README.md does not describe {key}");
    }
}

#[test]
fn a_rule_with_a_dotted_head_is_refused_because_nobody_would_ask_it() {
    let ok = "deny contains r if { input.never; r := {\"message\": \"no\"} }";
    let heads = [
        ("sub.deny contains \"x\" if true", "sub.deny"),
        ("a.b.warn contains \"x\"", "a.b.warn"),
        ("sub[\"deny\"] contains \"x\" if true", "sub.deny"),
        ("sub.deny := {\"x\"}", "sub.deny"),
        ("default sub.deny := false", "sub.deny"),
        ("sub.deny.low contains \"x\"", "sub.deny"),
    ];
    for (rule, head) in heads {
        let text = format!("package own\n\n{ok}\n\n{rule}\n");
        let error = PolicySet::with_user(&[("own.rego", &text)]).unwrap_err();
        assert!(matches!(&error, PolicyError::DottedHead { head: found, .. } if found == head), "{rule}: {error}");
    }
    let reads = format!(
        "package own\n\n{ok}\n\n# see sub.deny\nhelper if {{ input.settings.deny; data.x.deny; input.sub.warn }}\n"
    );
    PolicySet::with_user(&[("own.rego", &reads)]).unwrap();
}
