//! CycloneDX in JSON (cyclonedx.org): the components of the first level and the one that the document is about.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::packages::embedded::Components;
use crate::packages::embedded::component::{Stated, algorithm};
use crate::packages::name::{contact, one_line};

#[derive(Deserialize)]
struct Bom<'a> {
    #[serde(default, rename = "bomFormat")]
    format: Value,
    #[serde(borrow, default)]
    metadata: Option<Metadata<'a>>,
    #[serde(borrow, default)]
    components: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
struct Metadata<'a> {
    #[serde(borrow, default)]
    component: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Component {
    #[serde(rename = "type")]
    kind: String,
    group: String,
    name: String,
    purl: String,
    supplier: Value,
    licenses: Value,
    hashes: Value,
    properties: Value,
}

/// `None` for a document of another form.
pub(super) fn read(bytes: &[u8]) -> Result<Option<Vec<Result<Stated, String>>>, String> {
    let bom: Bom<'_> = serde_json::from_slice(bytes).map_err(|e| format!("not readable: {e}"))?;
    if bom.format != "CycloneDX" {
        return Ok(None);
    }
    let about = bom.metadata.and_then(|metadata| metadata.component);
    let all = bom.components.unwrap_or_default().into_iter().chain(about);
    let components: Components = Ok(all.map(|raw| component(raw.get())).collect());
    components.map(Some)
}

fn component(json: &str) -> Result<Stated, String> {
    let Component { kind, group, name, purl, supplier, licenses, hashes, properties } =
        serde_json::from_str(json).map_err(|e| format!("component: {e}"))?;
    // Kinds that Trivy knows; `file`, `data` and the like are no packages.
    let known = ["container", "application", "library", "framework", "operating-system", "platform", "file"];
    let purl = if known.contains(&kind.as_str()) { purl } else { String::new() };
    let mut stated = Stated { group, name, purl, ..Stated::default() };
    for entry in list(&licenses) {
        let licence = entry.get("license").unwrap_or(&Value::Null);
        let text = [licence.get("name"), licence.get("id"), entry.get("expression")];
        stated.licences.extend(text.into_iter().flatten().find_map(Value::as_str).and_then(one_line));
    }
    for hash in list(&hashes) {
        let text = |field: &str| hash.get(field).and_then(Value::as_str);
        if let (Some(alg), Some(content)) = (text("alg").and_then(algorithm), text("content")) {
            stated.hashes.push((alg.to_owned(), content.to_owned()));
        }
    }
    for property in list(&properties) {
        let text = |field: &str| property.get(field).and_then(Value::as_str);
        if let (Some(name), Some(value)) = (text("name"), text("value")) {
            stated.property(name, value);
        }
    }
    stated.supplier = contact(supplier.get("name").and_then(Value::as_str), None);
    Ok(stated)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}
