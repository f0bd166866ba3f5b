//! The bytes of one connection, with the faults that need the transport itself.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf},
    net::TcpStream,
    sync::Notify,
};
use tokio_rustls::server::TlsStream;

#[derive(Debug)]
enum Transport {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    Memory(DuplexStream),
}

/// The control of a connection, shared by the handlers that run on it.
#[derive(Debug, Default)]
pub(crate) struct Line {
    cut: Notify,
    reset: AtomicBool,
    halve: AtomicBool,
}

impl Line {
    /// Ends the HTTP connection without an answer, which is never made.
    pub(crate) async fn hang_up<T>(&self) -> T {
        self.cut.notify_one();
        std::future::pending().await
    }

    pub(super) async fn cut(&self) {
        self.cut.notified().await;
    }

    /// The end, when it comes, is a TCP reset.
    pub(crate) fn reset(&self) {
        self.reset.store(true, Ordering::Relaxed);
    }

    /// The next write goes out by half, within a character if there is a long one, then the connection is broken.
    pub(crate) fn halve_next_write(&self) {
        self.halve.store(true, Ordering::Relaxed);
    }
}

/// One connection of any kind.
#[derive(Debug)]
pub(crate) struct Wire {
    transport: Transport,
    line: Arc<Line>,
    broken: bool,
}

impl Wire {
    fn new(transport: Transport) -> Self {
        Self {
            transport,
            line: Arc::default(),
            broken: false,
        }
    }

    pub(super) fn tcp(stream: TcpStream) -> Self {
        Self::new(Transport::Tcp(stream))
    }

    pub(super) fn tls(stream: TlsStream<TcpStream>) -> Self {
        Self::new(Transport::Tls(Box::new(stream)))
    }

    pub(crate) fn memory(stream: DuplexStream) -> Self {
        Self::new(Transport::Memory(stream))
    }

    pub(super) fn line(&self) -> Arc<Line> {
        Arc::clone(&self.line)
    }

    fn transport(&mut self) -> Pin<&mut (dyn Duplex + '_)> {
        match &mut self.transport {
            Transport::Tcp(stream) => Pin::new(stream),
            Transport::Tls(stream) => Pin::new(stream.as_mut()),
            Transport::Memory(stream) => Pin::new(stream),
        }
    }
}

trait Duplex: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Duplex for T {}

/// The peer gets a reset instead of an end of stream when the socket is dropped.
#[allow(
    deprecated,
    reason = "a linger of zero never blocks; its own method is younger than our oldest tokio"
)]
pub(super) fn reset(stream: &TcpStream) {
    let _ = stream.set_linger(Some(Duration::ZERO));
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.line.reset.load(Ordering::Relaxed) {
            match &self.transport {
                Transport::Tcp(stream) => reset(stream),
                Transport::Tls(stream) => reset(stream.get_ref().0),
                Transport::Memory(_) => {}
            }
        }
    }
}

/// About the middle, before a byte that continues a character if one comes.
fn half(bytes: &[u8]) -> usize {
    let middle = bytes.len() / 2;
    let continues = bytes[middle..].iter().position(|byte| byte & 0xc0 == 0x80);
    middle + continues.unwrap_or(0)
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.transport().poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.broken {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if buf.len() > 1 && self.line.halve.swap(false, Ordering::Relaxed) {
            self.broken = true;
            return self.transport().poll_write(cx, &buf[..half(buf)]);
        }
        self.transport().poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.transport().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.transport().poll_shutdown(cx)
    }
}
