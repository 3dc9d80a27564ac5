//! PHP packages as Composer lists them in `vendor/composer/installed.json` (getcomposer.org/doc/04-schema.md).
//!
//! Composer 2 writes an object with a list `packages`, Composer 1 the list itself. Each entry is read for itself, so
//! that a broken one does not hide its neighbours.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

use crate::packages::json::{Field, List};
use crate::packages::name::{contact, few, is_plain, one_line};
use crate::packages::{Ecosystem, Package, Parsed};

#[derive(Deserialize)]
struct Installed<'a> {
    #[serde(borrow, default)]
    packages: Option<List<'a>>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    version: String,
    #[serde(default)]
    license: Field,
    #[serde(default)]
    authors: Field,
    #[serde(default)]
    dist: Field,
}

/// Every package listed in the file at `path`. Outside a folder `vendor/composer` a file of this name may be something
/// else: without a list of packages it is none.
#[must_use]
pub fn parse(path: &str, bytes: &[u8]) -> Parsed {
    let entries = match entries(bytes) {
        Ok(Some(entries)) => entries,
        Ok(None) | Err(_) if !is_composers(path) => return Parsed::default(),
        Ok(None) => return Parsed::failed("not Composer's installed.json: no list of packages"),
        Err(why) => return Parsed::failed(format!("not Composer's installed.json: {why}")),
    };
    let mut parsed = Parsed::default();
    // Composer installs a package once; of a repeated name the first counts.
    let mut seen = BTreeSet::new();
    if entries.more > 0 {
        parsed.limit(format!("{} more packages than are read", entries.more));
    }
    for (index, entry) in entries.entries.into_iter().enumerate() {
        match package(path, entry.get()) {
            Ok(package) => {
                if seen.insert(package.name.clone()) {
                    parsed.add(package);
                }
            }
            Err(why) => parsed.complain(format!("package {index}: {why}")),
        }
    }
    parsed
}

fn is_composers(path: &str) -> bool {
    path.ends_with("/composer/installed.json")
}

fn entries(bytes: &[u8]) -> Result<Option<List<'_>>, serde_json::Error> {
    if bytes.trim_ascii_start().starts_with(b"[") {
        return serde_json::from_slice(bytes).map(Some);
    }
    serde_json::from_slice::<Installed<'_>>(bytes).map(|installed| installed.packages)
}

fn package(path: &str, json: &str) -> Result<Package, String> {
    // A list would be taken for the fields in order.
    if !json.starts_with('{') {
        return Err("no object".to_owned());
    }
    let entry: Entry = serde_json::from_str(json).map_err(|e| e.to_string())?;
    if !is_plain(&entry.name) || !is_plain(&entry.version) {
        return Err("name or version is empty or not readable".to_owned());
    }
    Ok(Package {
        licences: licences(&entry.license),
        supplier: supplier(&entry.authors),
        hashes: checksum(&entry.dist),
        ..Package::new(Ecosystem::Composer, entry.name, entry.version, path)
    })
}

fn licences(value: &Value) -> Vec<String> {
    let list = match value {
        Value::Array(list) => list.as_slice(),
        one => std::slice::from_ref(one),
    };
    few(list.iter().filter_map(Value::as_str).filter_map(one_line))
}

fn supplier(authors: &Value) -> Option<String> {
    let first = authors.get(0)?;
    contact(first.get("name").and_then(Value::as_str), first.get("email").and_then(Value::as_str))
}

