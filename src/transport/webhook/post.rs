//! What the server posts, and the event that it is.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::{Map, Value, json};

use crate::event::{
    Edited, Event, Message, MessageError, MessageId, RawEvent, Room, RoomId, RoomKind, Timestamp, UserId,
};
use crate::extract::{FromRequest, MissingPart};
use crate::request::Request;

/// What the server posted to a [`Webhook`](super::Webhook), field by field. Handlers take it as `Arc<Post>`.
///
/// ```
/// use std::sync::Arc;
/// use rocketbotte::transport::webhook::Post;
///
/// async fn heard(post: Arc<Post>) -> String {
///     format!("{} said the magic word {:?}", post.user_name().unwrap_or("somebody"), post.trigger_word())
/// }
/// # let _ = rocketbotte::Router::<()>::new().on_message(heard);
/// ```
#[derive(Clone, PartialEq)]
pub struct Post {
    integration: String,
    /// Without the token.
    fields: Map<String, Value>,
}

impl Post {
    pub(super) fn new(integration: &str, mut fields: Map<String, Value>) -> Self {
        fields.remove("token");
        Self {
            integration: integration.to_owned(),
            fields,
        }
    }

    /// The name of the integration, as it was given with its [token](super::WebhookBuilder::token).
    pub fn integration(&self) -> &str {
        &self.integration
    }

    /// The id of the message. Missing for rooms and users that were created, joined, left or archived.
    pub fn message_id(&self) -> Option<MessageId> {
        self.text_of("message_id").map(MessageId::from)
    }

    /// The id of the room.
    pub fn channel_id(&self) -> Option<RoomId> {
        self.text_of("channel_id").map(RoomId::from)
    }

    /// The name of the room; direct conversations have none.
    pub fn channel_name(&self) -> Option<&str> {
        self.text_of("channel_name")
    }

    /// Who wrote it, by id.
    pub fn user_id(&self) -> Option<UserId> {
        self.text_of("user_id").map(UserId::from)
    }

    /// Who wrote it, by the user name.
    pub fn user_name(&self) -> Option<&str> {
        self.text_of("user_name")
    }

    /// The text, with the trigger word in it.
    pub fn text(&self) -> Option<&str> {
        self.text_of("text")
    }

    /// When it was written.
    pub fn timestamp(&self) -> Option<Timestamp> {
        match self.fields.get("timestamp")? {
            Value::String(text) => Timestamp::parse(text),
            Value::Number(millis) => millis.as_i64().map(Timestamp::from_millis),
            _ => None,
        }
    }

    /// Which of the integration's trigger words it was.
    pub fn trigger_word(&self) -> Option<&str> {
        self.text_of("trigger_word")
    }

    /// Whether a bot or another integration wrote it. Handlers do not hear it unless they ask for it.
    pub fn is_bot(&self) -> bool {
        self.is("bot")
    }

    /// The name that the author is shown under, where that is another one.
    pub fn alias(&self) -> Option<&str> {
        self.text_of("alias")
    }

    /// Whether it is posted again because it was edited.
    pub fn is_edited(&self) -> bool {
        self.is("isEdited")
    }

    /// The thread it is in.
    pub fn thread_id(&self) -> Option<MessageId> {
        self.text_of("tmid").map(MessageId::from)
    }

    /// The address of the server.
    pub fn site_url(&self) -> Option<&str> {
        self.text_of("siteUrl")
    }

    /// Any other field: `message`, `room`, `user` or `owner` as objects, where the integration's event has them.
    pub fn field(&self, name: &str) -> Option<&Value> {
        self.fields.get(name)
    }

    fn text_of(&self, name: &str) -> Option<&str> {
        self.fields.get(name)?.as_str().filter(|text| !text.is_empty())
    }

