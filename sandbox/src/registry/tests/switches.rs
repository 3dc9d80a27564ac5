//! The other switches, each by its name.

use std::time::{Duration, Instant};

use super::{Bed, OCI_INDEX, Switch};
use crate::image::Content;
use crate::image::samples::Sample;
use crate::registry::Bait;

#[tokio::test]
async fn no_location() {
    let bed = Bed::new(vec![Switch::NoLocation]).await;
    let answer = bed.put_index(&bed.sample.digest).await;
    assert_eq!((answer.status, answer.header("location")), (201, None));
}

#[tokio::test]
async fn no_digest_header() {
    let bed = Bed::new(vec![Switch::NoDigestHeader]).await;
    assert_eq!(bed.get(&bed.index_path()).await.header("docker-content-digest"), None);
    assert_eq!(bed.put_index("v1").await.header("docker-content-digest"), None);
}

#[tokio::test]
async fn relative_location() {
    let bed = Bed::new(vec![Switch::RelativeLocation]).await;
    assert_eq!(bed.put_index("v1").await.header("location"), Some(bed.index_path().as_str()));
    let upload = bed.send("POST", "/v2/org/app/blobs/uploads/", &[], b"").await;
    assert!(upload.header("location").unwrap().starts_with("/v2/org/app/blobs/uploads/"));
}

/// Two versions of `v1`: what the tag shows after the second PUT, read by read.
async fn reads_after_a_move(bed: &Bed, times: usize) -> Vec<bool> {
    let old = Sample::vulnerable().debian().unwrap().push_tagged(&bed.registry, "org/app", "v1");
    for _ in 0..5 {
        bed.get("/v2/org/app/manifests/v1").await;
    }
    assert_ne!(old, bed.sample.digest);
    bed.put_index("v1").await;
    let mut new = Vec::new();
    for _ in 0..times {
        let answer = bed.send("HEAD", "/v2/org/app/manifests/v1", &[], b"").await;
        new.push(answer.header("docker-content-digest") == Some(bed.sample.digest.as_str()));
    }
    new
}

#[tokio::test]
async fn stale_tag_reads() {
    let bed = Bed::new(vec![Switch::StaleTagReads(2)]).await;
    assert_eq!(reads_after_a_move(&bed, 4).await, [false, false, true, true]);
    bed.put_index("fresh").await;
    assert_eq!(bed.get("/v2/org/app/manifests/fresh").await.status, 404);
    assert_eq!(bed.registry.tag_digest("org/app", "fresh"), Some(bed.sample.digest.clone()));
}

#[tokio::test]
async fn stale_tags_for() {
    let bed = Bed::new(vec![Switch::StaleTagsFor(Duration::from_millis(150))]).await;
    assert_eq!(reads_after_a_move(&bed, 1).await, [false]);
    tokio::time::sleep(Duration::from_millis(170)).await;
    let answer = bed.get("/v2/org/app/manifests/v1").await;
    assert_eq!(answer.header("docker-content-digest"), Some(bed.sample.digest.as_str()));
}

#[tokio::test]
async fn latency() {
    let bed = Bed::new(vec![Switch::Latency(Duration::from_millis(60))]).await;
    let start = Instant::now();
    bed.get("/v2/").await;
    assert!(start.elapsed() >= Duration::from_millis(60));
    bed.registry.faults().off(&Switch::Latency(Duration::ZERO));
    let start = Instant::now();
    bed.get("/v2/").await;
    assert!(start.elapsed() < Duration::from_millis(60));
}

#[tokio::test]
async fn blob_redirect() {
    let bed = Bed::new(vec![]).await;
    let storage = bed.registry.trap(Bait::Blobs).await.unwrap();
    bed.registry.faults().on(Switch::BlobRedirect(storage.origin().to_owned()));
    let (path, bytes) = bed.layer();
    let answer = bed.send("GET", &path, &[("authorization", "Bearer x")], b"").await;
    assert_eq!(answer.status, 307);
    let location = answer.header("location").unwrap().to_owned();
    let address = storage.origin().strip_prefix("http://").unwrap();
    let blob = super::send(address, "GET", &location, &[], b"").await.unwrap();
    assert_eq!((blob.status, blob.body.as_slice()), (200, bytes));
    assert!(!storage.caught_a_secret());
    super::send(address, "GET", &location, &[("authorization", "Bearer x")], b"").await.unwrap();
    assert!(storage.caught_a_secret());
    assert_eq!(storage.caught().len(), 2);
}

#[tokio::test]
async fn immutable_tags() {
    let bed = Bed::new(vec![Switch::ImmutableTags(regex::Regex::new("^v").unwrap())]).await;
    assert_eq!(bed.put_index("v1").await.status, 201);
    let again = bed.put_index("v1").await;
    assert_eq!((again.status, again.error_code().as_str()), (400, "TAG_INVALID"));
    assert!(String::from_utf8_lossy(&again.body).contains("cannot be overwritten"));
    assert_eq!(bed.put_index("latest").await.status, 201);
    assert_eq!(bed.put_index("latest").await.status, 201);
}

