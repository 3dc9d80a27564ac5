//! SPDX 2 in JSON (spdx.github.io/spdx-spec): packages, and the files that contain them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::packages::embedded::Sink;
use crate::packages::embedded::component::{Stated, algorithm};
use crate::packages::json::{Field, List};
use crate::packages::name::one_line;

/// How Trivy names the source package in `sourceInfo`.
const BUILT_FROM: &str = "built package from: ";

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(default, rename = "SPDXID")]
    id: Field,
    #[serde(borrow, default)]
    packages: List<'a>,
    #[serde(borrow, default)]
    files: List<'a>,
    #[serde(borrow, default)]
    relationships: List<'a>,
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
    supplier: Field,
    license_declared: Field,
    license_concluded: Field,
    source_info: Field,
    checksums: Field,
    external_refs: Field,
    annotations: Field,
    attribution_texts: Field,
    has_files: Field,
}

/// `false` for a document of another form.
pub(super) fn read(bytes: &[u8], sink: &mut Sink<'_>) -> Result<bool, String> {
    let document: Document<'_> = serde_json::from_slice(bytes).map_err(|e| format!("not readable: {e}"))?;
    if *document.id != "SPDXRef-DOCUMENT" {
        return Ok(false);
    }
    sink.left_out(document.packages.more, "packages");
    sink.left_out(document.files.more, "files");
    sink.left_out(document.relationships.more, "relationships");
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    for raw in document.files.entries {
        let file: File = serde_json::from_str(raw.get()).map_err(|e| format!("file: {e}"))?;
        names.insert(file.id, file.name);
    }
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for raw in document.relationships.entries {
        let relation: Relationship = serde_json::from_str(raw.get()).map_err(|e| format!("relationship: {e}"))?;
        let contains = relation.relationship_type.starts_with("CONTAIN");
        if let Some(name) = names.get(&relation.related_spdx_element).filter(|_| contains) {
            files.insert(relation.spdx_element_id, name.clone());
        }
    }
    for raw in document.packages.entries {
        sink.take(package(raw.get(), &names, &files));
    }
    Ok(true)
}

fn package(json: &str, names: &BTreeMap<String, String>, files: &BTreeMap<String, String>) -> Result<Stated, String> {
    let entry: Entry = serde_json::from_str(json).map_err(|e| format!("package: {e}"))?;
    let mut stated = Stated { purl: purl(&entry.external_refs), ..Stated::default() };
    stated.licences =
        licence(&entry.license_declared).or_else(|| licence(&entry.license_concluded)).into_iter().collect();
    stated.supplier = entry.supplier.as_str().and_then(supplier);
    stated.source = entry.source_info.as_str().and_then(source);
    for sum in entry.checksums.list() {
        let text = |field: &str| sum.get(field).and_then(Value::as_str);
        if let (Some(alg), Some(value)) = (text("algorithm").and_then(algorithm), text("checksumValue")) {
            stated.hashes.push((alg.to_owned(), value.to_owned()));
        }
    }
    let comments = entry.annotations.list().iter().filter_map(|annotation| annotation.get("comment"));
    for text in comments.chain(entry.attribution_texts.list()).filter_map(Value::as_str) {
        if let Some((name, value)) = text.split_once(": ") {
            stated.property(name, value);
        }
    }
    let deprecated = || entry.has_files.list().iter().filter_map(Value::as_str).find_map(|id| names.get(id));
    stated.file = files.get(&entry.id).or_else(deprecated).cloned();
    stated.name = entry.name;
    Ok(stated)
}

/// The first that stands under the package managers; Bitnami writes the category with an underscore.
fn purl(references: &Field) -> String {
    let found = references.list().iter().find(|reference| {
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
