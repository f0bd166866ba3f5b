//! The forms of bodies and queries, as the validators of the real server have them.

/// What a key may hold.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Text,
    /// Text with something in it.
    Filled,
    Number,
    Flag,
    Texts,
    Objects,
    Object,
    /// One text, or several.
    TextOrTexts,
    Word(&'static [&'static str]),
    /// An object with these keys, and others.
    Open(&'static [Key]),
    /// An object with these keys and no other.
    Closed(&'static [Key]),
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) required: bool,
    pub(super) nullable: bool,
}

impl Key {
    const fn must(self) -> Self {
        Self {
            required: true,
            ..self
        }
    }

    const fn or_null(self) -> Self {
        Self {
            nullable: true,
            ..self
        }
    }
}

const fn key(name: &'static str, kind: Kind) -> Key {
    Key {
        name,
        kind,
        required: false,
        nullable: false,
    }
}

const fn text(name: &'static str) -> Key {
    key(name, Kind::Text)
}

const fn filled(name: &'static str) -> Key {
    key(name, Kind::Filled)
}

const fn number(name: &'static str) -> Key {
    key(name, Kind::Number)
}

const fn flag(name: &'static str) -> Key {
    key(name, Kind::Flag)
}

const fn texts(name: &'static str) -> Key {
    key(name, Kind::Texts)
}

const fn object(name: &'static str) -> Key {
    key(name, Kind::Object)
}

const BOOLEAN: Kind = Kind::Word(&["true", "false"]);

/// Keys of which all that are required must be there, and no other may.
pub(super) type Form = &'static [Key];

const MESSAGE: Form = &[
    text("_id").or_null(),
    text("rid"),
    text("tmid").or_null(),
    text("msg").or_null(),
    text("alias").or_null(),
    text("emoji").or_null(),
    flag("tshow").or_null(),
    text("avatar").or_null(),
    key("attachments", Kind::Objects).or_null(),
    key("blocks", Kind::Objects).or_null(),
    object("customFields").or_null(),
];

const EXTRA: Form = &[
    flag("broadcast"),
    flag("encrypted"),
    flag("federated"),
    text("teamId"),
    text("topic"),
];

