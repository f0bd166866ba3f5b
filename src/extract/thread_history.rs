//! What was said before in a conversation.

use std::cmp::Ordering;
use std::collections::VecDeque;

use http::Method;
use serde_json::Value;
use tower::BoxError;

use super::{FromRequest, MissingPart};
use crate::event::{Message, MessageId, RoomId, Timestamp, User};
use crate::request::Request;
use crate::rest::endpoint::{GetMessage, GetThreadMessages};
use crate::rest::{Client, Endpoint, RestError};

/// Servers give no more at once.
const PAGE: usize = 100;

/// What was said in the thread of the message that is answered, the oldest first: its first message, the replies, and at
/// the end the message itself. In a direct conversation outside of a thread it is what was said there; elsewhere the
/// message alone.
///
/// It is within a budget: the last `MESSAGES` of them (50 unless said), with together at most `CHARS` characters (16,000
/// unless said), where the message itself counts and is always there. What came later than the message is left out, and
/// so are deleted messages and those that the server wrote.
///
/// ```
/// use rocketbotte::extract::ThreadHistory;
///
/// async fn summarise(history: ThreadHistory<20, 4000>) -> String {
///     let lines = history.messages().iter().map(|message| {
///         let name = if message.is_me() { "I" } else { message.author().username() };
///         format!("> {name}: {}", message.text())
///     });
///     lines.collect::<Vec<_>>().join("\n")
/// }
/// # let _ = rocketbotte::Router::<()>::new().command("summarise", summarise);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadHistory<const MESSAGES: usize = 50, const CHARS: usize = 16_000> {
    messages: Vec<HistoryMessage>,
    is_cut: bool,
}

/// A message of a [`ThreadHistory`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryMessage {
    id: MessageId,
    author: User,
    text: String,
    created_at: Timestamp,
    is_me: bool,
}

impl HistoryMessage {
    fn of(message: &Message, request: &Request) -> Self {
        let author = message.author();
        let mut user = User::new(author.id().as_str(), author.username());
        if let Some(name) = author.name() {
            user = user.with_name(name);
        }
        // Copies: the message is a slice of what was read.
        Self {
            id: MessageId::from(message.id().as_str()),
            is_me: author.id() == request.context().identity().id(),
            author: user,
            text: message.text().to_owned(),
            created_at: message.created_at(),
        }
    }

    /// Its id.
    pub fn id(&self) -> &MessageId {
        &self.id
    }

    /// Who said it.
    pub fn author(&self) -> &User {
        &self.author
    }

    /// Whether the bot itself said it.
    pub fn is_me(&self) -> bool {
        self.is_me
    }

    /// What was said.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// When.
    pub fn created_at(&self) -> Timestamp {
        self.created_at
    }
}

impl<const MESSAGES: usize, const CHARS: usize> ThreadHistory<MESSAGES, CHARS> {
    /// The messages, the oldest first.
    pub fn messages(&self) -> &[HistoryMessage] {
        &self.messages
    }

    /// Whether something that was said before is left out.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }
}

/// Why there is no [`ThreadHistory`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// The event is about no message.
    #[error(transparent)]
    NoMessage(#[from] MissingPart),
    /// The bot is not connected to a server.
    #[error("there is no server to ask for what was said before")]
    NoServer,
    /// The server did not tell.
    #[error("what was said before could not be read")]
    Rest(#[from] RestError),
}

/// What was said, the newest first, as long as there is room for it.
struct Budget<'a> {
    request: &'a Request,
    asked: &'a Message,
    messages: VecDeque<HistoryMessage>,
    /// How many there may be besides the one that is answered.
    all: usize,
    /// How many more.
    most: usize,
    chars: usize,
    is_cut: bool,
    /// The message that is answered was among those that were taken.
    has_passed_asked: bool,
}

