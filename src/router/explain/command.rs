//! The command that was found in an event, or why there is none.

use std::fmt;

use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::command::Address;

/// A command that a `CommandLayer` found in an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundCommand {
    pub(super) name: String,
    pub(super) path: String,
    pub(super) prefix: String,
    pub(super) address: Address,
    pub(super) leads_to: LeadsTo,
}

impl FoundCommand {
    /// Its first word, as it was written. Empty for a mention of the bot with nothing behind it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its words as they were written, as far as groups were entered: `admin ban`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The prefix or the mention, without white space behind it; empty for [`Address::Direct`].
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// How it was addressed to the bot.
    pub fn address(&self) -> Address {
        self.address
    }

    /// What it is for this router.
    pub fn leads_to(&self) -> LeadsTo {
        self.leads_to
    }
}

impl Serialize for FoundCommand {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let address = match self.address {
            Address::Prefix => "prefix",
            Address::Mention => "mention",
            Address::Direct => "direct",
        };
        let mut fields = serializer.serialize_struct("FoundCommand", 5)?;
        fields.serialize_field("name", &self.name)?;
        fields.serialize_field("path", &self.path)?;
        fields.serialize_field("prefix", &self.prefix)?;
        fields.serialize_field("address", address)?;
        fields.serialize_field("leads_to", &self.leads_to)?;
        fields.end()
    }
}

/// What a command is for a router.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LeadsTo {
    /// One of its commands.
    Command,
    /// A command that it does not have.
    UnknownCommand,
    /// A sub-command that one of its groups does not have.
    UnknownSubcommand,
    /// Nothing: in a direct conversation what begins with no known command is just a message.
    JustAMessage,
}

/// Why there is no command in an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NoCommand {
    /// Events of this kind never are commands.
    OtherKind,
    /// It is an edit, and the `CommandLayer` does not say `edits`.
    Edit,
    /// It is in a livechat room, and the `CommandLayer` does not say `livechat`.
    Livechat,
    /// It is the bot's own, and the `CommandLayer` does not say `own_messages`.
    OwnMessage,
    /// Its text is longer than 4 GiB.
    TooLong,
    /// It begins with no prefix and no mention of the bot.
    NoPrefix,
    /// There is nothing behind the prefix.
    NoWord,
    /// No `CommandLayer` is known to stand in front of the router. Layers are known from the first request on that
    /// passed them, and only among requests of the same bot.
    NoCommandLayer,
    /// The `CommandLayer` would find one: it stands inside of where this was asked, or a layer took it away.
    TakenAway,
}

impl fmt::Display for NoCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::OtherKind => "events of this kind never are",
            Self::Edit => "it is an edit, and the CommandLayer does not say `edits`",
            Self::Livechat => "it is in a livechat room, and the CommandLayer does not say `livechat`",
            Self::OwnMessage => {
                "it is the bot's own message, and the CommandLayer does not say `own_messages`"
            }
            Self::TooLong => "its text is too long",
            Self::NoPrefix => "it begins with no prefix and no mention of the bot",
            Self::NoWord => "there is nothing behind the prefix",
            Self::NoCommandLayer => "no CommandLayer is known to stand in front of the router",
            Self::TakenAway => "a CommandLayer would find one, but the request came without",
        })
    }
}
