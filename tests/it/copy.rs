//! `copy`: the tree with all its evidence, in every layout, and nothing else.

use std::collections::BTreeMap;

use countersign_sandbox::registry::{Fault, Options, Place, Registry, Switch, When};
use serde_json::Value;

use crate::support::evidence::attached;
use crate::support::{APP, EMAIL, Gateway, Run, digest, legacy, sample};

const SIG: &str = "cosign container image signature";

struct There {
    gateway: Gateway,
    registry: Registry,
    candidate: String,
}

/// A release, and a second registry with these quirks.
async fn released(here: Vec<Switch>, there: Vec<Switch>) -> There {
    let gateway = Gateway::with(&[APP], Options { switches: here, ..Options::default() }).await;
    let candidate = gateway.release("1.2.3").await;
    let registry = Registry::start(Options { switches: there, ..Options::default() }).await.unwrap();
    There { gateway, registry, candidate }
}

impl There {
    async fn copy(&self, flags: &[&str]) -> Run {
        let destination = format!("{}/mirror/app", self.registry.address());
        self.gateway.run(&[&["copy", &self.candidate, &destination], flags].concat()).await
    }

    fn evidence(&self, fallback: bool) -> BTreeMap<(String, String), usize> {
        attached(&self.registry, "mirror/app", digest(&self.candidate), fallback)
    }
}

fn copied(run: &Run) -> Value {
    run.json()["copied"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tree_arrives_with_all_its_evidence_whatever_layouts_the_registries_have() {
    for (here, there, fallback) in [
        (vec![], vec![], false),
        (vec![], vec![Switch::ReferrersOff], true),
        (vec![Switch::ReferrersOff], vec![], false),
        (vec![Switch::ReferrersOff], vec![Switch::ReferrersOff], true),
    ] {
        let before_api = here.is_empty();
        let bed = released(here, there).await;
        let run = bed.copy(&[]).await.verdict("verified", 0);
        assert_eq!(run.json()["kind"], "Copy", "{run}");
        let ours = attached(&bed.gateway.registry, APP, digest(&bed.candidate), !before_api);
        assert_eq!(bed.evidence(fallback), ours, "{run}");
        let tags: Vec<String> = bed.registry.tags("mirror/app").into_keys().collect();
        assert!(tags.iter().all(|tag| tag.starts_with("sha256-")), "{tags:?}");
        // Again: nothing to do, and nothing is written.
        bed.registry.clear_log();
        let again = bed.copy(&[]).await.verdict("verified", 0);
        let writes: Vec<String> = bed.registry.log().iter().filter(|r| r.is_write()).map(ToString::to_string).collect();
        assert!(writes.is_empty(), "{writes:?}");
        assert_eq!(copied(&again)["blobs"], 0, "{again}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn older_tags_are_carried_and_joined_with_what_stands_there() {
    let bed = released(vec![], vec![]).await;
    let subject = digest(&bed.candidate);
    let layer = |email: &str| {
        let payload = legacy::payload(&bed.gateway.repository(APP), subject, SIG);
        legacy::signature(&bed.gateway.sigstore, &payload, email, false)
    };
    legacy::push(&bed.gateway.registry, APP, subject, "sig", &[layer(EMAIL)]);
    bed.copy(&[]).await.verdict("verified", 0);
    let tag = format!("{}.sig", subject.replace(':', "-"));
    let here = bed.gateway.registry.tag_digest(APP, &tag);
    assert_eq!(bed.registry.tag_digest("mirror/app", &tag), here);
    // Somebody else signed the copy: their signature stays.
    legacy::push(&bed.registry, "mirror/app", subject, "sig", &[layer("somebody@example.com")]);
    bed.copy(&[]).await.verdict("verified", 0);
    let digest = bed.registry.tag_digest("mirror/app", &tag).unwrap();
    let manifest: Value = serde_json::from_slice(&bed.registry.manifest("mirror/app", &digest).unwrap().bytes).unwrap();
    assert_eq!(manifest["layers"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_verify_is_not_copied() {
    let bed = released(vec![], vec![]).await;
    let unsigned = bed.gateway.build("2.0.0");
    let destination = format!("{}/mirror/app", bed.registry.address());
    bed.gateway.run(&["copy", &unsigned, &destination]).await.verdict("refuted", 4);
    assert!(bed.registry.log().iter().all(|r| !r.is_write()));
    let nowhere = bed.gateway.reference(APP, &countersign_sandbox::registry::sha256(b"nothing"));
    bed.gateway.run(&["copy", &nowhere, &destination]).await.exits(5);
    bed.gateway.run(&["copy", &bed.candidate, &format!("{destination}:1.2.3")]).await.exits(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_broke_off_is_finished_by_the_same_command() {
    let bed = released(vec![], vec![Switch::ReferrersOff]).await;
    for nth in 1.. {
        let faults = bed.registry.faults();
        faults.clear();
        faults.on(Switch::ReferrersOff);
        faults.add(When::method("PUT").from(nth), Place::Before, Fault::Status(403));
        let run = bed.copy(&[]).await;
        if run.code == 0 {
            assert!(nth > 1, "{run}");
            break;
        }
        assert_eq!(run.code, 6, "{run}");
    }
    assert_eq!(bed.evidence(true), attached(&bed.gateway.registry, APP, digest(&bed.candidate), false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_blob_goes_over_in_chunks() {
    let gateway = Gateway::start().await;
    let bytes: Vec<u8> =
        (0..9_000_000_u32).flat_map(|i| (i.wrapping_mul(2_654_435_761) >> 24).to_le_bytes()[..1].to_vec()).collect();
    let layer = gateway.registry.put_blob(APP, bytes.clone());
    let base = gateway.push(APP, &sample("1.2.3").images[0]);
    let mut manifest: Value =
        serde_json::from_slice(&gateway.registry.manifest(APP, digest(&base)).unwrap().bytes).unwrap();
    let media_type = "application/vnd.oci.image.layer.v1.tar";
    let large = serde_json::json!({ "mediaType": media_type, "digest": layer, "size": bytes.len() });
    manifest["layers"].as_array_mut().unwrap().push(large);
    let media_type = manifest["mediaType"].as_str().unwrap().to_owned();
    let subject = gateway.registry.put_manifest_raw(APP, &media_type, manifest.to_string().into_bytes());
    let payload = legacy::payload(&gateway.repository(APP), &subject, SIG);
    let signature = legacy::signature(&gateway.sigstore, &payload, EMAIL, false);
    legacy::push(&gateway.registry, APP, &subject, "sig", &[signature]);
    let registry = Registry::start(Options::default()).await.unwrap();
    let destination = format!("{}/mirror/app", registry.address());
    let source = gateway.reference(APP, &subject);
    gateway.run(&["copy", &source, &destination, "--require", "signature"]).await.verdict("verified", 0);
    assert_eq!(registry.blob("mirror/app", &layer).unwrap(), bytes);
    let patches = registry.log().iter().filter(|r| r.method == "PATCH").count();
    assert!(patches >= 3, "{patches}");
}
