//! `/v2/NAME/referrers/DIGEST`, and the ways in which registries do not have it.

use http::Method;
use serde_json::{Value, json};

use super::call::{Call, unsupported_method};
use super::reply::Reply;
use super::store::Manifest;
use super::switches::Switch;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

pub(super) fn referrers(call: &Call<'_>, repository: &str, subject: &str) -> Reply {
    if !matches!(*call.method, Method::GET | Method::HEAD) {
        return unsupported_method();
    }
    if let Some(refusal) = call.faults.switch(|s| refusal(s, repository, subject)) {
        return refusal;
    }
    let filter = call.query.first("artifactType");
    let unfiltered = call.faults.is_on(|s| matches!(s, Switch::ReferrersUnfiltered));
    let all = call.store.referrers(repository, subject).into_iter().map(|(digest, m)| descriptor(&digest, &m));
    let chosen: Vec<Value> =
        all.filter(|d| unfiltered || filter.is_none_or(|f| d["artifactType"].as_str() == Some(f))).collect();
    let (page, next) = page(call, chosen);
    let mut reply = Reply::new(200).header("content-type", INDEX).body(index(&page).to_string().into_bytes());
    if filter.is_some() && !unfiltered {
        reply = reply.header("oci-filters-applied", "artifactType");
    }
    if let Some(from) = next {
        let filter = filter.map(|f| format!("artifactType={f}&")).unwrap_or_default();
        let target = call.location(&format!("/v2/{repository}/referrers/{subject}?{filter}from={from}"));
        reply = reply.header("link", format!("<{target}>; rel=\"next\""));
    }
    reply
}

fn refusal(switch: &Switch, repository: &str, subject: &str) -> Option<Reply> {
    match switch {
        Switch::ReferrersOff => Some(Reply::text(404, "404 page not found\n")),
        Switch::ReferrersStatus(status) => Some(Reply::error(*status, "UNSUPPORTED", "the operation is unsupported")),
        Switch::ReferrersRedirect(origin) => {
            let target = format!("{origin}/-/v2/packages/{repository}/referrers/{subject}");
            Some(Reply::new(303).header("location", target))
        }
        _ => None,
    }
}

fn page(call: &Call<'_>, mut descriptors: Vec<Value>) -> (Vec<Value>, Option<usize>) {
    let size = call.faults.switch(|s| if let Switch::PageSize(n) = s { Some(*n) } else { None }).unwrap_or(usize::MAX);
    let from = call.query.first("from").and_then(|f| f.parse::<usize>().ok()).unwrap_or(0).min(descriptors.len());
    let mut rest = descriptors.split_off(from);
    let more = rest.len() > size;
    rest.truncate(size);
    (rest, more.then(|| from + size))
}

fn index(manifests: &[Value]) -> Value {
    json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests})
}

/// The entry of a referrer: its artifact type, or else its config's media type, and all its annotations.
fn descriptor(digest: &str, manifest: &Manifest) -> Value {
    let json = manifest.json();
    let mut entry = json!({"mediaType": manifest.media_type, "digest": digest, "size": manifest.bytes.len()});
    let own = json["artifactType"].as_str().filter(|t| !t.is_empty());
    if let Some(artifact_type) = own.or_else(|| json["config"]["mediaType"].as_str()) {
        entry["artifactType"] = json!(artifact_type);
    }
    if json["annotations"].is_object() {
        entry["annotations"] = json["annotations"].clone();
    }
    entry
}
