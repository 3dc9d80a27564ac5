//! `withdraw`: recorded, resumable, deletes nothing; the version is resolved and promoted no more.

use crate::support::evidence::statements;
use crate::support::{APP, Gateway, digest};

const WITHDRAWAL: &str = "https://countersign.dev/withdrawal/v1";

async fn withdraw(gateway: &Gateway, version: &str, flags: &[&str]) -> crate::support::Run {
    let repository = gateway.repository(APP);
    gateway.run(&[&["withdraw", &repository, "--version", version, "--reason", "it is broken"], flags].concat()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_go_to_the_best_remaining_version_and_nothing_is_deleted() {
    let gateway = Gateway::start().await;
    let old = gateway.release("1.2.3").await;
    let bad = gateway.release("1.3.0").await;
    let before = gateway.tags();
    let plan = withdraw(&gateway, "1.3.0", &["--plan"]).await.is("planned", 0);
    assert_eq!(gateway.tags(), before, "{plan}");
    let run = withdraw(&gateway, "1.3.0", &[]).await.is("withdrawn", 0);
    let tags = gateway.tags();
    assert_eq!((&tags["latest"], &tags["1"]), (&digest(&old).to_owned(), &digest(&old).to_owned()), "{run}");
    assert_eq!((&tags["v1.3.0"], &tags["1.3.0"]), (&digest(&bad).to_owned(), &digest(&bad).to_owned()));
    // Nothing is left in this scope; the tag stays, and is not resolved.
    assert_eq!(tags["1.3"], digest(&bad));
    let statement = &statements(&gateway.registry, APP, digest(&bad))[WITHDRAWAL]["predicate"];
    assert_eq!((&statement["version"], &statement["reason"]), (&"1.3.0".into(), &"it is broken".into()));

    for tag in ["1.3.0", "v1.3.0", "1.3"] {
        gateway.run(&["resolve", &gateway.tagged(tag)]).await.verdict("refuted", 4).because("withdrawn");
    }
    for tag in ["latest", "1", "1.2"] {
        let run = gateway.run(&["resolve", &gateway.tagged(tag)]).await.verdict("verified", 0);
        assert_eq!(run.json()["version"], "1.2.3");
    }
    gateway.promote(&bad, "1.3.0").await.is("denied", 3).because("withdrawn");
    assert_eq!(gateway.tags(), tags);

    gateway.registry.clear_log();
    let entries = gateway.sigstore.rekor_size();
    withdraw(&gateway, "1.3.0", &[]).await.is("unchanged", 0);
    assert_eq!((gateway.writes(), gateway.sigstore.rekor_size()), (Vec::<String>::new(), entries));
    let next = gateway.release("1.3.1").await;
    assert_eq!(
        (&gateway.tags()["latest"], &gateway.tags()["1.3"]),
        (&digest(&next).to_owned(), &digest(&next).to_owned())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawal_of_the_only_version_is_followed_by_a_lower_release() {
    let gateway = Gateway::start().await;
    gateway.release("1.3.0").await;
    let run = withdraw(&gateway, "1.3.0", &[]).await.is("withdrawn", 0);
    assert!(run.actions_of_operation().iter().all(|(_, action)| action == "skip"), "{run}");
    gateway.run(&["resolve", &gateway.tagged("latest")]).await.verdict("refuted", 4).because("withdrawn");
    let lower = gateway.release("1.2.9").await;
    assert_eq!(gateway.tags()["latest"], digest(&lower));
    gateway.run(&["resolve", &gateway.tagged("latest")]).await.verdict("verified", 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_withdrawn_says_why() {
    let gateway = Gateway::start().await;
    gateway.release("1.2.3").await;
    withdraw(&gateway, "9.9.9", &[]).await.is("unknown", 5).because("not-found");
    gateway.registry.set_tag(APP, "2.0.0", digest(&gateway.build("2.0.0")));
    withdraw(&gateway, "2.0.0", &[]).await.is("refuted", 4).because("missing-attestation");
    let repository = gateway.repository(APP);
    gateway.run(&["withdraw", &repository, "--version", "1.2.3"]).await.exits(2);
    gateway.run(&["withdraw", &repository, "--version", "1.2.3", "--reason", " "]).await.exits(2);
    gateway.token(&gateway.sigstore.email_token("somebody@example.com"));
    let before = gateway.registry.snapshot();
    withdraw(&gateway, "1.2.3", &[]).await.is("refuted", 4).because("identity-mismatch");
    assert_eq!(gateway.registry.snapshot(), before);
}
