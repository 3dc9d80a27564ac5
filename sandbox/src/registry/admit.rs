//! What a manifest has to be before it is stored: JSON of a known kind, agreeing with its `Content-Type`, with nothing missing.

use serde_json::Value;

use super::digest::is_digest;
use super::reply::Reply;
use super::store::Store;

const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) media_type: String,
    pub(super) subject: Option<String>,
}

pub(super) fn manifest(store: &Store, repository: &str, content_type: &str, bytes: &[u8]) -> Result<Admitted, Reply> {
    let json: Value = serde_json::from_slice(bytes).map_err(|_| invalid("manifest is not JSON"))?;
    if !json.is_object() || json["schemaVersion"] != 2 {
        return Err(invalid("manifest is not an object of schema version 2"));
    }
    let media_type = media_type(&json, content_type)?;
    let subject = match &json["subject"] {
        Value::Null => None,
        subject => Some(digest_of(subject)?),
    };
    match media_type.as_str() {
        OCI_INDEX | DOCKER_LIST => children_exist(store, repository, &json)?,
        OCI_MANIFEST | DOCKER_MANIFEST => blobs_exist(store, repository, &json)?,
        other => return Err(invalid(&format!("media type {other} is not a manifest"))),
    }
    Ok(Admitted { media_type, subject })
}

fn media_type(json: &Value, content_type: &str) -> Result<String, Reply> {
    let content_type = content_type.split(';').next().unwrap_or_default().trim();
    let inner = json["mediaType"].as_str();
    match (inner, content_type) {
        (None, "") => Err(invalid("no content type and no media type")),
        (Some(inner), "") => Ok(inner.to_owned()),
        (Some(inner), outer) if inner != outer => {
            Err(invalid(&format!("content type {outer} and media type {inner} differ")))
        }
        (_, outer) => Ok(outer.to_owned()),
    }
}

fn children_exist(store: &Store, repository: &str, index: &Value) -> Result<(), Reply> {
    let Some(children) = index["manifests"].as_array() else { return Err(invalid("index has no manifests")) };
    for child in children {
        let digest = digest_of(child)?;
        let Some(manifest) = store.manifest(repository, &digest) else { return Err(unknown(&digest)) };
        size_agrees(child, manifest.bytes.len())?;
    }
    Ok(())
}

fn blobs_exist(store: &Store, repository: &str, manifest: &Value) -> Result<(), Reply> {
    let Some(layers) = manifest["layers"].as_array() else { return Err(invalid("manifest has no layers")) };
    if !manifest["config"].is_object() {
        return Err(invalid("manifest has no config"));
    }
    for blob in std::iter::once(&manifest["config"]).chain(layers) {
        let digest = digest_of(blob)?;
        match store.blob(repository, &digest) {
            Some(bytes) => size_agrees(blob, bytes.len())?,
            // A layer that is fetched from elsewhere need not be here.
            None if blob["urls"].as_array().is_some_and(|u| !u.is_empty()) => {}
            None => return Err(unknown(&digest)),
        }
    }
    Ok(())
}

fn digest_of(descriptor: &Value) -> Result<String, Reply> {
    match descriptor["digest"].as_str() {
        Some(digest) if is_digest(digest) => Ok(digest.to_owned()),
        _ => Err(invalid("a descriptor has no valid digest")),
    }
}

fn size_agrees(descriptor: &Value, length: usize) -> Result<(), Reply> {
    if descriptor["size"].as_u64() == u64::try_from(length).ok() {
        Ok(())
    } else {
        Err(invalid(&format!("size of {} is {length}, not {}", descriptor["digest"], descriptor["size"])))
    }
}

fn invalid(message: &str) -> Reply {
    Reply::error(400, "MANIFEST_INVALID", message)
}

fn unknown(digest: &str) -> Reply {
    Reply::error(400, "MANIFEST_BLOB_UNKNOWN", &format!("blob unknown to registry: {digest}"))
}
