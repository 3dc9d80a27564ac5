//! The request log: what a client really sent, in order of arrival, and what it was answered.

use sha2::{Digest as _, Sha256};

/// One request as the registry saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Counted from 1 since the start, or since [`clear_log`](super::Registry::clear_log).
    pub number: u64,
    /// `GET`, `HEAD`, …
    pub method: String,
    /// Path and query, as sent.
    pub target: String,
    /// Status of the answer; `None` while it is being handled, or when no answer was sent.
    pub status: Option<u16>,
    /// How the request was authorized.
    pub credential: Credential,
    /// Bytes of the request body.
    pub received: u64,
    /// Bytes of the answer's body, 0 for HEAD.
    pub sent: u64,
    /// All other headers, names in lower case.
    pub headers: Vec<(String, String)>,
}

/// What the `Authorization` header held. Secrets are shown as a marker: the first 12 hex digits of their SHA-256.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// No header.
    None,
    /// `Basic`, with the marker of its value.
    Basic(String),
    /// `Bearer`, with the marker of the token.
    Bearer(String),
    /// Another scheme.
    Other(String),
}

impl Request {
    /// Whether an `Authorization` header was present.
    #[must_use]
    pub fn is_authorized(&self) -> bool {
        self.credential != Credential::None
    }

    /// The path without the query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// Whether the request asks to change something (not GET or HEAD), token requests aside.
    #[must_use]
    pub fn is_write(&self) -> bool {
        !matches!(self.method.as_str(), "GET" | "HEAD") && self.path() != "/token"
    }

    /// The value of a header, its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

impl std::fmt::Display for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let status = self.status.map_or("---".to_owned(), |s| s.to_string());
        write!(f, "{:4} {status} {} {}", self.number, self.method, self.target)
    }
}

impl Credential {
    pub(super) fn of(headers: &http::HeaderMap) -> Self {
        let Some(value) = headers.get("authorization") else { return Self::None };
        let value = String::from_utf8_lossy(value.as_bytes());
        let (scheme, secret) = value.split_once(' ').unwrap_or((&value, ""));
        match scheme.to_ascii_lowercase().as_str() {
            "basic" => Self::Basic(marker(secret)),
            "bearer" => Self::Bearer(marker(secret)),
            _ => Self::Other(marker(&value)),
        }
    }
}

/// The marker under which a secret appears in the log.
#[must_use]
pub fn marker(secret: &str) -> String {
    hex::encode(&Sha256::digest(secret.trim().as_bytes())[..6])
}

#[derive(Debug, Default)]
pub(super) struct Log {
    entries: Vec<Request>,
    /// Grows with every clearing, so that an answer that comes late does not change a newer entry.
    epoch: u64,
    last_number: u64,
}

/// Which entry of the log an answer belongs to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    epoch: u64,
    pub(super) number: u64,
}

impl Log {
    pub(super) fn arrive(&mut self, method: &http::Method, target: &str, headers: &http::HeaderMap) -> Entry {
        self.last_number += 1;
        let shown = headers.iter().filter(|(name, _)| *name != "authorization");
        self.entries.push(Request {
            number: self.last_number,
            method: method.to_string(),
            target: target.to_owned(),
            status: None,
            credential: Credential::of(headers),
            received: 0,
            sent: 0,
            headers: shown.map(|(n, v)| (n.to_string(), String::from_utf8_lossy(v.as_bytes()).into_owned())).collect(),
        });
        Entry { epoch: self.epoch, number: self.last_number }
    }

    pub(super) fn update(&mut self, entry: Entry, change: impl FnOnce(&mut Request)) {
        if entry.epoch == self.epoch
            && let Some(request) = self.entries.iter_mut().find(|r| r.number == entry.number)
        {
            change(request);
        }
    }

    pub(super) fn entry(&self, entry: Entry) -> Option<Request> {
        (entry.epoch == self.epoch).then(|| self.entries.iter().find(|r| r.number == entry.number).cloned()).flatten()
    }

    pub(super) fn entries(&self) -> Vec<Request> {
        self.entries.clone()
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.epoch += 1;
        self.last_number = 0;
    }
}
