//! One uncompressed layer: which files matter, what they contain, what the layer hides below it (layer.md, "Whiteouts").
//!
//! Only candidate files are kept. Everything else leaves a hash of its path, so that the layers above a database can be
//! asked whether they replace it, without keeping two million names.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::io::Read;
use std::sync::Arc;

use crate::image::layer::Fault;
use crate::image::limits::{MAX_CANDIDATES, MAX_ENTRIES, MAX_LINKS, MAX_WHITEOUTS};
use crate::image::tar_walk::{Entry, Kind, TarWalk};
use crate::packages::candidate::{Candidate, candidate};
use crate::packages::{AnomalyCode, Content, Extract, extract};

/// Paths that links make well-known: `real` is to be read as if it were `known`.
pub(super) type Aliases = BTreeMap<String, String>;

/// A file that matters, and what it gave.
#[derive(Debug, Clone)]
pub(super) struct Captured {
    pub(super) kind: Candidate,
    pub(super) extract: Arc<Extract>,
}

/// What one layer adds, replaces and removes.
#[derive(Debug, Default)]
pub(super) struct LayerFacts {
    pub(super) files: BTreeMap<String, Captured>,
    pub(super) symlinks: BTreeMap<String, String>,
    /// Candidates that are hard links to something not kept in this layer.
    pub(super) hardlinks: BTreeMap<String, String>,
    pub(super) whiteouts: BTreeSet<String>,
    /// Folders whose lower content is hidden; empty for the root.
    pub(super) opaque: BTreeSet<String>,
    pub(super) covers: Covers,
    pub(super) anomalies: Vec<(AnomalyCode, String, String)>,
}

/// Hashes of every path in the layer. The keys are random, so that nobody can choose a path that collides.
#[derive(Debug, Default)]
pub(super) struct Covers {
    keys: RandomState,
    folders: HashSet<u64>,
    others: HashSet<u64>,
}

impl Covers {
    fn add(&mut self, path: &str, folder: bool) {
        let hash = self.keys.hash_one(path);
        let (into, from) =
            if folder { (&mut self.folders, &mut self.others) } else { (&mut self.others, &mut self.folders) };
        from.remove(&hash);
        into.insert(hash);
    }

    /// Does this layer put something in the place of the file or link `path`, or of a folder above it?
    pub(super) fn replaces(&self, path: &str) -> bool {
        let hash = self.keys.hash_one(path);
        if self.folders.contains(&hash) || self.others.contains(&hash) {
            return true;
        }
        let mut above = path;
        while let Some((parent, _)) = above.rsplit_once('/') {
            if self.others.contains(&self.keys.hash_one(parent)) {
                return true;
            }
            above = parent;
        }
        false
    }
}

/// Walks the tar stream to its end mark.
pub(super) fn scan<R: Read>(tar: &mut TarWalk<R>, aliases: &Aliases) -> Result<LayerFacts, Fault> {
    let mut facts = LayerFacts::default();
    let mut entries = 0_u64;
    while let Some(entry) = tar.next()? {
        entries += 1;
        if entries > MAX_ENTRIES {
            return Err(Fault::Limit { what: "entries", max: MAX_ENTRIES });
        }
        facts.entry(tar, &entry, aliases)?;
    }
    facts.settle();
    Ok(facts)
}

impl LayerFacts {
    fn entry<R: Read>(&mut self, tar: &mut TarWalk<R>, entry: &Entry, aliases: &Aliases) -> Result<(), Fault> {
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
            Kind::File => self.file(tar, entry, path, aliases)?,
            Kind::Symlink => self.symlink(path, &String::from_utf8_lossy(&entry.link))?,
            Kind::Hardlink => self.hardlink(path, &normalise(&String::from_utf8_lossy(&entry.link)), aliases)?,
            Kind::Sparse if known(&path, aliases).is_some() => {
                let detail = "sparse file is not read".to_owned();
                self.anomalies.push((AnomalyCode::DatabaseUnreadable, path, detail));
            }
            Kind::Sparse | Kind::Directory | Kind::Other => {}
        }
        Ok(())
    }

    fn whiteout(&mut self, folder: &str, hidden: &str) -> Result<(), Fault> {
        if self.whiteouts.len() + self.opaque.len() >= MAX_WHITEOUTS {
            return Err(Fault::Limit { what: "whiteouts", max: MAX_WHITEOUTS as u64 });
        }
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

    fn file<R: Read>(
        &mut self,
        tar: &mut TarWalk<R>,
        entry: &Entry,
        path: String,
        aliases: &Aliases,
    ) -> Result<(), Fault> {
        let executable = entry.executable.then_some(Candidate::Executable);
        let Some(kind) = known(&path, aliases).or(executable) else { return Ok(()) };
        if self.files.len() >= MAX_CANDIDATES {
            return Err(Fault::Limit { what: "package database files", max: MAX_CANDIDATES as u64 });
        }
        let mut content = Content::new(tar, entry.size, kind.memory(entry.size));
        // Names decide what some files are, so the parser gets the one by which this file is known.
        let extract = extract(kind, &well_known(&path, aliases), &mut content);
        content.finish()?;
        if let Some(extract) = extract {
            self.files.insert(path, Captured { kind, extract: Arc::new(extract) });
        }
        Ok(())
    }

    fn symlink(&mut self, path: String, target: &str) -> Result<(), Fault> {
        if self.symlinks.len() >= MAX_LINKS {
            return Err(Fault::Limit { what: "symbolic links", max: MAX_LINKS as u64 });
        }
        self.symlinks.insert(path, target.to_owned());
        Ok(())
    }

    fn hardlink(&mut self, path: String, target: &str, aliases: &Aliases) -> Result<(), Fault> {
        let kind = known(&path, aliases);
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
                self.hardlinks.insert(path, target.to_owned());
            }
            _ => {}
        }
        Ok(())
    }

    /// A whiteout beside content of the same layer concerns lower layers only, so nothing here is removed by it.
    fn settle(&mut self) {
        self.anomalies.sort();
        self.anomalies.dedup();
    }
}

/// What `path` is, under its own name or the one that links give it.
fn known(path: &str, aliases: &Aliases) -> Option<Candidate> {
    candidate(path).or_else(|| candidate(&well_known(path, aliases)))
}

/// The name under which links make `path` known.
pub(super) fn well_known<'a>(path: &'a str, aliases: &Aliases) -> Cow<'a, str> {
    for (real, known) in aliases {
        match path.strip_prefix(real.as_str()) {
            Some("") => return Cow::Owned(known.clone()),
            Some(rest) if rest.starts_with('/') => return Cow::Owned(format!("{known}{rest}")),
            _ => {}
        }
    }
    Cow::Borrowed(path)
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
