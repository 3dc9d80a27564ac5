//! The tag list, all pages (distribution spec, "Listing tags"). Incomplete is an error: a missing tag could be the
//! highest version.

use std::collections::HashSet;

use http::StatusCode;
use http::header::LINK;
use serde::Deserialize;

use crate::oci::Tag;
use crate::registry::http::error_body::ErrorBody;
use crate::registry::http::exchange::{Call, Exchange};
use crate::registry::http::limits::{MAX_TAG_PAGE_BYTES, MAX_TAG_PAGES, MAX_TAGS};
use crate::registry::http::link::Pages;
use crate::registry::{ErrorKind, RegistryError};

#[derive(Deserialize)]
struct Wire {
    // docker-registry says null for a repository without tags.
    tags: Option<Vec<String>>,
}

/// Reads from the first page, which `call` asks for, to the last. `Ok(None)`: no such repository.
pub(super) async fn list(exchange: &Exchange, mut call: Call<'_>) -> Result<Option<Vec<Tag>>, RegistryError> {
    let mut pages = Pages::new(call.url.clone());
    let mut tags: Vec<Tag> = Vec::new();
    let mut known: HashSet<Tag> = HashSet::new();
    loop {
        let (answer, body) = exchange.fetch(&call, MAX_TAG_PAGE_BYTES).await?;
        if answer.status != StatusCode::OK {
            let said = ErrorBody::parse(&body, answer.is_html());
            let absent = answer.status == StatusCode::NOT_FOUND || said.says_absent();
            if absent && pages.count() == 1 {
                return Ok(None);
            }
            return Err(exchange.rejection(&call, &answer, &body));
        }
        let wire: Wire = serde_json::from_slice(&body)
            .map_err(|why| call.error(ErrorKind::Malformed, format!("expected a tag list: {why}")))?;
        let names = wire.tags.unwrap_or_default();
        let (listed, before) = (names.len(), tags.len());
        for name in names {
            let tag: Tag = name.parse().map_err(|why: crate::oci::NameError| {
                call.error(ErrorKind::Malformed, format!("the tag list holds what is no tag: {why}"))
            })?;
            if known.insert(tag.clone()) {
                tags.push(tag);
            }
        }
        if tags.len() > MAX_TAGS {
            return Err(call.error(ErrorKind::Limit, format!("more than {MAX_TAGS} tags")));
        }
        let next = pages.next(answer.header(LINK.as_str()));
        let Some(next) = next.map_err(|why| call.error(ErrorKind::Malformed, why.to_string()))? else {
            return Ok(Some(tags));
        };
        if listed > 0 && tags.len() == before {
            return Err(call.error(ErrorKind::Malformed, "the pages of the tag list repeat themselves"));
        }
        if pages.count() > MAX_TAG_PAGES {
            return Err(call.error(ErrorKind::Limit, format!("more than {MAX_TAG_PAGES} pages of tags")));
        }
        call.url = next;
    }
}
