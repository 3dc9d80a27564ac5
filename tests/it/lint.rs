//! Identities that accept too much, and refusals that explain themselves.

use serde_json::{Value, json};

use crate::support::{EMAIL, Gateway};

fn codes(document: &Value) -> Vec<&str> {
    document["findings"].as_array().unwrap().iter().map(|finding| finding["code"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finding_names_the_exact_identity_of_the_certificate_found() {
    let gateway = Gateway::start().await;
    let candidate = gateway.release("1.2.3").await;
    let issuer = gateway.sigstore.email_issuer().to_owned();
    let loose = ["--issuer", issuer.as_str(), "--identity-regexp", "^.*@example\\.com$"];
    let run = gateway.run(&[&["policy", "lint", &candidate], &loose[..]].concat()).await.exits(4);
    let json = run.json();
    assert_eq!((json["kind"].as_str(), codes(&json)), (Some("Lint"), vec!["identity-email-wildcard"]), "{run}");
    let finding = &json["findings"][0];
    assert_eq!(finding["useInstead"], json!(["--issuer", issuer, "--identity", EMAIL]), "{run}");
    assert!(finding["help"].as_str().unwrap().contains(EMAIL), "{run}");
    // The same, as a warning beside the verdict.
    let verified = gateway.run(&[&["verify", &candidate], &loose[..]].concat()).await.verdict("verified", 0);
    assert_eq!(verified.json()["warnings"][0]["code"], "identity-email-wildcard", "{verified}");
    // What the configuration says is as narrow as can be.
    let quiet = gateway.run(&["policy", "lint", &candidate]).await.exits(0);
    assert!(codes(&quiet.json()).is_empty(), "{quiet}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_without_an_issuer_is_a_finding_here_and_a_usage_error_elsewhere() {
    let gateway = Gateway::start().await;
    let candidate = gateway.release("1.2.3").await;
    let run = gateway.run(&["policy", "lint", &candidate, "--identity", EMAIL]).await.exits(4);
    assert_eq!(codes(&run.json()), ["identity-issuer-missing"], "{run}");
    assert_eq!(run.json()["findings"][0]["found"]["issuer"], gateway.sigstore.email_issuer(), "{run}");
    gateway.run(&["verify", &candidate, "--identity", EMAIL]).await.exits(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_shows_both_sides_the_changed_claim_and_a_command_that_accepts_it() {
    let gateway = Gateway::start().await;
    let candidate = gateway.release("1.2.3").await;
    let issuer = gateway.sigstore.email_issuer().to_owned();
    let other = ["verify", &candidate, "--issuer", &issuer, "--identity", "somebody@example.com"];
    let run = gateway.run(&other).await.verdict("refuted", 4);
    let json = run.json();
    let explanation = &json["nodes"][0]["attestations"][0]["reasons"][0]["explanation"];
    assert_eq!(explanation["changed"][0], "identity", "{run}");
    let identity = explanation["claims"].as_array().unwrap().iter().find(|c| c["claim"] == "identity").unwrap();
    assert_eq!((&identity["expected"], &identity["found"]), (&json!("somebody@example.com"), &json!(EMAIL)), "{run}");
    let command = explanation["command"].as_str().unwrap();
    let words: Vec<&str> = command.split(' ').skip(1).collect();
    gateway.run(&words).await.verdict("verified", 0);
    let text = gateway.run(&[&other[..], &["--output", "text"]].concat()).await.exits(4);
    for part in ["expected", "found", "changed: identity", "countersign verify", EMAIL] {
        assert!(text.stdout.contains(part), "{part}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_predicate_type_shows_which_are_there() {
    let gateway = Gateway::start().await;
    let candidate = gateway.release("1.2.3").await;
    let run = gateway.run(&["verify", &candidate, "--require", "provenance", "--all"]).await.verdict("refuted", 4);
    let json = run.json();
    let explanation = &json["reasons"][0]["explanation"];
    assert_eq!(explanation["changed"], json!(["predicate type"]), "{run}");
    assert!(explanation["claims"][0]["found"].as_str().unwrap().contains("cosign/sign/v1"), "{run}");
    let words: Vec<&str> = explanation["command"].as_str().unwrap().split(' ').skip(1).collect();
    gateway.run(&words).await.verdict("verified", 0);
}
