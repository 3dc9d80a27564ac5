//! One request and its answer: authorisation, time-out, limiter, and what failing statuses mean.
//!
//! The only place that puts an `Authorization` header on a request, and only if the address belongs to the registry
//! (I11). What a good answer means is for the callers in the sibling files.

use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use tokio::time::Instant;
use url::Url;

use crate::causes::innermost;
use crate::registry::http::auth::{Auth, Authorization};
use crate::registry::http::challenge::parse_challenges;
use crate::registry::http::clients::Clients;
use crate::registry::http::endpoint::Endpoint;
use crate::registry::http::error_body::{ErrorBody, classify};
use crate::registry::http::limiter::{Direction, Limiter, NoPlace, Permit};
use crate::registry::http::limits::{FIRST_PAUSE, MAX_ERROR_BODY, MAX_RETRY_AFTER, MIN_UPLOAD_RATE};
use crate::registry::http::retry::{Budget, Failure, Retry, retrying};
use crate::registry::http::retry_after::parse_retry_after;
use crate::registry::http::token::Scope;
use crate::registry::http::warning::Warnings;
use crate::registry::{ErrorKind, RegistryError, StopSignal};

/// A request to a registry, or to where it sends us.
#[derive(Debug, Clone)]
pub(super) struct Call<'a> {
    pub(super) operation: &'static str,
    /// What the request is about, for errors.
    pub(super) subject: &'a str,
    pub(super) endpoint: &'a Endpoint,
    pub(super) scope: &'a Scope,
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) direction: Direction,
    pub(super) deadline: Instant,
}

impl Call<'_> {
    pub(super) fn error(&self, kind: ErrorKind, message: impl Into<String>) -> RegistryError {
        RegistryError::new(kind, self.operation, self.subject, message)
    }

    pub(super) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }
}

/// An answer with a status that its caller interprets, its body unread. Holds its place in the limiter.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) response: reqwest::Response,
    _permit: Permit,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The media type without parameters, lower case.
    pub(super) fn media_type(&self) -> Option<String> {
        let value = self.header(CONTENT_TYPE.as_str())?;
        Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
    }

    pub(super) fn is_html(&self) -> bool {
        self.media_type().is_some_and(|media_type| media_type == "text/html")
    }
}

/// Everything that requests share.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) clients: Clients,
    pub(super) limiter: Limiter,
    pub(super) budget: Budget,
    pub(super) auth: Auth,
    pub(super) warnings: Warnings,
    pub(super) request_timeout: Duration,
    pub(super) stop: StopSignal,
}

impl Exchange {
    /// Sends until there is an answer whose meaning is the caller's: 2xx, 3xx, or a 4xx other than 401, 403, 408, 425
    /// and 429, or 501.
    pub(super) async fn send(&self, call: &Call<'_>) -> Result<Answer, RegistryError> {
        retrying(call.deadline, &self.budget, || self.attempt(call)).await
    }

    /// As [`Self::send`], with the body of at most `cap` bytes; a body cut short is fetched again.
    pub(super) async fn fetch(&self, call: &Call<'_>, cap: u64) -> Result<(Answer, Bytes), RegistryError> {
        retrying(call.deadline, &self.budget, || async {
            let mut answer = self.attempt(call).await?;
            let body = self.read(call, &mut answer, cap).await.map_err(Failure::by_kind)?;
            Ok((answer, body))
        })
        .await
    }

    /// One request; one more with new authorisation if the registry wants some or finds ours expired.
    pub(super) async fn attempt(&self, call: &Call<'_>) -> Result<Answer, Failure> {
        if self.stop.is_requested() {
            let message = "not sent: this run was asked to stop";
            return Err(Failure::fatal(call.error(ErrorKind::Unavailable, message)));
        }
        let ours = call.endpoint.owns(&call.url);
        let mut renewed = false;
        loop {
            let authorization = if ours { self.auth.authorize(self, call).await? } else { Authorization::none() };
            let mut answer = self.transmit(call, authorization.header()).await?;
            self.warnings.collect(&call.endpoint.registry, &answer.headers, |text| self.auth.scrub(text));
            if !is_failure(answer.status) {
                self.limiter.good(&call.url, call.direction);
                return Ok(answer);
            }
            let challenges =
                if answer.status == StatusCode::UNAUTHORIZED { challenges_of(&answer) } else { Vec::new() };
            let body = self.error_body(call, &mut answer).await;
            let expired = answer.status == StatusCode::FORBIDDEN && authorization.is_some() && body.says_expired();
            let wanted = answer.status == StatusCode::UNAUTHORIZED && !challenges.is_empty();
            if !ours || renewed || !(wanted || expired) {
                return Err(self.failure(call, &answer, &body));
            }
            // The answer's place is needed by the next request.
            drop(answer);
            self.auth.renew(call, &challenges, authorization).await?;
            renewed = true;
        }
    }

