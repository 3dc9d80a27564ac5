//! Attaching referrers: both layouts, lost updates, and what must never be dropped.

use std::time::Duration;

use countersign::oci::{Descriptor, Digest, Manifest, RawManifest, Repository, Tag, media_type};
use countersign::registry::attach::{AttachOptions, Layout, attach, bundle_manifest, upload_bundles};
use countersign::registry::fallback::read_fallback;
use countersign::registry::{ErrorKind, PutTarget, Registry};
use countersign_sandbox::registry as sandbox;
use countersign_sandbox::registry::{Fault, Place, Switch, When};
use futures_util::future::{join_all, try_join_all};

use super::{by_digest, by_tag, client, count, open, requests, seed, small_index};

const PREDICATE: &str = "https://sigstore.dev/cosign/sign/v1";

fn quick() -> AttachOptions {
    AttachOptions { deadline: Duration::from_secs(20), ..AttachOptions::default() }
}

/// A registry with a subject, as a build leaves it.
async fn prepared(switches: &[Switch]) -> (sandbox::Registry, Repository, Descriptor) {
    let (registry, repository) = open().await;
    switches.iter().cloned().for_each(|switch| registry.faults().on(switch));
    let subject = small_index("subject");
    registry.put_manifest_raw("team/app", subject.media_type(), subject.bytes().to_vec());
    (registry, repository, subject.descriptor())
}

/// Referrer manifests of `subject` with their blobs uploaded.
async fn referrers(
    client: &dyn Registry,
    repository: &Repository,
    subject: &Descriptor,
    names: &[&str],
) -> Vec<RawManifest> {
    let bundles: Vec<&[u8]> = names.iter().map(|name| name.as_bytes()).collect();
    let blobs = upload_bundles(client, repository, &bundles).await.unwrap();
    let created = "2026-11-21T10:00:00.123Z".parse().unwrap();
    blobs.iter().map(|blob| bundle_manifest(blob, subject, PREDICATE, created)).collect()
}

/// Digests that the fallback index holds in the registry's own store.
fn standing(registry: &sandbox::Registry, subject: &Digest) -> Vec<Digest> {
    let Some(digest) = registry.tag_digest("team/app", Tag::referrers_fallback(subject).as_str()) else {
        return vec![];
    };
    let stored = registry.manifest("team/app", &digest).unwrap();
    let raw = RawManifest::new(&stored.media_type, stored.bytes.to_vec());
    let Manifest::Index(index) = raw.parse().unwrap() else { panic!("no index") };
    index.manifests.into_iter().map(|entry| entry.digest).collect()
}

fn seed_fallback(registry: &sandbox::Registry, subject: &Digest, entries: &[Descriptor]) {
    let json = serde_json::json!({"schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": entries});
    let index = RawManifest::new(media_type::OCI_INDEX, json.to_string().into_bytes());
    seed(registry, Tag::referrers_fallback(subject).as_str(), &index);
}

#[tokio::test]
async fn with_the_referrers_api_no_tag_is_written() {
    let (registry, repository, subject) = prepared(&[]).await;
    let client = client();
    let manifests = referrers(&client, &repository, &subject, &["a", "b"]).await;
    let outcome = attach(&client, &repository, &subject, &manifests, &[], &quick()).await.unwrap();
    assert_eq!((outcome.layout, outcome.index_writes, outcome.digests.len()), (Layout::ReferrersApi, 0, 2));
    assert!(registry.tags("team/app").is_empty());
    // Once at once, once after settling.
    assert_eq!(count(&registry, "GET /v2/team/app/referrers"), 2, "{:?}", requests(&registry));
}

