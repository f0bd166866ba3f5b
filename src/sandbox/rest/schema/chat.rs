//! The forms of the bodies and queries of `chat.*`.

use super::forms::{Form, Kind, filled, flag, key, number, object, text, texts};

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

const OF_ROOM: Form = &[
    filled("roomId").must(),
    number("count").or_null(),
    number("offset").or_null(),
    text("sort").or_null(),
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
];
