//! `/v2/NAME/blobs/uploads/`: sessions of POST, PATCH and PUT, single POST, and mounts from another repository.

use bytes::Bytes;
use http::Method;

use super::call::{Call, unsupported_method};
use super::digest::{is_digest, matches};
use super::reply::Reply;
use super::switches::Switch;

/// POST: opens a session, or stores the body at once, or mounts.
pub(super) fn start(call: &mut Call<'_>, repository: &str) -> Reply {
    if call.method != Method::POST {
        return unsupported_method();
    }
    if let Some(digest) = call.query.first("mount").map(str::to_owned)
        && let Some(bytes) = mountable(call, &digest)
    {
        call.store.repository(repository).blobs.insert(digest.clone(), bytes);
        return created(call, repository, &digest);
    }
    let single = call.query.first("digest").map(str::to_owned);
    if let Some(digest) = single
        && !call.faults.is_on(|s| matches!(s, Switch::NoSinglePost))
    {
        let body = call.body.clone();
        return store(call, repository, &digest, body);
    }
    let session = call.store.open_upload(repository);
    accepted(call, repository, &session, 0)
}

/// GET, PATCH, PUT and DELETE of a session.
pub(super) fn resume(call: &mut Call<'_>, repository: &str, session: &str) -> Reply {
    let known = call.store.uploads.get(session).filter(|u| u.repository == repository);
    let Some(length) = known.map(|u| u.bytes.len()) else {
        return Reply::error(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry");
    };
    match *call.method {
        Method::GET => status(call, repository, session, 204, length),
        Method::PATCH => append(call, repository, session, length),
        Method::PUT => finish(call, repository, session, length),
        Method::DELETE => {
            call.store.uploads.remove(session);
            Reply::new(204)
        }
        _ => unsupported_method(),
    }
}

/// The blob, if it may be mounted: it exists there and the credential may read there.
fn mountable(call: &Call<'_>, digest: &str) -> Option<Bytes> {
    let from = call.query.first("from")?;
    if call.faults.is_on(|s| matches!(s, Switch::NoMount)) || !(call.may_pull)(from) {
        return None;
    }
    call.store.blob(from, digest).cloned()
}

fn append(call: &mut Call<'_>, repository: &str, session: &str, length: usize) -> Reply {
    let starts_at = call.header("content-range").map(|r| {
        let from = r.trim_start_matches("bytes ").split('-').next();
        from.and_then(|f| f.trim().parse::<usize>().ok())
    });
    if starts_at.is_some_and(|at| at != Some(length)) {
        return status(call, repository, session, 416, length);
    }
    let body = std::mem::take(&mut call.body);
    let received = body.len();
    if let Some(upload) = call.store.uploads.get_mut(session) {
        if upload.bytes.is_empty() {
            // A layer that comes in one piece is not copied: the sandbox shares its process with memory tests.
            upload.bytes = Vec::from(body);
        } else {
            upload.bytes.extend_from_slice(&body);
        }
    }
    accepted(call, repository, session, length + received)
}

fn finish(call: &mut Call<'_>, repository: &str, session: &str, length: usize) -> Reply {
    let Some(digest) = call.query.first("digest").map(str::to_owned) else {
        return Reply::error(400, "DIGEST_INVALID", "digest is missing");
    };
    if !call.body.is_empty() {
        let reply = append(call, repository, session, length);
        if reply.status != 202 {
            return reply;
        }
    }
    let bytes = call.store.uploads.remove(session).map(|u| Bytes::from(u.bytes)).unwrap_or_default();
    store(call, repository, &digest, bytes)
}

fn store(call: &mut Call<'_>, repository: &str, digest: &str, bytes: Bytes) -> Reply {
    if !is_digest(digest) || !matches(&bytes, digest) {
        return Reply::error(400, "DIGEST_INVALID", "provided digest did not match uploaded content");
    }
    call.store.repository(repository).blobs.insert(digest.to_owned(), bytes);
    created(call, repository, digest)
}

fn created(call: &Call<'_>, repository: &str, digest: &str) -> Reply {
    Reply::new(201)
        .header("location", call.location(&format!("/v2/{repository}/blobs/{digest}")))
        .header("docker-content-digest", digest)
}

fn accepted(call: &Call<'_>, repository: &str, session: &str, length: usize) -> Reply {
    status(call, repository, session, 202, length)
}

fn status(call: &Call<'_>, repository: &str, session: &str, status: u16, length: usize) -> Reply {
    Reply::new(status)
        .header("location", call.location(&format!("/v2/{repository}/blobs/uploads/{session}")))
        .header("range", format!("0-{}", length.saturating_sub(1)))
        .header("docker-upload-uuid", session)
}
