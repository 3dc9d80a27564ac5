//! `audit`: whatever does not fit the records is found, with the way to mend it; what cannot be looked at is no finding.

use std::collections::BTreeSet;

use countersign_sandbox::registry::{Fault, Options, Place, Switch, When};
use serde_json::Value;

use crate::support::{APP, Gateway, Run, digest};

async fn audit(gateway: &Gateway, flags: &[&str]) -> Run {
    gateway.run(&[&["audit", &gateway.repository(APP)], flags].concat()).await
}

/// `tag code` of each finding.
fn findings(run: &Run) -> BTreeSet<String> {
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    let json = run.json();
    assert_eq!(json["kind"], "Audit", "{run}");
    let all = json["findings"].as_array().unwrap().iter();
    all.map(|f| {
        assert!(!text(&f["help"]).is_empty() && !text(&f["message"]).is_empty(), "{run}");
        assert!(text(&f["repository"]).ends_with(APP) && text(&f["digest"]).starts_with("sha256:"), "{run}");
        format!("{} {}", text(&f["tag"]), text(&f["code"]))
    })
    .collect()
}

fn set(lines: &[&str]) -> BTreeSet<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_as_it_should_be_has_no_findings() {
    for switches in [vec![], vec![Switch::ReferrersOff]] {
        let gateway = Gateway::with(&[APP], Options { switches, ..Options::default() }).await;
        gateway.release("1.2.0").await;
        gateway.release("1.3.0").await;
        gateway.registry.clear_log();
        let run = audit(&gateway, &[]).await.exits(0);
        assert_eq!((findings(&run), gateway.writes()), (set(&[]), Vec::<String>::new()), "{run}");
        assert_eq!(run.json()["checked"][0]["trees"], 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn moves_by_others_are_found_tag_by_tag() {
    let gateway = Gateway::start().await;
    let old = gateway.release("1.2.0").await;
    gateway.release("1.3.0").await;
    gateway.release("2.0.0").await;
    let foreign = gateway.build("foreign");
    let point = |tag: &str, at: &str| gateway.registry.set_tag(APP, tag, digest(at));
    point("latest", &foreign);
    point("1", &old);
    point("9.9.9", &foreign);
    point("1.3.0", &old);
    point("stable", &old);
    let run = audit(&gateway, &[]).await.exits(4);
    let expected = [
        "latest foreign-target",
        "1 not-highest",
        "9.9.9 unsigned",
        "1.3.0 tag-not-authorised",
        "stable tag-not-authorised",
    ];
    assert_eq!(findings(&run), set(&expected), "{run}");
    gateway.run(&["rollback", &gateway.tagged("latest")]).await.exits(0);
    gateway.run(&["promote", &gateway.reference(APP, &gateway.tags()["v1.3.0"]), "--version", "1.3.0"]).await.exits(8);
    let after = findings(&audit(&gateway, &[]).await.exits(4));
    assert!(!after.contains("latest foreign-target"), "{after:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_children_and_nodes_without_evidence_are_found() {
    let gateway = Gateway::start().await;
    let candidate = gateway.release("1.2.0").await;
    let children: Vec<String> =
        crate::support::evidence::nodes(&gateway.registry, APP, digest(&candidate)).into_iter().skip(1).collect();
    let referrer = gateway.registry.referrers(APP, &children[0]).remove(0);
    gateway.registry.delete_manifest(APP, &referrer);
    let run = audit(&gateway, &[]).await.exits(4);
    assert!(findings(&run).iter().all(|f| f == "1.2.0 missing-attestation" || f == "1.2.0 unsigned"), "{run}");
    gateway.registry.delete_manifest(APP, &children[1]);
    let run = audit(&gateway, &[]).await.exits(4);
    assert!(findings(&run).contains("1.2.0 child-missing"), "{run}");
}

#[tokio::test(flavor = "multi_thread")]
async fn stale_scans_and_unfinished_operations_are_found() {
    let gateway = Gateway::start().await;
    gateway.release("1.2.0").await;
    gateway.release("1.3.0").await;
    let repository = gateway.repository(APP);
    gateway.run(&["withdraw", &repository, "--version", "1.3.0", "--reason", "x"]).await.exits(0);
    gateway.registry.set_tag(APP, "latest", &gateway.tags()["1.3.0"]);
    let run = audit(&gateway, &[]).await.exits(4);
    assert_eq!(findings(&run), set(&["1.3 withdrawn", "latest withdrawn"]), "{run}");
    gateway.configure(&[APP], "policy: { scan: { max-age: 0h } }");
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    let run = audit(&gateway, &[]).await;
    if run.code != 2 {
        assert!(findings(&run).contains("1.2.0 scan-too-old"), "{run}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_looked_at_is_unknown_and_no_finding() {
    let gateway = Gateway::start().await;
    gateway.release("1.2.0").await;
    for (pattern, status, code) in [("/tags/list", 500, 7), ("/referrers/", 500, 7), ("/tags/list", 403, 6)] {
        gateway.registry.faults().add(When::method("GET").matching(pattern), Place::Before, Fault::Status(status));
        let run = audit(&gateway, &["--timeout", "2s"]).await.exits(code);
        assert_eq!(findings(&run), set(&[]), "{run}");
        gateway.registry.faults().clear();
    }
    // A withdrawal may stand in a referrers API that gives no usable answer.
    gateway.registry.faults().on(Switch::ReferrersStatus(405));
    assert_eq!(findings(&audit(&gateway, &[]).await.exits(7)), set(&[]));
    gateway.registry.faults().clear_switches();
    let nowhere = gateway.repository("acme/none");
    gateway.run(&["audit", &nowhere]).await.exits(5);
    gateway.run(&["audit"]).await.exits(2);
}
