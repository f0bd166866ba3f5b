//! The connector: one way to open a byte stream to the server, shared by REST and websocket.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Service, ServiceBuilder, ServiceExt as _};

use super::proxy::{Proxy, ProxyConnector};
use super::tls::{TlsError, TlsSettings};

/// How long opening a connection may take: name, TCP and TLS together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Opens connections to the server. REST client and realtime transport use the same one, so a certificate, a
/// proxy or a test double is set once. Clones share their TLS settings: several bots of one program may have one.
///
/// The default goes over TCP, with TLS for `https`. A connection that is not open within 10 seconds is an error.
#[derive(Clone)]
pub struct Connector {
    inner: BoxCloneSyncService<Uri, Io, BoxError>,
}

impl Connector {
    /// TCP, and TLS with these settings for `https`.
    ///
    /// # Errors
    ///
    /// If the TLS settings cannot be used.
    pub fn tcp(tls: &TlsSettings) -> Result<Self, TlsError> {
        let tls = Arc::new(tls.client_config()?);
        Ok(Self::from_service(HttpsConnector::from((tcp(), tls))))
    }

    /// The same through an HTTP proxy. The TLS settings are those for the server, and for a proxy that itself speaks TLS.
    ///
    /// # Errors
    ///
    /// If the TLS settings cannot be used.
    pub fn tcp_through(proxy: &Proxy, tls: &TlsSettings) -> Result<Self, TlsError> {
        let tls = Arc::new(tls.client_config()?);
        let through = ProxyConnector {
            proxy: proxy.clone(),
            direct: tcp(),
            to_proxy: HttpsConnector::from((tcp(), Arc::clone(&tls))),
        };
        Ok(Self::from_service(HttpsConnector::from((through, tls))))
    }

    /// Any service that opens a connection for a URI, for example through another kind of proxy.
    ///
    /// It gets the URI with the scheme `http` or `https`, also for the websocket, and is responsible for TLS.
    pub fn from_service<S>(service: S) -> Self
    where
        S: Service<Uri> + Clone + Send + Sync + 'static,
        S::Response: Read + Write + Connection + Send + Unpin + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
    {
        let service = ServiceBuilder::new()
            .timeout(CONNECT_TIMEOUT)
            .service(service.map_response(Io::new).map_err(Into::<BoxError>::into));
        Self {
            inner: BoxCloneSyncService::new(service),
        }
    }

    /// A function that opens a connection, for tests over in-memory pipes:
    ///
    /// ```
    /// use rocketbotte::transport::Connector;
    ///
    /// let connector = Connector::from_fn(|_uri| async {
    ///     let (client, _server) = tokio::io::duplex(64 * 1024);
    ///     Ok::<_, std::io::Error>(client)
    /// });
    /// ```
    pub fn from_fn<F, Fut, T, E>(connect: F) -> Self
    where
        F: Fn(Uri) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
        E: Into<BoxError>,
    {
        Self::from_service(tower::service_fn(move |uri| {
            let connecting = connect(uri);
            async move { connecting.await.map(|io| Opaque(TokioIo::new(io))) }
        }))
    }
}

fn tcp() -> HttpConnector {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(Duration::from_secs(60)));
    tcp
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").finish_non_exhaustive()
    }
}

impl Service<Uri> for Connector {
    type Response = Io;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Io, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        self.inner.call(uri)
    }
}

trait Stream: Read + Write + Connection + Send + Unpin {}

impl<T: Read + Write + Connection + Send + Unpin> Stream for T {}

/// An open connection, whatever it goes over.
pub struct Io(Box<dyn Stream>);

impl Io {
    pub(super) fn new(io: impl Read + Write + Connection + Send + Unpin + 'static) -> Self {
        Self(Box::new(io))
    }

    /// A stream that knows nothing about the connection below it.
    pub(super) fn opaque(io: impl Read + Write + Send + Unpin + 'static) -> Self {
        Self(Box::new(Opaque(io)))
    }
}

impl fmt::Debug for Io {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Io").finish_non_exhaustive()
    }
}

impl Connection for Io {
    fn connected(&self) -> Connected {
        self.0.connected()
    }
}

struct Opaque<T>(T);

impl<T> Connection for Opaque<T> {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

macro_rules! forward_io {
    ([$($generics:tt)*] $type:ty) => {
        impl<$($generics)*> Read for $type {
            fn poll_read(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: ReadBufCursor<'_>,
            ) -> Poll<std::io::Result<()>> {
                Pin::new(&mut self.0).poll_read(cx, buf)
            }
        }

        impl<$($generics)*> Write for $type {
            fn poll_write(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<std::io::Result<usize>> {
                Pin::new(&mut self.0).poll_write(cx, buf)
            }

            fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
                Pin::new(&mut self.0).poll_flush(cx)
            }

            fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
                Pin::new(&mut self.0).poll_shutdown(cx)
            }

            fn is_write_vectored(&self) -> bool {
                self.0.is_write_vectored()
            }

            fn poll_write_vectored(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[std::io::IoSlice<'_>],
            ) -> Poll<std::io::Result<usize>> {
                Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
            }
        }
    };
}

forward_io!([] Io);
forward_io!([T: Read + Write + Unpin] Opaque<T>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_traits() {
        static_assertions::assert_impl_all!(Connector: Clone, Send, Sync, fmt::Debug);
        static_assertions::assert_impl_all!(Io: Send, Unpin);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_never_opens_is_an_error_after_ten_seconds() {
        let connector =
            Connector::from_fn(|_| std::future::pending::<std::io::Result<tokio::io::DuplexStream>>());
        let start = tokio::time::Instant::now();
        let result = connector.oneshot(Uri::from_static("http://localhost")).await;
        assert!(
            result
                .expect_err("timeout")
                .is::<tower::timeout::error::Elapsed>()
        );
        assert_eq!(start.elapsed(), CONNECT_TIMEOUT);
    }
}
