//! A message to be posted.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{AllowedMentions, Attachment};
use crate::event::{MessageId, RoomId, UserId};

/// In which thread a message goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Thread {
    /// In the thread of the message that is answered, if it is in one, else in the room.
    #[default]
    AsAsked,
    /// Always in a thread: that of the message that is answered, or a new one below it.
    Always,
    /// In the room, also when asked in a thread.
    Never,
    /// In the thread of this message.
    Of(MessageId),
}

impl Thread {
    /// The thread's message, where it is said which.
    pub(crate) fn id(&self) -> Option<&MessageId> {
        match self {
            Self::Of(id) => Some(id),
            Self::AsAsked | Self::Always | Self::Never => None,
        }
    }
}

/// A room that is known by something else than its id. It is looked up when the message goes out.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Destination {
    /// The direct conversation with somebody, by the user name.
    User(String),
    /// The direct conversation with somebody, by the user id.
    UserId(UserId),
    /// A room, by its name.
    RoomNamed(String),
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(name) => write!(f, "@{name}"),
            Self::UserId(id) => write!(f, "@({id})"),
            Self::RoomNamed(name) => write!(f, "#{name}"),
        }
    }
}

/// Posts a message.
///
/// ```
/// use rocketbotte::response::{Send, Thread};
///
/// let report = Send::text("Build 17 is green.").to("GENERAL").in_thread(Thread::Never);
/// assert_eq!(report.room_id().unwrap(), &"GENERAL");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Send {
    text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    room_id: Option<RoomId>,
    #[serde(default)]
    thread: Thread,
    #[serde(default)]
    allows_group_mentions: bool,
    #[serde(default, skip_serializing_if = "Extras::are_none")]
    extras: Extras,
    /// Boxed, since it is set only when the action goes out: until then every response would carry its size around.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ids: Option<Box<DerivedIds>>,
}

/// The ids under which a message goes out: the second is for when somebody else holds the first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DerivedIds {
    pub(crate) first: MessageId,
    pub(crate) second: MessageId,
}

impl DerivedIds {
    /// The id that is tried first.
    pub fn first(&self) -> &MessageId {
        &self.first
    }

    /// The id that is tried when the first is taken by a message that is not ours.
    pub fn second(&self) -> &MessageId {
        &self.second
    }
}

