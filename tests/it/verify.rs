//! `verify`: each sentence of the verdict rules that shows from outside.

use countersign_sandbox::image::Content;
use countersign_sandbox::registry::{Options, Place, Switch, When};
use serde_json::{Value, json};

use crate::support::evidence::nodes;
use crate::support::{APP, EMAIL, Gateway, Run, digest, sample};

const SIGNATURE: &str = "https://sigstore.dev/cosign/sign/v1";
const VSA: &str = "https://slsa.dev/verification_summary/v1";

/// A release of [`APP`], with the digests of index and children.
async fn released(switches: Vec<Switch>) -> (Gateway, Vec<String>) {
    let gateway = Gateway::with(&[APP], Options { switches, ..Options::default() }).await;
    let candidate = gateway.release("1.2.3").await;
    let nodes = nodes(&gateway.registry, APP, digest(&candidate));
    (gateway, nodes)
}

impl Gateway {
    /// Deletes the attestations of this predicate type (all without one) from a node.
    fn strip(&self, node: &str, kind: Option<&str>) {
        for referrer in self.registry.referrers(APP, node) {
            let manifest = self.registry.manifest(APP, &referrer).unwrap();
            let manifest: Value = serde_json::from_slice(&manifest.bytes).unwrap();
            let found = manifest["annotations"]["dev.sigstore.bundle.predicateType"].as_str().unwrap_or_default();
            if kind.is_none_or(|kind| kind == found) {
                self.registry.delete_manifest(APP, &referrer);
            }
        }
    }

    async fn verify(&self, node: &str, flags: &[&str]) -> Run {
        self.run(&[&["verify", &self.reference(APP, node)], flags].concat()).await
    }

    /// Without the configuration, so that only the flags count.
    async fn verify_without_configuration(&self, node: &str, flags: &[&str]) -> Run {
        let reference = self.reference(APP, node);
        let mut command = self.command(&[&["verify", &reference], flags].concat());
        command.current_dir(self.path("trivy"));
        Run::of(command.output().await.unwrap())
    }
}

