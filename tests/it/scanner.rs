//! The real Trivy against a small database, and scanners that misbehave, both through the launcher of the real binary.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use countersign::evidence::scan::{Finding, Severity};
use countersign::oci::Digest;
use countersign::scanner::{
    AcceptedBinary, DEFAULT_REQUIRED, DEFAULT_TIMEOUT, Level, ScanError, ScanErrorKind, Scanner, Trivy, TrivyOptions,
};
use countersign_sandbox::trivy_db;
use jiff::Timestamp;
use serde_json::{Value, json};

const PUBLISHED: &str = "2026-11-20T12:00:00Z";

fn now() -> Timestamp {
    "2026-11-21T00:00:00Z".parse().unwrap()
}

fn cache(advisories: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    trivy_db::write(folder.path(), advisories, PUBLISHED.parse().unwrap()).unwrap();
    folder
}

fn options(cache: &Path) -> TrivyOptions {
    TrivyOptions {
        launcher: PathBuf::from(env!("CARGO_BIN_EXE_countersign")),
        cache: cache.to_owned(),
        accepted: Vec::new(),
        required: DEFAULT_REQUIRED,
        timeout: DEFAULT_TIMEOUT,
        now,
    }
}

fn real_binary() -> PathBuf {
    let path = std::env::var_os("TRIVY")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/trivy/bin/trivy"), PathBuf::from);
    assert!(path.is_file(), "{}: no Trivy; run scripts/install-trivy.sh (make test does)", path.display());
    path
}

fn real(cache: &Path) -> Trivy {
    Trivy::locate(Some(&real_binary()), &[], options(cache)).unwrap()
}

/// A Debian 12 with a few old packages, and two npm packages.
fn sbom() -> Value {
    let deb = |name: &str, source: &str, version: &str| {
        json!({ "bom-ref": format!("deb:{name}"), "type": "library", "name": name, "version": version,
            "purl": format!("pkg:deb/debian/{name}@{version}?arch=amd64&distro=debian-12"),
            "properties": [{ "name": "aquasecurity:trivy:SrcName", "value": source },
                           { "name": "aquasecurity:trivy:SrcVersion", "value": version }] })
    };
    let npm = |name: &str, version: &str| {
        json!({ "bom-ref": format!("npm:{name}"), "type": "library", "name": name, "version": version,
            "purl": format!("pkg:npm/{name}@{version}") })
    };
    json!({ "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "components": [
        { "bom-ref": "os", "type": "operating-system", "name": "debian", "version": "12.5",
          "properties": [{ "name": "aquasecurity:trivy:Class", "value": "os-pkgs" },
                         { "name": "aquasecurity:trivy:Type", "value": "debian" }] },
        deb("libssl3", "openssl", "3.0.13-1~deb12u1"),
        deb("zlib1g", "zlib", "1:1.2.13.dfsg-1"),
        deb("bash", "bash", "5.2.15-2+b2"),
        npm("lodash", "4.17.20"),
        npm("minimist", "1.2.8"),
    ]})
}

async fn scan(scanner: &Trivy) -> Result<Vec<Finding>, ScanError> {
    scanner.scan(sbom().to_string().as_bytes()).await.map(|scan| scan.findings)
}

/// A copy of the misbehaving scanner under a name that says how to misbehave, in a folder of its own.
struct Fake {
    folder: tempfile::TempDir,
    path: PathBuf,
    accepted: AcceptedBinary,
}

#[expect(clippy::disallowed_methods, reason = "compiles the fake scanner once")]
fn compiled() -> &'static [u8] {
    static PROGRAM: OnceLock<Vec<u8>> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/scanner/fake.rs");
        let program = folder.path().join("fake");
        let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let status = Command::new(compiler).args(["--edition=2024", "-o"]).arg(&program).arg(&source).status().unwrap();
        assert!(status.success());
        fs::read(program).unwrap()
    })
}

fn fake(name: &str) -> Fake {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, compiled()).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let accepted = AcceptedBinary { version: "9.9.9".to_owned(), digest: Digest::of(compiled()) };
    Fake { folder, path, accepted }
}

