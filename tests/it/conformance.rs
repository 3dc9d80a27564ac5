//! The verification cases of sigstore-conformance, offline, each by file and by digest, through the hidden subcommand.
//!
//! The cases are not part of this repository: `COUNTERSIGN_SHARED` names the folder that holds
//! `vectors/sigstore-conformance`, default `../shared`; `SIGSTORE_CONFORMANCE_ASSETS` names a checkout's
//! `test/assets/bundle-verify` instead. Without either the test says SKIPPED.

mod signing;

use std::path::{Path, PathBuf};
use std::process::Command;

use countersign::oci::Digest;

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
