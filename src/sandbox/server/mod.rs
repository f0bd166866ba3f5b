//! The listener and the HTTP connections, over TCP, TLS and memory alike.

mod body;
mod http;
mod wire;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, rustls};
use tower::ServiceExt as _;

pub(crate) use http::{Context as HttpContext, router};
pub(crate) use wire::{Line, Wire};

use super::Shared;

/// How long a client may take for the TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Connections that may be open at once; the next ones wait in the kernel.
const CONNECTIONS_MAX: usize = 10_000;

/// What one server serves: its state, its routes, its TLS settings.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    pub(crate) shared: Arc<Shared>,
    pub(crate) router: axum::Router,
    pub(crate) tls: Option<Arc<rustls::ServerConfig>>,
}

/// How long it takes until an address is tried again that cannot be had.
const BIND_AGAIN: Duration = Duration::from_millis(20);

/// Listens until the server stops, but for the times when it is down.
pub(crate) async fn listen(site: Site, address: SocketAddr, mut listener: TcpListener) {
    let (mut stop, mut up) = (site.shared.stop.subscribe(), site.shared.up.subscribe());
    loop {
        // The listener is closed by then.
        accept(&site, listener).await;
        site.shared.listening.send_replace(false);
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            _ = up.wait_for(|up| *up) => {}
        }
        listener = loop {
            match TcpListener::bind(address).await {
                Ok(listener) => break listener,
                Err(error) => {
                    tracing::warn!(%address, %error, "the sandbox cannot listen again yet");
                    tokio::time::sleep(BIND_AGAIN).await;
                }
            }
        };
        site.shared.listening.send_replace(true);
    }
}

/// Accepts until the server stops or goes down.
async fn accept(site: &Site, listener: TcpListener) {
    let places = Arc::new(tokio::sync::Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = site.shared.gone() => return,
        };
        match accepted {
            Ok((stream, _)) if site.shared.lock().faults.refuses() => wire::reset(&stream),
            Ok((stream, peer)) => {
                let site = site.clone();
                tokio::spawn(async move {
                    serve_tcp(site, stream, peer).await;
                    drop(place);
                });
            }
            Err(error) => {
                // Mostly "too many open files", which passes.
                tracing::warn!(%error, "the sandbox cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn serve_tcp(site: Site, stream: TcpStream, peer: SocketAddr) {
    let _ = stream.set_nodelay(true);
    let Some(tls) = site.tls.clone() else {
        let wire = Wire::tcp(stream);
        return serve(site, wire, true).await;
    };
    let handshake = tokio::time::timeout(HANDSHAKE, TlsAcceptor::from(tls).accept(stream));
    let stream = tokio::select! {
        done = handshake => done,
        () = site.shared.gone() => return,
    };
    match stream {
        Ok(Ok(stream)) => serve(site, Wire::tls(stream), true).await,
        Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS handshake"),
        Err(_) => tracing::debug!(%peer, "the TLS handshake took too long"),
    }
}

/// Serves one connection: HTTP, and what it is upgraded to.
pub(crate) async fn serve(site: Site, wire: Wire, guarded: bool) {
    let line = wire.line();
    let context = http::Context {
        shared: Arc::clone(&site.shared),
        line: Arc::clone(&line),
        guarded,
    };
    let service = site.router.map_request(move |mut request: http::HyperRequest| {
        request.extensions_mut().insert(context.clone());
        request
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(hyper_util::rt::TokioTimer::new())
        .header_read_timeout(Some(Duration::from_secs(60)))
        .serve_connection(TokioIo::new(wire), TowerToHyperService::new(service))
        .with_upgrades();
    tokio::select! {
        ended = connection => {
            if let Err(error) = ended {
                tracing::debug!(%error, "an HTTP connection ended early");
            }
        }
        () = line.cut() => {}
        () = site.shared.gone() => {}
    }
}