impl Fake {
    fn scanner(&self, cache: &Path, change: impl FnOnce(&mut TrivyOptions)) -> Trivy {
        let mut options = options(cache);
        options.accepted.push(self.accepted.clone());
        change(&mut options);
        Trivy::locate(Some(&self.path), &[], options).unwrap()
    }
}

async fn scan_with(name: &str) -> Result<Vec<Finding>, ScanError> {
    let cache = cache(trivy_db::EMPTY);
    scan(&fake(name).scanner(cache.path(), |_| ())).await
}

// ── the real Trivy ──────────────────────────────────────────────────────────────────────────────────────────────────

#[tokio::test]
async fn findings_are_mapped_to_our_components_and_the_canary_is_gone() {
    let cache = cache(trivy_db::ADVISORIES);
    let scanner = real(cache.path());
    let scan = scanner.scan(sbom().to_string().as_bytes()).await.unwrap();

    let found: Vec<(&str, &str, Option<&str>, Severity, &str)> = scan
        .findings
        .iter()
        .map(|f| (f.id.as_str(), f.package.as_str(), f.fixed.as_deref(), f.severity, f.status.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            ("CVE-2021-23337", "lodash", Some(">=4.17.21"), Severity::High, "fixed"),
            ("CVE-2023-45853", "zlib1g", None, Severity::Critical, "will_not_fix"),
            ("CVE-2024-5535", "libssl3", Some("3.0.15-1~deb12u1"), Severity::Critical, "fixed"),
            ("CVE-2024-6119", "libssl3", Some("3.0.14-1~deb12u2"), Severity::High, "fixed"),
        ]
    );
    assert_eq!(scan.findings[1].purl, "pkg:deb/debian/zlib1g@1:1.2.13.dfsg-1?arch=amd64&distro=debian-12");
    assert_eq!(scan.scanner.version, "0.76.0");
    assert_eq!(scan.scanner.digest, Digest::of(&fs::read(real_binary()).unwrap()));
    assert_eq!(scan.database.updated_at, PUBLISHED.parse().unwrap());
    assert_eq!(scan.database.digest, Digest::of(&fs::read(cache.path().join("db/trivy.db")).unwrap()));
    assert_eq!((scan.started_at, scan.finished_at), (now(), now()));
    assert_eq!(scanner.identity().await.unwrap(), scan.scanner);
    assert_eq!(scanner.database().await.unwrap(), scan.database);
}

#[tokio::test]
async fn isolated_and_plain_trivy_find_the_same() {
    let cache = cache(trivy_db::ADVISORIES);
    parity(cache.path()).await;
}

/// As above, with a full database; prints what a scan takes.
#[tokio::test]
#[ignore = "needs TRIVY_CACHE: a Trivy cache folder with a full database"]
async fn isolated_and_plain_trivy_find_the_same_in_a_full_database() {
    let cache = PathBuf::from(std::env::var_os("TRIVY_CACHE").expect("TRIVY_CACHE"));
    parity(&cache).await;
}

async fn parity(cache: &Path) {
    let scanner = real(cache);
    let clock = Instant::now();
    scan(&scanner).await.unwrap();
    let first = clock.elapsed();
    let clock = Instant::now();
    let ours = scan(&scanner).await.unwrap();
    let second = clock.elapsed();

    let clock = Instant::now();
    let report = plain_trivy(cache);
    eprintln!("scan {first:?}, again {second:?}; plain trivy {:?}; {} findings", clock.elapsed(), ours.len());
    let purls: std::collections::BTreeMap<String, String> = sbom()["components"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| (c["bom-ref"].as_str().unwrap().to_owned(), c["purl"].as_str().unwrap_or_default().to_owned()))
        .collect();
    let results = report["Results"].as_array().unwrap();
    let theirs: BTreeSet<(String, String, String)> = results
        .iter()
        .flat_map(|result| result["Vulnerabilities"].as_array().cloned().unwrap_or_default())
        .map(|v| {
            let purl = purls[v["PkgIdentifier"]["BOMRef"].as_str().unwrap()].clone();
            (v["VulnerabilityID"].as_str().unwrap().to_owned(), purl, v["Severity"].as_str().unwrap().to_owned())
        })
        .collect();
    let ours: BTreeSet<(String, String, String)> =
        ours.into_iter().map(|f| (f.id, f.purl, f.severity.as_str().to_owned())).collect();
    assert!(!ours.is_empty());
    assert_eq!(ours, theirs);
}

