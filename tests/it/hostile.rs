//! The hostile corpus through the real program, one child per case: no panic, no signal, at most so much memory and
//! time, and exactly the outcome that the case states. `make hostile` adds the cases that are large.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use countersign_sandbox::hostile::{Case, Expect, cases};
use serde_json::Value;

/// A gateway shares its machine; the whole point of streaming is that no image can take more.
const MAX_RESIDENT: u64 = 200 << 20;
const MAX_TIME: Duration = Duration::from_secs(20);
/// How often a child's memory is looked at. The kernel keeps the peak, so only growth since the last look is missed.
const LOOK: Duration = Duration::from_millis(1);
/// Children at once; more would only measure each other.
const PARALLEL: usize = 2;

struct Ran {
    found: Result<Outcome, String>,
    took: Duration,
    resident: u64,
}

/// [`Expect`], as found.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Complete(Vec<String>),
    Incomplete(Vec<String>, Vec<String>),
    Refused(i32, String),
}

impl Outcome {
    fn of(expect: &Expect) -> Self {
        let owned = |list: &[&str]| {
            let mut list: Vec<String> = list.iter().map(|text| (*text).to_owned()).collect();
            list.sort();
            list
        };
        match expect {
            Expect::Complete(packages) => Self::Complete(owned(packages)),
            Expect::Incomplete(codes, packages) => Self::Incomplete(owned(codes), owned(packages)),
            Expect::Refused(exit, code) => Self::Refused(*exit, (*code).to_owned()),
        }
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Complete(packages) => write!(f, "complete: {}", packages.join(" ")),
            Self::Incomplete(codes, packages) => write!(f, "incomplete {}: {}", codes.join(","), packages.join(" ")),
            Self::Refused(exit, code) => write!(f, "refused: {code} ({exit})"),
        }
    }
}

/// Peak resident bytes of a running process.
fn peak(child: &Child) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? << 10)
}

#[expect(clippy::disallowed_methods, reason = "runs the program under test")]
fn run(case: &Case, folder: &Path) -> Ran {
    let layout = folder.join("layout");
    case.write(&layout).unwrap();
    let (out, err) = (folder.join("out"), folder.join("err"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command.args(["sbom", layout.to_str().unwrap(), "--output", "json", "--no-cache"]).current_dir(folder);
    command.env_clear().env("HOME", folder).stdin(Stdio::null());
    command.stdout(fs::File::create(&out).unwrap()).stderr(fs::File::create(&err).unwrap());
    let began = Instant::now();
    let mut child = command.spawn().unwrap();
    let mut resident = 0;
    let status = loop {
        resident = resident.max(peak(&child).unwrap_or(0));
        if let Some(status) = child.try_wait().unwrap() {
            break Some(status);
        }
        if began.elapsed() > MAX_TIME || resident > 2 * MAX_RESIDENT {
            child.kill().unwrap();
            child.wait().unwrap();
            break None;
        }
        thread::sleep(LOOK);
    };
    let took = began.elapsed();
    let (out, err) = (fs::read(&out).unwrap(), fs::read_to_string(&err).unwrap());
    let found = match status.map(|status| status.code()) {
        None => Err("killed: too slow or too large".to_owned()),
        Some(None) => Err("ended by a signal".to_owned()),
        Some(Some(_)) if err.contains("panicked") => Err(format!("panic: {err}")),
        Some(Some(code)) => read(code, &out),
    };
    Ran { found, took, resident }
}

/// What the document on stdout says.
fn read(exit: i32, out: &[u8]) -> Result<Outcome, String> {
    let document: Value = serde_json::from_slice(out).map_err(|e| format!("exit {exit}, no document: {e}"))?;
    if exit != 0 {
        let code = document["code"].as_str().or_else(|| document["reasons"][0]["code"].as_str());
        return Ok(Outcome::Refused(exit, code.ok_or("no code")?.to_owned()));
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let components = document["components"].as_array().cloned().unwrap_or_default();
    let mut packages: Vec<String> = components
        .iter()
        .filter(|component| component["type"] == "library")
        .map(|component| format!("{}@{}", text(&component["name"]), text(&component["version"])))
        .collect();
    packages.sort();
    let properties = document["metadata"]["component"]["properties"].as_array().cloned().unwrap_or_default();
    let anomalies = properties.iter().filter(|property| property["name"] == "countersign:anomaly");
    let codes: BTreeSet<String> =
        anomalies.filter_map(|property| text(&property["value"]).split([' ', ':']).next().map(str::to_owned)).collect();
    match (codes.is_empty(), document["compositions"][0]["aggregate"].as_str()) {
        // Of an artifact that is no image nothing is said.
        (true, Some("unknown")) if packages.is_empty() => Ok(Outcome::Complete(packages)),
        (true, Some("complete")) => Ok(Outcome::Complete(packages)),
        (false, Some("incomplete")) => Ok(Outcome::Incomplete(codes.into_iter().collect(), packages)),
        other => Err(format!("anomalies and composition disagree: {other:?}")),
    }
}

/// Runs the cases and returns those that went wrong, with a table of all on stderr.
fn check(cases: &[Case]) -> Vec<String> {
    let next = AtomicUsize::new(0);
    let (table, wrong) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    let (slowest, largest) = (Mutex::new(Duration::ZERO), Mutex::new(0));
    thread::scope(|scope| {
        for _ in 0..PARALLEL {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let folder = tempfile::tempdir().unwrap();
                    let ran = run(case, folder.path());
                    let expect = Outcome::of(&case.expect);
                    let found = ran.found.as_ref().map_or_else(Clone::clone, ToString::to_string);
                    let good =
                        ran.found.as_ref() == Ok(&expect) && ran.took <= MAX_TIME && ran.resident <= MAX_RESIDENT;
                    let mark = if good { "ok   " } else { "WRONG" };
                    let (ms, mb) = (ran.took.as_millis(), ran.resident >> 20);
                    let mut line = format!("{mark} {ms:>6} ms {mb:>4} MiB  {:<52} {found:.120}", case.name);
                    if !good {
                        let _ = write!(line, "\n      expected {expect}");
                        wrong.lock().unwrap().push(line.clone());
                    }
                    table.lock().unwrap().push((case.name, line));
                    let mut slow = slowest.lock().unwrap();
                    *slow = slow.max(ran.took);
                    let mut large = largest.lock().unwrap();
                    *large = std::cmp::max(*large, ran.resident);
                }
            });
        }
    });
    let mut table = table.into_inner().unwrap();
    table.sort();
    let wrong = wrong.into_inner().unwrap();
    let lines: Vec<String> = table.into_iter().map(|(_, line)| line).collect();
    eprintln!(
        "{}\nhostile: {} cases, {} as stated, {} wrong; slowest {} ms, largest {} MiB",
        lines.join("\n"),
        cases.len(),
        cases.len() - wrong.len(),
        wrong.len(),
        slowest.into_inner().unwrap().as_millis(),
        largest.into_inner().unwrap() >> 20,
    );
    wrong
}

