//! Faults by name, where they strike, and which requests they choose.

use std::time::{Duration, Instant};

use super::Bed;
use crate::registry::client::send_capped;
use crate::registry::{Fault, Place, RetryAfter, Stop, When};

fn second_rate_limit_is_text(body: &[u8]) -> bool {
    String::from_utf8_lossy(body).contains("secondary rate limit")
}

async fn struck(fault: Fault) -> Bed {
    let bed = Bed::new(vec![]).await;
    bed.registry.faults().add(When::any(), Place::Before, fault);
    bed
}

#[tokio::test]
async fn status() {
    for (status, code) in [(401, "UNAUTHORIZED"), (403, "DENIED"), (500, "UNKNOWN"), (503, "UNAVAILABLE")] {
        let bed = struck(Fault::Status(status)).await;
        let answer = bed.get(&bed.index_path()).await;
        assert_eq!((answer.status, answer.error_code().as_str()), (status, code));
        assert_eq!(bed.registry.log()[0].status, Some(status));
    }
}

#[tokio::test]
async fn rate_limited() {
    let date = "Sat, 21 Nov 2026 14:00:00 GMT";
    for (after, header) in [
        (RetryAfter::Silent, None),
        (RetryAfter::Seconds(2), Some("2")),
        (RetryAfter::Date(date.to_owned()), Some(date)),
        (RetryAfter::Milliseconds(12.5), None),
    ] {
        let is_text = matches!(after, RetryAfter::Milliseconds(_));
        let bed = struck(Fault::RateLimited(after)).await;
        let answer = bed.get("/v2/").await;
        assert_eq!((answer.status, answer.header("retry-after")), (429, header));
        assert_eq!(answer.error_code(), "TOOMANYREQUESTS");
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert_eq!(text.contains("retry-after: 12.5ms, allowed: 2000/minute"), is_text);
    }
}

#[tokio::test]
async fn secondary_rate_limit() {
    let bed = struck(Fault::SecondaryRateLimit).await;
    let answer = bed.get("/v2/").await;
    assert_eq!((answer.status, answer.error_code().as_str()), (403, "DENIED"));
    assert!(second_rate_limit_is_text(&answer.body));
}

#[tokio::test]
async fn redirect() {
    let bed = struck(Fault::Redirect(303, "http://127.0.0.1:1/x".to_owned())).await;
    let answer = bed.get("/v2/").await;
    assert_eq!((answer.status, answer.header("location")), (303, Some("http://127.0.0.1:1/x")));
}

#[tokio::test]
async fn answer() {
    let html = ("content-type", "text/html".to_owned());
    let bed = struck(Fault::Answer(200, vec![html], b"<html>sign in</html>".to_vec())).await;
    let answer = bed.get(&bed.index_path()).await;
    assert_eq!((answer.status, answer.body.as_slice()), (200, b"<html>sign in</html>".as_slice()));
    assert_eq!(answer.all("content-type"), ["text/html"]);
}

#[tokio::test]
async fn wrong_bytes() {
    let bed = struck(Fault::WrongBytes).await;
    let (path, bytes) = bed.layer();
    let answer = bed.get(&path).await;
    assert!(answer.complete && answer.status == 200 && answer.body.len() == bytes.len());
    assert_eq!(answer.body.iter().zip(bytes).filter(|(a, b)| a != b).count(), 1);
}

#[tokio::test]
async fn truncated_body() {
    let bed = struck(Fault::TruncatedBody).await;
    let (path, bytes) = bed.layer();
    let answer = bed.get(&path).await;
    assert!(!answer.complete);
    assert_eq!(answer.header("content-length"), Some(bytes.len().to_string().as_str()));
    assert_eq!(answer.body, bytes[..bytes.len() / 2]);
}

#[tokio::test]
async fn endless_body() {
    let bed = struck(Fault::EndlessBody).await;
    let address = bed.registry.address();
    let answer = send_capped(&address, "GET", "/v2/", &[], b"", 8 << 20).await.unwrap();
    assert!(answer.body.len() > (7 << 20) && answer.header("content-length").is_none());
}

#[tokio::test]
async fn delay() {
    let bed = struck(Fault::Delay(Duration::from_millis(50))).await;
    let start = Instant::now();
    assert_eq!(bed.get("/v2/").await.status, 200);
    assert!(start.elapsed() >= Duration::from_millis(50));
}

