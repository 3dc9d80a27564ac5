//! One uncompressed layer: which files matter, what they contain, what the layer hides below it (layer.md, "Whiteouts").
//!
//! Only candidate files are read, and what they gave is kept. Everything else leaves a hash of its path ([`Covers`]).

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::image::covers::Covers;
use crate::image::layer::Fault;
use crate::image::limits::{MAX_CANDIDATES, MAX_ENTRIES, MAX_LINKS, MAX_WHITEOUTS};
use crate::image::pool::Pool;
use crate::image::tar_walk::{Entry, Kind, TarWalk};
use crate::packages::candidate::{Candidate, candidate};
use crate::packages::{Content, Extract, Parsed, extract};

/// Paths that links make well-known: `real` is to be read as if it were `known`.
pub(super) type Aliases = BTreeMap<String, String>;

/// A file that matters, and what it gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Captured {
    pub(super) kind: Candidate,
    pub(super) extract: Arc<Extract>,
}

/// What the walk knows beside the layer.
#[derive(Clone, Copy)]
struct Known<'a> {
    aliases: &'a Aliases,
    pool: &'a Pool,
}

/// What one layer adds, replaces and removes. Whiteouts concern lower layers only, whatever their place in the archive.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LayerFacts {
    pub(super) files: BTreeMap<String, Captured>,
    pub(super) symlinks: BTreeMap<String, String>,
    /// Candidates that are hard links to something not kept in this layer.
    pub(super) hardlinks: BTreeMap<String, String>,
    pub(super) whiteouts: BTreeSet<String>,
    /// Folders whose lower content is hidden; empty for the root.
    pub(super) opaque: BTreeSet<String>,
    /// Kept apart from the rest.
    #[serde(skip)]
    pub(super) covers: Covers,
    /// What files and links take in memory, those included that were replaced since.
    pub(super) kept: u64,
}

/// Walks the tar stream to its end mark.
pub(super) fn scan<R: BufRead>(tar: &mut TarWalk<R>, aliases: &Aliases, pool: &Pool) -> Result<LayerFacts, Fault> {
    let mut facts = LayerFacts::default();
    let mut entries = 0_u64;
    let mut weighed = 0;
    while let Some(entry) = tar.next()? {
        entries += 1;
        if entries > MAX_ENTRIES {
            return Err(Fault::Limit { what: "entries", max: MAX_ENTRIES });
        }
        facts.entry(tar, &entry, Known { aliases, pool })?;
        if entries.is_multiple_of(WEIGHED_ENTRIES) {
            weighed = facts.weighed(weighed, pool)?;
        }
    }
    facts.settle();
    facts.weighed(weighed, pool)?;
    Ok(facts)
}

/// Entries after which a layer is weighed again; at most this many files can be kept unseen.
const WEIGHED_ENTRIES: u64 = 256;
/// A string or a link in a map, beside its letters.
const STRING_BYTES: u64 = 64;

impl LayerFacts {
    /// Roughly what this takes in memory.
    pub(super) fn weight(&self) -> u64 {
        self.kept + self.covers.weight()
    }

    /// Charges what was added since `before`.
    fn weighed(&self, before: u64, pool: &Pool) -> Result<u64, Fault> {
        let now = self.weight().max(before);
        pool.keep(now - before)?;
        Ok(now)
    }

    fn entry<R: BufRead>(&mut self, tar: &mut TarWalk<R>, entry: &Entry, known: Known<'_>) -> Result<(), Fault> {
        let path = normalise(&String::from_utf8_lossy(&entry.path));
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
        if let Some(hidden) = name.strip_prefix(".wh.") {
            return self.whiteout(folder, hidden);
        }
        if path.is_empty() {
            return Ok(());
        }
        self.forget(&path, entry.kind);
        self.covers.add(&path, entry.kind == Kind::Directory);
        match entry.kind {
            Kind::File | Kind::Sparse => self.file(tar, entry, path, known)?,
            Kind::Symlink => self.symlink(path, &String::from_utf8_lossy(&entry.link))?,
            Kind::Hardlink => {
                self.hardlink(path, &normalise(&String::from_utf8_lossy(&entry.link)), known.aliases)?;
            }
            Kind::Directory | Kind::Other => {}
        }
        Ok(())
    }

    fn whiteout(&mut self, folder: &str, hidden: &str) -> Result<(), Fault> {
        if self.whiteouts.len() + self.opaque.len() >= MAX_WHITEOUTS {
            return Err(Fault::Limit { what: "whiteouts", max: MAX_WHITEOUTS as u64 });
        }
        self.kept += pair(folder, hidden);
        match hidden {
            ".wh..opq" => _ = self.opaque.insert(folder.to_owned()),
            // Book-keeping of aufs.
            other if other.starts_with(".wh.") => {}
            "" | "." | ".." => return Err(Fault::Malformed { why: "whiteout of nothing".to_owned() }),
            name => _ = self.whiteouts.insert(join(folder, name)),
        }
        Ok(())
    }

