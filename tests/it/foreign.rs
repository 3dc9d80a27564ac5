//! Somebody else moves tags while a promote runs. No registry offers compare-and-swap, so one round trip, between the last
//! look at a tag and the end of its write, stays blind; everything outside it is seen (docs/reliability.md).

use std::time::Duration;

use countersign_sandbox::registry::{Fault, Place, RetryAfter, Switch, When};

use crate::support::{APP, Gateway, Run, digest, sample};

/// Long enough to act in.
const PAUSE: Duration = Duration::from_millis(700);

/// Releases 1.2.3, and calls `act` once the first PUT of `tag` has arrived and met `fault`.
async fn while_writing(gateway: &Gateway, tag: &str, place: Place, fault: Fault, act: impl Fn()) -> Run {
    let candidate = gateway.build("1.2.3");
    gateway.registry.clear_log();
    let put = format!("/v2/{APP}/manifests/{tag}");
    let when = When::method("PUT").matching(&format!("/manifests/{}$", regex::escape(tag))).first(1);
    gateway.registry.faults().add(when, place, fault.clone());
    let run = gateway.command(&["promote", &candidate, "--version", "1.2.3"]).output();
    let arrived = async {
        let answered = |status: Option<u16>| !matches!(fault, Fault::RateLimited(_)) || status.is_some();
        let here = || gateway.registry.log().iter().any(|r| r.method == "PUT" && r.path() == put && answered(r.status));
        while !here() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // Past its effect, where the answer is what comes late.
        tokio::time::sleep(PAUSE / 7).await;
        act();
    };
    let (output, ()) = tokio::join!(run, arrived);
    Run::of(output.unwrap())
}

/// Puts a build of somebody else, which no record explains, under `tag`.
fn taken(gateway: &Gateway, tag: &str) -> String {
    let foreign = digest(&gateway.push(APP, &sample("foreign"))).to_owned();
    gateway.registry.set_tag(APP, tag, &foreign);
    foreign
}

#[tokio::test(flavor = "multi_thread")]
async fn i4_a_foreign_move_after_our_write_is_a_conflict_and_stays() {
    for (tag, code) in [("latest", "tag-moved"), ("1.2", "tag-moved"), ("1.2.3", "tag-taken")] {
        let gateway = Gateway::start().await;
        gateway.release("1.2.2").await;
        let act = || drop(taken(&gateway, tag));
        let run = while_writing(&gateway, tag, Place::After, Fault::Delay(PAUSE), act).await;
        run.is("conflict", 8).because(code);
        assert_eq!(gateway.tags()[tag], taken(&gateway, tag), "{tag}");
        // A version that was taken stops the run before any channel.
        assert!(tag != "1.2.3" || gateway.tags()["latest"] != digest(&gateway.build("1.2.3")));
    }
}

/// A failed write is not sent again over what somebody put there meanwhile: between two attempts lies a pause.
#[tokio::test(flavor = "multi_thread")]
async fn i3_i4_a_write_is_not_replayed_over_a_foreign_move() {
    // The pause is long enough to act in on any machine.
    let slow_down = Fault::RateLimited(RetryAfter::Seconds(2));
    for (tag, code) in [("latest", "tag-moved"), ("v1.2.3", "tag-taken")] {
        for place in [Place::Before, Place::After] {
            let gateway = Gateway::start().await;
            let act = || drop(taken(&gateway, tag));
            let run = while_writing(&gateway, tag, place, slow_down.clone(), act).await;
            run.is("conflict", 8).because(code);
            assert_eq!(gateway.tags()[tag], taken(&gateway, tag), "{tag}, {place:?}");
        }
    }
}

