//! Licences as a database states them → CycloneDX licence choices.
//!
//! The schema allows either one SPDX expression or a list of identifiers and names, never a mixture ("licenseChoice" of
//! bom-1.5.schema.json). So an expression stands only alone; among several entries it is kept as a name, word for word.

use cyclonedx_bom::models::license::{License, LicenseChoice, Licenses};

/// Longer texts are whole licences pasted into a field; the name is what is wanted here.
const MAX_NAME_CHARS: usize = 200;

/// Identifiers that the `spdx` crate knows and the schemas' own list (spdx.schema.json) does not: one of them as an
/// `id` would make the whole document invalid. tests/it/cyclonedx.rs holds all others against that list.
const NOT_IN_THE_SCHEMAS: [&str; 19] = [
    "BSD-2-Clause-pos-unchanged",
    "BSD-3-Clause-OpenWebUI",
    "BSD-Source-Code-no-disclaimer",
    "BSD-Source-alt-GPL",
    "BSD-ask-to-endorse",
    "Brian-Gladman-3-Clause-no-conversion",
    "Bugroff",
    "CC-BY-NC-3.0-IGO",
    "FDK-MPEG-H",
    "GFDL-1.1-invariants",
    "GFDL-1.1-no-invariants",
    "GFDL-1.2-invariants",
    "GFDL-1.2-no-invariants",
    "GFDL-1.3-invariants",
    "GFDL-1.3-no-invariants",
    "Hippocratic-3.0-core",
    "Informatica",
    "MVT-1.1",
    "atc-game",
];

/// `None` where nothing usable is stated. The same set gives the same list.
pub(super) fn licences(found: &[String]) -> Option<Licenses> {
    let mut stated: Vec<String> =
        found.iter().map(|text| shortened(text)).filter(|text| says_something(text)).collect();
    stated.sort();
    stated.dedup();
    match stated.as_slice() {
        [] => None,
        [single] if is_expression(single) => Some(Licenses(vec![LicenseChoice::expression(single)])),
        several => Some(Licenses(several.iter().map(|text| one(text)).collect())),
    }
}

/// SPDX has two words for saying nothing.
fn says_something(text: &str) -> bool {
    !matches!(text, "" | "NOASSERTION" | "NONE")
}

fn one(text: &str) -> LicenseChoice {
    match spdx::license_id(text).filter(|id| !NOT_IN_THE_SCHEMAS.contains(&id.name)) {
        Some(id) => LicenseChoice::License(License::license_id(id.name)),
        None => LicenseChoice::License(License::named_license(text)),
    }
}

/// More than one identifier, or a `LicenseRef-`, and valid as a whole.
fn is_expression(text: &str) -> bool {
    spdx::license_id(text).is_none() && spdx::Expression::parse(text).is_ok()
}

/// The first line that says something, without control characters.
fn shortened(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let clean = line.chars().map(|c| if c.is_control() { ' ' } else { c });
    match line.chars().count() {
        0..=MAX_NAME_CHARS => clean.collect::<String>().trim().to_owned(),
        _ => clean.take(MAX_NAME_CHARS).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `expression …`, `id …` and `name …`, as they end up in the document.
    fn check(found: &[&str]) -> Vec<String> {
        use cyclonedx_bom::models::license::LicenseIdentifier;
        let found: Vec<String> = found.iter().map(|text| (*text).to_owned()).collect();
        let shown = |choice: &LicenseChoice| match choice {
            LicenseChoice::Expression(text) => format!("expression {text}"),
            LicenseChoice::License(License { license_identifier: LicenseIdentifier::SpdxId(id), .. }) => {
                format!("id {id}")
            }
            LicenseChoice::License(License { license_identifier: LicenseIdentifier::Name(name), .. }) => {
                format!("name {name}")
            }
        };
        licences(&found).map(|list| list.0.iter().map(shown).collect()).unwrap_or_default()
    }

    #[test]
    fn an_expression_stands_alone_and_everything_else_is_an_identifier_or_a_name() {
        for (found, expect) in [
            (&[][..], &[][..]),
            (&["", " \n "], &[]),
            (&["MIT"], &["id MIT"]),
            (&["NOASSERTION"], &[]),
            (&["Bugroff"], &["name Bugroff"]),
            (&["MIT OR Apache-2.0"], &["expression MIT OR Apache-2.0"]),
            (&["LicenseRef-acme"], &["expression LicenseRef-acme"]),
            (&["GPL-2.0-only WITH Classpath-exception-2.0"], &["expression GPL-2.0-only WITH Classpath-exception-2.0"]),
            (&["MIT", "BSD-3-Clause", "MIT"], &["id BSD-3-Clause", "id MIT"]),
            (&["MIT", "MIT OR Apache-2.0"], &["id MIT", "name MIT OR Apache-2.0"]),
            (&["Apache License 2.0"], &["name Apache License 2.0"]),
            (&["MIT AND ("], &["name MIT AND ("]),
            (&["\nThe License\n\nPermission is hereby…"], &["name The License"]),
            (&["a\tb"], &["name a b"]),
        ] {
            assert_eq!(check(found), expect, "{found:?}");
        }
        assert!(check(&["x".repeat(5000).as_str()])[0].chars().count() < 210);
    }
}
