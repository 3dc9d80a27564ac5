//! Trivy behind the port: `trivy sbom` on our document, offline, in its own isolated process.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::OnceCell;

use crate::evidence::scan::{DatabaseIdentity, Scan, ScannerIdentity};
use crate::scanner::accepted::{self, AcceptedBinary};
use crate::scanner::child;
use crate::scanner::database::{Database, Snapshot};
use crate::scanner::document::Document;
use crate::scanner::isolate::Level;
use crate::scanner::launch::Spec;
use crate::scanner::pinned::Pinned;
use crate::scanner::report;
use crate::scanner::workspace::{self, Workspace};
use crate::scanner::{ScanError, Scanner};

/// Trivy's own default; its scan of 2,000 components takes a fifth of a second.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(300);

/// I9 promises no network and no file of the working folder: that takes path rules and one of the network layers.
pub const DEFAULT_REQUIRED: Level = Level::NoFiles;

/// Asking for the version takes 0.1 s.
const VERSION_TIMEOUT: Duration = Duration::from_secs(30);

/// How to run Trivy.
#[derive(Debug, Clone)]
pub struct TrivyOptions {
    /// A countersign binary, usually this very one (`std::env::current_exe`); it is started as the launcher.
    pub launcher: PathBuf,
    /// A Trivy cache folder: it holds `db/`.
    pub cache: PathBuf,
    /// Binaries that may run beside the built-in ones.
    pub accepted: Vec<AcceptedBinary>,
    /// Less isolation than this and the scanner is not started.
    pub required: Level,
    /// For one scan.
    pub timeout: Duration,
    /// The clock for the scan's times.
    pub now: fn() -> Timestamp,
}

/// The real Trivy. Cheap to clone the `Arc` around it; binary and database are hashed once.
#[derive(Debug)]
pub struct Trivy {
    path: PathBuf,
    options: TrivyOptions,
    database: Arc<Database>,
    binary: OnceCell<(Pinned, AcceptedBinary)>,
}

impl Trivy {
    /// Trivy at `path`, or the first `trivy` in `folders` (the caller's PATH). Nothing is hashed or run yet.
    pub fn locate(path: Option<&Path>, folders: &[PathBuf], options: TrivyOptions) -> Result<Self, ScanError> {
        let candidates: Vec<PathBuf> = match path {
            Some(path) => vec![path.to_owned()],
            None => folders.iter().map(|folder| folder.join("trivy")).collect(),
        };
        let Some(path) = candidates.iter().find(|path| path.is_file()) else {
            return Err(ScanError::NotFound { looked_at: list(&candidates) });
        };
        let path = std::path::absolute(path).map_err(|source| ScanError::Unreadable { path: path.clone(), source })?;
        let database = Arc::new(Database::new(&options.cache));
        Ok(Self { path, options, database, binary: OnceCell::new() })
    }

    /// Where the binary is; it is executed there, under this name.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    async fn binary(&self) -> Result<&(Pinned, AcceptedBinary), ScanError> {
        let check = || async {
            let path = self.path.clone();
            let extra = self.options.accepted.clone();
            blocking(move || accept(&path, &extra)).await
        };
        self.binary.get_or_try_init(check).await
    }

    async fn snapshot(&self) -> Result<Snapshot, ScanError> {
        let database = Arc::clone(&self.database);
        blocking(move || database.snapshot()).await
    }

    fn spec(&self, binary: &Pinned, database: Option<Pinned>, workspace: &Workspace, arguments: Vec<String>) -> Spec {
        let folder = workspace.path().to_owned();
        Spec { binary: binary.clone(), database, folder, arguments, required: self.options.required }
    }

    fn scanner(&self, version: String, binary: &Pinned, output: &child::Output) -> Result<ScannerIdentity, ScanError> {
        if accepted::is_denied(&version) {
            return Err(ScanError::Denied { path: self.path.clone(), version });
        }
        let isolation = output.isolation.to_string();
        Ok(ScannerIdentity { name: "trivy".to_owned(), version, digest: binary.digest.clone(), isolation })
    }
}

