//! A server that is not there: gone for a while, or refusing whoever comes.

use crate::sandbox::{Sandbox, Shared};

impl Sandbox {
    /// While on, new connections are reset as soon as they are made. Those that are open stay.
    pub fn refuse_connections(&self, on: bool) {
        self.state().faults.refuse = on;
    }

    /// The server is gone, as if its process had ended: all connections end, of the realtime API and of REST, and
    /// nothing listens on its address. What it knows it keeps. Returns when that is so.
    pub async fn go_down(&self) {
        self.shared().go_down().await;
    }

    /// From now on the server says that it has this version, as after an upgrade while it was [down](Self::go_down). It
    /// behaves as [`SandboxBuilder::version`](crate::sandbox::SandboxBuilder::version) says.
    pub fn set_version(&self, version: impl Into<String>) {
        self.state().server_version = version.into();
    }

    /// Sets the server's clock forward by so many milliseconds; by a negative number, back.
    pub fn move_clock(&self, milliseconds: i64) {
        self.state().set_clock_offset(milliseconds);
    }

    /// The server is back on the same address. Returns when it listens; one that was
    /// [shut down](Sandbox::shutdown) stays so.
    pub async fn come_back(&self) {
        self.shared().come_back().await;
    }
}

impl Shared {
    pub(crate) async fn go_down(&self) {
        {
            let mut state = self.lock();
            state.faults.count("server gone", 1);
            state.touch();
        }
        self.up.send_replace(false);
        if self.has_listener {
            // It cannot fail: the sender is in `self`.
            let _ = self.listening.subscribe().wait_for(|on| !on).await;
        }
        let mut changes = self.lock().watch();
        while !self.lock().sessions.is_empty() && changes.changed().await.is_ok() {}
    }

    pub(crate) async fn come_back(&self) {
        self.up.send_replace(true);
        if !self.has_listener {
            return;
        }
        let (mut stop, mut listening) = (self.stop.subscribe(), self.listening.subscribe());
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => {}
            _ = listening.wait_for(|on| *on) => {}
        }
    }
}
