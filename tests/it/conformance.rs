//! The verification cases of sigstore-conformance, offline, each by file and by digest, through the hidden subcommand.
//!
//! The cases are not part of this repository: `COUNTERSIGN_SHARED` names the folder that holds
//! `vectors/sigstore-conformance`, default `../shared`; `SIGSTORE_CONFORMANCE_ASSETS` names a checkout's
//! `test/assets/bundle-verify` instead. Without either the test says SKIPPED.

use std::path::{Path, PathBuf};
use std::process::Command;

use countersign::evidence::Statement;
use countersign::oci::Digest;
use countersign_sandbox::sigstore::{Options, Sigstore};

const IDENTITY: &str = "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main";
const ISSUER: &str = "https://token.actions.githubusercontent.com";

/// How the program ended, and what it said.
type Ended = (i32, String);

struct Case {
    name: String,
    folder: PathBuf,
    shared_artifact: PathBuf,
}

impl Case {
    fn file(&self, name: &str) -> Option<PathBuf> {
        Some(self.folder.join(name)).filter(|path| path.is_file())
    }

    fn text(&self, name: &str, default: &str) -> String {
        let path = self.file(name);
        path.map_or_else(|| default.to_owned(), |path| std::fs::read_to_string(path).unwrap().trim().to_owned())
    }

    fn artifact(&self) -> PathBuf {
        self.file("artifact").unwrap_or_else(|| self.shared_artifact.clone())
    }

    #[expect(clippy::disallowed_methods, reason = "runs the program under test")]
    fn run(&self, artifact: &str) -> Ended {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.args(["conformance", "verify-bundle", "--bundle"]).arg(self.folder.join("bundle.sigstore.json"));
        match self.file("key.pub") {
            Some(key) => command.arg("--key").arg(key),
            None => command.args([
                "--certificate-identity",
                &self.text("identity", IDENTITY),
                "--certificate-oidc-issuer",
                &self.text("issuer", ISSUER),
            ]),
        };
        if let Some(root) = self.file("trusted_root.json") {
            command.arg("--trusted-root").arg(root);
        }
        let output = command.arg(artifact).env_clear().output().unwrap();
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned());
        (output.status.code().unwrap_or(-1), said.join(" "))
    }

    /// A good case ends with 0; a bad one is refuted (4), or its trust root or key cannot be used at all (2).
    fn is_right(&self, ended: &Ended) -> bool {
        let unusable = ["unusable trust root", "no public key"].iter().any(|words| ended.1.contains(words));
        match self.name.ends_with("_fail") {
            false => ended.0 == 0,
            true => ended.0 == 4 || (ended.0 == 2 && unusable),
        }
    }
}

fn cases() -> Option<Vec<Case>> {
    let folder = match std::env::var_os("SIGSTORE_CONFORMANCE_ASSETS") {
        Some(folder) => PathBuf::from(folder),
        None => {
            let shared = std::env::var_os("COUNTERSIGN_SHARED");
            let shared = shared.map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
            shared.join("vectors/sigstore-conformance/bundle-verify")
        }
    };
    let Ok(entries) = std::fs::read_dir(&folder) else {
        eprintln!("SKIPPED conformance: no {} (set COUNTERSIGN_SHARED)", folder.display());
        return None;
    };
    let folders = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let mut cases: Vec<Case> = folders
        .map(|path| Case {
            name: path.file_name().unwrap().to_string_lossy().into_owned(),
            shared_artifact: folder.join("a.txt"),
            folder: path,
        })
        .collect();
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    Some(cases)
}

#[test]
fn every_verification_case_of_sigstore_conformance_ends_as_its_name_says() {
    let Some(cases) = cases() else { return };
    assert!(cases.len() >= 30, "only {} cases", cases.len());
    let (mut right, mut wrong, mut refused) = (0, Vec::new(), 0);
    for case in &cases {
        let artifact = case.artifact();
        let digest = Digest::of(&std::fs::read(&artifact).unwrap()).to_string();
        for (form, artifact) in [("PATH", artifact.to_str().unwrap()), ("DIGEST", digest.as_str())] {
            let ended = case.run(artifact);
            eprintln!("{form:6} {:68} {} {}", case.name, ended.0, ended.1.lines().next().unwrap_or_default());
            if case.is_right(&ended) {
                right += 1;
                refused += usize::from(ended.0 != 0);
            } else {
                wrong.push(format!("{form} {}: {ended:?}", case.name));
            }
        }
    }
    eprintln!(
        "sigstore-conformance: {} cases, {right} of {} verifications right ({refused} refused, {} accepted)",
        cases.len(),
        cases.len() * 2,
        right - refused
    );
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The suite's signing cases against the sandbox: each bundle verifies by path and by digest, and for nothing else.
#[expect(clippy::disallowed_methods, reason = "runs the program under test")]
#[tokio::test(flavor = "multi_thread")]
async fn a_signed_bundle_verifies_for_its_artifact_and_signer_alone() {
    for rekor_version in [1, 2] {
        let sigstore =
            Sigstore::start(Options { rekor_versions: vec![rekor_version], ..Options::default() }).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        sigstore.write_files(folder.path()).unwrap();
        std::fs::write(folder.path().join("a.txt"), "artifact").unwrap();
        std::fs::write(folder.path().join("b.txt"), "another").unwrap();
        let subject = Digest::of(b"artifact");
        let statement = Statement::signature(subject.clone()).to_named_bytes("a.txt");
        std::fs::write(folder.path().join("statement.json"), statement).unwrap();
        let run = |arguments: &[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
            let output = command.args(arguments).current_dir(folder.path()).env_clear().output().unwrap();
            let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            (output.status.code().unwrap_or(-1), said)
        };
        let token = sigstore.email_token("a@example.com");
        let sign = |flags: &[&str], file: &str| {
            let known = ["--identity-token", &token, "--bundle", "out.json", "--trusted-root", "trusted_root.json"];
            let config = ["--signing-config", "signing_config.json", file];
            run(&[&["conformance", "sign-bundle"], flags, &known, &config].concat())
        };
        let verify = |identity: &str, artifact: &str| {
            let who = ["--certificate-identity", identity, "--certificate-oidc-issuer", sigstore.email_issuer()];
            let what = ["--trusted-root", "trusted_root.json", artifact];
            run(&[&["conformance", "verify-bundle", "--bundle", "out.json"], &who[..], &what].concat()).0
        };
        for (flags, file) in [(&[][..], "a.txt"), (&["--in-toto"], "statement.json")] {
            let (code, said) = sign(flags, file);
            assert_eq!(code, 0, "Rekor v{rekor_version} {file}: {said}");
            assert!(!said.contains(&token));
            assert_eq!(verify("a@example.com", "a.txt"), 0, "Rekor v{rekor_version} {file}");
            assert_eq!(verify("a@example.com", &subject.to_string()), 0, "Rekor v{rekor_version} {file}");
            assert_eq!(verify("a@example.com", "b.txt"), 4);
            assert_eq!(verify("b@example.com", "a.txt"), 4);
        }
        let expired = sigstore.expired_token();
        let known = ["--identity-token", &expired, "--bundle", "x.json", "--trusted-root", "trusted_root.json"];
        let config = ["--signing-config", "signing_config.json", "a.txt"];
        let (code, said) = run(&[&["conformance", "sign-bundle"], &known[..], &config].concat());
        assert_eq!(code, 6, "{said}");
    }
}