#[tokio::test]
async fn digest_as_tag() {
    let tag = |bed: &Bed| format!("/v2/org/app/manifests/{}", bed.sample.digest.replace(':', "-"));
    let plain = Bed::new(vec![]).await;
    assert_eq!(plain.get(&tag(&plain)).await.status, 404);
    let bed = Bed::new(vec![Switch::DigestAsTag]).await;
    assert_eq!(bed.get(&tag(&bed)).await.body, bed.sample.manifest);
}

#[tokio::test]
async fn multi_tag() {
    let plain = Bed::new(vec![]).await;
    let answer = plain.put_index(&format!("{}?tag=a&tag=b", plain.sample.digest)).await;
    assert_eq!((answer.status, answer.all("oci-tag").len()), (201, 0));
    assert!(plain.registry.tags("org/app").is_empty());
    let bed = Bed::new(vec![Switch::MultiTag]).await;
    let answer = bed.put_index(&format!("{}?tag=a&tag=b", bed.sample.digest)).await;
    assert_eq!((answer.status, answer.all("oci-tag")), (201, vec!["a", "b"]));
    assert_eq!(bed.registry.tags("org/app").len(), 2);
    assert_eq!(bed.put_index(&format!("{}?tag=-a", bed.sample.digest)).await.error_code(), "TAG_INVALID");
}

#[tokio::test]
async fn conditional_put() {
    let put = async |bed: &Bed, name: &str, value: &str| {
        let index = bed.sample.manifest.clone();
        bed.send("PUT", "/v2/org/app/manifests/v1", &[("content-type", OCI_INDEX), (name, value)], &index).await.status
    };
    let bed = Bed::new(vec![Switch::ConditionalPut]).await;
    let shown = format!("\"{}\"", bed.sample.digest);
    assert_eq!(put(&bed, "if-match", &shown).await, 412, "nothing is there");
    assert_eq!(put(&bed, "if-none-match", "*").await, 201);
    assert_eq!(put(&bed, "if-none-match", "*").await, 412);
    assert_eq!(put(&bed, "if-match", "\"sha256:other\"").await, 412);
    assert_eq!(put(&bed, "if-match", &shown).await, 201);
    let plain = Bed::new(vec![]).await;
    assert_eq!(put(&plain, "if-match", "\"sha256:other\"").await, 201, "ignored");
    let misread = Bed::new(vec![Switch::MisreadConditions]).await;
    assert_eq!(put(&misread, "if-none-match", "*").await, 412);
    assert_eq!(misread.put_index("v1").await.status, 201);
}

#[tokio::test]
async fn accept_by_name() {
    let bed = Bed::new(vec![Switch::AcceptByName]).await;
    assert_eq!(bed.get(&bed.index_path()).await.status, 404);
    assert_eq!(bed.send("HEAD", &bed.index_path(), &[("accept", "*/*")], b"").await.status, 404);
    assert_eq!(bed.send("HEAD", &bed.index_path(), &[("accept", OCI_INDEX)], b"").await.status, 200);
}

#[tokio::test]
async fn no_tag_delete() {
    let bed = Bed::new(vec![Switch::NoTagDelete]).await;
    bed.put_index("v1").await;
    let answer = bed.send("DELETE", "/v2/org/app/manifests/v1", &[], b"").await;
    assert_eq!((answer.status, answer.error_code().as_str()), (400, "UNSUPPORTED"));
    assert_eq!(bed.send("DELETE", &bed.index_path(), &[], b"").await.status, 202);
}

#[tokio::test]
async fn no_delete() {
    let bed = Bed::new(vec![Switch::NoDelete]).await;
    for target in [bed.index_path(), bed.layer().0] {
        assert_eq!(bed.send("DELETE", &target, &[], b"").await.status, 405);
    }
}

#[tokio::test]
async fn no_single_post() {
    let bed = Bed::new(vec![Switch::NoSinglePost]).await;
    let digest = crate::registry::sha256(b"x");
    let answer = bed.send("POST", &format!("/v2/org/app/blobs/uploads/?digest={digest}"), &[], b"x").await;
    assert_eq!(answer.status, 202);
    assert!(bed.registry.blob("org/app", &digest).is_none());
}

#[tokio::test]
async fn no_mount() {
    let bed = Bed::new(vec![Switch::NoMount]).await;
    let digest = &bed.sample.images[0].layers[0].digest;
    let answer = bed.send("POST", &format!("/v2/copy/blobs/uploads/?mount={digest}&from=org/app"), &[], b"").await;
    assert_eq!(answer.status, 202);
}

#[tokio::test]
async fn warning() {
    let bed = Bed::new(vec![Switch::Warning("quota is nearly used up".to_owned())]).await;
    assert_eq!(bed.get("/v2/").await.header("warning"), Some("299 - \"quota is nearly used up\""));
}
