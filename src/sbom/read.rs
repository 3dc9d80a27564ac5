//! Reading documents back, as plain JSON: comparing two, mapping findings to components, changing the version.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::sbom::{SbomError, SpecVersion};

/// How a component is called.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ComponentName {
    /// With its group: `@scope/name`.
    pub name: String,
    pub version: String,
    pub purl: Option<String>,
}

/// Do two documents say the same but for time and serial number?
pub fn equivalent(a: &[u8], b: &[u8]) -> Result<bool, SbomError> {
    Ok(timeless(parse(a)?) == timeless(parse(b)?))
}

/// The document without what differs each time it is made.
pub(crate) fn timeless(mut document: Value) -> Value {
    if let Some(object) = document.as_object_mut() {
        object.remove("serialNumber");
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("timestamp");
        }
    }
    document
}

/// The document's components by `bom-ref`, without the image itself.
pub fn components(document: &[u8]) -> Result<BTreeMap<String, ComponentName>, SbomError> {
    let document = parse(document)?;
    let list = document.get("components").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let text = |component: &Value, key: &str| component.get(key).and_then(Value::as_str).map(str::to_owned);
    let mut found = BTreeMap::new();
    for component in list {
        let malformed = |why: &str| SbomError::Malformed { why: why.to_owned() };
        let bom_ref = text(component, "bom-ref").ok_or_else(|| malformed("component without bom-ref"))?;
        let name = text(component, "name").ok_or_else(|| malformed("component without name"))?;
        let name = text(component, "group").map_or_else(|| name.clone(), |group| format!("{group}/{name}"));
        let version = text(component, "version").unwrap_or_default();
        let purl = text(component, "purl");
        if found.insert(bom_ref, ComponentName { name, version, purl }).is_some() {
            return Err(malformed("two components with one bom-ref"));
        }
    }
    Ok(found)
}

/// The same document as another CycloneDX version: what we write is valid under 1.5 and 1.6 alike.
pub fn with_spec_version(document: &[u8], version: SpecVersion) -> Result<Vec<u8>, SbomError> {
    with_version(parse(document)?, version)
}

/// Compact JSON with schema and version in front.
pub(super) fn with_version(document: Value, version: SpecVersion) -> Result<Vec<u8>, SbomError> {
    let malformed = |why: String| SbomError::Malformed { why };
    let Value::Object(rest) = document else { return Err(malformed("not an object".to_owned())) };
    let mut whole = Map::new();
    let schema = format!("http://cyclonedx.org/schema/bom-{version}.schema.json");
    whole.insert("$schema".to_owned(), Value::String(schema));
    whole.insert("bomFormat".to_owned(), Value::String("CycloneDX".to_owned()));
    whole.insert("specVersion".to_owned(), Value::String(version.to_string()));
    for (key, value) in rest {
        whole.entry(key).or_insert(value);
    }
    serde_json::to_vec(&whole).map_err(|e| malformed(e.to_string()))
}

fn parse(document: &[u8]) -> Result<Value, SbomError> {
    let value: Value = serde_json::from_slice(document).map_err(|e| SbomError::Malformed { why: e.to_string() })?;
    match value.get("bomFormat").and_then(Value::as_str) {
        Some("CycloneDX") => Ok(value),
        _ => Err(SbomError::Malformed { why: "bomFormat is not CycloneDX".to_owned() }),
    }
}
