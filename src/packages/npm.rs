//! npm packages: any `package.json` with a name and a version (docs.npmjs.com, package.json).
//!
//! Trivy counts an application's own file and the helper files inside a package too, if they have both; so do we. Only
//! the file at the root of an installed package must have them: what else is called `package.json` may be a test's bait
//! or a bundler's hint, and is passed over where it says nothing readable.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use regex::Regex;
use serde_json::Value;

use crate::packages::json::Fields;
use crate::packages::name::{contact, few, is_plain, one_line};
use crate::packages::{Ecosystem, Package, Parsed};

/// Names that Trivy accepts; the registry accepts fewer.
static NAME: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^(@[A-Za-z0-9\-._]+/)?[A-Za-z0-9\-._]+$").ok());

const WANTED: [&str; 7] = ["name", "version", "license", "licenses", "author", "_shasum", "_integrity"];

/// The package of the file at `path`; nothing for a file that names none (`{"type": "module"}`).
#[must_use]
pub fn parse(path: &str, bytes: &[u8]) -> Parsed {
    match read(path, bytes) {
        Ok(package) => Parsed { packages: package.into_iter().collect(), ..Parsed::default() },
        Err(_) if !is_root(path) => Parsed::default(),
        Err(why) => Parsed { unreadable: vec![why], ..Parsed::default() },
    }
}

/// Is this the file that npm itself reads, `…/node_modules/name/package.json` or `…/node_modules/@scope/name/…`,
/// counted from the last `node_modules`?
fn is_root(path: &str) -> bool {
    let Some(folder) = path.strip_suffix("/package.json") else { return false };
    let mut parts = folder.rsplit('/');
    let (name, above, further) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    match above {
        Some("node_modules") => !name.starts_with('@'),
        Some(scope) => scope.starts_with('@') && further == Some("node_modules"),
        None => false,
    }
}

fn read(path: &str, bytes: &[u8]) -> Result<Option<Package>, String> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    // Of a repeated field the last counts, and what follows the object does not: as in Trivy and in Node.
    let json = Fields::read(bytes, &WANTED).map_err(|e| format!("not a package.json: {e}"))?;
    let (name, version) = match (json.get("name"), json.get("version")) {
        (None, None) => return Ok(None),
        (Some(Value::String(name)), Some(Value::String(version))) => (name, version),
        _ => return Err("name or version is missing or not a text".to_owned()),
    };
    let known = NAME.as_ref().is_some_and(|pattern| pattern.is_match(name));
    if !known || !is_plain(name) || !is_plain(version) {
        return Err("name or version is empty or not readable".to_owned());
    }
    Ok(Some(Package {
        licences: licences(&json),
        supplier: supplier(&json),
        hashes: hashes(&json),
        ..Package::new(Ecosystem::Npm, name, version, path)
    }))
}

/// `"MIT"`, `{"type": "MIT"}`, or the old list of such.
fn licences(json: &Fields) -> Vec<String> {
    let one = |value: &Value| match value {
        Value::Object(object) => object.get("type").and_then(Value::as_str).and_then(one_line),
        text => text.as_str().and_then(one_line),
    };
    let mut found: Vec<String> = json.get("license").and_then(one).into_iter().collect();
    for list in ["license", "licenses"] {
        found.extend(json.get(list).and_then(Value::as_array).into_iter().flatten().filter_map(one));
    }
    few(found.into_iter())
}

/// `"Name <address> (page)"` or an object of the three.
fn supplier(json: &Fields) -> Option<String> {
    match json.get("author")? {
        Value::String(text) => one_line(text.split_once('(').map_or(text, |(before, _)| before)),
        author => contact(author.get("name").and_then(Value::as_str), author.get("email").and_then(Value::as_str)),
    }
}

