//! Blobs: streams that verify, redirects to storage, uploads.

use std::time::Duration;

use countersign::oci::{Descriptor, Digest};
use countersign::registry::{ErrorKind, Registry, RegistryError};
use countersign_sandbox::registry::{Access, Bait, Fault, Options, Place, Switch, User, When};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{REQUEST_TIMEOUT, client, client_as, count, open, requests, seed_blob, start};

/// Reads to the end; the bytes, or the kind of the error that came instead.
async fn read(
    registry: &dyn Registry,
    repository: &countersign::oci::Repository,
    descriptor: &Descriptor,
) -> Result<Vec<u8>, ErrorKind> {
    let mut stream = registry.blob(repository, descriptor).await.map_err(|error| error.kind)?.expect("a blob");
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes).await {
        Ok(_) => Ok(bytes),
        Err(error) => Err(RegistryError::of_io(&error).expect("a registry error").kind),
    }
}

#[tokio::test]
async fn a_blob_is_streamed_whole() {
    let (registry, repository) = open().await;
    let content: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let descriptor = seed_blob(&registry, &content);
    assert_eq!(read(&client(), &repository, &descriptor).await.as_ref(), Ok(&content));
    let absent = Descriptor::of("x/y", b"absent");
    assert!(client().blob(&repository, &absent).await.unwrap().is_none());
}

#[tokio::test]
async fn i7_a_blob_longer_shorter_or_other_than_its_descriptor_is_refused() {
    let (registry, repository) = open().await;
    let content = b"twelve bytes".to_vec();
    for lie in [&b"twelve bytes and more"[..], b"short", b"TWELVE BYTES"] {
        registry.put_blob_at("team/app", &Digest::of(&content).to_string(), lie.to_vec());
        let descriptor = Descriptor::of("x/y", &content);
        assert_eq!(read(&client(), &repository, &descriptor).await, Err(ErrorKind::Contradiction));
    }
}

#[tokio::test]
async fn a_blob_that_never_ends_is_cut_at_its_size() {
    let (registry, repository) = open().await;
    let descriptor = seed_blob(&registry, b"content");
    registry.faults().add(When::method("GET"), Place::After, Fault::EndlessBody);
    assert_eq!(read(&client(), &repository, &descriptor).await, Err(ErrorKind::Contradiction));
}

#[tokio::test]
async fn a_connection_cut_short_is_not_knowing_rather_than_a_contradiction() {
    let (registry, repository) = open().await;
    let descriptor = seed_blob(&registry, &vec![7; 100_000]);
    registry.faults().add(When::method("GET"), Place::After, Fault::TruncatedBody);
    assert_eq!(read(&client(), &repository, &descriptor).await, Err(ErrorKind::Unavailable));
}

/// A server that sends this and then keeps the connection open, or closes it.
async fn scripted(answer: &'static str, close: bool) -> countersign::oci::Repository {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let repository = format!("{}/team/app", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = socket.read(&mut request).await;
            let _ = socket.write_all(answer.as_bytes()).await;
            if !close {
                open.push(socket);
            }
        }
    });
    repository
}

