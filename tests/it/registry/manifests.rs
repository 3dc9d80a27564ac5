//! HEAD, GET and PUT of manifests.

use countersign::oci::manifest::MAX_MANIFEST_BYTES;
use countersign::oci::{RawManifest, media_type};
use countersign::registry::http::HttpRegistry;
use countersign::registry::{ErrorKind, PutTarget, Registry};
use countersign_sandbox::registry::{Fault, Place, Switch, When};
use futures_util::future::join_all;

use super::{by_digest, by_tag, client, count, open, options, requests, seed, small_index, tag};

#[tokio::test]
async fn a_manifest_goes_in_and_comes_out_byte_for_byte() {
    let (registry, repository) = open().await;
    let client = client();
    let json = format!("{{\n  \"manifests\": [],\t\"schemaVersion\": 2, \"mediaType\": {:?} }}", media_type::OCI_INDEX);
    let manifest = RawManifest::new(media_type::OCI_INDEX, json.into_bytes());
    client.put_manifest(&repository, &PutTarget::Tag(tag("1.0")), &manifest).await.unwrap();
    assert_eq!(client.manifest(&by_tag(&repository, "1.0")).await.unwrap(), Some(manifest.clone()));
    assert_eq!(client.manifest(&by_digest(&repository, manifest.digest())).await.unwrap(), Some(manifest.clone()));
    assert_eq!(client.head(&repository, &tag("1.0")).await.unwrap().as_ref(), Some(manifest.digest()));
    assert_eq!(registry.log().len(), 4, "one request each: {:?}", requests(&registry));
}

#[tokio::test]
async fn what_is_not_there_is_none_and_not_an_error() {
    let (registry, repository) = open().await;
    let client = client();
    assert_eq!(client.head(&repository, &tag("1.0")).await.unwrap(), None);
    assert_eq!(client.manifest(&by_tag(&repository, "1.0")).await.unwrap(), None);
    assert_eq!(client.tags(&repository).await.unwrap(), None);
    seed(&registry, "other", &small_index("a"));
    assert_eq!(client.manifest(&by_digest(&repository, small_index("b").digest())).await.unwrap(), None);
}

#[tokio::test]
async fn i6_not_being_allowed_to_look_is_never_absence() {
    let statuses = [
        (401, ErrorKind::Unauthenticated),
        (403, ErrorKind::Forbidden),
        (429, ErrorKind::RateLimited),
        (500, ErrorKind::Unavailable),
        (503, ErrorKind::Unavailable),
    ];
    join_all(statuses.map(|(status, kind)| async move {
        let (registry, repository) = open().await;
        registry.faults().add(When::any(), Place::Before, Fault::Status(status));
        let (client, tag, reference) = (client(), tag("1.0"), by_tag(&repository, "1.0"));
        let subject = small_index("a").descriptor();
        let (head, manifest, tags, referrers, blob) = tokio::join!(
            client.head(&repository, &tag),
            client.manifest(&reference),
            client.tags(&repository),
            client.referrers(&repository, &subject.digest),
            client.blob(&repository, &subject),
        );
        for error in [head.err(), manifest.err(), tags.err(), referrers.err(), blob.err()] {
            assert_eq!(error.map(|error| error.kind), Some(kind), "{status}");
        }
    }))
    .await;
}

#[tokio::test]
async fn wrong_bytes_for_a_digest_are_a_contradiction() {
    let (registry, repository) = open().await;
    let (good, evil) = (small_index("good"), small_index("evil"));
    registry.put_manifest_at("team/app", &good.digest().to_string(), evil.media_type(), evil.bytes().to_vec());
    let error = client().manifest(&by_digest(&repository, good.digest())).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Contradiction);
    assert!(error.message.contains(&evil.digest().to_string()), "{error}");
}

#[tokio::test]
async fn bytes_that_differ_from_the_announced_digest_of_a_tag_are_a_contradiction() {
    let (registry, repository) = open().await;
    seed(&registry, "1.0", &small_index("a"));
    registry.faults().add(When::method("GET"), Place::After, Fault::WrongBytes);
    let error = client().manifest(&by_tag(&repository, "1.0")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Contradiction);
}

#[tokio::test]
async fn a_web_page_instead_of_a_manifest_is_not_knowing() {
    let (registry, repository) = open().await;
    let html = vec![("content-type", "text/html; charset=utf-8".to_owned())];
    registry.faults().add(When::any(), Place::Before, Fault::Answer(200, html, b"<html>sorry</html>".to_vec()));
    let error = client().manifest(&by_digest(&repository, small_index("a").digest())).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Malformed);
}

