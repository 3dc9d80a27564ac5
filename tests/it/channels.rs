//! I4 and I5: channels only go forward, whatever order releases come in.

use countersign_sandbox::registry::{Fault, Place, When};

use crate::support::{Gateway, Run, digest};

/// Promotes these versions one after another and returns the gateway with the candidates.
async fn in_order(versions: &[&str]) -> (Gateway, Vec<String>) {
    let gateway = Gateway::start().await;
    let mut candidates = Vec::new();
    for version in versions {
        candidates.push(gateway.release(version).await);
    }
    (gateway, candidates)
}

/// Which version each channel shows.
fn shows(gateway: &Gateway, tag: &str) -> String {
    let tags = gateway.tags();
    let version = tags.iter().find(|(name, d)| name.starts_with('v') && **d == tags[tag]);
    version.map(|(name, _)| name.trim_start_matches('v').to_owned()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn i4_ten_comes_after_nine() {
    let (gateway, _) = in_order(&["1.9.0", "1.10.0"]).await;
    assert_eq!((shows(&gateway, "1"), shows(&gateway, "latest")), ("1.10.0".to_owned(), "1.10.0".to_owned()));
    assert_eq!(shows(&gateway, "1.9"), "1.9.0");
}

#[tokio::test(flavor = "multi_thread")]
async fn i4_a_backport_moves_its_own_channel_only() {
    let (gateway, _) = in_order(&["1.2.0", "1.3.0"]).await;
    let backport = gateway.build("1.2.1");
    let before = gateway.registry.snapshot();
    let plan = gateway.promote_with(&backport, "1.2.1", &["--plan"]).await.is("planned", 0);
    assert_eq!(gateway.registry.snapshot(), before);
    let run = gateway.promote(&backport, "1.2.1").await.is("promoted", 0);
    assert_eq!(plan.actions(), run.actions());
    let skipped: Vec<String> = run.actions().into_iter().filter(|(_, a)| a == "skip").map(|(tag, _)| tag).collect();
    assert_eq!(skipped, ["1", "latest"], "{run}");
    assert!(run.stdout.contains("1.3.0 is"), "the reason of a skip names the higher version: {run}");
    assert_eq!((shows(&gateway, "1.2"), shows(&gateway, "1.3")), ("1.2.1".to_owned(), "1.3.0".to_owned()));
    assert_eq!((shows(&gateway, "1"), shows(&gateway, "latest")), ("1.3.0".to_owned(), "1.3.0".to_owned()));
    gateway.promote(&backport, "1.2.1").await.is("unchanged", 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn i4_the_order_of_releases_does_not_matter() {
    let orders = [
        ["1.2.0", "1.2.1", "1.3.0", "2.0.0"],
        ["2.0.0", "1.3.0", "1.2.1", "1.2.0"],
        ["1.3.0", "2.0.0", "1.2.0", "1.2.1"],
    ];
    let mut states = Vec::new();
    for order in orders {
        let (gateway, _) = in_order(&order).await;
        states.push(gateway.tags());
        assert_eq!((shows(&gateway, "1"), shows(&gateway, "2")), ("1.3.0".to_owned(), "2.0.0".to_owned()));
        assert_eq!((shows(&gateway, "1.2"), shows(&gateway, "latest")), ("1.2.1".to_owned(), "2.0.0".to_owned()));
    }
    assert!(states.windows(2).all(|pair| pair[0] == pair[1]), "{states:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn i4_two_promotes_at_once_end_with_the_higher_version() {
    let gateway = Gateway::start().await;
    let (low, high) = (gateway.build("1.2.0"), gateway.build("1.3.0"));
    let (a, b) = tokio::join!(gateway.promote(&low, "1.2.0"), gateway.promote(&high, "1.3.0"));
    a.is("promoted", 0);
    b.is("promoted", 0);
    assert_eq!((shows(&gateway, "1"), shows(&gateway, "latest")), ("1.3.0".to_owned(), "1.3.0".to_owned()));
    assert_eq!((shows(&gateway, "1.2"), shows(&gateway, "1.3")), ("1.2.0".to_owned(), "1.3.0".to_owned()));
}

/// The worst interleaving: the lower version's `latest` lands after the higher release has finished.
#[tokio::test(flavor = "multi_thread")]
async fn i4_a_late_write_of_a_lower_version_is_repaired_by_its_own_second_look() {
    let gateway = Gateway::start().await;
    let (low, high) = (gateway.build("1.2.0"), gateway.build("1.3.0"));
    let mut stop =
        gateway.registry.faults().stop(When::method("PUT").matching("/manifests/latest$").first(1), Place::Before);
    let running = tokio::spawn(gateway.command(&["promote", &low, "--version", "1.2.0"]).output());
    stop.wait_for_stop().await.unwrap();
    // The held PUT will be sent again by the client once its connection is cut.
    gateway.promote(&high, "1.3.0").await.is("promoted", 0);
    assert_eq!(shows(&gateway, "latest"), "1.3.0");
    stop.release();
    let run = Run::of(running.await.unwrap().unwrap()).exits(0);
    assert_eq!((shows(&gateway, "1"), shows(&gateway, "latest")), ("1.3.0".to_owned(), "1.3.0".to_owned()), "{run}");
}

/// Killed between its last PUT and the second look, while a higher version had its version tags only.
#[tokio::test(flavor = "multi_thread")]
async fn i4_a_run_killed_before_its_second_look_is_finished_by_the_rerun() {
    let gateway = Gateway::start().await;
    let (low, high) = (gateway.release("1.2.0").await, gateway.build("1.3.0"));
    // The higher release gets its version tags, then fails at its channels.
    gateway.registry.faults().add(
        When::method("PUT").matching("/manifests/(1|1\\.3|latest)$"),
        Place::Before,
        Fault::Status(403),
    );
    gateway.promote(&high, "1.3.0").await.is("incomplete", 6);
    gateway.registry.faults().clear();
    assert_eq!(shows(&gateway, "latest"), "1.2.0");
    gateway.promote(&low, "1.2.0").await.is("promoted", 0);
    assert_eq!((shows(&gateway, "1"), shows(&gateway, "latest")), ("1.3.0".to_owned(), "1.3.0".to_owned()));
    gateway.promote(&low, "1.2.0").await.is("unchanged", 0);
    gateway.promote(&high, "1.3.0").await.is("promoted", 0);
    assert_eq!(shows(&gateway, "1.3"), "1.3.0");
}

#[tokio::test(flavor = "multi_thread")]
async fn i5_a_pre_release_gets_its_version_tags_only() {
    let (gateway, candidates) = in_order(&["1.2.3", "2.0.0-rc.1"]).await;
    let rc = digest(&candidates[1]);
    let tags: Vec<String> = gateway.tags().into_iter().filter(|(_, d)| d == rc).map(|(tag, _)| tag).collect();
    assert_eq!(tags, ["2.0.0-rc.1", "v2.0.0-rc.1"]);
    assert_eq!(gateway.tags()["latest"], digest(&candidates[0]));
    gateway.run(&["resolve", &gateway.tagged("v2.0.0-rc.1")]).await.verdict("verified", 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn i4_a_tag_list_that_cannot_be_read_moves_no_channel() {
    let gateway = Gateway::start().await;
    gateway.release("1.2.3").await;
    let candidate = gateway.build("1.2.4");
    let before = gateway.registry.snapshot();
    for fault in [Fault::Status(500), Fault::TruncatedBody] {
        let place = if matches!(fault, Fault::TruncatedBody) { Place::After } else { Place::Before };
        gateway.registry.faults().add(When::method("GET").matching("/tags/list"), place, fault);
        let run = gateway.promote_with(&candidate, "1.2.4", &["--timeout", "2s"]).await.is("unknown", 7);
        run.because("list-incomplete");
        gateway.registry.faults().clear();
        assert_eq!(gateway.registry.snapshot(), before);
    }
}
