//! The shared language of the black-box tests: a registry, a Sigstore and sample images in this process, and the real
//! program as a child with nothing in its environment but what the test says.

pub(crate) mod evidence;
pub(crate) mod legacy;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::{Duration, SystemTime};

use countersign_sandbox::image::Content;
use countersign_sandbox::image::samples::Sample;
use countersign_sandbox::registry::{self, Place, Registry, Request, When};
use countersign_sandbox::sigstore::{self, Sigstore};
use countersign_sandbox::trivy_db;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::process::Command;

/// The repository of a release with one image.
pub(crate) const APP: &str = "acme/app";
/// The expected signer.
pub(crate) const EMAIL: &str = "releaser@example.com";

/// Where a release happens: all servers, and a folder with configuration, trust root and token.
pub(crate) struct Gateway {
    pub(crate) registry: Registry,
    pub(crate) sigstore: Sigstore,
    pub(crate) folder: tempfile::TempDir,
}

/// How the program ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Gateway {
    /// A release with one image, [`APP`].
    pub(crate) async fn start() -> Self {
        Self::of(&[APP]).await
    }

    pub(crate) async fn of(images: &[&str]) -> Self {
        Self::with(images, registry::Options::default()).await
    }

    pub(crate) async fn with(images: &[&str], options: registry::Options) -> Self {
        let registry = Registry::start(options).await.unwrap();
        let sigstore = Sigstore::start(sigstore::Options::default()).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let gateway = Self { registry, sigstore, folder };
        gateway.sigstore.write_files(gateway.folder.path()).unwrap();
        gateway.database(SignedDuration::from_hours(1));
        gateway.token(&gateway.sigstore.email_token(EMAIL));
        gateway.configure(images, "");
        gateway
    }

    /// Writes `countersign.yaml`: these images, the expected identity, and `more`.
    pub(crate) fn configure(&self, images: &[&str], more: &str) {
        let images: String = images.iter().map(|name| format!("  - repository: {}\n", self.repository(name))).collect();
        let issuer = self.sigstore.email_issuer();
        let text = format!("version: 1\nimages:\n{images}identity:\n  issuer: {issuer}\n  identity: {EMAIL}\n{more}\n");
        fs::write(self.path("countersign.yaml"), text).unwrap();
    }

    /// Writes the identity token that the program will find.
    pub(crate) fn token(&self, token: &str) {
        fs::write(self.path("token"), token).unwrap();
    }

    /// Writes the vulnerability database, published this long ago.
    pub(crate) fn database(&self, age: SignedDuration) {
        let updated = Timestamp::try_from(SystemTime::now()).unwrap() - age;
        trivy_db::write(&self.path("trivy"), trivy_db::ADVISORIES, updated).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `HOST:PORT/NAME`
    pub(crate) fn repository(&self, name: &str) -> String {
        format!("{}/{name}", self.registry.address())
    }

    /// `HOST:PORT/NAME:TAG`
    pub(crate) fn tagged(&self, tag: &str) -> String {
        format!("{}:{tag}", self.repository(APP))
    }

    /// `HOST:PORT/NAME@DIGEST`
    pub(crate) fn reference(&self, name: &str, digest: &str) -> String {
        format!("{}@{digest}", self.repository(name))
    }

    /// Pushes `content` by digest, as a build would, and returns the candidate.
    pub(crate) fn push(&self, name: &str, content: &dyn Content) -> String {
        self.reference(name, &content.push(&self.registry, name))
    }

    /// Pushes a clean build of [`APP`] whose content depends on `version`.
    pub(crate) fn build(&self, version: &str) -> String {
        self.push(APP, &sample(version))
    }

    /// The program with `arguments`, not yet started. Results as JSON on stdout.
    #[expect(clippy::disallowed_methods, reason = "runs the program under test")]
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        // A release build, where many runs are the point.
        let program = std::env::var_os("COUNTERSIGN_UNDER_TEST");
        let mut command = Command::new(program.unwrap_or_else(|| env!("CARGO_BIN_EXE_countersign").into()));
        let format: &[&str] = if arguments.contains(&"--output") { &[] } else { &["--output", "json"] };
        command.args(arguments).args(format).current_dir(self.folder.path()).env_clear().kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.env("HOME", self.path("home"));
        for (name, file) in [
            ("TRUST_ROOT", "trusted_root.json"),
            ("SIGNING_CONFIG", "signing_config.json"),
            ("IDENTITY_TOKEN_FILE", "token"),
            ("TRIVY_DB", "trivy"),
        ] {
            command.env(format!("COUNTERSIGN_{name}"), self.path(file));
        }
        command.env("COUNTERSIGN_TRIVY", trivy());
        command
    }

    /// Runs the program to its end.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Run {
        Run::of(self.command(arguments).output().await.unwrap())
    }

    /// Runs the program and kills it where the registry holds the chosen request; `false` when it made none such.
    pub(crate) async fn kill_at(&self, arguments: &[&str], when: When, place: Place) -> bool {
        let mut stop = self.registry.faults().stop(when.clone(), place);
        let mut child = self.command(arguments).spawn().unwrap();
        let killed = tokio::select! {
            hit = stop.wait_for_stop() => hit.is_some(),
            _ = child.wait() => false,
            () = tokio::time::sleep(Duration::from_secs(60)) => panic!("{when:?} never came, and no end"),
        };
        if killed {
            child.kill().await.unwrap();
        }
        self.registry.faults().clear_faults();
        stop.release();
        killed
    }

    /// `promote CANDIDATE --version VERSION`
    pub(crate) async fn promote(&self, candidate: &str, version: &str) -> Run {
        self.run(&["promote", candidate, "--version", version]).await
    }

    /// `promote` with further flags.
    pub(crate) async fn promote_with(&self, candidate: &str, version: &str, flags: &[&str]) -> Run {
        self.run(&[&["promote", candidate, "--version", version], flags].concat()).await
    }

    /// Builds and promotes `version` and returns the candidate.
    pub(crate) async fn release(&self, version: &str) -> String {
        let candidate = self.build(version);
        self.promote(&candidate, version).await.is("promoted", 0);
        candidate
    }

    /// Tags of [`APP`] that people see, with their digests; not those of the fallback layout.
    pub(crate) fn tags(&self) -> BTreeMap<String, String> {
        self.tags_of(APP)
    }

    pub(crate) fn tags_of(&self, name: &str) -> BTreeMap<String, String> {
        let mut tags = self.registry.tags(name);
        tags.retain(|tag, _| !tag.starts_with("sha256-"));
        tags
    }

    pub(crate) fn tag_names(&self) -> Vec<String> {
        self.tags().into_keys().collect()
    }

    /// Requests that ask the registry to change something.
    pub(crate) fn writes(&self) -> Vec<String> {
        self.registry.log().iter().filter(|r| r.is_write()).map(ToString::to_string).collect()
    }

    /// Requests that name a tag of people's (not of the fallback layout), or the tag list.
    pub(crate) fn tag_requests(&self, name: &str) -> Vec<Request> {
        let (manifests, list) = (format!("/v2/{name}/manifests/"), format!("/v2/{name}/tags/list"));
        let about_a_tag = |r: &Request| {
            let tag = r.path().strip_prefix(&manifests);
            r.path() == list || tag.is_some_and(|tag| !tag.starts_with("sha256:") && !tag.starts_with("sha256-"))
        };
        self.registry.log().into_iter().filter(about_a_tag).collect()
    }
}