impl Send {
    /// A message with a text in Rocket.Chat's markdown.
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            room_id: None,
            thread: Thread::AsAsked,
            allows_group_mentions: false,
            extras: Extras(None),
            ids: None,
        }
    }

    /// Sends it to a room by its id, instead of where the event happened.
    #[must_use]
    pub fn to(mut self, room_id: impl Into<RoomId>) -> Self {
        self.room_id = Some(room_id.into());
        if let Some(extras) = &mut self.extras.0 {
            extras.destination = None;
        }
        self
    }

    /// Sends it to somebody, by the user name, in a direct message. The conversation is opened if there is none. A name
    /// that nobody has is an error when the message goes out.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use rocketbotte::event::Message;
    /// use rocketbotte::response::Send;
    ///
    /// async fn secret(message: Arc<Message>) -> Send {
    ///     Send::text("It is 42.").to_user(message.author().username())
    /// }
    /// # let _ = rocketbotte::Router::<()>::new().command("secret", secret);
    /// ```
    #[must_use]
    pub fn to_user(self, username: impl Into<String>) -> Self {
        let username = without_sign(username.into(), '@');
        self.destined_for(Destination::User(username))
    }

    /// Sends it to somebody, by the user id, in a direct message. It takes one call more than by the
    /// [name](Self::to_user).
    #[must_use]
    pub fn to_user_id(self, user_id: impl Into<UserId>) -> Self {
        self.destined_for(Destination::UserId(user_id.into()))
    }

    /// Sends it to a room by its name, instead of where the event happened. The bot has to be in it, or it is a public
    /// channel. A name that no room has is an error when the message goes out.
    ///
    /// The order among messages for a room is kept for those that call it the same.
    ///
    /// ```
    /// use rocketbotte::response::Send;
    ///
    /// async fn announce() -> Send {
    ///     Send::text("Version 3 is out.").to_room_named("news")
    /// }
    /// # let _ = rocketbotte::Router::<()>::new().command("announce", announce);
    /// ```
    #[must_use]
    pub fn to_room_named(self, name: impl Into<String>) -> Self {
        let name = without_sign(name.into(), '#');
        self.destined_for(Destination::RoomNamed(name))
    }

    fn destined_for(mut self, destination: Destination) -> Self {
        self.room_id = None;
        self.extras.edit().destination = Some(destination);
        self
    }

    /// Says in which thread it goes.
    #[must_use]
    pub fn in_thread(mut self, thread: Thread) -> Self {
        self.thread = thread;
        self
    }

    /// Lets `@all` and `@here` in the text notify everybody, besides those who may be mentioned anyway. They are
    /// neutralised otherwise; an account without the permission `mention-all` or `mention-here` has the whole message
    /// refused.
    #[must_use]
    pub fn allow_group_mentions(mut self) -> Self {
        self.allows_group_mentions = true;
        self
    }

    /// Says whom text and attachments may mention, in the place of what the bot allows by default.
    #[must_use]
    pub fn allow_mentions(mut self, allowed: AllowedMentions) -> Self {
        self.allows_group_mentions = false;
        self.extras.edit().allowed_mentions = Some(allowed);
        self
    }

    /// Adds an attachment: a box below the text. A message may consist of nothing else.
    #[must_use]
    pub fn attachment(mut self, attachment: Attachment) -> Self {
        self.extras.edit().attachments.push(attachment);
        self
    }

    /// Shows another name than the account's. It needs the permission `message-impersonate`, which the role `bot` has.
    #[must_use]
    pub fn alias(mut self, name: impl Into<String>) -> Self {
        self.extras.edit().alias = Some(name.into());
        self
    }

    /// Shows an emoji in the place of the account's avatar, by its short name: `:robot:`.
    #[must_use]
    pub fn avatar_emoji(mut self, emoji: impl Into<String>) -> Self {
        self.extras.edit().emoji = Some(emoji.into());
        self
    }

    /// Shows the picture at this address in the place of the account's avatar. It needs the permission
    /// `message-impersonate`, which the role `bot` has.
    #[must_use]
    pub fn avatar_url(mut self, url: impl Into<String>) -> Self {
        self.extras.edit().avatar = Some(url.into());
        self
    }

    /// Shows a reply in a thread in the room too. Without a thread it is there anyway.
    #[must_use]
    pub fn also_in_room(mut self) -> Self {
        self.extras.edit().is_also_in_room = true;
        self
    }

    /// Begins with the message that is answered, in the form that clients show as a quotation. Nothing where no message
    /// is answered.
    #[must_use]
    pub fn quoting(mut self) -> Self {
        self.extras.edit().is_quoting = true;
        self
    }

    /// Makes it a file, `reply.txt`, and a line that says so, if it would be more than three messages. Otherwise it is cut
    /// with a note, unless the bot does
    /// [so for all](crate::bot::BotBuilder::long_replies_as_files). What is short stays a message.
    #[must_use]
    pub fn as_file_if_long(mut self) -> Self {
        self.extras.edit().is_file_if_long = true;
        self
    }

    /// Has the server show no previews of the links in the text. Old servers show them all the same.
    #[must_use]
    pub fn without_previews(mut self) -> Self {
        self.extras.edit().has_no_previews = true;
        self
    }

    /// The text.
    pub fn content(&self) -> &str {
        &self.text
    }

    /// The room; `None` while it is where the event happened.
    pub fn room_id(&self) -> Option<&RoomId> {
        self.room_id.as_ref()
    }

    /// The room, where it is known by something else than its id.
    pub fn destination(&self) -> Option<&Destination> {
        self.extras.0.as_deref()?.destination.as_ref()
    }

    /// In which thread.
    pub fn thread(&self) -> &Thread {
        &self.thread
    }

    /// The thread's message, once the action is resolved.
    pub fn thread_id(&self) -> Option<&MessageId> {
        self.thread.id()
    }

    /// Whether `@all` and `@here` are left as they are, whatever the bot allows by default.
    pub fn allows_group_mentions(&self) -> bool {
        self.allows_group_mentions
            || self
                .allowed_mentions()
                .is_some_and(AllowedMentions::allows_groups)
    }

    /// Who may be mentioned; `None` where that is up to the bot.
    pub fn allowed_mentions(&self) -> Option<&AllowedMentions> {
        self.extras.0.as_deref()?.allowed_mentions.as_ref()
    }

    /// The attachments, in order.
    pub fn attachments(&self) -> &[Attachment] {
        self.extras.0.as_deref().map_or(&[], |extras| &extras.attachments)
    }

    /// The name that is shown instead of the account's.
    pub fn shown_name(&self) -> Option<&str> {
        self.extras.0.as_deref()?.alias.as_deref()
    }

    pub(crate) fn is_file_if_long(&self) -> bool {
        self.extras().is_some_and(|extras| extras.is_file_if_long)
    }

    pub(crate) fn extras(&self) -> Option<&SendExtras> {
        self.extras.0.as_deref()
    }

    /// The part of a long text that is not its end: what belongs to the message as a whole comes with that.
    pub(crate) fn without_attachments(mut self) -> Self {
        if let Some(extras) = &mut self.extras.0 {
            extras.attachments.clear();
        }
        self
    }

    /// Changes every text of its attachments.
    pub(crate) fn map_attachments(&mut self, change: impl Fn(&mut String)) {
        for attachment in self
            .extras
            .0
            .iter_mut()
            .flat_map(|extras| &mut extras.attachments)
        {
            attachment.map_texts(&change);
        }
    }

    /// To the same place as something else.
    pub(crate) fn go_with(&mut self, room_id: Option<&RoomId>, destination: Option<&Destination>) {
        self.room_id = room_id.cloned();
        if let Some(destination) = destination {
            self.extras.edit().destination = Some(destination.clone());
        }
    }

    pub(crate) fn room_id_mut(&mut self) -> &mut Option<RoomId> {
        &mut self.room_id
    }

    /// The ids it goes out under, once the action is resolved.
    pub fn ids(&self) -> Option<&DerivedIds> {
        self.ids.as_deref()
    }

    pub(crate) fn set_ids(&mut self, ids: DerivedIds) {
        self.ids = Some(Box::new(ids));
    }

    #[cfg(feature = "test-util")]
    pub(crate) fn without_ids(mut self) -> Self {
        self.ids = None;
        self
    }

    pub(crate) fn set_text(&mut self, text: String) {
        self.text = text;
    }

    pub(crate) fn set_thread(&mut self, thread: Thread) {
        self.thread = thread;
    }

    pub(crate) fn thread_mut(&mut self) -> &mut Thread {
        &mut self.thread
    }
}

/// People write names of users and rooms with their sign.
pub(super) fn without_sign(name: String, sign: char) -> String {
    match name.strip_prefix(sign) {
        Some(bare) => bare.to_owned(),
        None => name,
    }
}

/// What a message may have besides its text. Boxed, since few have any.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Extras(Option<Box<SendExtras>>);

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct SendExtras {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) destination: Option<Destination>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) attachments: Vec<Attachment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) alias: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) emoji: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) avatar: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) allowed_mentions: Option<AllowedMentions>,
    pub(crate) is_also_in_room: bool,
    pub(crate) is_quoting: bool,
    pub(crate) has_no_previews: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_file_if_long: bool,
}

impl Extras {
    fn are_none(&self) -> bool {
        self.0.is_none()
    }

    fn edit(&mut self) -> &mut SendExtras {
        self.0.get_or_insert_default()
    }
}
