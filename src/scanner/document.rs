//! The document handed to the scanner: our SBOM, every component with a reference, and the canaries.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::sbom::{THIRD_PARTY_PROPERTY, full_name};
use crate::scanner::ScanError;
use crate::scanner::canary::{self, Canary};

/// Larger SBOMs are refused before they are parsed: 20,000 components make about 8 MB.
pub(crate) const MAX_SBOM_BYTES: usize = 64 << 20;

/// Nested components are followed this deep; CycloneDX sets no limit, our own documents are flat.
const MAX_DEPTH: usize = 16;

/// What a finding is mapped back to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Component {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) purl: String,
}

/// A document ready for the scanner.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) bytes: Vec<u8>,
    /// Our components by `bom-ref`, without the canaries.
    pub(crate) components: BTreeMap<String, Component>,
    pub(crate) canaries: Vec<Canary>,
}

impl Document {
    /// Reads a CycloneDX JSON document and plants the canaries in a copy of it.
    pub(crate) fn prepare(sbom: &[u8]) -> Result<Self, ScanError> {
        if sbom.len() > MAX_SBOM_BYTES {
            return refuse(format!("{} bytes, at most {MAX_SBOM_BYTES} are read", sbom.len()));
        }
        let mut root: Map<String, Value> = serde_json::from_slice(sbom).or_else(|error| refuse(error.to_string()))?;
        if root.get("bomFormat").and_then(Value::as_str) != Some("CycloneDX") {
            return refuse("no bomFormat CycloneDX");
        }
        let mut components = BTreeMap::new();
        let list = root.entry("components").or_insert_with(|| Value::Array(Vec::new()));
        let Value::Array(list) = list else { return refuse("components is not a list") };
        collect(list, 0, &mut components)?;

        let planted = canary::choose(components.values().map(|component: &Component| component.purl.as_str()));
        if planted.is_empty() {
            return refuse("it holds every canary itself");
        }
        let (canaries, planted): (Vec<_>, Vec<_>) = planted.into_iter().unzip();
        list.retain(|component| !from_another_repository(component));
        list.extend(planted);
        let bytes = serde_json::to_vec(&root).or_else(|error| refuse(error.to_string()))?;
        Ok(Self { bytes, components, canaries })
    }
}

fn collect(list: &mut [Value], depth: usize, found: &mut BTreeMap<String, Component>) -> Result<(), ScanError> {
    if depth >= MAX_DEPTH {
        return refuse(format!("components nested deeper than {MAX_DEPTH}"));
    }
    for value in list {
        let Value::Object(fields) = value else { return refuse("a component is not an object") };
        let reference = reference(fields, found.len());
        if reference.starts_with(canary::REFERENCE_PREFIX) {
            return refuse(format!("a component calls itself {reference:?}"));
        }
        if found.insert(reference.clone(), component(fields)).is_some() {
            return refuse(format!("two components are called {reference:?}"));
        }
        fields.insert("bom-ref".to_owned(), Value::String(reference));
        if let Some(Value::Array(nested)) = fields.get_mut("components") {
            collect(nested, depth + 1, found)?;
        }
    }
    Ok(())
}

/// Is this an OS package that the distribution's advisories do not describe? Trivy's image scan passes over it; its SBOM
/// scan does not know, and would report the advisories of another package of the same name.
fn from_another_repository(component: &Value) -> bool {
    let properties = component.get("properties").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let purl = component.get("purl").and_then(Value::as_str).unwrap_or_default();
    properties.iter().any(|p| p["name"] == THIRD_PARTY_PROPERTY && p["value"] == "true")
        && ["pkg:deb/", "pkg:apk/", "pkg:rpm/"].iter().any(|kind| purl.starts_with(kind))
}

/// A component's own reference, or one of ours: documents of other tools may leave it out, and without one the scanner
/// invents a name that could collide.
fn reference(fields: &Map<String, Value>, position: usize) -> String {
    match text(fields, "bom-ref") {
        "" => format!("countersign:component:{position}"),
        own => own.to_owned(),
    }
}

fn component(fields: &Map<String, Value>) -> Component {
    let (group, name) = (text(fields, "group"), text(fields, "name"));
    Component {
        name: full_name(group, name, text(fields, "purl")),
        version: text(fields, "version").to_owned(),
        purl: text(fields, "purl").to_owned(),
    }
}

fn text<'a>(fields: &'a Map<String, Value>, key: &str) -> &'a str {
    fields.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn refuse<T>(why: impl Into<String>) -> Result<T, ScanError> {
    Err(ScanError::Document { why: why.into() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn prepare(components: Value) -> Result<Document, ScanError> {
        let document = json!({ "bomFormat": "CycloneDX", "specVersion": "1.5", "components": components });
        Document::prepare(document.to_string().as_bytes())
    }

    #[test]
    fn canaries_are_in_the_document_but_not_among_our_components() {
        let document =
            prepare(json!([{ "bom-ref": "a", "name": "zlib1g", "version": "1", "purl": "pkg:deb/x" }])).unwrap();
        assert_eq!(document.components.keys().collect::<Vec<_>>(), ["a"]);
        assert_eq!(document.canaries.len(), 2);
        let sent = String::from_utf8(document.bytes).unwrap();
        assert!(document.canaries.iter().all(|canary| sent.contains(&canary.purl)));
    }

    #[test]
    fn os_packages_of_other_repositories_are_ours_but_not_the_scanners() {
        let marked = json!([{ "name": THIRD_PARTY_PROPERTY, "value": "true" }]);
        let document = prepare(json!([
            { "bom-ref": "nginx", "name": "nginx", "purl": "pkg:deb/debian/nginx@1", "properties": marked },
            { "bom-ref": "npm", "name": "npm", "purl": "pkg:npm/npm@1", "properties": marked },
        ]))
        .unwrap();
        assert_eq!(document.components.len(), 2);
        let sent = String::from_utf8(document.bytes).unwrap();
        assert!(!sent.contains("pkg:deb/") && sent.contains("pkg:npm/npm@1"), "languages know no third party");
    }

    #[test]
    fn components_without_a_reference_get_one_and_groups_are_part_of_the_name() {
        let document = prepare(json!([
            { "name": "core", "group": "@babel", "version": "7", "components": [{ "name": "inner" }] },
            { "name": "b" },
        ]))
        .unwrap();
        let names: Vec<&str> = document.components.values().map(|component| component.name.as_str()).collect();
        assert_eq!(names, ["@babel/core", "inner", "b"]);
    }

    #[test]
    fn a_document_that_could_confuse_the_mapping_is_refused() {
        let bad = [
            json!([{ "bom-ref": "a" }, { "bom-ref": "a" }]),
            json!([{ "bom-ref": "countersign:canary:lodash" }]),
            json!(["text"]),
            json!({}),
        ];
        for components in bad {
            assert!(matches!(prepare(components.clone()), Err(ScanError::Document { .. })), "{components}");
        }
        for bytes in [&b"{}"[..], b"[]", b"", b"{\"bomFormat\":\"SPDX\"}"] {
            assert!(matches!(Document::prepare(bytes), Err(ScanError::Document { .. })));
        }
    }
}
