//! The crash matrix (I8): a release of two images, killed before and after every request, and broken at every request,
//! on three registries. `make crash-matrix` runs it and keeps its table in docs/reliability.md.
//!
//! After each kill or fault: every visible version tag verifies, the same command converges to the state without faults,
//! and no attestation stands twice. Kill points are chosen by the registry (or by the sandbox in front of a real one),
//! never by hooks in the product.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use countersign_sandbox::image::Content;
use countersign_sandbox::registry::{Fault, Options, Place, RetryAfter, Switch, When};
use futures_util::stream::{self, StreamExt};
use serde_json::Value;

use crate::support::{Gateway, Run, digest, sample};

/// Faults for single requests, in the order in which the requests get them.
fn fault_classes() -> Vec<(&'static str, Fault)> {
    vec![
        ("500", Fault::Status(500)),
        ("503", Fault::Status(503)),
        ("429 with seconds", Fault::RateLimited(RetryAfter::Seconds(1))),
        ("429 in words", Fault::RateLimited(RetryAfter::Milliseconds(12.5))),
        ("secondary rate limit", Fault::SecondaryRateLimit),
        ("401", Fault::Status(401)),
        ("403", Fault::Status(403)),
        ("405", Fault::Status(405)),
        ("reset", Fault::Reset),
        ("close", Fault::Close),
        ("wrong bytes", Fault::WrongBytes),
        ("cut short", Fault::TruncatedBody),
        ("endless", Fault::EndlessBody),
        ("slow", Fault::Delay(Duration::from_secs(1))),
        ("redirect", Fault::Redirect(307, "http://127.0.0.1:1/elsewhere".to_owned())),
    ]
}

/// What happens to one request of one run.
#[derive(Debug, Clone, Copy)]
enum Event {
    Kill(Place),
    /// By number in [`fault_classes`].
    Fault(usize, Place),
}

/// One registry of the matrix.
#[derive(Debug, Clone)]
struct Column {
    name: &'static str,
    switches: Vec<Switch>,
    upstream: Option<String>,
}

/// Where one worker releases, again and again, each time in repositories of their own.
struct Site {
    gateway: Gateway,
    http: reqwest::Client,
    fallback: bool,
}

/// What a run leaves that counts: tags, and attestations by image, node and predicate type.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Standing {
    tags: Vec<String>,
    attestations: BTreeMap<(usize, usize, String), usize>,
}

#[derive(Debug, Default)]
struct Tally {
    requests: u64,
    killed: [u64; 2],
    broken: u64,
    tags_seen: u64,
    coded: BTreeMap<i32, u64>,
}

const VERSION: &str = "1.2.3";
const IMAGES: [&str; 2] = ["app", "web"];
static SERIAL: AtomicU64 = AtomicU64::new(0);

impl Site {
    async fn start(column: &Column) -> Self {
        let options =
            Options { switches: column.switches.clone(), upstream: column.upstream.clone(), ..Options::default() };
        let fallback = !column.switches.is_empty() || column.upstream.is_some();
        Self {
            gateway: Gateway::with(&[], options).await,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            fallback,
        }
    }

    /// Pushes both images into new repositories, configures the release, and returns the candidates.
    async fn prepare(&self) -> Vec<String> {
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let names = IMAGES.map(|image| format!("acme/r{serial}/{image}"));
        let mut candidates = Vec::new();
        for name in &names {
            candidates.push(self.push(name, &sample(&format!("{VERSION}-{name}"))).await);
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        self.gateway.configure(&names, "");
        self.gateway.token(&self.gateway.sigstore.email_token(crate::support::EMAIL));
        self.gateway.registry.clear_log();
        candidates
    }

    async fn promote(&self, candidates: &[String]) -> Run {
        let arguments = promotion(candidates);
        self.gateway.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).await
    }

    async fn tags(&self, candidate: &str) -> Vec<String> {
        let name = path_of(candidate);
        let list = self.get(&format!("/v2/{name}/tags/list")).await;
        let mut tags: Vec<String> = list["tags"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|tag| Some(tag.as_str()?.to_owned()))
            .filter(|tag| !tag.starts_with("sha256-"))
            .collect();
        tags.sort();
        tags
    }

    async fn standing(&self, candidates: &[String]) -> Standing {
        let mut standing = Standing { tags: Vec::new(), attestations: BTreeMap::new() };
        for (image, candidate) in candidates.iter().enumerate() {
            for tag in self.tags(candidate).await {
                standing.tags.push(format!("{}:{tag}", IMAGES[image]));
            }
            let (name, root) = (path_of(candidate), digest(candidate));
            let index = self.get(&format!("/v2/{name}/manifests/{root}")).await;
            let children = index["manifests"].as_array().cloned().unwrap_or_default();
            let children = children.iter().filter_map(|child| child["digest"].as_str());
            for (node, of) in std::iter::once(root).chain(children).enumerate() {
                let path = if self.fallback {
                    format!("/v2/{name}/manifests/{}", of.replace(':', "-"))
                } else {
                    format!("/v2/{name}/referrers/{of}")
                };
                let list = self.get(&path).await;
                for entry in list["manifests"].as_array().into_iter().flatten() {
                    let entry = entry["digest"].as_str().unwrap_or_default();
                    let manifest = self.get(&format!("/v2/{name}/manifests/{entry}")).await;
                    let kind = manifest["annotations"]["dev.sigstore.bundle.predicateType"].as_str();
                    *standing.attestations.entry((image, node, kind.unwrap_or("?").to_owned())).or_default() += 1;
                }
            }
        }
        standing
    }

