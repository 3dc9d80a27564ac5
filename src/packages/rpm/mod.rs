//! RPM's package database in its three formats: SQLite, ndb, and the hash files of Berkeley DB.
//!
//! Each format is a way to store one header per package; `header` says what a header means. Everything is read from
//! bounded bytes: no file is opened, no page or block is read twice, so that the work is bounded by the file's size. A
//! page, block or header that cannot be read costs its own package and is said aloud. Write-ahead logs beside a
//! database, and RPM's other tables, which only index this one, are not read.
//! Format: rpm-software-management.github.io/rpm/manual (headers), sqlite.org/fileformat2.html, and RPM's
//! `lib/backend/ndb/rpmpkg.c` and Berkeley DB's `db_page.h`, which are their own documentation.

mod berkeley;
mod bytes;
pub mod content;
mod header;
pub mod manifest;
mod ndb;
mod sqlite;

use std::collections::{BTreeMap, BTreeSet};

use crate::packages::apk::Installed;
use crate::packages::candidate::candidate;
use crate::packages::rpm::header::Header;
use crate::packages::{Ecosystem, Package, Parsed, Source, dpkg};

/// Largest header: RPM's own limit is 256 MiB, the largest real ones (kernels' development files) have 5 MiB.
const MAX_HEADER_BYTES: usize = 16 * 1024 * 1024;
/// Packages of one database; Fedora has 70,000 in all.
const MAX_PACKAGES: usize = 100_000;
/// Names that packages of one database provide and require; a desktop with 3,000 packages has 200,000.
const MAX_CAPABILITIES: usize = 1_000_000;
/// Lists of owned files. Folder names are stored once and joined here, so a small database could ask for any amount.
const MAX_OWNED_BYTES: usize = 16 * 1024 * 1024;
/// Vendors whose packages the distributions' advisories describe, by the beginning of RPM's `Vendor` (Trivy,
/// pkg/fanal/analyzer/pkg/rpm). Everything else comes from another repository.
const DISTRIBUTORS: [&str; 13] = [
    "AlmaLinux",
    "Amazon Linux",
    "Amazon.com",
    "CentOS",
    "CloudLinux",
    "Fedora Project",
    "Microsoft Corporation",
    "Oracle America",
    "Red Hat",
    "Rocky",
    "SUSE",
    "VMware",
    "openSUSE",
];

/// What one format's reader found: called once for each header, then for each thing it could not read.
trait Sink {
    fn header(&mut self, bytes: &[u8]);
    fn unreadable(&mut self, why: String);
}

/// Reads a database of whichever format its first bytes say; names differ between releases and are no promise.
#[must_use]
pub fn parse(path: &str, bytes: &[u8]) -> Installed {
    let mut reading = Reading { path, ..Reading::default() };
    let outcome = match bytes {
        // Left behind by a conversion to another format.
        [] => Ok(()),
        _ if bytes.starts_with(sqlite::MAGIC) => sqlite::read(bytes, &mut reading),
        _ if bytes.starts_with(ndb::MAGIC) => ndb::read(bytes, &mut reading),
        _ => berkeley::read(bytes, &mut reading),
    };
    reading.finish(outcome)
}

/// What a write-ahead log of `size` bytes beside `rpmdb.sqlite` means. RPM merges it when it closes the database, so one
/// with content is a database that was copied or killed while in use.
#[must_use]
pub fn log(size: u64) -> Option<Parsed> {
    (size > 0).then(|| Parsed {
        unreadable: vec![format!("a write-ahead log of {size} bytes: its packages are not in the database yet")],
        ..Parsed::default()
    })
}

#[derive(Default)]
struct Reading<'a> {
    path: &'a str,
    parsed: Parsed,
    owned: String,
    /// Which package provides a capability.
    provides: BTreeMap<String, String>,
    /// What each package in `parsed` requires.
    requires: Vec<Vec<String>>,
    capabilities: usize,
    limits: BTreeSet<String>,
}

impl Sink for Reading<'_> {
    fn header(&mut self, bytes: &[u8]) {
        if self.parsed.packages.len() >= MAX_PACKAGES {
            self.limits.insert(format!("more than {MAX_PACKAGES} packages"));
            return;
        }
        if bytes.len() > MAX_HEADER_BYTES {
            self.limits.insert(format!("a header of more than {MAX_HEADER_BYTES} bytes"));
            return;
        }
        match Header::parse(bytes).and_then(|header| self.package(&header)) {
            Ok(()) => {}
            Err(why) => self.parsed.unreadable.push(why),
        }
    }

    fn unreadable(&mut self, why: String) {
        self.parsed.unreadable.push(why);
    }
}

