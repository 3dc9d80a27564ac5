//! `/v2/NAME/manifests/REFERENCE`: read, write, delete. Writing is strict: see [`admit`].

use http::Method;

use super::admit;
use super::call::{Call, unsupported_method};
use super::digest::{matches, sha256};
use super::path::{Reference, is_tag};
use super::reply::Reply;
use super::store::{Manifest, Tag};
use super::switches::Switch;

/// The specification asks registries to take 4 MiB; most refuse more.
const MANIFEST_LIMIT: usize = 4 * 1024 * 1024;

pub(super) fn manifest(call: &mut Call<'_>, repository: &str, reference: &Reference) -> Reply {
    match *call.method {
        Method::GET | Method::HEAD => read(call, repository, reference),
        Method::PUT => write(call, repository, reference),
        Method::DELETE => delete(call, repository, reference),
        _ => unsupported_method(),
    }
}

fn read(call: &mut Call<'_>, repository: &str, reference: &Reference) -> Reply {
    let unknown = || Reply::error(404, "MANIFEST_UNKNOWN", "manifest unknown");
    if !call.store.repositories.contains_key(repository) {
        return Reply::error(404, "NAME_UNKNOWN", "repository name not known to registry");
    }
    let digest = match reference {
        Reference::Digest(digest) => Some(digest.clone()),
        Reference::Tag(tag) => resolve(call, repository, tag),
    };
    let Some(digest) = digest else { return unknown() };
    let Some(manifest) = call.store.manifest(repository, &digest) else { return unknown() };
    if !accepts(call, &manifest.media_type) {
        return Reply::error(404, "MANIFEST_UNKNOWN", "manifest is of a media type that the client does not accept");
    }
    let etag = format!("\"{digest}\"");
    if call.header("if-none-match").is_some_and(|v| v == etag || v == digest) {
        return Reply::new(304).header("etag", etag).header("docker-content-digest", digest);
    }
    Reply::new(200)
        .header("content-type", manifest.media_type.clone())
        .header("docker-content-digest", digest)
        .header("etag", etag)
        .body(manifest.bytes.clone())
}

/// Where a tag points for this read, stale or not.
fn resolve(call: &mut Call<'_>, repository: &str, tag: &str) -> Option<String> {
    if call.faults.is_on(|s| matches!(s, Switch::DigestAsTag))
        && let Some(hex) = tag.strip_prefix("sha256-")
    {
        let digest = format!("sha256:{hex}");
        if call.store.manifest(repository, &digest).is_some() {
            return Some(digest);
        }
    }
    let stale_reads = call.faults.switch(|s| if let Switch::StaleTagReads(n) = s { Some(*n) } else { None });
    let stale_for = call.faults.switch(|s| if let Switch::StaleTagsFor(d) = s { Some(*d) } else { None });
    let tag: &mut Tag = call.store.repositories.get_mut(repository)?.tags.get_mut(tag)?;
    tag.reads = tag.reads.saturating_add(1);
    let is_stale = stale_reads.is_some_and(|n| tag.reads <= n) || stale_for.is_some_and(|d| tag.changed.elapsed() < d);
    if is_stale { tag.previous.clone() } else { Some(tag.digest.clone()) }
}

/// Whether the `Accept` headers allow this media type. No header allows everything.
fn accepts(call: &Call<'_>, media_type: &str) -> bool {
    let accepted: Vec<&str> = call
        .headers
        .get_all("accept")
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(','))
        .map(|v| v.split(';').next().unwrap_or_default().trim())
        .collect();
    let by_name = accepted.iter().any(|a| a.eq_ignore_ascii_case(media_type));
    if call.faults.is_on(|s| matches!(s, Switch::AcceptByName)) {
        return by_name;
    }
    by_name || accepted.is_empty() || accepted.iter().any(|a| matches!(*a, "*/*" | "application/*"))
}

fn write(call: &mut Call<'_>, repository: &str, reference: &Reference) -> Reply {
    if call.body.len() > MANIFEST_LIMIT {
        return Reply::error(413, "SIZE_INVALID", "manifest is larger than 4 MiB");
    }
    let digest = match reference {
        Reference::Digest(digest) if !matches(&call.body, digest) => {
            return Reply::error(400, "DIGEST_INVALID", "provided digest did not match uploaded content");
        }
        Reference::Digest(digest) => digest.clone(),
        Reference::Tag(_) => sha256(&call.body),
    };
    let content_type = call.header("content-type").unwrap_or_default().to_owned();
    let admitted = match admit::manifest(call.store, repository, &content_type, &call.body) {
        Ok(admitted) => admitted,
        Err(reply) => return reply,
    };
    let tags = match tags_to_set(call, reference) {
        Ok(tags) => tags,
        Err(reply) => return reply,
    };
    if let Some(tag) = tags.iter().find(|tag| is_immutable(call, repository, tag)) {
        return immutable(repository, tag);
    }
    if !condition_holds(call, repository, reference) {
        return Reply::error(412, "PRECONDITION_FAILED", "the tag is not what the request expects");
    }
    let manifest = Manifest { bytes: call.body.clone(), media_type: admitted.media_type };
    let stored = call.store.repository(repository);
    stored.manifests.insert(digest.clone(), manifest);
    tags.iter().for_each(|tag| stored.set_tag(tag, &digest));
    written(call, repository, reference, &digest, admitted.subject.as_deref(), &tags)
}

