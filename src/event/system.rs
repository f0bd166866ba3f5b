//! Messages that the server wrote, typed where their kind says something.

use super::{Message, RoomId};

/// What a message of the server says: see [`Message::system`].
///
/// Who did it is the message's [author](Message::author). Names are user names: ids of the others are not told.
///
/// # Forgeries
///
/// Old servers let any user send a message that looks like this: nothing may be granted for one that is not
/// [verified](Message::is_verified). Ask the server who has which role, as
/// [`RequireLayer::room_roles`](crate::layer::RequireLayer::room_roles) does.
///
/// ```
/// use std::sync::Arc;
/// use rocketbotte::Router;
/// use rocketbotte::event::{EventKind, Message, SystemMessage};
///
/// async fn welcome(message: Arc<Message>) -> Option<String> {
///     match message.system()? {
///         SystemMessage::UserJoined => Some(format!("welcome, {}", message.author().mention())),
///         SystemMessage::UserAdded { username } => Some(format!("welcome, @{username}")),
///         _ => None,
///     }
/// }
///
/// let router: Router = Router::new().on(EventKind::System, welcome);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SystemMessage {
    /// The author came into the room (`uj`), the team (`ujt`) or the discussion (`ut`).
    UserJoined,
    /// The author left the room (`ul`) or the team (`ult`).
    UserLeft,
    /// The author added somebody to the room (`au`) or the team (`added-user-to-team`).
    UserAdded {
        /// Who was added.
        username: String,
    },
    /// The author removed somebody from the room (`ru`) or the team (`removed-user-from-team`).
    UserRemoved {
        /// Who was removed.
        username: String,
    },
    /// The author invited somebody, who has not answered yet (`ui`).
    UserInvited {
        /// Who was invited.
        username: String,
    },
    /// Somebody did not accept an invitation (`uir`).
    InvitationRejected {
        /// Who did not.
        username: String,
    },
    /// Somebody may not come into the room any more (`user-banned`).
    UserBanned {
        /// Who was banned.
        username: String,
    },
    /// Somebody may come into the room again (`user-unbanned`).
    UserUnbanned {
        /// Whose ban ended.
        username: String,
    },
    /// Somebody may not write in the room any more (`user-muted`).
    UserMuted {
        /// Who was muted.
        username: String,
    },
    /// Somebody may write in the room again (`user-unmuted`).
    UserUnmuted {
        /// Who may.
        username: String,
    },
    /// Somebody got a role in the room (`subscription-role-added`, and `new-owner` and its like of old servers).
    RoleAdded {
        /// Who got it.
        username: String,
        /// The role, such as `owner`.
        role: String,
    },
    /// Somebody lost a role in the room (`subscription-role-removed`, and `owner-removed` and its like).
    RoleRemoved {
        /// Who lost it.
        username: String,
        /// The role, such as `owner`.
        role: String,
    },
    /// The room has another name (`r`).
    RoomRenamed {
        /// The name from now on.
        name: String,
    },
    /// The room has another topic (`room_changed_topic`).
    TopicChanged {
        /// The topic from now on, which may be empty.
        topic: String,
    },
    /// The room has another announcement (`room_changed_announcement`).
    AnnouncementChanged {
        /// The announcement from now on, which may be empty.
        announcement: String,
    },
    /// The room has another description (`room_changed_description`).
    DescriptionChanged {
        /// The description from now on, which may be empty.
        description: String,
    },
    /// The room became public or private (`room_changed_privacy`).
    PrivacyChanged {
        /// What it is now, in the server's words.
        privacy: String,
    },
    /// The room has another picture (`room_changed_avatar`).
    AvatarChanged,
    /// The room was archived: nobody writes in it any more (`room-archived`).
    RoomArchived,
    /// The room is in use again (`room-unarchived`).
    RoomUnarchived,
    /// Only some may write from now on (`room-set-read-only`).
    ReadOnlySet,
    /// Everybody may write from now on (`room-removed-read-only`).
    ReadOnlyRemoved,
    /// Reactions are allowed though only some may write (`room-allowed-reacting`).
    ReactingAllowed,
    /// Reactions are not allowed any more where only some may write (`room-disallowed-reacting`).
    ReactingDisallowed,
    /// The room is encrypted from now on (`room_e2e_enabled`).
    EncryptionEnabled,
    /// The room is not encrypted any more (`room_e2e_disabled`).
    EncryptionDisabled,
    /// A message was pinned (`message_pinned`). The message itself comes as [`Event::Pinned`](super::Event::Pinned), with
    /// its id.
    MessagePinned,
    /// A discussion was opened (`discussion-created`).
    DiscussionCreated {
        /// Its room, where the server says it.
        room_id: Option<RoomId>,
        /// What it is called.
        name: String,
    },
    /// A call was started (`videoconf`).
    VideoCall,
    /// The message was deleted, and the server shows that there was one (`rm`).
    Removed,
    /// What has no meaning of its own here, by its [type](Message::system_type): what changed in a team, livechat, what
    /// comes with later versions.
    Other(String),
}