    /// Sends over the wire and waits for the headers.
    pub(super) async fn transmit(
        &self,
        call: &Call<'_>,
        authorization: Option<&HeaderValue>,
    ) -> Result<Answer, Failure> {
        let timed_out = |_| {
            let message = format!("no answer from {} in time", host_of(&call.url));
            Failure::by_kind(call.error(ErrorKind::Unavailable, message))
        };
        let permit = self.limiter.enter(&call.url, call.direction, call.deadline).await.map_err(|no_place| {
            let (kind, why) = match no_place {
                NoPlace::Busy => (ErrorKind::Unavailable, "other requests took all the time"),
                NoPlace::Limited => {
                    (ErrorKind::RateLimited, "the registry asked for a longer pause than there is time")
                }
            };
            Failure::fatal(call.error(kind, format!("not sent to {}: {why}", host_of(&call.url))))
        })?;
        let upload_time = Duration::from_secs(call.body.len() as u64 / MIN_UPLOAD_RATE);
        let limit = call.deadline.min(Instant::now() + self.request_timeout + upload_time);
        let mut request = reqwest::Request::new(call.method.clone(), call.url.clone());
        *request.headers_mut() = call.headers.clone();
        if let Some(authorization) = authorization {
            request.headers_mut().insert(AUTHORIZATION, authorization.clone());
        }
        if matches!(call.method, Method::PUT | Method::POST | Method::PATCH) {
            *request.body_mut() = Some(call.body.clone().into());
        }
        let client = self.clients.client(&call.endpoint.registry, &call.url);
        let response = tokio::time::timeout_at(limit, client.execute(request)).await.map_err(timed_out)?;
        let response = response.map_err(|error| {
            let verb = if error.is_connect() { "cannot connect to" } else { "no answer from" };
            let message = format!("{verb} {}: {}", host_of(&call.url), innermost(&error));
            Failure::by_kind(call.error(ErrorKind::Unavailable, message))
        })?;
        let (status, headers) = (response.status(), response.headers().clone());
        Ok(Answer { status, headers, response, _permit: permit })
    }

    /// The body, capped while it is read. Silence for longer than the request time-out is an error.
    pub(super) async fn read(&self, call: &Call<'_>, answer: &mut Answer, cap: u64) -> Result<Bytes, RegistryError> {
        let too_long = || call.error(ErrorKind::Limit, format!("answer is longer than {cap} bytes"));
        if answer.response.content_length().is_some_and(|length| length > cap) {
            return Err(too_long());
        }
        let mut body = Vec::new();
        loop {
            let limit = call.deadline.min(Instant::now() + self.request_timeout);
            let chunk = tokio::time::timeout_at(limit, answer.response.chunk()).await;
            let chunk = chunk.map_err(|_| call.error(ErrorKind::Unavailable, "answer stalled"))?;
            let chunk = chunk.map_err(|why| {
                call.error(ErrorKind::Unavailable, format!("answer was cut short: {}", innermost(&why)))
            })?;
            let Some(chunk) = chunk else { return Ok(body.into()) };
            if (body.len() + chunk.len()) as u64 > cap {
                return Err(too_long());
            }
            body.extend_from_slice(&chunk);
        }
    }

    /// The error that an answer with an unwanted status amounts to.
    pub(super) async fn refusal(&self, call: &Call<'_>, answer: &mut Answer) -> RegistryError {
        self.judge(call, answer).await.error
    }

    /// As [`Self::refusal`], for an answer whose body was read.
    pub(super) fn rejection(&self, call: &Call<'_>, answer: &Answer, body: &[u8]) -> RegistryError {
        self.failure(call, answer, &ErrorBody::parse(body, answer.is_html())).error
    }

    /// As [`Self::refusal`], with whether it may pass by itself.
    pub(super) async fn judge(&self, call: &Call<'_>, answer: &mut Answer) -> Failure {
        let body = self.error_body(call, answer).await;
        self.failure(call, answer, &body)
    }

    /// What the error says; an unreadable body says nothing.
    pub(super) async fn error_body(&self, call: &Call<'_>, answer: &mut Answer) -> ErrorBody {
        let is_html = answer.is_html();
        match self.read(call, answer, MAX_ERROR_BODY).await {
            Ok(bytes) => ErrorBody::parse(&bytes, is_html),
            Err(_) => ErrorBody::default(),
        }
    }

    pub(super) fn failure(&self, call: &Call<'_>, answer: &Answer, body: &ErrorBody) -> Failure {
        let kind = classify(answer.status, body);
        let mut message = status_line(answer.status);
        if !call.endpoint.owns(&call.url) {
            message = format!("{message} from {}", host_of(&call.url));
        }
        if !body.text.is_empty() {
            message = format!("{message}: {}", self.auth.scrub(&body.text));
        }
        let retry = if matches!(kind, ErrorKind::Unavailable | ErrorKind::RateLimited) {
            let now = jiff::Timestamp::try_from(std::time::SystemTime::now()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
            let asked = answer.header(RETRY_AFTER.as_str()).and_then(|text| parse_retry_after(text, now));
            let after = asked.or(body.retry_after());
            if kind == ErrorKind::RateLimited {
                self.limiter.limited(&call.url, call.direction, after.unwrap_or(FIRST_PAUSE).min(MAX_RETRY_AFTER));
            }
            Retry::Again { after }
        } else {
            Retry::Never
        };
        Failure { error: call.error(kind, message), retry }
    }
}

fn is_failure(status: StatusCode) -> bool {
    matches!(status.as_u16(), 401 | 403 | 408 | 425 | 429) || (status.is_server_error() && status != 501)
}

fn challenges_of(answer: &Answer) -> Vec<crate::registry::http::challenge::Challenge> {
    let values = answer.headers.get_all(http::header::WWW_AUTHENTICATE).iter();
    values.filter_map(|value| value.to_str().ok()).flat_map(parse_challenges).collect()
}

/// `403 Forbidden`.
pub(super) fn status_line(status: StatusCode) -> String {
    match status.canonical_reason() {
        Some(reason) => format!("{} {reason}", status.as_u16()),
        None => status.as_u16().to_string(),
    }
}

/// Scheme, host and port; never path or query, which may hold a signature.
pub(super) fn host_of(url: &Url) -> String {
    url.origin().ascii_serialization()
}
