//! One component of an embedded SBOM, whatever form it was written in, and the package it stands for.

use std::collections::BTreeMap;

use packageurl::PackageUrl;

use crate::packages::embedded::bitnami_folder;
use crate::packages::name::is_plain;
use crate::packages::{Ecosystem, Package, Source};

/// How Trivy begins the names of its properties in CycloneDX; in SPDX they stand without it.
const TRIVY: &str = "aquasecurity:trivy:";

/// What the document says of it.
#[derive(Debug, Default)]
pub(super) struct Stated {
    pub(super) group: String,
    pub(super) name: String,
    pub(super) purl: String,
    pub(super) licences: Vec<String>,
    pub(super) supplier: Option<String>,
    pub(super) hashes: Vec<(String, String)>,
    /// The file it was found in, as far as the form itself can say so.
    pub(super) file: Option<String>,
    /// Name and version of its source package.
    pub(super) source: Option<(String, String)>,
    /// Trivy's, without the name space.
    pub(super) properties: BTreeMap<String, String>,
}

impl Stated {
    pub(super) fn property(&mut self, name: &str, value: &str) {
        let name = name.strip_prefix(TRIVY).unwrap_or(name);
        self.properties.insert(name.to_owned(), value.to_owned());
    }

    /// `None` for what has no purl, none of a kind with advisories, or no version to match them with.
    pub(super) fn package(self, document: &str) -> Result<Option<Package>, String> {
        if self.purl.is_empty() {
            return Ok(None);
        }
        let purl: PackageUrl<'_> =
            self.purl.parse().map_err(|e| format!("component {:?}: package URL {:?}: {e}", self.name, self.purl))?;
        let Some(ecosystem) = ecosystem(purl.ty()) else { return Ok(None) };
        let name = self.package_name(&purl, ecosystem);
        let Some(version) = version(&purl, ecosystem).filter(|version| !version.is_empty()) else { return Ok(None) };
        if !is_plain(&name) || !is_plain(&version) {
            return Err(format!("component {:?}: its name or version is not readable", self.purl));
        }
        let qualifier = |key: &str| purl.qualifiers().get(key).map(ToString::to_string);
        let package = Package {
            architecture: qualifier("arch"),
            modularity: self.properties.get("Modularitylabel").cloned().or_else(|| qualifier("modularitylabel")),
            source: if ecosystem.is_os() { self.source_package() } else { None },
            purl: Some(purl.to_string()),
            path: self.place(document, ecosystem),
            ..Package::new(ecosystem, name, version, document)
        };
        Ok(Some(Package { licences: self.licences, supplier: self.supplier, hashes: self.hashes, ..package }))
    }

    /// The component's own name, except where only the purl has it right.
    fn package_name(&self, purl: &PackageUrl<'_>, ecosystem: Ecosystem) -> String {
        let by_purl = |separator| match purl.namespace() {
            Some(namespace) => format!("{namespace}{separator}{}", purl.name()),
            None => purl.name().to_owned(),
        };
        match ecosystem {
            Ecosystem::Maven => by_purl(':'),
            _ if ecosystem.is_os() && self.name.is_empty() => purl.name().to_owned(),
            _ if ecosystem == Ecosystem::Bitnami || self.name.is_empty() => by_purl('/'),
            _ if self.group.is_empty() => self.name.clone(),
            _ => format!("{}/{}", self.group, self.name),
        }
    }

    fn source_package(&self) -> Option<Source> {
        let property = |name: &str| self.properties.get(name).filter(|value| is_plain(value));
        let (stated_name, stated_version) = self.source.clone().unzip();
        let name = property("SrcName").cloned().or(stated_name).filter(|name| is_plain(name))?;
        let version = match property("SrcVersion") {
            Some(version) => {
                let epoch = property("SrcEpoch").filter(|epoch| *epoch != "0").map(|epoch| format!("{epoch}:"));
                let release = property("SrcRelease").map(|release| format!("-{release}"));
                format!("{}{version}{}", epoch.unwrap_or_default(), release.unwrap_or_default())
            }
            None => stated_version.filter(|version| is_plain(version))?,
        };
        Some(Source { name, version })
    }

    /// Where Trivy says it is: the file it was found in, or else the document.
    fn place(&self, document: &str, ecosystem: Ecosystem) -> String {
        let file = self.properties.get("FilePath").or(self.file.as_ref());
        let file = file.map(|file| file.trim_start_matches('/')).filter(|file| is_plain(file));
        match (bitnami_folder(document), file) {
            (Some(folder), Some(file)) if ecosystem != Ecosystem::Bitnami => format!("{folder}/{file}"),
            (Some(folder), _) => folder.to_owned(),
            (None, file) => file.unwrap_or(document).to_owned(),
        }
    }
}

/// Types of purl that Trivy matches with advisories.
fn ecosystem(kind: &str) -> Option<Ecosystem> {
    Some(match kind {
        "deb" => Ecosystem::Dpkg,
        "apk" => Ecosystem::Apk,
        "rpm" => Ecosystem::Rpm,
        "npm" => Ecosystem::Npm,
        "pypi" => Ecosystem::Pypi,
        "gem" => Ecosystem::Gem,
        "golang" => Ecosystem::Golang,
        "cargo" => Ecosystem::Cargo,
        "maven" => Ecosystem::Maven,
        "composer" => Ecosystem::Composer,
        "nuget" => Ecosystem::Nuget,
        "conda" => Ecosystem::Conda,
        "bitnami" => Ecosystem::Bitnami,
        "swift" | "cocoapods" | "hex" | "conan" | "pub" | "k8s" => Ecosystem::Other,
        _ => return None,
    })
}

/// The epoch of an OS package stands among the qualifiers.
fn version(purl: &PackageUrl<'_>, ecosystem: Ecosystem) -> Option<String> {
    let version = purl.version()?;
    let epoch = purl.qualifiers().get("epoch").filter(|epoch| ecosystem.is_os() && *epoch != "0");
    Some(match epoch {
        Some(epoch) if !version.contains(':') => format!("{epoch}:{version}"),
        _ => version.to_owned(),
    })
}

/// Algorithms as CycloneDX spells them.
pub(super) fn algorithm(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_uppercase().replace('-', "");
    Some(match name.as_str() {
        "MD5" => "MD5",
        "SHA1" => "SHA-1",
        "SHA256" => "SHA-256",
        "SHA384" => "SHA-384",
        "SHA512" => "SHA-512",
        _ => return None,
    })
}
