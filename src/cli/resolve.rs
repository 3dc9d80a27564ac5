//! `countersign resolve REPO:TAG…`

use std::path::{Path, PathBuf};

use clap::Args;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::app::App;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::identity_args::IdentityArgs;
use crate::cli::options::Shared;
use crate::cli::output::{Outcome, document, list, tree};
use crate::cli::pins::{Mention, mentions, pinned};
use crate::cli::wiring;
use crate::evidence::Moment;
use crate::evidence::verdict::Verdict;
use crate::oci::{Digest, Repository, TagReference};
use crate::ops::gather::{Rules, UnclearApi};
use crate::ops::remembered::{MAX_STATE_BYTES, Memory};
use crate::ops::resolve::{Resolution, resolve};

/// Files with references are read whole; manifests of a large cluster are a tenth of this.
const MAX_PINNED_FILE_BYTES: u64 = 16 * 1024 * 1024;

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  countersign resolve ghcr.io/acme/app:1.2\n  countersign resolve ghcr.io/acme/app:1.2 --write deploy/compose.yaml --state .countersign/state.json\n  countersign resolve ghcr.io/acme/app:1.2 --check deploy/compose.yaml"
)]
pub(crate) struct ResolveArgs {
    /// REPOSITORY:TAG
    #[arg(required_unless_present_any = ["write", "check"], value_name = "REPO:TAG")]
    references: Vec<TagReference>,
    /// Pin the references in these files in place, once all are verified
    #[arg(long, value_name = "FILE", num_args = 1..)]
    write: Vec<String>,
    /// Report references in these files that are not pinned to the verified digest (exit 8)
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with = "write")]
    check: Vec<String>,
    /// Remember what was resolved here, and refuse a channel that goes back or stands still without a recorded reason
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    #[command(flatten)]
    identity: IdentityArgs,
}

impl ResolveArgs {
    /// What to resolve and in which files. `--write FILE REPO:TAG` reads as two files to the parser; what is no file but
    /// a reference is a reference.
    fn sorted(&self) -> Result<(Vec<TagReference>, Vec<PathBuf>), Failure> {
        let (mut references, mut files) = (self.references.clone(), Vec::new());
        for value in self.write.iter().chain(&self.check) {
            match value.parse::<TagReference>() {
                Ok(reference) if !Path::new(value).exists() => references.push(reference),
                _ => files.push(PathBuf::from(value)),
            }
        }
        if references.is_empty() {
            return Err(Failure::usage("no reference to resolve").help("expected REPOSITORY:TAG"));
        }
        if files.is_empty() && !(self.write.is_empty() && self.check.is_empty()) {
            return Err(Failure::usage("no file to pin references in").help("pass files after --write or --check"));
        }
        Ok((references, files))
    }
}

pub(crate) fn blank(args: &ResolveArgs) -> (&'static str, Value) {
    let reference = args.references.first().map(ToString::to_string);
    let fields = json!({
        "reference": reference, "digest": null, "pin": null, "verdict": "unknown", "version": null, "promotedAt": null,
    });
    ("Resolution", fields)
}

pub(crate) async fn run(shared: &Shared, args: &ResolveArgs) -> Result<Outcome, Failure> {
    let (references, files) = args.sorted()?;
    let files = read_files(&files)?;
    let mut memory = args.state.as_deref().map(recall).transpose()?.unwrap_or_default();
    let repositories: Vec<&Repository> = references.iter().map(|r| &r.repository).collect();
    let app = wiring::app(shared, &repositories)?;
    let expected = wiring::expected(&app, args.identity.expected()?)?;
    let trust_root = app.trust_root()?;
    let registry = app.registry()?;
    let (moment, unclear_api) = (Moment::now(App::clock()()), UnclearApi::MayHoldEvidence);
    let rules = Rules { trust_root: &trust_root, expected: &expected, moment, unclear_api };
    let limit = shared.time_limit();
    let before = memory.clone();
    let each = references.iter().map(async |reference| {
        let resolved = resolve(&registry, reference, rules, &before);
        wiring::in_time(limit, &reference.to_string(), resolved)
            .await
            .unwrap_or_else(|reason| Resolution { reasons: vec![reason], ..Resolution::nothing_known(reference) })
    });
    let resolutions = join_all(each).await;
    let resolved = Exit::worst(resolutions.iter().map(|r| wiring::exit_of(r.verdict, &r.reasons)));
    if let Some(path) = &args.state {
        resolutions.iter().for_each(|resolution| memory.learn(resolution));
        if memory != before || !path.exists() {
            remember(path, &memory)?;
        }
    }
    let mut text: String = resolutions.iter().map(text).collect();
    let items = resolutions.iter().map(resolution_document).collect::<Result<Vec<_>, _>>()?;
    let mut document = list("Resolution", items);
    let pinned = if resolved == Exit::Ok && !files.is_empty() {
        let (exit, told, lines) = pin_files(&files, &resolutions, !args.write.is_empty())?;
        document["files"] = told;
        text.push_str(&lines);
        exit
    } else {
        Exit::Ok
    };
    Ok(Outcome { exit: Exit::worst([resolved, pinned]), document, text })
}