/// The same with one PUT for a whole phase.
#[tokio::test(flavor = "multi_thread")]
async fn i4_a_failed_write_of_several_tags_is_not_replayed_over_a_foreign_move() {
    let gateway = Gateway::start().await;
    gateway.registry.faults().on(Switch::MultiTag);
    let candidate = gateway.build("1.2.3");
    gateway.registry.clear_log();
    let put = When::method("PUT").matching("tag=1.2$|tag=1.2&|tag=1&|tag=1$").first(1);
    gateway.registry.faults().add(put, Place::Before, Fault::Status(503));
    gateway.registry.faults().add(
        When::method("HEAD").matching("/manifests/1.2$").nth(2),
        Place::Before,
        Fault::Delay(PAUSE),
    );
    let run = gateway.command(&["promote", &candidate, "--version", "1.2.3"]).output();
    let act = async {
        let failed = || gateway.registry.log().iter().any(|r| r.method == "PUT" && r.status == Some(503));
        while !failed() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        taken(&gateway, "1.2")
    };
    let (output, foreign) = tokio::join!(run, act);
    Run::of(output.unwrap()).is("conflict", 8).because("tag-moved");
    assert_eq!(gateway.tags()["1.2"], foreign);
    assert_eq!(gateway.tags()["1"], digest(&candidate), "its neighbour is written singly");
}

/// Somebody puts an older release back by hand: our record wins, as it would have a moment later.
#[tokio::test(flavor = "multi_thread")]
async fn i4_a_channel_moved_back_after_our_write_is_moved_forward_again() {
    let gateway = Gateway::start().await;
    let older = gateway.release("1.2.2").await;
    gateway.release("1.2.1").await;
    let act = || gateway.registry.set_tag(APP, "latest", &gateway.tags()["1.2.1"]);
    while_writing(&gateway, "latest", Place::After, Fault::Delay(PAUSE), act).await.is("promoted", 0);
    assert_eq!(gateway.tags()["latest"], gateway.tags()["1.2.3"]);
    assert_ne!(gateway.tags()["latest"], digest(&older));
}

/// Where the registry obeys conditions there is no window: what somebody else wrote stays.
#[tokio::test(flavor = "multi_thread")]
async fn i3_i4_a_registry_that_obeys_conditions_leaves_no_window() {
    for (tag, code) in [("latest", "tag-moved"), ("v1.2.3", "tag-taken")] {
        let gateway = Gateway::start().await;
        gateway.registry.faults().on(Switch::ConditionalPut);
        gateway.release("1.2.2").await;
        let act = || drop(taken(&gateway, tag));
        let run = while_writing(&gateway, tag, Place::Before, Fault::Delay(PAUSE), act).await;
        run.is("conflict", 8).because(code);
        assert_eq!(gateway.tags()[tag], taken(&gateway, tag), "{tag}");
    }
}

/// A condition that fails although nobody moved the tag is the registry's own idea of entity tags: the looks still hold.
#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_misreads_conditions_gets_writes_without_them() {
    let gateway = Gateway::start().await;
    gateway.registry.faults().on(Switch::MisreadConditions);
    gateway.release("1.2.2").await;
    gateway.release("1.2.3").await;
    assert_eq!(gateway.tags()["latest"], gateway.tags()["1.2.3"]);
    let refused = gateway.registry.log().iter().filter(|r| r.method == "PUT" && r.status == Some(412)).count();
    assert!((1..=5).contains(&refused), "asked once, then no more: {refused}");
}

/// As it is, not as it should be: between HEAD and PUT nobody can see anything. The window is one round trip.
#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_move_between_look_and_write_is_overwritten() {
    let gateway = Gateway::start().await;
    gateway.release("1.2.2").await;
    let act = || drop(taken(&gateway, "latest"));
    while_writing(&gateway, "latest", Place::Before, Fault::Delay(PAUSE), act).await.is("promoted", 0);
    assert_eq!(gateway.tags()["latest"], gateway.tags()["1.2.3"]);
}

/// Moved when the run had looked for the last time: the next command says so.
#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_move_after_the_run_is_found_by_audit_resolve_and_the_next_promote() {
    let gateway = Gateway::start().await;
    let candidate = gateway.release("1.2.3").await;
    let foreign = taken(&gateway, "latest");
    let audit = gateway.run(&["audit", &gateway.repository(APP)]).await.exits(4);
    assert!(audit.stdout.contains("foreign-target"), "{audit}");
    gateway.run(&["resolve", &gateway.tagged("latest")]).await.verdict("refuted", 4);
    gateway.promote(&candidate, "1.2.3").await.is("conflict", 8).because("foreign-target");
    let next = gateway.build("1.2.4");
    gateway.promote(&next, "1.2.4").await.is("conflict", 8).because("foreign-target");
    assert_eq!(gateway.tags()["latest"], foreign);
}