#[tokio::test]
async fn a_stalled_blob_ends_after_the_time_out() {
    let repository = scripted("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", false).await;
    let started = std::time::Instant::now();
    let descriptor = Descriptor::of("x/y", b"half and h");
    assert_eq!(read(&client(), &repository, &descriptor).await, Err(ErrorKind::Unavailable));
    assert!(started.elapsed() >= REQUEST_TIMEOUT && started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_short_body_without_any_framing_is_not_knowing() {
    let repository = scripted("HTTP/1.0 200 OK\r\n\r\nhalf", true).await;
    let descriptor = Descriptor::of("x/y", b"half and h");
    assert_eq!(read(&client(), &repository, &descriptor).await, Err(ErrorKind::Unavailable));
}

#[tokio::test]
async fn i11_a_blob_redirect_is_followed_without_our_credential() {
    let user = User::new("ann", "secret-password");
    for access in [Access::Basic, Access::Token { lifetime: Duration::from_secs(300) }] {
        let options = Options { access, users: vec![user.clone()], ..Options::default() };
        let (registry, repository) = start(options).await;
        let trap = registry.trap(Bait::Blobs).await.unwrap();
        registry.faults().on(Switch::BlobRedirect(trap.origin().to_owned()));
        let descriptor = seed_blob(&registry, b"stored elsewhere");
        let client = client_as(&registry, "ann:secret-password");
        assert_eq!(read(&client, &repository, &descriptor).await, Ok(b"stored elsewhere".to_vec()));
        assert_eq!((trap.caught().len(), trap.caught_a_secret()), (1, false));
    }
}

#[tokio::test]
async fn a_redirect_target_that_wants_authorisation_gets_none() {
    let (registry, repository) = open().await;
    let other =
        start(Options { access: Access::Basic, users: vec![User::new("ann", "pw")], ..Options::default() }).await.0;
    let descriptor = seed_blob(&registry, b"content");
    let there = format!("{}/v2/team/app/blobs/{}", other.origin(), descriptor.digest);
    registry.faults().add(When::any(), Place::Before, Fault::Redirect(307, there));
    let error = client_as(&registry, "ann:pw").blob(&repository, &descriptor).await.err().unwrap();
    assert_eq!(error.kind, ErrorKind::Unauthenticated);
    assert!(other.log().iter().all(|request| !request.is_authorized()));
}

#[tokio::test]
async fn redirects_end_after_five() {
    let (registry, repository) = open().await;
    let descriptor = seed_blob(&registry, b"content");
    let here = format!("/v2/team/app/blobs/{}", descriptor.digest);
    registry.faults().add(When::any(), Place::Before, Fault::Redirect(302, here.clone()));
    let error = client().blob(&repository, &descriptor).await.err().unwrap();
    assert_eq!((error.kind, registry.log().len()), (ErrorKind::Limit, 6));
    registry.faults().clear();
    registry.faults().add(When::any().first(5), Place::Before, Fault::Redirect(302, here));
    assert_eq!(read(&client(), &repository, &descriptor).await, Ok(b"content".to_vec()));
}

#[tokio::test]
async fn a_small_blob_costs_one_request_where_the_registry_takes_it_with_the_first() {
    let (registry, repository) = open().await;
    let client = client();
    for content in [&b"first"[..], b"second"] {
        let descriptor = client.put_blob(&repository, "x/y", content).await.unwrap();
        assert_eq!(read(&client, &repository, &descriptor).await, Ok(content.to_vec()));
    }
    assert_eq!((count(&registry, "POST"), count(&registry, "PUT")), (2, 0));
    // Who refuses such a request gets an ordinary one.
    registry.clear_log();
    registry.faults().add(When::method("POST").matching("digest=").first(1), Place::Before, Fault::Status(400));
    super::client().put_blob(&repository, "x/y", b"third").await.unwrap();
    assert_eq!((count(&registry, "POST"), count(&registry, "PUT")), (2, 1));
}

#[tokio::test]
async fn a_small_blob_costs_two_requests_and_a_large_one_that_is_there_costs_one() {
    let (registry, repository) = open().await;
    registry.faults().on(Switch::NoSinglePost);
    let client = client();
    let descriptor = client.put_blob(&repository, "x/y", b"small").await.unwrap();
    assert_eq!(read(&client, &repository, &descriptor).await, Ok(b"small".to_vec()));
    assert_eq!((count(&registry, "HEAD"), count(&registry, "POST"), count(&registry, "PUT")), (0, 1, 1));
    let large = vec![1; 200_000];
    client.put_blob(&repository, "x/y", &large).await.unwrap();
    registry.clear_log();
    super::client().put_blob(&repository, "x/y", &large).await.unwrap();
    assert_eq!((registry.log().len(), count(&registry, "HEAD")), (1, 1));
}

#[tokio::test]
async fn parallel_uploads_of_one_blob_are_one_upload() {
    let (registry, repository) = open().await;
    let client = client();
    let puts = (0..6).map(|_| client.put_blob(&repository, "x/y", b"{}"));
    futures_util::future::try_join_all(puts).await.unwrap();
    assert_eq!((count(&registry, "POST"), count(&registry, "PUT")), (1, 0));
}

#[tokio::test]
async fn upload_addresses_may_be_relative() {
    let (registry, repository) = open().await;
    registry.faults().on(Switch::RelativeLocation);
    registry.faults().on(Switch::NoSinglePost);
    client().put_blob(&repository, "x/y", b"content").await.unwrap();
    assert!(registry.blob("team/app", &Digest::of(b"content").to_string()).is_some());
}

#[tokio::test]
async fn a_broken_upload_session_begins_again_as_a_whole() {
    for fault in [Fault::Status(503), Fault::Reset, Fault::Status(404)] {
        let (registry, repository) = open().await;
        registry.faults().on(Switch::NoSinglePost);
        registry.faults().add(When::method("PUT").first(2), Place::Before, fault);
        client().put_blob(&repository, "x/y", b"content").await.unwrap();
        assert_eq!(count(&registry, "POST"), 3, "{:?}", requests(&registry));
        assert!(registry.blob("team/app", &Digest::of(b"content").to_string()).is_some());
    }
}

#[tokio::test]
async fn an_upload_session_without_address_or_on_another_host_is_an_error() {
    let (registry, repository) = open().await;
    let trap = registry.trap(Bait::Answer(201, Vec::new())).await.unwrap();
    let foreign = vec![("location", format!("{}/upload", trap.origin()))];
    for headers in [Vec::new(), foreign] {
        registry.faults().clear();
        registry.faults().add(When::method("POST"), Place::Before, Fault::Answer(202, headers, Vec::new()));
        let error = client().put_blob(&repository, "x/y", b"content").await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Malformed);
    }
    assert!(trap.caught().is_empty());
}
