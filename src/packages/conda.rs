//! A conda package: its record in `conda-meta` (docs.conda.io, "Repodata record").
//!
//! Scanners match no advisories with conda packages; what conda installs for Python shows as a Python package as well.

use packageurl::PackageUrl;

use crate::packages::json::Fields;
use crate::packages::name::{is_plain, one_line};
use crate::packages::{Ecosystem, Package, Parsed};

const WANTED: [&str; 9] = ["name", "version", "build", "channel", "subdir", "fn", "license", "md5", "sha256"];

/// The one package of the record at `path`.
#[must_use]
pub fn parse(path: &str, bytes: &[u8]) -> Parsed {
    match read(path, bytes) {
        Ok(package) => Parsed { packages: vec![package], ..Parsed::default() },
        Err(why) => Parsed { unreadable: vec![why], ..Parsed::default() },
    }
}

fn read(path: &str, bytes: &[u8]) -> Result<Package, String> {
    let json = Fields::read(bytes, &WANTED).map_err(|e| format!("not a record of a conda package: {e}"))?;
    let text = |field: &str| json.text(field).filter(|text| is_plain(text));
    let (Some(name), Some(version)) = (text("name"), text("version")) else {
        return Err("name or version is missing or not readable".to_owned());
    };
    let sum = |field: &str, algorithm: &str, length: usize| {
        let value = text(field).filter(|v| v.len() == length && v.bytes().all(|b| b.is_ascii_hexdigit()))?;
        Some((algorithm.to_owned(), value.to_ascii_lowercase()))
    };
    Ok(Package {
        licences: text("license").and_then(one_line).into_iter().collect(),
        hashes: [sum("md5", "MD5", 32), sum("sha256", "SHA-256", 64)].into_iter().flatten().collect(),
        architecture: text("subdir").map(str::to_owned),
        purl: purl(name, version, &text),
        ..Package::new(Ecosystem::Conda, name, version, path)
    })
}

/// With the build and where it came from, which tell packages of one version apart.
fn purl<'a>(name: &'a str, version: &'a str, text: &impl Fn(&str) -> Option<&'a str>) -> Option<String> {
    let mut purl = PackageUrl::new("conda", name).ok()?;
    purl.with_version(version).ok()?;
    let channel = text("channel").map(|url| url.trim_end_matches('/')).and_then(|url| {
        let url = text("subdir").and_then(|subdir| url.strip_suffix(subdir)).unwrap_or(url);
        url.trim_end_matches('/').rsplit('/').next()
    });
    let kind = text("fn").and_then(|file| [".conda", ".tar.bz2"].into_iter().find(|end| file.ends_with(end)));
    let qualifiers =
        [("build", text("build")), ("channel", channel), ("subdir", text("subdir")), ("type", kind.map(|k| &k[1..]))];
    for (key, value) in qualifiers {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            purl.add_qualifier(key, value).ok()?;
        }
    }
    Some(purl.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_version_licence_and_origin_are_read() {
        let json = br#"{"name":"zlib","version":"1.2.13","build":"h1_0","license":"Zlib","subdir":"linux-64",
            "channel":"https://conda.example.com/pkgs/main/linux-64","fn":"zlib-1.2.13-h1_0.conda",
            "md5":"d41d8cd98f00b204e9800998ecf8427e","sha256":"short"}"#;
        let found = parse("p", json);
        let [package] = &found.packages[..] else { panic!("{found:?}") };
        assert_eq!((package.name.as_str(), package.version.as_str()), ("zlib", "1.2.13"));
        assert_eq!(package.licences, ["Zlib"]);
        assert_eq!(package.hashes, [("MD5".to_owned(), "d41d8cd98f00b204e9800998ecf8427e".to_owned())]);
        let purl = "pkg:conda/zlib@1.2.13?build=h1_0&channel=main&subdir=linux-64&type=conda";
        assert_eq!(package.purl.as_deref(), Some(purl));
    }

    #[test]
    fn a_record_without_name_or_version_is_an_anomaly() {
        for bad in [
            &b""[..],
            b"[]",
            b"{}",
            br#"{"name":"a"}"#,
            br#"{"name":"a","version":1}"#,
            b"{\"name\":\"\xff\",\"version\":\"1\"}",
        ] {
            assert_eq!(parse("p", bad).unreadable.len(), 1, "{:?}", String::from_utf8_lossy(bad));
        }
    }
}
