//! I8 for operators: `withdraw` and `rollback` are killed at every request; the same command run again finishes.

use countersign_sandbox::registry::{Options, Place, Switch, When};

use crate::support::evidence::statements;
use crate::support::{APP, Gateway, digest};

/// Two releases, in either referrer mode.
async fn released(switches: &[Switch]) -> (Gateway, String, String) {
    let gateway = Gateway::with(&[APP], Options { switches: switches.to_vec(), ..Options::default() }).await;
    let old = gateway.release("1.2.0").await;
    let bad = gateway.release("1.3.0").await;
    (gateway, old, bad)
}

/// What people see at the end, and that nothing was said twice.
async fn finished(gateway: &Gateway, old: &str, bad: &str, kind: &str, at: &str) {
    assert_eq!(gateway.tags()["latest"], digest(old), "{at}");
    assert_eq!(gateway.tags()["1.3.0"], digest(bad), "{at}");
    let run = gateway.run(&["resolve", &gateway.tagged("latest")]).await;
    assert_eq!((run.code, &run.json()["version"]), (0, &"1.2.0".into()), "{at}: {run}");
    if !at.contains("fallback") {
        let all = gateway.registry.referrers(APP, digest(bad));
        let of_kind = statements(&gateway.registry, APP, digest(bad)).contains_key(kind);
        assert!(of_kind && all.len() == 4, "{at}: {} referrers", all.len());
    }
}

async fn every_request(command: &str, kind: &str, place: Place, switches: &[Switch], stride: usize) {
    let layout = if switches.is_empty() { "api" } else { "fallback" };
    for number in (1..).step_by(stride) {
        let (gateway, old, bad) = released(switches).await;
        let (repository, channel) = (gateway.repository(APP), gateway.tagged("latest"));
        let arguments: Vec<&str> = match command {
            "withdraw" => vec!["withdraw", &repository, "--version", "1.3.0", "--reason", "x"],
            _ => vec!["rollback", &channel, "--to", "1.2.0"],
        };
        let at = format!("{command} killed at request {number}, {place:?} handling, {layout}");
        gateway.registry.clear_log();
        let killed = gateway.kill_at(&arguments, When::any().nth(number), place).await;
        let again = gateway.run(&arguments).await;
        assert_eq!(again.code, 0, "{at}: {again}");
        finished(&gateway, &old, &bad, kind, &at).await;
        gateway.registry.clear_log();
        let third = gateway.run(&arguments).await.is("unchanged", 0);
        assert_eq!(gateway.writes(), Vec::<String>::new(), "{at}: {third}");
        if !killed {
            assert!(number > 10, "{at}: too few requests to have done anything");
            return;
        }
    }
}

/// Every request with `COUNTERSIGN_CRASH_EVERY=1`.
fn stride() -> usize {
    let chosen = std::env::var_os("COUNTERSIGN_CRASH_EVERY").and_then(|v| v.to_str()?.parse().ok());
    chosen.unwrap_or(7)
}

const WITHDRAWAL: &str = "https://countersign.dev/withdrawal/v1";
const ROLLBACK: &str = "https://countersign.dev/rollback/v1";

#[tokio::test(flavor = "multi_thread")]
async fn i8_a_killed_withdrawal_is_finished_by_the_same_command() {
    every_request("withdraw", WITHDRAWAL, Place::After, &[], stride()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i8_a_killed_withdrawal_is_finished_by_the_same_command_with_fallback_tags() {
    every_request("withdraw", WITHDRAWAL, Place::Before, &[Switch::ReferrersOff], stride()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i8_a_killed_rollback_is_finished_by_the_same_command() {
    every_request("rollback", ROLLBACK, Place::After, &[], stride()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i8_a_killed_rollback_is_finished_by_the_same_command_with_fallback_tags() {
    every_request("rollback", ROLLBACK, Place::Before, &[Switch::ReferrersOff], stride()).await;
}