impl Budget<'_> {
    /// Takes a message that is older than those before. Whether there is room for more.
    fn take(&mut self, value: &Value) -> bool {
        // What is no message is passed over.
        let Ok(message) = Message::from_json(&value.to_string()) else {
            return true;
        };
        if message.id() == self.asked.id() {
            self.has_passed_asked = true;
            return true;
        }
        let is_later = match message.created_at().cmp(&self.asked.created_at()) {
            Ordering::Less => false,
            // The same millisecond: they come in order.
            Ordering::Equal => !self.has_passed_asked,
            Ordering::Greater => true,
        };
        if is_later || message.system_type().is_some() {
            return true;
        }
        let chars = message.text().chars().count();
        if self.most == 0 || self.chars < chars {
            self.is_cut = true;
            return false;
        }
        self.most -= 1;
        self.chars -= chars;
        self.messages
            .push_front(HistoryMessage::of(&message, self.request));
        true
    }

    /// The replies of a thread, and its first message.
    async fn take_thread(&mut self, client: &Client, thread_id: &MessageId) -> Result<(), RestError> {
        for page in 0.. {
            let count = self.page_size();
            let call = GetThreadMessages {
                offset: Some(page * count),
                ..GetThreadMessages::newest(thread_id.clone(), count)
            };
            let messages = client.call(&call).await?.messages;
            if !messages.iter().all(|message| self.take(message)) {
                return Ok(());
            }
            if messages.len() < count {
                break;
            }
        }
        if let Some(root) = message_object(client, thread_id).await? {
            // It is before all others.
            self.has_passed_asked = true;
            self.take(&root);
        }
        Ok(())
    }

    /// What was said in a direct conversation, outside of threads.
    async fn take_direct(&mut self, client: &Client) -> Result<(), RestError> {
        for page in 0.. {
            let count = self.page_size();
            let call = DirectHistory {
                room_id: self.asked.room().id().clone(),
                count,
                offset: page * count,
                show_thread_messages: false,
            };
            let mut messages = client.call(&call).await?.messages;
            let given = messages.len();
            // Old servers give them all the same.
            messages.retain(|message| message.get("tmid").is_none());
            if !messages.iter().all(|message| self.take(message)) || given < count {
                break;
            }
        }
        Ok(())
    }

    /// One more than there may be, and the one that is answered: so that one call is enough to know what is left out.
    fn page_size(&self) -> usize {
        (self.all + 2).min(PAGE)
    }
}

/// `GET im.history`: the last messages of a direct conversation, the newest first.
#[derive(Debug, serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct DirectHistory {
    room_id: RoomId,
    count: usize,
    offset: usize,
    show_thread_messages: bool,
}

#[derive(Debug, serde::Deserialize)]
struct DirectHistoryReply {
    messages: Vec<Value>,
}

impl Endpoint for DirectHistory {
    const METHOD: Method = Method::GET;
    const PATH: &'static str = "im.history";
    const IDEMPOTENT: bool = true;
    type Reply = DirectHistoryReply;
}

/// A message with all its fields; none where it was deleted, or may not be read.
pub(super) async fn message_object(
    client: &Client,
    message_id: &MessageId,
) -> Result<Option<Value>, RestError> {
    let call = GetMessageObject(GetMessage {
        message_id: message_id.clone(),
    });
    match client.call(&call).await {
        Ok(reply) => Ok(Some(reply.message)),
        Err(error)
            if error.status().is_some_and(|status| status.is_client_error()) && !error.is_transient() =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

#[derive(Debug, serde::Serialize)]
struct GetMessageObject(GetMessage);

#[derive(Debug, serde::Deserialize)]
struct MessageObject {
    message: Value,
}

impl Endpoint for GetMessageObject {
    const METHOD: Method = Method::GET;
    const PATH: &'static str = GetMessage::PATH;
    const IDEMPOTENT: bool = true;
    type Reply = MessageObject;
}

impl<const MESSAGES: usize, const CHARS: usize> ThreadHistory<MESSAGES, CHARS> {
    async fn read(request: &Request) -> Result<Self, HistoryError> {
        let asked = request
            .message()
            .ok_or_else(|| MissingPart::new("message", request))?;
        let own_chars = asked.text().chars().count();
        let mut budget = Budget {
            request,
            asked,
            messages: VecDeque::new(),
            all: MESSAGES.saturating_sub(1),
            most: MESSAGES.saturating_sub(1),
            chars: CHARS.saturating_sub(own_chars),
            is_cut: false,
            has_passed_asked: false,
        };
        budget.messages.push_front(HistoryMessage::of(asked, request));
        let client = request.context().client();
        match (asked.thread_id(), asked.room().is_direct()) {
            (Some(thread_id), _) => {
                let client = client.ok_or(HistoryError::NoServer)?;
                budget.take_thread(client, thread_id).await?;
            }
            (None, true) => budget.take_direct(client.ok_or(HistoryError::NoServer)?).await?,
            (None, false) => {}
        }
        Ok(Self {
            messages: budget.messages.into(),
            is_cut: budget.is_cut,
        })
    }
}

impl<S: Sync, const MESSAGES: usize, const CHARS: usize> FromRequest<S> for ThreadHistory<MESSAGES, CHARS> {
    type Rejection = BoxError;

    async fn from_request(request: &Request, _state: &S) -> Result<Self, Self::Rejection> {
        Self::read(request).await.map_err(Into::into)
    }
}
