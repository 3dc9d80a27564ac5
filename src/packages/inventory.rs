//! From the files of one squashed image to its inventory: operating system, packages, and what could not be read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::oci::Digest;
use crate::packages::candidate::{Candidate, Unsupported};
use crate::packages::package::Layer;
use crate::packages::{
    Anomaly, AnomalyCode, Os, Package, Parsed, apk, composer, conda, dotnet, dpkg, gem, npm, os_release, purl, python,
};

/// Anomalies of one code and file beyond this many become one line that counts them.
pub const MAX_ANOMALIES_PER_FILE: usize = 20;

/// A file of the squashed image that matters.
#[derive(Debug, Clone)]
pub struct FoundFile {
    /// The well-known path, links resolved.
    pub path: String,
    pub kind: Candidate,
    /// Empty for kinds that are only noticed.
    pub content: Arc<[u8]>,
    pub layer: Layer,
    /// The same file in lower layers, lowest first: tells which layer brought a package.
    pub earlier: Vec<(Layer, Arc<[u8]>)>,
}

/// Everything found in one image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inventory {
    pub os: Option<Os>,
    /// Sorted, without duplicates.
    pub packages: Vec<Package>,
    /// Sorted.
    pub anomalies: Vec<Anomaly>,
}

impl Inventory {
    /// Was everything read that should have been?
    #[must_use]
    pub fn complete(&self) -> bool {
        self.anomalies.is_empty()
    }
}

/// Catalogues `files`. `anomalies` are those that reading the layers already gave.
#[must_use]
pub fn inventory(files: &[FoundFile], anomalies: Vec<Anomaly>) -> Inventory {
    let mut work = Work { anomalies, ..Work::default() };
    for file in files {
        work.database(file);
    }
    let lists = std::mem::take(&mut work.owned);
    let owned = Owned::new(&lists);
    for file in files {
        work.language(file, &owned);
    }
    work.unsupported_anomalies();
    let os = operating_system(files);
    work.nameless(os.as_ref());
    work.emptiness(os.as_ref());
    work.packages.sort();
    work.packages.dedup_by(|a, b| same(a, b));
    work.anomalies.sort();
    work.anomalies.dedup();
    Inventory { os, packages: work.packages, anomalies: work.anomalies }
}

/// An OS package is the same wherever it is listed; a language package at another path is another one.
fn same(a: &Package, b: &Package) -> bool {
    let key = |p: &Package| (p.ecosystem, p.name.clone(), p.version.clone(), p.architecture.clone());
    key(a) == key(b) && (a.ecosystem.is_os() || a.path == b.path)
}

#[derive(Default)]
struct Work {
    packages: Vec<Package>,
    anomalies: Vec<Anomaly>,
    owned: Vec<String>,
    unsupported: BTreeMap<(Unsupported, Digest), Vec<String>>,
}

impl Work {
    fn database(&mut self, file: &FoundFile) {
        match file.kind {
            Candidate::DpkgStatus | Candidate::DpkgStatusPart => {
                let parsed = dpkg::parse(&file.path, &file.content);
                let earlier = |bytes: &[u8]| dpkg::parse(&file.path, bytes).packages;
                self.take(file, parsed, earlier);
            }
            Candidate::ApkInstalled => {
                let installed = apk::parse(&file.path, &file.content);
                self.owned.push(installed.owned);
                let earlier = |bytes: &[u8]| apk::parse(&file.path, bytes).parsed.packages;
                self.take(file, installed.parsed, earlier);
            }
            // Reduced to a list of paths when the layer was read.
            Candidate::DpkgMd5sums => self.owned.push(String::from_utf8_lossy(&file.content).into_owned()),
            _ => {}
        }
    }

    fn take(&mut self, file: &FoundFile, parsed: Parsed, read: impl Fn(&[u8]) -> Vec<Package>) {
        let mut first: BTreeMap<(String, String), &Layer> = BTreeMap::new();
        for (layer, bytes) in &file.earlier {
            for package in read(bytes) {
                first.entry((package.name, package.version)).or_insert(layer);
            }
        }
        let whole = |code| move |detail: String| (code, detail);
        let failed = parsed.failed.into_iter().map(whole(AnomalyCode::DatabaseUnreadable));
        for (code, detail) in failed.chain(parsed.limits.into_iter().map(whole(AnomalyCode::LimitExceeded))) {
            let layer = Some(file.layer.digest.clone());
            self.anomalies.push(Anomaly { code, path: file.path.clone(), layer, detail });
        }
        self.unreadable(file, parsed.unreadable);
        for mut package in parsed.packages {
            let key = (package.name.clone(), package.version.clone());
            package.layer = Some(first.get(&key).map_or_else(|| file.layer.clone(), |layer| (*layer).clone()));
            self.packages.push(package);
        }
    }

    fn unreadable(&mut self, file: &FoundFile, details: Vec<String>) {
        let total = details.len();
        let anomaly = |detail| Anomaly {
            code: AnomalyCode::EntryUnreadable,
            path: file.path.clone(),
            layer: Some(file.layer.digest.clone()),
            detail,
        };
        self.anomalies.extend(details.into_iter().take(MAX_ANOMALIES_PER_FILE).map(anomaly));
        if total > MAX_ANOMALIES_PER_FILE {
            self.anomalies.push(anomaly(format!("and {} more", total - MAX_ANOMALIES_PER_FILE)));
        }
    }

