//! A loopback listener whose connections can be cut from outside: HTTP frameworks always answer, broken networks do not.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, Waker};

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// The switch of one connection, held by the handler of its requests.
#[derive(Debug, Default)]
pub(super) struct Cut {
    state: AtomicU8,
    waker: Mutex<Option<Waker>>,
}

const OPEN: u8 = 0;
const CLOSED: u8 = 1;
const RESET: u8 = 2;

impl Cut {
    /// From now on every read and write of the connection fails, so nothing more reaches the client. The connection is
    /// reset, or else closed in order.
    pub(super) fn cut(&self, reset: bool) {
        self.state.store(if reset { RESET } else { CLOSED }, Ordering::SeqCst);
        if let Some(waker) = self.waker.lock().ok().and_then(|mut w| w.take()) {
            waker.wake();
        }
    }

    fn state(&self) -> u8 {
        self.state.load(Ordering::SeqCst)
    }
}

/// Handed to every request: the switch of its connection.
#[derive(Debug, Clone)]
pub(super) struct Line(pub(super) Arc<Cut>);

impl Connected<IncomingStream<'_, CuttableListener>> for Line {
    fn connect_info(stream: IncomingStream<'_, CuttableListener>) -> Self {
        stream.remote_addr().clone()
    }
}

/// All connections that may still be open, to be cut when the server ends.
#[derive(Debug, Default, Clone)]
pub(super) struct Lines(Arc<Mutex<Vec<Weak<Cut>>>>);

impl Lines {
    fn add(&self, cut: &Arc<Cut>) {
        if let Ok(mut lines) = self.0.lock() {
            lines.retain(|l| l.strong_count() > 0);
            lines.push(Arc::downgrade(cut));
        }
    }

    pub(super) fn cut_all(&self) {
        if let Ok(lines) = self.0.lock() {
            lines.iter().filter_map(Weak::upgrade).for_each(|l| l.cut(true));
        }
    }
}

#[derive(Debug)]
pub(super) struct CuttableListener {
    pub(super) listener: TcpListener,
    pub(super) lines: Lines,
}

impl Listener for CuttableListener {
    type Io = CuttableStream;
    type Addr = Line;

    async fn accept(&mut self) -> (CuttableStream, Line) {
        let (stream, _) = Listener::accept(&mut self.listener).await;
        // Small answers must not wait for the client's acknowledgement: it would look like 40 ms of latency.
        let _ = stream.set_nodelay(true);
        let cut = Arc::new(Cut::default());
        self.lines.add(&cut);
        (CuttableStream { stream, cut: cut.clone() }, Line(cut))
    }

    fn local_addr(&self) -> io::Result<Line> {
        Ok(Line(Arc::default()))
    }
}

#[derive(Debug)]
pub(super) struct CuttableStream {
    stream: TcpStream,
    cut: Arc<Cut>,
}

impl CuttableStream {
    fn check(&self) -> io::Result<()> {
        match self.cut.state() {
            OPEN => Ok(()),
            state => {
                if state == RESET {
                    let _ = self.stream.set_zero_linger();
                }
                Err(io::ErrorKind::ConnectionAborted.into())
            }
        }
    }
}

impl AsyncRead for CuttableStream {
    fn poll_read(mut self: Pin<&mut Self>, ctx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let Ok(mut waker) = self.cut.waker.lock() {
            *waker = Some(ctx.waker().clone());
        }
        self.check()?;
        Pin::new(&mut self.stream).poll_read(ctx, buffer)
    }
}

impl AsyncWrite for CuttableStream {
    fn poll_write(mut self: Pin<&mut Self>, ctx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write(ctx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        ctx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write_vectored(ctx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_flush(ctx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(ctx)
    }
}

/// A port on the loopback interface; 0 lets the system choose.
pub(super) async fn bind(port: u16) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, port)).await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}