/// The types that servers do not let anybody send, from the version on that does not at all. Any other type may be sent
/// by everybody on every version.
#[cfg(feature = "client")]
const REGISTERED: &[&str] = &[
    "uj",
    "ul",
    "ru",
    "au",
    "ui",
    "uir",
    "ut",
    "wm",
    "r",
    "rm",
    "mute_unmute",
    "user-muted",
    "user-unmuted",
    "user-banned",
    "user-unbanned",
    "subscription-role-added",
    "subscription-role-removed",
    "new-owner",
    "owner-removed",
    "new-moderator",
    "moderator-removed",
    "new-leader",
    "leader-removed",
    "room-archived",
    "room-unarchived",
    "room_changed_privacy",
    "room_changed_description",
    "room_changed_announcement",
    "room_changed_avatar",
    "room_changed_topic",
    "room_e2e_enabled",
    "room_e2e_disabled",
    "room-removed-read-only",
    "room-set-read-only",
    "room-allowed-reacting",
    "room-disallowed-reacting",
    "command",
    "videoconf",
    "message_pinned",
    "discussion-created",
    "ujt",
    "ult",
    "added-user-to-team",
    "removed-user-from-team",
    "user-converted-to-team",
    "user-converted-to-channel",
    "user-removed-room-from-team",
    "user-deleted-room-from-team",
    "user-added-room-to-team",
    "livechat-close",
    "livechat-started",
    "livechat_navigation_history",
    "livechat_transfer_history",
    "livechat_video_call",
    "omnichannel_placed_chat_on_hold",
    "omnichannel_on_hold_chat_resumed",
];

/// Whether a server that refuses to send the types that it registered has this one among them. Those that came with some
/// version only are left out: before it they were anybody's.
#[cfg(feature = "client")]
pub(crate) fn is_registered(system_type: &str) -> bool {
    REGISTERED.contains(&system_type)
}

impl Message {
    /// What a message of the server says; `None` for what people write.
    ///
    /// ```
    /// use rocketbotte::event::{Message, SystemMessage};
    ///
    /// let json = r#"{"_id":"m1","rid":"GENERAL","t":"room_changed_topic","msg":"lunch","u":{"_id":"uA","username":"ann"}}"#;
    /// let message = Message::from_json(json)?;
    /// assert_eq!(message.system(), Some(SystemMessage::TopicChanged { topic: "lunch".to_owned() }));
    /// assert!(!message.is_verified(), "nobody says which server it came from");
    /// # Ok::<_, rocketbotte::event::MessageError>(())
    /// ```
    pub fn system(&self) -> Option<SystemMessage> {
        use SystemMessage as S;

        let system_type = self.system_type().filter(|_| !self.is_encrypted())?;
        let text = || self.text().to_owned();
        let role_added = |role: &str| S::RoleAdded {
            username: text(),
            role: role.to_owned(),
        };
        let role_removed = |role: &str| S::RoleRemoved {
            username: text(),
            role: role.to_owned(),
        };
        let role = || self.text_field("role").unwrap_or_default();
        Some(match system_type {
            "uj" | "ujt" | "ut" => S::UserJoined,
            "ul" | "ult" => S::UserLeft,
            "au" | "added-user-to-team" => S::UserAdded { username: text() },
            "ru" | "removed-user-from-team" => S::UserRemoved { username: text() },
            "ui" => S::UserInvited { username: text() },
            "uir" => S::InvitationRejected { username: text() },
            "user-banned" => S::UserBanned { username: text() },
            "user-unbanned" => S::UserUnbanned { username: text() },
            "user-muted" => S::UserMuted { username: text() },
            "user-unmuted" => S::UserUnmuted { username: text() },
            "subscription-role-added" => role_added(&role()),
            "subscription-role-removed" => role_removed(&role()),
            "new-owner" => role_added("owner"),
            "new-moderator" => role_added("moderator"),
            "new-leader" => role_added("leader"),
            "owner-removed" => role_removed("owner"),
            "moderator-removed" => role_removed("moderator"),
            "leader-removed" => role_removed("leader"),
            "r" => S::RoomRenamed { name: text() },
            "room_changed_topic" => S::TopicChanged { topic: text() },
            "room_changed_announcement" => S::AnnouncementChanged { announcement: text() },
            "room_changed_description" => S::DescriptionChanged { description: text() },
            "room_changed_privacy" => S::PrivacyChanged { privacy: text() },
            "room_changed_avatar" => S::AvatarChanged,
            "room-archived" => S::RoomArchived,
            "room-unarchived" => S::RoomUnarchived,
            "room-set-read-only" => S::ReadOnlySet,
            "room-removed-read-only" => S::ReadOnlyRemoved,
            "room-allowed-reacting" => S::ReactingAllowed,
            "room-disallowed-reacting" => S::ReactingDisallowed,
            "room_e2e_enabled" => S::EncryptionEnabled,
            "room_e2e_disabled" => S::EncryptionDisabled,
            "message_pinned" | "message_pinned_e2e" => S::MessagePinned,
            "discussion-created" => S::DiscussionCreated {
                room_id: self.discussion_id(),
                name: text(),
            },
            "videoconf" => S::VideoCall,
            "rm" => S::Removed,
            other => S::Other(other.to_owned()),
        })
    }
}
