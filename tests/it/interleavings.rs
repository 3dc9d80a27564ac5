//! I4 under concurrency: releases meet in pairs, every answer of the registry late by a seeded random time. Whatever the
//! order, the version tags and every channel end where the set of released versions says.
//!
//! A few rounds in every run; `make crash-matrix` asks for two hundred.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use countersign_sandbox::registry::{Fault, Place, When};
use futures_util::stream::{self, StreamExt};

use crate::support::{APP, Gateway, Run, digest, sample};

/// The versions of one history: backports, a pre-release, and ten after nine.
const VERSIONS: [&str; 6] = ["1.2.0", "1.3.0", "1.2.1", "2.0.0-rc.1", "1.9.0", "1.10.0"];
/// Two of them at once.
const PAIRS: usize = VERSIONS.len() / 2;
/// Requests of two releases at once, generously; later ones are not delayed.
const REQUESTS: u64 = 400;
/// The longest delay of one request. A channel is written and looked at again in about five requests.
const LONGEST_DELAY_MS: u64 = 60;
/// The second release of a pair starts up to so much later, so that phases meet other phases.
const LONGEST_OFFSET_MS: u64 = 200;
/// Of two hundred pairs, those that must have written the same channel for the run to have shown anything. A third of all
/// pairs hold the pre-release, and in many of the others the lower version finds a higher one in place.
const LEAST_MEETINGS: usize = 20;

/// `SplitMix64`: the same delays for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }

    fn shuffled(&mut self) -> Vec<&'static str> {
        let mut versions = VERSIONS.to_vec();
        for at in (1..versions.len()).rev() {
            versions.swap(at, usize::try_from(self.below(at as u64 + 1)).unwrap());
        }
        versions
    }

    /// About half of all requests are late, before or after they had their effect.
    fn delay(&mut self, gateway: &Gateway) {
        gateway.registry.clear_log();
        gateway.registry.faults().clear_faults();
        for number in 1..=REQUESTS {
            let late = Fault::Delay(Duration::from_millis(self.below(LONGEST_DELAY_MS)));
            match self.below(4) {
                0 => gateway.registry.faults().add(When::request(number), Place::Before, late),
                1 => gateway.registry.faults().add(When::request(number), Place::After, late),
                _ => {}
            }
        }
    }
}

/// Numeric parts of a version that gets channels; none for a pre-release.
fn parts(version: &str) -> Option<[u64; 3]> {
    let numbers: Vec<u64> = version.split('.').map(str::parse).collect::<Result<_, _>>().ok()?;
    numbers.try_into().ok()
}

/// Where the preset `both` wants every tag after these releases, worked out without the product.
fn expected(released: &BTreeMap<&str, String>) -> BTreeMap<String, String> {
    let mut highest: BTreeMap<String, ([u64; 3], &str)> = BTreeMap::new();
    let mut tags = BTreeMap::new();
    for (version, candidate) in released {
        tags.insert((*version).to_owned(), digest(candidate).to_owned());
        tags.insert(format!("v{version}"), digest(candidate).to_owned());
        let Some(number) = parts(version) else { continue };
        for channel in [format!("{}.{}", number[0], number[1]), number[0].to_string(), "latest".to_owned()] {
            let best = highest.entry(channel).or_insert((number, version));
            *best = (*best).max((number, version));
        }
    }
    tags.extend(highest.into_iter().map(|(channel, (_, version))| (channel, digest(&released[version]).to_owned())));
    tags
}

/// What the rounds came to.
#[derive(Debug, Default)]
struct Tally {
    rounds: usize,
    /// Rounds in which a channel was written more than once: by both, or by one that had to repair it.
    met: usize,
    failures: Vec<String>,
}

