//! What an error answer says: the OCI error envelope (distribution spec, "Error Codes"), a text, or a web page.
//!
//! Statuses alone mislead: GHCR says 403 for a rate limit, ECR 403 for an expired token. So bodies are read, capped.

use std::time::Duration;

use http::StatusCode;
use serde::Deserialize;

use crate::registry::ErrorKind;
use crate::registry::http::limits::MAX_ERROR_TEXT;
use crate::registry::http::retry_after::retry_after_in;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ErrorBody {
    codes: Vec<String>,
    /// One line for people, without control characters.
    pub(super) text: String,
    retry_after: Option<Duration>,
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(default)]
    errors: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: Option<String>,
}

impl ErrorBody {
    /// Of a body that the caller has capped.
    pub(super) fn parse(bytes: &[u8], is_html: bool) -> Self {
        if is_html {
            return Self { text: "a web page".to_owned(), ..Self::default() };
        }
        let raw = String::from_utf8_lossy(bytes);
        let retry_after = retry_after_in(&raw);
        let Ok(envelope) = serde_json::from_slice::<Envelope>(bytes) else {
            return Self { text: one_line(&raw), retry_after, ..Self::default() };
        };
        let said: Vec<String> = envelope
            .errors
            .iter()
            .take(3)
            .map(|entry| match entry.message.as_deref() {
                Some(message) if !message.is_empty() => format!("{}: {message}", entry.code),
                _ => entry.code.clone(),
            })
            .collect();
        let codes = envelope.errors.into_iter().map(|entry| entry.code.to_ascii_uppercase()).collect();
        Self { codes, text: one_line(&said.join("; ")), retry_after }
    }

    pub(super) fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    pub(super) fn has_code(&self, code: &str) -> bool {
        self.codes.iter().any(|c| c == code)
    }

    /// No such repository, manifest or blob, in so many words.
    pub(super) fn says_absent(&self) -> bool {
        ["NAME_UNKNOWN", "MANIFEST_UNKNOWN", "BLOB_UNKNOWN"].iter().any(|code| self.has_code(code))
    }

    pub(super) fn says_rate_limit(&self) -> bool {
        let text = self.text.to_ascii_lowercase();
        self.has_code("TOOMANYREQUESTS") || text.contains("rate limit") || text.contains("too many requests")
    }

    /// As ECR says it, with status 403.
    pub(super) fn says_expired(&self) -> bool {
        self.text.to_ascii_lowercase().contains("expired")
    }
}

/// What an unwanted status means.
pub(super) fn classify(status: StatusCode, body: &ErrorBody) -> ErrorKind {
    match status.as_u16() {
        401 => ErrorKind::Unauthenticated,
        403 if body.says_rate_limit() => ErrorKind::RateLimited,
        403 => ErrorKind::Forbidden,
        429 => ErrorKind::RateLimited,
        408 | 425 | 500 | 502..=599 => ErrorKind::Unavailable,
        400..=499 | 501 => ErrorKind::Refused,
        _ => ErrorKind::Malformed,
    }
}

/// The registry's words in one line of bounded length; control characters could rewrite a terminal.
fn one_line(text: &str) -> String {
    let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut line: String = clean.take(MAX_ERROR_TEXT).collect();
    line.truncate(line.trim_end().len());
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(status: u16, body: &str) -> ErrorKind {
        classify(StatusCode::from_u16(status).unwrap(), &ErrorBody::parse(body.as_bytes(), false))
    }

    #[test]
    fn rate_limits_are_told_by_the_body_not_only_by_the_status() {
        let secondary = r#"{"errors":[{"code":"DENIED","message":"You have exceeded a secondary rate limit"}]}"#;
        assert_eq!(kind(403, secondary), ErrorKind::RateLimited);
        assert_eq!(kind(403, r#"{"errors":[{"code":"DENIED"}]}"#), ErrorKind::Forbidden);
        assert_eq!(kind(429, ""), ErrorKind::RateLimited);
    }

    #[test]
    fn statuses_keep_unknown_and_refused_apart() {
        for (status, expected) in [
            (401, ErrorKind::Unauthenticated),
            (408, ErrorKind::Unavailable),
            (425, ErrorKind::Unavailable),
            (500, ErrorKind::Unavailable),
            (503, ErrorKind::Unavailable),
            (501, ErrorKind::Refused),
            (400, ErrorKind::Refused),
            (413, ErrorKind::Refused),
            (303, ErrorKind::Malformed),
            (200, ErrorKind::Malformed),
        ] {
            assert_eq!(kind(status, ""), expected, "{status}");
        }
    }

    #[test]
    fn texts_are_one_clean_bounded_line() {
        let body = ErrorBody::parse(format!("a\u{1b}[2J\n{}", "x".repeat(5000)).as_bytes(), false);
        assert!(body.text.chars().count() <= MAX_ERROR_TEXT && !body.text.contains(['\u{1b}', '\n']));
        assert_eq!(ErrorBody::parse(b"<html>", true).text, "a web page");
        let envelope =
            ErrorBody::parse(br#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#, false);
        assert_eq!(envelope.text, "MANIFEST_UNKNOWN: manifest unknown");
        assert!(envelope.says_absent());
    }
}