    /// Whatever JavaScript takes for true: older servers send an object for `bot`. A form has no other values than texts.
    fn is(&self, name: &str) -> bool {
        match self.fields.get(name) {
            None | Some(Value::Null) => false,
            Some(Value::Bool(is_so)) => *is_so,
            Some(Value::Number(number)) => number.as_f64() != Some(0.0),
            Some(Value::String(text)) => !["", "false", "0", "null", "undefined"].contains(&text.as_str()),
            Some(Value::Array(_) | Value::Object(_)) => true,
        }
    }

    /// What kind of room it is. Only files come with the room as an object; of the rest, one can tell the direct
    /// conversations of two, whose ids are made of those of the people.
    fn room_kind(&self, room_id: &RoomId, user_id: &UserId) -> RoomKind {
        let letter = self.fields.get("room").and_then(|room| room.get("t")?.as_str());
        match RoomKind::from_letter(letter) {
            RoomKind::Unknown
                if self.channel_name().is_none() && room_id.as_str().contains(user_id.as_str()) =>
            {
                RoomKind::Direct
            }
            kind => kind,
        }
    }

    /// The event that it is: a message, an edit, or, where there is no message, a raw event of the stream `webhook`.
    pub(super) fn event(&self) -> Result<Event, MessageError> {
        let (Some(id), Some(room_id), Some(user_id)) = (self.message_id(), self.channel_id(), self.user_id())
        else {
            let args = Value::Array(vec![Value::Object(self.fields.clone())]);
            let raw = RawEvent::new("webhook", self.integration.as_str(), args.to_string());
            return Ok(Event::Raw(Arc::new(raw)));
        };
        let kind = self.room_kind(&room_id, &user_id);
        // A file comes with the whole message.
        let mut object = match self.fields.get("message") {
            Some(Value::Object(message)) => message.clone(),
            _ => Map::new(),
        };
        let now = || {
            let now = Timestamp::from_system_time(SystemTime::now());
            now.unwrap_or(Timestamp::from_millis(0)).as_millis()
        };
        let at = self.timestamp().map_or_else(now, Timestamp::as_millis);
        let mut set = |name: &str, value: Value| object.insert(name.to_owned(), value);
        set("_id", json!(id));
        set("rid", json!(room_id));
        set("msg", json!(self.text().unwrap_or_default()));
        set("ts", json!({ "$date": at }));
        set(
            "u",
            json!({ "_id": user_id, "username": self.user_name().unwrap_or_default() }),
        );
        for (name, value) in [
            ("tmid", self.thread_id().map(|id| json!(id))),
            ("alias", self.alias().map(|alias| json!(alias))),
            ("bot", self.is_bot().then(|| json!({ "i": self.integration }))),
        ] {
            if let Some(value) = value {
                set(name, value);
            }
        }
        if self.is_edited() {
            // When it was edited is not told: not before it was posted here.
            let edited_at = json!({ "$date": now() });
            set("editedAt", edited_at.clone());
            set("_updatedAt", edited_at);
        }
        let mut room = Room::new(room_id, kind);
        if let Some(name) = self.channel_name() {
            room = room.with_name(name);
        }
        let message = Message::from_json(&Value::Object(object).to_string())?.in_room(room);
        let message = Arc::new(message);
        Ok(match self.is_edited() {
            true => Event::Edited(Arc::new(Edited::new(message))),
            false => Event::from(message),
        })
    }
}

impl fmt::Debug for Post {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What people wrote stays out.
        f.debug_struct("Post")
            .field("integration", &self.integration)
            .field("message_id", &self.message_id())
            .field("channel_id", &self.channel_id())
            .finish_non_exhaustive()
    }
}

/// What the server posted.
impl<S: Sync> FromRequest<S> for Arc<Post> {
    type Rejection = MissingPart;

    async fn from_request(request: &Request, _state: &S) -> Result<Self, Self::Rejection> {
        let exchange = request.context().exchange();
        exchange
            .map(|exchange| Arc::clone(exchange.post()))
            .ok_or_else(|| MissingPart::new("webhook's post", request))
    }
}
