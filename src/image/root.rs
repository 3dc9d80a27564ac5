//! The image's root as its layers leave it: files that matter, and the links that lead to them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::image::covers::{Lineage, Lineages};
use crate::image::layer_scan::{Aliases, Captured, LayerFacts, normalise, remove_below, well_known};
use crate::image::limits::MAX_LINK_HOPS;
use crate::packages::candidate::{Candidate, OS_RELEASE, WELL_KNOWN, candidate};
use crate::packages::package::Layer;
use crate::packages::{Anomaly, AnomalyCode, Extract, FoundFile};

/// The same database in lower layers, by layer number.
type History = Vec<(usize, Arc<Extract>)>;

#[derive(Debug, Clone)]
struct File {
    captured: Captured,
    layer: usize,
    earlier: History,
    lineage: Lineage,
}

#[derive(Debug, Clone)]
struct Link {
    target: String,
    lineage: Lineage,
}

/// The squashed view of some layers.
#[derive(Debug, Default)]
pub(super) struct Root {
    files: BTreeMap<String, File>,
    symlinks: BTreeMap<String, Link>,
    /// Hard links whose content was not kept by name.
    unresolved: BTreeMap<String, Link>,
    lineages: Lineages,
}

impl Root {
    /// Applies layers, lowest first.
    pub(super) fn squash(layers: &[&LayerFacts], aliases: &Aliases) -> Self {
        let mut root = Self::default();
        for (number, facts) in layers.iter().enumerate() {
            root.apply(number, facts, aliases);
        }
        root
    }

    fn apply(&mut self, number: usize, facts: &LayerFacts, aliases: &Aliases) {
        // Hard links may point to files that the same layer then hides.
        let linked: Vec<(String, Option<Captured>, String)> = facts
            .hardlinks
            .iter()
            .map(|(path, target)| {
                let lower = self.files.get(&self.resolve_parent(target));
                (path.clone(), lower.map(|file| file.captured.clone()), target.clone())
            })
            .collect();
        let previous = self.databases();
        // Whiteouts may be written through links that the same layer makes; what it makes itself, it does not hide.
        self.link(facts);
        self.hide(facts);
        self.link(facts);
        for (path, captured) in &facts.files {
            self.insert(number, path, captured.clone(), &previous);
        }
        for (path, content, target) in linked {
            match (content, candidate(&well_known(&path, aliases))) {
                (Some(captured), Some(kind)) if captured.kind == kind => {
                    self.insert(number, &path, captured, &previous);
                }
                _ => {
                    let path = self.resolve_parent(&path);
                    let lineage = self.lineages.of(&path);
                    self.unresolved.insert(path, Link { target, lineage });
                }
            }
        }
    }

    /// Databases as they were below this layer: their history tells which layer brought a package, and which files of lower
    /// layers belong to it.
    fn databases(&self) -> BTreeMap<String, History> {
        use Candidate as C;
        let is_database = |file: &File| {
            let kinds = [C::DpkgStatus, C::DpkgMd5sums, C::ApkInstalled, C::RpmDatabase, C::RpmManifest];
            kinds.contains(&file.captured.kind)
        };
        let with_history = |file: &File| {
            let mut history = file.earlier.clone();
            history.push((file.layer, Arc::clone(&file.captured.extract)));
            history
        };
        self.files.iter().filter(|(_, f)| is_database(f)).map(|(p, f)| (p.clone(), with_history(f))).collect()
    }

    fn link(&mut self, facts: &LayerFacts) {
        for (path, target) in &facts.symlinks {
            let path = self.resolve_parent(path);
            let link = Link { target: target.clone(), lineage: self.lineages.of(&path) };
            self.symlinks.insert(path, link);
        }
    }

    fn hide(&mut self, facts: &LayerFacts) {
        for path in &facts.whiteouts {
            self.remove(&self.resolve_parent(path));
        }
        for folder in &facts.opaque {
            if folder.is_empty() {
                *self = Self::default();
            } else {
                let below = format!("{}/", self.resolve(folder));
                self.remove_below(&below);
            }
        }
        self.files.retain(|_, file| !facts.covers.replaces(&file.lineage));
        self.symlinks.retain(|_, link| !facts.covers.replaces(&link.lineage));
        self.unresolved.retain(|_, link| !facts.covers.replaces(&link.lineage));
    }

    fn remove(&mut self, path: &str) {
        self.files.remove(path);
        self.symlinks.remove(path);
        self.unresolved.remove(path);
        self.remove_below(&format!("{path}/"));
    }

    fn remove_below(&mut self, prefix: &str) {
        remove_below(&mut self.files, prefix);
        remove_below(&mut self.symlinks, prefix);
        remove_below(&mut self.unresolved, prefix);
    }

