//! The forms of bodies and queries, as the validators of the real server have them: all but those of `chat.*`.

/// What a key may hold.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Text,
    /// Text with something in it.
    Filled,
    Number,
    /// A number without a fraction.
    Whole,
    Flag,
    Texts,
    /// A list of anything.
    List,
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
    pub(super) const fn must(self) -> Self {
        Self {
            required: true,
            ..self
        }
    }

    pub(super) const fn or_null(self) -> Self {
        Self {
            nullable: true,
            ..self
        }
    }
}

pub(super) const fn key(name: &'static str, kind: Kind) -> Key {
    Key {
        name,
        kind,
        required: false,
        nullable: false,
    }
}

pub(super) const fn text(name: &'static str) -> Key {
    key(name, Kind::Text)
}

pub(super) const fn filled(name: &'static str) -> Key {
    key(name, Kind::Filled)
}

pub(super) const fn number(name: &'static str) -> Key {
    key(name, Kind::Number)
}

pub(super) const fn flag(name: &'static str) -> Key {
    key(name, Kind::Flag)
}

pub(super) const fn texts(name: &'static str) -> Key {
    key(name, Kind::Texts)
}

pub(super) const fn object(name: &'static str) -> Key {
    key(name, Kind::Object)
}

const BOOLEAN: Kind = Kind::Word(&["true", "false"]);

