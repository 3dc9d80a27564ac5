//! `--save-plan` and `--confirm-plan`: exactly that plan, or exit 8.

use crate::support::{APP, Gateway, digest};

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_plan_is_carried_out_exactly_and_again() {
    let gateway = Gateway::start().await;
    gateway.release("1.2.0").await;
    let candidate = gateway.build("1.3.0");
    let before = gateway.registry.snapshot();
    let plan = gateway.promote_with(&candidate, "1.3.0", &["--save-plan", "plan.json"]).await.is("planned", 0);
    assert_eq!(gateway.registry.snapshot(), before);
    let run = gateway.run(&["promote", "--confirm-plan", "plan.json"]).await.is("promoted", 0);
    assert_eq!((run.actions(), &run.json()["version"]), (plan.actions(), &"1.3.0".into()));
    assert_eq!(gateway.tags()["latest"], digest(&candidate));
    gateway.run(&["promote", "--confirm-plan", "plan.json"]).await.is("unchanged", 0);
    gateway.registry.delete_tag(APP, "latest");
    // Gone since: that is not what was planned.
    gateway.run(&["promote", "--confirm-plan", "plan.json"]).await.is("conflict", 8).because("plan-outdated");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_out_of_date_once_the_world_has_moved() {
    let gateway = Gateway::start().await;
    gateway.release("1.2.0").await;
    let candidate = gateway.build("1.3.0");
    gateway.promote_with(&candidate, "1.3.0", &["--save-plan", "plan.json"]).await.is("planned", 0);
    gateway.release("1.2.1").await;
    let before = gateway.registry.snapshot();
    let run = gateway.run(&["promote", "--confirm-plan", "plan.json"]).await.is("conflict", 8);
    let run = run.because("plan-outdated");
    assert_eq!(gateway.registry.snapshot(), before, "{run}");
    gateway.promote_with(&candidate, "1.3.0", &["--save-plan", "plan.json"]).await.is("planned", 0);
    gateway.configure(&[APP], "policy: { vulnerabilities: { deny: [HIGH] } }");
    gateway.run(&["promote", "--confirm-plan", "plan.json"]).await.is("conflict", 8).because("plan-outdated");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_line_that_contradicts_the_plan_is_refused() {
    let gateway = Gateway::start().await;
    let (candidate, other) = (gateway.build("1.3.0"), gateway.build("other"));
    gateway.promote_with(&candidate, "1.3.0", &["--save-plan", "plan.json"]).await.is("planned", 0);
    let confirm = ["--confirm-plan", "plan.json"];
    gateway.promote_with(&candidate, "1.3.1", &confirm).await.exits(2);
    gateway.promote_with(&other, "1.3.0", &confirm).await.exits(2);
    gateway.run(&["promote", "--confirm-plan", "none.json"]).await.exits(2);
    std::fs::write(gateway.path("bad.json"), "{}").unwrap();
    gateway.run(&["promote", "--confirm-plan", "bad.json"]).await.exits(2);
    assert!(gateway.tags().is_empty());
    gateway.promote_with(&candidate, "1.3.0", &confirm).await.is("promoted", 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_is_assembled_from_builds_whatever_their_order() {
    let gateway = Gateway::start().await;
    let whole = gateway.build("1.2.3");
    let nodes = crate::support::evidence::nodes(&gateway.registry, APP, digest(&whole));
    let builds: Vec<String> = nodes[1..].iter().map(|child| gateway.reference(APP, child)).collect();
    let repository = gateway.repository(APP);
    let push = async |first: &str, second: &str, to: &str| gateway.run(&["push", "--index", first, second, to]).await;
    let one = push(&builds[0], &builds[1], &repository).await.exits(0).json();
    let two = push(&builds[1], &builds[0], &repository).await.exits(0).json();
    assert_eq!((&one["digest"], &one["kind"]), (&two["digest"], &"Push".into()));
    assert!(gateway.tags().is_empty());
    gateway.promote(one["reference"].as_str().unwrap(), "1.2.3").await.is("promoted", 0);
    push(&builds[0], &builds[0], &repository).await.exits(2);
    push(&builds[0], &builds[1], &gateway.repository("acme/other")).await.exits(2);
    push(&builds[0], &gateway.tagged("1.2.3"), &repository).await.exits(2);
    let missing = gateway.reference(APP, &format!("sha256:{}", "0".repeat(64)));
    push(&builds[0], &missing, &repository).await.exits(5);
}
