//! Java archives: which artifacts are in a jar, war, ear or par, and in the archives inside it.
//!
//! Maven writes a `pom.properties` for the archive itself and leaves those of what was merged into it; each is a
//! package, as in Trivy's parser. An archive that has none for itself gets its name from the file name, the manifest and
//! a table of groups (`java_groups`), without a database of checksums. One that cannot be named for sure is still listed,
//! under its file name and SHA-1, with a package URL that matches no advisory: visible, and no anomaly, for many jars
//! of many images are like that.

use std::collections::BTreeSet;
use std::io::Read;

use crate::packages::java_groups::{self, Group};
use crate::packages::java_names::{Artifact, Manifest, file_name, pom_properties};
use crate::packages::zip::{Walked, walk};
use crate::packages::zip_stream::{Budget, Trouble};
use crate::packages::{Ecosystem, Package, Parsed};

/// Archives inside archives: an application in a bundle with its libraries needs three.
pub const MAX_DEPTH: usize = 5;
/// `pom.properties` has five lines.
const MAX_PROPERTIES_BYTES: u64 = 64 * 1024;
/// The manifest's main section; sections of signed classes follow and may be long.
pub(super) const MAX_MANIFEST_BYTES: u64 = 256 * 1024;
/// Held in memory of a package, besides its path.
const PACKAGE_BYTES: usize = 512;

/// The archive at `path`, a file of `size` bytes. A failure of `reader` looks like the end of the file.
pub fn read(path: &str, reader: &mut dyn Read, size: u64) -> Parsed {
    if size == 0 {
        return Parsed::default();
    }
    let budget = Budget::new(size);
    let mut parsed = archive(path, reader, &budget, 1);
    without_repetitions(&mut parsed.packages);
    parsed
}

/// What an entry of an archive gives.
enum Entry {
    Properties(Option<Artifact>),
    Manifest(Manifest),
    Archive(Parsed),
    Unreadable(String),
}

fn archive(path: &str, reader: &mut dyn Read, budget: &Budget, depth: usize) -> Parsed {
    let named = file_name(path);
    let mut group = Group::candidate(named.as_ref());
    let matters = |name: &[u8]| {
        group.see(name);
        is_properties(name) || is_manifest(name) || is_archive(name)
    };
    let content = |name: &str, inner: &mut dyn Read| entry(path, name, inner, budget, depth);
    match walk(reader, budget, matters, content) {
        Ok(walked) => assemble(path, named, &group, walked),
        Err(Trouble::Corrupt(why)) => Parsed::failed(why),
        Err(Trouble::Limit(why)) => Parsed { limits: vec![why], ..Parsed::default() },
    }
}

fn entry(path: &str, name: &str, inner: &mut dyn Read, budget: &Budget, depth: usize) -> Entry {
    let whole = |inner: &mut dyn Read, max: u64| {
        let mut bytes = Vec::new();
        // What fails here is noticed by the walk, which sums up the content.
        let _ = inner.take(max + 1).read_to_end(&mut bytes);
        bytes
    };
    if is_archive(name.as_bytes()) {
        if depth >= MAX_DEPTH {
            let limit = format!("{name}: more than {MAX_DEPTH} archives inside one another");
            return Entry::Archive(Parsed { limits: vec![limit], ..Parsed::default() });
        }
        let inside = inside(path, name);
        // For the package that it is itself.
        let _ = budget.hold(2 * inside.len() + PACKAGE_BYTES);
        return Entry::Archive(archive(&inside, inner, budget, depth + 1));
    }
    if is_manifest(name.as_bytes()) {
        let bytes = whole(inner, MAX_MANIFEST_BYTES);
        return match Manifest::parse(&bytes) {
            Some(manifest) => {
                // A limit that is hit here ends the walk.
                let _ = budget.hold(manifest.size());
                Entry::Manifest(manifest)
            }
            None => Entry::Unreadable(format!("{name}: main section of more than {MAX_MANIFEST_BYTES} bytes")),
        };
    }
    let bytes = whole(inner, MAX_PROPERTIES_BYTES);
    if bytes.len() as u64 > MAX_PROPERTIES_BYTES {
        return Entry::Unreadable(format!("{name}: more than {MAX_PROPERTIES_BYTES} bytes"));
    }
    let _ = budget.hold(bytes.len() + path.len() + PACKAGE_BYTES);
    Entry::Properties(pom_properties(&bytes))
}

