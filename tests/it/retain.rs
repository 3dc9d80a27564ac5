//! `retain`: the keep-set, and that nothing live is ever listed or deleted.

use std::collections::BTreeSet;

use countersign_sandbox::registry::{Fault, Options, Place, Switch, When};
use serde_json::Value;

use crate::support::evidence::nodes;
use crate::support::{APP, Gateway, Run, digest};

async fn retain(gateway: &Gateway, flags: &[&str]) -> Run {
    gateway.run(&[&["retain", &gateway.repository(APP)], flags].concat()).await
}

/// Every digest that the plan would delete.
fn deleted(run: &Run) -> BTreeSet<String> {
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    let json = run.json();
    let all = json["delete"].as_array().unwrap().iter();
    all.flat_map(|d| std::iter::once(text(&d["digest"])).chain(d["with"].as_array().unwrap().iter().map(text)))
        .collect()
}

fn tags(run: &Run, list: &str) -> BTreeSet<String> {
    let json = run.json();
    let all = json[list].as_array().unwrap().iter();
    all.flat_map(|d| d["tags"].as_array().unwrap().iter().map(|t| t.as_str().unwrap().to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_live_is_deleted_and_what_goes_takes_its_evidence_along() {
    for switches in [vec![], vec![Switch::ReferrersOff]] {
        let gateway = Gateway::with(&[APP], Options { switches, ..Options::default() }).await;
        let mut candidates = Vec::new();
        for version in ["1.2.0", "1.2.1", "1.2.2", "1.2.3", "1.2.4"] {
            candidates.push(gateway.release(version).await);
        }
        let repository = gateway.repository(APP);
        gateway.run(&["withdraw", &repository, "--version", "1.2.1", "--reason", "x"]).await.exits(0);
        let before = gateway.registry.snapshot();
        assert!(deleted(&retain(&gateway, &[]).await.is("planned", 0)).is_empty());
        let run = retain(&gateway, &["--keep-last", "1"]).await.is("planned", 0);
        assert_eq!(gateway.registry.snapshot(), before);
        // 1.2.4 is shown, 1.2.3 is where channels would go next, 1.2.1 was withdrawn.
        assert_eq!(tags(&run, "delete"), ["1.2.0", "v1.2.0", "1.2.2", "v1.2.2"].map(str::to_owned).into(), "{run}");
        let gone = deleted(&run);
        for kept in [&candidates[1], &candidates[3], &candidates[4]] {
            for node in nodes(&gateway.registry, APP, digest(kept)) {
                assert!(!gone.contains(&node), "{node} is live: {run}");
                assert!(gateway.registry.referrers(APP, &node).iter().all(|r| !gone.contains(r)), "{run}");
            }
        }
        assert!(gone.len() > 2 * (3 + 11), "children and referrers go along: {run}");

        retain(&gateway, &["--keep-last", "1", "--apply"]).await.is("deleted", 0);
        for tag in ["latest", "1.2", "1", "1.2.4", "1.2.3"] {
            gateway.run(&["resolve", &gateway.tagged(tag)]).await.verdict("verified", 0);
        }
        gateway.run(&["resolve", &gateway.tagged("1.2.1")]).await.exits(4).because("withdrawn");
        gateway.run(&["resolve", &gateway.tagged("1.2.0")]).await.exits(5);
        retain(&gateway, &["--keep-last", "1", "--apply"]).await.is("unchanged", 0);
        gateway.run(&["audit", &repository]).await.exits(0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_young_foreign_or_shared_stays() {
    let gateway = Gateway::start().await;
    for version in ["1.2.0", "1.2.1", "1.2.2"] {
        gateway.release(version).await;
    }
    let run = retain(&gateway, &["--keep-last", "0", "--older-than", "1d"]).await.is("planned", 0);
    assert!(deleted(&run).is_empty(), "{run}");
    // Somebody keeps the oldest under another name, and has images of their own.
    gateway.registry.set_tag(APP, "stable", &gateway.tags()["1.2.0"]);
    gateway.registry.set_tag(APP, "0.0.1", digest(&gateway.build("foreign")));
    let run = retain(&gateway, &["--keep-last", "0"]).await.is("planned", 0);
    assert!(deleted(&run).is_empty(), "{run}");
    retain(&gateway, &["--apply"]).await.exits(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_every_look_there_is_no_plan_and_without_delete_no_deletion() {
    let gateway = Gateway::with(&[APP], Options { switches: vec![Switch::NoDelete], ..Options::default() }).await;
    for version in ["1.2.0", "1.2.1", "1.2.2"] {
        gateway.release(version).await;
    }
    for pattern in ["/tags/list", "/referrers/", "/manifests/1.2.0$"] {
        gateway.registry.faults().add(When::any().matching(pattern), Place::Before, Fault::Status(500));
        let run = retain(&gateway, &["--keep-last", "0", "--apply", "--timeout", "2s"]).await.is("unknown", 7);
        assert!(deleted(&run).is_empty(), "{run}");
        gateway.registry.faults().clear_faults();
    }
    let before = gateway.registry.snapshot();
    retain(&gateway, &["--keep-last", "0", "--apply"]).await.is("incomplete", 7);
    assert_eq!(gateway.registry.snapshot(), before);
}
