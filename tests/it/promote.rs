//! `promote` as CI sees it: releases, reruns, conflicts, and services that fail.

use countersign_sandbox::image::samples::Sample;
use countersign_sandbox::registry::{Fault, Options, Place, Switch, When};
use countersign_sandbox::sigstore::{Effect, Service, When as Nth};
use jiff::SignedDuration;

use crate::support::evidence::attached;
use crate::support::{APP, Gateway, digest, sample, vulnerable};

const RELEASE_TAGS: [&str; 5] = ["1", "1.2", "1.2.3", "latest", "v1.2.3"];

#[tokio::test(flavor = "multi_thread")]
async fn a_release_gets_its_tags_after_its_evidence_versions_first_and_latest_last() {
    for switches in [vec![], vec![Switch::ReferrersOff]] {
        let fallback = !switches.is_empty();
        let gateway = Gateway::with(&[APP], Options { switches, ..Options::default() }).await;
        let candidate = gateway.build("1.2.3");
        let run = gateway.promote(&candidate, "1.2.3").await.is("promoted", 0);
        assert_eq!(gateway.tag_names(), RELEASE_TAGS);
        assert!(gateway.tags().values().all(|d| d == digest(&candidate)), "{run}");
        assert!(run.actions().values().all(|action| action == "create"), "{run}");

        let kinds = attached(&gateway.registry, APP, digest(&candidate), fallback);
        assert!(kinds.values().all(|count| *count == 1), "{kinds:#?}");
        assert_eq!(kinds.len(), 3 + 2 * 4, "index: signature, VSA, record; images: signature, VSA, SBOM, report");

        let puts: Vec<String> = gateway.tag_requests(APP).iter().filter(|r| r.method == "PUT").map(last_part).collect();
        let position = |tag: &str| puts.iter().position(|put| put == tag).unwrap();
        let versions = position("v1.2.3").max(position("1.2.3"));
        let channels = position("1.2").min(position("1"));
        assert!(versions < channels && position("1.2").max(position("1")) < position("latest"), "{puts:?}");
        let log = gateway.registry.log();
        let first_tag = log.iter().find(|r| r.method == "PUT" && last_part(r) == puts[0]).unwrap().number;
        let evidence = log.iter().filter(|r| r.method == "PUT" && last_part(r).starts_with("sha256"));
        assert!(evidence.map(|r| r.number).max().unwrap() < first_tag, "evidence was written after a tag");
    }
}

