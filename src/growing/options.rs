//! How a reply grows, and how it may end.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use crate::response::{Send, Thread};

/// Why a growing reply ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ending {
    /// The stream ended, and all of its text is there.
    Complete,
    /// Somebody stopped it, by a command or a reaction.
    Stopped,
    /// The question was deleted.
    QuestionDeleted,
    /// One of the reply's own messages was deleted.
    ReplyDeleted,
    /// A newer question came, and [cancels](Newer::Cancels) older ones.
    NewerQuestion,
    /// The bot stopped.
    Shutdown,
    /// Whoever waited for it has gone: most often it took longer than the route may take.
    Abandoned,
    /// The stream failed. The error is in the log, under the reference that the reply names.
    Failed,
    /// The text was longer than the [most messages](GrowOptions::max_messages) that there may be.
    TooLong,
}

impl Ending {
    /// What the reply says then, unless it is told otherwise.
    fn default_note(self) -> &'static str {
        match self {
            // Whoever deleted the reply wants no more of it.
            Self::Complete | Self::ReplyDeleted => "",
            Self::Stopped => "_Stopped._",
            Self::QuestionDeleted => "_Stopped: the question was deleted._",
            Self::NewerQuestion => "_Stopped: there is a newer question._",
            Self::Shutdown => "_Stopped: the bot is shutting down._",
            Self::Abandoned => "_Stopped: it took too long._",
            Self::Failed => "Something went wrong (ref {ref}).",
            Self::TooLong => "_Cut: the rest is too long for the chat._",
        }
    }
}

/// What becomes of a question while an older one of the same talk is being answered. A talk is a thread; and what one person
/// asks in a room outside of threads, also where each of the answers opens a thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Newer {
    /// It waits until the older one is answered.
    #[default]
    Queues,
    /// The older answer ends, and says so.
    Cancels,
}

/// How a reply grows.
///
/// ```
/// use std::time::Duration;
/// use rocketbotte::growing::{Ending, GrowOptions, Newer};
///
/// let options = GrowOptions::new()
///     .throttle(Duration::from_secs(2))
///     .newer(Newer::Cancels)
///     .note(Ending::Stopped, "_As you wish._");
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct GrowOptions {
    pub(super) throttle: Duration,
    pub(super) newer: Newer,
    pub(super) placeholder: Option<Cow<'static, str>>,
    pub(super) emojis: Arc<[String]>,
    pub(super) most_messages: u32,
    pub(super) thread: Option<Thread>,
    notes: Arc<[(Ending, Cow<'static, str>)]>,
}

impl Default for GrowOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl GrowOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self {
            throttle: Duration::from_secs(1),
            newer: Newer::default(),
            placeholder: None,
            emojis: [":octagonal_sign:", ":stop_sign:", ":x:"]
                .map(str::to_owned)
                .into(),
            most_messages: 40,
            thread: None,
            notes: Arc::default(),
        }
    }

    /// The least time between two edits: a second unless set. Where the server limits the account it is longer, so that
    /// there is always an edit left for the last words.
    pub fn throttle(mut self, every: Duration) -> Self {
        self.throttle = every;
        self
    }

    /// What becomes of a question while an older one is being answered: it waits unless set.
    pub fn newer(mut self, newer: Newer) -> Self {
        self.newer = newer;
        self
    }

    /// Posts this text at once, which the first words replace. Unless set, the bot is shown as typing until then.
    pub fn placeholder(mut self, text: impl Into<Cow<'static, str>>) -> Self {
        self.placeholder = Some(text.into());
        self
    }

    /// The reactions by which whoever asked stops it, on the question or on the reply: `:octagonal_sign:`,
    /// `:stop_sign:` and `:x:` unless set. The server names who reacts by the user name only.
    pub fn stop_reactions<E: Into<String>>(mut self, emojis: impl IntoIterator<Item = E>) -> Self {
        let with_colons = |emoji: E| format!(":{}:", emoji.into().trim_matches(':'));
        self.emojis = emojis.into_iter().map(with_colons).collect();
        self
    }

    /// How many messages the reply may become: 40 unless set, at least one. What is longer is cut with a note.
    pub fn max_messages(mut self, messages: u32) -> Self {
        self.most_messages = messages.max(1);
        self
    }

    /// In which thread it goes: where it was asked for, unless set.
    pub fn in_thread(mut self, thread: Thread) -> Self {
        self.thread = Some(thread);
        self
    }

    /// What the reply says at its end for this reason; nothing if it is empty. `{ref}` becomes the reference of a
    /// failure.
    pub fn note(mut self, ending: Ending, text: impl Into<Cow<'static, str>>) -> Self {
        let others = self.notes.iter().filter(|(known, _)| *known != ending).cloned();
        self.notes = others.chain([(ending, text.into())]).collect();
        self
    }

    /// What the reply ends with, if anything.
    pub(super) fn note_for(&self, ending: Ending, reference: &str) -> Option<String> {
        let own = self.notes.iter().find(|(known, _)| *known == ending);
        let text = own.map_or(ending.default_note(), |(_, text)| text);
        (!text.is_empty()).then(|| text.replace("{ref}", reference))
    }

    pub(super) fn send(&self) -> Send {
        let send = Send::text("");
        match &self.thread {
            Some(thread) => send.in_thread(thread.clone()),
            None => send,
        }
    }
}
