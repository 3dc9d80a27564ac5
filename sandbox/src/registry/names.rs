//! Switches and faults as text, for a registry that runs as a server: `referrers-off`, `latency=50`, `status=503`.
//!
//! Times are milliseconds. The name is the variant's in kebab case.

use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context as _, Error, Result, anyhow, bail};
use regex::Regex;

use super::faults::{Fault, Place, RetryAfter, When};
use super::query::Query;
use super::switches::Switch;

impl FromStr for Switch {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (name, value) = text.split_once('=').map_or((text, None), |(n, v)| (n, Some(v)));
        let given = || value.ok_or_else(|| anyhow!("{name} needs a value: {name}=…"));
        Ok(match name {
            "referrers-off" => Self::ReferrersOff,
            "referrers-status" => Self::ReferrersStatus(number(name, given()?)?),
            "referrers-redirect" => Self::ReferrersRedirect(given()?.to_owned()),
            "referrers-unfiltered" => Self::ReferrersUnfiltered,
            "no-oci-subject" => Self::NoOciSubject,
            "lying-oci-subject" => Self::LyingOciSubject,
            "no-location" => Self::NoLocation,
            "no-digest-header" => Self::NoDigestHeader,
            "relative-location" => Self::RelativeLocation,
            "stale-tag-reads" => Self::StaleTagReads(number(name, given()?)?),
            "stale-tags-for" => Self::StaleTagsFor(time(name, given()?)?),
            "latency" => Self::Latency(time(name, given()?)?),
            "foreign-realm" => Self::ForeignRealm(given()?.to_owned()),
            "blob-redirect" => Self::BlobRedirect(given()?.to_owned()),
            "immutable-tags" => Self::ImmutableTags(Regex::new(given()?)?),
            "digest-as-tag" => Self::DigestAsTag,
            "multi-tag" => Self::MultiTag,
            "page-size" => Self::PageSize(number(name, given()?)?),
            "no-paging" => Self::NoPaging,
            "accept-by-name" => Self::AcceptByName,
            "no-tag-delete" => Self::NoTagDelete,
            "no-delete" => Self::NoDelete,
            "no-single-post" => Self::NoSinglePost,
            "no-mount" => Self::NoMount,
            "expired-is-forbidden" => Self::ExpiredIsForbidden,
            "warning" => Self::Warning(given()?.to_owned()),
            other => bail!("no switch {other}"),
        })
    }
}

impl FromStr for Fault {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (name, value) = text.split_once('=').map_or((text, None), |(n, v)| (n, Some(v)));
        let given = || value.ok_or_else(|| anyhow!("{name} needs a value: {name}=…"));
        Ok(match name {
            "status" => Self::Status(number(name, given()?)?),
            "rate-limited" => Self::RateLimited(match value {
                None => RetryAfter::Silent,
                Some(text) => match (text.strip_suffix("ms"), text.parse()) {
                    (Some(ms), _) => RetryAfter::Milliseconds(number(name, ms)?),
                    (None, Ok(seconds)) => RetryAfter::Seconds(seconds),
                    (None, Err(_)) => RetryAfter::Date(text.to_owned()),
                },
            }),
            "secondary-rate-limit" => Self::SecondaryRateLimit,
            "redirect" => Self::Redirect(307, given()?.to_owned()),
            "wrong-bytes" => Self::WrongBytes,
            "truncated-body" => Self::TruncatedBody,
            "endless-body" => Self::EndlessBody,
            "delay" => Self::Delay(time(name, given()?)?),
            "reset" => Self::Reset,
            "close" => Self::Close,
            other => bail!("no fault {other}"),
        })
    }
}

impl FromStr for Place {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "before" => Ok(Self::Before),
            "after" => Ok(Self::After),
            other => bail!("a place is before or after, not {other}"),
        }
    }
}

/// A choice from a query string: `request`, `method`, `path` (regular expression), `nth`, `first`, `from`.
impl FromStr for When {
    type Err = Error;

    fn from_str(query: &str) -> Result<Self> {
        let query = Query::parse(query);
        let mut when = match (query.first("request"), query.first("method")) {
            (Some(n), None) => Self::request(number("request", n)?),
            (None, Some(method)) => Self::method(method),
            (None, None) => Self::any(),
            (Some(_), Some(_)) => bail!("a request is chosen by its number or by its method"),
        };
        if let Some(path) = query.first("path") {
            Regex::new(path).context("path is not a regular expression")?;
            when = when.matching(path);
        }
        for (key, apply) in [("nth", Self::nth as fn(Self, u64) -> Self), ("first", Self::first), ("from", Self::from)]
        {
            if let Some(n) = query.first(key) {
                when = apply(when, number(key, n)?);
            }
        }
        Ok(when)
    }
}

fn number<T: FromStr>(name: &str, text: &str) -> Result<T> {
    text.parse().map_err(|_| anyhow!("{name} needs a number, not {text}"))
}

fn time(name: &str, text: &str) -> Result<Duration> {
    Ok(Duration::from_millis(number(name, text)?))
}
