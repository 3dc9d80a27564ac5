//! `signatures: legacy` and `both`: what promote writes in cosign's older layout, and how it treats what stands there.

use std::collections::BTreeMap;

use countersign_sandbox::registry::{Options, Place, Switch, When};
use countersign_sandbox::sigstore::{self, Service, Sigstore};
use serde_json::Value;

use crate::support::evidence::{attached, nodes};
use crate::support::legacy::{self, Layer};
use crate::support::{APP, EMAIL, Gateway, digest};

const COSIGN: &str = "cosign container image signature";

async fn gateway(signatures: &str, switches: &[Switch]) -> Gateway {
    let gateway = Gateway::with(&[APP], Options { switches: switches.to_vec(), ..Options::default() }).await;
    gateway.configure(&[APP], &format!("signatures: {signatures}"));
    gateway
}

/// The layers of every node's older tags, by node and kind: `sig`, or the hint of the predicate type.
fn older(gateway: &Gateway, candidate: &str) -> BTreeMap<(String, String), usize> {
    let mut found = BTreeMap::new();
    for node in nodes(&gateway.registry, APP, digest(candidate)) {
        for suffix in ["sig", "att"] {
            for layer in layers(gateway, &node, suffix) {
                let kind = layer["annotations"]["predicateType"].as_str().unwrap_or("sig").to_owned();
                *found.entry((node.clone(), kind)).or_default() += 1;
            }
        }
    }
    found
}

fn layers(gateway: &Gateway, node: &str, suffix: &str) -> Vec<Value> {
    let tag = format!("{}.{suffix}", node.replace(':', "-"));
    let Some(digest) = gateway.registry.tag_digest(APP, &tag) else { return Vec::new() };
    let manifest = gateway.registry.manifest(APP, &digest).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest.bytes).unwrap();
    manifest["layers"].as_array().unwrap().clone()
}

/// Index: signature, VSA, record; two images: signature, VSA, SBOM, report.
const STATEMENTS: usize = 3 + 2 * 4;

fn complete_once(found: &BTreeMap<(String, String), usize>) {
    assert!(found.values().all(|count| *count == 1), "{found:#?}");
    assert_eq!(found.len(), STATEMENTS, "{found:#?}");
}

async fn unchanged(gateway: &Gateway, candidate: &str) {
    let (before, entries) = (gateway.registry.snapshot(), gateway.sigstore.log().all().len());
    gateway.registry.clear_log();
    gateway.promote(candidate, "1.2.3").await.is("unchanged", 0);
    assert_eq!(gateway.writes(), Vec::<String>::new());
    assert_eq!(gateway.registry.snapshot(), before);
    assert_eq!(gateway.sigstore.log().all().len(), entries, "a service was asked to sign");
}

