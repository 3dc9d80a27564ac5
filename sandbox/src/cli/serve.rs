//! Registry and Sigstore as a server: one folder with everything that a shell needs to use them.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use countersign_sandbox::registry::{Control, Options, Registry, Switch};
use countersign_sandbox::sigstore::{self, Sigstore};
use countersign_sandbox::trivy_db::ADVISORIES;
use tokio::signal::unix::{SignalKind, signal};

use super::say;

/// `serve`
#[derive(Debug, clap::Args)]
pub(super) struct Serve {
    /// Where to write env, `trusted_root.json`, `signing_config.json` and `trivy/`; made if it is not there
    #[arg(long)]
    dir: PathBuf,
    /// Port of the registry; 0 lets the system choose
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Whether the registry has the referrers API
    #[arg(long, default_value = "on")]
    referrers: OnOff,
    /// Milliseconds that every request of the registry waits
    #[arg(long, default_value_t = 0)]
    latency: u64,
    /// A switch of the registry, as NAME or NAME=VALUE (no-location, stale-tag-reads=2 …); repeatable
    #[arg(long)]
    switch: Vec<Switch>,
    /// Milliseconds between publications of the transparency log; the public one has 1000
    #[arg(long, default_value_t = 0)]
    publication_interval: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum OnOff {
    On,
    Off,
}

impl Serve {
    pub(super) async fn run(self) -> Result<()> {
        std::fs::create_dir_all(&self.dir).with_context(|| format!("create {}", self.dir.display()))?;
        let dir = self.dir.canonicalize()?;
        let env_path = dir.join("env");
        // A file of an earlier run must not look like ours: its appearance means "ready".
        let _ = std::fs::remove_file(&env_path);
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let registry = Registry::start(Options { port: self.port, switches: self.switches(), ..Options::default() })
            .await
            .with_context(|| format!("start the registry on port {}", self.port))?;
        let control = registry.control().await?;
        let publication_interval = Duration::from_millis(self.publication_interval);
        let sigstore = Sigstore::start(sigstore::Options { publication_interval, ..Default::default() }).await?;
        sigstore.write_files(&dir)?;
        super::trivy_db::published(&dir.join("trivy"), ADVISORIES, 0)?;
        write_env(&env_path, &exports(&dir, &registry, &control, &sigstore)?)?;
        say(&format!("ready: registry {}, env {}", registry.address(), env_path.display()))?;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        std::fs::remove_file(&env_path).with_context(|| format!("remove {}", env_path.display()))
    }

    fn switches(&self) -> Vec<Switch> {
        let mut switches = self.switch.clone();
        if self.referrers == OnOff::Off {
            switches.push(Switch::ReferrersOff);
        }
        if self.latency > 0 {
            switches.push(Switch::Latency(Duration::from_millis(self.latency)));
        }
        switches
    }
}

fn exports(dir: &Path, registry: &Registry, control: &Control, sigstore: &Sigstore) -> Result<String> {
    let urls = sigstore.urls();
    let values = [
        ("REGISTRY", registry.address()),
        ("CONTROL_URL", control.origin().to_owned()),
        ("TRUSTED_ROOT", dir.join("trusted_root.json").display().to_string()),
        ("SIGNING_CONFIG", dir.join("signing_config.json").display().to_string()),
        ("TRIVY_DB", dir.join("trivy").display().to_string()),
        ("OIDC_URL", urls.oidc.clone()),
        ("EMAIL_ISSUER", sigstore.email_issuer().to_owned()),
        ("CI_ISSUER", sigstore.ci_issuer().to_owned()),
        ("FULCIO_URL", urls.fulcio.clone()),
        ("REKOR_URL", urls.rekor.clone()),
        ("TSA_URL", urls.tsa.clone()),
        ("SANDBOX_PID", std::process::id().to_string()),
    ];
    let mut text = String::new();
    for (name, value) in values {
        writeln!(text, "export {name}='{}'", value.replace('\'', r"'\''"))?;
    }
    Ok(text)
}

/// Complete or not there: a waiting shell may read it the moment it appears.
fn write_env(path: &Path, text: &str) -> Result<()> {
    let draft = path.with_extension("draft");
    std::fs::write(&draft, text).with_context(|| format!("write {}", draft.display()))?;
    std::fs::rename(&draft, path).with_context(|| format!("write {}", path.display()))
}
