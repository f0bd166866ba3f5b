//! A websocket and the connection behind it: reading, writing, heartbeat, the end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::{SinkExt, StreamExt, stream::SplitSink, stream::SplitStream};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode},
    },
};

use super::frame;
use crate::sandbox::{
    Shared,
    server::Line,
    state::session::{Cut, Outgoing},
};

/// Frames waiting for a slow client; one more and it is cut off.
const QUEUE: usize = 16 * 1024;
/// Frames that one inbound frame may cause on its own connection.
const ROOM_FOR_ANSWERS: usize = 64;
/// The largest frame that is read.
const FRAME_MAX: usize = 16 * 1024 * 1024;
/// How long a client may take to send `connect`.
const HANDSHAKE: Duration = Duration::from_secs(45);
/// How long the other side may take for its part of the closing.
const CLOSING: Duration = Duration::from_secs(5);

/// Serves one realtime connection until it ends.
pub(crate) async fn serve<S>(shared: Arc<Shared>, io: S, line: Arc<Line>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let config = WebSocketConfig::default()
        .max_message_size(Some(FRAME_MAX))
        .max_frame_size(Some(FRAME_MAX));
    let socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
    let (out, outgoing) = mpsc::channel(QUEUE);
    let queued = Arc::<AtomicUsize>::default();
    let (cut_tx, mut cut) = watch::channel(None);
    let (id, heartbeat) = {
        let mut state = shared.lock();
        let id = state.open_session(out.clone(), Arc::clone(&queued), cut_tx);
        if state.server_id_frame {
            state.reply(id, frame::text(&serde_json::json!({ "server_id": "0" })));
        }
        (id, state.heartbeat)
    };
    // Whatever ends this function, also a dropped future, the state must forget the session.
    let _guard = Guard {
        shared: Arc::clone(&shared),
        id,
    };
    let (sink, stream) = socket.split();
    tokio::select! {
        () = read(&shared, id, heartbeat, stream, &out) => {}
        () = write(&shared, &line, sink, outgoing, &queued) => {}
        // The mode must be set before the socket is dropped, which `select!` does on its way out.
        () = async {
            let how = cut.wait_for(Option::is_some).await;
            if how.is_ok_and(|how| *how == Some(Cut::Reset)) {
                line.reset();
            }
        } => {}
        () = shared.gone() => {}
    }
}

struct Guard {
    shared: Arc<Shared>,
    id: u64,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.shared.lock().end_session(self.id);
    }
}

/// The heartbeat of one connection. It does not measure how long the client is silent: it looks every so often whether
/// anything came since it last looked, so a silence may last almost two intervals before there is a ping.
struct Pulse {
    interval: Duration,
    look: Instant,
    seen: bool,
    dies: Option<Instant>,
}

impl Pulse {
    fn new(interval: Duration) -> Self {
        Self {
            interval,
            look: Instant::now() + interval,
            seen: false,
            dies: None,
        }
    }

    fn seen(&mut self) {
        self.seen = true;
        self.dies = None;
    }

    /// When there is something to do next.
    fn next(&self) -> Instant {
        self.dies.map_or(self.look, |dies| dies.min(self.look))
    }

    fn is_dead(&self) -> bool {
        self.dies.is_some_and(|dies| dies <= Instant::now())
    }

    /// Looks, if it is time to.
    fn wants_ping(&mut self) -> bool {
        let now = Instant::now();
        if self.look > now {
            return false;
        }
        self.look = now + self.interval;
        let wants = !std::mem::take(&mut self.seen) && self.dies.is_none();
        if wants {
            self.dies = Some(now + self.interval);
        }
        wants
    }
}

async fn read<S>(
    shared: &Shared,
    id: u64,
    heartbeat: Duration,
    mut stream: SplitStream<WebSocketStream<S>>,
    out: &mpsc::Sender<Outgoing>,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut silence = shared.silence.subscribe();
    let handshake_until = Instant::now() + HANDSHAKE;
    let mut pulse: Option<Pulse> = None;
    loop {
        if *silence.borrow() {
            if silence.wait_for(|on| !on).await.is_err() {
                return;
            }
            // A server that stood still does not take it for the client's silence.
            pulse = pulse.map(|_| Pulse::new(heartbeat));
        }
        // Reading stops while the client does not take its answers.
        match out.reserve_many(ROOM_FOR_ANSWERS).await {
            Ok(permits) => drop(permits),
            Err(_) => return,
        }
        let received = tokio::select! {
            biased;
            _ = silence.wait_for(|on| *on) => continue,
            received = stream.next() => Ok(received),
            () = sleep_until(pulse.as_ref().map_or(handshake_until, Pulse::next)) => Err(()),
        };
        match received {
            // Who never sends `connect` gets no ping, and is closed in the end.
            Err(()) if pulse.as_ref().is_none_or(Pulse::is_dead) => {
                let _ = out.send(Outgoing::Close).await;
                // Whatever comes now is only the answer to the close.
                while let Some(Ok(_)) = stream.next().await {}
                return;
            }
            Err(()) => {
                if pulse.as_mut().is_some_and(Pulse::wants_ping) {
                    let ping = frame::text(&serde_json::json!({ "msg": "ping" }));
                    // By the state, which counts what waits to be sent.
                    shared.lock().reply(id, ping);
                }
            }
            Ok(Some(Ok(message))) => {
                if let Some(pulse) = &mut pulse {
                    pulse.seen();
                }
                match message {
                    Message::Text(text) => shared.lock().receive(id, &text),
                    Message::Binary(bytes) => match std::str::from_utf8(&bytes) {
                        Ok(text) => shared.lock().receive(id, text),
                        Err(_) => shared.lock().reply(id, frame::error("Bad request", None)),
                    },
                    Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
                    // The answer to a close is sent by reading on; then the stream ends.
                    Message::Close(_) => {}
                }
                if pulse.is_none() && shared.lock().is_connected(id) {
                    pulse = Some(Pulse::new(heartbeat));
                }
            }
            Ok(Some(Err(error))) => {
                tracing::debug!(connection = id, %error, "the connection broke");
                return;
            }
            Ok(None) => return,
        }
    }
}

async fn write<S>(
    shared: &Shared,
    line: &Line,
    mut sink: SplitSink<WebSocketStream<S>, Message>,
    mut outgoing: mpsc::Receiver<Outgoing>,
    queued: &AtomicUsize,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut silence = shared.silence.subscribe();
    while let Some(next) = outgoing.recv().await {
        let bytes = next.bytes();
        if silence.wait_for(|on| !on).await.is_err() {
            return;
        }
        match next {
            Outgoing::Frame(text) => {
                if sink.feed(Message::Text(text)).await.is_err() {
                    return;
                }
                queued.fetch_sub(bytes, Ordering::Relaxed);
                if outgoing.is_empty() && sink.flush().await.is_err() {
                    return;
                }
            }
            Outgoing::Half => {
                line.halve_next_write();
                let whole =
                    frame::text(&serde_json::json!({ "msg": "changed", "collection": "ein hälber Rähmen" }));
                let _ = sink.send(Message::Text(whole)).await;
                return;
            }
            Outgoing::Close => {
                let normal = CloseFrame {
                    code: CloseCode::Normal,
                    reason: "Normal closure".into(),
                };
                let _ = sink.send(Message::Close(Some(normal))).await;
                // The reader sees the answer and ends the connection; this is for a peer that gives none.
                tokio::time::sleep(CLOSING).await;
                return;
            }
        }
    }
}
