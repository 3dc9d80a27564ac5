//! The same rules against a real registry, whose address is in `REGISTRY_URL` (`127.0.0.1:PORT`).
//!
//! Works with and without the referrers API. Writes into repositories of its own, named after the process.

use std::time::Duration;

use countersign::oci::{Descriptor, RawManifest, Repository, media_type};
use countersign::registry::attach::{AttachOptions, Layout, attach, bundle_manifest, upload_bundles};
use countersign::registry::fallback::read_fallback;
use countersign::registry::{ErrorKind, PutTarget, ReferrersAnswer, Registry};
use futures_util::future::join_all;
use tokio::io::AsyncReadExt;

use super::{by_digest, by_tag, client, small_index, tag};

fn repository(name: &str) -> Repository {
    let address = std::env::var_os("REGISTRY_URL").expect("REGISTRY_URL=HOST:PORT").into_string().unwrap();
    let address = address.trim_start_matches("http://").trim_end_matches('/').to_owned();
    format!("{address}/countersign-test-{}/{name}", std::process::id()).parse().unwrap()
}

async fn image(client: &dyn Registry, repository: &Repository) -> RawManifest {
    let config = client.put_blob(repository, media_type::OCI_CONFIG, b"{}").await.unwrap();
    let layer = client.put_blob(repository, media_type::OCI_LAYER, &vec![5; 300_000]).await.unwrap();
    let json = serde_json::json!({
        "schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST, "config": config, "layers": [layer],
    });
    RawManifest::new(media_type::OCI_MANIFEST, json.to_string().into_bytes())
}

#[tokio::test]
#[ignore = "needs REGISTRY_URL"]
async fn push_head_pull_and_list() {
    let (client, repository) = (client(), repository("push"));
    // Some registries have every repository, without tags.
    assert!(client.tags(&repository).await.unwrap().is_none_or(|tags| tags.is_empty()));
    assert_eq!(client.head(&repository, &tag("1.0")).await.unwrap(), None);
    let image = image(&client, &repository).await;
    client.put_manifest(&repository, &PutTarget::Digest, &image).await.unwrap();
    for name in ["1.0", "1", "latest"] {
        client.put_manifest(&repository, &PutTarget::Tag(tag(name)), &image).await.unwrap();
        assert_eq!(client.head(&repository, &tag(name)).await.unwrap().as_ref(), Some(image.digest()));
    }
    assert_eq!(client.manifest(&by_tag(&repository, "1.0")).await.unwrap().as_ref(), Some(&image));
    assert_eq!(client.manifest(&by_digest(&repository, image.digest())).await.unwrap().as_ref(), Some(&image));
    assert_eq!(client.manifest(&by_digest(&repository, small_index("x").digest())).await.unwrap(), None);
    let mut tags = client.tags(&repository).await.unwrap().unwrap();
    tags.sort();
    assert_eq!(tags, [tag("1"), tag("1.0"), tag("latest")]);
    let layer = Descriptor::of(media_type::OCI_LAYER, &vec![5; 300_000]);
    let mut bytes = Vec::new();
    client.blob(&repository, &layer).await.unwrap().unwrap().read_to_end(&mut bytes).await.unwrap();
    assert_eq!(bytes.len(), 300_000);
    let absent = Descriptor::of("x/y", b"absent");
    assert!(client.blob(&repository, &absent).await.unwrap().is_none());
}

#[tokio::test]
#[ignore = "needs REGISTRY_URL"]
async fn an_index_with_a_missing_child_is_refused_by_the_registry_and_reported() {
    let (client, repository) = (client(), repository("children"));
    image(&client, &repository).await;
    let child = small_index("absent").descriptor();
    let json = serde_json::json!({"schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": [child]});
    let index = RawManifest::new(media_type::OCI_INDEX, json.to_string().into_bytes());
    // Not every registry checks children; those that do say so with 4xx.
    if let Err(error) = client.put_manifest(&repository, &PutTarget::Digest, &index).await {
        assert_eq!(error.kind, ErrorKind::Refused, "{error}");
    }
}

#[tokio::test]
#[ignore = "needs REGISTRY_URL"]
async fn eight_concurrent_attachers_all_survive() {
    for round in 0..7 {
        let (setup, repository) = (client(), repository(&format!("attach-{round}")));
        let image = image(&setup, &repository).await;
        setup.put_manifest(&repository, &PutTarget::Digest, &image).await.unwrap();
        let subject = image.descriptor();
        let run = async |n: usize| {
            let (client, bundle) = (client(), format!("bundle {n}"));
            let blobs = upload_bundles(&client, &repository, &[bundle.as_bytes()]).await.unwrap();
            let created = "2026-11-21T10:00:00Z".parse().unwrap();
            let manifest = bundle_manifest(&blobs[0], &subject, "https://example.com/x", created);
            let options = AttachOptions { deadline: Duration::from_secs(30), ..AttachOptions::default() };
            attach(&client, &repository, &subject, &[manifest], &[], &options).await.unwrap()
        };
        let outcomes = join_all((0..8).map(run)).await;
        let listed = match client().referrers(&repository, &subject.digest).await.unwrap() {
            ReferrersAnswer::Supported(listed) => listed,
            ReferrersAnswer::Absent | ReferrersAnswer::Unclear { .. } => {
                assert!(outcomes.iter().all(|outcome| outcome.layout == Layout::FallbackTag));
                read_fallback(&setup, &repository, &subject.digest).await.unwrap().unwrap()
            }
        };
        for outcome in &outcomes {
            assert!(listed.iter().any(|entry| entry.digest == outcome.digests[0]), "round {round}: {outcome:?}");
        }
        assert_eq!(listed.len(), 8, "round {round}");
    }
}