/// Reasons of one node of the document.
fn node_codes(run: &Run, node: &str) -> Vec<String> {
    let json = run.json();
    let found = json["nodes"].as_array().unwrap().iter().find(|n| n["digest"] == node).unwrap().clone();
    found["reasons"].as_array().unwrap().iter().map(|r| r["code"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_has_the_fields_of_the_contract() {
    let (gateway, nodes) = released(vec![]).await;
    let run = gateway.run(&["verify", &gateway.tagged("1.2.3"), "--all"]).await.verdict("verified", 0);
    let json = run.json();
    assert_eq!((&json["apiVersion"], &json["kind"]), (&json!("countersign.dev/v1"), &json!("Verification")));
    assert_eq!(json["reference"], gateway.tagged("1.2.3"));
    assert_eq!((&json["repository"], &json["digest"]), (&json!(gateway.repository(APP)), &json!(nodes[0])));
    let found = json["nodes"].as_array().unwrap();
    let shape: Vec<_> = found.iter().map(|n| (n["kind"].as_str().unwrap(), n["platform"].as_str())).collect();
    assert_eq!(shape, [("index", None), ("image", Some("linux/amd64")), ("image", Some("linux/arm64"))]);
    for node in found {
        assert_eq!(node["verdict"], "verified");
        for attestation in node["attestations"].as_array().unwrap() {
            assert_eq!(attestation["identity"], EMAIL, "{attestation:#}");
            assert_eq!(attestation["issuer"], gateway.sigstore.email_issuer());
            assert_eq!(attestation["format"], "bundle-v0.3");
            assert!(attestation["bundle"].as_str().unwrap().starts_with("sha256:"));
            assert!(attestation["loggedAt"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
            assert_eq!((&attestation["verdict"], &attestation["reasons"]), (&json!("verified"), &json!([])));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_is_covered_by_its_verified_index_unless_its_own_signature_is_asked_for() {
    let (gateway, nodes) = released(vec![]).await;
    gateway.strip(&nodes[1], Some(SIGNATURE));
    gateway.strip(&nodes[1], Some(VSA));
    let run = gateway.verify(&nodes[0], &[]).await.verdict("verified", 0);
    assert!(node_codes(&run, &nodes[1]).contains(&"covered-by-index".to_owned()), "{run}");
    assert!(node_codes(&run, &nodes[2]).is_empty(), "{run}");
    gateway.verify(&nodes[0], &["--children", "signed"]).await.verdict("refuted", 4);
    // Asked for by its own digest it needs its own.
    gateway.verify(&nodes[1], &[]).await.verdict("refuted", 4);
    gateway.verify(&nodes[2], &["--require", "signature"]).await.verdict("verified", 0);
    gateway.run(&["resolve", &gateway.tagged("1.2.3")]).await.verdict("refuted", 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn sbom_and_report_of_a_child_are_never_covered() {
    let (gateway, nodes) = released(vec![]).await;
    gateway.strip(&nodes[2], Some("https://cyclonedx.org/bom"));
    let run = gateway.verify(&nodes[0], &[]).await.verdict("refuted", 4);
    assert!(node_codes(&run, &nodes[2]).contains(&"missing-attestation".to_owned()), "{run}");
    gateway.verify(&nodes[0], &["--require", "signature"]).await.verdict("verified", 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unsigned_index_is_refuted_although_its_children_are_signed() {
    let (gateway, nodes) = released(vec![]).await;
    gateway.strip(&nodes[0], None);
    let run = gateway.verify(&nodes[0], &["--require", "signature"]).await.verdict("refuted", 4);
    assert!(node_codes(&run, &nodes[0]).contains(&"unsigned".to_owned()), "{run}");
    for child in &nodes[1..] {
        gateway.verify(child, &["--require", "signature"]).await.verdict("verified", 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_child_is_refuted() {
    let (gateway, nodes) = released(vec![]).await;
    gateway.registry.delete_manifest(APP, &nodes[2]);
    let run = gateway.verify(&nodes[0], &[]).await.verdict("refuted", 4);
    assert!(node_codes(&run, &nodes[2]).contains(&"child-missing".to_owned()), "{run}");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_bytes_under_the_digest_are_refuted() {
    let (gateway, nodes) = released(vec![]).await;
    let right = gateway.registry.manifest(APP, &nodes[0]).unwrap();
    let other = sample("1.2.4").root();
    gateway.registry.put_manifest_at(APP, &nodes[0], &other.media_type, other.bytes);
    gateway.verify(&nodes[0], &[]).await.verdict("refuted", 4).because("digest-mismatch");
    gateway.registry.put_manifest_at(APP, &nodes[0], &right.media_type, right.bytes);
    gateway.verify(&nodes[0], &[]).await.verdict("verified", 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_api_the_fallback_tag_decides() {
    let (gateway, nodes) = released(vec![Switch::ReferrersOff]).await;
    gateway.verify(&nodes[0], &[]).await.verdict("verified", 0);
    let unsigned = gateway.build("2.0.0");
    gateway.verify(digest(&unsigned), &[]).await.verdict("refuted", 4).because("unsigned");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_that_gives_no_usable_answer_hides_nothing_and_proves_nothing() {
    let (gateway, nodes) = released(vec![Switch::ReferrersOff]).await;
    let unsigned = gateway.build("2.0.0");
    for status in [400, 405, 501] {
        gateway.registry.faults().clear();
        gateway.registry.faults().on(Switch::ReferrersStatus(status));
        gateway.verify(&nodes[0], &[]).await.verdict("verified", 0);
        gateway.verify(digest(&unsigned), &[]).await.verdict("unknown", 7);
        // For promote they mean "no API".
        let version = format!("3.0.{status}");
        gateway.release(&version).await;
        gateway.run(&["verify", &gateway.tagged(&version)]).await.verdict("verified", 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_identity_is_refuted_and_named() {
    let (gateway, nodes) = released(vec![]).await;
    let issuer = gateway.sigstore.email_issuer().to_owned();
    let expect = |name: &'static str, value: &'static str| [["--issuer", issuer.as_str()], [name, value]].concat();
    let run = gateway.verify(&nodes[0], &expect("--identity", "somebody@example.com")).await.verdict("refuted", 4);
    assert_eq!(run.json()["nodes"][0]["attestations"][0]["identity"], EMAIL, "{run}");
    assert!(run.stdout.contains("identity-mismatch"), "{run}");
    // The expression matches the whole string.
    gateway.verify(&nodes[0], &expect("--identity-regexp", "releaser@example")).await.verdict("refuted", 4);
    gateway.verify(&nodes[0], &expect("--identity-regexp", r"releaser@example\.com")).await.verdict("verified", 0);
    let other = ["--issuer", "https://issuer.example.com", "--identity", EMAIL];
    let run = gateway.verify(&nodes[0], &other).await.verdict("refuted", 4);
    assert!(run.stdout.contains("issuer-mismatch"), "{run}");
    let github = ["--issuer", issuer.as_str(), "--github-repository", "example-org/app"];
    gateway.verify(&nodes[0], &github).await.verdict("refuted", 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_in_the_question_is_a_usage_error() {
    let (gateway, nodes) = released(vec![]).await;
    let issuer = gateway.sigstore.email_issuer().to_owned();
    let none = gateway.verify_without_configuration(&nodes[0], &[]).await.exits(2);
    assert_eq!((none.json()["kind"].as_str(), none.codes()), (Some("Error"), vec!["no-expected-identity".to_owned()]));
    let known = ["--issuer", issuer.as_str(), "--identity", EMAIL];
    // Without a configuration a signature is enough, whatever else was stripped.
    gateway.strip(&nodes[1], Some("https://cyclonedx.org/bom"));
    gateway.verify_without_configuration(&nodes[0], &known).await.verdict("verified", 0);
    for flags in [
        &["--issuer", issuer.as_str(), "--identity-regexp", "("][..],
        &["--issuer", issuer.as_str()],
        &["--trust-root", "/nowhere/trusted_root.json"],
        &["--require", "wishes"],
        &["--unknown-flag"],
    ] {
        let run = gateway.verify(&nodes[0], flags).await.exits(2);
        assert_eq!(run.json()["kind"], "Error", "{flags:?}: {run}");
    }
    std::fs::write(gateway.path("broken.json"), "{}").unwrap();
    gateway.verify(&nodes[0], &["--trust-root", "broken.json"]).await.exits(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_exist_is_not_found() {
    let (gateway, _) = released(vec![]).await;
    for command in ["verify", "resolve"] {
        gateway.run(&[command, &gateway.tagged("9.9.9")]).await.exits(5).because("not-found");
    }
    gateway.verify(digest(&format!("x@{}", countersign_sandbox::registry::sha256(b"nothing"))), &[]).await.exits(5);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_references_give_a_list_and_the_worst_exit_code() {
    let (gateway, nodes) = released(vec![]).await;
    let unsigned = gateway.build("2.0.0");
    let good = gateway.reference(APP, &nodes[0]);
    let missing = gateway.tagged("9.9.9");
    let run = gateway.run(&["verify", &good, &good]).await.exits(0);
    let json = run.json();
    assert_eq!((&json["kind"], json["items"].as_array().unwrap().len()), (&json!("VerificationList"), 2));
    gateway.run(&["verify", &good, &missing]).await.exits(5);
    gateway.run(&["verify", &missing, &unsigned, &good]).await.exits(4);
    // Unknown wins over not found, not authorised over unknown, refuted over all of them.
    let faults = gateway.registry.faults();
    let status = countersign_sandbox::registry::Fault::Status;
    faults.add(When::any().matching("/manifests/7$"), Place::Before, status(500));
    faults.add(When::any().matching("/manifests/6$"), Place::Before, status(403));
    let (seven, six) = (gateway.tagged("7"), gateway.tagged("6"));
    gateway.run(&["verify", &missing, &seven, "--timeout", "1s"]).await.exits(7);
    gateway.run(&["verify", &missing, &seven, &six, "--timeout", "1s"]).await.exits(6);
    gateway.run(&["verify", &missing, &seven, &six, &unsigned, "--timeout", "1s"]).await.exits(4);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_signed_later_than_at_does_not_exist_yet() {
    let (gateway, nodes) = released(vec![]).await;
    let run = gateway.verify(&nodes[0], &["--at", "2020-01-01T00:00:00Z"]).await.verdict("refuted", 4);
    assert!(run.stdout.contains("signed-later"), "{run}");
    gateway.verify(&nodes[0], &["--at", "2100-01-01T00:00:00Z"]).await.verdict("verified", 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_manifest_is_one_node_that_carries_everything() {
    let gateway = Gateway::start().await;
    let candidate = gateway.push(APP, &sample("1.2.3").images[0]);
    gateway.promote(&candidate, "1.2.3").await.is("promoted", 0);
    let run = gateway.run(&["verify", &gateway.tagged("1.2.3"), "--all"]).await.verdict("verified", 0);
    let json = run.json();
    assert_eq!(json["nodes"].as_array().unwrap().len(), 1);
    assert_eq!(json["nodes"][0]["attestations"].as_array().unwrap().len(), 5, "{run}");
    gateway.promote(&candidate, "1.2.3").await.is("unchanged", 0);
}
