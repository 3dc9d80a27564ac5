//! From the files of one squashed image to its inventory: operating system, packages, and what could not be read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::oci::Digest;
use crate::packages::candidate::{Candidate, OS_RELEASE, Unsupported};
use crate::packages::embedded::claims;
use crate::packages::package::Layer;
use crate::packages::{Anomaly, AnomalyCode, Ecosystem, Extract, Os, Package, purl};

/// Anomalies of one code and file beyond this many become one line that counts them.
pub const MAX_ANOMALIES_PER_FILE: usize = 20;

/// A file of the squashed image that matters.
#[derive(Debug, Clone)]
pub struct FoundFile {
    /// The well-known path, links resolved; what the extract says is moved to it.
    pub path: String,
    pub kind: Candidate,
    pub extract: Arc<Extract>,
    pub layer: Layer,
    /// The same file in lower layers, lowest first: tells which layer brought a package.
    pub earlier: Vec<(Layer, Arc<Extract>)>,
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

/// Catalogues `files`. `anomalies` are those that reading the layers already gave. Language packages whose files belong
/// to OS packages are dropped, because the OS package's advisories are about them, unless `keep_os_owned`.
#[must_use]
pub fn inventory(files: &[FoundFile], anomalies: Vec<Anomaly>, keep_os_owned: bool) -> Inventory {
    let mut work = Work { anomalies, ..Work::default() };
    let owned = Owned::new(files);
    for file in files {
        if keep_os_owned || !(file.kind.is_language() && owned.has(&file.layer, &file.path)) {
            work.file(file, &owned, keep_os_owned);
        }
    }
    work.deb_licences(files);
    work.red_hat_repositories(files);
    work.unsupported_anomalies();
    let os = operating_system(files);
    claims::settle(&mut work.packages, os.as_ref());
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
    unsupported: BTreeMap<(Unsupported, Digest), Vec<String>>,
}

impl Work {
    fn file(&mut self, file: &FoundFile, owned: &Owned<'_>, keep_os_owned: bool) {
        let Extract { parsed, unsupported, .. } = &*file.extract;
        if let Some(kind) = unsupported {
            self.unsupported.entry((*kind, file.layer.digest.clone())).or_default().push(file.path.clone());
        }
        self.complain(file, AnomalyCode::DatabaseUnreadable, parsed.failed.as_slice());
        self.complain(file, AnomalyCode::LimitExceeded, &parsed.limits);
        self.complain(file, AnomalyCode::EntryUnreadable, &parsed.unreadable);
        let mut first: BTreeMap<(&str, &str), &Layer> = BTreeMap::new();
        for (layer, extract) in &file.earlier {
            for package in &extract.parsed.packages {
                first.entry((&package.name, &package.version)).or_insert(layer);
            }
        }
        // An SBOM in the image may belong to an OS package, or speak of files that do.
        let is_owned = |package: &Package| {
            !keep_os_owned
                && file.kind == Candidate::EmbeddedSbom
                && !package.ecosystem.is_os()
                && [&file.path, &package.path].into_iter().any(|path| owned.has(&file.layer, path))
        };
        for package in parsed.packages.iter().filter(|package| !is_owned(package)) {
            let layer = first.get(&(package.name.as_str(), package.version.as_str())).copied().unwrap_or(&file.layer);
            self.packages.push(Package {
                layer: Some(layer.clone()),
                path: moved(&package.path, &file.extract.path, &file.path),
                ..package.clone()
            });
        }
    }

    fn complain(&mut self, file: &FoundFile, code: AnomalyCode, details: &[String]) {
        let total = details.len();
        let anomaly = |detail: &str| Anomaly {
            code,
            path: file.path.clone(),
            layer: Some(file.layer.digest.clone()),
            detail: detail.to_owned(),
        };
        self.anomalies.extend(details.iter().take(MAX_ANOMALIES_PER_FILE).map(|detail| anomaly(detail)));
        if total > MAX_ANOMALIES_PER_FILE {
            self.anomalies.push(anomaly(&format!("and {} more", total - MAX_ANOMALIES_PER_FILE)));
        }
    }

    /// Debian's database has no licences; they are in a file of each package.
    fn deb_licences(&mut self, files: &[FoundFile]) {
        let folder = |path: &'_ str| path.strip_prefix("usr/share/doc/")?.strip_suffix("/copyright").map(str::to_owned);
        let files = files.iter().filter(|file| file.kind == Candidate::DpkgCopyright);
        let found: BTreeMap<String, &[String]> =
            files.filter_map(|file| Some((folder(&file.path)?, file.extract.licences.as_slice()))).collect();
        for package in self.packages.iter_mut().filter(|package| package.ecosystem == Ecosystem::Dpkg) {
            if let Some(licences) = found.get(&package.name) {
                package.licences = licences.to_vec();
            }
        }
    }