#[expect(clippy::disallowed_methods, reason = "the oracle: Trivy without any isolation")]
fn plain_trivy(cache: &Path) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let document = folder.path().join("sbom.json");
    fs::write(&document, sbom().to_string()).unwrap();
    let output = Command::new(real_binary())
        .args(["sbom", "--format=json", "--quiet", "--skip-db-update", "--offline-scan", "--skip-version-check"])
        .args(["--disable-telemetry", "--ignorefile=", "--config="])
        .arg(format!("--cache-dir={}", cache.display()))
        .arg(&document)
        .output()
        .unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn an_empty_or_foreign_database_is_not_a_clean_scan() {
    let foreign = r#"{ "sources": { "npm::x": { "source": {}, "packages": { "left-pad":
        { "CVE-1": { "VulnerableVersions": ["<9"] } } } } }, "vulnerabilities": {} }"#;
    for advisories in [trivy_db::EMPTY, foreign] {
        let cache = cache(advisories);
        let outcome = scan(&real(cache.path())).await;
        assert!(matches!(outcome, Err(ScanError::CanaryNotFound { .. })), "{outcome:?}");
    }
}

#[tokio::test]
async fn an_image_that_holds_the_canary_itself_keeps_its_finding() {
    let cache = cache(trivy_db::ADVISORIES);
    let sbom = json!({ "bomFormat": "CycloneDX", "specVersion": "1.5", "components": [
        { "bom-ref": "l", "type": "library", "name": "lodash", "version": "0.2.1", "purl": "pkg:npm/lodash@0.2.1" }]});
    let scan = real(cache.path()).scan(sbom.to_string().as_bytes()).await.unwrap();
    assert!(scan.findings.iter().any(|f| f.id == "CVE-2019-10744" && f.purl == "pkg:npm/lodash@0.2.1"));
}

#[tokio::test]
async fn scans_of_several_platforms_run_at_once() {
    let cache = cache(trivy_db::ADVISORIES);
    let scanner = real(cache.path());
    let (a, b, c) = tokio::join!(scan(&scanner), scan(&scanner), scan(&scanner));
    let a = a.unwrap();
    assert_eq!(a.len(), 4);
    assert!(a == b.unwrap() && a == c.unwrap());
}

#[tokio::test]
async fn a_database_that_is_no_database_is_undecided() {
    let cache = cache(trivy_db::ADVISORIES);
    fs::write(cache.path().join("db/trivy.db"), vec![7; 100_000]).unwrap();
    let outcome = scan(&real(cache.path())).await.unwrap_err();
    assert!(matches!(outcome, ScanError::Crashed { .. }), "{outcome:?}");
    assert_eq!(outcome.kind(), ScanErrorKind::Undecided);
}

// ── I9: what the scanner can reach ──────────────────────────────────────────────────────────────────────────────────

#[tokio::test]
async fn i9_the_scanner_sees_no_credential_no_network_and_no_foreign_file() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let cache = cache(trivy_db::EMPTY);
    let fake = fake(&format!("probe-{}", listener.local_addr().unwrap().port()));
    fs::write(fake.folder.path().join("secret.txt"), "token").unwrap();
    // A descriptor that a careless parent left open for its children.
    let left_open = fs::File::open(fake.folder.path().join("secret.txt")).unwrap();
    rustix::io::fcntl_setfd(&left_open, rustix::io::FdFlags::empty()).unwrap();

    let Err(ScanError::Crashed { stderr, .. }) = scan(&fake.scanner(cache.path(), |_| ())).await else { panic!() };
    assert_eq!(
        stderr,
        "tcp=shut udp=shut unix=shut secret=shut passwd=shut environ=shut own-environ=shut drop=shut shell=shut \
         database-write=shut cwd-content=shut stdin=shut database=open tmp=open descriptors=1 environment=HOME,PATH,TMPDIR"
    );
    assert!(!fake.folder.path().join("dropped.txt").exists());
}

