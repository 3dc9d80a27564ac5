//! A small GitHub: the attestations and the comparison of commits of its REST API, and the store where bundles lie, each on
//! an origin of its own so that a test sees what was sent to which.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request as HttpRequest, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// How the list hands out bundles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// `bundle: null` and the address of a Snappy block, as since July 2026.
    #[default]
    Stored,
    /// The address of plain JSON.
    StoredPlain,
    /// Inline, as before.
    Inline,
    /// An address where nothing lies.
    Lost,
    /// Neither bundle nor address.
    Neither,
}

/// What goes wrong with every request to the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    Status(u16),
    /// As [`Self::Status`], so many times.
    FirstStatus(u16, usize),
    /// 403 with no requests left.
    RateLimited,
    /// 301 to this address and the path.
    Redirect(String),
    /// 301 once, to the same origin.
    Renamed,
    /// The list's `Link` leads here.
    NextPage(String),
    /// 200 and this.
    Answer(Vec<u8>),
    Slow(Duration),
    /// 200 and more bytes than anybody reads.
    Endless,
}

/// One request, with what it carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// `api` or `store`.
    pub origin: &'static str,
    /// Path and query.
    pub target: String,
    pub authorization: Option<String>,
}

#[derive(Debug, Default)]
struct Inner {
    /// By `OWNER/REPO` in lower case and digest.
    attestations: BTreeMap<(String, String), Vec<String>>,
    /// `status` by `BASE...HEAD`.
    relations: BTreeMap<String, String>,
    delivery: Delivery,
    /// Entries per page, whatever is asked for.
    page: usize,
    /// Who lacks this token is told 404.
    private: Option<String>,
    fault: Option<Fault>,
    log: Vec<Request>,
    store: String,
}

/// The two servers. They end when this is dropped.
#[derive(Debug)]
pub struct GitHub {
    api: String,
    inner: Arc<Mutex<Inner>>,
    tasks: [JoinHandle<()>; 2],
}

impl GitHub {
    /// # Errors
    /// When no loopback port is free.
    pub async fn start() -> io::Result<Self> {
        let (api, store) = (TcpListener::bind("127.0.0.1:0").await?, TcpListener::bind("127.0.0.1:0").await?);
        let origin = |listener: &TcpListener| Ok::<_, io::Error>(format!("http://{}", listener.local_addr()?));
        let (address, store_address) = (origin(&api)?, origin(&store)?);
        let inner = Arc::new(Mutex::new(Inner { store: store_address, page: 30, ..Inner::default() }));
        let serve = |listener: TcpListener, router: Router| {
            tokio::spawn(async move {
                let _ = axum::serve(listener, router).await;
            })
        };
        let tasks = [
            serve(api, Router::new().fallback(answer).with_state(inner.clone())),
            serve(store, Router::new().fallback(stored).with_state(inner.clone())),
        ];
        Ok(Self { api: address, inner, tasks })
    }

    /// `http://127.0.0.1:PORT`
    #[must_use]
    pub fn api(&self) -> &str {
        &self.api
    }

    /// Keeps a bundle about `digest` for `OWNER/REPO`.
    pub fn attest(&self, repository: &str, digest: &str, bundle: impl Into<String>) {
        let key = (repository.to_lowercase(), digest.to_owned());
        lock(&self.inner).attestations.entry(key).or_default().push(bundle.into());
    }

    /// What a comparison of these commits says.
    pub fn relate(&self, base: &str, head: &str, status: &str) {
        lock(&self.inner).relations.insert(format!("{base}...{head}"), status.to_owned());
    }

    pub fn deliver(&self, delivery: Delivery) {
        lock(&self.inner).delivery = delivery;
    }

    /// Entries per page from now on.
    pub fn pages_of(&self, entries: usize) {
        lock(&self.inner).page = entries;
    }

    /// From now on only this token sees anything.
    pub fn private(&self, token: &str) {
        lock(&self.inner).private = Some(token.to_owned());
    }

    /// What goes wrong from now on.
    pub fn fault(&self, fault: Option<Fault>) {
        lock(&self.inner).fault = fault;
    }

    /// Every request so far.
    #[must_use]
    pub fn log(&self) -> Vec<Request> {
        lock(&self.inner).log.clone()
    }
}

impl Drop for GitHub {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

fn lock(inner: &Mutex<Inner>) -> MutexGuard<'_, Inner> {
    inner.lock().unwrap_or_else(PoisonError::into_inner)
}

fn note(inner: &Mutex<Inner>, origin: &'static str, request: &HttpRequest) -> Option<String> {
    let authorization = request.headers().get(header::AUTHORIZATION);
    let authorization = authorization.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let target = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    lock(inner).log.push(Request { origin, target, authorization: authorization.clone() });
    authorization
}

