//! The crash matrix (I8): a release of two images, killed before and after every request, and broken at every third
//! request, on three registries. `make crash-matrix` runs it and keeps its table in docs/reliability.md.
//!
//! After each kill or fault: every visible version tag verifies, the same command converges to the state without faults,
//! and no attestation stands twice. Kill points are chosen by the registry (or by the sandbox in front of a real one),
//! never by hooks in the product. A point that fails does not stop the others: all failures are listed at the end.

/// What happens to one request, and what must hold afterwards.
mod point;
/// Debian's docker-registry.
mod real;
/// Where one worker releases.
mod site;
/// What a registry's points came to.
mod tally;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use countersign_sandbox::registry::{Place, Switch};
use futures_util::future::join_all;

use self::point::{Event, Point, fault_classes};
use self::real::RealRegistry;
use self::site::{Column, Site, Standing};
use self::tally::Tally;

/// One more than the cores of a small machine: a point waits now and then.
const WORKERS: usize = 3;
/// A worker gets new servers after so many points, because the logs of the sandbox's Sigstore grow with every release.
const POINTS_OF_A_SITE: usize = 40;
/// A point takes about a second; a fault that slows every answer some more.
const LONGEST_POINT: Duration = Duration::from_secs(180);
/// Runs differ by a request or two where uploads of equal blobs meet.
const SPREAD: u64 = 8;

/// Which requests of a release get which events.
#[derive(Debug, Clone, Copy)]
struct Sampling {
    /// Killed, before and after.
    kills: usize,
    /// Broken by one fault.
    faults: usize,
    /// Of these points, how many are one that looks at a third run.
    third_runs: usize,
}

/// What `make crash-matrix` runs: every kill, a fault at every third request, a third run after every fourth point.
const WHOLE: Sampling = Sampling { kills: 1, faults: 3, third_runs: 4 };

impl Sampling {
    fn every(stride: usize) -> Self {
        Self { kills: stride, faults: stride, third_runs: 1 }
    }

    /// All points of a release with this many requests. The faults begin one request later on each registry, so that
    /// the three registries together break every request; classes and places take turns.
    fn points(self, column: usize, requests: u64) -> Vec<Point> {
        let mut points = Vec::new();
        for number in (1..=requests).step_by(self.kills) {
            points.push((number, Event::Kill(Place::Before)));
            points.push((number, Event::Kill(Place::After)));
        }
        let classes = fault_classes().len();
        let first = 1 + column as u64 % self.faults as u64;
        for (turn, number) in (first..=requests).step_by(self.faults).enumerate() {
            let place = if (turn / classes + column).is_multiple_of(2) { Place::Before } else { Place::After };
            points.push((number, Event::Fault(turn % classes, place)));
        }
        let third = |serial: usize| serial.is_multiple_of(self.third_runs);
        let points = points.into_iter().enumerate();
        points.map(|(serial, (number, event))| Point { number, event, third_run: third(serial) }).collect()
    }
}

/// All points of one registry, shared by the workers.
async fn run_column(serial: usize, column: Column, sampling: Sampling) -> Tally {
    let column = Arc::new(column);
    let first = Site::start(&column).await;
    let candidates = first.prepare().await;
    let run = first.promote(&candidates).await;
    assert_eq!(run.code, 0, "{}, without faults: {run}", column.name);
    let requests = first.gateway.registry.log().len() as u64;
    let whole = first.standing(&candidates).await;
    assert!(whole.attestations.values().all(|count| *count == 1), "{whole:#?}");
    assert!(!whole.tags.is_empty() && whole.strayed.is_empty(), "{whole:#?}");

    let whole = Arc::new(whole);
    let queue = Mutex::new(sampling.points(serial, requests).into_iter());
    let workers = (0..WORKERS).map(|_| work(&column, &whole, &queue, requests));
    join_all(workers).await.into_iter().fold(Tally::of(requests), Tally::and)
}