    fn language(&mut self, file: &FoundFile, owned: &Owned<'_>) {
        let parse: fn(&str, &[u8]) -> Parsed = match file.kind {
            Candidate::NpmPackage => npm::parse,
            Candidate::PythonPackage => python::parse,
            Candidate::GemSpecification => gem::parse,
            Candidate::ComposerInstalled => composer::parse,
            Candidate::DotnetDeps => dotnet::parse,
            Candidate::CondaPackage => conda::parse,
            Candidate::Unsupported(kind) if !owned.has(&file.path) => {
                self.unsupported.entry((kind, file.layer.digest.clone())).or_default().push(file.path.clone());
                return;
            }
            _ => return,
        };
        if !owned.has(&file.path) {
            let parsed = parse(&file.path, &file.content);
            self.take(file, parsed, |bytes| parse(&file.path, bytes).packages);
        }
    }

    /// One line per kind and layer, so that a Python image does not give a thousand.
    fn unsupported_anomalies(&mut self) {
        for ((kind, layer), mut paths) in std::mem::take(&mut self.unsupported) {
            paths.sort();
            let more = match paths.len() {
                1 => String::new(),
                n => format!(" (and {} more)", n - 1),
            };
            self.anomalies.push(Anomaly {
                code: AnomalyCode::DatabaseUnsupported,
                path: paths.swap_remove(0),
                layer: Some(layer),
                detail: format!("{} are not catalogued yet{more}", kind.describe()),
            });
        }
    }

    /// What no purl can name, a scanner would pass over.
    fn nameless(&mut self, os: Option<&Os>) {
        let (named, nameless): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.packages).into_iter().partition(|p| purl::purl(p, os).is_some());
        self.packages = named;
        self.anomalies.extend(nameless.into_iter().map(|package| Anomaly {
            code: AnomalyCode::EntryUnreadable,
            path: package.path,
            layer: package.layer.map(|layer| layer.digest),
            detail: format!("no package URL can be made for {:?}", package.name),
        }));
    }

    fn emptiness(&mut self, os: Option<&Os>) {
        let whole = |code, detail: String| Anomaly { code, path: String::new(), layer: None, detail };
        let has_os_packages = self.packages.iter().any(|p| p.ecosystem.is_os());
        if let Some(os) = os.filter(|_| !has_os_packages) {
            let detail = format!("{} {} without a single package", os.id, os.version);
            self.anomalies.push(whole(AnomalyCode::OsWithoutPackages, detail));
        }
        // Advisories are filed by release; Wolfi and Chainguard have but one.
        let rolling = |os: &Os| matches!(os.id.as_str(), "wolfi" | "chainguard");
        if has_os_packages && os.is_none_or(|os| os.version.is_empty() && !rolling(os)) {
            let detail = "packages of an operating system whose name or version os-release does not tell".to_owned();
            self.anomalies.push(whole(AnomalyCode::OsUnknown, detail));
        }
        // A family that the scanner has no advisories for looks exactly like a clean image.
        let unmatched = self.packages.iter().find(|p| os.is_some_and(|os| !p.ecosystem.has_advisories_for(&os.id)));
        if let (Some(package), Some(os)) = (unmatched, os) {
            let detail =
                format!("{} of operating system {:?}, for which no advisories are matched", package.path, os.id);
            self.anomalies.push(whole(AnomalyCode::OsUnknown, detail));
        }
        if self.packages.is_empty() {
            self.anomalies.push(whole(AnomalyCode::NoComponents, "no package of any kind was found".to_owned()));
        }
    }
}

/// Files that belong to OS packages.
struct Owned<'a>(BTreeSet<&'a str>);

impl<'a> Owned<'a> {
    fn new(lists: &'a [String]) -> Self {
        Self(lists.iter().flat_map(|list| list.lines()).collect())
    }

    /// Package lists name `lib/x` where the merged tree has `usr/lib/x`.
    fn has(&self, path: &str) -> bool {
        self.0.contains(path) || path.strip_prefix("usr/").is_some_and(|rest| self.0.contains(rest))
    }
}

fn operating_system(files: &[FoundFile]) -> Option<Os> {
    let find = |path: &str| files.iter().find(|f| f.path == path);
    let release = crate::packages::candidate::OS_RELEASE.into_iter().filter_map(find);
    let mut os = release.filter_map(|file| os_release::parse(&file.content)).next()?;
    let repository = find("etc/apk/repositories").and_then(|file| os_release::alpine_repository(&file.content));
    // 3.19.1 of release 3.19 stays as it is; another stream replaces it, because advisories follow the stream.
    if os.id == "alpine"
        && let Some(stream) = repository
        && os.version != stream
        && !os.version.starts_with(&format!("{stream}."))
    {
        os.version = stream;
    }
    Some(os)
}

#[cfg(test)]
#[path = "inventory_tests.rs"]
mod tests;