fn read_files(paths: &[PathBuf]) -> Result<Vec<(PathBuf, String)>, Failure> {
    let read = |path: &PathBuf| {
        let refuse = |why: String| Failure::usage(format!("cannot read {}: {why}", path.display()));
        let size = std::fs::metadata(path).map_err(|e| refuse(e.to_string()))?.len();
        if size > MAX_PINNED_FILE_BYTES {
            return Err(refuse(format!("{size} bytes, at most {MAX_PINNED_FILE_BYTES} are read")));
        }
        Ok((path.clone(), std::fs::read_to_string(path).map_err(|e| refuse(e.to_string()))?))
    };
    paths.iter().map(read).collect()
}

/// Pins or compares. A reference that no file mentions is not found: silence would look like a pin.
fn pin_files(
    files: &[(PathBuf, String)],
    resolutions: &[Resolution],
    write: bool,
) -> Result<(Exit, Value, String), Failure> {
    let (mut exits, mut told, mut lines) = (Vec::new(), Vec::new(), String::new());
    let verified: Vec<(&TagReference, &Digest)> =
        resolutions.iter().filter_map(|r| Some((&r.reference, r.digest.as_ref()?))).collect();
    for (reference, _) in &verified {
        if !files.iter().any(|(_, text)| !mentions(text, reference).is_empty()) {
            lines.push_str(&format!("  not-found: no file mentions {reference}\n"));
            exits.push(Exit::NotFound);
        }
    }
    for (path, before) in files {
        let mut after = before.clone();
        let mut drift = Vec::new();
        for (reference, digest) in &verified {
            let other = |mention: &Mention| mention.pinned.as_ref() != Some(digest);
            for mention in mentions(before, reference).into_iter().filter(other) {
                let found = mention.pinned.map_or_else(|| "no digest".to_owned(), |found| found.to_string());
                if !write {
                    let (path, line) = (path.display(), mention.line);
                    lines.push_str(&format!("  drift: {path}:{line}: {reference} has {found}, expected {digest}\n"));
                }
                drift.push(json!({
                    "line": mention.line, "reference": reference.to_string(), "found": found,
                    "expected": digest.to_string(),
                }));
            }
            after = pinned(&after, reference, digest);
        }
        let state = match (drift.is_empty(), write) {
            (true, _) => "current",
            (false, true) => "written",
            (false, false) => "drift",
        };
        if write && after != *before {
            replace(path, after.as_bytes())?;
            lines.push_str(&format!("  written: {}\n", path.display()));
        }
        if state == "drift" {
            exits.push(Exit::Conflict);
        }
        told.push(json!({ "path": path.display().to_string(), "state": state, "mentions": drift }));
    }
    Ok((Exit::worst(exits), Value::Array(told), lines))
}

fn recall(path: &Path) -> Result<Memory, Failure> {
    let refuse = |why: String| {
        Failure::usage(format!("--state {}: {why}", path.display()))
            .help("it is written by resolve itself; remove it to begin anew, which forgets what was seen")
    };
    if !path.exists() {
        return Ok(Memory::default());
    }
    let size = std::fs::metadata(path).map_err(|e| refuse(e.to_string()))?.len();
    if size > MAX_STATE_BYTES {
        return Err(refuse(format!("{size} bytes, at most {MAX_STATE_BYTES} are read")));
    }
    let bytes = std::fs::read(path).map_err(|e| refuse(e.to_string()))?;
    Memory::parse(&bytes).map_err(refuse)
}

fn remember(path: &Path, memory: &Memory) -> Result<(), Failure> {
    let json =
        serde_json::to_string_pretty(memory).map_err(|e| Failure::new(Exit::Internal, "internal", e.to_string()))?;
    replace(path, format!("{json}\n").as_bytes())
}

/// Writes beside the file first: a killed run leaves the old content or the new.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let failed = |e: std::io::Error| Failure::usage(format!("cannot write {}: {e}", path.display()));
    // A link stays a link, and the file keeps its permissions.
    let target = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let beside = target.with_file_name(name);
    std::fs::write(&beside, bytes).map_err(failed)?;
    if let Ok(found) = std::fs::metadata(&target) {
        std::fs::set_permissions(&beside, found.permissions()).map_err(failed)?;
    }
    std::fs::rename(&beside, &target).map_err(failed)
}

fn pin(resolution: &Resolution) -> Option<String> {
    resolution.digest.as_ref().map(|digest| format!("{}@{digest}", resolution.reference))
}

/// The fixed fields of product.md, `Resolution`.
fn resolution_document(resolution: &Resolution) -> Result<Value, Failure> {
    document(
        "Resolution",
        json!({
            "reference": resolution.reference.to_string(),
            "digest": resolution.digest.as_ref().map(ToString::to_string),
            "pin": pin(resolution),
            "verdict": resolution.verdict,
            "version": resolution.version.as_ref().map(ToString::to_string),
            "promotedAt": resolution.promoted_at.map(|at| at.to_string()),
            "reasons": resolution.reasons,
        }),
    )
}

/// A pin is printed only where it may be used.
fn text(resolution: &Resolution) -> String {
    match (resolution.verdict, pin(resolution)) {
        (Verdict::Verified, Some(pin)) => format!("{pin}\n"),
        (verdict, _) => {
            let reasons = tree::Reasons::default().lines("  ", "", &resolution.reasons);
            format!("{} {}\n{reasons}", tree::verdict(verdict), resolution.reference)
        }
    }
}
