//! `rollback`: one channel goes back, is recorded, and is held until a release above the version rolled back from.

use crate::support::{APP, Gateway, Run, digest};

async fn rollback(gateway: &Gateway, channel: &str, flags: &[&str]) -> Run {
    gateway.run(&[&["rollback", &gateway.tagged(channel)], flags].concat()).await
}

async fn resolves(gateway: &Gateway, tag: &str, version: &str) {
    let run = gateway.run(&["resolve", &gateway.tagged(tag)]).await.verdict("verified", 0);
    assert_eq!(run.json()["version"], version, "{run}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_goes_back_and_is_held_until_a_release_above() {
    let gateway = Gateway::start().await;
    let old = gateway.release("1.2.3").await;
    let bad = gateway.release("1.4.0").await;
    let before = gateway.tags();
    rollback(&gateway, "latest", &["--plan"]).await.is("planned", 0);
    assert_eq!(gateway.tags(), before);
    let run = rollback(&gateway, "latest", &["--to", "1.2.3"]).await.is("rolled-back", 0);
    let json = run.json();
    assert_eq!((&json["from"], &json["to"], &json["heldThrough"]), (&"1.4.0".into(), &"1.2.3".into(), &"1.4.0".into()));
    assert_eq!(gateway.tags()["latest"], digest(&old));
    assert_eq!(gateway.tags()["1"], digest(&bad), "other channels stay");
    resolves(&gateway, "latest", "1.2.3").await;
    resolves(&gateway, "1", "1.4.0").await;
    resolves(&gateway, "1.4.0", "1.4.0").await;

    gateway.registry.clear_log();
    let entries = gateway.sigstore.rekor_size();
    rollback(&gateway, "latest", &["--to", "1.2.3"]).await.is("unchanged", 0);
    rollback(&gateway, "latest", &[]).await.is("unchanged", 0);
    assert_eq!((gateway.writes(), gateway.sigstore.rekor_size()), (Vec::<String>::new(), entries));

    gateway.promote(&bad, "1.4.0").await.is("unchanged", 0);
    let between = gateway.release("1.3.0").await;
    assert_eq!(gateway.tags()["latest"], digest(&old), "held");
    assert_eq!(gateway.tags()["1.3"], digest(&between));
    resolves(&gateway, "latest", "1.2.3").await;
    let above = gateway.release("1.4.1").await;
    assert_eq!(gateway.tags()["latest"], digest(&above));
    resolves(&gateway, "latest", "1.4.1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_can_go_further_back_and_be_undone() {
    let gateway = Gateway::start().await;
    let (one, two, three) =
        (gateway.release("1.1.0").await, gateway.release("1.2.0").await, gateway.release("1.3.0").await);
    for (to, expected) in [("1.2.0", &two), ("1.1.0", &one), ("1.3.0", &three), ("1.1.0", &one), ("1.2.0", &two)] {
        rollback(&gateway, "latest", &["--to", to]).await.is("rolled-back", 0);
        assert_eq!(gateway.tags()["latest"], digest(expected), "{to}");
        resolves(&gateway, "latest", to).await;
        // Statements are ordered by their trusted second.
        tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    }
    let repository = gateway.repository(APP);
    gateway.run(&["withdraw", &repository, "--version", "1.2.0", "--reason", "x"]).await.is("withdrawn", 0);
    assert_eq!(gateway.tags()["latest"], digest(&one), "the hold stays");
    resolves(&gateway, "latest", "1.1.0").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_target_is_replaced_by_what_counts() {
    let gateway = Gateway::start().await;
    let good = gateway.release("1.2.3").await;
    gateway.registry.set_tag(APP, "latest", digest(&gateway.build("evil")));
    gateway.run(&["resolve", &gateway.tagged("latest")]).await.exits(4);
    rollback(&gateway, "latest", &[]).await.is("rolled-back", 0);
    assert_eq!(gateway.tags()["latest"], digest(&good));
    resolves(&gateway, "latest", "1.2.3").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_rolled_back_says_why() {
    let gateway = Gateway::start().await;
    gateway.release("1.2.3").await;
    rollback(&gateway, "latest", &[]).await.is("unknown", 5).because("not-found");
    rollback(&gateway, "3", &[]).await.is("unknown", 5).because("not-found");
    rollback(&gateway, "latest", &["--to", "1.0.0"]).await.is("unknown", 5).because("not-found");
    rollback(&gateway, "1.2.3", &[]).await.exits(2);
    rollback(&gateway, "main", &[]).await.exits(2);
    rollback(&gateway, "1", &["--to", "2.0.0"]).await.exits(2);
    gateway.release("1.2.4").await;
    let repository = gateway.repository(APP);
    gateway.run(&["withdraw", &repository, "--version", "1.2.3", "--reason", "x"]).await.is("withdrawn", 0);
    rollback(&gateway, "latest", &["--to", "1.2.3"]).await.is("denied", 3).because("withdrawn");
}
