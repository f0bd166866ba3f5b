//! The faults, by chance.

use std::time::Duration;

use rocketbotte::sandbox::{RestFault, Sandbox, Step};

/// Endpoints that a bot needs all the time.
const ENDPOINTS: [&str; 6] = [
    "*",
    "chat.sendMessage",
    "chat.syncMessages",
    "subscriptions.get",
    "rooms.get",
    "chat.getMessage",
];

pub(crate) struct Storm {
    sandbox: Sandbox,
    rng: fastrand::Rng,
}

impl Storm {
    pub(crate) fn new(sandbox: &Sandbox, seed: u64) -> Self {
        Self {
            sandbox: sandbox.clone(),
            rng: fastrand::Rng::with_seed(seed),
        }
    }

    pub(crate) async fn pause(&mut self, millis: std::ops::Range<u64>) {
        tokio::time::sleep(Duration::from_millis(self.rng.u64(millis))).await;
    }

    /// Once in so many times.
    pub(crate) fn chance(&mut self, times: u32) -> bool {
        self.rng.u32(..times) == 0
    }

    /// One fault, or several that belong together, and some time.
    pub(crate) async fn strike(&mut self) {
        let sandbox = self.sandbox.clone();
        match self.rng.u32(0..20) {
            0 => sandbox.drop_connections(),
            1 => sandbox.reset_connections(),
            2 => sandbox.close_connections(),
            3 => sandbox.send_half_frame(),
            4 => {
                sandbox.silence(true);
                self.pause(10..120).await;
                if self.rng.bool() {
                    sandbox.drop_connections();
                }
                sandbox.silence(false);
            }
            5 => {
                sandbox.go_down().await;
                self.pause(5..200).await;
                sandbox.come_back().await;
            }
            6 => {
                sandbox.refuse_connections(true);
                sandbox.reset_connections();
                self.pause(5..100).await;
                sandbox.refuse_connections(false);
            }
            7 => {
                let steps = [Step::Upgrade, Step::Connect, Step::Login, Step::Subscribe];
                sandbox.cut_at(steps[self.rng.usize(..steps.len())]);
                sandbox.drop_connections();
            }
            // Several in a moment, the last ones while the rooms are caught up.
            8 => {
                for _ in 0..self.rng.usize(2..5) {
                    sandbox.drop_connections();
                    self.pause(0..60).await;
                }
            }
            9 => {
                let delay = Duration::from_millis(self.rng.u64(20..80));
                sandbox.fail_next_calls("chat.syncMessages", 3, RestFault::Slow(delay));
                sandbox.drop_connections();
                self.pause(20..80).await;
                sandbox.reset_connections();
            }
            10 => sandbox.duplicate_frames(self.rng.bool()),
            11 => sandbox.reorder_rooms(self.rng.bool()),
            12 => {
                let is_slow = self.rng.bool();
                let delay = if is_slow { self.rng.u64(5..60) } else { 0 };
                sandbox.slow_rest(Duration::from_millis(delay));
            }
            // The connection goes together with the answers.
            13 => {
                self.burst("chat.sendMessage", RestFault::LoseReply);
                self.pause(0..20).await;
                sandbox.drop_connections();
            }
            _ => {
                let endpoint = ENDPOINTS[self.rng.usize(..ENDPOINTS.len())];
                let fault = self.rest_fault();
                self.burst(endpoint, fault);
            }
        }
        self.pause(5..80).await;
        // Now and then the bot comes to itself.
        if self.rng.u32(0..3) == 0 {
            self.lull().await;
        }
    }

    /// Waits a while for the bot to be connected and caught up.
    async fn lull(&mut self) {
        let is_back = |sandbox: &Sandbox| {
            sandbox
                .subscriptions()
                .iter()
                .any(|(_, _, event)| event == "__my_messages__")
        };
        // Some faults stay switched on, so it may not come to that.
        let _ = self.sandbox.wait_until(is_back, Duration::from_millis(500)).await;
        self.pause(50..300).await;
    }

    fn burst(&mut self, endpoint: &str, fault: RestFault) {
        let calls = self.rng.usize(1..=4);
        self.sandbox.fail_next_calls(endpoint, calls, fault);
    }

    fn rest_fault(&mut self) -> RestFault {
        match self.rng.u32(0..10) {
            0 => RestFault::TooManyRequests {
                reset_after: Duration::from_millis(self.rng.u64(0..300)),
            },
            1 => RestFault::Proxy(502),
            2 => RestFault::Proxy(503),
            3 => RestFault::Proxy(504),
            4 => RestFault::Status(if self.rng.bool() { 500 } else { 503 }),
            5 => RestFault::LoseReply,
            6 => RestFault::HalfReply,
            7 => RestFault::CloseBeforeActing,
            8 => RestFault::Html,
            _ => RestFault::Slow(Duration::from_millis(self.rng.u64(10..200))),
        }
    }

    /// The end of all faults.
    pub(crate) fn calm(&self) {
        self.sandbox.clear_faults();
        self.sandbox.duplicate_frames(false);
        self.sandbox.reorder_rooms(false);
        self.sandbox.slow_rest(Duration::ZERO);
    }
}
