//! Which role may do what.

use super::{State, rooms::Room};

/// The default permissions of version 8, as far as a bot meets them.
const TABLE: &[(&str, &[&str])] = &[
    (
        "user",
        &[
            "create-c",
            "create-d",
            "create-p",
            "create-personal-access-tokens",
            "delete-own-message",
            "join-without-join-code",
            "leave-c",
            "leave-p",
            "mention-all",
            "mention-here",
            "preview-c-room",
            "start-discussion",
            "start-discussion-other-user",
            "view-c-room",
            "view-d-room",
            "view-joined-room",
            "view-outside-room",
            "view-p-room",
        ],
    ),
    (
        "bot",
        &[
            "api-bypass-rate-limit",
            "bypass-time-limit-edit-and-delete",
            "create-c",
            "create-d",
            "create-p",
            "join-without-join-code",
            "leave-c",
            "leave-p",
            "message-impersonate",
            "send-many-messages",
            "view-c-room",
            "view-d-room",
            "view-joined-room",
        ],
    ),
    (
        "admin",
        &[
            "add-user-to-joined-room",
            "api-bypass-rate-limit",
            "bypass-time-limit-edit-and-delete",
            "create-c",
            "create-d",
            "create-p",
            "create-personal-access-tokens",
            "delete-message",
            "delete-own-message",
            "edit-message",
            "edit-room",
            "join-without-join-code",
            "leave-c",
            "leave-p",
            "mention-all",
            "mention-here",
            "message-impersonate",
            "mute-user",
            "pin-message",
            "post-readonly",
            "preview-c-room",
            "remove-user",
            "send-many-messages",
            "set-moderator",
            "set-owner",
            "start-discussion",
            "view-c-room",
            "view-d-room",
            "view-full-other-user-info",
            "view-joined-room",
            "view-outside-room",
            "view-p-room",
            "view-room-administration",
            "view-statistics",
        ],
    ),
    (
        "owner",
        &[
            "add-user-to-joined-room",
            "delete-message",
            "edit-message",
            "edit-room",
            "mention-all",
            "mention-here",
            "mute-user",
            "pin-message",
            "post-readonly",
            "remove-user",
            "set-moderator",
            "set-owner",
        ],
    ),
    (
        "moderator",
        &[
            "add-user-to-joined-room",
            "delete-message",
            "edit-message",
            "edit-room",
            "mention-all",
            "mention-here",
            "mute-user",
            "pin-message",
            "post-readonly",
            "remove-user",
        ],
    ),
    ("leader", &[]),
    (
        "guest",
        &[
            "view-d-room",
            "view-joined-room",
            "view-p-room",
            "start-discussion",
        ],
    ),
];

fn role_has(role: &str, permission: &str) -> bool {
    TABLE
        .iter()
        .any(|(name, list)| *name == role && list.contains(&permission))
}

impl State {
    /// Whether one of the user's roles, or of the roles in this room, has the permission.
    pub(crate) fn may(&self, uid: &str, permission: &str, rid: Option<&str>) -> bool {
        let global = self
            .users
            .get(uid)
            .is_some_and(|user| user.roles.iter().any(|r| role_has(r, permission)));
        global
            || rid
                .and_then(|rid| self.rooms.get(rid)?.members.get(uid))
                .is_some_and(|member| member.roles.iter().any(|r| role_has(r, permission)))
    }

    /// Members may; others only in public channels.
    pub(crate) fn can_access(&self, uid: &str, room: &Room) -> bool {
        room.members.contains_key(uid) || (room.is_public() && self.may(uid, "view-c-room", None))
    }

    /// Reading the past, or a subscription to the room, also needs the preview permission.
    pub(crate) fn can_preview(&self, uid: &str, room: &Room) -> bool {
        room.members.contains_key(uid) || (room.is_public() && self.may(uid, "preview-c-room", None))
    }
}
