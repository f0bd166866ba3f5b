//! What bodies and queries must look like, as the validators of the real server say, and how values are made to fit.

use serde_json::{Map, Value, json};

/// What a key may hold.
#[derive(Debug, Clone, Copy)]
enum Kind {
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
struct Key {
    name: &'static str,
    kind: Kind,
    required: bool,
    nullable: bool,
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
type Form = &'static [Key];

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
const FORMS: &[(&str, &[Form])] = &[
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

/// Makes the scalars of a body or query fit where they can, as the server does: `5` is a text, `"5"` a number. What does not
/// fit is told in the validator's words.
pub(super) fn fit(endpoint: &str, given: &mut Map<String, Value>) -> Result<(), String> {
    let Some((_, forms)) = FORMS.iter().find(|(name, _)| *name == endpoint) else {
        return Ok(());
    };
    let mut first = None;
    for form in *forms {
        let mut copy = given.clone();
        match fit_form(form, &mut copy, false) {
            Ok(()) => {
                *given = copy;
                return Ok(());
            }
            Err(error) => {
                first.get_or_insert(error);
            }
        }
    }
    Err(first.unwrap_or_default())
}

fn fit_form(form: Form, given: &mut Map<String, Value>, open: bool) -> Result<(), String> {
    if let Some(missing) = form
        .iter()
        .find(|key| key.required && !given.contains_key(key.name))
    {
        return Err(format!("must have required property '{}'", missing.name));
    }
    if !open && given.keys().any(|name| !form.iter().any(|key| key.name == name)) {
        return Err("must NOT have additional properties".to_owned());
    }
    for key in form {
        if let Some(value) = given.get_mut(key.name) {
            fit_value(key, value)?;
        }
    }
    Ok(())
}

fn fit_value(key: &Key, value: &mut Value) -> Result<(), String> {
    if key.nullable && value.is_null() {
        return Ok(());
    }
    let must = |what: &str| Err(format!("must be {what}"));
    let fitted = match key.kind {
        Kind::Text => as_text(value),
        Kind::Filled => match as_text(value) {
            Some(Value::String(text)) if text.is_empty() => {
                return Err("must NOT have fewer than 1 characters".to_owned());
            }
            other => other,
        },
        Kind::Word(words) => match as_text(value) {
            Some(Value::String(text)) if !words.contains(&text.as_str()) => {
                return Err("must be equal to one of the allowed values".to_owned());
            }
            other => other,
        },
        Kind::Number => match &*value {
            Value::Number(_) => return Ok(()),
            Value::Bool(flag) => Some(json!(i32::from(*flag))),
            Value::Null => Some(json!(0)),
            Value::String(text) => text.trim().parse::<f64>().ok().map(|number| json!(number)),
            Value::Array(_) | Value::Object(_) => None,
        },
        Kind::Flag => match &*value {
            Value::Bool(_) => return Ok(()),
            Value::Null => Some(json!(false)),
            Value::Number(number) if number.as_f64() == Some(0.0) => Some(json!(false)),
            Value::Number(number) if number.as_f64() == Some(1.0) => Some(json!(true)),
            Value::String(text) if text == "true" => Some(json!(true)),
            Value::String(text) if text == "false" => Some(json!(false)),
            _ => None,
        },
        Kind::Texts => match &mut *value {
            Value::Array(list) => return fit_texts(list),
            _ => None,
        },
        Kind::TextOrTexts => match &mut *value {
            Value::Array(list) => return fit_texts(list),
            other => as_text(other),
        },
        Kind::Objects => match value {
            Value::Array(list) if list.iter().all(Value::is_object) => return Ok(()),
            _ => None,
        },
        Kind::Object => value.is_object().then(|| value.clone()),
        Kind::Open(form) | Kind::Closed(form) => match &mut *value {
            Value::Object(object) => return fit_form(form, object, matches!(key.kind, Kind::Open(_))),
            _ => None,
        },
    };
    let Some(fitted) = fitted else {
        // What is as good as nothing is nothing, where that is allowed.
        let empty = matches!(&*value, Value::String(text) if text.is_empty())
            || *value == json!(0)
            || *value == json!(false);
        if key.nullable && empty {
            *value = Value::Null;
            return Ok(());
        }
        return must(match key.kind {
            Kind::Text | Kind::Filled | Kind::Word(_) | Kind::TextOrTexts => "string",
            Kind::Number => "number",
            Kind::Flag => "boolean",
            Kind::Texts | Kind::Objects => "array",
            Kind::Object | Kind::Open(_) | Kind::Closed(_) => "object",
        });
    };
    *value = fitted;
    Ok(())
}

fn as_text(value: &Value) -> Option<Value> {
    match value {
        Value::String(_) => Some(value.clone()),
        Value::Number(number) => Some(json!(number.to_string())),
        Value::Bool(flag) => Some(json!(flag.to_string())),
        Value::Null => Some(json!("")),
        Value::Array(_) | Value::Object(_) => None,
    }
}

fn fit_texts(list: &mut [Value]) -> Result<(), String> {
    for entry in list {
        let Some(text) = as_text(entry) else {
            return Err("must be string".to_owned());
        };
        *entry = text;
    }
    Ok(())
}