/// The tags that this PUT sets: the one in the path, or those in the query where that is supported.
fn tags_to_set(call: &Call<'_>, reference: &Reference) -> Result<Vec<String>, Reply> {
    match reference {
        Reference::Tag(tag) => Ok(vec![tag.clone()]),
        Reference::Digest(_) if call.faults.is_on(|s| matches!(s, Switch::MultiTag)) => {
            let tags: Vec<String> = call.query.all("tag").map(str::to_owned).collect();
            match tags.iter().find(|t| !is_tag(t)) {
                Some(_) => Err(Reply::error(400, "TAG_INVALID", "a tag of the query does not match the grammar")),
                None => Ok(tags),
            }
        }
        Reference::Digest(_) => Ok(Vec::new()),
    }
}

/// RFC 9110, section 13.1, for what the reference shows now.
fn condition_holds(call: &Call<'_>, repository: &str, reference: &Reference) -> bool {
    let conditions = [call.header("if-match"), call.header("if-none-match")];
    if call.faults.is_on(|s| matches!(s, Switch::MisreadConditions)) {
        return conditions.iter().all(Option::is_none);
    }
    if !call.faults.is_on(|s| matches!(s, Switch::ConditionalPut)) {
        return true;
    }
    let stored = call.store.repositories.get(repository);
    let shown = match reference {
        Reference::Tag(tag) => stored.and_then(|r| r.tags.get(tag)).map(|tag| format!("\"{}\"", tag.digest)),
        Reference::Digest(digest) => Some(format!("\"{digest}\"")),
    };
    let meets = |wanted: &str| match (wanted, &shown) {
        ("*", shown) => shown.is_some(),
        (wanted, shown) => shown.as_deref() == Some(wanted),
    };
    conditions[0].is_none_or(meets) && !conditions[1].is_some_and(meets)
}

fn is_immutable(call: &Call<'_>, repository: &str, tag: &str) -> bool {
    let exists = call.store.repositories.get(repository).is_some_and(|r| r.tags.contains_key(tag));
    exists && call.faults.is_on(|s| matches!(s, Switch::ImmutableTags(pattern) if pattern.is_match(tag)))
}

/// What ECR says, for the same digest too.
fn immutable(repository: &str, tag: &str) -> Reply {
    let message = format!(
        "The image tag '{tag}' already exists in the '{repository}' repository and cannot be overwritten because the tag is immutable."
    );
    Reply::error(400, "TAG_INVALID", &message)
}

fn written(
    call: &Call<'_>,
    repository: &str,
    reference: &Reference,
    digest: &str,
    subject: Option<&str>,
    tags: &[String],
) -> Reply {
    let mut reply = Reply::new(201).header("docker-content-digest", digest);
    if !call.faults.is_on(|s| matches!(s, Switch::NoLocation)) {
        reply = reply.header("location", call.location(&format!("/v2/{repository}/manifests/{digest}")));
    }
    if let Some(subject) = subject
        && says_subject(call)
    {
        reply = reply.header("oci-subject", subject);
    }
    if matches!(reference, Reference::Digest(_)) {
        for tag in tags {
            reply = reply.header("oci-tag", tag.clone());
        }
    }
    reply
}

fn says_subject(call: &Call<'_>) -> bool {
    let silent = |s: &Switch| {
        matches!(
            s,
            Switch::NoOciSubject | Switch::ReferrersOff | Switch::ReferrersStatus(_) | Switch::ReferrersRedirect(_)
        )
    };
    call.faults.is_on(|s| matches!(s, Switch::LyingOciSubject)) || !call.faults.is_on(silent)
}

fn delete(call: &mut Call<'_>, repository: &str, reference: &Reference) -> Reply {
    let no_tag_delete = call.faults.is_on(|s| matches!(s, Switch::NoTagDelete));
    let unknown = || Reply::error(404, "MANIFEST_UNKNOWN", "manifest unknown");
    let Some(stored) = call.store.repositories.get_mut(repository) else { return unknown() };
    let removed = match reference {
        Reference::Digest(digest) => stored.delete_manifest(digest),
        Reference::Tag(_) if no_tag_delete => {
            return Reply::error(400, "UNSUPPORTED", "the operation is unsupported");
        }
        Reference::Tag(tag) => stored.tags.remove(tag).is_some(),
    };
    if removed { Reply::new(202) } else { unknown() }
}