#[tokio::test]
async fn i9_less_isolation_than_required_stops_before_the_scanner_starts() {
    let cache = cache(trivy_db::EMPTY);
    let fake = fake("good");
    // A launcher that cannot enter a network namespace, as in many containers.
    let launcher = fake.folder.path().join("launcher");
    let script = format!(
        "#!/bin/sh\nexec unshare --user --map-root-user sh -c 'echo 0 >/proc/sys/user/max_user_namespaces; exec \"$@\"' sh {} \"$@\"\n",
        env!("CARGO_BIN_EXE_countersign")
    );
    fs::write(&launcher, script).unwrap();
    fs::set_permissions(&launcher, fs::Permissions::from_mode(0o755)).unwrap();
    let with = |required| {
        let launcher = launcher.clone();
        fake.scanner(cache.path(), move |options| {
            options.launcher = launcher;
            options.required = required;
        })
    };
    let refused = scan(&with(Level::Full)).await.unwrap_err();
    assert_eq!(refused.kind(), ScanErrorKind::Setup);
    assert!(refused.to_string().ends_with("reached landlock+seccomp"), "{refused}");
    let enough = with(Level::NoFiles).scan(sbom().to_string().as_bytes()).await.unwrap();
    assert_eq!(enough.scanner.isolation, "landlock+seccomp");
}

#[tokio::test]
async fn i9_the_isolation_reported_is_the_launchers_and_not_the_scanners_word() {
    let cache = cache(trivy_db::EMPTY);
    let sbom = sbom().to_string();
    let honest = fake("good").scanner(cache.path(), |_| ()).scan(sbom.as_bytes()).await.unwrap();
    let forged = fake("forge").scanner(cache.path(), |_| ()).scan(sbom.as_bytes()).await.unwrap();
    assert_eq!(honest.scanner.isolation, forged.scanner.isolation);
    assert!(honest.scanner.isolation.starts_with("landlock+"), "{}", honest.scanner.isolation);
}

// ── which binary ────────────────────────────────────────────────────────────────────────────────────────────────────

#[tokio::test]
async fn a_binary_that_nobody_accepted_is_not_started() {
    let cache = cache(trivy_db::EMPTY);
    let fake = fake("good");
    let scanner = Trivy::locate(Some(&fake.path), &[], options(cache.path())).unwrap();
    let refused = scan(&scanner).await.unwrap_err();
    assert_eq!(refused.kind(), ScanErrorKind::NotAccepted);
    let ScanError::NotAccepted { path, digest } = refused else { panic!("{refused:?}") };
    assert_eq!((path, digest), (fake.path.clone(), fake.accepted.digest.clone()));
}

#[tokio::test]
async fn the_compromised_releases_are_refused_even_when_accepted() {
    let cache = cache(trivy_db::EMPTY);
    let fake = fake("good");
    let listed = fake.scanner(cache.path(), |options| options.accepted[0].version = "0.69.4".to_owned());
    assert!(matches!(scan(&listed).await, Err(ScanError::Denied { .. })));
    let lying = scan_with("denied").await;
    assert!(matches!(lying, Err(ScanError::Denied { .. })), "{lying:?}");
}

#[tokio::test]
async fn a_binary_swapped_after_it_was_hashed_is_not_started() {
    let cache = cache(trivy_db::EMPTY);
    let fake = fake("good");
    let scanner = fake.scanner(cache.path(), |_| ());
    assert_eq!(scanner.identity().await.unwrap().version, "9.9.9");
    let other = fake.folder.path().join("other");
    fs::copy("/bin/true", &other).unwrap();
    fs::rename(&other, &fake.path).unwrap();
    assert!(matches!(scan(&scanner).await, Err(ScanError::Changed { .. })));
}