/// `HOSTILE=gzip/` runs only the cases whose name holds that.
#[expect(clippy::disallowed_methods, reason = "an option of this test")]
fn chosen(large: bool) -> Vec<Case> {
    let filter = std::env::var("HOSTILE").unwrap_or_default();
    cases().into_iter().filter(|case| case.large == large && case.name.contains(&filter)).collect()
}

#[test]
fn every_case_ends_as_it_states_within_memory_and_time() {
    let wrong = check(&chosen(false));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
#[ignore = "hundreds of megabytes each: make hostile"]
fn large_cases_end_as_they_state_within_memory_and_time() {
    let wrong = check(&chosen(true));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_anomaly_of_images_has_a_case() {
    use countersign::packages::AnomalyCode;
    let all = cases();
    let shown: BTreeSet<&str> = all
        .iter()
        .flat_map(|case| match &case.expect {
            Expect::Incomplete(codes, _) => codes.clone(),
            Expect::Complete(_) | Expect::Refused(..) => Vec::new(),
        })
        .collect();
    let of_images = AnomalyCode::ALL.into_iter().filter(|code| !code.is_of_documents());
    let expected: BTreeSet<&str> = of_images.map(AnomalyCode::as_str).collect();
    assert_eq!(shown, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incomplete_image_is_denied_with_its_anomaly_in_the_evidence_and_nothing_written() {
    use countersign_sandbox::image::{ImageBuilder, LayerBuilder};

    use crate::support::{APP, Gateway};

    let gateway = Gateway::start().await;
    let status = "Package: a\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n\nPackage: broken\n";
    let layer = LayerBuilder::default().file("etc/os-release", "ID=debian\nVERSION_ID=12\n");
    let image = ImageBuilder::new("amd64").layer(layer.file("var/lib/dpkg/status", status)).unwrap().build();
    let candidate = gateway.push(APP, &image);
    let before = gateway.writes();
    let run = gateway.promote_with(&candidate, "1.2.3", &["--evidence-dir", "evidence"]).await;
    let run = run.is("denied", 3).because("sbom-incomplete");
    assert_eq!(gateway.writes(), before, "{run}");
    let inputs = fs::read_dir(gateway.path("evidence")).unwrap().map(|entry| entry.unwrap().path());
    let mut found = Vec::new();
    for path in inputs.collect::<Vec<_>>() {
        let text = fs::read_to_string(&path).unwrap();
        if text.contains("entry-unreadable") {
            found.push(path.file_name().unwrap().to_string_lossy().into_owned());
        }
    }
    assert!(found.iter().any(|name| name.ends_with("policy-input.json")), "policy input: {found:?}");
    assert!(found.iter().any(|name| name.ends_with(".cdx.json")), "SBOM: {found:?}");
}
