//! A malformed configuration names the key with its full path; what cannot be obeyed yet is refused, never ignored.

use super::{Bed, NOWHERE};

/// The example of the README, complete.
const EXAMPLE: &str = r#"version: 1
images:                                   # one release = all of them, all approved or none tagged
  - repository: ghcr.io/colliery-io/brokkr-broker
    require: { platforms: [linux/amd64, linux/arm64], max-compressed-size: 200MB, non-root: true }
  - repository: ghcr.io/colliery-io/brokkr-agent
charts:
  - repository: ghcr.io/colliery-io/charts/brokkr-broker
tags: { preset: both }
identity:
  issuer: https://token.actions.githubusercontent.com
  github: { repository: colliery-io/brokkr, workflow: .github/workflows/gate.yml }
  release:  { ref: "refs/tags/v*" }
  branch:   { ref: "refs/heads/*" }
  operator: { ref: "refs/heads/main" }
policy:
  vulnerabilities: { deny: [CRITICAL], warn: [HIGH], fixable-only: false, regressions-only: false }
  scan: { max-age: 7d, max-db-age: 24h }
  provenance: { require: false, builders: [] }
  labels: { require: [org.opencontainers.image.source, org.opencontainers.image.revision, org.opencontainers.image.version] }
  exceptions: .countersign/exceptions.yaml
