//! From a connection to an answer: log, faults before, authorization, the route, faults after, and how the body is sent.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request as HttpRequest, State};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http::{Method, Uri};

use super::auth::{Auth, Challenge};
use super::call::Call;
use super::faults::{Effect, Fault, Faults, Place, RetryAfter};
use super::listener::Line;
use super::log::{Entry, Log};
use super::path::Route;
use super::query::Query;
use super::reply::Reply;
use super::store::Store;
use super::switches::Switch;
use super::token::token;
use super::upstream::forward;

/// What all requests share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) origin: String,
    pub(super) store: Mutex<Store>,
    pub(super) auth: Mutex<Auth>,
    pub(super) log: Mutex<Log>,
    pub(super) faults: Faults,
    /// Who answers instead of the store.
    pub(super) upstream: Option<String>,
}

/// How far a request came.
enum Outcome {
    Reply(Reply),
    /// The connection ends without an answer; `true` resets it.
    Silence {
        reset: bool,
    },
}

pub(super) async fn handle(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(line): ConnectInfo<Line>,
    request: HttpRequest,
) -> Response {
    let (parts, body) = request.into_parts();
    let target = parts.uri.path_and_query().map_or_else(String::new, ToString::to_string);
    let entry = lock(&shared.log).arrive(&parts.method, &target, &parts.headers);
    // A client that dies while sending leaves an entry without a status.
    let Ok(body) = axum::body::to_bytes(body, usize::MAX).await else {
        line.0.cut(false);
        return Response::new(Body::empty());
    };
    let received = body.len() as u64;
    lock(&shared.log).update(entry, |r| r.received = received);
    let effects = strike(&shared, entry);
    let outcome = perform(&shared, &parts, body, entry, &effects).await;
    match outcome {
        Outcome::Silence { reset } => {
            line.0.cut(reset);
            Response::new(Body::empty())
        }
        Outcome::Reply(reply) => send(&shared, reply, entry, &parts.method, &effects),
    }
}

fn strike(shared: &Shared, entry: Entry) -> Vec<(Place, Effect)> {
    let request = lock(&shared.log).entry(entry);
    request.map(|r| shared.faults.strike(&r)).unwrap_or_default()
}

async fn perform(
    shared: &Shared,
    parts: &http::request::Parts,
    body: Bytes,
    entry: Entry,
    effects: &[(Place, Effect)],
) -> Outcome {
    if let Some(latency) = shared.faults.switch(|s| if let Switch::Latency(d) = s { Some(*d) } else { None }) {
        tokio::time::sleep(latency).await;
    }
    if let Some(outcome) = apply(shared, entry, effects, Place::Before).await {
        return outcome;
    }
    let reply = match &shared.upstream {
        Some(address) => {
            let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
            forward(address, &parts.method, target, &parts.headers, &body).await
        }
        None => answer(shared, &parts.method, &parts.uri, &parts.headers, body),
    };
    apply(shared, entry, effects, Place::After).await.unwrap_or(Outcome::Reply(reply))
}

/// The registry without faults.
fn answer(shared: &Shared, method: &Method, uri: &Uri, headers: &http::HeaderMap, body: Bytes) -> Reply {
    let query = Query::parse(uri.query().unwrap_or_default());
    let route = Route::parse(uri.path());
    let mut auth = lock(&shared.auth);
    if route == Route::Token {
        return token(&mut auth, method, &query, headers, &body);
    }
    let foreign = shared.faults.switch(|s| if let Switch::ForeignRealm(r) = s { Some(r.clone()) } else { None });
    let realm = foreign.unwrap_or_else(|| format!("{}/token", shared.origin));
    let expired_is_forbidden = shared.faults.is_on(|s| matches!(s, Switch::ExpiredIsForbidden));
    if let Err(refusal) = auth.check(method, &route, headers, &Challenge { realm: &realm, expired_is_forbidden }) {
        return refusal;
    }
    let may_pull = |repository: &str| auth.may_pull(repository, headers);
    let mut store = lock(&shared.store);
    let call = Call {
        store: &mut store,
        faults: &shared.faults,
        origin: &shared.origin,
        method,
        query: &query,
        headers,
        body,
        may_pull: &may_pull,
    };
    call.answer(&route)
}

/// Does what the faults of this place say; the first that answers or ends the connection decides.
async fn apply(shared: &Shared, entry: Entry, effects: &[(Place, Effect)], place: Place) -> Option<Outcome> {
    for (_, effect) in effects.iter().filter(|(p, _)| *p == place) {
        let outcome = match effect {
            Effect::Stop(point) => {
                if let Some(request) = lock_entry(shared, entry) {
                    point.clone().hold(request).await;
                }
                Some(Outcome::Silence { reset: false })
            }
            Effect::Fault(fault) => strike_with(fault).await,
        };
        if outcome.is_some() {
            return outcome;
        }
    }
    None
}

