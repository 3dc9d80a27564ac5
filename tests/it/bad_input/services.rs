//! Registries, tokens, scanners and databases that are missing, refused, stale or silent.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use countersign_sandbox::image::samples::Sample;
use countersign_sandbox::image::write_layout;
use countersign_sandbox::registry::{Access, Options, Switch, User};
use jiff::SignedDuration;
use serde_json::json;

use super::bed::sample;
use super::{Bed, NOWHERE, Run};

/// The commands that read from a registry, with the kind of their document.
const READERS: [(&str, &str); 4] =
    [("verify", "Verification"), ("inspect", "Inspection"), ("sbom", "Sbom"), ("scan", "Scan")];

/// A registry host where nobody listens.
fn closed_port() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_registry_is_unknown_for_every_command() {
    let bed = Bed::start().await;
    let host = closed_port();
    let reference = format!("{host}/acme/app@{NOWHERE}");
    let said: &[&str] = &[&host];
    for (command, kind) in READERS {
        bed.json(&["--timeout", "2s", command, &reference]).await.gives(kind, 7, "unreachable", said);
    }
    bed.json(&["--timeout", "2s", "resolve", &format!("{host}/acme/app:1")]).await.gives(
        "Resolution",
        7,
        "unreachable",
        said,
    );
    write_layout(&bed.path("layout"), &[("sample", &sample("1"))]).unwrap();
    bed.json(&["--timeout", "2s", "push", "layout", &format!("{host}/acme/app")]).await.gives(
        "Push",
        7,
        "unreachable",
        said,
    );
    let run = bed.promote(&reference, &["--timeout", "2s"]).await;
    run.gives("Promotion", 7, "unreachable", said);
    assert_eq!(run.document()["state"], "unknown");
    bed.nothing_written();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_limit_ends_a_silent_registry() {
    let bed = Bed::start().await;
    bed.registry.faults().on(Switch::Latency(Duration::from_secs(60)));
    let started = Instant::now();
    let run = bed.json(&["--timeout", "1s", "verify", &format!("{}@{NOWHERE}", bed.repository("acme/app"))]).await;
    run.gives("Verification", 7, "unreachable", &[]);
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_limit_is_for_the_whole_reference() {
    let bed = Bed::start().await;
    let reference = bed.build("1");
    bed.registry.faults().on(Switch::Latency(Duration::from_millis(700)));
    let run = bed.json(&["--timeout", "1s", "verify", &reference]).await;
    run.gives("Verification", 7, "unreachable", &[&reference, "within 1 s"]);
    let tag = format!("{}:1", bed.repository("acme/app"));
    bed.registry.set_tag("acme/app", "1", reference.split_once('@').unwrap().1);
    bed.json(&["--timeout", "1s", "resolve", &tag]).await.gives("Resolution", 7, "unreachable", &[&tag, "within 1 s"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_exist_is_not_found() {
    let bed = Bed::start().await;
    let reference = format!("{}@{NOWHERE}", bed.repository("acme/app"));
    for (command, kind) in READERS {
        bed.json(&[command, &reference]).await.gives(kind, 5, "not-found", &[NOWHERE]);
    }
    let run = bed.json(&["push", "no-such-layout", &bed.repository("acme/app")]).await;
    run.gives("Push", 5, "not-found", &["no-such-layout"]);
    let run = bed.promote(&reference, &[]).await;
    run.gives("Promotion", 5, "not-found", &[NOWHERE]);
    bed.nothing_written();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_credential_nothing_is_decided_and_no_secret_is_shown() {
    let options = Options {
        access: Access::Token { lifetime: Duration::from_secs(60) },
        users: vec![User::new("robot", "right-password")],
        ..Options::default()
    };
    let bed = Bed::with(options).await;
    let reference = bed.build("1");
    for (command, kind) in READERS {
        bed.json(&[command, &reference]).await.gives(kind, 6, "unauthenticated", &[]);
    }
    let verify = ["verify", &reference, "--registry-token-stdin", "--output=json"];
    let run = Run::fed(bed.command(&verify), "robot:wrong-password\n").await;
    run.gives("Verification", 6, "unauthenticated", &[]);
    assert!(!run.to_string().contains("wrong-password"));
    Run::fed(bed.command(&verify), "robot:right-password\n").await.gives("Verification", 4, "unsigned", &[]);
    let run = bed.promote(&reference, &[]).await;
    run.gives("Promotion", 6, "unauthenticated", &[]);
    bed.nothing_written();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_identity_token_is_refused_before_anything_is_written() {
    let bed = Bed::start().await;
    bed.write("token", &bed.sigstore.expired_token());
    let run = bed.promote(&bed.build("1"), &[]).await;
    run.gives("Promotion", 6, "identity-token-refused", &["expired"]);
    bed.nothing_written();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_scanner_or_database_is_a_matter_of_set_up() {
    let bed = Bed::start().await;
    let candidate = bed.build("1");
    for command in [vec!["promote", &candidate, "--version", "1.2.3"], vec!["scan", &candidate]] {
        let missing = [&["--trivy", "no/trivy"], &command[..]].concat();
        bed.json(&missing).await.refused("scanner", &["no/trivy"]);
        let mut without = bed.command(&[&["--output=json"], &command[..]].concat());
        without.env_remove("COUNTERSIGN_TRIVY").env("PATH", bed.path("empty"));
        Run::of(without).await.refused("scanner", &["no trivy found"]);
        bed.json(&[&["--trivy-db", "none"], &command[..]].concat()).await.refused("scanner", &["none", "missing"]);
    }
    bed.nothing_written();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scanner_that_is_not_accepted_is_not_run() {
    let bed = Bed::start().await;
    let script = format!("#!/bin/sh\ntouch {}\n", bed.path("ran").display());
    bed.write("trivy-fake", &script);
    fs::set_permissions(bed.path("trivy-fake"), fs::Permissions::from_mode(0o755)).unwrap();
    let candidate = bed.build("1");
    let run = bed.promote(&candidate, &["--trivy", "trivy-fake"]).await;
    run.gives("Promotion", 4, "scanner-not-accepted", &["trivy-fake", "sha256:"]);
    assert_eq!(run.document()["state"], "refuted");
    let run = bed.json(&["scan", &candidate, "--trivy", "trivy-fake"]).await;
    run.gives("Scan", 4, "scanner-not-accepted", &["trivy-fake", "sha256:"]);
    let document = run.document();
    assert_eq!((&document["scanner"], &document["findings"]), (&json!(null), &json!([])));
    assert!(!bed.path("ran").exists());
    bed.nothing_written();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_database_denies() {
    let bed = Bed::start().await;
    bed.database(SignedDuration::from_hours(25));
    let candidate = bed.build("1");
    let run = bed.promote(&candidate, &[]).await;
    run.gives("Promotion", 3, "database-too-old", &["old, at most"]);
    assert_eq!((&run.document()["state"], &run.document()["decision"]), (&json!("denied"), &json!("deny")));
    bed.json(&["scan", &candidate, "--platform", "linux/amd64"]).await.gives(
        "Scan",
        3,
        "database-too-old",
        &["old, at most"],
    );
    let run = bed.json(&["scan", &candidate, "--platform", "linux/amd64", "--max-db-age", "2d"]).await;
    assert_eq!(run.code, 0, "{run}");
    bed.nothing_written();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_required_platform_denies() {
    let bed = Bed::start().await;
    let app = bed.repository("acme/app");
    bed.configure(&format!(
        "images: [ {{ repository: {app}, require: {{ platforms: [linux/amd64, linux/s390x] }} }} ]"
    ));
    bed.promote(&bed.build("1"), &[]).await.gives("Promotion", 3, "platform-missing", &["linux/s390x"]);
    bed.nothing_written();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_without_a_record_is_a_conflict_before_any_write() {
    let bed = Bed::start().await;
    let candidate = bed.build("1");
    let foreign = bed.build("0");
    bed.registry.set_tag("acme/app", "latest", foreign.split_once('@').unwrap().1);
    let run = bed.promote(&candidate, &[]).await;
    run.gives("Promotion", 8, "foreign-target", &["latest"]);
    assert_eq!(run.document()["state"], "conflict");
    bed.nothing_written();
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_is_saved_on_deny_and_two_images_do_not_collide() {
    let bed = Bed::start().await;
    let bad = bed.push("acme/app", &Sample::vulnerable().debian().unwrap());
    let other = bed.push("acme/agent", &sample("1"));
    let run = bed.promote(&bad, &[&other, "--evidence-dir", "evidence/new"]).await;
    run.gives("Promotion", 3, "vulnerability-denied", &["CVE-"]);
    let mut names: Vec<String> = fs::read_dir(bed.path("evidence/new"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let of = |image: &str| names.iter().filter(|n| n.contains(image)).cloned().collect::<Vec<_>>();
    for image in ["acme-app", "acme-agent"] {
        for part in [
            "linux-amd64.cdx.json",
            "linux-amd64.scan.json",
            "linux-arm64.cdx.json",
            "linux-arm64.scan.json",
            "input.json",
        ] {
            assert!(of(image).iter().any(|name| name.ends_with(part)), "{image} {part}: {names:?}");
        }
    }
    assert!(names.iter().any(|name| name.ends_with("decision.json")), "{names:?}");
    bed.nothing_written();
}
