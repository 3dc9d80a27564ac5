//! SPDX 2 in JSON (spdx.github.io/spdx-spec): packages, and the files that contain them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::packages::embedded::component::{Stated, algorithm};
use crate::packages::name::one_line;

/// How Trivy names the source package in `sourceInfo`.
const BUILT_FROM: &str = "built package from: ";

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(default, rename = "SPDXID")]
    id: Value,
    #[serde(borrow, default)]
    packages: Option<Vec<&'a RawValue>>,
    #[serde(default)]
    files: Option<Vec<File>>,
    #[serde(default)]
    relationships: Option<Vec<Relationship>>,
}

#[derive(Deserialize)]
struct File {
    #[serde(default, rename = "SPDXID")]
    id: String,
    #[serde(default, rename = "fileName")]
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Relationship {
    spdx_element_id: String,
    relationship_type: String,
    related_spdx_element: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Entry {
    #[serde(rename = "SPDXID")]
    id: String,
    name: String,
    supplier: Value,
    license_declared: Value,
    license_concluded: Value,
    source_info: Value,
    checksums: Value,
    external_refs: Value,
    annotations: Value,
    attribution_texts: Value,
    has_files: Value,
}

/// `None` for a document of another form.
pub(super) fn read(bytes: &[u8]) -> Result<Option<Vec<Result<Stated, String>>>, String> {
    let document: Document<'_> = serde_json::from_slice(bytes).map_err(|e| format!("not readable: {e}"))?;
    if document.id != "SPDXRef-DOCUMENT" {
        return Ok(None);
    }
    let names: BTreeMap<String, String> =
        document.files.unwrap_or_default().into_iter().map(|file| (file.id, file.name)).collect();
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for relation in document.relationships.unwrap_or_default() {
        let Relationship { spdx_element_id, relationship_type, related_spdx_element } = relation;
        if let Some(name) = names.get(&related_spdx_element).filter(|_| relationship_type.starts_with("CONTAIN")) {
            files.insert(spdx_element_id, name.clone());
        }
    }
    let packages = document.packages.unwrap_or_default();
    Ok(Some(packages.into_iter().map(|raw| package(raw.get(), &names, &files)).collect()))
}

fn package(json: &str, names: &BTreeMap<String, String>, files: &BTreeMap<String, String>) -> Result<Stated, String> {
    let entry: Entry = serde_json::from_str(json).map_err(|e| format!("package: {e}"))?;
    let mut stated = Stated { purl: purl(&entry.external_refs), ..Stated::default() };
    stated.licences =
        licence(&entry.license_declared).or_else(|| licence(&entry.license_concluded)).into_iter().collect();
    stated.supplier = entry.supplier.as_str().and_then(supplier);
    stated.source = entry.source_info.as_str().and_then(source);
    for sum in list(&entry.checksums) {
        let text = |field: &str| sum.get(field).and_then(Value::as_str);
        if let (Some(alg), Some(value)) = (text("algorithm").and_then(algorithm), text("checksumValue")) {
            stated.hashes.push((alg.to_owned(), value.to_owned()));
        }
    }
    let comments = list(&entry.annotations).iter().filter_map(|annotation| annotation.get("comment"));
    for text in comments.chain(list(&entry.attribution_texts)).filter_map(Value::as_str) {
        if let Some((name, value)) = text.split_once(": ") {
            stated.property(name, value);
        }
    }
    let deprecated = || list(&entry.has_files).iter().filter_map(Value::as_str).find_map(|id| names.get(id));
    stated.file = files.get(&entry.id).or_else(deprecated).cloned();
    stated.name = entry.name;
    Ok(stated)
}

/// The first that stands under the package managers; Bitnami writes the category with an underscore.
fn purl(references: &Value) -> String {
    let found = list(references).iter().find(|reference| {
        let text = |field: &str| reference.get(field).and_then(Value::as_str).unwrap_or_default();
        is_purl(text("referenceCategory"), text("referenceType"))
    });
    found.and_then(|f| f.get("referenceLocator")).and_then(Value::as_str).unwrap_or_default().to_owned()
}

pub(super) fn is_purl(category: &str, kind: &str) -> bool {
    matches!(category, "PACKAGE-MANAGER" | "PACKAGE_MANAGER") && kind == "purl"
}

fn licence(value: &Value) -> Option<String> {
    value.as_str().and_then(known)
}

/// SPDX's words for "nothing is known" say nothing.
pub(super) fn known(text: &str) -> Option<String> {
    one_line(text).filter(|text| !matches!(text.as_str(), "NONE" | "NOASSERTION"))
}

/// `Organization: Name (address)` and `Person: …`.
pub(super) fn supplier(text: &str) -> Option<String> {
    known(text.strip_prefix("Organization: ").or_else(|| text.strip_prefix("Person: ")).unwrap_or(text))
}

/// `built package from: NAME VERSION`.
pub(super) fn source(text: &str) -> Option<(String, String)> {
    let (name, version) = text.strip_prefix(BUILT_FROM)?.split_once(' ')?;
    Some((name.to_owned(), version.to_owned()))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}
