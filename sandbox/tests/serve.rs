//! The program as scripts use it: serve, its folder, samples pushed over HTTP, tokens, and its end.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

#[expect(clippy::disallowed_methods, reason = "the program under test is started here")]
fn sandbox(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign-sandbox"));
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap().trim().to_owned()
}

fn wait_for(path: &Path) -> String {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(20) {
        if let Ok(text) = std::fs::read_to_string(path) {
            return text;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("{} did not appear", path.display());
}

fn exported(env: &str, name: &str) -> String {
    let prefix = format!("export {name}='");
    let line = env.lines().find_map(|l| l.strip_prefix(&prefix)).expect("an export");
    line.trim_end_matches('\'').to_owned()
}

struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn serve_writes_its_folder_takes_a_sample_hands_out_tokens_and_ends_on_sigterm() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_str().unwrap();
    let serving = Serving(sandbox(&["serve", "--dir", dir, "--referrers", "off"]).spawn().unwrap());
    let env = wait_for(&folder.path().join("env"));
    for name in ["TRUSTED_ROOT", "SIGNING_CONFIG"] {
        let document = std::fs::read(exported(&env, name)).unwrap();
        assert!(serde_json::from_slice::<serde_json::Value>(&document).unwrap().is_object());
    }
    for name in ["trivy.db", "metadata.json"] {
        assert!(Path::new(&exported(&env, "TRIVY_DB")).join("db").join(name).exists(), "{name}");
    }
    let repository = format!("{}/org/app", exported(&env, "REGISTRY"));
    let pushed = text(&sandbox(&["push-sample", &repository, "--sample", "alpine", "--tag", "v1"]).output().unwrap());
    let layout = folder.path().join("layout");
    let written =
        text(&sandbox(&["layout", "--out", layout.to_str().unwrap(), "--sample", "alpine"]).output().unwrap());
    assert_eq!(pushed, format!("{repository}@{written}"));
    for arguments in [&["--email", "a@example.com"][..], &["--claim", "ref=refs/tags/v1"]] {
        let token = text(&sandbox(&[&["token", "--dir", dir], arguments].concat()).output().unwrap());
        assert_eq!(token.split('.').count(), 3, "a JWT");
    }
    end(serving, &exported(&env, "SANDBOX_PID"));
    assert!(!folder.path().join("env").exists());
}

#[expect(clippy::disallowed_methods, reason = "the standard library cannot send SIGTERM")]
fn end(mut serving: Serving, pid: &str) {
    assert_eq!(serving.0.id().to_string(), pid);
    assert!(Command::new("kill").args(["-TERM", pid]).status().unwrap().success());
    assert!(serving.0.wait().unwrap().success());
}

#[test]
fn an_unknown_sample_is_an_error() {
    let output = sandbox(&["layout", "--out", "/nonexistent", "--sample", "none"]).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("no sample none"));
}