async fn answer(State(inner): State<Arc<Mutex<Inner>>>, request: HttpRequest) -> Response {
    let authorization = note(&inner, "api", &request);
    let target = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    let fault = take(&mut lock(&inner));
    let message = |text: &str| json!({"message": text}).to_string();
    let status = |code: u16| (StatusCode::from_u16(code).unwrap_or_default(), message("failed")).into_response();
    match fault {
        Some(Fault::Status(code) | Fault::FirstStatus(code, _)) => return status(code),
        Some(Fault::RateLimited) => {
            let headers = [("x-ratelimit-remaining", "0"), ("x-ratelimit-limit", "60")];
            return (StatusCode::FORBIDDEN, headers, message("API rate limit exceeded for 127.0.0.1.")).into_response();
        }
        Some(Fault::Redirect(origin)) => return moved(&format!("{origin}{target}")),
        Some(Fault::Renamed) => return moved(&target),
        Some(Fault::Answer(body)) => return body.into_response(),
        Some(Fault::Slow(delay)) => tokio::time::sleep(delay).await,
        Some(Fault::Endless) => return vec![b' '; 20 << 20].into_response(),
        Some(Fault::NextPage(_)) | None => {}
    }
    let next = match fault {
        Some(Fault::NextPage(next)) => Some(next),
        _ => None,
    };
    let state = lock(&inner);
    let token = state.private.as_ref().map(|token| format!("Bearer {token}"));
    if token.is_some() && token != authorization {
        return (StatusCode::NOT_FOUND, message("Not Found")).into_response();
    }
    let path: Vec<&str> = request.uri().path().split('/').skip(1).collect();
    match path.as_slice() {
        ["repos", owner, repository, "attestations", digest] => {
            let key = (format!("{owner}/{repository}").to_lowercase(), (*digest).to_owned());
            list(&state, &key, request.uri().path(), request.uri().query().unwrap_or_default(), next)
        }
        ["repos", _, _, "compare", range] => match state.relations.get(*range) {
            Some(status) => json!({"status": status, "commits": []}).to_string().into_response(),
            None => (StatusCode::NOT_FOUND, message("Not Found")).into_response(),
        },
        _ => (StatusCode::NOT_FOUND, message("Not Found")).into_response(),
    }
}

/// The fault of this request; those that end by themselves are used up.
fn take(inner: &mut Inner) -> Option<Fault> {
    let fault = inner.fault.clone();
    inner.fault = match fault.clone() {
        Some(Fault::FirstStatus(code, times)) if times > 1 => Some(Fault::FirstStatus(code, times - 1)),
        Some(Fault::FirstStatus(..) | Fault::Renamed) => None,
        other => other,
    };
    fault
}

fn moved(target: &str) -> Response {
    (StatusCode::MOVED_PERMANENTLY, [(header::LOCATION, target.to_owned())]).into_response()
}

fn list(inner: &Inner, key: &(String, String), path: &str, query: &str, next: Option<String>) -> Response {
    let Some(bundles) = inner.attestations.get(key) else {
        return (StatusCode::NOT_FOUND, json!({"message": "Not Found"}).to_string()).into_response();
    };
    let after = query.split('&').find_map(|pair| pair.strip_prefix("after=")?.parse::<usize>().ok()).unwrap_or(0);
    let entry = |at: usize, bundle: &String| match inner.delivery {
        Delivery::Inline => json!({"bundle": serde_json::from_str::<Value>(bundle).unwrap_or_default()}),
        Delivery::Neither => json!({"bundle": null, "repository_id": 1}),
        Delivery::Stored | Delivery::StoredPlain | Delivery::Lost => {
            let address = format!("{}/{}/{}/{at}.json.sn?sig=secret", inner.store, key.0, key.1);
            json!({"bundle": null, "bundle_url": address, "initiator": "user"})
        }
    };
    let all = bundles.iter().enumerate().skip(after).take(inner.page);
    let entries: Vec<Value> = all.map(|(at, bundle)| entry(at, bundle)).collect();
    let more = after + entries.len() < bundles.len();
    let next = next.or_else(|| more.then(|| format!("{path}?per_page=30&after={}", after + inner.page)));
    let mut headers = HeaderMap::new();
    if let Some(link) = next.and_then(|next| format!("<{next}>; rel=\"next\"").parse().ok()) {
        headers.insert(header::LINK, link);
    }
    (headers, json!({"attestations": entries}).to_string()).into_response()
}

async fn stored(State(inner): State<Arc<Mutex<Inner>>>, request: HttpRequest) -> Response {
    note(&inner, "store", &request);
    let state = lock(&inner);
    let path: Vec<&str> = request.uri().path().split('/').skip(1).collect();
    let found = match path.as_slice() {
        [owner, repository, digest, file] => {
            let at = file.split('.').next().and_then(|at| at.parse::<usize>().ok()).unwrap_or(usize::MAX);
            state.attestations.get(&(format!("{owner}/{repository}"), (*digest).to_owned())).and_then(|all| all.get(at))
        }
        _ => None,
    };
    match (found, state.delivery) {
        (None, _) | (_, Delivery::Lost) => StatusCode::NOT_FOUND.into_response(),
        (Some(bundle), Delivery::StoredPlain) => bundle.clone().into_response(),
        (Some(bundle), _) => match snap::raw::Encoder::new().compress_vec(bundle.as_bytes()) {
            Ok(block) => ([(header::CONTENT_TYPE, "application/x-snappy")], block).into_response(),
            Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        },
    }
}
