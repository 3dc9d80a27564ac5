//! The registry's log, content, switches and faults over HTTP, for scripts. On a port of its own, never the registry's.
//!
//! `GET|DELETE /log` · `GET /snapshot` · `PUT|DELETE /switches/NAME[=VALUE]` · `DELETE /switches` ·
//! `POST /faults?fault=NAME[=VALUE]&place=before|after` and `POST /stop?place=…`, both with the choice of
//! [`When`] (`request`, or `method`, `path`, `nth`, `first`, `from`) · `DELETE /faults` · `POST /release`.
//! `POST /stop` answers when a request is held there; `release` lets it go.

use std::io;
use std::sync::{Arc, Mutex};

use anyhow::{Result, anyhow};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request as HttpRequest, State};
use axum::response::Response;
use serde_json::{Value, json};

use super::faults::{Fault, Place, Stop, When};
use super::listener::{CuttableListener, Lines, bind};
use super::log::Request;
use super::query::Query;
use super::reply::Reply;
use super::server::{Shared, lock};
use super::store::Snapshot;
use super::switches::Switch;

/// A running control port. Ends when dropped.
#[derive(Debug)]
pub struct Control {
    origin: String,
    lines: Lines,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Debug)]
struct Controlled {
    registry: Arc<Shared>,
    stops: Mutex<Vec<Stop>>,
}

impl Control {
    pub(super) async fn start(registry: Arc<Shared>) -> io::Result<Self> {
        let (listener, address) = bind(0).await?;
        let lines = Lines::default();
        let state = Arc::new(Controlled { registry, stops: Mutex::default() });
        let router = Router::new().fallback(handle).with_state(state);
        let listener = CuttableListener { listener, lines: lines.clone() };
        let task = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { origin: format!("http://{address}"), lines, task })
    }

    /// `http://127.0.0.1:PORT`
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.task.abort();
        self.lines.cut_all();
    }
}

async fn handle(State(controlled): State<Arc<Controlled>>, request: HttpRequest) -> Response {
    let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
    let reply = match command(&controlled, request.method().as_str(), path, query).await {
        Ok(value) => Reply::json(200, &value),
        Err(error) => Reply::json(400, &json!({"error": format!("{error:#}")})),
    };
    let body = Body::from(reply.body.clone());
    reply.into_response(body)
}

async fn command(controlled: &Controlled, method: &str, path: &str, query: &str) -> Result<Value> {
    let registry = &controlled.registry;
    let fields = Query::parse(query);
    let place = || fields.first("place").unwrap_or("before").parse::<Place>();
    if let Some(name) = path.strip_prefix("/switches/") {
        let switch: Switch = Query::parse(&format!("x={name}")).first("x").unwrap_or_default().parse()?;
        match method {
            "PUT" => registry.faults.on(switch),
            "DELETE" => registry.faults.off(&switch),
            _ => return Err(anyhow!("PUT or DELETE a switch")),
        }
        return Ok(json!({}));
    }
    match (method, path) {
        ("GET", "/log") => return Ok(lock(&registry.log).entries().iter().map(request_json).collect()),
        ("DELETE", "/log") => lock(&registry.log).clear(),
        ("GET", "/snapshot") => return Ok(snapshot_json(&lock(&registry.store).snapshot())),
        ("DELETE", "/switches") => registry.faults.clear_switches(),
        ("POST", "/faults") => {
            let fault: Fault = fields.first("fault").ok_or_else(|| anyhow!("fault is missing"))?.parse()?;
            registry.faults.add(query.parse::<When>()?, place()?, fault);
        }
        ("DELETE", "/faults") => registry.faults.clear_faults(),
        ("POST", "/stop") => {
            let mut stop = registry.faults.stop(query.parse::<When>()?, place()?);
            let held = stop.wait_for_stop().await.ok_or_else(|| anyhow!("the stop was cleared"))?;
            lock(&controlled.stops).push(stop);
            return Ok(request_json(&held));
        }
        ("POST", "/release") => lock(&controlled.stops).clear(),
        _ => return Err(anyhow!("no command {method} {path}")),
    }
    Ok(json!({}))
}

fn request_json(request: &Request) -> Value {
    json!({
        "number": request.number,
        "method": request.method,
        "target": request.target,
        "status": request.status,
        "authorized": request.is_authorized(),
        "received": request.received,
        "sent": request.sent,
    })
}

fn snapshot_json(snapshot: &Snapshot) -> Value {
    let repositories = snapshot.repositories.iter().map(|(name, r)| {
        let manifests: Vec<&String> = r.manifests.keys().collect();
        (name.clone(), json!({"tags": r.tags, "manifests": manifests, "blobs": r.blobs}))
    });
    Value::Object(repositories.collect())
}
