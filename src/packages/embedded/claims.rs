//! Which claims of embedded SBOMs about packages of the operating system count, as Trivy decides it.

use std::collections::BTreeSet;

use crate::packages::{Os, Package};

/// Drops OS packages that the system's own database lists as well (it knows more of them), and those of a distribution
/// that this image is not of.
pub(in crate::packages) fn settle(packages: &mut Vec<Package>, os: Option<&Os>) {
    let key = |p: &Package| (p.ecosystem, p.name.clone(), p.version.clone());
    let claimed = |p: &Package| p.ecosystem.is_os() && p.purl.is_some();
    if !packages.iter().any(claimed) {
        return;
    }
    let listed: BTreeSet<_> = packages.iter().filter(|p| p.ecosystem.is_os() && !claimed(p)).map(key).collect();
    packages.retain(|p| !claimed(p) || (is_of(p, os) && !listed.contains(&key(p))));
}

/// Without an operating system, or a distribution in the purl, nothing speaks against the claim.
fn is_of(package: &Package, os: Option<&Os>) -> bool {
    let path = package.purl.as_deref().and_then(|purl| purl.split(['@', '?']).next()).unwrap_or_default();
    // `pkg:deb/debian/openssl`: kind, distribution, name.
    let mut parts = path.split('/').skip(1);
    let (Some(namespace), Some(_), Some(os)) = (parts.next(), parts.next(), os) else { return true };
    let expected = match os.id.as_str() {
        "rhel" => "redhat",
        "amzn" => "amazon",
        "ol" => "oracle",
        "almalinux" => "alma",
        id if id.starts_with("opensuse") => "opensuse",
        id if id.starts_with("sle") => "suse",
        id => id,
    };
    namespace == expected || namespace == os.id
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packages::Ecosystem;

    fn claim(name: &str, version: &str, purl: &str) -> Package {
        Package { purl: Some(purl.to_owned()), ..Package::new(Ecosystem::Dpkg, name, version, "x.spdx.json") }
    }

    fn left(mut packages: Vec<Package>, os: Option<&str>) -> Vec<String> {
        let os = os.map(|id| Os { id: id.to_owned(), version: "12".to_owned(), name: None });
        settle(&mut packages, os.as_ref());
        packages.into_iter().map(|p| format!("{} {}", p.name, p.path)).collect()
    }

    #[test]
    fn the_database_of_the_system_knows_better() {
        let database = Package::new(Ecosystem::Dpkg, "a", "1", "var/lib/dpkg/status");
        let both =
            || vec![claim("a", "1", "pkg:deb/debian/a@1"), database.clone(), claim("a", "2", "pkg:deb/debian/a@2")];
        assert_eq!(left(both(), Some("debian")), ["a var/lib/dpkg/status", "a x.spdx.json"]);
    }

    #[test]
    fn another_distributions_packages_do_not_count() {
        for (os, purl, counts) in [
            (Some("debian"), "pkg:deb/debian/a@1?arch=amd64", true),
            (Some("ubuntu"), "pkg:deb/debian/a@1", false),
            (Some("ubuntu"), "pkg:deb/a@1", true),
            (None, "pkg:deb/debian/a@1", true),
            (Some("rhel"), "pkg:rpm/redhat/a@1", true),
            (Some("opensuse-leap"), "pkg:rpm/opensuse/a@1", true),
        ] {
            assert_eq!(left(vec![claim("a", "1", purl)], os).len(), usize::from(counts), "{os:?} {purl}");
        }
    }
}
