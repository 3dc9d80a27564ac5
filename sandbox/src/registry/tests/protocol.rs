//! Pull and push of a registry without switches.

use serde_json::json;

use super::{Bed, OCI_INDEX, OCI_MANIFEST};
use crate::image::Content;
use crate::registry::sha256;

#[tokio::test]
async fn ping_answers_200_with_the_version_header() {
    let bed = Bed::new(vec![]).await;
    let answer = bed.get("/v2/").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("docker-distribution-api-version"), Some("registry/2.0"));
}

#[tokio::test]
async fn a_manifest_is_read_by_tag_and_by_digest_byte_for_byte() {
    let bed = Bed::new(vec![]).await;
    bed.registry.set_tag("org/app", "v1", &bed.sample.digest);
    for reference in ["v1", &bed.sample.digest, &bed.sample.digest.replace(':', "%3A")] {
        let target = format!("/v2/org/app/manifests/{reference}");
        let answer = bed.get(&target).await;
        assert_eq!((answer.status, &answer.body), (200, &bed.sample.manifest));
        assert_eq!(answer.header("docker-content-digest"), Some(bed.sample.digest.as_str()));
        assert_eq!(answer.header("content-type"), Some(OCI_INDEX));
        let head = bed.send("HEAD", &target, &[], b"").await;
        assert_eq!((head.status, head.body.len()), (200, 0));
        assert_eq!(head.header("content-length"), Some(bed.sample.manifest.len().to_string().as_str()));
    }
}

#[tokio::test]
async fn accept_is_honoured_and_etags_give_304() {
    let bed = Bed::new(vec![]).await;
    let path = bed.index_path();
    let status = async |headers: &[(&str, &str)]| bed.send("GET", &path, headers, b"").await.status;
    assert_eq!(status(&[("accept", OCI_MANIFEST)]).await, 404);
    assert_eq!(status(&[("accept", &format!("{OCI_MANIFEST}, {OCI_INDEX};q=0.5"))]).await, 200);
    assert_eq!(status(&[("accept", OCI_MANIFEST), ("accept", OCI_INDEX)]).await, 200);
    assert_eq!(status(&[("accept", "*/*")]).await, 200);
    assert_eq!(status(&[("if-none-match", &format!("\"{}\"", bed.sample.digest))]).await, 304);
}

#[tokio::test]
async fn what_is_not_there_is_said_in_distribution_errors() {
    let bed = Bed::new(vec![]).await;
    let absent = sha256(b"absent");
    for (target, status, code) in [
        ("/v2/org/app/manifests/none".to_owned(), 404, "MANIFEST_UNKNOWN"),
        (format!("/v2/org/app/manifests/{absent}"), 404, "MANIFEST_UNKNOWN"),
        (format!("/v2/org/app/blobs/{absent}"), 404, "BLOB_UNKNOWN"),
        ("/v2/none/manifests/v1".to_owned(), 404, "NAME_UNKNOWN"),
        ("/v2/none/tags/list".to_owned(), 404, "NAME_UNKNOWN"),
        ("/v2/org/app/manifests/sha256:12".to_owned(), 400, "DIGEST_INVALID"),
        ("/v2/ORG/tags/list".to_owned(), 400, "NAME_INVALID"),
    ] {
        let answer = bed.get(&target).await;
        assert_eq!((answer.status, answer.error_code().as_str()), (status, code), "{target}");
    }
}

#[tokio::test]
async fn a_put_checks_digest_media_type_and_size() {
    let bed = Bed::new(vec![]).await;
    let before = bed.registry.snapshot();
    let other = sha256(b"something else");
    let put = async |reference: &str, kind: &str, body: &[u8]| {
        let target = format!("/v2/org/app/manifests/{reference}");
        let answer = bed.send("PUT", &target, &[("content-type", kind)], body).await;
        (answer.status, answer.error_code())
    };
    let index = &bed.sample.manifest;
    assert_eq!(put(&other, OCI_INDEX, index).await, (400, "DIGEST_INVALID".to_owned()));
    assert_eq!(put("v1", OCI_MANIFEST, index).await, (400, "MANIFEST_INVALID".to_owned()));
    assert_eq!(put("v1", OCI_INDEX, b"not json").await, (400, "MANIFEST_INVALID".to_owned()));
    assert_eq!(put("v1", OCI_INDEX, &vec![b' '; 4 * 1024 * 1024 + 1]).await, (413, "SIZE_INVALID".to_owned()));
    assert_eq!(bed.registry.snapshot(), before);
}

