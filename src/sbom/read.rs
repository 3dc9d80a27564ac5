//! Reading documents back, as plain JSON: comparing two, mapping findings to components, changing the version.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::oci::Digest;
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

/// Group and name as the ecosystem writes them: `@scope/name`, but `group:artifact` for Maven.
#[must_use]
pub fn full_name(group: &str, name: &str, purl: &str) -> String {
    match group {
        "" => name.to_owned(),
        group if purl.starts_with("pkg:maven/") => format!("{group}:{name}"),
        group => format!("{group}/{name}"),
    }
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
        let version = text(component, "version").unwrap_or_default();
        let purl = text(component, "purl");
        let name = full_name(&text(component, "group").unwrap_or_default(), &name, purl.as_deref().unwrap_or_default());
        if found.insert(bom_ref, ComponentName { name, version, purl }).is_some() {
            return Err(malformed("two components with one bom-ref"));
        }
    }
    Ok(found)
}

/// A document of ours as another CycloneDX version: what we write is valid under 1.5 and 1.6 alike, and 1.6 can say more.
pub fn with_spec_version(document: &[u8], version: SpecVersion) -> Result<Vec<u8>, SbomError> {
    let mut document = parse(document)?;
    match version {
        SpecVersion::V1_5 => {}
        SpecVersion::V1_6 => acknowledge_licences(&mut document),
    }
    with_version(document, version)
}

/// Our licences are what the package declares, not what somebody concluded from its files; 1.6 has a word for that
/// (BSI TR-03183-2 asks for the difference).
fn acknowledge_licences(document: &mut Value) {
    let components = document.get_mut("components").and_then(Value::as_array_mut);
    let lists = components.into_iter().flatten().filter_map(|c| c.get_mut("licenses").and_then(Value::as_array_mut));
    for choice in lists.flatten() {
        let target = match choice.get_mut("license") {
            Some(license) => license.as_object_mut(),
            None => choice.as_object_mut(),
        };
        if let Some(target) = target {
            target.insert("acknowledgement".to_owned(), Value::from("declared"));
        }
    }
}

/// A serial number that follows from the content: the same document, made with a nil serial, always gets the same one.
#[must_use]
pub fn content_serial(document: &[u8]) -> Uuid {
    let digest = Digest::of(document);
    let mut bytes = [0; 16];
    // The digest is hex of our own making, so nothing is lost here.
    let _ = hex::decode_to_slice(&digest.hex()[..32], &mut bytes);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
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
