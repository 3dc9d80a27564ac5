//! One installed package, and the operating system it may belong to.

use serde::{Deserialize, Serialize};

use crate::oci::Digest;
use crate::packages::deb_version::DebVersion;

/// Which package manager installed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Ecosystem {
    Dpkg,
    Apk,
    Rpm,
    Npm,
    /// Python: PyPI's names.
    Pypi,
    /// Ruby.
    Gem,
    /// Go modules, `stdlib` among them.
    Golang,
    /// Rust crates.
    Cargo,
    /// Java: `group:artifact`.
    Maven,
    /// PHP.
    Composer,
    /// .NET.
    Nuget,
    /// conda; no advisories are matched.
    Conda,
    /// What Bitnami's images say they are made of.
    Bitnami,
    /// A package of another kind that an embedded SBOM names by its purl.
    Other,
}

impl Ecosystem {
    /// Does the package belong to the operating system, as opposed to a language?
    #[must_use]
    pub fn is_os(self) -> bool {
        matches!(self, Self::Dpkg | Self::Apk | Self::Rpm)
    }

    /// Are packages of this kind matched with advisories of the distribution `family` (see [`Os::family`])? Trivy passes
    /// over a database of any other distribution without a word.
    #[must_use]
    pub fn has_advisories_for(self, family: &str) -> bool {
        match self {
            Self::Dpkg => matches!(family, "debian" | "echo" | "ubuntu"),
            Self::Apk => matches!(family, "alpine" | "chainguard" | "minimos" | "wolfi"),
            Self::Rpm => RPM_FAMILIES.contains(&family),
            _ => true,
        }
    }
}

/// Families whose RPM packages Trivy matches with advisories (its `pkg/detector/ospkg`). Fedora and CentOS Stream are not
/// among them.
const RPM_FAMILIES: [&str; 13] = [
    "alma",
    "amazon",
    "azurelinux",
    "cbl-mariner",
    "centos",
    "opensuse-leap",
    "opensuse-tumbleweed",
    "oracle",
    "photon",
    "redhat",
    "rocky",
    "slem",
    "sles",
];

/// The source package that an OS package was built from; advisories are filed under its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    pub name: String,
    /// The whole version, epoch included.
    pub version: String,
}

/// Ordered by ecosystem, name, version, path: the order of the SBOM.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    pub ecosystem: Ecosystem,
    /// With the scope for npm: `@scope/name`.
    pub name: String,
    /// The whole version as the database has it, epoch included.
    pub version: String,
    pub architecture: Option<String>,
    pub source: Option<Source>,
    /// As written in the database: SPDX expression or free text.
    pub licences: Vec<String>,
    /// Who maintains the package (dpkg `Maintainer`, apk `m:`).
    pub supplier: Option<String>,
    /// Names (dpkg, apk) of packages this one needs, as far as the database says so.
    pub depends: Vec<String>,
    /// The file the entry was read from, without leading slash.
    pub path: String,
    /// RPM's `MODULARITYLABEL`, `name:stream:version:context:arch`.
    pub modularity: Option<String>,
    /// Names of the repositories that a Red Hat image was built from; advisories are filed by them.
    pub repositories: Vec<String>,
    /// An OS package from another vendor's repository: the distribution's advisories say nothing about it.
    pub third_party: bool,
    /// Checksums that the database states, algorithm as CycloneDX spells it (`SHA-1`, `SHA-256`), value in hex.
    pub hashes: Vec<(String, String)>,
    /// The package URL where the database itself gives it (embedded SBOMs); else it is made from the other fields.
    pub purl: Option<String>,
    /// The layer that first brought this package in this version.
    pub layer: Option<Layer>,
}

/// Where in the image something was found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layer {
    /// As in the manifest.
    pub digest: Digest,
    /// Of the uncompressed layer.
    pub diff_id: Digest,
}

impl Package {
    /// A package of which nothing but name and version is known; the other fields are set by who knows more.
    #[must_use]
    pub fn new(ecosystem: Ecosystem, name: impl Into<String>, version: impl Into<String>, path: &str) -> Self {
        Self {
            ecosystem,
            name: name.into(),
            version: version.into(),
            architecture: None,
            source: None,
            licences: Vec::new(),
            supplier: None,
            depends: Vec::new(),
            path: path.to_owned(),
            modularity: None,
            repositories: Vec::new(),
            third_party: false,
            hashes: Vec::new(),
            purl: None,
            layer: None,
        }
    }

    /// Epoch, upstream version and revision; for other ecosystems than dpkg the version is one piece.
    #[must_use]
    pub fn version_parts(&self) -> DebVersion {
        split_version(self.ecosystem, &self.version)
    }

    /// As [`Package::version_parts`], of the source package.
    #[must_use]
    pub fn source_parts(&self) -> Option<DebVersion> {
        self.source.as_ref().map(|source| split_version(self.ecosystem, &source.version))
    }
}

fn split_version(ecosystem: Ecosystem, version: &str) -> DebVersion {
    let whole = || DebVersion { epoch: 0, upstream: version.to_owned(), revision: String::new() };
    match ecosystem {
        Ecosystem::Dpkg => version.parse().unwrap_or_else(|_| whole()),
        Ecosystem::Rpm => rpm_version(version).unwrap_or_else(whole),
        _ => whole(),
    }
}

/// `[epoch:]version[-release]`; neither part may hold a dash in RPM.
fn rpm_version(version: &str) -> Option<DebVersion> {
    let (epoch, rest) = match version.split_once(':') {
        Some((epoch, rest)) => (epoch.parse().ok()?, rest),
        None => (0, version),
    };
    let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
    Some(DebVersion { epoch, upstream: upstream.to_owned(), revision: revision.to_owned() })
}

/// The operating system as `os-release` names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Os {
    /// `ID`, for example `debian`.
    pub id: String,
    /// `VERSION_ID`; for Alpine the release of its package repository, where that differs (`edge`). May be empty.
    pub version: String,
    /// `PRETTY_NAME`.
    pub name: Option<String>,
}

impl Os {
    /// The name under which Trivy files this distribution's advisories (its `pkg/fanal/types`).
    #[must_use]
    pub fn family(&self) -> &str {
        match self.id.as_str() {
            "rhel" => "redhat",
            "almalinux" => "alma",
            "ol" => "oracle",
            "amzn" => "amazon",
            "mariner" => "cbl-mariner",
            "opensuse" => "opensuse-leap",
            "sle-micro" | "sl-micro" | "sle-micro-rancher" => "slem",
            // The same id, but not the same advisories.
            "centos" if self.name.as_deref().is_some_and(|name| name.starts_with("CentOS Stream")) => "centos-stream",
            id => id,
        }
    }

    /// The namespace of its packages' purls. Trivy drops a package whose purl has another one.
    #[must_use]
    pub fn purl_namespace(&self) -> &str {
        match self.family() {
            "sles" | "slem" => "suse",
            "opensuse-leap" | "opensuse-tumbleweed" => "opensuse",
            family => family,
        }
    }
}
