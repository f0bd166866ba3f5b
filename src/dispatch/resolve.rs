//! Makes a route's actions complete: the room, the thread, the parts of a long text, and the ids. Pure.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use crate::context::Shared;
use crate::dispatch::ids::{Channel, MessageOrigin};
use crate::dispatch::mentions::{KeptMentions, Mentionable};
use crate::dispatch::text::{split, split_or_cut};
use crate::event::{Message, MessageId, RoomId, User};
use crate::request::Request;
use crate::response::{
    Action, AllowedMentions, DerivedIds, FollowThread, React, RouteName, Send, Thread, UnfollowThread, Upload,
};

/// A reply that is later than this quotes the message that it answers: the talk has gone on since.
pub(crate) const QUOTE_AFTER: Duration = Duration::from_secs(60);

/// The file that a reply becomes which is too long for the chat, and what is said with it.
const LONG_REPLY: &str = "reply.txt";
const LONG_REPLY_NOTE: &str = "This is too long for the chat: it is in the file.";

/// The route name of what no router answered. No command's path begins with a blank.
pub(crate) const NO_ROUTE: &str = " service";

/// Why an action can not be carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// Text was returned for an event that happened in no room.
    #[error(
        "the route `{route}` answered a `{event}` event, which has no room: say where with `route(…).to(room)` or `Send::to`"
    )]
    NoRoom {
        /// Which route.
        route: String,
        /// For which kind of event.
        event: &'static str,
    },
    /// A reaction without a message to react to, or a thread that is that of no message.
    #[error(
        "the route `{route}` answers a `{event}` event, which has no message: say which with `React::to` or `FollowThread::of`"
    )]
    NoMessage {
        /// Which route.
        route: String,
        /// For which kind of event.
        event: &'static str,
    },
}

/// What actions are completed from: the event that they answer, and the bot.
#[derive(Clone)]
pub(crate) struct Resolver {
    shared: Arc<Shared>,
    channel: Channel,
    event_key: Cow<'static, str>,
    event: &'static str,
    room_id: Option<RoomId>,
    /// What is answered.
    message: Option<Arc<Message>>,
    thread_id: Option<MessageId>,
    /// Who caused it.
    author: Option<User>,
    /// The start of a text that answers late: a link that clients show as a quotation.
    quote: Option<String>,
}

impl Resolver {
    pub(crate) fn of_returned(request: &Request) -> Self {
        Self::new(request, Channel::Returned)
    }

    pub(crate) fn of_outbox(request: &Request) -> Self {
        Self::new(request, Channel::Outbox)
    }

    /// For what the program sends by itself: no event, so each has ids of its own.
    pub(crate) fn of_program(shared: &Arc<Shared>) -> Self {
        Self {
            shared: Arc::clone(shared),
            channel: Channel::Program,
            event_key: Cow::Owned(crate::random::id()),
            event: "program",
            room_id: None,
            message: None,
            thread_id: None,
            author: None,
            quote: None,
        }
    }

    fn new(request: &Request, channel: Channel) -> Self {
        let event = request.event();
        Self {
            shared: Arc::clone(request.context().shared()),
            channel,
            event_key: Cow::Owned(request.key().into_owned()),
            event: event.kind().name(),
            room_id: event.room_id().cloned(),
            message: event.message().cloned(),
            thread_id: event.thread_id().cloned(),
            author: request.author().cloned(),
            quote: None,
        }
    }

    /// Says how long after the event its reply goes out.
    pub(crate) fn late_by(mut self, delay: Duration, request: &Request) -> Self {
        if delay > QUOTE_AFTER {
            self.quote = request
                .message()
                .and_then(|message| self.shared.quote_of(message));
        }
        self
    }