async fn work(
    column: &Arc<Column>,
    whole: &Arc<Standing>,
    queue: &Mutex<std::vec::IntoIter<Point>>,
    requests: u64,
) -> Tally {
    let mut tally = Tally::default();
    loop {
        let site = Arc::new(Site::start(column).await);
        for _ in 0..POINTS_OF_A_SITE {
            let Some(point) = next(queue, column.name) else { return tally };
            let (site, whole) = (site.clone(), whole.clone());
            // A task of its own: also a panic is only the failure of this point.
            let task = tokio::spawn(async move {
                let ended = tokio::time::timeout(LONGEST_POINT, point.run(&site, &whole)).await;
                ended.unwrap_or_else(|_| Err(format!("no end after {} s", LONGEST_POINT.as_secs())))
            });
            let ended = task.await.unwrap_or_else(|panicked| Err(panicked.to_string()));
            let failed = ended.is_err();
            tally.count(column.name, point, ended, point.number + SPREAD > requests);
            if failed {
                break;
            }
        }
    }
}

/// The next point; how many are left is said now and then.
fn next(queue: &Mutex<std::vec::IntoIter<Point>>, registry: &str) -> Option<Point> {
    let mut queue = queue.lock().unwrap();
    if queue.len() > 0 && queue.len().is_multiple_of(100) {
        eprintln!("{registry}: {} points to go", queue.len());
    }
    queue.next()
}

/// Every kill of every registry, faults in turn. The table is printed, and written where the variable says.
#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stdout, reason = "the table is what the run is for")]
#[ignore = "make crash-matrix: every kill point on three registries, about a quarter of an hour"]
async fn i8_crash_matrix() {
    let real = RealRegistry::start();
    let every = std::env::var_os("COUNTERSIGN_CRASH_EVERY").map(|every| every.to_str().unwrap().parse().unwrap());
    let sampling = every.map_or(WHOLE, Sampling::every);
    let columns = [
        Column { name: "sandbox, referrers API", switches: Vec::new(), upstream: None },
        Column { name: "sandbox, fallback tags", switches: vec![Switch::ReferrersOff], upstream: None },
        Column { name: "docker-registry 2.8", switches: Vec::new(), upstream: Some(real.address.clone()) },
    ];
    let (mut table, mut failures) = (tally::HEAD.map(str::to_owned).to_vec(), Vec::new());
    for (serial, column) in columns.into_iter().enumerate() {
        let (started, name) = (Instant::now(), column.name);
        let tally = run_column(serial, column, sampling).await;
        table.push(tally.row(name, started.elapsed().as_secs()));
        println!("{}", table.last().unwrap());
        failures.extend(tally.failures);
    }
    assert!(failures.is_empty(), "{} points failed:\n{}", failures.len(), failures.join("\n\n"));
    if let Some(path) = std::env::var_os("COUNTERSIGN_CRASH_TABLE") {
        std::fs::write(path, table.join("\n") + "\n").unwrap();
    }
}

/// A few points in every run.
#[tokio::test(flavor = "multi_thread")]
async fn i8_a_release_of_two_images_converges_after_kills_and_faults() {
    let column = Column { name: "fallback tags", switches: vec![Switch::ReferrersOff], upstream: None };
    let tally = run_column(0, column, Sampling::every(67)).await;
    assert!(tally.failures.is_empty(), "{}", tally.failures.join("\n\n"));
    assert!(tally.killed[0] >= 2 && tally.killed[1] >= 2 && tally.broken >= 2, "{tally:?}");
}

#[test]
fn the_whole_matrix_kills_at_every_request_and_shows_every_fault_to_every_registry() {
    for column in 0..3 {
        let points = WHOLE.points(column, 238);
        let kills = points.iter().filter(|point| matches!(point.event, Event::Kill(_))).count();
        assert_eq!(kills, 2 * 238);
        for class in 0..fault_classes().len() {
            for place in [Place::Before, Place::After] {
                let this = |p: &&Point| matches!(p.event, Event::Fault(c, w) if (c, w) == (class, place));
                assert!(points.iter().filter(this).count() >= 2, "{class} {place:?} on registry {column}");
            }
        }
    }
}