impl Run {
    pub(crate) fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// The document on stdout.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {self}"))
    }

    /// Ended with this exit code.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self}");
        self
    }

    /// A promotion that ended in `state` with this exit code.
    #[track_caller]
    pub(crate) fn is(self, state: &str, code: i32) -> Self {
        assert_eq!(self.code, code, "{self}");
        assert_eq!(self.json()["state"], state, "{self}");
        self
    }

    /// The document has this verdict.
    #[track_caller]
    pub(crate) fn verdict(self, verdict: &str, code: i32) -> Self {
        assert_eq!(self.code, code, "{self}");
        assert_eq!(self.json()["verdict"], verdict, "{self}");
        self
    }

    /// Codes of the document's reasons; of an `Error` document its own code.
    pub(crate) fn codes(&self) -> Vec<String> {
        let json = self.json();
        let own = json["code"].as_str().map(str::to_owned);
        let reasons = json["reasons"].as_array().cloned().unwrap_or_default();
        let reasons = reasons.iter().filter_map(|r| r["code"].as_str().map(str::to_owned));
        own.into_iter().chain(reasons).collect()
    }

    /// One of the reasons has this code.
    #[track_caller]
    pub(crate) fn because(self, code: &str) -> Self {
        assert!(self.codes().iter().any(|c| c == code), "no reason {code}: {self}");
        self
    }

    /// What a withdrawal or a rollback does with each channel.
    pub(crate) fn actions_of_operation(&self) -> BTreeMap<String, String> {
        let moves = self.json()["moves"].as_array().cloned().unwrap_or_default();
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        moves.iter().map(|line| (text(&line["tag"]), text(&line["action"]))).collect()
    }

    /// What the plan does with each tag of the first image.
    pub(crate) fn actions(&self) -> BTreeMap<String, String> {
        let json = self.json();
        let moves = json["images"][0]["moves"].as_array().cloned().unwrap_or_default();
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        moves.iter().map(|line| (text(&line["tag"]), text(&line["action"]))).collect()
    }
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit {}\n── stdout\n{}\n── stderr\n{}", self.code, self.stdout, self.stderr)
    }
}

/// A clean sample whose content depends on `version`.
pub(crate) fn sample(version: &str) -> countersign_sandbox::image::Index {
    Sample { version: Some(version.to_owned()), ..Sample::fixed() }.debian().unwrap()
}

/// The same, with critical vulnerabilities.
pub(crate) fn vulnerable(version: &str) -> countersign_sandbox::image::Index {
    Sample { version: Some(version.to_owned()), ..Sample::vulnerable() }.debian().unwrap()
}

/// The digest in `REPO@DIGEST`.
pub(crate) fn digest(candidate: &str) -> &str {
    candidate.split_once('@').unwrap().1
}

/// The real, pinned Trivy.
fn trivy() -> PathBuf {
    let path = std::env::var_os("TRIVY")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/trivy/bin/trivy"), PathBuf::from);
    assert!(path.is_file(), "{}: no Trivy; run scripts/install-trivy.sh (make test does)", path.display());
    path
}
