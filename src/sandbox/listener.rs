//! The sandbox's door: accepts connections, with TLS or without, cuts them all when the sandbox goes
//! off line or ends, and resets single ones on demand.
//!
//! A slow TLS handshake does not keep others waiting: each happens in a task of its own.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Hands out connections while `online` says so.
pub(super) struct Door {
    connections: mpsc::Receiver<Connection>,
    address: SocketAddr,
}

/// What a request knows of the connection that it came over.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    /// Counts the connections, from 1.
    pub(super) id: u64,
    /// When set, the connection ends with a TCP reset rather than in order.
    pub(super) reset: Arc<AtomicBool>,
}

/// An accepted connection.
pub(super) struct Connection {
    stream: Stream,
    peer: Peer,
    /// Ready when the sandbox goes off line or ends.
    cut: BoxFuture<'static, ()>,
    is_cut: bool,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Door {
    /// Opens the door. While `online` is false, whoever connects is reset at once; when its sender
    /// is dropped, all connections end.
    pub(super) fn open(
        listener: TcpListener,
        tls: Option<TlsAcceptor>,
        online: watch::Receiver<bool>,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (sender, connections) = mpsc::channel(64);
        tokio::spawn(accept_all(listener, tls, online, sender));
        Ok(Self { connections, address })
    }
}

async fn accept_all(
    mut listener: TcpListener,
    tls: Option<TlsAcceptor>,
    online: watch::Receiver<bool>,
    sender: mpsc::Sender<Connection>,
) {
    let counter = AtomicU64::new(0);
    loop {
        let tcp = tokio::select! {
            (tcp, _) = Listener::accept(&mut listener) => tcp,
            () = sender.closed() => return,
        };
        if !*online.borrow() {
            // Dropped with no time to linger: the peer sees a reset.
            let _ = tcp.set_zero_linger();
            continue;
        }
        let _ = tcp.set_nodelay(true);
        let peer = Peer {
            id: counter.fetch_add(1, Ordering::Relaxed) + 1,
            reset: Arc::new(AtomicBool::new(false)),
        };
        let mut online = online.clone();
        let cut = async move { drop(online.wait_for(|online| !online).await) }.boxed();
        tokio::spawn(welcome(tcp, tls.clone(), peer, cut, sender.clone()));
    }
}

async fn welcome(
    tcp: TcpStream,
    tls: Option<TlsAcceptor>,
    peer: Peer,
    cut: BoxFuture<'static, ()>,
    sender: mpsc::Sender<Connection>,
) {
    let stream = match tls {
        None => Stream::Plain(tcp),
        Some(acceptor) => match acceptor.accept(tcp).await {
            Ok(stream) => Stream::Tls(Box::new(stream)),
            Err(error) => return tracing::debug!(%error, "TLS handshake failed"),
        },
    };
    // It fails only when the sandbox has ended meanwhile.
    let _ = sender.send(Connection { stream, peer, cut, is_cut: false }).await;
}

impl Listener for Door {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        match self.connections.recv().await {
            Some(connection) => (connection, self.address),
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

impl Connected<IncomingStream<'_, Door>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        stream.io().peer.clone()
    }
}

impl Connection {
    /// Fails once the connection is cut; until then, sees to it that the task wakes when it is.
    fn check_cut(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if self.is_cut || self.cut.poll_unpin(context).is_ready() {
            self.is_cut = true;
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if self.is_cut || self.peer.reset.load(Ordering::Acquire) {
            let tcp = match &self.stream {
                Stream::Plain(tcp) => tcp,
                Stream::Tls(tls) => tls.get_ref().0,
            };
            let _ = tcp.set_zero_linger();
        }
    }
}

/// Calls a method of whichever stream it is.
macro_rules! on_stream {
    ($connection:expr, $stream:ident => $call:expr) => {
        match &mut $connection.stream {
            Stream::Plain(tcp) => {
                let $stream = Pin::new(tcp);
                $call
            }
            Stream::Tls(tls) => {
                let $stream = Pin::new(tls.as_mut());
                $call
            }
        }
    };
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check_cut(context)?;
        on_stream!(self, stream => stream.poll_read(context, buffer))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check_cut(context)?;
        on_stream!(self, stream => stream.poll_write(context, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check_cut(context)?;
        on_stream!(self, stream => stream.poll_write_vectored(context, slices))
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(tcp) => tcp.is_write_vectored(),
            Stream::Tls(tls) => tls.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_stream!(self, stream => stream.poll_flush(context))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_stream!(self, stream => stream.poll_shutdown(context))
    }
}