#[tokio::test]
async fn head_without_a_digest_is_asked_again_with_get() {
    let (registry, repository) = open().await;
    seed(&registry, "1.0", &small_index("a"));
    registry.faults().on(Switch::NoDigestHeader);
    assert_eq!(client().head(&repository, &tag("1.0")).await.unwrap().as_ref(), Some(small_index("a").digest()));
    assert_eq!(requests(&registry), ["HEAD /v2/team/app/manifests/1.0", "GET /v2/team/app/manifests/1.0"]);
}

#[tokio::test]
async fn head_and_get_send_the_whole_accept_list() {
    let (registry, repository) = open().await;
    registry.faults().on(Switch::AcceptByName);
    seed(&registry, "1.0", &small_index("a"));
    assert!(client().head(&repository, &tag("1.0")).await.unwrap().is_some());
    assert!(client().manifest(&by_tag(&repository, "1.0")).await.unwrap().is_some());
    assert!(registry.log().iter().all(|request| request.header("accept") == Some(media_type::ACCEPT_MANIFESTS)));
}

#[tokio::test]
async fn a_manifest_that_never_ends_is_cut_at_the_limit() {
    let (registry, repository) = open().await;
    seed(&registry, "1.0", &small_index("a"));
    registry.faults().add(When::method("GET"), Place::After, Fault::EndlessBody);
    let error = client().manifest(&by_tag(&repository, "1.0")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Limit);
}

#[tokio::test]
async fn a_truncated_manifest_is_fetched_again() {
    let (registry, repository) = open().await;
    seed(&registry, "1.0", &small_index("a"));
    registry.faults().add(When::method("GET").first(2), Place::After, Fault::TruncatedBody);
    assert_eq!(client().manifest(&by_tag(&repository, "1.0")).await.unwrap(), Some(small_index("a")));
    assert_eq!(registry.log().len(), 3);
}

#[tokio::test]
async fn a_manifest_too_large_for_registries_is_refused_before_it_is_sent() {
    let (registry, repository) = open().await;
    let large = RawManifest::new(media_type::OCI_INDEX, vec![b' '; usize::try_from(MAX_MANIFEST_BYTES).unwrap() + 1]);
    let error = client().put_manifest(&repository, &PutTarget::Digest, &large).await.unwrap_err();
    assert_eq!((error.kind, registry.log().len()), (ErrorKind::Limit, 0));
}

#[tokio::test]
async fn a_missing_location_on_a_written_manifest_does_no_harm() {
    let (registry, repository) = open().await;
    registry.faults().on(Switch::NoLocation);
    let outcome = client().put_manifest(&repository, &PutTarget::Digest, &small_index("a")).await.unwrap();
    assert!(!outcome.subject_handled);
    assert!(registry.manifest("team/app", &small_index("a").digest().to_string()).is_some());
}

#[tokio::test]
async fn redirects_of_manifests_are_not_followed() {
    let (registry, repository) = open().await;
    seed(&registry, "1.0", &small_index("a"));
    let there = format!("{}/v2/team/app/manifests/elsewhere", registry.origin());
    registry.faults().add(When::any(), Place::Before, Fault::Redirect(307, there));
    let client = client();
    assert_eq!(client.manifest(&by_tag(&repository, "1.0")).await.unwrap_err().kind, ErrorKind::Malformed);
    let put = client.put_manifest(&repository, &PutTarget::Tag(tag("1.0")), &small_index("b")).await;
    assert_eq!(put.unwrap_err().kind, ErrorKind::Malformed);
    assert_eq!(count(&registry, "GET /v2/team/app/manifests/elsewhere"), 0);
    assert_eq!(count(&registry, "PUT /v2/team/app/manifests/elsewhere"), 0);
}

#[tokio::test]
async fn warnings_are_kept_once_for_the_person() {
    let (registry, repository) = open().await;
    registry.faults().on(Switch::Warning("this repository moves".to_owned()));
    let options = options();
    for _ in 0..3 {
        let client = HttpRegistry::new(options.clone()).unwrap();
        client.head(&repository, &tag("1.0")).await.unwrap();
    }
    assert_eq!(options.warnings.texts(), [format!("{}: this repository moves", registry.address())]);
}
