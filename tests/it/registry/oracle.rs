//! `oci-client` as an oracle: both clients read the same content and agree on it.

use countersign::oci::media_type;
use countersign::registry::{PutTarget, Registry};
use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::secrets::RegistryAuth;

use super::{by_tag, client, open, small_index, tag};

#[tokio::test]
async fn oci_client_reads_what_we_wrote_and_we_read_what_it_wrote() {
    let (registry, repository) = open().await;
    let config = ClientConfig { protocol: ClientProtocol::Http, ..ClientConfig::default() };
    let other = oci_client::Client::try_from(config).unwrap();
    let reference =
        |tag: &str| format!("{}/team/app:{tag}", registry.address()).parse::<oci_client::Reference>().unwrap();
    let ours = client();

    let manifest = small_index("ours");
    ours.put_manifest(&repository, &PutTarget::Tag(tag("ours")), &manifest).await.unwrap();
    let (bytes, digest) =
        other.pull_manifest_raw(&reference("ours"), &RegistryAuth::Anonymous, &[media_type::OCI_INDEX]).await.unwrap();
    assert_eq!((bytes.as_ref(), digest), (manifest.bytes(), manifest.digest().to_string()));

    let theirs = small_index("theirs");
    other
        .push_manifest_raw(&reference("theirs"), theirs.bytes().to_vec(), media_type::OCI_INDEX.parse().unwrap())
        .await
        .unwrap();
    assert_eq!(ours.manifest(&by_tag(&repository, "theirs")).await.unwrap(), Some(theirs.clone()));
    assert_eq!(ours.head(&repository, &tag("theirs")).await.unwrap().as_ref(), Some(theirs.digest()));

    let descriptor = ours.put_blob(&repository, "application/octet-stream", b"shared content").await.unwrap();
    let mut content = Vec::new();
    let wanted = oci_client::manifest::OciDescriptor {
        digest: descriptor.digest.to_string(),
        size: i64::try_from(descriptor.size).unwrap(),
        ..oci_client::manifest::OciDescriptor::default()
    };
    other.pull_blob(&reference("ours"), &wanted, &mut content).await.unwrap();
    assert_eq!(content, b"shared content");

    let listed = other.list_tags(&reference("ours"), &RegistryAuth::Anonymous, None, None).await.unwrap().tags;
    let ours: Vec<String> = ours.tags(&repository).await.unwrap().unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(ours, listed);
}
