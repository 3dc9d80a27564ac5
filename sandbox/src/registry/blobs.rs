//! `/v2/NAME/blobs/DIGEST`: read (with one byte range) and delete.

use http::Method;

use super::call::{Call, unsupported_method};
use super::reply::Reply;
use super::switches::Switch;

pub(super) fn blob(call: &mut Call<'_>, repository: &str, digest: &str) -> Reply {
    match *call.method {
        Method::GET | Method::HEAD => read(call, repository, digest),
        Method::DELETE => {
            let removed = call.store.repositories.get_mut(repository).and_then(|r| r.blobs.remove(digest));
            if removed.is_some() { Reply::new(202) } else { unknown() }
        }
        _ => unsupported_method(),
    }
}

fn read(call: &Call<'_>, repository: &str, digest: &str) -> Reply {
    let Some(bytes) = call.store.blob(repository, digest) else { return unknown() };
    let elsewhere = call.faults.switch(|s| if let Switch::BlobRedirect(o) = s { Some(o.clone()) } else { None });
    if let Some(origin) = elsewhere
        && call.method == Method::GET
    {
        return Reply::new(307).header("location", format!("{origin}/{repository}/{digest}"));
    }
    let reply = Reply::new(200)
        .header("content-type", "application/octet-stream")
        .header("docker-content-digest", digest)
        .header("etag", format!("\"{digest}\""))
        .header("accept-ranges", "bytes");
    match call.header("range").map(|r| range(r, bytes.len())) {
        None => reply.body(bytes.clone()),
        Some(Some((from, to))) => {
            let mut part = reply.header("content-range", format!("bytes {from}-{to}/{}", bytes.len()));
            part.status = 206;
            part.body(bytes.slice(from..=to))
        }
        Some(None) => Reply::error(416, "SIZE_INVALID", "range is outside of the blob"),
    }
}

/// `bytes=A-B`, `bytes=A-` or `bytes=-N`, as first and last position.
fn range(header: &str, length: usize) -> Option<(usize, usize)> {
    let (from, to) = header.strip_prefix("bytes=")?.split_once('-')?;
    let last = length.checked_sub(1)?;
    if from.is_empty() {
        let count: usize = to.parse().ok()?;
        return Some((length.saturating_sub(count), last));
    }
    let from: usize = from.parse().ok()?;
    let to = if to.is_empty() { last } else { to.parse::<usize>().ok()?.min(last) };
    (from <= to).then_some((from, to))
}

fn unknown() -> Reply {
    Reply::error(404, "BLOB_UNKNOWN", "blob unknown to registry")
}