registries:
  registry.example.com: { realm: https://auth.example.com, ca: ca.pem }
transparency: auto
signatures: bundle
"#;

/// What `verify` says under `text`, before it asks anybody.
async fn refused(bed: &Bed, text: &str, said: &[&str]) {
    bed.write("countersign.yaml", text);
    let run = bed.json(&["verify", &format!("{}@{NOWHERE}", bed.repository("acme/app"))]).await;
    run.refused("config", &[&["countersign.yaml"], said].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_configuration_names_the_key_what_was_expected_and_what_was_found() {
    let bed = Bed::start().await;
    let cases: [(&str, &[&str]); 22] = [
        ("polcy: {}", &["unknown key \"polcy\"", "did you mean \"policy\"?"]),
        ("policy: { vulnerabilities: { denny: [] } }", &["\"policy.vulnerabilities.denny\"", "did you mean \"deny\"?"]),
        (
            "images: [ { repository: ghcr.io/a/b, require: { platform: [] } } ]",
            &["\"images[0].require.platform\"", "\"platforms\""],
        ),
        ("registries: { ghcr.io: { relm: x } }", &["\"registries.ghcr.io.relm\"", "\"realm\""]),
        ("images: ghcr.io/a/b", &["images: expected a list, found the text \"ghcr.io/a/b\""]),
        ("images: [ { repository: 7 } ]", &["images[0].repository: expected a text, found 7"]),
        ("images: [ {} ]", &["images[0].repository: is required"]),
        (
            "policy: { vulnerabilities: { fixable-only: \"yes\" } }",
            &["policy.vulnerabilities.fixable-only: expected true or false, found the text \"yes\""],
        ),
        ("policy: { vulnerabilities: { deny: CRITICAL } }", &["policy.vulnerabilities.deny: expected a list"]),
        (
            "policy: { vulnerabilities: { deny: [SEVERE] } }",
            &["policy.vulnerabilities.deny", "expected CRITICAL", "\"SEVERE\""],
        ),
        ("policy: { scan: { max-db-age: 1 year } }", &["policy.scan.max-db-age", "1 year"]),
        ("policy:", &["policy: expected keys and values, found nothing"]),
        ("tags: { preset: booth }", &["tags.preset", "booth"]),
        ("transparency: secret", &["transparency: expected auto or public, found \"secret\""]),
        ("signatures: wax", &["signatures: expected bundle, legacy or both", "\"wax\""]),
        (
            "identity: { issuer: https://x.example, identity: a@b.c, identity-regexp: a }",
            &["identity: expected exactly one of"],
        ),
        ("identity: { issuer: https://x.example, identity-regexp: \"(\" }", &["identity.identity-regexp"]),
        ("images: [ { repository: ghcr.io/a/b }, { repository: ghcr.io/a/b } ]", &["images[1].repository", "twice"]),
        ("transparency: auto\ntransparency: public", &["transparency", "duplicate"]),
        (
            "registries: { ghcr.io: { realm: http://evil.example } }",
            &["registries.ghcr.io.realm: expected an https URL"],
        ),
        ("sigstore: github\ntrust-root: x.json", &["sigstore: cannot be used with trust-root"]),
        ("images: [", &["not valid YAML"]),
    ];
    for (text, said) in cases {
        refused(&bed, &format!("version: 1\n{text}\n"), said).await;
    }
    refused(&bed, "images: []\n", &["version: is required"]).await;
    refused(&bed, "version: 2\n", &["version: expected 1, found 2"]).await;
    refused(&bed, "version: \"1\"\n", &["version: expected a whole number, found the text \"1\""]).await;
    refused(&bed, "- version: 1\n", &["the whole file: expected keys and values, found a list"]).await;
    assert!(bed.registry.log().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_whose_rule_is_not_built_is_refused_and_a_value_that_says_nothing_is_not() {
    let bed = Bed::start().await;
    let keys = [
        ("charts", "charts: [ { repository: ghcr.io/a/c } ]"),
        ("tags.rules", "tags: { rules: [ \"type=sha\" ] }"),
        ("policy.vulnerabilities.regressions-only", "policy: { vulnerabilities: { regressions-only: true } }"),
        ("policy.exceptions", "policy: { exceptions: exceptions.yaml }"),
    ];
    for (key, text) in keys {
        refused(&bed, &format!("version: 1\n{text}\n"), &[&format!("{key} is not supported")]).await;
    }
    let nothing = "charts: []\ntags: { rules: [] }\nsignatures: bundle\ntransparency: auto\npolicy:\n  vulnerabilities: { \
                   deny: [], warn: [], regressions-only: false }\n  provenance: { require: false, builders: [] }\n";
    bed.configure(nothing);
    let run = bed.json(&["verify", &format!("{}@{NOWHERE}", bed.repository("acme/app"))]).await;
    run.gives("Verification", 5, "not-found", &[NOWHERE]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_full_example_is_refused_only_for_what_is_not_built() {
    let bed = Bed::start().await;
    refused(&bed, EXAMPLE, &["charts is not supported"]).await;
    let without_charts = EXAMPLE.replace("charts:\n  - repository: ghcr.io/colliery-io/charts/brokkr-broker\n", "");
    refused(&bed, &without_charts, &["policy.exceptions is not supported"]).await;
    let built = without_charts.replace("  exceptions: .countersign/exceptions.yaml\n", "");
    bed.write("countersign.yaml", &built);
    let run = bed.json(&["verify", &format!("{}@{NOWHERE}", bed.repository("acme/app"))]).await;
    run.refused("registry", &["cannot read ca.pem"]);
    bed.write("countersign.yaml", &built.replace(", ca: ca.pem", ""));
    let run = bed.json(&["verify", &format!("{}@{NOWHERE}", bed.repository("acme/app"))]).await;
    run.gives("Verification", 5, "not-found", &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_is_looked_for_here_then_in_github() {
    let bed = Bed::start().await;
    let verify = ["verify", &format!("{}@{NOWHERE}", bed.repository("acme/app"))];
    bed.write(".github/countersign.yaml", "version: 3\n");
    bed.json(&verify).await.gives("Verification", 5, "not-found", &[]);
    std::fs::remove_file(bed.path("countersign.yaml")).unwrap();
    bed.json(&verify).await.refused("config", &[".github/countersign.yaml", "expected 1, found 3"]);
    bed.json(&["verify", verify[1], "--config", "none.yaml"]).await.refused("config", &["none.yaml", "cannot read"]);
    let large = format!("version: 1\n# {}\n", "x".repeat(1024 * 1024));
    bed.write("large.yaml", &large);
    bed.json(&["verify", verify[1], "--config", "large.yaml"]).await.refused("config", &["large.yaml", "1048576"]);
}
