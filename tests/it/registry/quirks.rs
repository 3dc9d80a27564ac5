//! Lasting oddities of real registries: the switches of the sandbox that no other file here turns on.

use countersign::oci::Tag;
use countersign::registry::{ErrorKind, PutTarget, ReferrersAnswer, Registry};
use countersign_sandbox::registry::{Fault, Place, Switch, When};
use regex::Regex;

use super::{client, open, seed, small_index, tag};

fn together() -> PutTarget {
    PutTarget::Tags(vec![tag("1"), tag("1.2")])
}

#[tokio::test]
async fn several_tags_are_one_request_where_oci_tag_is_answered() {
    let (registry, repository) = open().await;
    registry.faults().on(Switch::MultiTag);
    let manifest = small_index("a");
    let outcome = client().put_manifest(&repository, &together(), &manifest).await.unwrap();
    assert_eq!(outcome.tags, [tag("1"), tag("1.2")]);
    assert_eq!(registry.log().len(), 1);
    for name in ["1", "1.2"] {
        assert_eq!(registry.tag_digest("team/app", name), Some(manifest.digest().to_string()));
    }
}

#[tokio::test]
async fn a_registry_without_oci_tag_writes_no_tag_and_is_asked_once() {
    let (registry, repository) = open().await;
    let client = client();
    for _ in 0..3 {
        assert!(client.put_manifest(&repository, &together(), &small_index("a")).await.unwrap().tags.is_empty());
    }
    assert_eq!((registry.log().len(), registry.tag_digest("team/app", "1")), (1, None));
}

#[tokio::test]
async fn a_registry_that_refuses_the_query_is_one_without_it() {
    let (registry, repository) = open().await;
    registry.faults().add(When::method("PUT").first(1), Place::Before, Fault::Status(400));
    let outcome = client().put_manifest(&repository, &together(), &small_index("a")).await.unwrap();
    assert_eq!(outcome.tags, Vec::<Tag>::new());
}

#[tokio::test]
async fn i6_a_lost_answer_to_several_tags_is_not_the_absence_of_the_feature() {
    let (registry, repository) = open().await;
    registry.faults().on(Switch::MultiTag);
    registry.faults().add(When::method("PUT").first(1), Place::After, Fault::Reset);
    let client = client();
    // Not replayed: somebody may have written one of the tags since, so the caller looks again first.
    let error = client.put_manifest(&repository, &together(), &small_index("a")).await.unwrap_err();
    assert!(error.kind.may_pass(), "{error}");
    assert_eq!(registry.log().len(), 1);
    let outcome = client.put_manifest(&repository, &together(), &small_index("a")).await.unwrap();
    assert_eq!(outcome.tags.len(), 2, "asked again");
}

#[tokio::test]
async fn referrers_are_complete_whether_the_registry_filters_or_not() {
    for switch in [None, Some(Switch::ReferrersUnfiltered), Some(Switch::NoOciSubject)] {
        let (registry, repository) = open().await;
        let shown = format!("{switch:?}");
        if let Some(switch) = switch {
            registry.faults().on(switch);
        }
        let subject = small_index("a");
        seed(&registry, "1.0", &subject);
        let ReferrersAnswer::Supported(list) = client().referrers(&repository, subject.digest()).await.unwrap() else {
            panic!("{shown}: no list");
        };
        assert!(list.is_empty(), "{shown}");
        let asked = registry.log().last().unwrap().to_string();
        assert!(!asked.contains("artifactType"), "no filter is asked for, so none can lie: {asked}");
    }
}

#[tokio::test]
async fn a_tag_that_the_registry_made_immutable_is_a_refusal_and_not_tried_again() {
    let (registry, repository) = open().await;
    registry.faults().on(Switch::ImmutableTags(Regex::new("^1").unwrap()));
    let target = PutTarget::Tag(tag("1.0"));
    client().put_manifest(&repository, &target, &small_index("a")).await.unwrap();
    registry.clear_log();
    let error = client().put_manifest(&repository, &target, &small_index("a")).await.unwrap_err();
    assert_eq!((error.kind, registry.log().len()), (ErrorKind::Refused, 1), "{error}");
}

#[tokio::test]
async fn uploads_need_neither_single_posts_nor_mounts() {
    let (registry, repository) = open().await;
    registry.faults().on(Switch::NoSinglePost);
    registry.faults().on(Switch::NoMount);
    let descriptor = client().put_blob(&repository, "x/y", b"hello").await.unwrap();
    assert!(client().blob(&repository, &descriptor).await.unwrap().is_some());
}