fn last_part(request: &countersign_sandbox::registry::Request) -> String {
    request.path().rsplit('/').next().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finished_release_run_again_is_unchanged_writes_nothing_and_scans_nothing() {
    for switches in [vec![], vec![Switch::ReferrersOff]] {
        let gateway = Gateway::with(&[APP], Options { switches, ..Options::default() }).await;
        let candidate = gateway.release("1.2.3").await;
        let (before, entries) = (gateway.registry.snapshot(), gateway.sigstore.rekor_size());
        gateway.registry.clear_log();
        let run = gateway.promote(&candidate, "1.2.3").await.is("unchanged", 0);
        assert_eq!(run.json()["decision"], "allow");
        assert!(run.actions().values().all(|action| action == "keep"), "{run}");
        assert_eq!(gateway.writes(), Vec::<String>::new());
        assert_eq!(gateway.registry.snapshot(), before);
        assert_eq!(gateway.sigstore.rekor_size(), entries);
        let layers: Vec<String> =
            sample("1.2.3").images.iter().flat_map(|i| &i.layers).map(|l| l.digest.clone()).collect();
        let read = gateway.registry.log().into_iter().find(|r| layers.contains(&last_part(r)));
        assert!(read.is_none(), "a layer was read, as for a scan: {read:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_of_two_images_needs_both_and_tags_both() {
    let gateway = Gateway::of(&[APP, "acme/agent"]).await;
    let app = gateway.build("1.2.3");
    let agent = gateway.push("acme/agent", &Sample::fixed().node().unwrap());
    let before = gateway.registry.snapshot();
    gateway.promote(&app, "1.2.3").await.exits(2).because("usage");
    assert_eq!(gateway.registry.snapshot(), before);

    let run = gateway.promote_with(&app, "1.2.3", &[&agent]).await.is("promoted", 0);
    assert_eq!(run.json()["images"].as_array().unwrap().len(), 2);
    for (name, candidate) in [(APP, &app), ("acme/agent", &agent)] {
        let tags = gateway.tags_of(name);
        assert_eq!(tags.keys().collect::<Vec<_>>(), RELEASE_TAGS);
        assert!(tags.values().all(|d| d == digest(candidate)));
    }
    let log = gateway.registry.log();
    let puts = |tags: &str| {
        let pattern = regex::Regex::new(&format!("/manifests/({tags})$")).unwrap();
        let of: Vec<u64> =
            log.iter().filter(|r| r.method == "PUT" && pattern.is_match(r.path())).map(|r| r.number).collect();
        (of.iter().min().copied().unwrap(), of.iter().max().copied().unwrap(), of.len())
    };
    let (versions, channels, latest) = (puts("v?1.2.3"), puts("1|1.2"), puts("latest"));
    assert_eq!((versions.2, channels.2, latest.2), (4, 4, 2));
    assert!(versions.1 < channels.0 && channels.1 < latest.0, "phases overlap across repositories");
    gateway.promote_with(&agent, "1.2.3", &[&app]).await.is("unchanged", 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_taken_by_somebody_between_look_and_write_is_a_conflict_and_stays() {
    let gateway = Gateway::start().await;
    let candidate = gateway.build("1.2.3");
    let other = gateway.push(APP, &sample("other"));
    // The tag list knows of no `latest`, so this is the look right before its write.
    let look = When::method("HEAD").matching("/manifests/latest$");
    let mut stop = gateway.registry.faults().stop(look.first(1), Place::Before);
    let running = tokio::spawn(gateway.command(&["promote", &candidate, "--version", "1.2.3"]).output());
    stop.wait_for_stop().await.unwrap();
    gateway.registry.set_tag(APP, "latest", digest(&other));
    stop.release();
    crate::support::Run::of(running.await.unwrap().unwrap()).is("conflict", 8).because("tag-moved");
    assert_eq!(gateway.tags()["latest"], digest(&other));
    gateway.promote(&candidate, "1.2.3").await.is("conflict", 8).because("foreign-target");
    gateway.promote_with(&candidate, "1.2.3", &["--adopt", "latest=1.0.0"]).await.is("promoted", 0);
    assert_eq!(gateway.tags()["latest"], digest(&candidate));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_is_gone_for_a_moment_after_its_write_is_waited_for() {
    let gateway = Gateway::start().await;
    gateway.release("1.2.2").await;
    // Looks at `latest`: for the plan, before the write, after the write.
    let look = When::method("HEAD").matching("/manifests/latest$");
    gateway.registry.faults().add(look.nth(3), Place::Before, Fault::Status(404));
    let candidate = gateway.release("1.2.3").await;
    assert_eq!(gateway.tags()["latest"], digest(&candidate));
}

/// Blobs that were read since the log was cleared, other than bundles.
fn layers_read(gateway: &Gateway, image: &countersign_sandbox::image::Index) -> usize {
    let layers: Vec<&String> = image.images.iter().flat_map(|i| &i.layers).map(|l| &l.digest).collect();
    gateway.registry.log().iter().filter(|r| layers.contains(&&last_part(r))).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_tags_are_written_on_young_evidence_without_a_scan_and_after_one_under_another_policy() {
    let gateway = Gateway::start().await;
    let candidate = gateway.release("1.2.3").await;
    gateway.registry.delete_tag(APP, "latest");
    gateway.registry.clear_log();
    let entries = gateway.sigstore.rekor_size();
    gateway.promote(&candidate, "1.2.3").await.is("promoted", 0);
    assert_eq!(gateway.tags()["latest"], digest(&candidate));
    assert_eq!((layers_read(&gateway, &sample("1.2.3")), gateway.sigstore.rekor_size()), (0, entries));
    assert_eq!(gateway.writes().len(), 1);

    gateway.configure(&[APP], "policy: { vulnerabilities: { deny: [CRITICAL, HIGH] } }");
    gateway.registry.delete_tag(APP, "latest");
    gateway.promote(&candidate, "1.2.3").await.is("promoted", 0);
    assert!(layers_read(&gateway, &sample("1.2.3")) > 0);
    let kinds = attached(&gateway.registry, APP, digest(&candidate), false);
    let twice = kinds.iter().filter(|(_, count)| **count == 2).map(|((_, kind), _)| kind.as_str());
    let twice: std::collections::BTreeSet<&str> = twice.collect();
    let (vsa, record) = ("https://slsa.dev/verification_summary/v1", "https://countersign.dev/promotion/v1");
    assert_eq!(twice, [record, vsa].into(), "what names the policy is said again, and nothing else");
    gateway.promote(&candidate, "1.2.3").await.is("unchanged", 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_the_log_that_are_lost_double_nothing() {
    let gateway = Gateway::start().await;
    for service in [Service::Fulcio, Service::Rekor, Service::Tsa] {
        gateway.sigstore.faults().add(service, Nth::First(2), Effect::DropAfter);
    }
    let candidate = gateway.release("1.2.3").await;
    let kinds = attached(&gateway.registry, APP, digest(&candidate), false);
    assert!(kinds.len() == 11 && kinds.values().all(|count| *count == 1), "{kinds:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_one_coded_error_and_nothing_is_written() {
    let gateway = Gateway::start().await;
    let candidate = gateway.build("1.2.3");
    gateway.registry.set_tag(APP, "build-7", digest(&candidate));
    let before = gateway.registry.snapshot();
    let version = ["--version", "1.2.3"];
    let tag = gateway.tagged("build-7");
    let other = gateway.reference("acme/other", digest(&candidate));
    for (what, arguments, part) in [
        ("a tag", vec!["promote", &tag], "is a tag"),
        ("a repository that is not configured", vec!["promote", &candidate, &other], "not configured"),
        ("no candidate", vec!["promote"], ""),
        ("a build number", vec!["promote", &candidate, "--version", "1.2.3+7"], "+"),
        ("a ref that contradicts", vec!["promote", &candidate, "--git-ref", "refs/tags/v1.2.4"], "1.2.4"),
        ("no Trivy", vec!["promote", &candidate, "--trivy", "/nowhere/trivy"], "/nowhere/trivy"),
        ("a missing configuration", vec!["promote", &candidate, "--config", "nowhere.yaml"], "nowhere.yaml"),
    ] {
        let arguments = if arguments.contains(&"--version") { arguments } else { [&arguments[..], &version].concat() };
        let run = gateway.run(&arguments).await.exits(2);
        assert_eq!(run.json()["kind"], "Error", "{what}: {run}");
        assert!(run.json()["message"].as_str().unwrap().contains(part), "{what}: {run}");
    }
    for (more, part) in [("polcy: {}", "policy"), ("policy: { vulnerabilities: { dney: [] } }", "deny")] {
        gateway.configure(&[APP], more);
        let run = gateway.promote(&candidate, "1.2.3").await.exits(2);
        assert!(run.stdout.contains(part), "names the nearest key: {run}");
    }
    gateway.configure(&[APP], "");
    let text = std::fs::read_to_string(gateway.path("countersign.yaml")).unwrap();
    let platforms = text.replace("acme/app\n", "acme/app\n    require: { platforms: [linux/riscv64] }\n");
    std::fs::write(gateway.path("countersign.yaml"), platforms).unwrap();
    gateway.promote(&candidate, "1.2.3").await.is("denied", 3).because("platform-missing");
    gateway.configure(&[APP], "");
    assert_eq!(gateway.registry.snapshot(), before);
    assert_eq!(gateway.sigstore.rekor_size(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_is_not_there_is_unknown() {
    let gateway = Gateway::start().await;
    let closed = countersign_sandbox::registry::Registry::start(Options::default()).await.unwrap();
    let address = closed.address();
    drop(closed);
    std::fs::remove_file(gateway.path("countersign.yaml")).unwrap();
    let issuer = gateway.sigstore.email_issuer();
    let config = format!("version: 1\nidentity:\n  issuer: {issuer}\n  identity: {}\n", crate::support::EMAIL);
    std::fs::write(gateway.path("countersign.yaml"), config).unwrap();
    let candidate = format!("{address}/acme/app@{}", countersign_sandbox::registry::sha256(b"x"));
    gateway.promote_with(&candidate, "1.2.3", &["--timeout", "1s"]).await.is("unknown", 7).because("unreachable");
    gateway.run(&["verify", &candidate, "--timeout", "1s"]).await.verdict("unknown", 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_of_a_recorded_version_is_a_conflict() {
    let gateway = Gateway::start().await;
    gateway.release("1.2.3").await;
    let rebuilt = gateway.push(APP, &sample("1.2.3-rebuilt"));
    let before = gateway.registry.snapshot();
    let run = gateway.promote(&rebuilt, "1.2.3").await.is("conflict", 8).because("version-recorded");
    assert!(run.stdout.contains("--resume"), "{run}");
    assert_eq!(gateway.registry.snapshot(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_of_somebody_else_is_a_conflict_until_adopted() {
    for adopt in [&["--adopt", "1.2=1.2.0", "--adopt", "latest=1.2.0"][..], &["--adopt"]] {
        let gateway = Gateway::start().await;
        let labelled = Sample::fixed().labels("https://example.org/app", "0123abc", "1.2.0").debian().unwrap();
        let foreign = gateway.push(APP, &labelled);
        gateway.registry.set_tag(APP, "1.2", digest(&foreign));
        gateway.registry.set_tag(APP, "latest", digest(&foreign));
        let candidate = gateway.build("1.2.3");
        let before = gateway.registry.snapshot();
        gateway.promote(&candidate, "1.2.3").await.is("conflict", 8).because("foreign-target");
        gateway.promote_with(&candidate, "1.2.3", &["--plan"]).await.is("conflict", 8).because("foreign-target");
        assert_eq!(gateway.registry.snapshot(), before);
        let run = gateway.promote_with(&candidate, "1.2.3", adopt).await.is("promoted", 0);
        assert_eq!(run.actions()["1.2"], "move", "{run}");
        assert!(gateway.tags().values().all(|d| d == digest(&candidate)), "{run}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_tag_that_already_has_our_digest_is_adopted_and_gets_its_evidence() {
    let gateway = Gateway::start().await;
    let candidate = gateway.build("1.2.3");
    gateway.registry.set_tag(APP, "1.2.3", digest(&candidate));
    let run = gateway.promote(&candidate, "1.2.3").await.is("promoted", 0);
    assert_eq!(run.actions()["1.2.3"], "keep");
    gateway.run(&["resolve", &gateway.tagged("1.2.3")]).await.verdict("verified", 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_token_is_not_authenticated_and_tags_nothing() {
    let gateway = Gateway::start().await;
    let candidate = gateway.build("1.2.3");
    gateway.token(&gateway.sigstore.expired_token());
    let run = gateway.promote(&candidate, "1.2.3").await.exits(6);
    assert_eq!(run.codes(), ["identity-token-refused"], "{run}");
    assert!(gateway.tags().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_down_tags_nothing_and_the_rerun_finishes() {
    let each = [Service::Rekor, Service::Fulcio, Service::Tsa].map(|service| async move {
        let gateway = Gateway::start().await;
        let candidate = gateway.build("1.2.3");
        gateway.sigstore.faults().add(service, Nth::Always, Effect::Status(503));
        gateway
            .promote_with(&candidate, "1.2.3", &["--timeout", "2s"])
            .await
            .is("unknown", 7)
            .because("signing-failed");
        assert!(gateway.tags().is_empty());
        gateway.sigstore.faults().clear();
        gateway.promote(&candidate, "1.2.3").await.is("promoted", 0);
        let kinds = attached(&gateway.registry, APP, digest(&candidate), false);
        assert!(kinds.values().all(|count| *count == 1), "{kinds:#?}");
    });
    futures_util::future::join_all(each).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_sigstore_lasts_no_longer_than_the_time_that_was_given() {
    let gateway = Gateway::start().await;
    let candidate = gateway.build("1.2.3");
    gateway.sigstore.faults().add(Service::Rekor, Nth::Always, Effect::Status(503));
    let patient = std::time::Instant::now();
    gateway.promote_with(&candidate, "1.2.3", &["--timeout", "3s"]).await.is("unknown", 7);
    assert!(patient.elapsed() < std::time::Duration::from_secs(15), "{:?}", patient.elapsed());
    assert!(gateway.tags().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deny_after_a_partial_release_says_so() {
    let gateway = Gateway::start().await;
    let candidate = gateway.push(APP, &vulnerable("1.2.3"));
    gateway.configure(&[APP], "policy: { vulnerabilities: { deny: [] } }");
    gateway.registry.faults().add(
        When::method("PUT").matching("/manifests/latest$"),
        Place::Before,
        Fault::Status(403),
    );
    gateway.promote(&candidate, "1.2.3").await.is("incomplete", 6);
    assert!(gateway.tags().contains_key("1.2.3") && !gateway.tags().contains_key("latest"));

    gateway.registry.faults().clear();
    gateway.configure(&[APP], "");
    let before = gateway.registry.snapshot();
    let run = gateway.promote(&candidate, "1.2.3").await.is("denied", 3);
    let run = run.because("denied-after-partial-release").because("vulnerability-denied");
    assert!(run.stdout.contains("countersign withdraw"), "{run}");
    assert_eq!(gateway.registry.snapshot(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_database_is_denied() {
    let gateway = Gateway::start().await;
    let candidate = gateway.build("1.2.3");
    gateway.database(SignedDuration::from_hours(48));
    gateway.promote(&candidate, "1.2.3").await.is("denied", 3).because("database-too-old");
    assert!(gateway.tags().is_empty() && gateway.sigstore.rekor_size() == 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phase_is_one_request_where_several_tags_may_be_written_at_once() {
    let gateway = Gateway::start().await;
    gateway.registry.faults().on(Switch::MultiTag);
    let candidate = gateway.release("1.2.3").await;
    let requests = gateway.registry.log();
    let puts: Vec<String> = requests.iter().filter(|r| r.method == "PUT").map(|r| r.target.clone()).collect();
    let tagging = |target: &&String| target.contains("tag=") || target.ends_with("/manifests/latest");
    let tagging: Vec<&String> = puts.iter().filter(tagging).collect();
    assert_eq!(tagging.len(), 3, "versions, channels, latest: {tagging:#?}");
    assert!(tagging[0].contains("tag=1.2.3") && tagging[0].contains("tag=v1.2.3"), "{tagging:#?}");
    assert!(tagging[1].contains("tag=1.2") && tagging[1].contains("tag=1"), "{tagging:#?}");
    assert_eq!(gateway.tags().values().filter(|d| candidate.ends_with(d.as_str())).count(), RELEASE_TAGS.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_shows_its_old_digest_for_a_moment_is_waited_for() {
    let gateway =
        Gateway::with(&[APP], Options { switches: vec![Switch::StaleTagReads(2)], ..Options::default() }).await;
    gateway.release("1.2.2").await;
    let candidate = gateway.release("1.2.3").await;
    assert_eq!(gateway.tags()["latest"], digest(&candidate));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_tag_taken_between_look_and_write_stops_before_any_channel() {
    let gateway = Gateway::start().await;
    let candidate = gateway.build("1.2.3");
    let other = gateway.push(APP, &sample("other"));
    // Held after the look-up of the plan; then somebody takes the tag.
    let mut stop =
        gateway.registry.faults().stop(When::method("POST").matching("/blobs/uploads/").first(1), Place::Before);
    let running = tokio::spawn(gateway.command(&["promote", &candidate, "--version", "1.2.3"]).output());
    stop.wait_for_stop().await.unwrap();
    gateway.registry.set_tag(APP, "1.2.3", digest(&other));
    stop.release();
    let run = crate::support::Run::of(running.await.unwrap().unwrap());
    run.is("conflict", 8).because("tag-taken");
    assert_eq!(gateway.tags()["1.2.3"], digest(&other));
    for channel in ["1", "1.2", "latest"] {
        assert!(!gateway.tags().contains_key(channel), "{channel} was written");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_somebody_else_writes_right_after_us_is_a_conflict() {
    let gateway = Gateway::start().await;
    let candidate = gateway.build("1.2.3");
    let other = gateway.push(APP, &sample("other"));
    let put = When::method("PUT").matching("/manifests/1.2.3$");
    let mut stop = gateway.registry.faults().stop(put.first(1), Place::After);
    let running = tokio::spawn(gateway.command(&["promote", &candidate, "--version", "1.2.3"]).output());
    stop.wait_for_stop().await.unwrap();
    gateway.registry.set_tag(APP, "1.2.3", digest(&other));
    gateway.registry.faults().add(When::method("PUT").matching("/manifests/1.2.3$"), Place::Before, Fault::Status(403));
    stop.release();
    let run = crate::support::Run::of(running.await.unwrap().unwrap());
    assert_ne!(run.code, 0, "{run}");
    for channel in ["1", "1.2", "latest"] {
        assert!(!gateway.tags().contains_key(channel), "{channel} was written: {run}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn resume_takes_the_digests_from_the_record_behind_the_version() {
    let gateway = Gateway::start().await;
    gateway.release("1.2.3").await;
    let resume = |version: &str| {
        let arguments = ["promote", "--version", version, "--resume", "--output", "json"].map(str::to_owned);
        let gateway = &gateway;
        async move { gateway.run(&arguments.each_ref().map(String::as_str)).await }
    };
    resume("1.2.3").await.is("unchanged", 0);
    gateway.registry.delete_tag(APP, "latest");
    resume("1.2.3").await.is("promoted", 0);
    resume("9.9.9").await.exits(5);
}
