//! Evidence in every layout: cosign's older tags, broken lists of referrers, and what each may not hide.

use countersign_sandbox::registry::{Fault, Options, Place, Switch, When};
use serde_json::{Value, json};

use crate::support::legacy::{self, Layer};
use crate::support::{APP, EMAIL, Gateway, Run, digest, sample};

const COSIGN: &str = "cosign container image signature";

/// A single image, unsigned, and the flags that expect [`EMAIL`] alone.
async fn unsigned(switches: Vec<Switch>) -> (Gateway, String) {
    let gateway = Gateway::with(&[APP], Options { switches, ..Options::default() }).await;
    let candidate = gateway.push(APP, &sample("1.2.3").images[0]);
    (gateway, candidate)
}

impl Gateway {
    async fn verify_signature(&self, candidate: &str, flags: &[&str]) -> Run {
        self.run(&[&["verify", candidate, "--require", "signature"], flags].concat()).await
    }

    fn good_layer(&self, candidate: &str, timestamp: bool) -> Layer {
        let payload = legacy::payload(&self.repository(APP), digest(candidate), COSIGN);
        legacy::signature(&self.sigstore, &payload, EMAIL, timestamp)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_signature_is_evidence_with_or_without_the_api() {
    for switches in [vec![], vec![Switch::ReferrersOff], vec![Switch::ReferrersStatus(405)]] {
        let (gateway, candidate) = unsigned(switches).await;
        legacy::push(&gateway.registry, APP, digest(&candidate), "sig", &[gateway.good_layer(&candidate, false)]);
        let run = gateway.verify_signature(&candidate, &[]).await.verdict("verified", 0);
        let attestation = run.json()["nodes"][0]["attestations"][0].clone();
        assert_eq!(attestation["format"], "cosign-legacy", "{run}");
        assert_eq!(
            (&attestation["identity"], &attestation["predicateType"]),
            (&json!(EMAIL), &json!("https://sigstore.dev/cosign/sign/v1"))
        );
        let other = ["--issuer", gateway.sigstore.email_issuer(), "--identity", "somebody@example.com"];
        // Where the API gives no answer, something better could be hidden in it.
        let run = gateway.verify_signature(&candidate, &other).await;
        assert!(matches!(run.code, 4 | 7), "{run}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timestamp_beside_the_promise_is_verified_too() {
    let (gateway, candidate) = unsigned(vec![]).await;
    let mut layer = gateway.good_layer(&candidate, true);
    legacy::push(&gateway.registry, APP, digest(&candidate), "sig", std::slice::from_ref(&layer));
    gateway.verify_signature(&candidate, &[]).await.verdict("verified", 0);
    let other = gateway.good_layer(&candidate, true).annotations["dev.sigstore.cosign/rfc3161timestamp"].clone();
    layer.annotations.insert("dev.sigstore.cosign/rfc3161timestamp".to_owned(), other);
    legacy::push(&gateway.registry, APP, digest(&candidate), "sig", &[layer]);
    gateway.verify_signature(&candidate, &[]).await.verdict("refuted", 4);
}

/// Exactly one thing wrong with an older signature.
#[tokio::test(flavor = "multi_thread")]
async fn an_older_signature_is_verified_as_strictly_as_a_bundle() {
    let (gateway, candidate) = unsigned(vec![]).await;
    let subject = digest(&candidate);
    let sign = |payload: &[u8]| legacy::signature(&gateway.sigstore, payload, EMAIL, false);
    let payload = |digest: &str, kind: &str| legacy::payload(&gateway.repository(APP), digest, kind);
    let other_digest = countersign_sandbox::registry::sha256(b"other");
    let good = || gateway.good_layer(&candidate, false);
    let with = |name: &str, value: Option<String>| {
        let mut layer = good();
        match value {
            Some(value) => layer.annotations.insert(name.to_owned(), value),
            None => layer.annotations.remove(name),
        };
        layer
    };
    let another = good();
    let bundle = "dev.sigstore.cosign/bundle";
    let edited = |path: &[&str], value: Value| {
        let mut document: Value = serde_json::from_str(&good().annotations[bundle]).unwrap();
        let mut place = &mut document;
        for part in path {
            place = &mut place[*part];
        }
        *place = value;
        document.to_string()
    };
    let earlier = jiff::Timestamp::try_from(std::time::SystemTime::now()).unwrap().as_second() - 60;
    let cases: Vec<(&str, Layer, &str)> = vec![
        ("about another digest", sign(&payload(&other_digest, COSIGN)), "subject-mismatch"),
        ("of another kind", sign(&payload(subject, "atomic container signature")), "statement-malformed"),
        ("not a payload", sign(b"{}"), "statement-malformed"),
        ("no promise", with(bundle, None), "log-entry-missing"),
        ("no certificate", with("dev.sigstore.cosign/certificate", None), "bundle-material"),
        ("no signature", with("dev.cosignproject.cosign/signature", None), "bundle-malformed"),
        ("another's promise", with(bundle, Some(another.annotations[bundle].clone())), ""),
        (
            "another's certificate",
            with(
                "dev.sigstore.cosign/certificate",
                Some(another.annotations["dev.sigstore.cosign/certificate"].clone()),
            ),
            "",
        ),
        (
            "another's signature",
            with(
                "dev.cosignproject.cosign/signature",
                Some(another.annotations["dev.cosignproject.cosign/signature"].clone()),
            ),
            "",
        ),
        (
            "a changed time",
            with(bundle, Some(edited(&["Payload", "integratedTime"], json!(earlier)))),
            "inclusion-promise-invalid",
        ),
        ("an unknown log", with(bundle, Some(edited(&["Payload", "logID"], json!("00".repeat(32))))), "log-unknown"),
    ];
    for (what, layer, code) in cases {
        legacy::push(&gateway.registry, APP, subject, "sig", &[layer]);
        let run = gateway.verify_signature(&candidate, &[]).await.verdict("refuted", 4);
        let found = run.json()["nodes"][0]["attestations"][0]["reasons"][0]["code"].clone();
        assert!(code.is_empty() || found == code, "{what}: {found}, expected {code}: {run}");
    }
    // A good one among bad ones counts, whatever their order.
    let bad = sign(&payload(&other_digest, COSIGN));
    legacy::push(&gateway.registry, APP, subject, "sig", &[bad, good()]);
    gateway.verify_signature(&candidate, &[]).await.verdict("verified", 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn older_attestations_count_for_their_type_and_never_as_a_signature() {
    let (gateway, candidate) = unsigned(vec![Switch::ReferrersOff]).await;
    let hex = digest(&candidate).trim_start_matches("sha256:").to_owned();
    let statement = |version: &str| {
        json!({
            "_type": format!("https://in-toto.io/Statement/{version}"),
            "subject": [{ "name": gateway.repository(APP), "digest": { "sha256": hex } }],
            "predicateType": "https://cyclonedx.org/bom",
            "predicate": {},
        })
    };
    for version in ["v0.1", "v1"] {
        let layer = legacy::attestation(&gateway.sigstore, &statement(version), EMAIL);
        legacy::push(&gateway.registry, APP, digest(&candidate), "att", &[layer]);
        let run = gateway.run(&["verify", &candidate, "--require", "sbom"]).await.verdict("verified", 0);
        assert_eq!(run.json()["nodes"][0]["attestations"][0]["format"], "cosign-legacy", "{run}");
        gateway.verify_signature(&candidate, &["--all"]).await.verdict("refuted", 4);
    }
    let layer = legacy::attestation(&gateway.sigstore, &statement("v2"), EMAIL);
    legacy::push(&gateway.registry, APP, digest(&candidate), "att", &[layer]);
    gateway.run(&["verify", &candidate, "--require", "sbom"]).await.verdict("refuted", 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn older_tags_that_cannot_be_read_leave_it_unknown() {
    let (gateway, candidate) = unsigned(vec![]).await;
    gateway.verify_signature(&candidate, &[]).await.verdict("refuted", 4);
    gateway.registry.faults().add(When::any().matching(r"\.sig$"), Place::Before, Fault::Status(500));
    gateway.verify_signature(&candidate, &["--timeout", "1s"]).await.verdict("unknown", 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_stops_before_the_older_tags_unless_all_is_asked_for() {
    let gateway = Gateway::start().await;
    let candidate = gateway.release("1.2.3").await;
    let older = |gateway: &Gateway| gateway.registry.log().iter().filter(|r| r.path().ends_with(".sig")).count();
    gateway.registry.clear_log();
    gateway.run(&["verify", &candidate]).await.verdict("verified", 0);
    assert_eq!(older(&gateway), 0);
    gateway.run(&["verify", &candidate, "--all"]).await.verdict("verified", 0);
    assert_eq!(older(&gateway), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_with_missing_fields_are_read_by_their_manifests() {
    let gateway = Gateway::with(&[APP], Options { switches: vec![Switch::ReferrersOff], ..Options::default() }).await;
    let candidate = gateway.push(APP, &sample("1.2.3").images[0]);
    gateway.promote(&candidate, "1.2.3").await.is("promoted", 0);
    let tag = digest(&candidate).replace(':', "-");
    let list = gateway.registry.manifest(APP, &gateway.registry.tag_digest(APP, &tag).unwrap()).unwrap();
    let whole: Value = serde_json::from_slice(&list.bytes).unwrap();
    let broken: [fn(&mut Value); 5] = [
        |entry| drop(entry.as_object_mut().unwrap().remove("artifactType")),
        |entry| drop(entry.as_object_mut().unwrap().remove("annotations")),
        |entry| entry["artifactType"] = json!("application/vnd.oci.empty.v1+json"),
        |entry| drop(entry.as_object_mut().unwrap().remove("size")),
        |entry| {
            let digest = entry["digest"].clone();
            *entry = json!({ "digest": digest, "annotations": null });
        },
    ];
    for edit in broken {
        let mut list = whole.clone();
        list["manifests"].as_array_mut().unwrap().iter_mut().for_each(edit);
        let media_type = "application/vnd.oci.image.index.v1+json";
        let digest = gateway.registry.put_manifest_raw(APP, media_type, list.to_string().into_bytes());
        gateway.registry.set_tag(APP, &tag, &digest);
        gateway.run(&["verify", &candidate]).await.verdict("verified", 0);
    }
}

/// The bar: `verify` of one signature in four requests with the referrers API, in five without.
#[tokio::test(flavor = "multi_thread")]
async fn one_signature_costs_four_requests_with_the_api_and_five_without() {
    for (switches, most) in [(vec![], 4), (vec![Switch::ReferrersOff], 5)] {
        let gateway = Gateway::with(&[APP], Options { switches, ..Options::default() }).await;
        let candidate = gateway.push(APP, &sample("1.2.3").images[0]);
        gateway.promote(&candidate, "1.2.3").await.is("promoted", 0);
        gateway.registry.clear_log();
        gateway.verify_signature(&candidate, &[]).await.verdict("verified", 0);
        let requests: Vec<String> = gateway.registry.log().iter().map(ToString::to_string).collect();
        assert!(requests.len() <= most, "{} requests:\n{}", requests.len(), requests.join("\n"));
    }
}
