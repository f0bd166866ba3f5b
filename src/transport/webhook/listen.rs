//! The listener of a webhook: so many connections, each for so long.

use std::sync::Arc;
use std::time::Duration;

use axum::routing::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// Where no connection can be taken (too many open files), it is tried again after this.
const TRY_AGAIN: Duration = Duration::from_millis(500);

/// Serves until `closed` resolves, and then what is on its way. Dropped, it cuts all.
pub(super) async fn listen(
    listener: TcpListener,
    routes: Router,
    connections: usize,
    read_timeout: Duration,
    closed: impl Future<Output = ()>,
) {
    let free = Arc::new(Semaphore::new(connections.min(Semaphore::MAX_PERMITS)));
    let (stop, stopped) = watch::channel(false);
    let mut served = JoinSet::new();
    let mut closed = std::pin::pin!(closed);
    loop {
        let next = async {
            // Nobody closes it.
            let permit = Arc::clone(&free).acquire_owned().await.ok();
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            () = &mut closed => break,
            next = next => next,
            Some(_) = served.join_next() => continue,
        };
        match accepted {
            Ok((stream, _)) => {
                let (routes, stopped) = (routes.clone(), stopped.clone());
                served.spawn(async move {
                    serve(stream, routes, read_timeout, stopped).await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::debug!(%error, "a connection was not taken");
                tokio::time::sleep(TRY_AGAIN).await;
            }
        }
    }
    drop(listener);
    stop.send_replace(true);
    while served.join_next().await.is_some() {}
}

async fn serve(
    stream: TcpStream,
    routes: Router,
    read_timeout: Duration,
    mut stopped: watch::Receiver<bool>,
) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(read_timeout)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
    let mut connection = std::pin::pin!(connection);
    let stopping = async { drop(stopped.wait_for(|stopped| *stopped).await) };
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = stopping => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
