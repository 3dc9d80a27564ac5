//! `history`: what a tag pointed to, in order of time, and what was in force when.

use serde_json::{Value, json};

use crate::support::{APP, EMAIL, Gateway, digest};

/// `version kind state` of each entry.
fn lines(document: &Value) -> Vec<String> {
    let text = |v: &Value| v.as_str().unwrap_or("-").to_owned();
    let entries = document["entries"].as_array().unwrap().iter();
    entries.map(|e| format!("{} {} {}", text(&e["version"]), text(&e["kind"]), text(&e["state"]))).collect()
}

async fn pause() {
    // Trusted times are whole seconds.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_of_a_channel_has_every_target_and_the_entry_in_force() {
    let gateway = Gateway::start().await;
    let old = gateway.release("1.2.0").await;
    pause().await;
    gateway.release("1.3.0").await;
    pause().await;
    gateway.release("1.2.1").await;
    pause().await;
    let repository = gateway.repository(APP);
    gateway.run(&["withdraw", &repository, "--version", "1.3.0", "--reason", "x"]).await.exits(0);
    pause().await;
    gateway.run(&["rollback", &gateway.tagged("latest"), "--to", "1.2.0"]).await.exits(0);

    let json = gateway.run(&["history", &gateway.tagged("latest")]).await.exits(0).json();
    let expected = [
        "1.2.0 promotion superseded",
        "1.3.0 promotion superseded",
        "1.2.1 withdrawal superseded",
        "1.2.0 rollback current",
    ];
    assert_eq!((&json["kind"], lines(&json)), (&json!("History"), expected.map(str::to_owned).to_vec()));
    let first = &json["entries"][0];
    assert_eq!(
        (&first["tag"], &first["digest"], &first["identity"]),
        (&json!("latest"), &json!(digest(&old)), &json!(EMAIL))
    );
    let times: Vec<jiff::Timestamp> =
        json["entries"].as_array().unwrap().iter().map(|e| e["at"].as_str().unwrap().parse().unwrap()).collect();
    assert!(times.windows(2).all(|pair| pair[0] <= pair[1]), "{json:#}");

    let at = |time: jiff::Timestamp| time.to_string();
    let second = gateway.run(&["history", &gateway.tagged("latest"), "--at", &at(times[1])]).await.exits(0).json();
    assert_eq!(second["entries"], json!([json["entries"][1]]));
    let before = times[0] - jiff::SignedDuration::from_secs(1);
    let none = gateway.run(&["history", &gateway.tagged("latest"), "--at", &at(before)]).await.exits(5);
    assert_eq!(none.json()["entries"], json!([]));

    let own = gateway.run(&["history", &gateway.tagged("v1.3.0")]).await.exits(0).json();
    assert_eq!(lines(&own), ["1.3.0 promotion superseded", "1.3.0 withdrawal current"]);
    gateway.run(&["history", &gateway.tagged("latest"), "--at", "yesterday"]).await.exits(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_tag_does_not_show_is_unconfirmed_and_what_nothing_explains_is_refuted() {
    let gateway = Gateway::start().await;
    let old = gateway.release("1.2.0").await;
    pause().await;
    gateway.release("1.3.0").await;
    gateway.registry.set_tag(APP, "latest", digest(&old));
    let json = gateway.run(&["history", &gateway.tagged("latest")]).await.exits(0).json();
    assert_eq!(lines(&json), ["1.2.0 promotion current", "1.3.0 promotion unconfirmed"]);
    gateway.registry.set_tag(APP, "stable", digest(&old));
    gateway.run(&["history", &gateway.tagged("stable")]).await.exits(4).because("tag-not-authorised");
    gateway.run(&["history", &gateway.tagged("none")]).await.exits(5).because("not-found");
}
