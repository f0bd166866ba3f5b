//! Faults of single frames: doubled, out of order, not what anybody expects.

use super::Reorder;
use crate::sandbox::{
    Sandbox,
    state::{State, session::Outgoing},
};

impl Sandbox {
    /// Sends this text to every realtime connection as one frame.
    pub fn send_raw(&self, text: &str) {
        for session in self.state().sessions.values() {
            session.push(Outgoing::Frame(text.into()));
        }
    }

    /// While on, every stream frame comes twice.
    pub fn duplicate_frames(&self, on: bool) {
        self.state().faults.duplicate = on;
    }

    /// While on, no realtime connection hears what happens: as if it happened on another instance of the server, which
    /// this one does not reach. It is there over REST.
    pub fn lose_frames(&self, on: bool) {
        self.state().faults.lose = on;
    }

    /// While on, stream frames come in swapped pairs, also those of one room. The first of a pair waits for the
    /// second, or for any other frame.
    pub fn reorder_frames(&self, on: bool) {
        self.reorder(if on { Reorder::Pairs } else { Reorder::Off });
    }

    /// While on, messages of different rooms overtake each other, as they do on a server that checks permissions side
    /// by side. Those of one room keep their order. One that nothing overtakes waits for another frame; the one that says
    /// that it is unread passes it.
    pub fn reorder_rooms(&self, on: bool) {
        self.reorder(if on { Reorder::Rooms } else { Reorder::Off });
    }

    fn reorder(&self, how: Reorder) {
        self.state().reorder(how);
    }
}

impl State {
    pub(crate) fn reorder(&mut self, how: Reorder) {
        self.faults.reorder = how;
        for session in self.sessions.values_mut() {
            session.release();
        }
    }
}
