//! The subscriptions of one session: which there are, and where each of them stands.

use bytestring::ByteString;
use tokio::time::Instant;

/// Everything the bot may read, in one subscription: rooms joined later and direct messages come by themselves.
const MESSAGES: (&str, &str) = ("stream-room-messages", "__my_messages__");

#[derive(Debug)]
pub(crate) struct Subscriptions {
    all: [Subscription; 2],
}

#[derive(Debug)]
struct Subscription {
    stream: &'static str,
    event: ByteString,
    /// Without it the bot is deaf.
    required: bool,
    state: State,
}

#[derive(Debug)]
enum State {
    /// To be sent, at this time if there is one.
    Due(Option<Instant>),
    Sent {
        id: String,
        until: Instant,
    },
    Ready {
        id: String,
    },
    /// Refused; the bot runs without it.
    Lost,
}

/// What a `nosub` means.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// Not one of ours, or an old one.
    Unknown,
    /// It will be sent again.
    Retry(&'static str),
    /// It is gone.
    Lost { stream: &'static str, required: bool },
}

impl Subscriptions {
    pub(crate) fn new(user_id: &str) -> Self {
        let subscription = |stream, event, required| Subscription {
            stream,
            event,
            required,
            state: State::Due(None),
        };
        Self {
            all: [
                subscription(MESSAGES.0, MESSAGES.1.into(), true),
                // Rooms that the bot was added to or removed from.
                subscription(
                    "stream-notify-user",
                    format!("{user_id}/subscriptions-changed").into(),
                    false,
                ),
            ],
        }
    }

    /// One that is to be sent at `now`.
    pub(crate) fn next_due(&self, now: Instant) -> Option<usize> {
        self.all.iter().position(|subscription| match subscription.state {
            State::Due(at) => at.is_none_or(|at| now >= at),
            _ => false,
        })
    }

    /// The one at `index` goes out under `id`; stream and event of it.
    pub(crate) fn sent(&mut self, index: usize, id: &str, until: Instant) -> (&'static str, &str) {
        let subscription = &mut self.all[index];
        subscription.state = State::Sent {
            id: id.to_owned(),
            until,
        };
        (subscription.stream, &subscription.event)
    }

    pub(crate) fn on_ready(&mut self, id: &str) {
        for subscription in &mut self.all {
            if let State::Sent { id: sent, .. } = &mut subscription.state
                && sent == id
            {
                subscription.state = State::Ready {
                    id: std::mem::take(sent),
                };
            }
        }
    }

    pub(crate) fn on_nosub(&mut self, id: &str, retry: Option<Instant>) -> Reply {
        let found = self
            .all
            .iter_mut()
            .find(|subscription| match &subscription.state {
                State::Sent { id: own, .. } | State::Ready { id: own } => own == id,
                State::Due(_) | State::Lost => false,
            });
        let Some(subscription) = found else {
            return Reply::Unknown;
        };
        if retry.is_some() {
            subscription.state = State::Due(retry);
            return Reply::Retry(subscription.stream);
        }
        subscription.state = State::Lost;
        Reply::Lost {
            stream: subscription.stream,
            required: subscription.required,
        }
    }

    /// Whether none is waited for. One that the bot can be without is not, while the server's limit holds it back.
    pub(crate) fn all_settled(&self) -> bool {
        self.all.iter().all(|subscription| match subscription.state {
            State::Ready { .. } | State::Lost => true,
            State::Due(at) => at.is_some() && !subscription.required,
            State::Sent { .. } => false,
        })
    }

    /// One that is not answered in time: it is given up.
    pub(crate) fn next_overdue(&mut self, now: Instant) -> Option<Reply> {
        let overdue = self
            .all
            .iter_mut()
            .find(|subscription| matches!(subscription.state, State::Sent { until, .. } if now >= until))?;
        overdue.state = State::Lost;
        Some(Reply::Lost {
            stream: overdue.stream,
            required: overdue.required,
        })
    }

    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        self.all
            .iter()
            .filter_map(|subscription| match subscription.state {
                State::Due(at) => at,
                State::Sent { until, .. } => Some(until),
                State::Ready { .. } | State::Lost => None,
            })
            .min()
    }
}
