//! Tag lists, paging, the catalog, and referrers with their switches.

use super::{Bed, OCI_INDEX, Switch};
use crate::registry::Bait;

fn next(answer: &super::Answer) -> Option<String> {
    let link = answer.header("link")?;
    assert!(link.ends_with("; rel=\"next\""));
    Some(link.split(['<', '>']).nth(1)?.to_owned())
}

async fn tagged(switches: Vec<Switch>) -> Bed {
    let bed = Bed::new(switches).await;
    for tag in ["v1", "v10", "v2", "latest", "v3"] {
        bed.registry.set_tag("org/app", tag, &bed.sample.digest);
    }
    bed
}

async fn pages(bed: &Bed, target: &str) -> Vec<Vec<String>> {
    let (mut pages, mut target) = (Vec::new(), Some(target.to_owned()));
    while let Some(page) = target {
        let answer = bed.get(&page).await;
        assert_eq!(answer.status, 200);
        let tags = answer.json()["tags"].as_array().unwrap().clone();
        pages.push(tags.iter().map(|t| t.as_str().unwrap().to_owned()).collect());
        target = next(&answer);
    }
    pages
}

#[tokio::test]
async fn the_tag_list_is_sorted_and_paged_by_n_and_last() {
    let bed = tagged(vec![]).await;
    assert_eq!(pages(&bed, "/v2/org/app/tags/list").await, [["latest", "v1", "v10", "v2", "v3"]]);
    assert_eq!(pages(&bed, "/v2/org/app/tags/list?n=2").await, [vec!["latest", "v1"], vec!["v10", "v2"], vec!["v3"]]);
    assert_eq!(pages(&bed, "/v2/org/app/tags/list?last=v10").await, [["v2", "v3"]]);
    assert_eq!(pages(&bed, "/v2/org/app/tags/list?n=0").await, [Vec::<String>::new()]);
    assert_eq!(bed.get("/v2/_catalog").await.json()["repositories"][0], "org/app");
}

#[tokio::test]
async fn page_size() {
    let bed = tagged(vec![Switch::PageSize(2)]).await;
    assert_eq!(pages(&bed, "/v2/org/app/tags/list?n=1000").await.len(), 3);
    for text in ["a", "b", "c"] {
        bed.attach("text/x", text).await;
    }
    let first = bed.get(&bed.referrers_path()).await;
    assert_eq!(first.json()["manifests"].as_array().unwrap().len(), 2);
    let second = bed.get(&next(&first).unwrap()).await;
    assert_eq!(second.json()["manifests"].as_array().unwrap().len(), 1);
    assert!(next(&second).is_none());
}

#[tokio::test]
async fn no_paging() {
    let bed = tagged(vec![Switch::NoPaging]).await;
    assert_eq!(pages(&bed, "/v2/org/app/tags/list?n=2&last=v1").await.concat().len(), 5);
}

#[tokio::test]
async fn referrers_are_listed_with_type_and_annotations_and_filtered() {
    let bed = Bed::new(vec![]).await;
    let empty = bed.get(&bed.referrers_path()).await;
    assert_eq!((empty.status, empty.header("content-type")), (200, Some(OCI_INDEX)));
    assert_eq!(empty.json()["manifests"].as_array().unwrap().len(), 0);
    let (digest, put) = bed.attach("text/x", "first").await;
    assert_eq!((put.status, put.header("oci-subject")), (201, Some(bed.sample.digest.as_str())));
    bed.attach("text/y", "second").await;
    let all = bed.get(&bed.referrers_path()).await;
    assert_eq!(all.json()["manifests"].as_array().unwrap().len(), 2);
    assert_eq!(all.header("oci-filters-applied"), None);
    let filtered = bed.get(&format!("{}?artifactType=text%2Fx", bed.referrers_path())).await;
    assert_eq!(filtered.header("oci-filters-applied"), Some("artifactType"));
    let entries = filtered.json()["manifests"].as_array().unwrap().clone();
    assert_eq!(entries.len(), 1);
    assert_eq!((&entries[0]["digest"], &entries[0]["artifactType"]), (&digest.into(), &"text/x".into()));
    assert_eq!(entries[0]["annotations"]["text"], "first");
}

#[tokio::test]
async fn a_referrer_may_come_before_its_subject() {
    let bed = Bed::new(vec![]).await;
    let (digest, _) = bed.attach("text/x", "early").await;
    bed.registry.delete_manifest("org/app", &bed.sample.digest);
    assert_eq!(bed.get(&bed.referrers_path()).await.json()["manifests"][0]["digest"], digest);
}

#[tokio::test]
async fn referrers_off() {
    let bed = Bed::new(vec![Switch::ReferrersOff]).await;
    let (digest, put) = bed.attach("text/x", "first").await;
    assert_eq!((put.status, put.header("oci-subject")), (201, None));
    let answer = bed.get(&bed.referrers_path()).await;
    assert_eq!((answer.status, answer.header("content-type")), (404, Some("text/plain; charset=utf-8")));
    assert_eq!(bed.registry.referrers("org/app", &bed.sample.digest), [digest]);
}

#[tokio::test]
async fn referrers_status() {
    for status in [400, 405, 429, 501] {
        let bed = Bed::new(vec![Switch::ReferrersStatus(status)]).await;
        let (_, put) = bed.attach("text/x", "first").await;
        assert_eq!(put.header("oci-subject"), None);
        assert_eq!(bed.get(&bed.referrers_path()).await.status, status);
    }
}

#[tokio::test]
async fn referrers_redirect() {
    let bed = Bed::new(vec![]).await;
    let trap = bed.registry.trap(Bait::Answer(200, b"{}".to_vec())).await.unwrap();
    bed.registry.faults().on(Switch::ReferrersRedirect(trap.origin().to_owned()));
    let answer = bed.get(&bed.referrers_path()).await;
    assert_eq!(answer.status, 303);
    assert!(answer.header("location").unwrap().starts_with(trap.origin()));
    assert!(trap.caught().is_empty());
}

#[tokio::test]
async fn referrers_unfiltered() {
    let bed = Bed::new(vec![Switch::ReferrersUnfiltered]).await;
    bed.attach("text/x", "first").await;
    bed.attach("text/y", "second").await;
    let answer = bed.get(&format!("{}?artifactType=text/x", bed.referrers_path())).await;
    assert_eq!(answer.header("oci-filters-applied"), None);
    assert_eq!(answer.json()["manifests"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn no_oci_subject() {
    let bed = Bed::new(vec![Switch::NoOciSubject]).await;
    let (_, put) = bed.attach("text/x", "first").await;
    assert_eq!(put.header("oci-subject"), None);
    assert_eq!(bed.get(&bed.referrers_path()).await.json()["manifests"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn lying_oci_subject() {
    let bed = Bed::new(vec![Switch::ReferrersOff, Switch::LyingOciSubject]).await;
    let (_, put) = bed.attach("text/x", "first").await;
    assert_eq!(put.header("oci-subject"), Some(bed.sample.digest.as_str()));
    assert_eq!(bed.get(&bed.referrers_path()).await.status, 404);
}