impl Reading<'_> {
    fn package(&mut self, header: &Header<'_>) -> Result<(), String> {
        let name = header.word(header::NAME)?.ok_or("header without a name")?;
        let needed = |tag, what: &str| header.word(tag)?.ok_or_else(|| format!("{name}: no {what}"));
        let (version, release) = (needed(header::VERSION, "version")?, needed(header::RELEASE, "release")?);
        let epoch = header.number(header::EPOCH)?.unwrap_or(0);
        let source = match header.word(header::SOURCE_RPM)? {
            Some(file) => Some(source(file, epoch).ok_or_else(|| format!("{name}: source {file:?} is no RPM"))?),
            None => None,
        };
        let vendor = header.text(header::VENDOR)?;
        let third_party = !from_distributor(vendor, release);
        if !third_party {
            self.own(header).map_err(|why| format!("{name}: {why}"))?;
        }
        let checksum = header.binary(header::MD5)?.filter(|md5| md5.len() == 16);
        self.provide(name, header)?;
        self.parsed.packages.push(Package {
            architecture: header.word(header::ARCHITECTURE)?.map(str::to_owned),
            source,
            licences: header.text(header::LICENCE)?.into_iter().map(str::to_owned).collect(),
            supplier: vendor.map(str::to_owned),
            modularity: header.word(header::MODULARITY)?.map(str::to_owned),
            third_party,
            hashes: checksum.map(|md5| ("MD5".to_owned(), hex(md5))).into_iter().collect(),
            ..Package::new(Ecosystem::Rpm, name, evr(epoch, version, release), self.path)
        });
        Ok(())
    }

    /// Remembers what the package provides and requires; it may turn out to be provided further on.
    fn provide(&mut self, name: &str, header: &Header<'_>) -> Result<(), String> {
        let mut requires = Vec::new();
        for capability in header.texts(header::PROVIDES)?.into_iter().chain([name]) {
            self.provides.insert(capability.to_owned(), name.to_owned());
        }
        for capability in header.texts(header::REQUIRES)? {
            requires.push(capability.to_owned());
        }
        self.capabilities += requires.len();
        if self.capabilities + self.provides.len() > MAX_CAPABILITIES {
            self.limits.insert(format!("more than {MAX_CAPABILITIES} provided and required names"));
            self.provides.clear();
            requires.clear();
        }
        self.requires.push(requires);
        Ok(())
    }

    fn own(&mut self, header: &Header<'_>) -> Result<(), String> {
        let folders = header.texts(header::FOLDER_NAMES)?;
        let names = header.texts(header::FILE_NAMES)?;
        let indexes = header.numbers(header::FOLDER_INDEXES)?;
        if names.len() != indexes.len() {
            return Err(format!("{} file names in {} folders", names.len(), indexes.len()));
        }
        for (name, index) in names.into_iter().zip(indexes) {
            let folder = usize::try_from(index).ok().and_then(|index| folders.get(index));
            let folder = folder.ok_or_else(|| format!("folder {index} of {}", folders.len()))?;
            let folder = folder.trim_matches('/');
            if dpkg::is_dull(folder) && candidate(&format!("{folder}/{name}")).is_none() {
                continue;
            }
            if self.owned.len() + folder.len() + name.len() + 2 > MAX_OWNED_BYTES {
                self.limits.insert(format!("lists of installed files of more than {MAX_OWNED_BYTES} bytes"));
                return Ok(());
            }
            if !folder.is_empty() {
                self.owned.push_str(folder);
                self.owned.push('/');
            }
            self.owned.push_str(name);
            self.owned.push('\n');
        }
        Ok(())
    }

    fn finish(mut self, outcome: Result<(), String>) -> Installed {
        for (package, requires) in self.parsed.packages.iter_mut().zip(&self.requires) {
            let found = requires.iter().filter_map(|one| self.provides.get(one)).filter(|name| **name != package.name);
            package.depends = found.cloned().collect::<BTreeSet<_>>().into_iter().collect();
        }
        self.parsed.failed = outcome.err();
        self.parsed.limits.extend(self.limits);
        Installed { parsed: self.parsed, owned: self.owned }
    }
}

/// `[epoch:]version-release`
fn evr(epoch: u32, version: &str, release: &str) -> String {
    let epoch = if epoch > 0 { format!("{epoch}:") } else { String::new() };
    format!("{epoch}{version}-{release}")
}

/// `openssl-3.0.7-24.el9.src.rpm` → the source package. It has the epoch of its binary packages; its file name has none.
fn source(file: &str, epoch: u32) -> Option<Source> {
    let stem = file.strip_suffix(".rpm").unwrap_or(file);
    let (rest, _architecture) = stem.rsplit_once('.')?;
    let (rest, release) = rest.rsplit_once('-')?;
    let (name, version) = rest.rsplit_once('-')?;
    (!name.is_empty()).then(|| Source { name: name.to_owned(), version: evr(epoch, version, release) })
}

/// Amazon's packages may have no vendor, but say it in their release.
fn from_distributor(vendor: Option<&str>, release: &str) -> bool {
    match vendor {
        None => release.contains("amzn"),
        Some(vendor) => DISTRIBUTORS.iter().any(|known| vendor.starts_with(known)),
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
