//! The parent's side of the launcher: start it, feed it, listen with caps and a deadline, end it.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use crate::scanner::launch::{SUBCOMMAND, Spec, Status};
use crate::scanner::{Isolation, ScanError};

/// A report on 2,000 components with 1,000 findings is 3 MB.
pub(crate) const MAX_STDOUT_BYTES: usize = 64 << 20;
/// Enough for a stack trace; more is read and thrown away.
const MAX_STDERR_BYTES: usize = 64 << 10;
/// Of stderr, this much goes into an error.
const MAX_QUOTED_CHARS: usize = 600;
/// After stdout is at its end, the process has this long to end too.
const GRACE: Duration = Duration::from_secs(5);

/// What a scanner that was started left behind.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) isolation: Isolation,
    pub(crate) stdout: Vec<u8>,
}

/// Starts the launcher at `program` and waits for the scanner it becomes. Anything but exit code 0 is an error.
/// Dropping the future ends the scanner.
pub(crate) async fn run(program: &Path, spec: &Spec, limit: Duration) -> Result<Output, ScanError> {
    let mut child = spawn(program)?;
    // Declared after the child, so dropped before it: the group is ended while its leader is not yet reaped.
    let group = Group::of(&child);
    let outcome = tokio::time::timeout(limit, converse(&mut child, spec)).await;
    drop(group);
    let (status, stdout, stderr) = match outcome {
        Ok(talk) => talk?,
        Err(_elapsed) => return Err(ScanError::Timeout { limit }),
    };
    let (first, rest) = stderr.split_once('\n').unwrap_or((&stderr, ""));
    let isolation = match serde_json::from_str(first) {
        Ok(Status::Starting(isolation)) => isolation,
        Ok(Status::TooWeak(reached)) => return Err(ScanError::Isolation { reached, required: spec.required }),
        Ok(Status::Changed(path)) => return Err(ScanError::Changed { path }),
        Ok(Status::Failed(why)) => return Err(ScanError::Launch { why }),
        Err(_) => {
            return Err(ScanError::Launch { why: format!("the launcher ended with {status}: {}", quote(&stderr)) });
        }
    };
    // After "starting" only a failed exec makes the launcher speak again.
    if let Ok(Status::Failed(why)) = serde_json::from_str(rest.trim_end()) {
        return Err(ScanError::Launch { why });
    }
    if !status.success() {
        return Err(ScanError::Crashed { status: status.to_string(), stderr: quote(rest) });
    }
    Ok(Output { isolation, stdout })
}

fn spawn(program: &Path) -> Result<Child, ScanError> {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that starts the launcher")]
    let mut command = Command::new(program);
    command
        .arg(SUBCOMMAND)
        .env_clear()
        .current_dir(PathBuf::from("/"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command.spawn().map_err(|error| ScanError::Launch { why: format!("{}: {error}", program.display()) })
}

async fn converse(child: &mut Child, spec: &Spec) -> Result<(ExitStatus, Vec<u8>, String), ScanError> {
    let broken = |error: std::io::Error| ScanError::Launch { why: error.to_string() };
    let missing = || ScanError::Launch { why: "no pipe to the launcher".to_owned() };
    let mut stdin = child.stdin.take().ok_or_else(missing)?;
    let stdout = child.stdout.take().ok_or_else(missing)?;
    let stderr = child.stderr.take().ok_or_else(missing)?;
    let spec = serde_json::to_vec(spec).map_err(|error| ScanError::Launch { why: error.to_string() })?;
    // A launcher that ends without listening says why on stderr.
    let _unheard = stdin.write_all(&spec).await;
    drop(stdin);

    let report = async {
        let (bytes, whole) = read_capped(stdout, MAX_STDOUT_BYTES, false).await.map_err(broken)?;
        if whole { Ok(bytes) } else { Err(ScanError::Garbage { why: format!("more than {MAX_STDOUT_BYTES} bytes") }) }
    };
    let log = async { read_capped(stderr, MAX_STDERR_BYTES, true).await.map_err(broken) };
    let (stdout, (stderr, _)) = tokio::try_join!(report, log)?;
    let status = tokio::time::timeout(GRACE, child.wait()).await;
    let status = status.map_err(|_elapsed| ScanError::Timeout { limit: GRACE })?.map_err(broken)?;
    Ok((status, stdout, String::from_utf8_lossy(&stderr).into_owned()))
}

/// Up to `cap` bytes, and whether that was all. With `drain`, the rest is read and forgotten, so that the writer does
/// not block.
async fn read_capped(mut from: impl AsyncRead + Unpin, cap: usize, drain: bool) -> std::io::Result<(Vec<u8>, bool)> {
    let mut bytes = Vec::new();
    (&mut from).take(cap as u64).read_to_end(&mut bytes).await?;
    let mut rest = [0; 4096];
    let mut whole = true;
    while from.read(&mut rest).await? > 0 {
        whole = false;
        if !drain {
            break;
        }
    }
    Ok((bytes, whole))
}

/// The launcher's process group, ended when dropped: also what the scanner may have started itself.
struct Group(Option<rustix::process::Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            // Gone already is what is wanted.
            let _gone = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
        }
    }
}

/// Foreign text for an error: the last lines, without control characters.
fn quote(text: &str) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let clean = clean.trim();
    let skip = clean.chars().count().saturating_sub(MAX_QUOTED_CHARS);
    clean.chars().skip(skip).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_stderr_has_no_control_characters_and_ends_with_the_end() {
        let long = format!("{}\n\u{1b}[31mFATAL\tboom\n", "x".repeat(5000));
        let quoted = quote(&long);
        assert!(quoted.ends_with("FATAL boom") && !quoted.chars().any(char::is_control));
        assert_eq!(quoted.chars().count(), MAX_QUOTED_CHARS);
    }

    #[tokio::test]
    async fn reading_stops_at_the_cap() {
        assert_eq!(read_capped(&b"abc"[..], 3, false).await.unwrap(), (b"abc".to_vec(), true));
        assert_eq!(read_capped(&b"abcd"[..], 3, false).await.unwrap(), (b"abc".to_vec(), false));
        assert_eq!(read_capped(&b"abcd"[..], 3, true).await.unwrap(), (b"abc".to_vec(), false));
    }
}