fn lock_entry(shared: &Shared, entry: Entry) -> Option<super::log::Request> {
    lock(&shared.log).entry(entry)
}

async fn strike_with(fault: &Fault) -> Option<Outcome> {
    let reply = match fault {
        Fault::Status(status) => Reply::error(*status, code(*status), "a fault was asked for"),
        Fault::RateLimited(after) => rate_limited(after),
        Fault::SecondaryRateLimit => Reply::error(
            403,
            "DENIED",
            "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
        ),
        Fault::Redirect(status, target) => Reply::new(*status).header("location", target.clone()),
        Fault::Answer(status, headers, body) => {
            Reply { status: *status, headers: headers.clone(), body: Bytes::from(body.clone()) }
        }
        Fault::Delay(time) => {
            tokio::time::sleep(*time).await;
            return None;
        }
        Fault::Reset => return Some(Outcome::Silence { reset: true }),
        Fault::Close => return Some(Outcome::Silence { reset: false }),
        Fault::WrongBytes | Fault::TruncatedBody | Fault::EndlessBody => return None,
    };
    Some(Outcome::Reply(reply))
}

fn code(status: u16) -> &'static str {
    match status {
        401 => "UNAUTHORIZED",
        403 => "DENIED",
        404 => "NAME_UNKNOWN",
        405 => "UNSUPPORTED",
        429 => "TOOMANYREQUESTS",
        503 => "UNAVAILABLE",
        _ => "UNKNOWN",
    }
}

fn rate_limited(after: &RetryAfter) -> Reply {
    let plain = || Reply::error(429, "TOOMANYREQUESTS", "rate limit exceeded");
    match after {
        RetryAfter::Silent => plain(),
        RetryAfter::Seconds(seconds) => plain().header("retry-after", seconds.to_string()),
        RetryAfter::Date(date) => plain().header("retry-after", date.clone()),
        RetryAfter::Milliseconds(ms) => {
            Reply::error(429, "TOOMANYREQUESTS", &format!("retry-after: {ms}ms, allowed: 2000/minute"))
        }
    }
}

/// Logs the answer and sends it, its body damaged if a fault says so.
fn send(shared: &Shared, reply: Reply, entry: Entry, method: &Method, effects: &[(Place, Effect)]) -> Response {
    let bytes = reply.body.clone();
    let sent = if *method == Method::HEAD { 0 } else { bytes.len() as u64 };
    lock(&shared.log).update(entry, |r| (r.status, r.sent) = (Some(reply.status), sent));
    let damage = effects.iter().find_map(|(_, e)| match e {
        Effect::Fault(f @ (Fault::WrongBytes | Fault::TruncatedBody | Fault::EndlessBody)) => Some(f),
        Effect::Fault(_) | Effect::Stop(_) => None,
    });
    let length = bytes.len().to_string();
    match damage {
        _ if matches!(reply.status, 204 | 304) => reply.into_response(Body::empty()),
        Some(Fault::TruncatedBody) => reply.header("content-length", length).into_response(truncated(&bytes)),
        Some(Fault::EndlessBody) => reply.into_response(endless()),
        Some(Fault::WrongBytes) => reply.header("content-length", length).into_response(Body::from(flipped(&bytes))),
        // A real registry told the length of what HEAD leaves out.
        _ if *method == Method::HEAD && shared.upstream.is_some() => reply.into_response(Body::empty()),
        _ => reply.without("content-length").header("content-length", length).into_response(Body::from(bytes)),
    }
}

fn flipped(bytes: &Bytes) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    let middle = changed.len() / 2;
    if let Some(byte) = changed.get_mut(middle) {
        *byte ^= 1;
    }
    changed
}

fn truncated(bytes: &Bytes) -> Body {
    let half = bytes.slice(..bytes.len() / 2);
    let parts = stream::unfold(Some(half), |state| async move {
        match state {
            Some(half) => Some((Ok(half), None)),
            None => {
                // The half has to leave before the error ends the connection.
                tokio::time::sleep(Duration::from_millis(20)).await;
                Some((Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset)), None))
            }
        }
    });
    Body::from_stream(parts)
}

fn endless() -> Body {
    let chunk = Bytes::from_static(&[b' '; 16 * 1024]);
    Body::from_stream(stream::unfold(chunk, |chunk| async move {
        tokio::task::yield_now().await;
        Some((Ok::<_, Infallible>(chunk.clone()), chunk))
    }))
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
