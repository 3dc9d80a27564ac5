//! A second origin that records what it is sent: for foreign realms and redirects that try to carry credentials away.

use std::io;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request as HttpRequest, State};
use axum::response::Response;

use super::listener::{CuttableListener, Lines, bind};
use super::reply::Reply;
use super::server::{Shared, lock};

/// A tiny server on a port of its own. Ends when dropped.
#[derive(Debug)]
pub struct Trap {
    origin: String,
    caught: Arc<Mutex<Vec<Caught>>>,
    lines: Lines,
    task: tokio::task::JoinHandle<()>,
}

/// What a trap was sent. Nothing is hidden: the credentials are what the test looks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caught {
    /// `GET`, `POST`, …
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// What a trap answers.
#[derive(Debug, Clone)]
pub enum Bait {
    /// This status and body.
    Answer(u16, Vec<u8>),
    /// A token, as a token endpoint would: `{"token": …}`.
    Token(String),
    /// The blob whose digest is the last part of the path, from the registry that made the trap.
    Blobs,
}

struct Trapped {
    caught: Arc<Mutex<Vec<Caught>>>,
    bait: Bait,
    registry: Option<Arc<Shared>>,
}

impl Caught {
    /// The value of a header, its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

impl Trap {
    /// Starts a trap with this bait. `Bait::Blobs` finds nothing here: use [`Registry::trap`](super::Registry::trap).
    ///
    /// # Errors
    /// When no loopback port is free.
    pub async fn start(bait: Bait) -> io::Result<Self> {
        Self::with_registry(bait, None).await
    }

    pub(super) async fn with_registry(bait: Bait, registry: Option<Arc<Shared>>) -> io::Result<Self> {
        let (listener, address) = bind(0).await?;
        let caught = Arc::<Mutex<Vec<Caught>>>::default();
        let lines = Lines::default();
        let state = Arc::new(Trapped { caught: caught.clone(), bait, registry });
        let router = Router::new().fallback(catch).with_state(state);
        let listener = CuttableListener { listener, lines: lines.clone() };
        let task = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { origin: format!("http://{address}"), caught, lines, task })
    }

    /// `http://127.0.0.1:PORT`
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// What was caught until now, in order.
    #[must_use]
    pub fn caught(&self) -> Vec<Caught> {
        lock(&self.caught).clone()
    }

    /// Whether any request carried an `Authorization` header or a form with a secret.
    #[must_use]
    pub fn caught_a_secret(&self) -> bool {
        let secret = |c: &Caught| {
            let body = String::from_utf8_lossy(&c.body).into_owned();
            c.header("authorization").is_some()
                || c.header("cookie").is_some()
                || ["password=", "refresh_token="].iter().any(|s| body.contains(s) || c.target.contains(s))
        };
        self.caught().iter().any(secret)
    }
}

impl Drop for Trap {
    fn drop(&mut self) {
        self.task.abort();
        self.lines.cut_all();
    }
}

async fn catch(State(trap): State<Arc<Trapped>>, request: HttpRequest) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    let text = |v: &http::HeaderValue| String::from_utf8_lossy(v.as_bytes()).into_owned();
    lock(&trap.caught).push(Caught {
        method: parts.method.to_string(),
        target: parts.uri.path_and_query().map_or_else(String::new, ToString::to_string),
        headers: parts.headers.iter().map(|(n, v)| (n.to_string(), text(v))).collect(),
        body: body.to_vec(),
    });
    let reply = match &trap.bait {
        Bait::Answer(status, body) => Reply::new(*status).body(body.clone()),
        Bait::Token(token) => Reply::json(200, &serde_json::json!({"token": token, "access_token": token})),
        Bait::Blobs => {
            let digest = parts.uri.path().rsplit('/').next().unwrap_or_default();
            let found = trap.registry.as_ref().and_then(|r| lock(&r.store).any_blob(digest));
            found.map_or_else(|| Reply::text(404, "no such blob\n"), |bytes| Reply::new(200).body(bytes))
        }
    };
    let body = Body::from(reply.body.clone());
    reply.into_response(body)
}