    /// Verifies every tag that is visible now; says how many there were.
    async fn visible_tags_verify(&self, candidates: &[String], at: &str) -> u64 {
        let mut seen = 0;
        for candidate in candidates {
            let tags = self.tags(candidate).await;
            let repository = candidate.split_once('@').unwrap().0;
            let references: Vec<String> = tags.iter().map(|tag| format!("{repository}:{tag}")).collect();
            if references.is_empty() {
                continue;
            }
            let mut arguments = vec!["verify", "--children", "signed"];
            arguments.extend(references.iter().map(String::as_str));
            let run = self.gateway.run(&arguments).await;
            assert_eq!(run.code, 0, "{at}: {tags:?} are visible and do not verify: {run}");
            seen += tags.len() as u64;
        }
        seen
    }

    /// A document of the registry; null when there is none.
    async fn get(&self, path: &str) -> Value {
        let accept = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json";
        let request = self.http.get(format!("{}{path}", self.gateway.registry.origin())).header("accept", accept);
        let answer = request.send().await.unwrap();
        if answer.status() != 200 {
            return Value::Null;
        }
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
    }

    /// Pushes by digest, over HTTP, and returns the candidate.
    async fn push(&self, name: &str, content: &dyn Content) -> String {
        let (client, origin) = (&self.http, self.gateway.registry.origin());
        for (digest, bytes) in content.blobs() {
            let session = client.post(format!("{origin}/v2/{name}/blobs/uploads/")).send().await.unwrap();
            let location = session.headers()["location"].to_str().unwrap();
            let location = if location.starts_with('/') { format!("{origin}{location}") } else { location.to_owned() };
            let joint = if location.contains('?') { '&' } else { '?' };
            let put = client.put(format!("{location}{joint}digest={digest}")).body(bytes).send().await.unwrap();
            assert_eq!(put.status(), 201, "{digest}");
        }
        for node in content.manifests() {
            let url = format!("{origin}/v2/{name}/manifests/{}", node.digest);
            let put = client.put(url).header("content-type", node.media_type.clone()).body(node.bytes.clone());
            assert_eq!(put.send().await.unwrap().status(), 201, "{}", node.digest);
        }
        self.gateway.reference(name, &content.root().digest)
    }
}

fn promotion(candidates: &[String]) -> Vec<String> {
    let flags = ["--version", VERSION, "--timeout", "10s"].map(str::to_owned);
    ["promote".to_owned()].into_iter().chain(candidates.iter().cloned()).chain(flags).collect()
}

/// The release with this event at request `number`, and all that must hold afterwards. `false`: no such request.
async fn point(column: &Column, place: &Site, number: u64, event: Event, whole: &Standing, tally: &mut Tally) -> bool {
    let at = format!("{}: request {number}, {event:?}", column.name);
    let candidates = place.prepare().await;
    let registry = &place.gateway.registry;
    match event {
        Event::Kill(when) => {
            let arguments = promotion(&candidates);
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            if !place.gateway.kill_at(&arguments, When::request(number), when).await {
                return false;
            }
            tally.killed[usize::from(when == Place::After)] += 1;
        }
        Event::Fault(class, when) => {
            registry.faults().add(When::request(number), when, fault_classes()[class].1.clone());
            let run = place.promote(&candidates).await;
            registry.faults().clear_faults();
            assert!([0, 4, 5, 6, 7, 8].contains(&run.code), "{at}: {run}");
            *tally.coded.entry(run.code).or_default() += 1;
            tally.broken += 1;
        }
    }
    tally.tags_seen += place.visible_tags_verify(&candidates, &at).await;
    let run = place.promote(&candidates).await;
    assert_eq!(run.code, 0, "{at}, the rerun: {run}");
    let found = place.standing(&candidates).await;
    assert_eq!(found, *whole, "{at}: other tags or attestations than without");
    registry.clear_log();
    let again = place.promote(&candidates).await;
    assert_eq!((again.code, &again.json()["state"]), (0, &"unchanged".into()), "{at}, a third run: {again}");
    assert_eq!(place.gateway.writes(), Vec::<String>::new(), "{at}, a third run wrote");
    true
}

