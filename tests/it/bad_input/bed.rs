//! The program with nothing in its environment but what a test says, beside a registry, a Sigstore and a database.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::SystemTime;

use countersign_sandbox::image::samples::Sample;
use countersign_sandbox::image::{Content, Index};
use countersign_sandbox::registry::{self, Registry};
use countersign_sandbox::sigstore::{self, Sigstore};
use countersign_sandbox::trivy_db;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

pub(crate) const EMAIL: &str = "releaser@example.com";

pub(crate) struct Bed {
    pub(crate) registry: Registry,
    pub(crate) sigstore: Sigstore,
    folder: tempfile::TempDir,
}

/// How the program ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Bed {
    pub(crate) async fn start() -> Self {
        Self::with(registry::Options::default()).await
    }

    pub(crate) async fn with(options: registry::Options) -> Self {
        let registry = Registry::start(options).await.unwrap();
        let sigstore = Sigstore::start(sigstore::Options::default()).await.unwrap();
        let bed = Self { registry, sigstore, folder: tempfile::tempdir().unwrap() };
        bed.sigstore.write_files(bed.folder.path()).unwrap();
        bed.database(SignedDuration::from_hours(1));
        bed.write("token", &bed.sigstore.email_token(EMAIL));
        bed.configure("");
        bed
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// The vulnerability database, published this long ago.
    pub(crate) fn database(&self, age: SignedDuration) {
        let updated = Timestamp::try_from(SystemTime::now()).unwrap() - age;
        trivy_db::write(&self.path("trivy"), trivy_db::ADVISORIES, updated).unwrap();
    }

    /// `countersign.yaml` with the expected identity and `more`.
    pub(crate) fn configure(&self, more: &str) {
        let issuer = self.sigstore.email_issuer();
        self.write(
            "countersign.yaml",
            &format!("version: 1\nidentity: {{ issuer: {issuer}, identity: {EMAIL} }}\n{more}\n"),
        );
    }

    pub(crate) fn repository(&self, name: &str) -> String {
        format!("{}/{name}", self.registry.address())
    }

    /// Pushes by digest, as a build would; the candidate.
    pub(crate) fn push(&self, name: &str, content: &dyn Content) -> String {
        format!("{}@{}", self.repository(name), content.push(&self.registry, name))
    }

    /// A clean two-platform build of `acme/app`.
    pub(crate) fn build(&self, version: &str) -> String {
        self.push("acme/app", &sample(version))
    }

    #[expect(clippy::disallowed_methods, reason = "runs the program under test")]
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.args(arguments).current_dir(self.folder.path()).env_clear().kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.env("HOME", self.path("home"));
        let files = [
            ("TRUST_ROOT", "trusted_root.json"),
            ("SIGNING_CONFIG", "signing_config.json"),
            ("IDENTITY_TOKEN_FILE", "token"),
            ("TRIVY_DB", "trivy"),
        ];
        for (name, file) in files {
            command.env(format!("COUNTERSIGN_{name}"), self.path(file));
        }
        command.env("COUNTERSIGN_TRIVY", trivy());
        command
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> Run {
        Run::of(self.command(arguments)).await
    }

    /// The same with JSON on stdout.
    pub(crate) async fn json(&self, arguments: &[&str]) -> Run {
        self.run(&[&["--output", "json"], arguments].concat()).await
    }

    pub(crate) async fn promote(&self, candidate: &str, more: &[&str]) -> Run {
        self.json(&[&["promote", candidate, "--version", "1.2.3"], more].concat()).await
    }

    /// Nothing was asked of the registry that changes it, and nothing of the transparency log.
    #[track_caller]
    pub(crate) fn nothing_written(&self) {
        let writes: Vec<String> =
            self.registry.log().iter().filter(|r| r.is_write()).map(ToString::to_string).collect();
        assert!(writes.is_empty(), "{writes:#?}");
        assert_eq!(self.sigstore.rekor_size(), 0);
    }
}

impl Run {
    pub(crate) async fn of(mut command: Command) -> Self {
        let output = command.output().await.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    pub(crate) async fn fed(mut command: Command, input: &str) -> Self {
        command.stdin(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A program that refuses before it reads closes the pipe.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes()).await;
        let output = child.wait_with_output().await.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    pub(crate) fn document(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {self}"))
    }

    /// Exit 2 with an `Error` document and the same on stderr; the message contains all of `said`.
    #[track_caller]
    pub(crate) fn refused(&self, code: &str, said: &[&str]) {
        assert_eq!(self.code, 2, "{self}");
        let document = self.document();
        assert_eq!((&document["kind"], &document["code"]), (&Value::from("Error"), &Value::from(code)), "{self}");
        self.explains(&document, said);
        assert!(self.stderr.contains(&format!("[{code}]")) && self.stderr.contains("\nhelp: "), "{self}");
    }

    /// The command's own document with one reason of this code.
    #[track_caller]
    pub(crate) fn gives(&self, kind: &str, exit: i32, code: &str, said: &[&str]) {
        assert_eq!(self.code, exit, "{self}");
        let document = self.document();
        assert_eq!(
            (&document["apiVersion"], &document["kind"]),
            (&Value::from("countersign.dev/v1"), &Value::from(kind)),
            "{self}"
        );
        let reasons = document["reasons"].as_array().unwrap();
        let reason = reasons.iter().find(|r| r["code"] == code).unwrap_or_else(|| panic!("no reason {code}: {self}"));
        self.explains(reason, said);
    }

    #[track_caller]
    fn explains(&self, reason: &Value, said: &[&str]) {
        let (message, help) = (reason["message"].as_str().unwrap(), reason["help"].as_str().unwrap());
        for part in said {
            assert!(message.contains(part), "{part:?} is not in {message:?}: {self}");
        }
        assert!(!help.is_empty(), "no help: {self}");
    }
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit {}\n── stdout\n{}\n── stderr\n{}", self.code, self.stdout, self.stderr)
    }
}

/// A clean sample whose content depends on `version`.
pub(crate) fn sample(version: &str) -> Index {
    Sample { version: Some(version.to_owned()), ..Sample::fixed() }.debian().unwrap()
}

fn trivy() -> PathBuf {
    let path = std::env::var_os("TRIVY")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/trivy/bin/trivy"), PathBuf::from);
    assert!(path.is_file(), "{}: no Trivy; run scripts/install-trivy.sh (make test does)", path.display());
    path
}
