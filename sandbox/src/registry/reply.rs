//! Answers of the registry: distribution error JSON and a short way to build responses.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::json;

/// An answer whose body is complete, so that faults can change it before it is sent.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: bytes::Bytes,
}

impl Reply {
    pub(super) fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: bytes::Bytes::new() }
    }

    pub(super) fn json(status: u16, value: &serde_json::Value) -> Self {
        Self::new(status).header("content-type", "application/json").body(value.to_string().into_bytes())
    }

    /// The error envelope of the distribution specification.
    pub(super) fn error(status: u16, code: &str, message: &str) -> Self {
        Self::json(status, &json!({"errors": [{"code": code, "message": message, "detail": null}]}))
    }

    pub(super) fn text(status: u16, text: &str) -> Self {
        Self::new(status).header("content-type", "text/plain; charset=utf-8").body(text.as_bytes().to_vec())
    }

    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn body(mut self, body: impl Into<bytes::Bytes>) -> Self {
        self.body = body.into();
        self
    }

    pub(super) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(n, _)| *n != name);
        self
    }

    /// Status and headers, with the given body. A length already among the headers stays.
    pub(super) fn into_response(self, body: Body) -> Response {
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().append(HeaderName::from_static(name), value);
            }
        }
        response
    }
}
