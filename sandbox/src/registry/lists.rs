//! The tag list and the catalog, in lexical order, with `n`, `last` and `Link`.

use http::Method;
use serde_json::json;

use super::call::{Call, unsupported_method};
use super::reply::Reply;
use super::switches::Switch;

pub(super) fn tags(call: &Call<'_>, repository: &str) -> Reply {
    if !matches!(*call.method, Method::GET | Method::HEAD) {
        return unsupported_method();
    }
    let Some(stored) = call.store.repositories.get(repository) else {
        return Reply::error(404, "NAME_UNKNOWN", "repository name not known to registry");
    };
    let names: Vec<String> = stored.tag_names().into_iter().collect();
    let (page, next) = page(call, names);
    linked(call, &format!("/v2/{repository}/tags/list"), next, json!({"name": repository, "tags": page}))
}

pub(super) fn catalog(call: &Call<'_>) -> Reply {
    let (page, next) = page(call, call.store.repositories.keys().cloned().collect());
    linked(call, "/v2/_catalog", next, json!({"repositories": page}))
}

/// The entries of this page, and `n` and `last` of the next one.
fn page(call: &Call<'_>, names: Vec<String>) -> (Vec<String>, Option<(usize, String)>) {
    if call.faults.is_on(|s| matches!(s, Switch::NoPaging)) {
        return (names, None);
    }
    let asked = call.query.first("n").and_then(|n| n.parse::<usize>().ok());
    let most = call.faults.switch(|s| if let Switch::PageSize(n) = s { Some(*n) } else { None });
    let size = match (asked, most) {
        (Some(n), Some(most)) => n.min(most),
        (n, most) => n.or(most).unwrap_or(usize::MAX),
    };
    let last = call.query.first("last").unwrap_or_default();
    let mut rest: Vec<String> = names.into_iter().filter(|name| name.as_str() > last).collect();
    let more = rest.len() > size && size > 0;
    rest.truncate(size);
    let next = rest.last().filter(|_| more).map(|last| (size, last.clone()));
    (rest, next)
}

fn linked(call: &Call<'_>, path: &str, next: Option<(usize, String)>, body: serde_json::Value) -> Reply {
    let reply = Reply::json(200, &body);
    match next {
        Some((n, last)) => {
            let target = call.location(&format!("{path}?n={n}&last={}", last.replace('/', "%2F")));
            reply.header("link", format!("<{target}>; rel=\"next\""))
        }
        None => reply,
    }
}
