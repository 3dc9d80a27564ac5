//! How many requests a whole release, its rerun and the next release cost: the budgets of docs/performance.md.

use countersign_sandbox::registry::{Options, Place, Request, Switch, When};

use crate::support::{APP, Gateway, digest};

/// The two platforms of the sample have two layers each.
const TAGS: usize = 5;

async fn gateway(switches: &[Switch]) -> Gateway {
    Gateway::with(&[APP], Options { switches: switches.to_vec(), ..Options::default() }).await
}

fn shown(requests: &[Request]) -> String {
    let lines: Vec<String> = requests.iter().map(ToString::to_string).collect();
    format!("{} requests:\n{}", lines.len(), lines.join("\n"))
}

fn blob_reads(requests: &[Request]) -> Vec<&str> {
    requests.iter().filter(|r| r.method == "GET" && r.path().contains("/blobs/")).map(Request::path).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_of_two_platforms_and_five_tags_costs_at_most_a_hundred_requests() {
    for switches in [vec![], vec![Switch::ReferrersOff]] {
        let gateway = gateway(&switches).await;
        gateway.release("1.2.3").await;
        let requests = gateway.registry.log();
        eprintln!("{switches:?}: {}", shown(&requests));
        assert!(requests.len() <= 100, "{switches:?}: {}", shown(&requests));
        let mut blobs = blob_reads(&requests);
        let all = blobs.len();
        blobs.sort_unstable();
        blobs.dedup();
        assert_eq!(blobs.len(), all, "each layer, configuration and bundle is downloaded once: {}", shown(&requests));
    }
}

/// What the read-back finds missing is written again: somebody who read the index before we wrote it replaced it.
#[tokio::test(flavor = "multi_thread")]
async fn evidence_that_is_lost_between_writing_and_reading_back_is_attached_again() {
    for switches in [vec![], vec![Switch::ReferrersOff]] {
        let gateway = gateway(&switches).await;
        let candidate = gateway.build("1.2.3");
        let mut stop = match switches.is_empty() {
            // The survey asked for the lists of three nodes; the fourth question is the read-back's.
            true => gateway.registry.faults().stop(When::method("GET").matching("/referrers/").nth(4), Place::Before),
            false => gateway
                .registry
                .faults()
                .stop(When::method("PUT").matching("/manifests/sha256-").first(1), Place::After),
        };
        let running = tokio::spawn(gateway.command(&["promote", &candidate, "--version", "1.2.3"]).output());
        stop.wait_for_stop().await.unwrap();
        let log = gateway.registry.log();
        let put = log.iter().rfind(|r| r.method == "PUT" && r.path().contains("/manifests/sha256")).unwrap();
        let lost = put.path().rsplit('/').next().unwrap();
        assert!(gateway.registry.delete_tag(APP, lost) || gateway.registry.delete_manifest(APP, lost), "{lost}");
        stop.release();
        let run = crate::support::Run::of(running.await.unwrap().unwrap()).is("promoted", 0);
        assert!(gateway.tags().values().all(|found| found == digest(&candidate)), "{run}");
        gateway.run(&["verify", &candidate]).await.verdict("verified", 0);
    }
}

/// What cannot be saved: each tag is looked at before and after it is written, a channel that exists is looked at for
/// the plan, too, and the tag list is read before the plan and after the last channel.
#[tokio::test(flavor = "multi_thread")]
async fn moving_tags_costs_three_requests_each_and_one_more_for_each_channel_that_exists() {
    for (switches, multi_tag_asked) in [(vec![], 1), (vec![Switch::ReferrersOff], 0)] {
        let gateway = gateway(&switches).await;
        for (version, channels_there) in [("1.2.3", 0), ("1.2.4", 3)] {
            gateway.registry.clear_log();
            gateway.release(version).await;
            let requests = gateway.tag_requests(APP);
            let budget = 3 * TAGS + 2 + multi_tag_asked + channels_there;
            assert!(requests.len() <= budget, "{version}, budget {budget}, {}", shown(&requests));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finished_release_costs_one_request_a_tag_and_each_attestation_once() {
    for switches in [vec![], vec![Switch::ReferrersOff]] {
        let gateway = gateway(&switches).await;
        let candidate = gateway.release("1.2.3").await;
        gateway.registry.clear_log();
        gateway.promote(&candidate, "1.2.3").await.is("unchanged", 0);
        let requests = gateway.registry.log();
        assert!(requests.iter().all(|r| !r.is_write()), "{}", shown(&requests));
        let tags = gateway.tag_requests(APP);
        assert!(tags.len() <= TAGS + 1, "one a tag, and the list: {}", shown(&tags));
        // Three nodes with their lists, two configurations, eleven attestations of two requests each.
        assert!(requests.len() <= tags.len() + 3 + 1 + 3 + 2 + 2 * 11, "{}", shown(&requests));
        eprintln!("{switches:?}: {} requests", requests.len());
    }
}