#[test]
fn a_missing_trivy_names_where_it_was_looked_for() {
    let cache = tempfile::tempdir().unwrap();
    let folders = [PathBuf::from("/nonexistent/a"), PathBuf::from("/nonexistent/b")];
    let missing = Trivy::locate(None, &folders, options(cache.path())).unwrap_err();
    assert_eq!(missing.to_string(), "no trivy found: looked at /nonexistent/a/trivy, /nonexistent/b/trivy");
    assert_eq!(missing.kind(), ScanErrorKind::Setup);
    let missing = Trivy::locate(Some(Path::new("/nonexistent/trivy")), &folders, options(cache.path())).unwrap_err();
    assert_eq!(missing.to_string(), "no trivy found: looked at /nonexistent/trivy");
}

#[tokio::test]
async fn a_missing_database_is_told_before_anything_starts() {
    let cache = tempfile::tempdir().unwrap();
    let missing = scan(&fake("crash").scanner(cache.path(), |_| ())).await.unwrap_err();
    assert!(matches!(missing, ScanError::DatabaseMissing { .. }), "{missing:?}");
    assert_eq!(missing.kind(), ScanErrorKind::Setup);
}

// ── scanners that misbehave ─────────────────────────────────────────────────────────────────────────────────────────

#[tokio::test]
async fn a_scanner_that_crashes_prints_garbage_or_finds_no_canary_is_undecided() {
    type Expected = fn(&ScanError) -> bool;
    let table: [(&str, Expected); 6] = [
        (
            "crash",
            |e| matches!(e, ScanError::Crashed { status, stderr } if status == "exit status: 2" && stderr == "[31mpanic: page 7 already freed"),
        ),
        ("abort", |e| matches!(e, ScanError::Crashed { .. })),
        ("garbage", |e| matches!(e, ScanError::Garbage { .. })),
        ("silent", |e| matches!(e, ScanError::Garbage { .. })),
        ("clean", |e| matches!(e, ScanError::CanaryNotFound { .. })),
        ("foreign", |e| matches!(e, ScanError::UnmappedFinding { .. })),
    ];
    for (name, expected) in table {
        let error = scan_with(name).await.unwrap_err();
        assert!(expected(&error), "{name}: {error:?}");
        assert_eq!(error.kind(), ScanErrorKind::Undecided, "{name}");
    }
    assert_eq!(scan_with("good").await.unwrap(), []);
}

#[tokio::test]
async fn a_scanner_that_does_not_end_is_ended() {
    let cache = cache(trivy_db::EMPTY);
    let fake = fake("sleep");
    let scanner = fake.scanner(cache.path(), |options| options.timeout = Duration::from_secs(2));
    assert!(matches!(scan(&scanner).await, Err(ScanError::Timeout { .. })));
    assert!(nobody_runs(&fake.path).await);

    // The same when the caller loses interest.
    let patient = fake.scanner(cache.path(), |_| ());
    assert!(tokio::time::timeout(Duration::from_secs(2), scan(&patient)).await.is_err());
    assert!(nobody_runs(&fake.path).await);
}

async fn nobody_runs(path: &Path) -> bool {
    let path = path.to_str().unwrap();
    for _ in 0..50 {
        let processes = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
        let mut command_lines = processes.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
        if !command_lines.any(|line| line.starts_with(path.as_bytes())) {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    false
}

#[tokio::test]
async fn a_scanner_that_prints_without_end_is_cut_off() {
    let error = scan_with("huge").await.unwrap_err();
    assert!(matches!(error, ScanError::Garbage { .. }), "{error:?}");
}

#[tokio::test]
async fn a_launcher_that_is_none_is_an_error_and_no_scan() {
    let cache = cache(trivy_db::EMPTY);
    let fake = fake("good");
    for launcher in ["/bin/true", "/bin/cat", "/nonexistent"] {
        let scanner = fake.scanner(cache.path(), |options| options.launcher = PathBuf::from(launcher));
        let error = scan(&scanner).await.unwrap_err();
        assert!(matches!(error, ScanError::Launch { .. }), "{launcher}: {error:?}");
    }
}