    /// The last of several entries at one path wins.
    fn forget(&mut self, path: &str, kind: Kind) {
        self.files.remove(path);
        self.symlinks.remove(path);
        self.hardlinks.remove(path);
        if kind != Kind::Directory {
            let below = format!("{path}/");
            remove_below(&mut self.files, &below);
            remove_below(&mut self.symlinks, &below);
            remove_below(&mut self.hardlinks, &below);
        }
    }

    fn file<R: BufRead>(
        &mut self,
        tar: &mut TarWalk<R>,
        entry: &Entry,
        path: String,
        known: Known<'_>,
    ) -> Result<(), Fault> {
        let executable = entry.executable.then_some(Candidate::Executable);
        let Some(kind) = known_kind(&path, known.aliases).or(executable) else { return Ok(()) };
        if self.files.len() >= MAX_CANDIDATES {
            return Err(Fault::Limit { what: "package database files", max: MAX_CANDIDATES as u64 });
        }
        // Names decide what some files are, so the parser gets the one by which this file is known.
        let name = well_known(&path, known.aliases);
        let extract = if entry.kind == Kind::Sparse {
            Some(Extract { path: name.into_owned(), ..Parsed::failed("a sparse file is not read").into() })
        } else {
            let memory = kind.memory(entry.size);
            let _share = known.pool.take(memory);
            let mut content = Content::new(tar, entry.size, memory);
            let extract = extract(kind, &name, &mut content);
            content.finish()?;
            extract
        };
        if let Some(extract) = extract {
            self.kept += extract.weight() + path.len() as u64 + STRING_BYTES;
            self.files.insert(path, Captured { kind, extract: Arc::new(extract) });
        }
        Ok(())
    }

    fn symlink(&mut self, path: String, target: &str) -> Result<(), Fault> {
        if self.symlinks.len() >= MAX_LINKS {
            return Err(Fault::Limit { what: "symbolic links", max: MAX_LINKS as u64 });
        }
        self.kept += pair(&path, target);
        self.symlinks.insert(path, target.to_owned());
        Ok(())
    }

    fn hardlink(&mut self, path: String, target: &str, aliases: &Aliases) -> Result<(), Fault> {
        let kind = known_kind(&path, aliases);
        match self.files.get(target) {
            // An executable stays one under any name; a database is one only under its own.
            Some(captured) if kind == Some(captured.kind) || captured.kind == Candidate::Executable => {
                let captured = captured.clone();
                self.files.insert(path, captured);
            }
            _ if kind.is_some() => {
                if self.hardlinks.len() >= MAX_LINKS {
                    return Err(Fault::Limit { what: "hard links", max: MAX_LINKS as u64 });
                }
                self.kept += pair(&path, target);
                self.hardlinks.insert(path, target.to_owned());
            }
            _ => {}
        }
        Ok(())
    }

    /// Hard links to a later entry get its content: no runtime can unpack them, but nothing may be missing here.
    fn settle(&mut self) {
        let files = &mut self.files;
        self.hardlinks.retain(|path, target| match files.get(target) {
            Some(captured) if candidate(path) == Some(captured.kind) => {
                let captured = captured.clone();
                files.insert(path.clone(), captured);
                false
            }
            _ => true,
        });
    }
}

/// Two texts in a map.
fn pair(a: &str, b: &str) -> u64 {
    (a.len() + b.len()) as u64 + 2 * STRING_BYTES
}

/// What `path` is, under its own name or the one that links give it.
fn known_kind(path: &str, aliases: &Aliases) -> Option<Candidate> {
    candidate(path).or_else(|| candidate(&well_known(path, aliases)))
}

/// The name under which links make `path` known: that of the nearest alias.
pub(super) fn well_known<'a>(path: &'a str, aliases: &Aliases) -> Cow<'a, str> {
    if aliases.is_empty() {
        return Cow::Borrowed(path);
    }
    let mut real = path;
    loop {
        if let Some(known) = aliases.get(real) {
            let rest = path.strip_prefix(real).unwrap_or_default();
            return Cow::Owned(format!("{known}{rest}"));
        }
        let Some((parent, _)) = real.rsplit_once('/') else { return Cow::Borrowed(path) };
        real = parent;
    }
}

pub(super) fn remove_below<T>(map: &mut BTreeMap<String, T>, prefix: &str) {
    let from = prefix.to_owned();
    let doomed: Vec<String> =
        map.range(from..).map(|(k, _)| k).take_while(|k| k.starts_with(prefix)).cloned().collect();
    for key in doomed {
        map.remove(&key);
    }
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// No leading slash, no `.`, `..` or doubled slashes; `..` stops at the root, as it does in a chroot.
pub(super) fn normalise(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => _ = parts.pop(),
            name => parts.push(name),
        }
    }
    parts.join("/")
}