#[async_trait]
impl Scanner for Trivy {
    async fn scan(&self, sbom: &[u8]) -> Result<Scan, ScanError> {
        let started_at = (self.options.now)();
        let (binary, _) = self.binary().await?;
        let snapshot = self.snapshot().await?;
        let sbom = sbom.to_vec();
        let metadata = snapshot.metadata.clone();
        let (document, workspace) = blocking(move || {
            let document = Document::prepare(&sbom)?;
            let workspace = Workspace::create()?;
            workspace.fill(&document.bytes, &metadata)?;
            Ok((document, workspace))
        })
        .await?;

        let arguments = scan_arguments(workspace.path());
        let spec = self.spec(binary, Some(snapshot.file.clone()), &workspace, arguments);
        let output = child::run(&self.options.launcher, &spec, self.options.timeout).await?;
        workspace.close()?;
        // The launcher opened the hashed file; this says that nobody wrote into it during the scan.
        if !snapshot.file.is_current() {
            return Err(ScanError::Changed { path: snapshot.file.path });
        }
        let (outcome, output) = blocking(move || Ok((report::read(&output.stdout, &document)?, output))).await?;
        Ok(Scan {
            scanner: self.scanner(outcome.version, binary, &output)?,
            database: snapshot.identity,
            started_at,
            finished_at: (self.options.now)(),
            findings: outcome.findings,
        })
    }

    async fn identity(&self) -> Result<ScannerIdentity, ScanError> {
        let (binary, _) = self.binary().await?;
        let workspace = blocking(Workspace::create).await?;
        let arguments = vec!["--version".to_owned(), "--format=json".to_owned()];
        let spec = self.spec(binary, None, &workspace, arguments);
        let output = child::run(&self.options.launcher, &spec, VERSION_TIMEOUT).await?;
        workspace.close()?;
        let version = report::version(&output.stdout)?;
        self.scanner(version, binary, &output)
    }

    async fn database(&self) -> Result<DatabaseIdentity, ScanError> {
        Ok(self.snapshot().await?.identity)
    }
}

fn accept(path: &Path, extra: &[AcceptedBinary]) -> Result<(Pinned, AcceptedBinary), ScanError> {
    let pinned = Pinned::hash(path).map_err(|source| ScanError::Unreadable { path: path.to_owned(), source })?;
    let Some(accepted) = accepted::find(&pinned.digest, extra) else {
        return Err(ScanError::NotAccepted { path: path.to_owned(), digest: pinned.digest });
    };
    if accepted::is_denied(&accepted.version) {
        return Err(ScanError::Denied { path: path.to_owned(), version: accepted.version });
    }
    Ok((pinned, accepted))
}

/// Everything that could reach out, or hide a finding, is switched off: updates, telemetry, ignore files, configuration
/// found in the working folder. Exit code 0 whatever is found, so that any other code means "no scan".
fn scan_arguments(folder: &Path) -> Vec<String> {
    let path = |name: &str| folder.join(name).display().to_string();
    let fixed = [
        "sbom",
        "--format=json",
        "--quiet",
        "--config=",
        "--ignorefile=",
        "--scanners=vuln",
        "--exit-code=0",
        "--list-all-pkgs=false",
        "--skip-db-update",
        "--skip-java-db-update",
        "--skip-vex-repo-update",
        "--skip-version-check",
        "--disable-telemetry",
        "--offline-scan",
        "--no-progress",
    ];
    let mut arguments: Vec<String> = fixed.map(str::to_owned).to_vec();
    arguments.push(format!("--cache-dir={}", path(workspace::CACHE)));
    arguments.push(path(workspace::SBOM));
    arguments
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ScanError> + Send + 'static,
) -> Result<T, ScanError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(error) => Err(ScanError::Launch { why: error.to_string() }),
    }
}

fn list(paths: &[PathBuf]) -> String {
    if paths.is_empty() {
        return "an empty PATH".to_owned();
    }
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}