#[tokio::test]
async fn a_manifest_whose_children_or_blobs_are_missing_is_refused() {
    let bed = Bed::new(vec![]).await;
    let child = &bed.sample.images[0];
    let index =
        bed.send("PUT", "/v2/other/app/manifests/v1", &[("content-type", OCI_INDEX)], &bed.sample.manifest).await;
    assert_eq!((index.status, index.error_code().as_str()), (400, "MANIFEST_BLOB_UNKNOWN"));
    let image = bed.send("PUT", "/v2/other/app/manifests/v1", &[("content-type", OCI_MANIFEST)], &child.manifest).await;
    assert_eq!((image.status, image.error_code().as_str()), (400, "MANIFEST_BLOB_UNKNOWN"));
    assert!(bed.registry.tags("other/app").is_empty());
}

#[tokio::test]
async fn a_descriptor_with_the_wrong_size_is_refused() {
    let bed = Bed::new(vec![]).await;
    let config = bed.registry.put_blob("org/app", "{}");
    let manifest = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "layers": [],
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": config, "size": 3},
    })
    .to_string();
    let headers = [("content-type", OCI_MANIFEST)];
    let answer = bed.send("PUT", "/v2/org/app/manifests/v1", &headers, manifest.as_bytes()).await;
    assert_eq!((answer.status, answer.error_code().as_str()), (400, "MANIFEST_INVALID"));
}

#[tokio::test]
async fn a_tag_put_answers_location_and_digest_and_moves_the_tag() {
    let bed = Bed::new(vec![]).await;
    let answer = bed.put_index("v1").await;
    assert_eq!(answer.status, 201);
    let location = format!("{}{}", bed.registry.origin(), bed.index_path());
    assert_eq!(answer.header("location"), Some(location.as_str()));
    assert_eq!(answer.header("docker-content-digest"), Some(bed.sample.digest.as_str()));
    assert_eq!(bed.registry.tag_digest("org/app", "v1"), Some(bed.sample.digest.clone()));
}

#[tokio::test]
async fn blobs_are_read_whole_and_in_ranges() {
    let bed = Bed::new(vec![]).await;
    let (path, bytes) = bed.layer();
    let whole = bed.get(&path).await;
    assert_eq!((whole.status, whole.body.as_slice()), (200, bytes));
    for (range, part) in
        [("bytes=5-9", &bytes[5..10]), ("bytes=7-", &bytes[7..]), ("bytes=-4", &bytes[bytes.len() - 4..])]
    {
        let answer = bed.send("GET", &path, &[("range", range)], b"").await;
        assert_eq!((answer.status, answer.body.as_slice()), (206, part), "{range}");
    }
    assert_eq!(bed.send("GET", &path, &[("range", "bytes=99999999-")], b"").await.status, 416);
    assert_eq!(bed.send("HEAD", &path, &[], b"").await.status, 200);
}

#[tokio::test]
async fn a_blob_is_uploaded_in_chunks_or_in_one_put_or_in_one_post() {
    let bed = Bed::new(vec![]).await;
    let digest = sha256(b"hello world");
    let start = async || {
        let answer = bed.send("POST", "/v2/chunks/uploads-test/blobs/uploads/", &[], b"").await;
        assert_eq!(answer.status, 202);
        answer.header("location").unwrap().to_owned()
    };
    let session = start().await;
    let first = bed.send("PATCH", &session, &[("content-range", "0-5")], b"hello ").await;
    assert_eq!((first.status, first.header("range")), (202, Some("0-5")));
    let gap = bed.send("PATCH", &session, &[("content-range", "9-13")], b"world").await;
    assert_eq!((gap.status, gap.header("range")), (416, Some("0-5")));
    assert_eq!(bed.get(&session).await.status, 204);
    let end = bed.send("PUT", &format!("{session}?digest={digest}"), &[], b"world").await;
    assert_eq!(end.status, 201);
    assert_eq!(bed.registry.blob("chunks/uploads-test", &digest).as_deref(), Some(b"hello world".as_slice()));

    let session = start().await;
    let wrong = bed.send("PUT", &format!("{session}?digest={digest}"), &[], b"hello").await;
    assert_eq!((wrong.status, wrong.error_code().as_str()), (400, "DIGEST_INVALID"));

    let single = format!("/v2/single/blobs/uploads/?digest={}", digest.replace(':', "%3A"));
    assert_eq!(bed.send("POST", &single, &[], b"hello world").await.status, 201);
    assert!(bed.registry.blob("single", &digest).is_some());
}

