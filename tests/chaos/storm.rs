//! The faults, in an order that chance decides.

use std::time::Duration;

use rocketbotte::sandbox::{RestFault, Sandbox, Step};

use crate::talk::Losing;

/// Endpoints that a bot needs all the time.
const ENDPOINTS: [&str; 6] = [
    "*",
    "chat.sendMessage",
    "chat.syncMessages",
    "subscriptions.get",
    "rooms.get",
    "chat.getMessage",
];

/// What a proxy answers with a page of its own for a server that it does not reach.
const OF_PROXIES: [u16; 8] = [500, 502, 503, 504, 520, 522, 524, 530];

/// What the server, or a gateway that speaks JSON, says of itself.
const OF_SERVERS: [u16; 4] = [500, 502, 503, 504];

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    EndOfStream,
    Reset,
    Close,
    HalfFrame,
    Silence,
    Gone,
    Refused,
    Step(Step),
    /// Several ends in a moment, the last ones while the rooms are caught up.
    Flurry,
    /// An end while the rooms are caught up slowly.
    SlowSync,
    Doubled,
    OutOfOrder,
    SlowServer,
    /// The connection goes together with the answers.
    LostWithTheConnection,
    TooManyRequests,
    OfProxy,
    OfServer,
    Page,
    LostReply,
    HalfReply,
    LostCall,
    SlowCall,
    /// Only where somebody looks for what the server has not told.
    LostFrames,
}

const ALL: [Kind; 25] = [
    Kind::EndOfStream,
    Kind::Reset,
    Kind::Close,
    Kind::HalfFrame,
    Kind::Silence,
    Kind::Gone,
    Kind::Refused,
    Kind::Step(Step::Upgrade),
    Kind::Step(Step::Connect),
    Kind::Step(Step::Login),
    Kind::Step(Step::Subscribe),
    Kind::Flurry,
    Kind::SlowSync,
    Kind::Doubled,
    Kind::OutOfOrder,
    Kind::SlowServer,
    Kind::LostWithTheConnection,
    Kind::TooManyRequests,
    Kind::OfProxy,
    Kind::OfServer,
    Kind::Page,
    Kind::LostReply,
    Kind::HalfReply,
    Kind::LostCall,
    Kind::SlowCall,
];

impl Kind {
    /// How the sandbox counts it.
    fn name(self) -> &'static str {
        match self {
            Self::EndOfStream | Self::Flurry => "cut by an end of stream",
            Self::Reset => "cut by a reset",
            Self::Close => "closed",
            Self::HalfFrame => "half a frame",
            Self::Silence => "silence",
            Self::Gone => "server gone",
            Self::Refused => "connection refused",
            Self::Step(Step::Upgrade) => "cut at upgrade",
            Self::Step(Step::Connect) => "cut at connect",
            Self::Step(Step::Login) => "cut at login",
            Self::Step(_) => "cut at subscribe",
            Self::Doubled => "frame doubled",
            Self::OutOfOrder => "frame out of order",
            Self::SlowServer => "slow server",
            Self::LostReply | Self::LostWithTheConnection => "reply lost",
            Self::TooManyRequests => "429",
            Self::OfProxy => "page of a proxy",
            Self::OfServer => "status",
            Self::Page => "page with 200",
            Self::HalfReply => "half a reply",
            Self::LostCall => "call lost",
            Self::SlowCall | Self::SlowSync => "slow call",
            Self::LostFrames => "frame lost",
        }
    }
}

pub(crate) struct Storm {
    sandbox: Sandbox,
    rng: fastrand::Rng,
    losing: Option<Losing>,
    /// What is next, from the end; every kind comes once before one comes again.
    deck: Vec<Kind>,
}

impl Storm {
    /// Where `losing` is given the server does not tell everything.
    pub(crate) fn new(sandbox: &Sandbox, seed: u64, losing: Option<Losing>) -> Self {
        Self {
            sandbox: sandbox.clone(),
            rng: fastrand::Rng::with_seed(seed),
            losing,
            deck: Vec::new(),
        }
    }

    fn kinds(&self) -> Vec<Kind> {
        let lost = self.losing.iter().map(|_| Kind::LostFrames);
        ALL.into_iter().chain(lost).collect()
    }

