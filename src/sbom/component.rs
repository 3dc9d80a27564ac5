//! One CycloneDX component per package, operating system and image, with the properties that Trivy reads.

use cyclonedx_bom::external_models::uri::Purl;
use cyclonedx_bom::models::component::{Classification, Component};
use cyclonedx_bom::models::hash::{Hash, HashAlgorithm, HashValue, Hashes};
use cyclonedx_bom::models::organization::{OrganizationalContact, OrganizationalEntity};
use cyclonedx_bom::models::property::{Properties, Property};
use cyclonedx_bom::prelude::NormalizedString;
use packageurl::PackageUrl;

use crate::packages::deb_version::DebVersion;
use crate::packages::{Anomaly, Ecosystem, Os, Package};
use crate::sbom::licence::licences;
use crate::sbom::{ANOMALY_PROPERTY, ARTIFACT_TYPE_PROPERTY, SbomSubject, THIRD_PARTY_PROPERTY};

/// Trivy's name space for properties.
const TRIVY: &str = "aquasecurity:trivy:";

fn property(name: &str, value: &str) -> Property {
    Property::new(format!("{TRIVY}{name}"), value)
}

/// A purl whose text is already escaped; the crate's own constructor leaves `+` alone.
fn escaped(purl: &str) -> Option<Purl> {
    purl.parse().ok()
}

/// The image itself. Trivy reads name, purl and properties; GUAC needs type and purl.
pub(super) fn root(subject: &SbomSubject, anomalies: &[Anomaly], bom_ref: &str) -> Component {
    let name = subject.repository.as_ref().map_or_else(|| subject.digest.to_string(), ToString::to_string);
    let kind = if subject.artifact_type.is_some() { Classification::File } else { Classification::Container };
    let mut component = Component::new(kind, &name, &subject.digest.to_string(), Some(bom_ref.to_owned()));
    component.purl = image_purl(subject).as_deref().and_then(escaped);
    let mut properties = vec![property("SchemaVersion", "2"), property("ImageID", &subject.config.to_string())];
    properties.extend(subject.diff_ids.iter().map(|id| property("DiffID", &id.to_string())));
    if let Some(repository) = &subject.repository {
        properties.push(property("RepoDigest", &format!("{repository}@{}", subject.digest)));
    }
    properties.push(property("Size", &subject.size.to_string()));
    properties.extend(subject.labels.iter().map(|(key, value)| property(&format!("Labels:{key}"), value)));
    let artifact_type = subject.artifact_type.as_deref();
    properties.extend(artifact_type.map(|kind| Property::new(ARTIFACT_TYPE_PROPERTY, kind)));
    properties.extend(anomalies.iter().map(|a| Property::new(ANOMALY_PROPERTY, &anomaly_text(a))));
    component.properties = Some(Properties(properties));
    component
}

fn anomaly_text(anomaly: &Anomaly) -> String {
    let Anomaly { code, path, layer, detail } = anomaly;
    let layer = layer.as_ref().map(|layer| format!(" in {}", layer.short())).unwrap_or_default();
    let place = if path.is_empty() { String::new() } else { format!(" {path}") };
    format!("{code}{place}{layer}: {detail}")
}

/// `pkg:oci/name@sha256%3A…?arch=amd64&repository_url=host/path/name`; none for an image without a repository.
fn image_purl(subject: &SbomSubject) -> Option<String> {
    let repository = subject.repository.as_ref()?;
    let mut purl = PackageUrl::new("oci", repository.name().to_owned()).ok()?;
    purl.with_version(subject.digest.to_string()).ok()?;
    if let Some(platform) = &subject.platform {
        purl.add_qualifier("arch", platform.architecture.clone()).ok()?;
    }
    purl.add_qualifier("repository_url", repository.to_string()).ok()?;
    // Trivy and Syft escape the colon of the digest; both spellings mean the same.
    Some(purl.to_string().replacen("@sha256:", "@sha256%3A", 1).replacen("@sha512:", "@sha512%3A", 1))
}

pub(super) fn operating_system(os: &Os, bom_ref: &str) -> Component {
    let mut component =
        Component::new(Classification::OperatingSystem, os.family(), &os.version, Some(bom_ref.to_owned()));
    component.description = os.name.as_deref().map(NormalizedString::new);
    component.properties = Some(Properties(vec![property("Class", "os-pkgs"), property("Type", os.family())]));
    component
}

pub(super) fn library(package: &Package, os: Option<&Os>, purl: Option<&str>, bom_ref: &str) -> Component {
    let (group, name) = grouped(package);
    let mut component = Component::new(Classification::Library, name, &package.version, Some(bom_ref.to_owned()));
    component.group = group.map(NormalizedString::new);
    component.purl = purl.and_then(escaped);
    component.supplier = package.supplier.as_deref().map(supplier);
    component.licenses = licences(&package.licences);
    component.hashes = hashes(&package.hashes);
    component.properties = Some(Properties(properties(package, os)));
    component
}

