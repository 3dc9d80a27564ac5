//! The launcher: countersign started once more as `countersign __launch-scanner`, to become the scanner.
//!
//! A process of its own, because the layers of `isolate` are irrevocable, and because setting them up between `fork` and
//! `exec` needs unsafe code. The parent writes a `Spec` to its stdin; it answers with one `Status` line on stderr,
//! *before* the scanner runs, so that the scanner cannot forge it; then it executes the very file it opened and compared
//! with the hashed one. Its environment holds nothing of ours: the parent clears it.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{ExitCode, Stdio};

use rustix::process::{Resource, Rlimit};
use serde::{Deserialize, Serialize};

use crate::scanner::isolate::{self, Isolation, Level, Reachable};
use crate::scanner::pinned::Pinned;
use crate::scanner::workspace;

/// `main` calls [`main`] before anything else (no threads, no runtime) when this is the first argument.
pub const SUBCOMMAND: &str = "__launch-scanner";

/// The launcher gave up before the scanner started. The status line tells why; the code only has to be none of 0–2,
/// which the scanner uses itself.
const REFUSED: u8 = 125;

/// A spec holds a few paths and arguments.
const MAX_SPEC_BYTES: u64 = 256 << 10;

/// A scan takes a second or two; a scanner that computes longer than this has been fed something malign.
const CPU_SECONDS: u64 = 600;
/// Trivy needs about 150 MB for 2,000 components. Private writable memory, not address space: Go reserves far more.
const DATA_BYTES: u64 = 4 << 30;
/// Largest file the scanner may write into its folder: a report, never a dump.
const FILE_BYTES: u64 = 512 << 20;
const OPEN_FILES: u64 = 256;

/// What to start and how.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Spec {
    pub(crate) binary: Pinned,
    pub(crate) database: Option<Pinned>,
    /// The workspace.
    pub(crate) folder: PathBuf,
    pub(crate) arguments: Vec<String>,
    pub(crate) required: Level,
}

/// The launcher's one line: it is about to execute the scanner, or refuses to.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Status {
    Starting(Isolation),
    TooWeak(Isolation),
    Changed(PathBuf),
    Failed(String),
}

/// Becomes the scanner described on stdin; returns only when it could not.
#[must_use]
pub fn main() -> ExitCode {
    let status = match launch() {
        Ok(never) => match never {},
        Err(status) => status,
    };
    say(&status);
    ExitCode::from(REFUSED)
}

enum Never {}

fn launch() -> Result<Never, Status> {
    let spec = read_spec()?;
    // A session of its own: the parent ends the whole group, and a terminal's signals don't reach it.
    rustix::process::setsid().map_err(|error| failed("setsid", error))?;
    let binary = open(&spec.binary)?;
    let database = spec.database.as_ref().map(open).transpose()?;
    let null = File::options().read(true).open("/dev/null").map_err(|error| failed("/dev/null", error))?;
    close_the_rest(&spec, database.as_ref())?;
    std::env::set_current_dir(spec.folder.join(workspace::EMPTY)).map_err(|error| failed("working folder", error))?;
    limit_resources()?;
    rustix::thread::set_no_new_privs(true).map_err(|error| failed("no_new_privs", error))?;

    let reachable = Reachable { binary: &binary, database: database.as_ref(), workspace: &spec.folder };
    let isolation = isolate::enter(&reachable);
    if isolation.level() < spec.required {
        return Err(Status::TooWeak(isolation));
    }
    say(&Status::Starting(isolation));
    Err(execute(&spec, &binary, null))
}

fn read_spec() -> Result<Spec, Status> {
    let mut bytes = Vec::new();
    io::stdin().take(MAX_SPEC_BYTES).read_to_end(&mut bytes).map_err(|error| failed("spec", error))?;
    serde_json::from_slice(&bytes).map_err(|error| failed("spec", error))
}

fn open(pinned: &Pinned) -> Result<File, Status> {
    match pinned.open() {
        Ok(Some(file)) => Ok(file),
        Ok(None) => Err(Status::Changed(pinned.path.clone())),
        Err(error) => Err(failed(&pinned.path.display().to_string(), error)),
    }
}

/// Everything above stderr is closed on exec, also what our own parent left open, except the database. The scanner finds
/// it through a link to the descriptor: whatever happens to the path meanwhile, it reads the file that was hashed.
fn close_the_rest(spec: &Spec, database: Option<&File>) -> Result<(), Status> {
    let kept: Vec<i32> = database.iter().map(|file| file.as_raw_fd()).collect();
    close_fds::set_fds_cloexec(3, &kept);
    let Some(database) = database else { return Ok(()) };
    rustix::io::fcntl_setfd(database, rustix::io::FdFlags::empty()).map_err(|error| failed("database", error))?;
    let target = format!("/proc/self/fd/{}", database.as_raw_fd());
    symlink(target, spec.folder.join(workspace::DATABASE_LINK)).map_err(|error| failed("database link", error))
}

fn limit_resources() -> Result<(), Status> {
    let limits = [
        (Resource::Core, 0),
        (Resource::Cpu, CPU_SECONDS),
        (Resource::Data, DATA_BYTES),
        (Resource::Fsize, FILE_BYTES),
        (Resource::Nofile, OPEN_FILES),
    ];
    for (resource, wanted) in limits {
        // Never above what we were given ourselves.
        let limit = rustix::process::getrlimit(resource).maximum.map_or(wanted, |maximum| maximum.min(wanted));
        let limit = Rlimit { current: Some(limit), maximum: Some(limit) };
        rustix::process::setrlimit(resource, limit).map_err(|error| failed("resource limits", error))?;
    }
    Ok(())
}

fn execute(spec: &Spec, binary: &File, null: File) -> Status {
    let home = |name: &str| spec.folder.join(name);
    #[expect(clippy::disallowed_methods, reason = "this is the one place that starts the scanner")]
    let mut command = std::process::Command::new(format!("/proc/self/fd/{}", binary.as_raw_fd()));
    let error = command
        .arg0(&spec.binary.path)
        .args(&spec.arguments)
        .env_clear()
        .env("HOME", home(workspace::HOME))
        .env("TMPDIR", home(workspace::TMP))
        .env("PATH", "/nonexistent")
        .stdin(Stdio::from(null))
        .exec();
    failed("exec", error)
}

fn failed(what: &str, error: impl std::fmt::Display) -> Status {
    Status::Failed(format!("{what}: {error}"))
}

/// A status that cannot be written needs no handling: the parent takes its absence for a failure.
fn say(status: &Status) {
    let line = serde_json::to_string(status).unwrap_or_default();
    let _unheard = writeln!(io::stderr(), "{line}");
}
