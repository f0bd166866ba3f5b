//! Where the sandbox differs from the recordings, and why: it imitates version 8, they are of 3.4.

use crate::shape::What::{self, Empty, Extra, Missing, Type};

/// A difference that is meant. `*` stands for anything in `place` and `path`.
pub(crate) struct Accepted {
    pub(crate) place: &'static str,
    pub(crate) path: &'static str,
    pub(crate) what: &'static [What],
    /// The recording and the request or frame that it is about, from its beginning on; empty for any. Needed where the status
    /// differs, as nothing else of the answer is compared then.
    pub(crate) request: &'static str,
    /// How often it is met in all recordings together: one more is a failure that the row would hide.
    pub(crate) times: usize,
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
        request: "",
        times: 1,
        reason,
    }
}

impl Accepted {
    /// Only of this request.
    const fn of(self, request: &'static str) -> Self {
        Self { request, ..self }
    }

    /// Met more than once.
    const fn times(self, times: usize) -> Self {
        Self { times, ..self }
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
    ).times(283),
    differs(
        NEWER,
        "*",
        "*urls",
        "every message has a list of its links, also without one",
    ).times(270),
    differs(
        &[Empty],
        "*",
        "*urls[]",
        "links are not looked up here: there is no Internet behind it",
    ).times(6),
    differs(NEWER, "*", "*u.name", "an author always has the name, since 3.9").times(338),
    differs(
        NEWER,
        "*",
        "*mentions[].type",
        "a mention says whether it is of a user or a team, since 4",
    ).times(14),
    differs(
        NEWER,
        "*",
        "*channels[].fname",
        "a named channel has its friendly name, since 4",
    ).times(6),
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
    ).times(8),
    differs(
        NEWER,
        "*",
        "*reactions*",
        "any short name is an emoji here: the list of them is not kept",
    ).times(8),
    differs(&[Type], "POST chat.react 400", "(status 200)", "the same")
    .of("06-rest POST chat.react /api/v1/chat.react {\"emoji\":\":nosuch:\",\"messageId\":\""),
    differs(GONE, "result setReaction", "error", "the same"),
    // Files.
    differs(NEWER, "*", "*fileId", "an attachment names its file since 6").times(14),
    differs(
        NEWER,
        "*",
        "*attachments[].format",
        "an attachment tells its format since 6",
    ).times(8),
    differs(
        NEWER,
        "*",
        "*attachments[].size",
        "an attachment tells its size since 6",
    ).times(8),
    differs(NEWER, "*", "*file.*", "a file tells size and format since 6").times(28),
    differs(NEWER, "*", "*files", "a message lists all its files since 4").times(14),
    differs(
        GONE,
        "*",
        "*image_dimensions",
        "pictures are not looked into here",
    ).times(6),
    differs(GONE, "*", "*image_preview", "pictures are not looked into here").times(6),
    differs(
        NEWER,
        "POST rooms.upload 200",
        "message.*",
        "the message of a file is like any other since 6",
    ).times(44),
    // Users.
    differs(GONE, "*", "*preferences.*", "other preferences in version 8").times(105),
    differs(NEWER, "*", "*preferences.*", "other preferences in version 8").times(90),
    differs(GONE, "*", "*requirePasswordChange", "only where it was asked for").times(16),
    differs(
        GONE,
        "*",
        "*email2fa",
        "the second factor by e-mail is not imitated",
    ).times(16),
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
    ).times(2),
    differs(NEWER, "*", "*utcOffset", "the same, for who had none there").times(2),
    differs(GONE, "*", "*statusText", "people there had set one before").times(19),
    differs(NEWER, "*", "*createdAt", "one's own data have the date since 5").times(15),
    differs(
        NEWER,
        "*",
        "*type",
        "one's own data say whether one is a bot since 5",
    ).times(29),
    differs(
        NEWER,
        "*",
        "*statusDefault",
        "3.4 left it out until it was chosen",
    ).times(2),
    differs(
        NEWER,
        "GET users.info 200",
        "user.*",
        "who asks for oneself gets what `me` gives",
    ).times(4),
    differs(
        &[Type],
        "GET users.info 200",
        "(status 400)",
        "3.4 gave anybody to who named nobody",
    )
    .of("06-rest GET users.info /api/v1/users.info null"),
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
    ).times(2),
    // Rooms and subscriptions.
    differs(
        GONE,
        "*",
        "*.lr",
        "the last reply is not kept: it only serves mobile notifications",
    ).times(3),
    differs(GONE, "*", "*[].ls", "there somebody had read the room before"),
    differs(GONE, "*", "*.customFields", "subscriptions have none since 6"),
    differs(
        NEWER,
        "*",
        "discussion.customFields",
        "discussions are made like other rooms since 5",
    ).times(2),
    differs(
        NEWER,
        "stream-notify-user subscriptions-changed removed",
        "fields.args[].t",
        "says the type of the room since 7",
    ),
    differs(GONE, "*", "*[].roles", "there the bot had made a room"),
    differs(GONE, "*", "*.topic", "there somebody had set one before").times(5),
    differs(
        GONE,
        "*",
        "*.description",
        "there a discussion was about a message",
    ).times(3),
    differs(GONE, "result rooms/get", "result[].lastMessage", "there something was said before in each room"),
    differs(GONE, "result rooms/get", "result[].lm", "the same"),
    differs(GONE, "result rooms/get", "result[].muted", "there somebody was muted once"),
    differs(GONE, "result rooms/get", "result[].unmuted", "the same"),
    differs(GONE, "result rooms/get", "result[].prid", "there were discussions before"),
    differs(GONE, "result subscriptions/get", "result[].prid", "the same"),
    differs(GONE, "result loadMissedMessages", "result[].t", "nobody may forge a line of the server").times(2),
    differs(GONE, "result loadMissedMessages", "result[].alias", "an alias needs a permission"),
    differs(
        GONE,
        "*",
        "*channel.l*",
        "there was something said before in `chan2`",
    ).times(4),
    differs(
        GONE,
        "stream-notify-user rooms-changed inserted",
        "fields.args[].l*",
        "the same",
    ).times(2),
    differs(
        GONE,
        "stream-notify-user rooms-changed updated",
        "fields.args[].*muted",
        "there somebody was muted once",
    ).times(2),
    differs(
        GONE,
        "GET channels.history 200",
        "messages[].t",
        "there the history begins with other lines of the server",
    ).times(2),
    differs(
        GONE,
        "result loadHistory",
        "result.firstUnread.*",
        "there more had happened to the first message",
    ).times(10),
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
    ).times(4),
    differs(
        &[Empty],
        "result *",
        "result.update[]",
        "the recording began later than the rooms",
    ).times(2),
    // Errors.
    differs(NEWER, "* 401", "success", "a 401 says `success: false` since 8").times(16),
    differs(
        NEWER,
        "* 401",
        "error",
        "a 401 has an error beside its message since 8",
    ).times(6),
    differs(NEWER, "* 405", "success", "a 405 says `success: false` since 8").times(3),
    differs(
        NEWER,
        "POST log* 200",
        "success",
        "logging in and out says `success: true` since 8",
    ).times(13),
    differs(
        NEWER,
        "POST * 400",
        "errorType",
        "bodies are validated by a schema since 7, and the refusal has a code",
    ).times(3),
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
    ).times(9),
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
    )
    .of("06-rest POST chat.sendMessage /api/v1/chat.sendMessage {\"message\":{\"msg\":7,\"rid\":\"P3NFPWG27Hvw5z4Xw\"}}"),
    differs(
        &[Type],
        "POST chat.sendMessage 400",
        "(status 200)",
        "a number as text is made text since 7",
    )
    .of("06-rest POST chat.sendMessage /api/v1/chat.sendMessage {\"message\":{\"_id\":5,\"msg\":\"number id\","),
    differs(NEWER, "result sendMessage", "result", "the same"),
    differs(
        &[Type],
        "POST chat.sendMessage 200",
        "(status 400)",
        "nobody may forge a line of the server, an alias needs a permission",
    )
    .of("06-rest POST chat.sendMessage /api/v1/chat.sendMessage {\"message\":{\"alias\":\"Zed\",\"msg\":\"al\","),
    differs(
        &[Type],
        "POST chat.sendMessage 200",
        "(status 400)",
        "nobody may forge a line of the server, an alias needs a permission",
    )
    .of("06-rest POST chat.sendMessage /api/v1/chat.sendMessage {\"message\":{\"msg\":\"t\",\"rid\":\"P3NFPWG27Hvw5z4Xw\",\"t\":\"uj\"}}"),
    differs(
        &[Type],
        "POST chat.postMessage 200",
        "(status 400)",
        "unknown keys, wrong types, long texts are refused since 7; an alias needs a permission",
    )
    .of("06-rest POST chat.postMessage /api/v1/chat.postMessage {\"attachments\":\"x\","),
    differs(
        &[Type],
        "POST chat.postMessage 200",
        "(status 400)",
        "unknown keys, wrong types, long texts are refused since 7; an alias needs a permission",
    )
    .of("06-rest POST chat.postMessage /api/v1/chat.postMessage {\"alias\":\"Al\","),
    differs(
        &[Type],
        "POST chat.postMessage 200",
        "(status 400)",
        "unknown keys, wrong types, long texts are refused since 7; an alias needs a permission",
    )
    .of("06-rest POST chat.postMessage /api/v1/chat.postMessage {\"avatar\":\"https://example.org/a.png\","),
    differs(
        &[Type],
        "POST chat.postMessage 200",
        "(status 400)",
        "unknown keys, wrong types, long texts are refused since 7; an alias needs a permission",
    )
    .of("06-rest POST chat.postMessage /api/v1/chat.postMessage {\"roomId\":\"P3NFPWG27Hvw5z4Xw\",\"text\":\"zzzz"),
    differs(
        &[Type],
        "POST chat.postMessage 200",
        "(status 400)",
        "unknown keys, wrong types, long texts are refused since 7; an alias needs a permission",
    )
    .of("06-rest POST chat.postMessage /api/v1/chat.postMessage {\"_id\":\"pm-own-id-1\","),
    differs(
        &[Type],
        "POST login 200",
        "(status 401)",
        "a form is no JSON: refused since 7.6",
    )
    .of("06-rest POST login /api/v1/login \"user=botte&password=botte-pass-1\""),
    differs(GONE, "POST login 401", "details.codeCount", "the second factor is by an app here, there by e-mail"),
    differs(GONE, "POST login 401", "details.codeExpires", "the second factor is by an app here, there by e-mail"),
    differs(NEWER, "POST login 401", "details.emailOrUsername", "the same"),
    differs(GONE, "result login", "error.details.*", "the same").times(2),
    differs(NEWER, "result login", "error.details.*", "the same").times(4),
    // Over DDP.
    differs(
        NEWER,
        "ping",
        "(frame)",
        "the recorder answered these and did not write them down",
    ).times(7),
    differs(
        NEWER,
        "stream-notify-user message *",
        "*",
        "what only one user sees says so, and who says it, since 3.9",
    ).times(2),
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
    ).times(4),
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
        "nobody may forge a line of the server",
    )
    .of("05-methods bot result sendMessage#23"),
    differs(
        GONE,
        "result sendMessage",
        "result",
        "the window of the limiter ends at another moment",
    )
    .of("07-rate-limit bot result sendMessage#")
    .times(15),
    differs(
        NEWER,
        "result sendMessage",
        "error",
        "the window of the limiter ends at another moment",
    )
    .of("07-rate-limit bot result sendMessage#")
    .times(15),
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
    ).times(2),
    differs(GONE, "updated", "(frame)", "the same").times(2),
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
    differs(NEWER, "GET info 200", "version", "the whole version is only for who may see the statistics").times(2),
    differs(GONE, "GET info 200", "info", "the same"),
    differs(GONE, "GET info 200", "info.build", "the same"),
    differs(GONE, "GET info 200", "info.commit", "the same"),
    differs(GONE, "GET info 200", "info.marketplaceApiVersion", "the same"),
    differs(&[Type], "POST chat.delete 200", "ts", "a text since 3.9").times(4),
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
    ).times(2),
    differs(
        &[Type],
        "GET emoji-custom.list 200",
        "(status 404)",
        "a sandbox has no emoji of its own",
    )
    .of("06-rest GET emoji-custom.list /api/v1/emoji-custom.list null"),
    differs(
        &[Type],
        "POST chat.sendMessage 200",
        "(status 429)",
        "no proxy is believed when it names another address",
    )
    .of("07-rate-limit POST chat.sendMessage /api/v1/chat.sendMessage {\"message\":{\"msg\":\"rl xff\","),
];
