//! One realtime connection, seen from the server's memory.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::sync::{mpsc, watch};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::State;
use crate::sandbox::faults::Reorder;

/// Bytes that may wait for a slow client.
const QUEUED_MAX: usize = 64 * 1024 * 1024;
/// Subscriptions a connection may hold.
pub(crate) const SUBSCRIPTIONS_MAX: usize = 1_000;

/// What the writer of a connection is told to do, in order.
#[derive(Debug)]
pub(crate) enum Outgoing {
    Frame(Utf8Bytes),
    /// Half of a frame, then the end of the connection.
    Half,
    /// A clean close with code 1000.
    Close,
}

impl Outgoing {
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Frame(text) => text.len(),
            Self::Half | Self::Close => 0,
        }
    }
}

/// How a connection ends when it does not end by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The other side sees an end of stream.
    Fin,
    /// The other side sees a reset.
    Reset,
}

#[derive(Debug, Clone)]
pub(crate) struct Subscription {
    pub(crate) id: String,
    pub(crate) stream: String,
    pub(crate) event: String,
}

/// A frame of a stream, on its way to one connection.
#[derive(Debug, Clone)]
pub(crate) struct StreamFrame {
    pub(crate) text: Utf8Bytes,
    /// The room, if it is a message.
    pub(crate) room: Option<String>,
    /// How often it is sent.
    pub(crate) times: usize,
}

#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: u64,
    /// The session id of the handshake, once there was one.
    pub(crate) ddp: Option<String>,
    pub(crate) uid: Option<String>,
    pub(crate) token: Option<String>,
    pub(crate) subs: Vec<Subscription>,
    /// Whose presence it wants to know.
    pub(crate) watched: BTreeSet<String>,
    out: mpsc::Sender<Outgoing>,
    /// Bytes that wait in `out`.
    queued: Arc<AtomicUsize>,
    cut: watch::Sender<Option<Cut>>,
    /// A stream frame held back while frames are reordered.
    held: Option<StreamFrame>,
    /// Whether one that belongs to no room has passed it, as each message has one behind it that says what is unread.
    is_passed: bool,
}

impl Session {
    /// A frame in answer to the client.
    pub(crate) fn send(&mut self, frame: Utf8Bytes) {
        self.push(Outgoing::Frame(frame));
        self.release();
    }

    pub(crate) fn push(&self, outgoing: Outgoing) {
        let bytes = outgoing.bytes();
        let queued = self.queued.fetch_add(bytes, Ordering::Relaxed);
        // A client that reads this slowly is cut off, as a full buffer must not grow. One frame is never too large.
        let is_full = queued > 0 && queued.saturating_add(bytes) > QUEUED_MAX;
        if is_full || self.out.try_send(outgoing).is_err() {
            self.cut(Cut::Fin);
        }
    }

    pub(crate) fn cut(&self, how: Cut) {
        self.cut.send_replace(Some(how));
    }

    /// Lets go of the frame that was held back.
    pub(crate) fn release(&mut self) {
        if let Some(held) = self.held.take() {
            for _ in 0..held.times {
                self.push(Outgoing::Frame(held.text.clone()));
            }
        }
    }

    /// A stream frame, with the faults that apply to streams. Whether it overtook another.
    pub(crate) fn stream(&mut self, frame: StreamFrame, reorder: Reorder) -> bool {
        let overtakes = match (reorder, &self.held, &frame.room) {
            (Reorder::Off, ..) | (Reorder::Rooms, None, None) => false,
            (Reorder::Pairs | Reorder::Rooms, None, _) => {
                self.held = Some(frame);
                self.is_passed = false;
                return false;
            }
            (Reorder::Rooms, Some(_), None) if !self.is_passed => {
                self.is_passed = true;
                for _ in 0..frame.times {
                    self.push(Outgoing::Frame(frame.text.clone()));
                }
                return false;
            }
            (Reorder::Rooms, Some(held), room) => room.is_some() && held.room != *room,
            (Reorder::Pairs, Some(_), _) => true,
        };
        if overtakes {
            let held = self.held.replace(frame);
            self.release();
            self.held = held;
        } else {
            self.release();
            self.held = Some(frame);
        }
        self.release();
        overtakes
    }
}

impl State {
    pub(crate) fn open_session(
        &mut self,
        out: mpsc::Sender<Outgoing>,
        queued: Arc<AtomicUsize>,
        cut: watch::Sender<Option<Cut>>,
    ) -> u64 {
        let id = self.next_session_id();
        let session = Session {
            id,
            ddp: None,
            uid: None,
            token: None,
            subs: Vec::new(),
            watched: BTreeSet::new(),
            out,
            queued,
            cut,
            held: None,
            is_passed: false,
        };
        self.sessions.insert(id, session);
        self.touch();
        id
    }

    /// Whether the handshake of this connection is done.
    pub(crate) fn is_connected(&self, id: u64) -> bool {
        self.sessions
            .get(&id)
            .is_some_and(|session| session.ddp.is_some())
    }

    /// Forgets a connection that has ended.
    pub(crate) fn end_session(&mut self, id: u64) {
        let Some(session) = self.sessions.remove(&id) else {
            return;
        };
        self.limits.forget_connection(id);
        if let Some(uid) = session.uid {
            self.refresh_presence(&uid);
        }
        self.touch();
    }

    /// Ends a connection from the server's side with 1000 and no frame.
    pub(crate) fn close_session(&mut self, id: u64) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        session.subs.clear();
        session.push(Outgoing::Close);
        if let Some(uid) = session.uid.take() {
            self.refresh_presence(&uid);
        }
    }
}
