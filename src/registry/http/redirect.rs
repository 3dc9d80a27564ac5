//! Which redirects are followed: those of blob downloads only, a few, never down from TLS, never inwards.
//!
//! Manifests, uploads and referrers are answered by the registry itself or not at all: GHCR redirected referrers to a
//! web page. Credentials don't travel along: the exchange adds them only for the registry's own origin (I11), whatever
//! address a call has. What arrives is hashed, so a foreign storage host can withhold a blob but not change it.

use http::StatusCode;
use url::Url;

use crate::registry::http::endpoint::is_loopback;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum RedirectError {
    #[error("a redirect without a readable address")]
    Address,
    #[error("a redirect from https to {0}, which is not encrypted")]
    Downgrade(String),
    #[error("a redirect to {0} on this machine")]
    Inwards(String),
    #[error("a redirect with a user name in its address")]
    UserInfo,
}

pub(super) fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// The address to go to from `from`, if that is one we go to. Errors name hosts only: queries may hold signatures.
pub(super) fn next_hop(from: &Url, location: Option<&str>) -> Result<Url, RedirectError> {
    let target = location.and_then(|location| from.join(location).ok()).ok_or(RedirectError::Address)?;
    let origin = target.origin().ascii_serialization();
    match (from.scheme(), target.scheme()) {
        (_, "https") | ("http", "http") => {}
        (_, "http") => return Err(RedirectError::Downgrade(origin)),
        _ => return Err(RedirectError::Address),
    }
    if !target.username().is_empty() || target.password().is_some() {
        return Err(RedirectError::UserInfo);
    }
    if is_loopback(&target) && !is_loopback(from) {
        return Err(RedirectError::Inwards(origin));
    }
    Ok(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(from: &str, location: &str) -> Result<String, RedirectError> {
        next_hop(&from.parse().unwrap(), Some(location)).map(String::from)
    }

    #[test]
    fn redirects_never_lead_from_https_to_http_nor_to_this_machine() {
        let from = "https://r.example.com/v2/a/blobs/x";
        assert_eq!(hop(from, "https://cdn.example.net/b?sig=1"), Ok("https://cdn.example.net/b?sig=1".to_owned()));
        assert_eq!(hop(from, "/other"), Ok("https://r.example.com/other".to_owned()));
        assert!(
            matches!(hop(from, "http://cdn.example.net/b?sig=1"), Err(RedirectError::Downgrade(o)) if !o.contains("sig"))
        );
        assert!(matches!(hop(from, "https://127.0.0.1:8443/x"), Err(RedirectError::Inwards(_))));
        assert_eq!(hop(from, "https://u:p@cdn.example.net/"), Err(RedirectError::UserInfo));
        assert_eq!(hop(from, "ftp://cdn.example.net/"), Err(RedirectError::Address));
        assert_eq!(next_hop(&from.parse().unwrap(), None), Err(RedirectError::Address));
        assert!(hop("http://127.0.0.1:5000/a", "http://127.0.0.1:5001/b").is_ok());
    }
}