/// One repository in which six versions are released, two at a time.
async fn history(seed: u64) -> Tally {
    let mut dice = Dice(seed);
    let (gateway, order) = (Gateway::start().await, dice.shuffled());
    let (mut tally, mut released) = (Tally::default(), BTreeMap::new());
    for pair in order.chunks(2) {
        let at = format!("seed {seed}, {order:?}, {pair:?}");
        let candidates: Vec<String> = pair.iter().map(|version| gateway.push(APP, &sample(version))).collect();
        gateway.token(&gateway.sigstore.email_token(crate::support::EMAIL));
        dice.delay(&gateway);
        let (first, second) = (gateway.promote(&candidates[0], pair[0]), gateway.promote(&candidates[1], pair[1]));
        let offset = Duration::from_millis(dice.below(LONGEST_OFFSET_MS));
        let (first, second) = tokio::join!(first, async {
            tokio::time::sleep(offset).await;
            second.await
        });
        released.extend(pair.iter().copied().zip(candidates));
        tally.rounds += 1;
        tally.met += usize::from(wrote_twice(&gateway));
        tally.failures.extend(wrong(&gateway, &released, &[first, second]).map(|why| format!("{at}: {why}")));
    }
    tally
}

fn wrote_twice(gateway: &Gateway) -> bool {
    let log = gateway.registry.log();
    let channels = ["1", "latest"].map(|tag| format!("/v2/{APP}/manifests/{tag}"));
    channels.iter().any(|path| log.iter().filter(|r| r.method == "PUT" && r.path() == path).count() > 1)
}

fn wrong(gateway: &Gateway, released: &BTreeMap<&str, String>, runs: &[Run]) -> Option<String> {
    if let Some(run) = runs.iter().find(|run| run.code != 0 || run.json()["state"] != "promoted") {
        return Some(run.to_string());
    }
    let (found, expected) = (gateway.tags(), expected(released));
    (found != expected).then(|| format!("{found:#?}\nexpected: {expected:#?}"))
}

/// Several histories at once: most of their time is waiting.
async fn histories(seeds: std::ops::Range<u64>) -> Tally {
    let all = stream::iter(seeds).map(history).buffer_unordered(3).collect::<Vec<Tally>>().await;
    all.into_iter().fold(Tally::default(), |mut sum, one| {
        sum.rounds += one.rounds;
        sum.met += one.met;
        sum.failures.extend(one.failures);
        sum
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn i4_releases_that_meet_leave_every_channel_at_its_highest_version() {
    let tally = histories(0..1).await;
    assert_eq!((tally.rounds, tally.failures), (PAIRS, Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stdout, reason = "the line is what the run is for")]
#[ignore = "make crash-matrix: two hundred pairs of releases, some minutes"]
async fn i4_two_hundred_pairs_of_releases_that_meet() {
    let (started, histories_needed) = (Instant::now(), 200_u64.div_ceil(PAIRS as u64));
    let tally = histories(1..1 + histories_needed).await;
    let line = format!(
        "{} pairs of releases with late answers: in {} a channel was written more than once; {} wrong; {} s",
        tally.rounds,
        tally.met,
        tally.failures.len(),
        started.elapsed().as_secs()
    );
    println!("{line}");
    assert!(tally.failures.is_empty(), "{}", tally.failures.join("\n\n"));
    assert!(tally.rounds >= 200 && tally.met >= LEAST_MEETINGS, "the releases hardly ever met: {line}");
    if let Some(path) = std::env::var_os("COUNTERSIGN_INTERLEAVINGS") {
        std::fs::write(path, line + "\n").unwrap();
    }
}

/// The same versions one after another, in the order in which a project would release them.
#[tokio::test(flavor = "multi_thread")]
async fn i4_backports_pre_releases_and_ten_after_nine_one_after_another() {
    let (gateway, mut released) = (Gateway::start().await, BTreeMap::new());
    for version in VERSIONS {
        released.insert(version, gateway.release(version).await);
        assert_eq!(gateway.tags(), expected(&released), "after {version}");
    }
}
