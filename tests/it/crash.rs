//! I8: the client is killed at chosen requests; whatever stands verifies, and the same command run again finishes.
//!
//! Every tenth request in every run; `COUNTERSIGN_CRASH_EVERY=1` tries them all.

use std::time::Duration;

use countersign_sandbox::registry::{Options, Place, Switch, When};
use futures_util::stream::{self, StreamExt};

use crate::support::evidence::attached;
use crate::support::{APP, Gateway, Run, digest};

/// Between two kill points.
const STRIDE: u64 = 10;
/// No promote of the sample needs more requests than this.
const MOST_REQUESTS: u64 = 400;

fn stride() -> u64 {
    let chosen = std::env::var_os("COUNTERSIGN_CRASH_EVERY").and_then(|v| v.to_str()?.parse().ok());
    chosen.unwrap_or(STRIDE)
}

/// What a finished release looks like to clients.
async fn fault_free(switches: &[Switch]) -> (Gateway, String, u64) {
    let gateway = Gateway::with(&[APP], Options { switches: switches.to_vec(), ..Options::default() }).await;
    let candidate = gateway.release("1.2.3").await;
    let requests = gateway.registry.log().len() as u64;
    (gateway, candidate, requests)
}

/// I8: "at every instant every version tag countersign wrote has verifiable evidence".
async fn visible_versions_verify(gateway: &Gateway, at: &str) {
    for tag in gateway.tag_names() {
        let run = gateway.run(&["verify", &gateway.tagged(&tag), "--children", "signed"]).await;
        assert_eq!(run.code, 0, "killed at {at}, {tag} is visible: {run}");
    }
}

async fn killed_at(number: u64, place: Place, switches: &[Switch], whole: &(Gateway, String, u64)) {
    let at = format!("request {number}, {place:?} handling, {switches:?}");
    let fallback = !switches.is_empty();
    let gateway = Gateway::with(&[APP], Options { switches: switches.to_vec(), ..Options::default() }).await;
    let candidate = gateway.build("1.2.3");
    if !gateway.kill_at(&["promote", &candidate, "--version", "1.2.3"], When::request(number), place).await {
        assert!(number + 5 > whole.2, "{at} never came, but a fault-free run had {} requests", whole.2);
        return;
    }
    visible_versions_verify(&gateway, &at).await;

    let run = gateway.promote(&candidate, "1.2.3").await;
    assert_eq!(run.code, 0, "killed at {at}, the rerun: {run}");
    assert_eq!(gateway.tags(), whole.0.tags(), "killed at {at}: other tags than without");
    let found = attached(&gateway.registry, APP, digest(&candidate), fallback);
    let expected = attached(&whole.0.registry, APP, digest(&candidate), fallback);
    assert_eq!(found, expected, "killed at {at}: other attestations than without");

    gateway.registry.clear_log();
    let again = gateway.promote(&candidate, "1.2.3").await;
    assert_eq!((again.code, &again.json()["state"]), (0, &"unchanged".into()), "killed at {at}: {again}");
    assert_eq!(gateway.writes(), Vec::<String>::new(), "killed at {at}");
}

async fn every_tenth(switches: &[Switch], offset: u64, place: Place) {
    let whole = fault_free(switches).await;
    let points = (offset..=whole.2.min(MOST_REQUESTS)).step_by(usize::try_from(stride()).unwrap());
    stream::iter(points)
        .map(|number| killed_at(number, place, switches, &whole))
        .buffer_unordered(2)
        .collect::<Vec<()>>()
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i8_killed_at_every_tenth_request_the_rerun_converges_with_the_referrers_api() {
    every_tenth(&[], STRIDE, Place::Before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i8_killed_at_every_tenth_request_the_rerun_converges_with_fallback_tags() {
    every_tenth(&[Switch::ReferrersOff], STRIDE / 2, Place::After).await;
}

/// SIGTERM is not a crash, but ends like one, with a word about it.
#[tokio::test(flavor = "multi_thread")]
async fn i8_a_terminated_run_exits_7_and_the_rerun_finishes() {
    let gateway = Gateway::start().await;
    let candidate = gateway.build("1.2.3");
    let put = When::method("PUT").matching("/manifests/1.2$");
    let mut stop = gateway.registry.faults().stop(put, Place::After);
    let child = gateway.command(&["promote", &candidate, "--version", "1.2.3"]).spawn().unwrap();
    let process = rustix::process::Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()).unwrap();
    stop.wait_for_stop().await.unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::TERM).unwrap();
    // The signal first, then the end of the request in flight.
    tokio::time::sleep(Duration::from_millis(300)).await;
    gateway.registry.faults().clear_faults();
    gateway.registry.clear_log();
    stop.release();
    let run = Run::of(child.wait_with_output().await.unwrap()).is("incomplete", 7).because("interrupted");
    assert!(run.stdout.contains("run the same command again"), "{run}");
    assert_eq!(gateway.writes(), Vec::<String>::new(), "something was begun after the signal");
    gateway.promote(&candidate, "1.2.3").await.is("promoted", 0);
    assert_eq!(gateway.tags().len(), 5);
}
