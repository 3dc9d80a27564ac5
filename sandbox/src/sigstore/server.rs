//! One loopback server per service: port 0, request log, fault table. A connection can be closed without an answer by
//! poisoning its stream, so a fault looks to the client like a crashed server, not like an error status.

use super::{
    faults::{Effect, Effects, Faults, Service},
    request_log::{Request, RequestLog},
};
use anyhow::{Context as _, Result};
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{ConnectInfo, State, connect_info::Connected},
    http::{StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse as _, Response},
    serve::{IncomingStream, Listener},
};
use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// The largest request body; nothing that a client sends here comes near it.
const MAX_BODY: usize = 8 << 20;

/// What every server shares.
#[derive(Clone, Debug, Default)]
pub(super) struct Shared {
    pub faults: Arc<Faults>,
    pub log: Arc<RequestLog>,
    pub stopped: Arc<AtomicBool>,
}

/// A bound port, not yet served: its address goes into documents that other services need first.
#[derive(Debug)]
pub(super) struct Port {
    listener: TcpListener,
    pub url: String,
}

impl Port {
    pub(super) async fn bind() -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("cannot listen on loopback")?;
        let url = format!("http://{}", listener.local_addr()?);
        Ok(Self { listener, url })
    }

    /// Serve until the handle is aborted.
    pub(super) fn serve(self, service: Service, routes: Router, shared: Shared) -> JoinHandle<()> {
        let app = routes.layer(from_fn_with_state((service, shared), intercept));
        let app = app.into_make_service_with_connect_info::<Kill>();
        tokio::spawn(async move {
            let _ = axum::serve(Loopback(self.listener), app).await;
        })
    }
}

/// Log the request, apply what the fault table says, run the handler.
async fn intercept(
    State((service, shared)): State<(Service, Shared)>,
    ConnectInfo(kill): ConnectInfo<Kill>,
    request: axum::extract::Request,
    next: Next,
) -> Response {
    let (number, effects) = shared.faults.next(service);
    let (mut parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let mut entry = Request {
        service,
        number,
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        authorization: parts.headers.contains_key(header::AUTHORIZATION),
        identity_token: mentions_token(&body),
        status: None,
    };
    parts.extensions.insert(Effects(effects.clone()));
    let request = axum::extract::Request::from_parts(parts, Body::from(body));
    let response = run(&effects, request, next).await;
    match response {
        Some(response) if !shared.stopped.load(Ordering::Relaxed) => {
            entry.status = Some(response.status().as_u16());
            shared.log.push(entry);
            response
        }
        _ => {
            shared.log.push(entry);
            kill.0.store(true, Ordering::Relaxed);
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// `None`: close the connection without an answer.
async fn run(effects: &[Effect], request: axum::extract::Request, next: Next) -> Option<Response> {
    for effect in effects {
        match effect {
            Effect::Slow(delay) => tokio::time::sleep(*delay).await,
            Effect::Status(code) => return Some(failure(*code)),
            Effect::TooManyRequests { retry_after } => {
                return Some(([(header::RETRY_AFTER, retry_after.to_string())], failure(429)).into_response());
            }
            Effect::DropBefore => return None,
            _ => {}
        }
    }
    let response = next.run(request).await;
    for effect in effects {
        match effect {
            Effect::StatusAfter(code) => return Some(failure(*code)),
            Effect::DropAfter => return None,
            _ => {}
        }
    }
    Some(response)
}

/// An error in the shape of grpc-gateway, which Fulcio and Rekor answer with.
pub(super) fn error(status: StatusCode, message: &str) -> Response {
    let code = match status.as_u16() {
        400 => 3,
        401 => 16,
        403 => 7,
        404 => 5,
        409 => 6,
        429 => 8,
        503 => 14,
        504 => 4,
        _ => 13,
    };
    let body = serde_json::json!({"code": code, "message": message, "details": []});
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

fn failure(code: u16) -> Response {
    let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let message = match code {
        409 => "an equivalent entry already exists in the transparency log with index 0",
        429 => "too many requests",
        _ => "the sandbox was told to fail here",
    };
    error(status, message)
}

/// Whether the body carries an OIDC token, by field name or by the start of a compact JWT.
fn mentions_token(body: &[u8]) -> bool {
    [b"oidcIdentityToken".as_slice(), b"eyJhbGciOi"].iter().any(|mark| body.windows(mark.len()).any(|w| w == *mark))
}

struct Loopback(TcpListener);

impl Listener for Loopback {
    type Io = Stream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (tcp, addr) = Listener::accept(&mut self.0).await;
        let _ = tcp.set_nodelay(true);
        (Stream { tcp, kill: Kill::default() }, addr)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

/// Set, and the stream refuses to write: hyper gives up and closes it.
#[derive(Clone, Debug, Default)]
struct Kill(Arc<AtomicBool>);

impl Connected<IncomingStream<'_, Loopback>> for Kill {
    fn connect_info(stream: IncomingStream<'_, Loopback>) -> Self {
        stream.io().kill.clone()
    }
}

struct Stream {
    tcp: TcpStream,
    kill: Kill,
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.kill.0.load(Ordering::Relaxed) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Pin::new(&mut self.tcp).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}
