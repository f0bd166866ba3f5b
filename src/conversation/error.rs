//! Why nobody answered.

use std::error::Error;
use std::fmt;

use tower::BoxError;

use crate::rejection::Rejection;

/// A conversation ended without an answer.
///
/// A handler that gives it on by `?` has the person read one sentence about it: as a cause of the error there is a
/// [`Rejection`], and it can be made into one. What the person can do nothing about is logged instead, as any other error.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConversationEnded {
    /// Nobody answered in time.
    TimedOut,
    /// The bot stops, and hears no answers any more.
    ShuttingDown,
    /// So many conversations wait for an answer that there is no place for another: 100 that one person has begun, or
    /// 10,000 in all.
    TooMany,
    /// No answer was one that could be understood.
    NotUnderstood,
    /// There is nothing to answer: no option to choose.
    NothingToAnswer,
    /// The question could not be posted.
    NotPosted(BoxError),
}

static TIMED_OUT: Rejection = Rejection::fixed("I heard no answer in time, so I stopped waiting for one.");
static SHUTTING_DOWN: Rejection =
    Rejection::fixed("I have to stop now and can't wait for an answer: please ask me again in a moment.");
static TOO_MANY: Rejection =
    Rejection::fixed("Too many questions wait for an answer already: please try again later.");
static NOT_UNDERSTOOD: Rejection = Rejection::fixed("I did not understand the answer: please begin again.");

impl ConversationEnded {
    /// What the person reads; `None` for what is the operator's to know.
    fn rejection(&self) -> Option<&'static Rejection> {
        match self {
            Self::TimedOut => Some(&TIMED_OUT),
            Self::ShuttingDown => Some(&SHUTTING_DOWN),
            Self::TooMany => Some(&TOO_MANY),
            Self::NotUnderstood => Some(&NOT_UNDERSTOOD),
            Self::NothingToAnswer | Self::NotPosted(_) => None,
        }
    }
}

impl fmt::Display for ConversationEnded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TimedOut => "nobody answered in time",
            Self::ShuttingDown => "the bot stops and hears no answer any more",
            Self::TooMany => "too many conversations wait for an answer",
            Self::NotUnderstood => "no answer fits the question",
            Self::NothingToAnswer => "there is nothing to answer",
            Self::NotPosted(_) => "the question could not be posted",
        })
    }
}

impl Error for ConversationEnded {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NotPosted(error) => Some(&**error),
            _ => self.rejection().map(|rejection| rejection as _),
        }
    }
}

/// For handlers whose errors are rejections. What the person can do nothing about is logged.
impl From<ConversationEnded> for Rejection {
    fn from(ended: ConversationEnded) -> Self {
        ended.rejection().cloned().unwrap_or_else(|| {
            tracing::error!(error = %crate::error_chain::Chain(&ended), "a conversation could not begin");
            Self::new("I could not ask what I need to know: please try again later.")
        })
    }
}
