//! `var/lib/rpmmanifest/container-manifest-2`: what Azure Linux's distroless images keep of their RPM database.
//!
//! One line per package, as `rpm -qa` printed it, fields separated by tabs: name, version-release, two times, vendor,
//! `(none)`, size, architecture, epoch, source package.

use crate::packages::{Ecosystem, Package, Parsed};

#[must_use]
pub fn parse(path: &str, bytes: &[u8]) -> Parsed {
    let mut parsed = Parsed::default();
    for (number, line) in bytes.split(|b| *b == b'\n').enumerate() {
        if line.is_empty() {
            continue;
        }
        match package(path, line) {
            Some(package) => parsed.packages.push(package),
            None => parsed.unreadable.push(format!("line {}: not ten fields of a package", number + 1)),
        }
    }
    parsed
}

fn package(path: &str, line: &[u8]) -> Option<Package> {
    let fields: Vec<&str> = std::str::from_utf8(line).ok()?.split('\t').collect();
    let &[name, version, _, _, vendor, _, _, architecture, epoch, source] = &fields[..] else { return None };
    let epoch: u32 = epoch.parse().ok()?;
    let (version, release) = version.split_once('-').filter(|(_, release)| !release.contains('-'))?;
    let clean = |text: &str| !text.is_empty() && !text.chars().any(|c| c.is_control() || c.is_whitespace());
    if ![name, version, release].into_iter().all(clean) {
        return None;
    }
    let known = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty() && text != "(none)");
    Some(Package {
        architecture: known(architecture),
        source: Some(super::source(source, epoch)?),
        supplier: known(vendor),
        ..Package::new(Ecosystem::Rpm, name, super::evr(epoch, version, release), path)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "openssl-libs\t3.3.0-2.azl3\t1720000000\t1710000000\tMicrosoft Corporation\t(none)\t5000\tx86_64\t0\topenssl-3.3.0-2.azl3.src.rpm";

    #[test]
    fn a_line_is_a_package() {
        let parsed = parse("x", format!("{LINE}\n").as_bytes());
        let [package] = &parsed.packages[..] else { panic!("{parsed:?}") };
        assert_eq!((package.name.as_str(), package.version.as_str()), ("openssl-libs", "3.3.0-2.azl3"));
        assert_eq!(package.source.as_ref().unwrap().name, "openssl");
        assert!(!package.third_party, "the manifest is the distribution's own");
    }

    #[test]
    fn a_broken_line_costs_itself() {
        for bad in [
            "x".to_owned(),
            LINE.replace("\t0\t", "\tzero\t"),
            LINE.replace("3.3.0-2.azl3\t17", "3.3.0\t17"),
            LINE.replace("\t5000", ""),
        ] {
            let parsed = parse("x", format!("{LINE}\n{bad}\n{LINE}").as_bytes());
            assert_eq!((parsed.packages.len(), parsed.unreadable.len()), (2, 1), "{bad}");
        }
    }
}