/// Trivy and Dependency-Track put the two together again: `@scope/name`, `group:artifact`, `vendor/name`.
fn grouped(package: &Package) -> (Option<&str>, &str) {
    let parts = match package.ecosystem {
        Ecosystem::Npm if package.name.starts_with('@') => package.name.split_once('/'),
        Ecosystem::Composer => package.name.split_once('/'),
        Ecosystem::Maven => package.name.split_once(':'),
        _ => None,
    };
    match parts.filter(|(group, name)| !group.is_empty() && !name.is_empty()) {
        Some((group, name)) => (Some(group), name),
        None => (None, package.name.as_str()),
    }
}

/// Checksums that the schema knows and that have the length of their algorithm; a database may claim anything.
fn hashes(stated: &[(String, String)]) -> Option<Hashes> {
    let mut list: Vec<(&str, String)> = stated.iter().map(|(alg, hex)| (alg.as_str(), hex.to_lowercase())).collect();
    list.sort();
    list.dedup();
    let known = |(algorithm, content): (&str, String)| {
        let (alg, length) = match algorithm {
            "MD5" => (HashAlgorithm::MD5, 32),
            "SHA-1" => (HashAlgorithm::SHA1, 40),
            "SHA-256" => (HashAlgorithm::SHA_256, 64),
            "SHA-384" => (HashAlgorithm::SHA_384, 96),
            "SHA-512" => (HashAlgorithm::SHA_512, 128),
            _ => return None,
        };
        let fits = content.len() == length && content.bytes().all(|b| b.is_ascii_hexdigit());
        fits.then_some(Hash { alg, content: HashValue(content) })
    };
    let known: Vec<Hash> = list.into_iter().filter_map(known).collect();
    (!known.is_empty()).then_some(Hashes(known))
}

fn properties(package: &Package, os: Option<&Os>) -> Vec<Property> {
    let mut list = Vec::new();
    if !package.ecosystem.is_os() {
        list.push(property("FilePath", &package.path));
    }
    if let Some(layer) = &package.layer {
        list.push(property("LayerDiffID", &layer.diff_id.to_string()));
        list.push(property("LayerDigest", &layer.digest.to_string()));
    }
    list.extend(package.repositories.iter().map(|repository| property("ContentSet", repository)));
    if let Some(label) = &package.modularity {
        list.push(property("Modularitylabel", label));
    }
    list.push(property("PkgID", &package_id(package)));
    list.push(property("PkgType", package_type(package.ecosystem, os)));
    if let (Some(source), Some(parts)) = (&package.source, package.source_parts()) {
        let DebVersion { epoch, upstream, revision } = parts;
        if epoch > 0 {
            list.push(property("SrcEpoch", &epoch.to_string()));
        }
        list.push(property("SrcName", &source.name));
        if !revision.is_empty() {
            list.push(property("SrcRelease", &revision));
        }
        list.push(property("SrcVersion", &upstream));
    }
    if package.third_party {
        list.push(Property::new(THIRD_PARTY_PROPERTY, "true"));
    }
    list
}

/// As Trivy's image scan writes it.
fn package_id(package: &Package) -> String {
    match (package.ecosystem, package.version_parts()) {
        (Ecosystem::Rpm, DebVersion { upstream, revision, .. }) => {
            let architecture = package.architecture.as_deref().unwrap_or_default();
            format!("{}@{upstream}-{revision}.{architecture}", package.name)
        }
        _ => format!("{}@{}", package.name, package.version),
    }
}

/// Trivy's name for the kind of package: the distribution's for its packages.
fn package_type(ecosystem: Ecosystem, os: Option<&Os>) -> &str {
    match (ecosystem, os) {
        (Ecosystem::Dpkg | Ecosystem::Apk | Ecosystem::Rpm, Some(os)) => os.family(),
        (Ecosystem::Dpkg, None) => "debian",
        (Ecosystem::Apk, None) => "alpine",
        (Ecosystem::Rpm, None) => "redhat",
        (Ecosystem::Npm, _) => "node-pkg",
        (Ecosystem::Pypi, _) => "python-pkg",
        (Ecosystem::Gem, _) => "gemspec",
        (Ecosystem::Golang, _) => "gobinary",
        (Ecosystem::Cargo, _) => "rustbinary",
        (Ecosystem::Maven, _) => "jar",
        (Ecosystem::Composer, _) => "composer-vendor",
        (Ecosystem::Nuget, _) => "dotnet-core",
        (Ecosystem::Conda, _) => "conda-pkg",
        (Ecosystem::Bitnami, _) => "bitnami",
        (Ecosystem::Other, _) => "other",
    }
}

/// `Name <address>` as name and contact.
fn supplier(text: &str) -> OrganizationalEntity {
    let (name, address) = match text.split_once('<') {
        Some((name, rest)) => (name.trim(), Some(rest.trim_end_matches('>').trim())),
        None => (text.trim(), None),
    };
    let mut entity = OrganizationalEntity::new(name);
    entity.contact = address.filter(|a| a.contains('@')).map(|a| vec![OrganizationalContact::new(name, Some(a))]);
    entity
}