/// Keys of which all that are required must be there, and no other may.
pub(super) type Form = &'static [Key];

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
    (
        "groups.history",
        &[
            &[
                text("roomId").must(),
                text("latest").or_null(),
                text("oldest").or_null(),
                text("inclusive").or_null(),
                text("unreads").or_null(),
                text("showThreadMessages").or_null(),
                number("count").or_null(),
                number("offset").or_null(),
                text("sort").or_null(),
            ],
            &[
                text("roomName").must(),
                text("latest").or_null(),
                text("oldest").or_null(),
                text("inclusive").or_null(),
                text("unreads").or_null(),
                text("showThreadMessages").or_null(),
                number("count").or_null(),
                number("offset").or_null(),
                text("sort").or_null(),
            ],
        ],
    ),
    (
        "channels.messages",
        &[&[
            text("roomId").must(),
            text("mentionIds"),
            text("starredIds"),
            text("pinned"),
            text("query"),
            number("count").or_null(),
            number("offset").or_null(),
            text("sort").or_null(),
        ]],
    ),
    (
        "groups.messages",
        &[
            &[
                text("roomId").must(),
                text("mentionIds"),
                text("starredIds"),
                text("pinned"),
                number("count").or_null(),
                number("offset").or_null(),
                text("sort").or_null(),
                text("query").or_null(),
            ],
            &[
                text("roomName").must(),
                text("mentionIds"),
                text("starredIds"),
                text("pinned"),
                number("count").or_null(),
                number("offset").or_null(),
                text("sort").or_null(),
                text("query").or_null(),
            ],
        ],
    ),
    (
        "im.messages",
        &[
            &[
                text("roomId").must(),
                text("mentionIds"),
                text("starredIds"),
                text("pinned"),
                text("fields"),
                text("query"),
                text("sort"),
                number("count"),
                number("offset"),
            ],
            &[
                text("username").must(),
                text("mentionIds"),
                text("starredIds"),
                text("pinned"),
                text("fields"),
                text("query"),
                text("sort"),
                number("count"),
                number("offset"),
            ],
        ],
    ),
    (
        "groups.members",
        &[
            &[
                text("roomId").must(),
                number("offset").or_null(),
                number("count").or_null(),
                text("filter").or_null(),
                texts("status").or_null(),
            ],
            &[
                text("roomName").must(),
                number("offset").or_null(),
                number("count").or_null(),
                text("filter").or_null(),
                texts("status").or_null(),
            ],
        ],
    ),
    (
        "im.members",
        &[
            &[
                text("roomId").must(),
                key("status", Kind::TextOrTexts),
                text("filter"),
                text("query"),
                text("sort"),
                number("count"),
                number("offset"),
            ],
            &[
                text("username").must(),
                key("status", Kind::TextOrTexts),
                text("filter"),
                text("query"),
                text("sort"),
                number("count"),
                number("offset"),
            ],
        ],
    ),
    (
        "channels.list",
        &[&[
            text("_id"),
            text("query"),
            number("count"),
            number("offset"),
            text("sort"),
            text("fields"),
        ]],
    ),
    (
        "users.list",
        &[&[
            text("fields").or_null(),
            text("query").or_null(),
            number("count").or_null(),
            number("offset").or_null(),
            text("sort").or_null(),
            filled("email").or_null(),
        ]],
    ),
    ("method.call", METHOD),
    ("method.callAnon", METHOD),
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
    ("channels.setTopic", TOPIC),
    ("channels.setAnnouncement", ANNOUNCEMENT),
    ("groups.setAnnouncement", ANNOUNCEMENT),
    ("channels.setDescription", DESCRIPTION),
    ("groups.setDescription", DESCRIPTION),
    (
        "channels.invite",
        &[
            &[
                text("roomId").must(),
                text("userId").or_null(),
                text("username").or_null(),
                text("user").or_null(),
            ],
            &[
                text("roomName").must(),
                text("userId").or_null(),
                text("username").or_null(),
                text("user").or_null(),
            ],
        ],
    ),
    (
        "rooms.saveRoomSettings",
        &[&[
            text("rid").must(),
            text("roomAvatar").or_null(),
            flag("featured").or_null(),
            text("roomName").or_null(),
            text("roomTopic").or_null(),
            text("roomAnnouncement").or_null(),
            text("roomDescription").or_null(),
            object("roomCustomFields").or_null(),
            text("roomType").or_null(),
            flag("readOnly").or_null(),
            flag("reactWhenReadOnly").or_null(),
            texts("systemMessages").or_null(),
            flag("default").or_null(),
            text("joinCode").or_null(),
            flag("encrypted").or_null(),
            key("favorite", Kind::Open(FAVORITE)).or_null(),
            flag("retentionEnabled").or_null(),
            number("retentionMaxAge").or_null(),
            flag("retentionExcludePinned").or_null(),
            flag("retentionFilesOnly").or_null(),
            flag("retentionIgnoreThreads").or_null(),
            flag("retentionOverrideGlobal").or_null(),
        ]],
    ),
    (
        "rooms.membersOrderedByRole",
        &[
            &[
                text("roomId").must(),
                key("status", Kind::TextOrTexts),
                text("filter"),
                key("count", Kind::Whole),
                key("offset", Kind::Whole),
                text("sort"),
            ],
            &[
                text("roomName").must(),
                key("status", Kind::TextOrTexts),
                text("filter"),
                key("count", Kind::Whole),
                key("offset", Kind::Whole),
                text("sort"),
            ],
        ],
    ),
    (
        "subscriptions.unread",
        &[
            &[text("roomId").must()],
            &[key("firstUnreadMessage", Kind::Closed(&[text("_id").must()])).must()],
        ],
    ),
    ("groups.setTopic", TOPIC),
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

const FAVORITE: Form = &[flag("defaultValue").must(), flag("favorite").must()];

const TOPIC: &[Form] = &[
    &[text("roomId").must(), text("topic").must()],
    &[text("roomName").must(), text("topic").must()],
];

const ANNOUNCEMENT: &[Form] = &[
    &[text("roomId").must(), text("announcement").must()],
    &[text("roomName").must(), text("announcement").must()],
];

const DESCRIPTION: &[Form] = &[
    &[text("roomId").must(), text("description").must()],
    &[text("roomName").must(), text("description").must()],
];

const METHOD: &[Form] = &[&[text("message").must()]];

/// The frame in the body of `method.call`.
pub(super) const FRAME: Form = &[
    text("method").must(),
    key("params", Kind::List).must(),
    text("id").must(),
    key("msg", Kind::Word(&["method"])).must(),
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
