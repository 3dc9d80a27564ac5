//! What is attached to a release, read from the registry's own memory and without the product's parsers.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_sandbox::registry::Registry;
use serde_json::Value;

/// The annotation that names the predicate type of a referrer.
const PREDICATE_TYPE: &str = "dev.sigstore.bundle.predicateType";

/// The index and its children.
pub(crate) fn nodes(registry: &Registry, name: &str, root: &str) -> Vec<String> {
    let index = parse(&registry.manifest(name, root).unwrap().bytes);
    let children = index["manifests"].as_array().cloned().unwrap_or_default();
    let children = children.iter().map(|child| child["digest"].as_str().unwrap().to_owned());
    std::iter::once(root.to_owned()).chain(children).collect()
}

/// How many attestations of each predicate type each node carries, as clients can find them: through the referrers API
/// (`fallback` false) or the fallback tag.
pub(crate) fn attached(
    registry: &Registry,
    name: &str,
    root: &str,
    fallback: bool,
) -> BTreeMap<(String, String), usize> {
    let mut found = BTreeMap::new();
    for node in nodes(registry, name, root) {
        let referrers = if fallback { listed(registry, name, &node) } else { registry.referrers(name, &node) };
        for referrer in referrers {
            let manifest = parse(&registry.manifest(name, &referrer).unwrap().bytes);
            let kind = manifest["annotations"][PREDICATE_TYPE].as_str().unwrap_or("unknown").to_owned();
            *found.entry((node.clone(), kind)).or_default() += 1;
        }
    }
    found
}

/// The entries of a node's fallback index.
fn listed(registry: &Registry, name: &str, node: &str) -> Vec<String> {
    let Some(digest) = registry.tag_digest(name, &node.replace(':', "-")) else { return Vec::new() };
    let index = parse(&registry.manifest(name, &digest).unwrap().bytes);
    index["manifests"].as_array().unwrap().iter().map(|e| e["digest"].as_str().unwrap().to_owned()).collect()
}

/// The statements attached to one node: predicate type and whole statement.
pub(crate) fn statements(registry: &Registry, name: &str, node: &str) -> BTreeMap<String, Value> {
    let payload = |referrer: &String| {
        let manifest = parse(&registry.manifest(name, referrer).unwrap().bytes);
        let layer = manifest["layers"][0]["digest"].as_str().unwrap();
        let bundle = parse(&registry.blob(name, layer).unwrap());
        let payload = STANDARD.decode(bundle["dsseEnvelope"]["payload"].as_str().unwrap()).unwrap();
        parse(&payload)
    };
    let all = registry.referrers(name, node);
    all.iter().map(payload).map(|s| (s["predicateType"].as_str().unwrap().to_owned(), s)).collect()
}

fn parse(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}