/// Of the archive that was unpacked; most repositories state none.
fn checksum(dist: &Value) -> Vec<(String, String)> {
    let sum = dist.get("shasum").and_then(Value::as_str).unwrap_or_default();
    let sha1 = sum.len() == 40 && sum.bytes().all(|b| b.is_ascii_hexdigit());
    if sha1 { vec![("SHA-1".to_owned(), sum.to_ascii_lowercase())] } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "app/vendor/composer/installed.json";

    fn names(parsed: &Parsed) -> Vec<(&str, &str)> {
        parsed.packages.iter().map(|p| (p.name.as_str(), p.version.as_str())).collect()
    }

    #[test]
    fn both_forms_of_the_list_are_read() {
        let two = r#"{"packages":[{"name":"monolog/monolog","version":"2.0.0","version_normalized":"2.0.0.0",
            "dist":{"type":"zip","shasum":"DA39A3EE5E6B4B0D3255BFEF95601890AFD80709"},"license":["MIT"],
            "authors":[{"name":"A","email":"a@example.com"}]},
            {"name":"b/b","version":"v4.4.0","license":"MIT or GPL"},{"name":"c/c","version":"dev-master"}],
            "dev":true,"dev-package-names":["c/c"]}"#;
        let found = parse(PATH, two.as_bytes());
        assert_eq!(names(&found), [("monolog/monolog", "2.0.0"), ("b/b", "v4.4.0"), ("c/c", "dev-master")]);
        let first = &found.packages[0];
        assert_eq!(
            (first.licences.as_slice(), first.supplier.as_deref()),
            (&["MIT".to_owned()][..], Some("A <a@example.com>"))
        );
        assert_eq!(first.hashes, [("SHA-1".to_owned(), "da39a3ee5e6b4b0d3255bfef95601890afd80709".to_owned())]);
        assert_eq!(names(&parse(PATH, br#"[{"name":"a/a","version":"1"}]"#)), [("a/a", "1")]);
    }

    #[test]
    fn of_a_repeated_name_the_first_counts() {
        let json = br#"{"packages":[{"name":"a/a","version":"1"},{"name":"a/a","version":"2"}]}"#;
        assert_eq!(names(&parse(PATH, json)), [("a/a", "1")]);
    }

    #[test]
    fn a_broken_entry_does_not_hide_its_neighbours() {
        for bad in [
            r#"{"name":3,"version":"1"}"#,
            r#"{"name":"b/b","version":1}"#,
            r#"{"name":"b/b"}"#,
            r#"{"version":"1"}"#,
            r#"{"name":"","version":"1"}"#,
            r#"["b/b","1"]"#,
            "null",
        ] {
            let json =
                format!(r#"{{"packages":[{{"name":"a/a","version":"1"}},{bad},{{"name":"c/c","version":"1"}}]}}"#);
            let found = parse(PATH, json.as_bytes());
            assert_eq!((names(&found), found.unreadable.len()), (vec![("a/a", "1"), ("c/c", "1")], 1), "{bad}");
        }
    }

    #[test]
    fn a_file_that_is_no_list_of_packages_is_an_anomaly_in_composers_folder_only() {
        for bad in [&b""[..], b"{", b"3", br#"{"foo":1}"#, br#"{"packages":{}}"#, b"{\"packages\":[\"\xff\"]}"] {
            assert!(parse(PATH, bad).failed.is_some(), "{:?}", String::from_utf8_lossy(bad));
            assert_eq!(parse("app/installed.json", bad), Parsed::default());
        }
        assert_eq!(parse(PATH, br#"{"packages":[]}"#), Parsed::default(), "an application may need nothing");
    }

    proptest::proptest! {
        #[test]
        fn every_entry_is_a_package_or_an_anomaly(entries in proptest::collection::vec(ENTRY, 0..6)) {
            let found = parse(PATH, format!(r#"{{"packages":[{}]}}"#, entries.join(",")).as_bytes());
            proptest::prop_assert_eq!(found.failed, None);
            proptest::prop_assert_eq!(found.packages.len() + found.unreadable.len(), entries.len());
        }
    }

    /// Readable and unreadable ones, with names that do not repeat often.
    const ENTRY: &str =
        r#"(\{"name":"[a-z]{12}/[a-z]","version":("1"|2|null)\}|\{"version":"1"\}|[1-9][0-9]{0,2}|null|"[a-z]")"#;
}