/// Endpoints with the forms of which their body or query must have one.
pub(super) const FORMS: &[(&str, &[Form])] = &[
    (
        "chat.sendMessage",
        &[&[
            key("message", Kind::Open(MESSAGE)).must(),
            texts("previewUrls").or_null(),
        ]],
    ),
    (
        "chat.postMessage",
        &[
            &[
                key("roomId", Kind::TextOrTexts).must(),
                text("text").or_null(),
                text("alias").or_null(),
                text("emoji").or_null(),
                text("avatar").or_null(),
                key("attachments", Kind::Objects).or_null(),
                text("tmid"),
                object("customFields").or_null(),
                flag("parseUrls"),
            ],
            &[
                key("channel", Kind::TextOrTexts).must(),
                text("text").or_null(),
                text("alias").or_null(),
                text("emoji").or_null(),
                text("avatar").or_null(),
                key("attachments", Kind::Objects).or_null(),
                object("customFields").or_null(),
                flag("parseUrls"),
            ],
        ],
    ),
    ("chat.getMessage", &[&[filled("msgId").must()]]),
    (
        "chat.update",
        &[
            &[
                text("roomId").must(),
                text("msgId").must(),
                text("text").must(),
                texts("previewUrls").or_null(),
                object("customFields").or_null(),
            ],
            &[
                text("roomId").must(),
                text("msgId").must(),
                object("content").must(),
                object("e2eMentions").or_null(),
            ],
        ],
    ),
    (
        "chat.delete",
        &[
            &[
                text("msgId").must(),
                text("roomId").must(),
                text("fileId"),
                flag("asUser").or_null(),
            ],
            &[
                text("fileId").must(),
                text("msgId"),
                text("roomId"),
                flag("asUser").or_null(),
            ],
        ],
    ),
    (
        "chat.react",
        &[
            &[
                text("emoji").must(),
                filled("messageId").must(),
                flag("shouldReact").or_null(),
            ],
            &[
                text("reaction").must(),
                filled("messageId").must(),
                flag("shouldReact").or_null(),
            ],
        ],
    ),
    (
        "chat.reportMessage",
        &[&[text("messageId").must(), text("description").must()]],
    ),
    (
        "chat.syncMessages",
        &[&[
            text("roomId").must(),
            text("lastUpdate").or_null(),
            text("fromTs"),
            number("count").or_null(),
            text("next").or_null(),
            text("previous").or_null(),
            text("type").or_null(),
        ]],
    ),
    (
        "chat.getThreadMessages",
        &[&[
            filled("tmid").must(),
            filled("aroundId").or_null(),
            number("count").or_null(),
            number("offset").or_null(),
            text("sort").or_null(),
        ]],
    ),
    (
        "chat.getThreadsList",
        &[&[
            text("rid").must(),
            key("type", Kind::Word(&["following", "unread"])).or_null(),
            text("text").or_null(),
            number("offset").or_null(),
            number("count").or_null(),
            text("sort").or_null(),
            text("query").or_null(),
            text("fields").or_null(),
        ]],
    ),
    (
        "chat.syncThreadMessages",
        &[&[
            filled("tmid").must(),
            text("updatedSince").must(),
            number("count").or_null(),
            number("offset").or_null(),
            text("sort").or_null(),
        ]],
    ),
    (
        "chat.syncThreadsList",
        &[&[filled("rid").must(), text("updatedSince").must()]],
    ),
    (
        "chat.getDeletedMessages",
        &[&[
            filled("roomId").must(),
            filled("since").must(),
            number("count").or_null(),
            number("offset").or_null(),
            text("sort").or_null(),
        ]],
    ),
    ("chat.getPinnedMessages", &[OF_ROOM]),
    ("chat.getStarredMessages", &[OF_ROOM]),
    ("chat.getMentionedMessages", &[OF_ROOM]),
    (
        "chat.search",
        &[&[
            text("roomId").must(),
            text("searchText").must(),
            number("count").or_null(),
            number("offset").or_null(),
        ]],
    ),
    (
        "channels.history",
        &[
            &[
                filled("roomId").must(),
                filled("latest").or_null(),
                key("showThreadMessages", BOOLEAN).or_null(),
                filled("oldest").or_null(),
                key("inclusive", BOOLEAN).or_null(),
                key("unreads", BOOLEAN).or_null(),
                number("count").or_null(),
                number("offset").or_null(),
                text("sort").or_null(),
            ],
            &[
                filled("roomName").must(),
                filled("latest").or_null(),
                key("showThreadMessages", BOOLEAN).or_null(),
                filled("oldest").or_null(),
                key("inclusive", BOOLEAN).or_null(),
                key("unreads", BOOLEAN).or_null(),
                number("count").or_null(),
                number("offset").or_null(),
                text("sort").or_null(),
            ],
        ],
    ),
    (
        "im.history",
        &[&[
            filled("roomId").must(),
            filled("latest"),
            key("showThreadMessages", BOOLEAN),
            filled("oldest"),
            key("inclusive", BOOLEAN),
            key("unreads", BOOLEAN),
            number("count"),
            number("offset"),
            text("sort"),
        ]],
    ),
    (
        "channels.join",
        &[
            &[text("roomId").must(), text("joinCode").or_null()],
            &[text("roomName").must(), text("joinCode").or_null()],
        ],
    ),
    (
        "rooms.join",
        &[
            &[filled("roomId").must(), text("joinCode").or_null()],
            &[filled("roomName").must(), text("joinCode").or_null()],
        ],
    ),
    ("channels.leave", BY_ID_OR_NAME),
    ("groups.leave", BY_ID_OR_NAME),
    ("channels.roles", BY_ID_OR_NAME),
    ("groups.roles", BY_ID_OR_NAME),
    ("groups.info", BY_ID_OR_NAME),
    ("rooms.info", BY_ID_OR_NAME),
    (
        "channels.kick",
        &[
            &[text("roomId").must(), text("userId").must()],
            &[text("roomName").must(), text("userId").must()],
        ],
    ),
    ("groups.kick", PEOPLE),
    ("groups.invite", PEOPLE),
    (
        "groups.rename",
        &[
            &[text("roomId").must(), text("name").must()],
            &[text("roomName").must(), text("name").must()],
        ],
    ),
    (
        "groups.setTopic",
        &[
            &[text("roomId").must(), text("topic").must()],
            &[text("roomName").must(), text("topic").must()],
        ],
    ),
    (
        "channels.create",
        &[&[
            text("name").must(),
            texts("members"),
            texts("teams"),
            flag("readOnly"),
            object("customFields"),
            flag("excludeSelf"),
            key("extraData", Kind::Closed(EXTRA)),
        ]],
    ),
    (
        "groups.create",
        &[&[
            text("name").must(),
            texts("members").or_null(),
            flag("readOnly").or_null(),
            flag("excludeSelf").or_null(),
            object("customFields").or_null(),
            key("extraData", Kind::Closed(EXTRA)).or_null(),
        ]],
    ),
    (
        "im.create",
        &[
            &[text("usernames").must(), flag("excludeSelf")],
            &[text("username").must(), flag("excludeSelf")],
        ],
    ),
    (
        "rooms.isMember",
        &[
            &[filled("roomId").must(), filled("userId").must()],
            &[filled("roomId").must(), filled("username").must()],
        ],
    ),
    (
        "rooms.createDiscussion",
        &[&[
            text("prid").must(),
            text("pmid").or_null(),
            text("t_name").must(),
            text("topic").or_null(),
            texts("users").or_null(),
            flag("encrypted").or_null(),
            text("reply").or_null(),
        ]],
    ),
    ("subscriptions.get", &[&[text("updatedSince").or_null()]]),
    ("subscriptions.getOne", &[&[text("roomId").must()]]),
    (
        "subscriptions.read",
        &[
            &[text("rid").must(), flag("readThreads").or_null()],
            &[text("roomId").must(), flag("readThreads").or_null()],
        ],
    ),
    (
        "users.info",
        &[
            &[
                text("userId").must(),
                text("includeUserRooms"),
                text("fields").or_null(),
            ],
            &[
                text("username").must(),
                text("includeUserRooms"),
                text("fields").or_null(),
            ],
            &[
                text("importId").must(),
                text("includeUserRooms"),
                text("fields").or_null(),
            ],
        ],
    ),
    ("users.getPresence", &[USER]),
    ("users.getStatus", &[USER]),
    (
        "users.presence",
        &[&[text("from").or_null(), key("ids", Kind::TextOrTexts)]],
    ),
    ("users.autocomplete", &[&[text("selector").must()]]),
    (
        "spotlight",
        &[&[
            text("query").must(),
            text("usernames").or_null(),
            text("type").or_null(),
            text("rid").or_null(),
        ]],
    ),
    (
        "settings.public",
        &[&[
            number("count").or_null(),
            number("offset").or_null(),
            text("sort").or_null(),
            text("_id"),
            text("query"),
        ]],
    ),
];

const OF_ROOM: Form = &[
    filled("roomId").must(),
    number("count").or_null(),
    number("offset").or_null(),
    text("sort").or_null(),
];

const BY_ID_OR_NAME: &[Form] = &[&[text("roomId").must()], &[text("roomName").must()]];

const PEOPLE: &[Form] = &[
    &[
        text("roomId").must(),
        text("userId").or_null(),
        text("username").or_null(),
        text("user").or_null(),
        texts("userIds").or_null(),
        texts("usernames").or_null(),
    ],
    &[
        text("roomName").must(),
        text("userId").or_null(),
        text("username").or_null(),
        text("user").or_null(),
        texts("userIds").or_null(),
        texts("usernames").or_null(),
    ],
];

const USER: Form = &[text("userId"), text("username"), text("user")];
