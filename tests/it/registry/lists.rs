//! Tag lists and referrers lists: paging, limits, and what is no answer.

use countersign::oci::{Digest, media_type};
use countersign::registry::{ErrorKind, MAX_REFERRERS, ReferrersAnswer, Registry};
use countersign_sandbox::registry::{Bait, Fault, Place, Switch, When};

use super::{client, count, open, seed, small_index};

fn json(body: &str) -> (Vec<(&'static str, String)>, Vec<u8>) {
    (vec![("content-type", "application/json".to_owned())], body.as_bytes().to_vec())
}

#[tokio::test]
async fn every_page_of_tags_is_read() {
    let (registry, repository) = open().await;
    for n in 0..25 {
        seed(&registry, &format!("v{n:02}"), &small_index("a"));
    }
    registry.faults().on(Switch::PageSize(4));
    let tags = client().tags(&repository).await.unwrap().unwrap();
    assert_eq!((tags.len(), tags[24].as_str()), (25, "v24"));
    assert_eq!(registry.log().len(), 7);
    registry.faults().clear();
    registry.faults().on(Switch::NoPaging);
    assert_eq!(client().tags(&repository).await.unwrap().unwrap().len(), 25);
}

#[tokio::test]
async fn a_tag_list_that_loops_or_leaves_the_registry_is_an_error() {
    let (registry, repository) = open().await;
    let trap = registry.trap(Bait::Answer(200, b"{\"tags\":[\"evil\"]}".to_vec())).await.unwrap();
    let links = [
        "</v2/team/app/tags/list?n=1000>; rel=\"next\"".to_owned(),
        format!("<{}/v2/team/app/tags/list>; rel=\"next\"", trap.origin()),
        "<//evil.example.com/tags>; rel=next".to_owned(),
    ];
    for link in links {
        let (mut headers, body) = json(r#"{"tags":["1.0"]}"#);
        headers.push(("link", link));
        registry.faults().clear();
        registry.faults().add(When::any(), Place::Before, Fault::Answer(200, headers, body));
        assert_eq!(client().tags(&repository).await.unwrap_err().kind, ErrorKind::Malformed);
    }
    assert!(trap.caught().is_empty());
}

#[tokio::test]
async fn a_tag_list_of_ever_new_addresses_with_the_same_names_is_an_error() {
    let (registry, repository) = open().await;
    for n in 0..3 {
        let (mut headers, body) = json(r#"{"tags":["1.0"]}"#);
        headers.push(("link", format!("</v2/team/app/tags/list?page={n}>; rel=next")));
        registry.faults().add(When::any().nth(n + 1), Place::Before, Fault::Answer(200, headers, body));
    }
    assert_eq!(client().tags(&repository).await.unwrap_err().kind, ErrorKind::Malformed);
    assert_eq!(registry.log().len(), 2);
}

#[tokio::test]
async fn i6_a_later_page_that_cannot_be_read_makes_the_list_an_error() {
    let (registry, repository) = open().await;
    for n in 0..6 {
        seed(&registry, &format!("v{n}"), &small_index("a"));
    }
    registry.faults().on(Switch::PageSize(3));
    for (status, kind) in [(404, ErrorKind::Refused), (403, ErrorKind::Forbidden), (500, ErrorKind::Unavailable)] {
        registry.faults().clear_faults();
        registry.faults().add(When::any().matching("last="), Place::Before, Fault::Status(status));
        assert_eq!(client().tags(&repository).await.unwrap_err().kind, kind);
    }
}

#[tokio::test]
async fn tags_that_are_null_are_none_and_names_that_are_no_tags_are_an_error() {
    let (registry, repository) = open().await;
    for (body, expected) in [
        (r#"{"name":"team/app","tags":null}"#, Ok(0)),
        (r#"{"tags":["1.0","-bad"]}"#, Err(ErrorKind::Malformed)),
        ("<html>", Err(ErrorKind::Malformed)),
    ] {
        let (headers, body) = json(body);
        registry.faults().clear();
        registry.faults().add(When::any(), Place::Before, Fault::Answer(200, headers, body));
        let answer = client().tags(&repository).await;
        assert_eq!(answer.map(|tags| tags.unwrap().len()).map_err(|error| error.kind), expected);
    }
}

/// Stores `n` referrers of a subject, which is returned.
fn seed_referrers(registry: &countersign_sandbox::registry::Registry, n: usize) -> Digest {
    let subject = small_index("subject");
    seed(registry, "1.0", &subject);
    for marker in 0..n {
        let json = format!(
            r#"{{"schemaVersion":2,"mediaType":"{}","manifests":[],"artifactType":"x/y","annotations":{{"n":"{marker}"}},"subject":{}}}"#,
            media_type::OCI_INDEX,
            serde_json::to_string(&subject.descriptor()).unwrap()
        );
        registry.put_manifest_raw("team/app", media_type::OCI_INDEX, json.into_bytes());
    }
    subject.digest().clone()
}

#[tokio::test]
async fn referrers_are_read_to_the_last_page() {
    let (registry, repository) = open().await;
    let subject = seed_referrers(&registry, 7);
    registry.faults().on(Switch::PageSize(3));
    let ReferrersAnswer::Supported(list) = client().referrers(&repository, &subject).await.unwrap() else { panic!() };
    assert_eq!((list.len(), list[0].artifact_type.as_deref()), (7, Some("x/y")));
    assert_eq!(registry.log().len(), 3);
}

#[tokio::test]
async fn more_referrers_than_the_limit_are_a_limit_error() {
    let (registry, repository) = open().await;
    let subject = seed_referrers(&registry, MAX_REFERRERS);
    assert!(client().referrers(&repository, &subject).await.is_ok());
    seed_referrers(&registry, MAX_REFERRERS + 1);
    assert_eq!(client().referrers(&repository, &subject).await.unwrap_err().kind, ErrorKind::Limit);
}

#[tokio::test]
async fn a_truncated_list_of_referrers_is_an_error() {
    let (registry, repository) = open().await;
    let subject = seed_referrers(&registry, 7);
    registry.faults().on(Switch::PageSize(3));
    registry.faults().add(When::any().nth(2), Place::Before, Fault::Status(404));
    assert_eq!(client().referrers(&repository, &subject).await.unwrap_err().kind, ErrorKind::Unavailable);
}

#[tokio::test]
async fn no_referrers_api_is_found_out_once() {
    let (registry, repository) = open().await;
    let subject = seed_referrers(&registry, 1);
    registry.faults().on(Switch::ReferrersOff);
    let client = client();
    for _ in 0..3 {
        assert_eq!(client.referrers(&repository, &subject).await.unwrap(), ReferrersAnswer::Absent);
    }
    assert_eq!(registry.log().len(), 1);
}

#[tokio::test]
async fn i11_a_redirect_of_referrers_is_unclear_and_never_followed() {
    let (registry, repository) = open().await;
    let subject = seed_referrers(&registry, 1);
    let trap = registry.trap(Bait::Answer(200, b"{}".to_vec())).await.unwrap();
    registry.faults().on(Switch::ReferrersRedirect(trap.origin().to_owned()));
    let answer = client().referrers(&repository, &subject).await.unwrap();
    assert!(matches!(answer, ReferrersAnswer::Unclear { .. }), "{answer:?}");
    assert_eq!((trap.caught().len(), count(&registry, "GET")), (0, 1));
}

#[tokio::test]
async fn statuses_and_bodies_that_say_nothing_about_referrers_are_unclear() {
    let (registry, repository) = open().await;
    let subject = seed_referrers(&registry, 1);
    for status in [400, 405, 406, 501] {
        registry.faults().on(Switch::ReferrersStatus(status));
        let answer = client().referrers(&repository, &subject).await.unwrap();
        assert!(matches!(answer, ReferrersAnswer::Unclear { .. }), "{status} {answer:?}");
    }
    registry.faults().clear();
    for body in ["<html>", "{}", "", r#"{"schemaVersion":2,"layers":[],"manifests":[]}"#, r#"{"tags":[]}"#] {
        let (headers, body) = json(body);
        registry.faults().clear();
        registry.faults().add(When::any(), Place::Before, Fault::Answer(200, headers, body));
        let answer = client().referrers(&repository, &subject).await.unwrap();
        assert!(matches!(answer, ReferrersAnswer::Unclear { .. }), "{answer:?}");
    }
}