    /// The kinds that nobody has met yet, as the sandbox names them.
    pub(crate) fn not_met(&self) -> Vec<&'static str> {
        let met = self.sandbox.faults_met();
        let names = self.kinds().into_iter().map(Kind::name);
        names.filter(|name| !met.contains_key(name)).collect()
    }

    /// Once more what nobody has met yet.
    pub(crate) async fn strike_what_is_not_met(&mut self) {
        let met = self.sandbox.faults_met();
        for kind in self.kinds() {
            if !met.contains_key(kind.name()) {
                match kind {
                    Kind::Doubled => self.sandbox.duplicate_frames(true),
                    Kind::OutOfOrder => self.sandbox.reorder_rooms(true),
                    Kind::SlowServer => self.sandbox.slow_rest(Duration::from_millis(20)),
                    kind => self.strike_with(kind).await,
                }
            }
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
        if self.deck.is_empty() {
            self.deck = self.kinds();
            self.rng.shuffle(&mut self.deck);
        }
        if let Some(kind) = self.deck.pop() {
            self.strike_with(kind).await;
        }
        self.pause(5..80).await;
        // Now and then the bot comes to itself.
        if self.chance(3) {
            self.lull().await;
        }
    }

    async fn strike_with(&mut self, kind: Kind) {
        let sandbox = self.sandbox.clone();
        match kind {
            Kind::EndOfStream => sandbox.drop_connections(),
            Kind::Reset => sandbox.reset_connections(),
            Kind::Close => sandbox.close_connections(),
            Kind::HalfFrame => sandbox.send_half_frame(),
            Kind::Silence => {
                sandbox.silence(true);
                self.pause(10..120).await;
                if self.rng.bool() {
                    sandbox.drop_connections();
                }
                sandbox.silence(false);
            }
            Kind::Gone => {
                sandbox.go_down().await;
                self.pause(5..200).await;
                sandbox.come_back().await;
            }
            Kind::Refused => {
                sandbox.refuse_connections(true);
                sandbox.reset_connections();
                self.pause(5..100).await;
                sandbox.refuse_connections(false);
            }
            Kind::Step(step) => {
                sandbox.cut_at(step);
                sandbox.drop_connections();
            }
            Kind::Flurry => {
                for _ in 0..self.rng.usize(2..5) {
                    sandbox.drop_connections();
                    self.pause(0..60).await;
                }
            }
            Kind::SlowSync => {
                let delay = Duration::from_millis(self.rng.u64(20..80));
                sandbox.fail_next_calls("chat.syncMessages", 3, RestFault::Slow(delay));
                sandbox.drop_connections();
                self.pause(20..80).await;
                sandbox.reset_connections();
            }
            // These three last until it is decided again.
            Kind::Doubled => sandbox.duplicate_frames(self.rng.bool()),
            Kind::OutOfOrder => sandbox.reorder_rooms(self.rng.bool()),
            Kind::SlowServer => {
                let is_slow = self.rng.bool();
                let delay = if is_slow { self.rng.u64(5..60) } else { 0 };
                sandbox.slow_rest(Duration::from_millis(delay));
            }
            Kind::LostWithTheConnection => {
                self.burst("chat.sendMessage", RestFault::LoseReply);
                self.pause(0..20).await;
                sandbox.drop_connections();
            }
            Kind::LostFrames => {
                if let Some(losing) = self.losing.clone() {
                    losing.turn();
                    sandbox.lose_frames(true);
                    self.pause(5..200).await;
                    sandbox.lose_frames(false);
                    losing.turn();
                }
            }
            rest => {
                let fault = self.rest_fault(rest);
                let endpoint = ENDPOINTS[self.rng.usize(..ENDPOINTS.len())];
                self.burst(endpoint, fault);
            }
        }
    }

    /// Dead connections that nobody closes, for longer than a client waits for a sign of life.
    pub(crate) async fn long_silence(&mut self) {
        self.sandbox.silence(true);
        self.pause(75_000..85_000).await;
        self.sandbox.silence(false);
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

    fn rest_fault(&mut self, kind: Kind) -> RestFault {
        match kind {
            Kind::TooManyRequests => RestFault::TooManyRequests {
                reset_after: Duration::from_millis(self.rng.u64(0..300)),
            },
            Kind::OfProxy => RestFault::Proxy(OF_PROXIES[self.rng.usize(..OF_PROXIES.len())]),
            Kind::OfServer => RestFault::Status(OF_SERVERS[self.rng.usize(..OF_SERVERS.len())]),
            Kind::Page => RestFault::Html,
            Kind::LostReply => RestFault::LoseReply,
            Kind::HalfReply => RestFault::HalfReply,
            Kind::LostCall => RestFault::CloseBeforeActing,
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