#[tokio::test]
async fn reset_and_close() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    for (fault, is_reset) in [(Fault::Reset, true), (Fault::Close, false)] {
        let bed = struck(fault).await;
        let mut stream = tokio::net::TcpStream::connect(bed.registry.address()).await.unwrap();
        stream.write_all(b"GET /v2/ HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let read = stream.read(&mut [0; 16]).await;
        assert_eq!(read.as_ref().is_err(), is_reset, "{read:?}");
        assert_eq!(read.unwrap_or(0), 0);
        assert_eq!(bed.registry.log()[0].status, None);
        bed.registry.faults().clear();
        assert_eq!(bed.get("/v2/").await.status, 200);
    }
}

#[tokio::test]
async fn a_fault_before_has_no_effect_and_one_after_loses_only_the_answer() {
    for (place, written) in [(Place::Before, false), (Place::After, true)] {
        for fault in [Fault::Close, Fault::Status(503)] {
            let bed = Bed::new(vec![]).await;
            bed.registry.faults().add(When::method("PUT"), place, fault);
            let target = "/v2/org/app/manifests/v1";
            let headers = [("content-type", super::OCI_INDEX)];
            let answer = bed.maybe("PUT", target, &headers, &bed.sample.manifest).await;
            assert!(answer.is_none_or(|a| a.status == 503));
            assert_eq!(bed.registry.tag_digest("org/app", "v1").is_some(), written, "{place:?}");
        }
    }
}

#[tokio::test]
async fn requests_are_chosen_by_number_method_and_path() {
    for (when, expected) in [
        (When::request(3), [200, 200, 500, 200, 200]),
        (When::any().first(2), [500, 500, 200, 200, 200]),
        (When::any().from(4), [200, 200, 200, 500, 500]),
        (When::method("HEAD"), [200, 500, 200, 500, 200]),
        (When::method("HEAD").nth(2), [200, 200, 200, 500, 200]),
        (When::any().matching("n=1$"), [200, 200, 200, 200, 500]),
        (When::method("GET").matching("/manifests/").nth(1), [500, 200, 200, 200, 200]),
    ] {
        let bed = Bed::new(vec![]).await;
        bed.registry.faults().add(when.clone(), Place::Before, Fault::Status(500));
        let (manifest, blob) = (bed.index_path(), bed.layer().0);
        let list = "/v2/org/app/tags/list?n=1".to_owned();
        let mut seen = Vec::new();
        for (method, target) in
            [("GET", &manifest), ("HEAD", &blob), ("GET", &manifest), ("HEAD", &manifest), ("GET", &list)]
        {
            seen.push(bed.send(method, target, &[], b"").await.status);
        }
        assert_eq!(seen, expected, "{when:?}");
    }
}

/// Holds the second PUT; what is visible while it is held, and what the client gets.
async fn held(place: Place) -> (bool, bool) {
    let bed = std::sync::Arc::new(Bed::new(vec![]).await);
    bed.put_index("v1").await;
    let mut stop: Stop = bed.registry.faults().stop(When::method("PUT").matching("/manifests/v2$"), place);
    let client = tokio::spawn({
        let bed = bed.clone();
        async move {
            let headers = [("content-type", super::OCI_INDEX)];
            bed.maybe("PUT", "/v2/org/app/manifests/v2", &headers, &bed.sample.manifest).await.is_some()
        }
    });
    let request = stop.wait_for_stop().await.unwrap();
    assert_eq!((request.number, request.method.as_str(), request.status), (2, "PUT", None));
    let visible = bed.registry.tag_digest("org/app", "v2").is_some();
    assert!(!client.is_finished());
    stop.release();
    (visible, client.await.unwrap())
}

#[tokio::test]
async fn stop_holds_the_client_before_or_after_the_effect() {
    assert_eq!(held(Place::Before).await, (false, false));
    assert_eq!(held(Place::After).await, (true, false));
}

#[tokio::test]
async fn a_client_that_dies_while_held_leaves_no_effect_behind() {
    let bed = std::sync::Arc::new(Bed::new(vec![]).await);
    let mut stop = bed.registry.faults().stop(When::request(1), Place::Before);
    let client = tokio::spawn({
        let bed = bed.clone();
        async move { bed.put_index("v1").await.status }
    });
    stop.wait_for_stop().await.unwrap();
    client.abort();
    drop(stop);
    tokio::time::sleep(Duration::from_millis(30)).await;
    assert!(bed.registry.tags("org/app").is_empty());
    assert_eq!(bed.get("/v2/").await.status, 200);
}