#[tokio::test]
async fn a_blob_is_mounted_from_another_repository_or_becomes_an_upload() {
    let bed = Bed::new(vec![]).await;
    let digest = &bed.sample.images[0].layers[0].digest;
    let mount = async |from: &str| {
        bed.send("POST", &format!("/v2/copy/blobs/uploads/?mount={digest}&from={from}"), &[], b"").await
    };
    let absent = mount("nowhere").await;
    assert_eq!(absent.status, 202);
    assert!(absent.header("location").unwrap().contains("/blobs/uploads/"));
    assert!(bed.registry.blob("copy", digest).is_none());
    assert_eq!(mount("org%2Fapp").await.status, 201);
    assert!(bed.registry.blob("copy", digest).is_some());
}

#[tokio::test]
async fn a_tag_is_deleted_alone_and_a_digest_with_its_tags() {
    let bed = Bed::new(vec![]).await;
    bed.put_index("v1").await;
    bed.put_index("v2").await;
    assert_eq!(bed.send("DELETE", "/v2/org/app/manifests/v1", &[], b"").await.status, 202);
    assert_eq!(bed.registry.tags("org/app").keys().collect::<Vec<_>>(), ["v2"]);
    assert_eq!(bed.get(&bed.index_path()).await.status, 200);
    assert_eq!(bed.send("DELETE", &bed.index_path(), &[], b"").await.status, 202);
    assert!(bed.registry.tags("org/app").is_empty());
    assert_eq!(bed.get(&bed.index_path()).await.status, 404);
    assert_eq!(bed.send("DELETE", &bed.index_path(), &[], b"").await.status, 404);
}

#[tokio::test]
async fn the_log_numbers_requests_and_shows_no_secret() {
    let bed = Bed::new(vec![]).await;
    bed.get("/v2/").await;
    bed.registry.clear_log();
    bed.send("GET", "/v2/?x=1", &[("authorization", "Bearer very-secret"), ("accept", "a/b")], b"").await;
    bed.put_index("v1").await;
    let log = bed.registry.log();
    assert_eq!(log.iter().map(|r| r.number).collect::<Vec<_>>(), [1, 2]);
    assert_eq!((log[0].target.as_str(), log[0].path(), log[0].status), ("/v2/?x=1", "/v2/", Some(200)));
    assert!(log[0].is_authorized() && !log[0].is_write() && log[1].is_write());
    assert_eq!(log[0].credential, crate::registry::Credential::Bearer(crate::registry::marker("very-secret")));
    assert!(!format!("{log:?}").contains("very-secret"));
    assert_eq!((log[0].header("accept"), log[0].header("authorization")), (Some("a/b"), None));
    assert_eq!((log[1].received, log[1].status), (bed.sample.manifest.len() as u64, Some(201)));
}

#[tokio::test]
async fn a_snapshot_differs_after_any_write_and_only_then() {
    let bed = Bed::new(vec![]).await;
    let before = bed.registry.snapshot();
    bed.get(&bed.index_path()).await;
    bed.send("POST", "/v2/org/app/blobs/uploads/", &[], b"").await;
    assert_eq!(bed.registry.snapshot(), before);
    bed.put_index("v1").await;
    assert_ne!(bed.registry.snapshot(), before);
    bed.registry.delete_tag("org/app", "v1");
    assert_eq!(bed.registry.snapshot(), before);
    bed.registry.put_manifest_at("org/app", &bed.sample.digest, OCI_INDEX, "tampered");
    assert_ne!(bed.registry.snapshot(), before);
}

#[tokio::test]
async fn a_dropped_registry_does_not_answer() {
    let bed = Bed::new(vec![]).await;
    let address = bed.registry.address();
    bed.sample.push_tagged(&bed.registry, "org/app", "v1");
    drop(bed);
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    assert!(super::send(&address, "GET", "/v2/", &[], b"").await.is_none());
}
