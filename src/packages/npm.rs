//! An installed npm package: its own `package.json` (docs.npmjs.com, package.json).

use serde::Deserialize;
use serde_json::Value;

use crate::packages::{Ecosystem, Package, Parsed};

#[derive(Deserialize)]
struct PackageJson {
    #[serde(default)]
    name: Value,
    #[serde(default)]
    version: Value,
    #[serde(default)]
    license: Value,
    #[serde(default)]
    licenses: Value,
}

/// The package; nothing for a file that names none (`{"type": "module"}`).
#[must_use]
pub fn parse(path: &str, bytes: &[u8]) -> Parsed {
    match package(path, bytes) {
        Ok(package) => Parsed { packages: package.into_iter().collect(), ..Parsed::default() },
        Err(why) => Parsed { unreadable: vec![why], ..Parsed::default() },
    }
}

fn package(path: &str, bytes: &[u8]) -> Result<Option<Package>, String> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    // A list would be taken for the fields in order.
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return Err("not a package.json: no object".to_owned());
    }
    let json: PackageJson = serde_json::from_slice(bytes).map_err(|e| format!("not a package.json: {e}"))?;
    let (name, version) = match (&json.name, &json.version) {
        (Value::Null, Value::Null) => return Ok(None),
        (Value::String(name), Value::String(version)) => (name, version),
        _ => return Err("name or version is missing or not a text".to_owned()),
    };
    let clean = |text: &str| !text.is_empty() && !text.chars().any(|c| c.is_control() || c.is_whitespace());
    if !clean(name) || !clean(version) {
        return Err("name or version is empty or has blanks".to_owned());
    }
    Ok(Some(Package { licences: licences(&json), ..Package::new(Ecosystem::Npm, name, version, path) }))
}

/// `"MIT"`, `{"type": "MIT"}`, or the old list of such.
fn licences(json: &PackageJson) -> Vec<String> {
    let one = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Object(object) => object.get("type").and_then(Value::as_str).map(str::to_owned),
        _ => None,
    };
    let mut found: Vec<String> = one(&json.license).into_iter().collect();
    for list in [&json.license, &json.licenses] {
        found.extend(list.as_array().into_iter().flatten().filter_map(one));
    }
    found.retain(|text| !text.trim().is_empty() && !text.chars().any(char::is_control));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_version_and_licence_are_read() {
        let package = package("p", br#"{"name":"@a/b","version":"1.0.0","license":{"type":"MIT"}}"#).unwrap().unwrap();
        assert_eq!((package.name.as_str(), package.version.as_str()), ("@a/b", "1.0.0"));
        assert_eq!(package.licences, ["MIT"]);
        let old =
            super::package("p", br#"{"name":"b","version":"1","licenses":[{"type":"MIT"},"BSD"]}"#).unwrap().unwrap();
        assert_eq!(old.licences, ["MIT", "BSD"]);
    }

    #[test]
    fn a_nameless_file_is_no_package_and_half_a_name_is_an_anomaly() {
        assert_eq!(parse("p", br#"{"type":"module"}"#), Parsed::default());
        for bad in
            [&b"{"[..], b"[]", br#"{"name":"x"}"#, br#"{"name":1,"version":"1"}"#, br#"{"name":"","version":"1"}"#]
        {
            assert_eq!(parse("p", bad).unreadable.len(), 1);
        }
    }
}