/// All points of one registry, by two workers.
async fn run_column(column: &Column, stride: u64) -> Tally {
    let first = Site::start(column).await;
    let candidates = first.prepare().await;
    let run = first.promote(&candidates).await;
    assert_eq!(run.code, 0, "{}, without faults: {run}", column.name);
    let requests = first.gateway.registry.log().len() as u64;
    let whole = first.standing(&candidates).await;
    assert!(whole.attestations.values().all(|count| *count == 1), "{whole:#?}");

    let classes = fault_classes().len();
    let mut points = Vec::new();
    for number in (1..=requests).step_by(usize::try_from(stride).unwrap()) {
        let turn = usize::try_from(number / stride).unwrap();
        let when = if turn.is_multiple_of(2) { Place::Before } else { Place::After };
        points.push((number, Event::Kill(Place::Before)));
        points.push((number, Event::Kill(Place::After)));
        points.push((number, Event::Fault(turn % classes, when)));
    }
    let shares = (0..2).map(|worker| {
        let mine: Vec<(u64, Event)> = points.iter().copied().skip(worker).step_by(2).collect();
        async {
            let (place, mut tally) = (Site::start(column).await, Tally::default());
            for (number, event) in mine {
                let came = point(column, &place, number, event, &whole, &mut tally).await;
                // Runs differ by a request or two where uploads of equal blobs meet.
                assert!(came || number + 8 > requests, "{}: request {number} of {requests} never came", column.name);
            }
            tally
        }
    });
    let tallies: Vec<Tally> = stream::iter(shares).buffer_unordered(2).collect().await;
    tallies.into_iter().fold(Tally { requests, ..Tally::default() }, Tally::and)
}

impl Tally {
    fn and(mut self, other: Self) -> Self {
        self.killed = [self.killed[0] + other.killed[0], self.killed[1] + other.killed[1]];
        self.broken += other.broken;
        self.tags_seen += other.tags_seen;
        for (code, count) in other.coded {
            *self.coded.entry(code).or_default() += count;
        }
        self
    }

    fn row(&self, name: &str, seconds: u64) -> String {
        let codes: Vec<String> = self.coded.iter().map(|(code, count)| format!("{count}× {code}")).collect();
        format!(
            "| {name} | {} | {} + {} | {} ({}) | {} | {seconds} s |",
            self.requests,
            self.killed[0],
            self.killed[1],
            self.broken,
            codes.join(", "),
            self.tags_seen,
        )
    }
}

/// Every kill of every registry, faults in turn. The table is printed, and written where the variable says.
#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stdout, reason = "the table is what the run is for")]
#[ignore = "make crash-matrix: every kill point on three registries, about a quarter of an hour"]
async fn i8_crash_matrix() {
    let real = RealRegistry::start();
    let stride =
        std::env::var_os("COUNTERSIGN_CRASH_EVERY").map_or(1, |every| every.to_str().unwrap().parse().unwrap());
    let columns = [
        Column { name: "sandbox, referrers API", switches: Vec::new(), upstream: None },
        Column { name: "sandbox, fallback tags", switches: vec![Switch::ReferrersOff], upstream: None },
        Column { name: "docker-registry 2.8", switches: Vec::new(), upstream: Some(real.address.clone()) },
    ];
    let mut table = vec![
        "| registry | requests of a release | killed before + after | broken (exit codes) | tags seen on the way | time |".to_owned(),
        "|---|---|---|---|---|---|".to_owned(),
    ];
    for column in &columns {
        let started = Instant::now();
        let tally = run_column(column, stride).await;
        table.push(tally.row(column.name, started.elapsed().as_secs()));
        println!("{}", table.last().unwrap());
    }
    if let Some(path) = std::env::var_os("COUNTERSIGN_CRASH_TABLE") {
        std::fs::write(path, table.join("\n") + "\n").unwrap();
    }
}

/// A few points in every run.
#[tokio::test(flavor = "multi_thread")]
async fn i8_a_release_of_two_images_converges_after_kills_and_faults() {
    let column = Column { name: "fallback tags", switches: vec![Switch::ReferrersOff], upstream: None };
    let tally = run_column(&column, 67).await;
    assert!(tally.killed[0] >= 2 && tally.killed[1] >= 2 && tally.broken >= 2, "{tally:?}");
}

/// Debian's docker-registry on a loopback port, ended with this value.
struct RealRegistry {
    address: String,
    child: std::process::Child,
    _folder: tempfile::TempDir,
}

impl RealRegistry {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        let text = format!(
            "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\nhttp: {{addr: '{address}'}}\nstorage: {{filesystem: {{rootdirectory: '{}'}}}}\n",
            folder.path().join("data").display()
        );
        let config = folder.path().join("config.yml");
        std::fs::write(&config, text).unwrap();
        let child = spawn_registry(&config).expect("docker-registry is missing: run scripts/install-debian.sh");
        let started = Self { address, child, _folder: folder };
        let listens = || std::net::TcpStream::connect(&started.address).is_ok();
        for _ in 0..100 {
            if listens() {
                return started;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("docker-registry does not listen on {}", started.address);
    }
}

#[expect(clippy::disallowed_methods, reason = "starts a registry to test against")]
fn spawn_registry(config: &Path) -> std::io::Result<std::process::Child> {
    std::process::Command::new("docker-registry")
        .arg("serve")
        .arg(config)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

impl Drop for RealRegistry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn path_of(candidate: &str) -> &str {
    candidate.split_once('/').unwrap().1.split_once('@').unwrap().0
}
