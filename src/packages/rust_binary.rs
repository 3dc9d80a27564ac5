//! The crates of a Rust program as cargo-auditable lists them (its PARSING.md): JSON, which was compressed in a section
//! `.dep-v0`. Crates that only built the program are no part of it.

use serde::Deserialize;

use crate::packages::{Ecosystem, Package, Parsed};

#[derive(Deserialize)]
struct List {
    packages: Vec<Crate>,
}

#[derive(Deserialize)]
struct Crate {
    name: String,
    version: String,
    kind: Option<String>,
}

/// `json` is unpacked already, and bounded.
#[must_use]
pub fn parse(path: &str, json: &[u8]) -> Parsed {
    let list: List = match serde_json::from_slice(json) {
        Ok(list) => list,
        Err(error) => return Parsed::failed(format!("list of Rust crates: {error}")),
    };
    let mut parsed = Parsed::default();
    let clean = |text: &str| !text.is_empty() && !text.chars().any(|c| c.is_control() || c.is_whitespace());
    for entry in list.packages.into_iter().filter(|c| c.kind.as_deref().is_none_or(|kind| kind == "runtime")) {
        if clean(&entry.name) && clean(&entry.version) {
            parsed.packages.push(Package::new(Ecosystem::Cargo, entry.name, entry.version, path));
        } else {
            parsed.unreadable.push(format!("Rust crate {:?} in version {:?}", entry.name, entry.version));
        }
    }
    parsed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crates_of_the_program_are_packages_and_those_of_the_build_are_not() {
        let json = br#"{"packages":[{"name":"a","version":"1.0.0","source":"crates.io"},
            {"name":"b","version":"2.0.0","source":"crates.io","kind":"build"},
            {"name":"c","version":"3.0.0","source":"local","kind":"runtime","root":true,"dependencies":[0]}]}"#;
        let parsed = parse("usr/bin/c", json);
        let names: Vec<&str> = parsed.packages.iter().map(|p| p.name.as_str()).collect();
        assert_eq!((names, parsed.unreadable.len(), parsed.failed), (vec!["a", "c"], 0, None));
    }

    #[test]
    fn a_list_that_is_none_is_said_aloud() {
        for bad in [&b"{}"[..], b"[]", b"{\"packages\":[{}]}", b"{\"packages\":[{\"name\":\"a\"}]}", b""] {
            assert!(parse("x", bad).failed.is_some());
        }
        let blank = br#"{"packages":[{"name":"a b","version":"1"}]}"#;
        assert_eq!(parse("x", blank).unreadable.len(), 1);
    }
}