fn assemble(path: &str, named: Option<Artifact>, group: &Group, walked: Walked<Entry>) -> Parsed {
    let mut parsed = Parsed { unreadable: walked.missed, ..Parsed::default() };
    let (mut own, mut manifest) = (Vec::new(), Manifest::default());
    for (name, entry) in walked.found {
        match entry {
            Entry::Properties(Some(artifact)) => own.push(artifact),
            // Without a name or version, or with a variable in place of it: nothing that Maven wrote.
            Entry::Properties(None) => {}
            Entry::Manifest(found) => manifest = found,
            Entry::Unreadable(why) => parsed.unreadable.push(why),
            Entry::Archive(inner) => {
                parsed.packages.extend(inner.packages);
                parsed.limits.extend(inner.limits);
                parsed.unreadable.extend(inner.unreadable.iter().map(|why| format!("{name}: {why}")));
                parsed.unreadable.extend(inner.failed.map(|why| format!("{name}: {why}")));
            }
        }
    }
    let licences = manifest.licences();
    let mut list: Vec<Package> = own.iter().map(|artifact| package(path, artifact)).collect();
    if !identified(path, named.as_ref(), &own) {
        list.push(by_other_means(path, named, group, &manifest, &walked.sha1));
    }
    let single = list.len() == 1;
    for mut package in list {
        if single {
            package.licences.clone_from(&licences);
        }
        package.hashes = vec![("SHA-1".to_owned(), walked.sha1.clone())];
        parsed.packages.push(package);
    }
    parsed
}

/// Does one of the archive's `pom.properties` speak of the archive itself, and not only of what was merged into it?
fn identified(path: &str, named: Option<&Artifact>, own: &[Artifact]) -> bool {
    let Some(named) = named else {
        // `app.jar` may be anything; the only description in it is its own.
        return own.len() == 1 || own.iter().any(|artifact| artifact.name == stem(path));
    };
    // Some tools put the group before the name.
    let same = |name: &str| named.name.strip_suffix(name).is_some_and(|group| group.is_empty() || group.ends_with('.'));
    own.iter().any(|artifact| same(&artifact.name) && (artifact.version == named.version || own.len() == 1))
}

/// File name, table of groups, manifest; else a component that is only listed.
fn by_other_means(path: &str, named: Option<Artifact>, group: &Group, manifest: &Manifest, sha1: &str) -> Package {
    let artifact = group.artifact().or_else(|| manifest.artifact(named.as_ref()));
    if let Some(artifact) = artifact {
        return package(path, &artifact);
    }
    let named = named.unwrap_or_else(|| Artifact {
        group: String::new(),
        name: stem(path).to_owned(),
        version: manifest.version().unwrap_or_default(),
    });
    let mut listed = Package::new(Ecosystem::Maven, &named.name, &named.version, path);
    listed.purl = java_groups::listed_purl(&named, sha1);
    listed
}

fn package(path: &str, artifact: &Artifact) -> Package {
    Package::new(Ecosystem::Maven, format!("{}:{}", artifact.group, artifact.name), &artifact.version, path)
}

/// `path` of an archive and `name` of an entry in it; `..` leads nowhere.
fn inside(path: &str, name: &str) -> String {
    let parts = name.split('/').filter(|part| !matches!(*part, "" | "." | ".."));
    std::iter::once(path).chain(parts).collect::<Vec<_>>().join("/")
}

fn base(name: &[u8]) -> &[u8] {
    name.rsplit(|b| *b == b'/').next().unwrap_or_default()
}

fn is_properties(name: &[u8]) -> bool {
    base(name) == b"pom.properties"
}

fn is_manifest(name: &[u8]) -> bool {
    name == b"META-INF/MANIFEST.MF"
}

fn is_archive(name: &[u8]) -> bool {
    [&b".jar"[..], b".war", b".ear"].iter().any(|extension| name.ends_with(extension))
}

fn stem(path: &str) -> &str {
    let file = path.rsplit('/').next().unwrap_or_default();
    file.rsplit_once('.').map_or(file, |(stem, _)| stem)
}

/// The same artifact twice in one archive, also where one spelling of the version leaves out zeros.
fn without_repetitions(packages: &mut Vec<Package>) {
    let mut seen = BTreeSet::new();
    packages.retain(|package| {
        let mut version = package.version.to_ascii_lowercase();
        while let Some(shorter) = version.strip_suffix(".0") {
            version = shorter.to_owned();
        }
        seen.insert((package.path.clone(), package.name.clone(), version))
    });
}

#[cfg(test)]
#[path = "java_tests.rs"]
mod tests;