    fn insert(&mut self, number: usize, path: &str, captured: Captured, previous: &BTreeMap<String, History>) {
        let path = self.resolve_parent(path);
        let earlier = previous.get(&path).cloned().unwrap_or_default();
        let lineage = self.lineages.of(&path);
        self.files.insert(path, File { captured, layer: number, earlier, lineage });
    }

    /// `path` with the links in its folders followed; its own name stays.
    fn resolve_parent(&self, path: &str) -> String {
        match path.rsplit_once('/') {
            Some((folder, name)) => {
                let folder = self.resolve(folder);
                if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
            }
            None => path.to_owned(),
        }
    }

    /// `path` with every link followed, inside the root. A loop ends where it is.
    fn resolve(&self, path: &str) -> String {
        let mut todo: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
        let mut done: Vec<String> = Vec::new();
        let mut hops = 0;
        while let Some(part) = todo.pop() {
            match part.as_str() {
                "" | "." => continue,
                ".." => {
                    done.pop();
                    continue;
                }
                _ => done.push(part),
            }
            let Some(Link { target, .. }) = self.symlinks.get(&done.join("/")) else { continue };
            hops += 1;
            if hops > MAX_LINK_HOPS {
                break;
            }
            done.pop();
            if target.starts_with('/') {
                done.clear();
            }
            todo.extend(target.split('/').rev().map(str::to_owned));
        }
        done.extend(todo.into_iter().rev());
        normalise(&done.join("/"))
    }

    /// Real paths that links make well-known and that a scan by name alone has missed.
    pub(super) fn missed(&self, aliases: &Aliases) -> Aliases {
        let mut wanted = Aliases::new();
        for known in WELL_KNOWN {
            let real = self.resolve(known);
            // What is a candidate under its real name was read already; a folder is taken as a whole.
            let read_already = WELL_KNOWN.contains(&real.as_str())
                || candidate(&real).is_some_and(|kind| candidate(known) == Some(kind));
            if real != known && !read_already {
                wanted.insert(real, known.to_owned());
            }
        }
        for (link, Link { target, .. }) in &self.unresolved {
            wanted.insert(self.resolve_parent(target), link.clone());
        }
        wanted.retain(|real, _| !aliases.contains_key(real));
        wanted
    }

    /// Everything that matters, under its well-known name, with the anomalies of links that lead nowhere.
    pub(super) fn found(&self, layers: &[Layer], aliases: &Aliases) -> (Vec<FoundFile>, Vec<Anomaly>) {
        let mut seen = BTreeSet::new();
        let mut found = Vec::new();
        let at = |number: usize| layers.get(number).cloned();
        for (real, file) in &self.files {
            let Some(layer) = at(file.layer) else { continue };
            let path = well_known(real, aliases).into_owned();
            seen.insert(real.clone());
            let earlier = file.earlier.iter().filter_map(|(n, extract)| Some((at(*n)?, Arc::clone(extract)))).collect();
            let Captured { kind, extract } = file.captured.clone();
            found.push(FoundFile { path, kind, extract, layer, earlier });
        }
        self.os_release_behind_a_link(layers, &mut found);
        let mut anomalies = Vec::new();
        let mut dangling = |path: &str, target: &str| {
            let detail = format!("links to {target}, which is not in the image");
            anomalies.push(Anomaly { code: AnomalyCode::LinkUnresolved, path: path.to_owned(), layer: None, detail });
        };
        for (link, Link { target, .. }) in &self.unresolved {
            if !seen.contains(&self.resolve_parent(target)) {
                dangling(link, target);
            }
        }
        for known in WELL_KNOWN.into_iter().filter(|known| candidate(known).is_some()) {
            let real = self.resolve(known);
            if self.symlinks.contains_key(known) && !seen.contains(&real) {
                dangling(known, &real);
            }
        }
        (found, anomalies)
    }

    /// `etc/os-release` is nearly always a link to `usr/lib/os-release`, and may be one to elsewhere.
    fn os_release_behind_a_link(&self, layers: &[Layer], found: &mut Vec<FoundFile>) {
        let [first, _] = OS_RELEASE;
        if found.iter().any(|f| f.path == first) {
            return;
        }
        let Some(file) = self.files.get(&self.resolve(first)) else { return };
        let Some(layer) = layers.get(file.layer).cloned() else { return };
        let extract = Arc::clone(&file.captured.extract);
        found.push(FoundFile {
            path: first.to_owned(),
            kind: Candidate::OsRelease,
            extract,
            layer,
            earlier: Vec::new(),
        });
    }
}