#[tokio::test]
async fn a_referrer_that_the_api_lost_is_put_again() {
    let (registry, repository, subject) = prepared(&[]).await;
    let client = client();
    let manifests = referrers(&client, &repository, &subject, &["a"]).await;
    let empty = format!(r#"{{"schemaVersion":2,"mediaType":"{}","manifests":[]}}"#, media_type::OCI_INDEX);
    let headers = vec![("content-type", media_type::OCI_INDEX.to_owned())];
    let forgets = Fault::Answer(200, headers, empty.into_bytes());
    registry.faults().add(When::any().matching("/referrers/").first(2), Place::Before, forgets);
    let outcome = attach(&client, &repository, &subject, &manifests, &[], &quick()).await.unwrap();
    assert_eq!(outcome.layout, Layout::ReferrersApi);
    assert_eq!(count(&registry, "PUT /v2/team/app/manifests"), 3);
}

#[tokio::test]
async fn a_referrer_that_the_api_lists_and_then_loses_is_put_again() {
    let (registry, repository, subject) = prepared(&[]).await;
    let client = client();
    let manifests = referrers(&client, &repository, &subject, &["a"]).await;
    let empty = format!(r#"{{"schemaVersion":2,"mediaType":"{}","manifests":[]}}"#, media_type::OCI_INDEX);
    let headers = vec![("content-type", media_type::OCI_INDEX.to_owned())];
    let forgets = Fault::Answer(200, headers, empty.into_bytes());
    registry.faults().add(When::any().matching("/referrers/").nth(2), Place::Before, forgets);
    attach(&client, &repository, &subject, &manifests, &[], &quick()).await.unwrap();
    assert_eq!(count(&registry, "PUT /v2/team/app/manifests"), 2);
    assert_eq!(count(&registry, "GET /v2/team/app/referrers"), 4);
}

#[tokio::test]
async fn without_the_api_all_referrers_of_a_subject_go_into_one_index_update() {
    for switch in
        [Switch::ReferrersOff, Switch::ReferrersStatus(405), Switch::ReferrersRedirect("http://127.0.0.1:1".into())]
    {
        let (registry, repository, subject) = prepared(&[switch]).await;
        let client = client();
        let manifests = referrers(&client, &repository, &subject, &["c", "a", "b"]).await;
        let outcome = attach(&client, &repository, &subject, &manifests, &[], &quick()).await.unwrap();
        assert_eq!((outcome.layout, outcome.index_writes), (Layout::FallbackTag, 1));
        let entries = read_fallback(&client, &repository, &subject.digest).await.unwrap().unwrap();
        let digests: Vec<&Digest> = entries.iter().map(|entry| &entry.digest).collect();
        assert!(digests.is_sorted() && digests.len() == 3);
        for entry in &entries {
            assert_eq!(entry.artifact_type.as_deref(), Some(media_type::SIGSTORE_BUNDLE));
            assert_eq!(entry.annotations["dev.sigstore.bundle.predicateType"], PREDICATE);
            assert_eq!(entry.annotations["org.opencontainers.image.created"], "2026-11-21T10:00:00Z");
        }
        let tag = format!("PUT /v2/team/app/manifests/{}", Tag::referrers_fallback(&subject.digest));
        assert_eq!(count(&registry, &tag), 1);
    }
}

#[tokio::test]
async fn oci_subject_alone_is_not_believed() {
    let (registry, repository, subject) = prepared(&[Switch::ReferrersOff, Switch::LyingOciSubject]).await;
    let client = client();
    let manifests = referrers(&client, &repository, &subject, &["a"]).await;
    let outcome = attach(&client, &repository, &subject, &manifests, &[], &quick()).await.unwrap();
    assert_eq!(outcome.layout, Layout::FallbackTag);
    assert_eq!(standing(&registry, &subject.digest).len(), 1);
}

#[tokio::test]
async fn eight_concurrent_attachers_without_the_api_all_survive() {
    for round in 0..3 {
        let (registry, repository, subject) = prepared(&[Switch::ReferrersOff]).await;
        registry.faults().on(Switch::Latency(Duration::from_millis(5 * round)));
        let run = async |n: usize| {
            let (client, name) = (client(), format!("writer {n}"));
            let manifests = referrers(&client, &repository, &subject, &[name.as_str()]).await;
            let outcome = attach(&client, &repository, &subject, &manifests, &[], &quick()).await.unwrap();
            (manifests[0].digest().clone(), outcome.index_writes)
        };
        let done = join_all((0..8).map(run)).await;
        let standing = standing(&registry, &subject.digest);
        let lost: Vec<_> = done.iter().filter(|(digest, _)| !standing.contains(digest)).collect();
        assert!(lost.is_empty() && standing.len() == 8, "lost {lost:?} of {done:?}");
    }
}

#[tokio::test]
async fn entries_of_others_stay_and_their_order_of_arrival_does_not_matter() {
    let (registry, repository, subject) = prepared(&[Switch::ReferrersOff]).await;
    let client = client();
    let theirs = referrers(&client, &repository, &subject, &["theirs"]).await;
    client.put_manifest(&repository, &PutTarget::Digest, &theirs[0]).await.unwrap();
    // As cosign wrote it for a while: without annotations.
    seed_fallback(&registry, &subject.digest, &[theirs[0].descriptor()]);
    let ours = referrers(&client, &repository, &subject, &["ours"]).await;
    attach(&client, &repository, &subject, &ours, &[], &quick()).await.unwrap();
    assert_eq!(standing(&registry, &subject.digest).len(), 2);
}

#[tokio::test]
async fn an_entry_goes_only_if_its_manifest_is_gone() {
    let (registry, repository, subject) = prepared(&[Switch::ReferrersOff]).await;
    let client = client();
    let theirs = referrers(&client, &repository, &subject, &["kept", "deleted"]).await;
    try_join_all(theirs.iter().map(|m| client.put_manifest(&repository, &PutTarget::Digest, m))).await.unwrap();
    let entries: Vec<Descriptor> = theirs.iter().map(RawManifest::descriptor).collect();
    seed_fallback(&registry, &subject.digest, &entries);
    registry.delete_manifest("team/app", &theirs[1].digest().to_string());
    let ours = referrers(&client, &repository, &subject, &["ours"]).await;
    attach(&client, &repository, &subject, &ours, &[], &quick()).await.unwrap();
    let standing = standing(&registry, &subject.digest);
    assert!(standing.contains(theirs[0].digest()) && standing.contains(ours[0].digest()));
    assert!(!standing.contains(theirs[1].digest()), "the sandbox refuses an index with a missing child");
}

#[tokio::test]
async fn entries_seen_earlier_in_the_run_survive_a_stale_first_read() {
    let (registry, repository, subject) = prepared(&[Switch::ReferrersOff]).await;
    let client = client();
    let first = referrers(&client, &repository, &subject, &["first"]).await;
    attach(&client, &repository, &subject, &first, &[], &quick()).await.unwrap();
    let known = read_fallback(&client, &repository, &subject.digest).await.unwrap().unwrap();
    // The next reader sees what was before the first attach: nothing.
    registry.delete_tag("team/app", Tag::referrers_fallback(&subject.digest).as_str());
    let second = referrers(&client, &repository, &subject, &["second"]).await;
    attach(&client, &repository, &subject, &second, &known, &quick()).await.unwrap();
    assert_eq!(standing(&registry, &subject.digest).len(), 2);
}

#[tokio::test]
async fn stale_reads_are_waited_out_and_not_answered_with_writes() {
    let (registry, repository, subject) = prepared(&[Switch::ReferrersOff]).await;
    registry.faults().on(Switch::StaleTagsFor(Duration::from_millis(600)));
    let client = client();
    let manifests = referrers(&client, &repository, &subject, &["a"]).await;
    let outcome = attach(&client, &repository, &subject, &manifests, &[], &quick()).await.unwrap();
    assert!(outcome.index_writes <= 2, "{outcome:?}");
    assert_eq!(standing(&registry, &subject.digest).len(), 1);
}

#[tokio::test]
async fn anything_but_an_index_under_the_fallback_tag_is_an_error_and_stays() {
    let (registry, repository, subject) = prepared(&[Switch::ReferrersOff]).await;
    let client = client();
    let manifests = referrers(&client, &repository, &subject, &["a"]).await;
    let foreign = referrers(&client, &repository, &subject, &["b"]).await.remove(0);
    let tag = Tag::referrers_fallback(&subject.digest);
    seed(&registry, tag.as_str(), &foreign);
    let error = attach(&client, &repository, &subject, &manifests, &[], &quick()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Malformed);
    assert_eq!(read_fallback(&client, &repository, &subject.digest).await.unwrap_err().kind, ErrorKind::Malformed);
    assert_eq!(registry.tag_digest("team/app", tag.as_str()), Some(foreign.digest().to_string()));
}

#[tokio::test]
async fn gitlabs_answer_for_the_fallback_tag_is_not_a_list_of_referrers() {
    let (_registry, repository, subject) = prepared(&[Switch::ReferrersOff, Switch::DigestAsTag]).await;
    assert_eq!(read_fallback(&client(), &repository, &subject.digest).await.unwrap(), None);
}

#[tokio::test]
async fn i6_a_fallback_tag_that_cannot_be_read_is_an_error_and_nothing_is_written_over_it() {
    let (registry, repository, subject) = prepared(&[Switch::ReferrersOff]).await;
    let client = client();
    let manifests = referrers(&client, &repository, &subject, &["a"]).await;
    registry.faults().add(When::method("GET").matching("manifests/sha256-"), Place::Before, Fault::Status(403));
    let error = attach(&client, &repository, &subject, &manifests, &[], &quick()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Forbidden);
    assert!(registry.tags("team/app").is_empty());
}

#[tokio::test]
async fn a_manifest_of_another_subject_is_refused_before_any_write() {
    let (registry, repository, subject) = prepared(&[]).await;
    let client = client();
    let manifests = referrers(&client, &repository, &small_index("other").descriptor(), &["a"]).await;
    let before = registry.snapshot();
    let error = attach(&client, &repository, &subject, &manifests, &[], &quick()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Refused);
    assert!(before == registry.snapshot());
}

#[tokio::test]
async fn attaching_twice_changes_nothing() {
    for switches in [vec![], vec![Switch::ReferrersOff]] {
        let (registry, repository, subject) = prepared(&switches).await;
        let client = client();
        let manifests = referrers(&client, &repository, &subject, &["a", "b"]).await;
        attach(&client, &repository, &subject, &manifests, &[], &quick()).await.unwrap();
        let before = registry.snapshot();
        let again = attach(&client, &repository, &subject, &manifests, &[], &quick()).await.unwrap();
        assert_eq!(again.index_writes, 0);
        assert!(before == registry.snapshot());
    }
}

#[tokio::test]
async fn a_bundle_manifest_has_the_shape_that_cosign_writes() {
    let (_registry, repository, subject) = prepared(&[]).await;
    let client = client();
    let manifest = referrers(&client, &repository, &subject, &["bundle"]).await.remove(0);
    let value: serde_json::Value = serde_json::from_slice(manifest.bytes()).unwrap();
    assert_eq!(value["artifactType"], media_type::SIGSTORE_BUNDLE);
    assert_eq!(value["config"]["digest"], "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
    assert_eq!(value["layers"][0]["mediaType"], media_type::SIGSTORE_BUNDLE);
    assert_eq!(value["subject"]["digest"], subject.digest.to_string());
    assert_eq!(value["annotations"]["dev.sigstore.bundle.content"], "dsse-envelope");
    client.put_manifest(&repository, &PutTarget::Digest, &manifest).await.unwrap();
    assert!(client.manifest(&by_digest(&repository, manifest.digest())).await.unwrap().is_some());
    assert!(client.manifest(&by_tag(&repository, "none")).await.unwrap().is_none());
}