    /// The complete actions that one action becomes.
    pub(crate) fn resolve(
        &self,
        mut action: Action,
        route: Option<&RouteName>,
        position: u32,
    ) -> Result<Vec<Action>, ResolveError> {
        let route = route.map_or(NO_ROUTE, RouteName::as_str);
        let mut is_answer = false;
        if action.room_id().is_some() || action.lane().is_none() {
            let room_id = action.room_id().or(self.room_id.as_ref()).cloned();
            let Some(room_id) = room_id else {
                return Err(ResolveError::NoRoom {
                    route: route.to_owned(),
                    event: self.event,
                });
            };
            is_answer = Some(&room_id) == self.room_id.as_ref();
            action.set_room_id(room_id);
        }
        let no_message = || ResolveError::NoMessage {
            route: route.to_owned(),
            event: self.event,
        };
        match &mut action {
            Action::Send(send) if send.content().trim().is_empty() && send.attachments().is_empty() => {
                // The server would post it: an empty line in the room.
                tracing::debug!(route, "an empty text is not posted");
                return Ok(Vec::new());
            }
            Action::Send(send) => return Ok(self.resolve_send(send, route, position, is_answer)),
            Action::Upload(upload) => return Ok(self.resolve_upload(upload, route, position, is_answer)),
            Action::React(React { message_id, .. }) => {
                if message_id.is_none() {
                    *message_id = Some(self.message_id().cloned().ok_or_else(no_message)?);
                }
            }
            Action::FollowThread(FollowThread { thread_id, .. })
            | Action::UnfollowThread(UnfollowThread { thread_id, .. }) => {
                if thread_id.is_none() {
                    let asked = self.thread_id.as_ref().or_else(|| self.message_id());
                    *thread_id = Some(asked.cloned().ok_or_else(no_message)?);
                }
            }
            Action::Edit(edit) => {
                let text = std::mem::take(&mut edit.text);
                let mentionable = self.mentionable(edit.allowed_mentions(), false);
                edit.text = match mentionable.neutralise(&text) {
                    Cow::Owned(neutral) => neutral,
                    Cow::Borrowed(_) => text,
                };
            }
            Action::Delete(_)
            | Action::Pin(_)
            | Action::Unpin(_)
            | Action::MarkRead(_)
            | Action::SetStatus(_) => {}
        }
        Ok(vec![action])
    }

    fn message_id(&self) -> Option<&MessageId> {
        Some(self.message.as_ref()?.id())
    }

    fn mentionable<'a>(&'a self, allowed: Option<&'a AllowedMentions>, groups: bool) -> Mentionable<'a> {
        let allowed = allowed.unwrap_or(&self.shared.allowed_mentions);
        Mentionable::new(allowed, self.author.as_ref().map(User::username), groups)
    }

    fn quote_of_question(&self) -> Option<String> {
        self.shared.quote_of(self.message.as_ref()?)
    }

    /// A message without its text and ids: where it goes.
    pub(crate) fn place(&self, mut send: Send, route: Option<&RouteName>) -> Result<Send, ResolveError> {
        let room_id = send.room_id().or(self.room_id.as_ref()).cloned();
        let room_id = room_id.ok_or_else(|| ResolveError::NoRoom {
            route: route.map_or(NO_ROUTE, RouteName::as_str).to_owned(),
            event: self.event,
        })?;
        let thread = self.thread(send.thread(), Some(&room_id) == self.room_id.as_ref());
        *send.room_id_mut() = Some(room_id);
        send.set_thread(thread);
        Ok(send)
    }

    /// The message of which the reply consists in part, where it is known where it goes.
    pub(crate) fn part(
        &self,
        mut send: Send,
        route: Option<&RouteName>,
        position: u32,
        part: u32,
        text: String,
    ) -> Send {
        send.set_text(text);
        send.set_ids(self.ids(route.map_or(NO_ROUTE, RouteName::as_str), position, part));
        send
    }

    /// Who may be mentioned.
    pub(crate) fn kept_mentions(&self) -> KeptMentions {
        KeptMentions {
            allowed: self.shared.allowed_mentions.clone(),
            author: self.author.as_ref().map(|author| author.username().to_owned()),
        }
    }

    /// What a text that answers late begins with.
    pub(crate) fn quote(&self) -> &str {
        self.quote.as_deref().unwrap_or_default()
    }

    /// The thread that is meant.
    fn thread(&self, thread: &Thread, is_answer: bool) -> Thread {
        let id = match thread {
            Thread::AsAsked if is_answer && !self.shared.always_in_thread => self.thread_id.clone(),
            Thread::AsAsked | Thread::Always if is_answer => {
                self.thread_id.clone().or_else(|| self.message_id().cloned())
            }
            Thread::AsAsked | Thread::Always | Thread::Never => None,
            Thread::Of(id) => Some(id.clone()),
        };
        id.map_or(Thread::Never, Thread::Of)
    }

