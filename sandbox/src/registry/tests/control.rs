//! The control port, and the names of switches and faults.

use super::{Answer, Bed, OCI_INDEX, Switch};
use crate::registry::{Control, Fault, When};

async fn ask(control: &Control, method: &str, target: &str) -> Answer {
    super::send(control.origin().strip_prefix("http://").unwrap(), method, target, &[], b"").await.unwrap()
}

#[tokio::test]
async fn log_and_snapshot_are_read_and_the_log_cleared() {
    let bed = Bed::new(vec![]).await;
    let control = bed.registry.control().await.unwrap();
    bed.put_index("v1").await;
    let log = ask(&control, "GET", "/log").await.json();
    assert_eq!((&log[0]["number"], &log[0]["method"], &log[0]["status"]), (&1.into(), &"PUT".into(), &201.into()));
    let snapshot = ask(&control, "GET", "/snapshot").await.json();
    assert_eq!(snapshot["org/app"]["tags"]["v1"], bed.sample.digest);
    ask(&control, "DELETE", "/log").await;
    assert_eq!(ask(&control, "GET", "/log").await.json(), serde_json::json!([]));
}

#[tokio::test]
async fn switches_and_faults_are_set_and_cleared() {
    let bed = Bed::new(vec![]).await;
    let control = bed.registry.control().await.unwrap();
    assert_eq!(ask(&control, "PUT", "/switches/referrers-status=405").await.status, 200);
    assert_eq!(bed.get(&bed.referrers_path()).await.status, 405);
    assert_eq!(ask(&control, "DELETE", "/switches").await.status, 200);
    assert_eq!(bed.get(&bed.referrers_path()).await.status, 200);
    assert_eq!(ask(&control, "POST", "/faults?fault=status=503&method=GET&path=%2Ftags%2F&nth=2").await.status, 200);
    let mut seen = Vec::new();
    for target in ["/v2/", "/v2/org/app/tags/list", "/v2/org/app/tags/list", "/v2/org/app/tags/list"] {
        seen.push(bed.get(target).await.status);
    }
    assert_eq!(seen, [200, 200, 503, 200]);
    for wrong in ["/faults?fault=none", "/faults?fault=close&path=(", "/faults", "/stop?place=middle"] {
        assert_eq!(ask(&control, "POST", wrong).await.status, 400, "{wrong}");
    }
}

#[tokio::test]
async fn a_stop_answers_when_a_request_is_held_and_release_lets_it_go() {
    let bed = std::sync::Arc::new(Bed::new(vec![]).await);
    let control = std::sync::Arc::new(bed.registry.control().await.unwrap());
    let held = tokio::spawn({
        let control = control.clone();
        async move { ask(&control, "POST", "/stop?method=PUT&place=after").await.json() }
    });
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    let client = tokio::spawn({
        let bed = bed.clone();
        let headers = [("content-type", OCI_INDEX)];
        async move { bed.maybe("PUT", "/v2/org/app/manifests/v1", &headers, &bed.sample.manifest).await.is_none() }
    });
    assert_eq!(held.await.unwrap()["method"], "PUT");
    assert!(bed.registry.tag_digest("org/app", "v1").is_some());
    ask(&control, "POST", "/release").await;
    assert!(client.await.unwrap(), "the answer is lost");
}

#[test]
fn every_name_is_understood_and_others_are_refused() {
    for name in [
        "referrers-off",
        "referrers-status=405",
        "referrers-redirect=http://x",
        "referrers-unfiltered",
        "no-oci-subject",
        "lying-oci-subject",
        "no-location",
        "no-digest-header",
        "relative-location",
        "stale-tag-reads=2",
        "stale-tags-for=50",
        "latency=5",
        "foreign-realm=http://x",
        "blob-redirect=http://x",
        "immutable-tags=^v",
        "digest-as-tag",
        "multi-tag",
        "page-size=2",
        "no-paging",
        "accept-by-name",
        "no-tag-delete",
        "no-delete",
        "no-single-post",
        "no-mount",
        "expired-is-forbidden",
        "warning=text",
    ] {
        assert!(name.parse::<Switch>().is_ok(), "{name}");
    }
    for name in [
        "status=500",
        "rate-limited",
        "rate-limited=2",
        "rate-limited=12.5ms",
        "secondary-rate-limit",
        "redirect=http://x",
        "wrong-bytes",
        "truncated-body",
        "endless-body",
        "delay=5",
        "reset",
        "close",
    ] {
        assert!(name.parse::<Fault>().is_ok(), "{name}");
    }
    for name in ["", "latency", "latency=soon", "immutable-tags=(", "status"] {
        assert!(name.parse::<Switch>().is_err() && name.parse::<Fault>().is_err(), "{name}");
    }
    assert!("request=3&method=PUT".parse::<When>().is_err());
}
