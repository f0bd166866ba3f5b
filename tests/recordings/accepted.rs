//! Where the sandbox differs from the recordings, and why: it imitates version 8, they are of 3.4.

use crate::shape::What::{self, Empty, Extra, Missing, Type};

/// A difference that is meant. `*` stands for anything in `place` and `path`.
pub(crate) struct Accepted {
    pub(crate) place: &'static str,
    pub(crate) path: &'static str,
    pub(crate) what: &'static [What],
    /// Why, in words for people.
    pub(crate) reason: &'static str,
}

const fn differs(
    what: &'static [What],
    place: &'static str,
    path: &'static str,
    reason: &'static str,
) -> Accepted {
    Accepted {
        place,
        path,
        what,
        reason,
    }
}

const NEWER: &[What] = &[Extra];
const GONE: &[What] = &[Missing];

pub(crate) const DIFFERENCES: &[Accepted] = &[
    // Messages.
    differs(
        NEWER,
        "*",
        "*md",
        "every message carries its parsed tree since 3.14",
    ),
    differs(
        NEWER,
        "*",
        "*urls",
        "every message has a list of its links, also without one",
    ),
    differs(
        &[Empty],
        "*",
        "*urls[]",
        "links are not looked up here: there is no Internet behind it",
    ),
    differs(NEWER, "*", "*u.name", "an author always has the name, since 3.9"),
    differs(
        NEWER,
        "*",
        "*mentions[].type",
        "a mention says whether it is of a user or a team, since 4",
    ),
    differs(
        NEWER,
        "*",
        "*channels[].fname",
        "a named channel has its friendly name, since 4",
    ),
    differs(
        NEWER,
        "*",
        "*emoji",
        "3.4 let an avatar hide the emoji of one message",
    ),
    differs(
        NEWER,
        "*",
        "*lastMessage.d*",
        "3.4 kept a copy in the room which did not follow its discussion",
    ),
    differs(
        NEWER,
        "*",
        "*reactions*",
        "any short name is an emoji here: the list of them is not kept",
    ),
    differs(&[Type], "POST chat.react 400", "(status 200)", "the same"),
    differs(GONE, "result setReaction", "error", "the same"),
    // Files.
    differs(NEWER, "*", "*fileId", "an attachment names its file since 6"),
    differs(
        NEWER,
        "*",
        "*attachments[].format",
        "an attachment tells its format since 6",
    ),
    differs(
        NEWER,
        "*",
        "*attachments[].size",
        "an attachment tells its size since 6",
    ),
    differs(NEWER, "*", "*file.*", "a file tells size and format since 6"),
    differs(NEWER, "*", "*files", "a message lists all its files since 4"),
    differs(
        GONE,
        "*",
        "*image_dimensions",
        "pictures are not looked into here",
    ),
    differs(GONE, "*", "*image_preview", "pictures are not looked into here"),
    differs(
        NEWER,
        "POST rooms.upload 200",
        "message.*",
        "the message of a file is like any other since 6",
    ),
    // Users.
    differs(GONE, "*", "*preferences.*", "other preferences in version 8"),
    differs(NEWER, "*", "*preferences.*", "other preferences in version 8"),
    differs(GONE, "*", "*requirePasswordChange", "only where it was asked for"),
    differs(
        GONE,
        "*",
        "*email2fa",
        "the second factor by e-mail is not imitated",
    ),
    differs(
        GONE,
        "*",
        "*services.resume",
        "nobody gets the hashes of tokens any more",
    ),
    differs(GONE, "*", "*lastLogin", "not kept here"),
    differs(
        GONE,
        "*",
        "*utcOffset",
        "only of those who had a browser open; of the caller always",
    ),
    differs(NEWER, "*", "*utcOffset", "the same, for who had none there"),
    differs(GONE, "*", "*statusText", "people there had set one before"),
    differs(NEWER, "*", "*createdAt", "one's own data have the date since 5"),
    differs(
        NEWER,
        "*",
        "*type",
        "one's own data say whether one is a bot since 5",
    ),
    differs(
        NEWER,
        "*",
        "*statusDefault",
        "3.4 left it out until it was chosen",
    ),
    differs(
        NEWER,
        "GET users.info 200",
        "user.*",
        "who asks for oneself gets what `me` gives",
    ),
    differs(
        &[Type],
        "GET users.info 200",
        "(status 400)",
        "3.4 gave anybody to who named nobody",
    ),
    differs(
        &[Type],
        "stream-notify-logged user-status *",
        "*",
        "presence has name and roles behind the text since 4",
    ),
    differs(
        NEWER,
        "stream-notify-user userData *",
        "*",
        "changes name the user and what was unset since 4",
    ),
    // Rooms and subscriptions.
    differs(
        GONE,
        "*",
        "*.lr",
        "the last reply is not kept: it only serves mobile notifications",
    ),
    differs(GONE, "*", "*[].ls", "there somebody had read the room before"),
    differs(GONE, "*", "*.customFields", "subscriptions have none since 6"),
    differs(
        NEWER,
        "*",
        "discussion.customFields",
        "discussions are made like other rooms since 5",
    ),
    differs(
        NEWER,
        "stream-notify-user subscriptions-changed removed",
        "fields.args[].t",
        "says the type of the room since 7",
    ),
    differs(GONE, "*", "*[].roles", "there the bot had made a room"),
    differs(GONE, "*", "*.topic", "there somebody had set one before"),
    differs(
        GONE,
        "*",
        "*.description",
        "there a discussion was about a message",
    ),
    differs(
        GONE,
        "result *",
        "result[].*",
        "there were more rooms, with more in them",
    ),
    differs(
        GONE,
        "*",
        "*channel.l*",
        "there was something said before in `chan2`",
    ),
    differs(
        GONE,
        "stream-notify-user rooms-changed inserted",
        "fields.args[].l*",
        "the same",
    ),
    differs(
        GONE,
        "stream-notify-user rooms-changed updated",
        "fields.args[].*muted",
        "there somebody was muted once",
    ),
    differs(
        GONE,
        "GET channels.history 200",
        "messages[].t",
        "there the history begins with other lines of the server",
    ),
    differs(
        GONE,
        "result loadHistory",
        "result.firstUnread.*",
        "there more had happened to the first message",
    ),
    differs(&[Empty], "result loadHistory", "result.firstUnread.*", "the same"),
    differs(
        &[Empty],
        "result getThreadsList",
        "result[]",
        "there was a thread before",
    ),
    differs(
        GONE,
        "result *",
        "result.*[].t",
        "nobody may forge a line of the server",
    ),
    differs(
        &[Empty],
        "result *",
        "result.update[]",
        "the recording began later than the rooms",
    ),
    // Errors.
    differs(NEWER, "* 401", "success", "a 401 says `success: false` since 8"),
    differs(
        NEWER,
        "* 401",
        "error",
        "a 401 has an error beside its message since 8",
    ),
    differs(NEWER, "* 405", "success", "a 405 says `success: false` since 8"),
    differs(
        NEWER,
        "POST log* 200",
        "success",
        "logging in and out says `success: true` since 8",
    ),
    differs(
        NEWER,
        "POST * 400",
        "errorType",
        "bodies are validated by a schema since 7, and the refusal has a code",
    ),
    differs(
        NEWER,
        "GET * 400",
        "errorType",
        "queries are validated by a schema since 7, and the refusal has a code",
    ),
    differs(
        NEWER,
        "nosub *",
        "error",
        "a refused stream says `not-allowed` since 4",
    ),
    differs(
        &[Type],
        "POST chat.sendMessage 400",
        "details.message_ts",
        "a date that the client sent as EJSON comes back as text",
    ),
    differs(
        &[Type],
        "POST chat.sendMessage 400",
        "(status 200)",
        "a number as text is made text since 7",
    ),
    differs(NEWER, "result sendMessage", "result", "the same"),
    differs(
        &[Type],
        "POST chat.sendMessage 200",
        "(status 400)",
        "nobody may forge a line of the server, an alias needs a permission",
    ),
    differs(
        &[Type],
        "POST chat.postMessage 200",
        "(status 400)",
        "unknown keys, wrong types, long texts are refused since 7; an alias needs a permission",
    ),
    differs(
        &[Type],
        "POST login 200",
        "(status 401)",
        "a form is no JSON: refused since 7.6",
    ),
    differs(
        GONE,
        "* 401",
        "details.*",
        "the second factor is by an app here, there by e-mail",
    ),
    differs(NEWER, "* 401", "details.*", "the same"),
    differs(GONE, "result login", "error.details.*", "the same"),
    differs(NEWER, "result login", "error.details.*", "the same"),
    // Over DDP.
    differs(
        NEWER,
        "ping",
        "(frame)",
        "the recorder answered these and did not write them down",
    ),
    differs(
        NEWER,
        "stream-notify-user message *",
        "*",
        "what only one user sees says so, and who says it, since 3.9",
    ),
    differs(
        NEWER,
        "stream-notify-user notification *",
        "*name",
        "a notification has the name of the sender since 4",
    ),
    differs(
        GONE,
        "stream-notify-room typing *",
        "(frame)",
        "the event `typing` is gone: `user-activity` took its place",
    ),
    differs(
        NEWER,
        "stream-room-messages room-set-read-only",
        "(frame)",
        "a line in the room says so since 3.8",
    ),
    differs(
        NEWER,
        "stream-notify-all public-settings-changed updated",
        "(frame)",
        "the handle tells it though the value is the old one",
    ),
    differs(
        GONE,
        "ready",
        "(frame)",
        "`stream-importers` is for administrators since 4",
    ),
    differs(NEWER, "nosub sub stream-importers", "(frame)", "the same"),
    differs(
        GONE,
        "stream-room-messages uj",
        "(frame)",
        "nobody may forge a line of the server",
    ),
    differs(
        GONE,
        "result sendMessage",
        "result",
        "the same; or the window of the limiter ends at another moment",
    ),
    differs(
        NEWER,
        "result sendMessage",
        "error",
        "the window of the limiter ends at another moment",
    ),
    differs(
        NEWER,
        "stream-room-messages message",
        "(frame)",
        "a number as text is made text since 7",
    ),
    differs(
        GONE,
        "result *muteUserInRoom",
        "(frame)",
        "gone with 8: the handle does it",
    ),
    differs(GONE, "updated", "(frame)", "the same"),
    differs(NEWER, "result getUserRoles", "error", "gone with 8"),
    differs(GONE, "result getUserRoles", "result", "gone with 8"),
    differs(
        NEWER,
        "result getUsersOfRoom",
        "error",
        "not imitated: REST has the members of a room",
    ),
    differs(GONE, "result getUsersOfRoom", "result", "the same"),
    differs(NEWER, "result spotlight", "error", "not imitated: REST has it"),
    differs(GONE, "result spotlight", "result", "the same"),
    // Other endpoints.
    differs(
        NEWER,
        "GET info 200",
        "*",
        "the whole version is only for who may see the statistics",
    ),
    differs(GONE, "GET info 200", "*", "the same"),
    differs(&[Type], "POST chat.delete 200", "ts", "a text since 3.9"),
    differs(
        &[Type],
        "GET settings.public 200",
        "settings[].value",
        "other settings, with other values",
    ),
    differs(
        NEWER,
        "GET commands.list 200",
        "commands[].*",
        "there the first command had no help",
    ),
    differs(
        &[Type],
        "GET emoji-custom.list 200",
        "*",
        "a sandbox has no emoji of its own",
    ),
    differs(
        &[Type],
        "POST chat.sendMessage 200",
        "(status 429)",
        "no proxy is believed when it names another address",
    ),
];