#[tokio::test(flavor = "multi_thread")]
async fn legacy_writes_only_older_tags_both_writes_both_and_a_rerun_writes_nothing() {
    for (signatures, bundles) in [("legacy", 0), ("both", STATEMENTS)] {
        for switches in [vec![], vec![Switch::ReferrersOff]] {
            let gateway = gateway(signatures, &switches).await;
            let candidate = gateway.release("1.2.3").await;
            complete_once(&older(&gateway, &candidate));
            let found = attached(&gateway.registry, APP, digest(&candidate), !switches.is_empty());
            assert_eq!(found.len(), bundles, "{signatures}: {found:#?}");
            unchanged(&gateway, &candidate).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_legacy_writes_verifies_as_older_layout_for_index_and_children() {
    let gateway = gateway("legacy", &[]).await;
    let candidate = gateway.release("1.2.3").await;
    let requires = ["--require", "signature", "--require", "vsa", "--require", "promotion", "--children", "signed"];
    let run = gateway.run(&[&["verify", &candidate][..], &requires].concat()).await.verdict("verified", 0);
    let json = run.json();
    let nodes = json["nodes"].as_array().unwrap();
    assert_eq!(nodes.len(), 3);
    for attestation in nodes.iter().flat_map(|node| node["attestations"].as_array().unwrap()) {
        assert_eq!(attestation["format"], "cosign-legacy", "{run}");
        assert_eq!(attestation["identity"], EMAIL, "{run}");
    }
    // A timestamp stands beside the promise of each signature, and was verified with it.
    let signature = &layers(&gateway, digest(&candidate), "sig")[0];
    assert!(signature["annotations"]["dev.sigstore.cosign/rfc3161timestamp"].is_string(), "{signature}");
    assert!(signature["annotations"]["dev.sigstore.cosign/chain"].as_str().unwrap().contains("BEGIN CERTIFICATE"));
}

#[tokio::test(flavor = "multi_thread")]
async fn layers_of_others_stay_under_the_older_tags() {
    let gateway = gateway("both", &[]).await;
    let candidate = gateway.build("1.2.3");
    let payload = legacy::payload(&gateway.repository(APP), digest(&candidate), COSIGN);
    let theirs: Layer = legacy::signature(&gateway.sigstore, &payload, "somebody@example.com", false);
    legacy::push(&gateway.registry, APP, digest(&candidate), "sig", std::slice::from_ref(&theirs));
    let before = layers(&gateway, digest(&candidate), "sig");
    gateway.promote(&candidate, "1.2.3").await.is("promoted", 0);
    let after = layers(&gateway, digest(&candidate), "sig");
    assert_eq!(after.len(), 2);
    assert!(after.contains(&before[0]), "theirs is gone: {after:#?}");
    unchanged(&gateway, &candidate).await;
}

/// A layout that is configured later, or was taken away by somebody, is filled; what stands is not signed again.
#[tokio::test(flavor = "multi_thread")]
async fn a_layout_that_is_missing_is_added_with_the_same_statements() {
    let gateway = gateway("bundle", &[]).await;
    let candidate = gateway.release("1.2.3").await;
    let bundles = attached(&gateway.registry, APP, digest(&candidate), false);
    assert!(older(&gateway, &candidate).is_empty());
    gateway.configure(&[APP], "signatures: both");
    assert_eq!(gateway.promote(&candidate, "1.2.3").await.code, 0);
    complete_once(&older(&gateway, &candidate));
    assert_eq!(attached(&gateway.registry, APP, digest(&candidate), false), bundles);
    unchanged(&gateway, &candidate).await;
    let statements = crate::support::evidence::statements(&gateway.registry, APP, digest(&candidate));
    let record = layers(&gateway, digest(&candidate), "att");
    let record = record.iter().find(|l| l["annotations"]["predicateType"].as_str().unwrap().contains("promotion"));
    let envelope = gateway.registry.blob(APP, record.unwrap()["digest"].as_str().unwrap()).unwrap();
    let envelope: Value = serde_json::from_slice(&envelope).unwrap();
    let payload = base64::Engine::decode(
        &base64::engine::general_purpose::STANDARD,
        envelope["payload"].as_str().unwrap().as_bytes(),
    );
    let payload: Value = serde_json::from_slice(&payload.unwrap()).unwrap();
    assert_eq!(Some(&payload), statements.get(payload["predicateType"].as_str().unwrap()));
    // Bundles alone would not do for somebody who reads the older layout only.
    gateway.registry.delete_tag(APP, &format!("{}.sig", digest(&candidate).replace(':', "-")));
    assert_eq!(gateway.promote(&candidate, "1.2.3").await.code, 0);
    complete_once(&older(&gateway, &candidate));
}

/// The layout can carry a promise of Rekor v1 alone.
#[tokio::test(flavor = "multi_thread")]
async fn without_rekor_v1_nothing_is_read_or_signed() {
    for signatures in ["legacy", "both"] {
        let mut gateway = gateway(signatures, &[]).await;
        let options = sigstore::Options { rekor_versions: vec![2], ..Default::default() };
        gateway.sigstore = Sigstore::start(options).await.unwrap();
        gateway.sigstore.write_files(gateway.folder.path()).unwrap();
        gateway.token(&gateway.sigstore.email_token(EMAIL));
        gateway.configure(&[APP], &format!("signatures: {signatures}"));
        let candidate = gateway.build("1.2.3");
        gateway.registry.clear_log();
        let run = gateway.promote(&candidate, "1.2.3").await.exits(2).because("signing-config");
        assert!(run.stdout.contains("Rekor v1"), "{run}");
        assert!(gateway.registry.log().is_empty(), "{run}");
        assert_eq!(gateway.sigstore.log().of(Service::Fulcio).len(), 0);
    }
}

/// I8 for each write of the older layout.
#[tokio::test(flavor = "multi_thread")]
async fn i8_killed_at_the_older_tags_the_rerun_converges() {
    for (signatures, nth) in [("legacy", 1), ("both", 2), ("both", 5)] {
        for (suffix, place) in
            [("sig", Place::Before), ("sig", Place::After), ("att", Place::Before), ("att", Place::After)]
        {
            let gateway = gateway(signatures, &[]).await;
            let candidate = gateway.build("1.2.3");
            // Nodes are written concurrently; the n-th of all writes of older tags may be of either kind.
            let pattern = if nth == 5 { "\\.(sig|att)$".to_owned() } else { format!("\\.{suffix}$") };
            let put = When::method("PUT").matching(&pattern).nth(nth);
            let mut stop = gateway.registry.faults().stop(put, place);
            let mut child = gateway.command(&["promote", &candidate, "--version", "1.2.3"]).spawn().unwrap();
            stop.wait_for_stop().await.unwrap();
            child.kill().await.unwrap();
            gateway.registry.faults().clear_faults();
            stop.release();
            assert!(gateway.tag_names().is_empty(), "a tag before its evidence");
            gateway.promote(&candidate, "1.2.3").await.is("promoted", 0);
            assert_eq!(gateway.tag_names().len(), 5);
            complete_once(&older(&gateway, &candidate));
            let bundles = attached(&gateway.registry, APP, digest(&candidate), false);
            assert!(bundles.values().all(|count| *count == 1), "{bundles:#?}");
            unchanged(&gateway, &candidate).await;
        }
    }
}

/// GitLab resolves some of these tags to the subject itself: its layers are no signatures to keep.
#[tokio::test(flavor = "multi_thread")]
async fn an_older_tag_that_shows_the_subject_counts_as_none() {
    let gateway = gateway("legacy", &[]).await;
    let candidate = gateway.build("1.2.3");
    for node in nodes(&gateway.registry, APP, digest(&candidate)) {
        gateway.registry.set_tag(APP, &format!("{}.sig", node.replace(':', "-")), &node);
    }
    gateway.promote(&candidate, "1.2.3").await.is("promoted", 0);
    complete_once(&older(&gateway, &candidate));
}

/// Something else under such a tag is nobody's to overwrite.
#[tokio::test(flavor = "multi_thread")]
async fn an_older_tag_that_shows_an_index_stays_and_no_release_tag_is_written() {
    let gateway = gateway("both", &[]).await;
    let candidate = gateway.build("1.2.3");
    let other = gateway.build("other");
    let tag = format!("{}.att", digest(&candidate).replace(':', "-"));
    gateway.registry.set_tag(APP, &tag, digest(&other));
    let run = gateway.promote(&candidate, "1.2.3").await.exits(7);
    assert_eq!(gateway.registry.tag_digest(APP, &tag).as_deref(), Some(digest(&other)), "{run}");
    assert!(gateway.tag_names().is_empty(), "{run}");
}

/// What an operator says is written as the releases are, and obeyed wherever it stands.
#[tokio::test(flavor = "multi_thread")]
async fn withdrawals_and_rollbacks_are_written_in_the_layouts_of_the_configuration() {
    const WITHDRAWAL: &str = "https://countersign.dev/withdrawal/v1";
    const ROLLBACK: &str = "https://countersign.dev/rollback/v1";
    for (signatures, bundles) in [("legacy", 0), ("both", 1)] {
        let gateway = gateway(signatures, &[]).await;
        gateway.release("1.2.3").await;
        let middle = gateway.release("1.3.0").await;
        let last = gateway.release("1.4.0").await;
        let repository = gateway.repository(APP);
        let withdraw = ["withdraw", &repository, "--version", "1.4.0", "--reason", "broken"];
        let channel = gateway.tagged("latest");
        let rollback = ["rollback", &channel, "--to", "1.2.3", "--reason", "slow"];
        for (command, done, subject, kind) in
            [(&withdraw[..], "withdrawn", &last, WITHDRAWAL), (&rollback[..], "rolled-back", &middle, ROLLBACK)]
        {
            gateway.run(command).await.is(done, 0);
            let node = digest(subject);
            let older = layers(&gateway, node, "att");
            let older = older.iter().filter(|layer| layer["annotations"]["predicateType"] == kind).count();
            let newer = attached(&gateway.registry, APP, node, false).into_iter();
            let newer: usize = newer.filter(|((n, k), _)| n == node && k == kind).map(|(_, count)| count).sum();
            assert_eq!((older, newer), (1, bundles), "{signatures} {kind}");
            gateway.registry.clear_log();
            gateway.run(command).await.is("unchanged", 0);
            assert_eq!(gateway.writes(), Vec::<String>::new());
        }
        gateway.run(&["resolve", &gateway.tagged("1.4.0")]).await.verdict("refuted", 4).because("withdrawn");
        let run = gateway.run(&["resolve", &channel]).await.verdict("verified", 0);
        assert_eq!(run.json()["version"], "1.2.3");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_in_the_older_layout_needs_rekor_v1_as_a_release_does() {
    let gateway = gateway("bundle", &[]).await;
    gateway.release("1.2.3").await;
    let v2 =
        Sigstore::start(sigstore::Options { rekor_versions: vec![2], ..sigstore::Options::default() }).await.unwrap();
    std::fs::write(gateway.path("signing_config.json"), v2.signing_config_json()).unwrap();
    gateway.configure(&[APP], "signatures: legacy");
    gateway.registry.clear_log();
    let repository = gateway.repository(APP);
    let withdraw = ["withdraw", &repository, "--version", "1.2.3", "--reason", "broken"];
    let run = gateway.run(&withdraw).await.exits(2);
    assert_eq!(run.codes(), ["signing-config"], "{run}");
    assert_eq!(gateway.registry.log().len(), 0, "nothing was read");
}
