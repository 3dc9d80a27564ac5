//! The referrers API (distribution spec, "Listing Referrers"), and the difference between "no such API" and "no idea".
//!
//! Never follows a redirect: GHCR's led to a web page with a rate limit (I11). Never filters by artifact type at the
//! registry: not all apply the filter, and we want to see what is there.

use http::header::{ACCEPT, LINK};
use http::{HeaderValue, StatusCode};
use serde::Deserialize;

use crate::oci::manifest::MAX_MANIFEST_BYTES;
use crate::oci::{Descriptor, RawManifest, media_type};
use crate::registry::http::error_body::ErrorBody;
use crate::registry::http::exchange::{Call, Exchange, status_line};
use crate::registry::http::limits::MAX_REFERRER_PAGES;
use crate::registry::http::link::Pages;
use crate::registry::{ErrorKind, MAX_REFERRERS, ReferrersAnswer, RegistryError};

/// The answer, and whether an absence concerns the API and not just this repository.
pub(super) struct Answered {
    pub(super) answer: ReferrersAnswer,
    pub(super) repository_exists: bool,
}

pub(super) async fn list(exchange: &Exchange, call: Call<'_>) -> Result<Answered, RegistryError> {
    let mut call = call.header(ACCEPT, HeaderValue::from_static(media_type::OCI_INDEX));
    let mut pages = Pages::new(call.url.clone());
    let mut referrers: Vec<Descriptor> = Vec::new();
    let answered = |answer| Ok(Answered { answer, repository_exists: true });
    loop {
        let first = pages.count() == 1;
        let (answer, body) = exchange.fetch(&call, MAX_MANIFEST_BYTES).await?;
        if answer.status == StatusCode::NOT_FOUND && first {
            let said = ErrorBody::parse(&body, answer.is_html());
            let repository_exists = !said.has_code("NAME_UNKNOWN");
            return Ok(Answered { answer: ReferrersAnswer::Absent, repository_exists });
        }
        if answer.status != StatusCode::OK {
            if first {
                return answered(ReferrersAnswer::Unclear { why: status_line(answer.status) });
            }
            let why = format!("{} on page {}", status_line(answer.status), pages.count());
            return Err(call.error(ErrorKind::Unavailable, why));
        }
        match parse_page(&body) {
            Ok(page) => referrers.extend(page),
            Err(why) if first => return answered(ReferrersAnswer::Unclear { why }),
            Err(why) => return Err(call.error(ErrorKind::Malformed, why)),
        }
        if referrers.len() > MAX_REFERRERS {
            return Err(call.error(ErrorKind::Limit, format!("more than {MAX_REFERRERS} referrers")));
        }
        let next = pages.next(answer.header(LINK.as_str()));
        let Some(next) = next.map_err(|why| call.error(ErrorKind::Malformed, why.to_string()))? else {
            return answered(ReferrersAnswer::Supported(referrers));
        };
        if pages.count() > MAX_REFERRER_PAGES {
            return Err(call.error(ErrorKind::Limit, format!("more than {MAX_REFERRER_PAGES} pages of referrers")));
        }
        call.url = next;
    }
}

/// One page; an answer that is no image index, whatever its content type says, is no answer.
fn parse_page(body: &[u8]) -> Result<Vec<Descriptor>, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Peek {
        media_type: Option<String>,
    }
    let said = serde_json::from_slice::<Peek>(body).ok().and_then(|peek| peek.media_type);
    if said.is_some_and(|media_type| media_type != media_type::OCI_INDEX) {
        return Err("200 with something that is no image index".to_owned());
    }
    RawManifest::new(media_type::OCI_INDEX, body.to_vec())
        .parse_referrer_list()
        .map_err(|_| "200 with something that is no image index".to_owned())
}