/// What npm up to version 6 wrote down about the archive.
fn hashes(json: &Fields) -> Vec<(String, String)> {
    let text = |name: &str| json.text(name).unwrap_or_default();
    let mut found = Vec::new();
    let sha1 = text("_shasum");
    if sha1.len() == 40 && sha1.bytes().all(|b| b.is_ascii_hexdigit()) {
        found.push(("SHA-1".to_owned(), sha1.to_ascii_lowercase()));
    }
    let sha512 = text("_integrity").strip_prefix("sha512-").and_then(|sum| STANDARD.decode(sum).ok());
    found.extend(sha512.filter(|sum| sum.len() == 64).map(|sum| ("SHA-512".to_owned(), hex::encode(sum))));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "app/node_modules/a/package.json";

    fn one(json: &str) -> Package {
        let mut parsed = parse(ROOT, json.as_bytes());
        assert_eq!((parsed.packages.len(), &parsed.unreadable), (1, &Vec::new()), "{json}");
        parsed.packages.remove(0)
    }

    #[test]
    fn name_version_licence_and_author_are_read() {
        let package =
            one(r#"{"name":"@a/b","version":"1.0.0","license":{"type":"MIT"},"author":"A <a@b> (https://c)"}"#);
        assert_eq!((package.name.as_str(), package.version.as_str()), ("@a/b", "1.0.0"));
        assert_eq!(
            (package.licences.as_slice(), package.supplier.as_deref()),
            (&["MIT".to_owned()][..], Some("A <a@b>"))
        );
        let old = one(r#"{"name":"b","version":"1","licenses":[{"type":"MIT"},"BSD"],"author":{"name":"A"},
            "_shasum":"da39a3ee5e6b4b0d3255bfef95601890afd80709"}"#);
        assert_eq!(
            (old.licences.as_slice(), old.supplier.as_deref()),
            (&["MIT".to_owned(), "BSD".to_owned()][..], Some("A"))
        );
        assert_eq!(old.hashes[0].0, "SHA-1");
    }

    #[test]
    fn a_sloppy_file_is_read_as_node_reads_it() {
        for json in [
            "\u{feff}{\"name\":\"a\",\"version\":\"1\"}",
            r#"{"name":"b","version":"1","name":"a"}"#,
            r#"{"name":"a","version":"1","license":3,"dependencies":[]} trailing"#,
        ] {
            let package = one(json);
            assert_eq!((package.name.as_str(), package.version.as_str()), ("a", "1"), "{json}");
        }
    }

    #[test]
    fn an_author_in_another_encoding_does_not_hide_the_package() {
        let found = parse(ROOT, b"{\"name\":\"a\",\"version\":\"1\",\"author\":\"J\xf6rg\"}");
        assert_eq!((found.packages.len(), found.unreadable.len()), (1, 0));
    }

    #[test]
    fn a_nameless_file_is_no_package_and_half_a_name_is_an_anomaly() {
        assert_eq!(parse(ROOT, br#"{"type":"module"}"#), Parsed::default());
        for bad in [
            &b"{"[..],
            b"",
            b"[]",
            br#"{"name":"x"}"#,
            br#"{"name":1,"version":"1"}"#,
            br#"{"name":"x","version":1}"#,
            br#"{"name":"","version":"1"}"#,
            br#"{"name":"bad name","version":"1"}"#,
            br#"{"name":"x","version":"1\n"}"#,
            b"{\"name\":\"x\xff\",\"version\":\"1\"}",
            b"{\"name\":\"x\",\"version\":\"1\xff\"}",
        ] {
            assert_eq!(parse(ROOT, bad).unreadable.len(), 1, "{:?}", String::from_utf8_lossy(bad));
            assert_eq!(parse("app/node_modules/@s/x/package.json", bad).unreadable.len(), 1);
            for elsewhere in ["package.json", "app/package.json", "app/node_modules/a/test/package.json"] {
                assert_eq!(parse(elsewhere, bad), Parsed::default(), "{elsewhere}");
            }
        }
    }

    #[test]
    fn a_file_outside_a_root_counts_when_it_is_whole() {
        for path in ["package.json", "app/package.json", "app/node_modules/a/sub/package.json"] {
            assert_eq!(parse(path, br#"{"name":"a","version":"1"}"#).packages.len(), 1, "{path}");
        }
    }
}
