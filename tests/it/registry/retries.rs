//! What is tried again, how long we wait, and when we stop.

use std::time::{Duration, Instant};

use countersign::oci::Repository;
use countersign::registry::http::{HttpOptions, HttpRegistry};
use countersign::registry::{ErrorKind, PutTarget, Registry};
use countersign_sandbox::registry::{Fault, Place, RetryAfter, When};

use super::{client, open, options, seed, small_index, tag};

#[tokio::test]
async fn every_form_of_a_rate_limit_is_waited_for() {
    let forms = [
        (Fault::RateLimited(RetryAfter::Silent), Duration::ZERO),
        (Fault::RateLimited(RetryAfter::Seconds(1)), Duration::from_secs(1)),
        (Fault::RateLimited(RetryAfter::Date("Sat, 21 Nov 2020 14:00:00 GMT".to_owned())), Duration::ZERO),
        (Fault::RateLimited(RetryAfter::Milliseconds(412.5)), Duration::from_micros(412_500)),
        (Fault::SecondaryRateLimit, Duration::ZERO),
    ];
    for (fault, pause) in forms {
        let (registry, repository) = open().await;
        let shown = format!("{fault:?}");
        registry.faults().add(When::any().first(1), Place::Before, fault);
        let started = Instant::now();
        client().put_manifest(&repository, &PutTarget::Tag(tag("1.0")), &small_index("a")).await.unwrap();
        assert!(started.elapsed() >= pause && started.elapsed() < pause + Duration::from_secs(2), "{shown}");
        assert_eq!(registry.log().len(), 2, "{shown}");
    }
}

#[tokio::test]
async fn a_rate_limit_that_stays_is_reported_as_one() {
    let (registry, repository) = open().await;
    registry.faults().add(When::method("PUT"), Place::Before, Fault::SecondaryRateLimit);
    let error = client().put_manifest(&repository, &PutTarget::Digest, &small_index("a")).await.unwrap_err();
    assert_eq!((error.kind, registry.log().len()), (ErrorKind::RateLimited, 5));
    assert!(error.message.contains("5 attempts"), "{error}");
}

#[tokio::test]
async fn a_wait_longer_than_the_deadline_is_not_begun() {
    let (registry, repository) = open().await;
    registry.faults().add(When::any(), Place::Before, Fault::RateLimited(RetryAfter::Seconds(120)));
    let started = Instant::now();
    let error = client().head(&repository, &tag("1.0")).await;
    assert_eq!(error.unwrap_err().kind, ErrorKind::RateLimited);
    assert!(started.elapsed() < Duration::from_secs(2) && registry.log().len() == 1);
}

#[tokio::test]
async fn a_manifest_write_whose_answer_was_lost_is_replayed() {
    for fault in [Fault::Reset, Fault::Close, Fault::Status(502), Fault::Status(408)] {
        let (registry, repository) = open().await;
        registry.faults().add(When::method("PUT").first(2), Place::After, fault);
        client().put_manifest(&repository, &PutTarget::Tag(tag("1.0")), &small_index("a")).await.unwrap();
        assert_eq!(registry.tag_digest("team/app", "1.0"), Some(small_index("a").digest().to_string()));
    }
}

#[tokio::test]
async fn what_will_not_pass_is_not_tried_again() {
    for status in [400, 403, 404, 405, 413, 501] {
        let (registry, repository) = open().await;
        registry.faults().add(When::any(), Place::Before, Fault::Status(status));
        let error = client().put_manifest(&repository, &PutTarget::Digest, &small_index("a")).await.unwrap_err();
        let expected = if status == 403 { ErrorKind::Forbidden } else { ErrorKind::Refused };
        assert_eq!((error.kind, registry.log().len()), (expected, 1), "{status}");
    }
}

#[tokio::test]
async fn a_registry_that_does_not_answer_is_unavailable_after_the_deadline() {
    let (registry, repository) = open().await;
    seed(&registry, "1.0", &small_index("a"));
    registry.faults().add(When::any(), Place::Before, Fault::Delay(Duration::from_secs(30)));
    let deadline = Duration::from_millis(1500);
    let client = HttpRegistry::new(HttpOptions { deadline, ..options() }).unwrap();
    let started = Instant::now();
    let error = client.head(&repository, &tag("1.0")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
}

#[tokio::test]
async fn an_unreachable_registry_is_unavailable_and_named() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let repository: Repository = format!("{address}/team/app").parse().unwrap();
    let error = client().head(&repository, &tag("1.0")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(error.message.contains(&format!("cannot connect to http://{address}")), "{error}");
}

#[tokio::test]
async fn no_more_writes_than_allowed_are_under_way_at_once() {
    let (registry, repository) = open().await;
    registry.faults().on(countersign_sandbox::registry::Switch::Latency(Duration::from_millis(100)));
    let client = client();
    let manifests: Vec<_> = (0..12).map(|n| small_index(&n.to_string())).collect();
    let started = Instant::now();
    let puts = manifests.iter().map(|m| client.put_manifest(&repository, &PutTarget::Digest, m));
    futures_util::future::try_join_all(puts).await.unwrap();
    // Twelve writes, four at a time, 100 ms each.
    assert!(started.elapsed() >= Duration::from_millis(290), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_blob_that_is_unknown_for_a_moment_does_not_fail_the_manifest() {
    let (registry, repository) = open().await;
    let body = br#"{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"blob unknown to registry"}]}"#.to_vec();
    registry.faults().add(When::method("PUT").first(2), Place::Before, Fault::Answer(400, Vec::new(), body));
    client().put_manifest(&repository, &PutTarget::Digest, &small_index("a")).await.unwrap();
    assert_eq!(registry.log().len(), 3);
}

#[tokio::test]
async fn a_rate_limit_holds_back_every_request_to_that_registry() {
    let (registry, repository) = open().await;
    seed(&registry, "1.0", &small_index("a"));
    registry.faults().add(When::any().first(1), Place::Before, Fault::RateLimited(RetryAfter::Seconds(1)));
    let client = client();
    let _ = client.head(&repository, &tag("1.0")).await.unwrap();
    let first = registry.log().len();
    assert_eq!(first, 2, "the limited one and its repetition");

    registry.clear_log();
    registry.faults().clear();
    registry.faults().add(When::any().first(1), Place::Before, Fault::RateLimited(RetryAfter::Seconds(1)));
    let started = Instant::now();
    let name = tag("1.0");
    let limited = client.head(&repository, &name);
    let other = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        client.head(&repository, &tag("1.0")).await.unwrap();
        started.elapsed()
    };
    let (limited, other) = tokio::join!(limited, other);
    limited.unwrap();
    assert!(other >= Duration::from_millis(900), "the second request did not wait: {other:?}");
    assert_eq!(registry.log().len(), 3);
}

#[tokio::test]
async fn a_run_repeats_no_more_than_its_budget() {
    let (registry, repository) = open().await;
    registry.faults().add(When::any(), Place::Before, Fault::Status(503));
    let client = HttpRegistry::new(HttpOptions { retries: 3, ..options() }).unwrap();
    for _ in 0..3 {
        client.head(&repository, &tag("1.0")).await.unwrap_err();
    }
    assert_eq!(registry.log().len(), 3 + 3, "three requests and three repetitions");
}