    /// All of the image's, also for images of several Red Hat layers: an advisory too many can be looked at.
    fn red_hat_repositories(&mut self, files: &[FoundFile]) {
        let named: BTreeSet<&String> = files.iter().flat_map(|file| &file.extract.repositories).collect();
        for package in self.packages.iter_mut().filter(|package| package.ecosystem == Ecosystem::Rpm) {
            package.repositories = named.iter().map(ToString::to_string).collect();
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
        // Advisories are filed by release; these have but one.
        let rolling =
            |os: &Os| matches!(os.family(), "wolfi" | "chainguard" | "minimos" | "echo" | "opensuse-tumbleweed");
        if has_os_packages && os.is_none_or(|os| os.version.is_empty() && !rolling(os)) {
            let detail = "packages of an operating system whose name or version os-release does not tell".to_owned();
            self.anomalies.push(whole(AnomalyCode::OsUnknown, detail));
        }
        // A family that the scanner has no advisories for looks exactly like a clean image.
        let unmatched =
            self.packages.iter().find(|p| os.is_some_and(|os| !p.ecosystem.has_advisories_for(os.family())));
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

/// Files that belong to OS packages, by the layer that says so.
///
/// As in Trivy, a list counts only for files of its own layer: what a higher layer puts in a package's place is not the
/// package's any more, and a layer cannot disown what is below it.
struct Owned<'a>(BTreeMap<&'a Digest, BTreeSet<&'a str>>);

impl<'a> Owned<'a> {
    fn new(files: &'a [FoundFile]) -> Self {
        let official = official_debs(files);
        let mut lists: BTreeMap<&Digest, BTreeSet<&str>> = BTreeMap::new();
        for file in files {
            if file.kind == Candidate::DpkgMd5sums && !official.contains(md5sums_package(&file.path)) {
                continue;
            }
            for (layer, extract) in versions(file) {
                lists.entry(&layer.digest).or_default().extend(extract.owned.lines());
            }
        }
        Self(lists)
    }

    /// Package lists name `lib/x` where the merged tree has `usr/lib/x`.
    fn has(&self, layer: &Layer, path: &str) -> bool {
        self.0.get(&layer.digest).is_some_and(|list| {
            list.contains(path) || path.strip_prefix("usr/").is_some_and(|rest| list.contains(rest))
        })
    }
}

/// The file in every layer that has it, lowest first.
fn versions(file: &FoundFile) -> impl Iterator<Item = (&Layer, &Extract)> {
    let earlier = file.earlier.iter().map(|(layer, extract)| (layer, &**extract));
    earlier.chain([(&file.layer, &*file.extract)])
}

/// Debian packages whose file lists count: installed, and from the distribution. What other vendors' packages install is
/// looked at like anybody's files, and a list without a package is nobody's. Names as `info/*.md5sums` spells them.
fn official_debs(files: &[FoundFile]) -> BTreeSet<String> {
    let packages = files.iter().flat_map(versions).flat_map(|(_, extract)| &extract.parsed.packages);
    let mut names = BTreeSet::new();
    for package in packages.filter(|package| package.ecosystem == Ecosystem::Dpkg && !package.third_party) {
        names.insert(package.name.clone());
        names.extend(package.architecture.as_ref().map(|architecture| format!("{}:{architecture}", package.name)));
    }
    names
}

/// `var/lib/dpkg/info/libc6:amd64.md5sums` → `libc6:amd64`.
fn md5sums_package(path: &str) -> &str {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.strip_suffix(".md5sums").unwrap_or(file)
}

/// `path`, found in the file `from` or in something inside it, when that file is really at `to`.
fn moved(path: &str, from: &str, to: &str) -> String {
    path.strip_prefix(from).map_or_else(|| path.to_owned(), |rest| format!("{to}{rest}"))
}

fn operating_system(files: &[FoundFile]) -> Option<Os> {
    let find = |path: &str| files.iter().find(|f| f.path == path);
    let release = OS_RELEASE.into_iter().filter_map(find);
    let mut os = release.filter_map(|file| file.extract.os.clone()).next()?;
    let repository = find("etc/apk/repositories").and_then(|file| file.extract.stream.clone());
    // 3.19.1 of release 3.19 stays as it is; another stream replaces it, because advisories follow the stream.
    if os.id == "alpine"
        && let Some(stream) = repository
        && os.version != stream
        && !os.version.starts_with(&format!("{stream}."))
    {
        os.version = stream;
    }
    let extended = find("var/lib/ubuntu-advantage/status.json").and_then(|file| file.extract.stream.as_deref());
    if let Some(stream) = extended.filter(|_| os.id == "ubuntu" && !os.version.is_empty()) {
        os.version = format!("{}-{stream}", os.version);
    }
    Some(os)
}

#[cfg(test)]
#[path = "inventory_tests.rs"]
mod tests;
