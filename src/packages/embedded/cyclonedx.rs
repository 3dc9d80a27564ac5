//! CycloneDX in JSON (cyclonedx.org): the components of the first level and the one that the document is about.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::packages::embedded::Sink;
use crate::packages::embedded::component::{Stated, algorithm};
use crate::packages::json::{Field, List};
use crate::packages::name::{contact, few, one_line};

#[derive(Deserialize)]
struct Bom<'a> {
    #[serde(default, rename = "bomFormat")]
    format: Field,
    #[serde(borrow, default)]
    metadata: Option<Metadata<'a>>,
    #[serde(borrow, default)]
    components: List<'a>,
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
    supplier: Field,
    licenses: Field,
    hashes: Field,
    properties: Field,
}

/// `false` for a document of another form.
pub(super) fn read(bytes: &[u8], sink: &mut Sink<'_>) -> Result<bool, String> {
    let bom: Bom<'_> = serde_json::from_slice(bytes).map_err(|e| format!("not readable: {e}"))?;
    if *bom.format != "CycloneDX" {
        return Ok(false);
    }
    let about = bom.metadata.and_then(|metadata| metadata.component);
    sink.left_out(bom.components.more, "components");
    for raw in bom.components.entries.into_iter().chain(about) {
        sink.take(component(raw.get()));
    }
    Ok(true)
}

fn component(json: &str) -> Result<Stated, String> {
    let Component { kind, group, name, purl, supplier, licenses, hashes, properties } =
        serde_json::from_str(json).map_err(|e| format!("component: {e}"))?;
    // Kinds that Trivy knows; `file`, `data` and the like are no packages.
    let known = ["container", "application", "library", "framework", "operating-system", "platform", "file"];
    let purl = if known.contains(&kind.as_str()) { purl } else { String::new() };
    let mut stated = Stated { group, name, purl, ..Stated::default() };
    stated.licences = few(licenses.list().iter().filter_map(|entry| {
        let licence = entry.get("license").unwrap_or(&Value::Null);
        let text = [licence.get("name"), licence.get("id"), entry.get("expression")];
        text.into_iter().flatten().find_map(Value::as_str).and_then(one_line)
    }));
    for hash in hashes.list() {
        let text = |field: &str| hash.get(field).and_then(Value::as_str);
        if let (Some(alg), Some(content)) = (text("alg").and_then(algorithm), text("content")) {
            stated.hashes.push((alg.to_owned(), content.to_owned()));
        }
    }
    for property in properties.list() {
        let text = |field: &str| property.get(field).and_then(Value::as_str);
        if let (Some(name), Some(value)) = (text("name"), text("value")) {
            stated.property(name, value);
        }
    }
    stated.supplier = contact(supplier.get("name").and_then(Value::as_str), None);
    Ok(stated)
}