    fn ids(&self, route: &str, position: u32, part: impl TryInto<u32>) -> DerivedIds {
        self.shared.ids.derive(&MessageOrigin {
            event_key: &self.event_key,
            route,
            channel: self.channel,
            position,
            part: part.try_into().unwrap_or(u32::MAX),
        })
    }

    /// The message with the file, and what of its text does not fit into it.
    fn resolve_upload(&self, upload: &Upload, route: &str, position: u32, is_answer: bool) -> Vec<Action> {
        let mut upload = upload.clone();
        let thread = self.thread(upload.thread(), is_answer);
        let mentionable = self.mentionable(None, upload.fields.allows_group_mentions);
        let mut text = mentionable.neutralise(&upload.fields.text).into_owned();
        if let Some(description) = &mut upload.fields.description {
            mentionable.neutralise_in_place(description);
        }
        if let Some(quote) = self.quote.as_ref().filter(|_| is_answer) {
            text.insert_str(0, quote);
        }
        let mut rest_of_it = Send::text("").in_thread(thread.clone());
        rest_of_it.go_with(upload.room_id(), upload.destination());
        let mut parts = split(&text, self.shared.message_size_limit()).into_iter();
        upload.fields.text = parts.next().unwrap_or_default().into_owned();
        upload.fields.thread = thread;
        upload.fields.ids = Some(self.ids(route, position, 0));
        let rest = parts.enumerate().map(|(index, text)| {
            let mut send = rest_of_it.clone();
            send.set_text(text.into_owned());
            send.set_ids(self.ids(route, position, index + 1));
            Action::Send(send)
        });
        std::iter::once(Action::Upload(upload)).chain(rest).collect()
    }

    /// A text that is too long for the chat, as a file, and what a file's message has no place for.
    fn resolve_long(&self, send: &Send, route: &str, position: u32, is_answer: bool) -> Vec<Action> {
        let mut upload = Upload::from_bytes(LONG_REPLY, send.content().to_owned())
            .message(LONG_REPLY_NOTE)
            .in_thread(send.thread().clone());
        upload.fields.room_id = send.room_id().cloned();
        upload.fields.destination = send.destination().cloned();
        let mut actions = self.resolve_upload(&upload, route, position, is_answer);
        if !send.attachments().is_empty() {
            let mut boxes = send.clone();
            boxes.set_text(String::new());
            boxes.set_thread(self.thread(send.thread(), is_answer));
            boxes.set_ids(self.ids(route, position, actions.len()));
            actions.push(Action::Send(boxes));
        }
        actions
    }

    fn resolve_send(&self, send: &Send, route: &str, position: u32, is_answer: bool) -> Vec<Action> {
        let thread = self.thread(send.thread(), is_answer);
        let mentionable = self.mentionable(send.allowed_mentions(), send.allows_group_mentions());
        let mut text = mentionable.neutralise(send.content());
        let is_quoting = send.extras().is_some_and(|extras| extras.is_quoting);
        let quote = match &self.quote {
            Some(quote) => Some(Cow::Borrowed(quote.as_str())),
            None if is_quoting => self.quote_of_question().map(Cow::Owned),
            None => None,
        };
        if let Some(quote) = quote.filter(|_| is_answer) {
            text = Cow::Owned(format!("{quote}{text}"));
        }
        let (parts, is_cut) = split_or_cut(&text, self.shared.message_size_limit());
        if is_cut && (self.shared.long_replies_as_files || send.is_file_if_long()) {
            return self.resolve_long(send, route, position, is_answer);
        }
        let last = parts.len().saturating_sub(1);
        parts
            .into_iter()
            .enumerate()
            .map(|(index, text)| {
                let mut piece = send.clone();
                match index == last {
                    true => piece.map_attachments(|text| mentionable.neutralise_in_place(text)),
                    false => piece = piece.without_attachments(),
                }
                piece.set_text(text.into_owned());
                piece.set_thread(thread.clone());
                piece.set_ids(self.ids(route, position, index));
                Action::Send(piece)
            })
            .collect()
    }
}
