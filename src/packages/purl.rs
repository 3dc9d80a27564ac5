//! Package URLs (github.com/package-url/purl-spec): the name by which scanners and advisories know a package.

use packageurl::PackageUrl;

use crate::packages::{Ecosystem, Os, Package};

/// The package's purl. `None` where the spec cannot express the name.
///
/// Qualifiers are those that consumers read: `arch`, `distro`, `epoch` (Trivy), `upstream` (Grype). `+` is escaped.
#[must_use]
pub fn purl(package: &Package, os: Option<&Os>) -> Option<String> {
    if let Some(given) = &package.purl {
        return Some(given.clone());
    }
    let purl = match package.ecosystem {
        Ecosystem::Dpkg => os_purl("deb", package, os, "debian"),
        Ecosystem::Apk => os_purl("apk", package, os, "alpine"),
        Ecosystem::Rpm => os_purl("rpm", package, os, "redhat"),
        Ecosystem::Npm => npm_purl(package),
        // PyPI's names know no case, and `_` is `-` to them.
        Ecosystem::Pypi => plain("pypi", None, &package.name.to_lowercase().replace('_', "-"), &package.version),
        Ecosystem::Gem => plain("gem", None, &package.name, &package.version),
        Ecosystem::Golang => {
            let (namespace, name) = split(&package.name, '/');
            plain("golang", namespace, name, &package.version)
        }
        Ecosystem::Cargo => plain("cargo", None, &package.name, &package.version),
        Ecosystem::Maven => {
            let (group, artifact) = split(&package.name, ':');
            plain("maven", group, artifact, &package.version)
        }
        Ecosystem::Composer => {
            let (vendor, name) = split(&package.name, '/');
            plain("composer", vendor, name, &package.version)
        }
        Ecosystem::Nuget => plain("nuget", None, &package.name, &package.version),
        Ecosystem::Conda => plain("conda", None, &package.name, &package.version),
        Ecosystem::Bitnami => plain("bitnami", None, &package.name, &package.version),
        // Known by its purl alone.
        Ecosystem::Other => return None,
    };
    purl.ok().map(|purl| purl.to_string())
}

fn os_purl(
    kind: &'static str,
    package: &Package,
    os: Option<&Os>,
    family: &str,
) -> Result<PackageUrl<'static>, packageurl::Error> {
    let parts = package.version_parts();
    let mut purl = PackageUrl::new(kind, package.name.clone())?;
    purl.with_namespace(os.map_or_else(|| family.to_owned(), |os| os.purl_namespace().to_owned()))?;
    let epoch = parts.epoch;
    purl.with_version(crate::packages::deb_version::DebVersion { epoch: 0, ..parts }.to_string())?;
    if let Some(architecture) = &package.architecture {
        purl.add_qualifier("arch", architecture.clone())?;
    }
    if epoch > 0 {
        purl.add_qualifier("epoch", epoch.to_string())?;
    }
    if let Some(label) = &package.modularity {
        purl.add_qualifier("modularitylabel", label.clone())?;
    }
    if let Some(os) = os.filter(|os| !os.version.is_empty()) {
        purl.add_qualifier("distro", format!("{}-{}", os.id, os.version))?;
    }
    if let Some(source) = package.source.as_ref().filter(|s| s.name != package.name || s.version != package.version) {
        let version = if source.version == package.version { String::new() } else { format!("@{}", source.version) };
        purl.add_qualifier("upstream", format!("{}{version}", source.name))?;
    }
    Ok(purl)
}

/// Before and after the last separator.
fn split(name: &str, separator: char) -> (Option<&str>, &str) {
    name.rsplit_once(separator).map_or((None, name), |(namespace, name)| (Some(namespace), name))
}

fn plain(
    kind: &'static str,
    namespace: Option<&str>,
    name: &str,
    version: &str,
) -> Result<PackageUrl<'static>, packageurl::Error> {
    let mut purl = PackageUrl::new(kind, name.to_owned())?;
    if let Some(namespace) = namespace {
        purl.with_namespace(namespace.to_owned())?;
    }
    if !version.is_empty() {
        purl.with_version(version.to_owned())?;
    }
    Ok(purl)
}

fn npm_purl(package: &Package) -> Result<PackageUrl<'static>, packageurl::Error> {
    // The spec wants lower case; the component keeps the name as it is.
    let lower = package.name.to_lowercase();
    let (scope, name) = match lower.split_once('/') {
        Some((scope, name)) if scope.starts_with('@') => (Some(scope.to_owned()), name.to_owned()),
        _ => (None, lower.clone()),
    };
    let mut purl = PackageUrl::new("npm", name)?;
    if let Some(scope) = scope {
        purl.with_namespace(scope)?;
    }
    purl.with_version(package.version.clone())?;
    Ok(purl)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packages::{dpkg, npm};

    #[test]
    fn purls_are_spelled_as_trivy_and_grype_expect() {
        let text =
            "Package: libstdc++6\nArchitecture: amd64\nSource: gcc-12 (12.2.0-14+b1)\nVersion: 1:12.2.0-14+deb12u1\n";
        let package = dpkg::parse("s", text.as_bytes()).packages.remove(0);
        let os = Os { id: "debian".to_owned(), version: "12".to_owned(), name: None };
        assert_eq!(
            purl(&package, Some(&os)).unwrap(),
            "pkg:deb/debian/libstdc%2B%2B6@12.2.0-14%2Bdeb12u1?arch=amd64&distro=debian-12&epoch=1&upstream=gcc-12%4012.2.0-14%2Bb1"
        );
        let scoped = npm::parse("p", br#"{"name":"@babel/core","version":"7.0.0"}"#).packages.remove(0);
        assert_eq!(purl(&scoped, None).unwrap(), "pkg:npm/%40babel/core@7.0.0");
    }
}
