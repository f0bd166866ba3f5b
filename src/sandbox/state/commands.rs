//! The server's own slash commands.

use serde_json::{Map, json};

use super::State;
use crate::sandbox::refusal::Refusal;

/// A command that the server has.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) name: &'static str,
    /// Keys of translated texts.
    pub(crate) description: &'static str,
    pub(crate) params: &'static str,
    /// What it puts beside the text.
    picture: Option<&'static str>,
}

const fn known(
    name: &'static str,
    description: &'static str,
    params: &'static str,
    picture: Option<&'static str>,
) -> Known {
    Known {
        name,
        description,
        params,
        picture,
    }
}

pub(crate) const COMMANDS: &[Known] = &[
    known(
        "gimme",
        "Slash_Gimme_Description",
        "your_message_optional",
        Some("༼ つ ◕_◕ ༽つ "),
    ),
    known("join", "Join_the_given_channel", "#channel", None),
    known("leave", "Leave_the_current_channel", "", None),
    known(
        "lennyface",
        "Slash_LennyFace_Description",
        "your_message_optional",
        Some("( ͡° ͜ʖ ͡°)"),
    ),
    known("me", "Displays_action_text", "your_message", None),
    known(
        "shrug",
        "Slash_Shrug_Description",
        "your_message_optional",
        Some("¯\\_(ツ)_/¯"),
    ),
    known(
        "tableflip",
        "Slash_Tableflip_Description",
        "your_message_optional",
        Some("(╯°□°）╯︵ ┻━┻"),
    ),
    known("topic", "Slash_Topic_Description", "Slash_Topic_Params", None),
    known(
        "unflip",
        "Slash_TableUnflip_Description",
        "your_message_optional",
        Some("┬─┬ ノ( ゜-゜ノ)"),
    ),
];

/// One that is to run.
#[derive(Debug)]
pub(crate) struct Command<'a> {
    pub(crate) name: &'a str,
    pub(crate) params: &'a str,
    pub(crate) rid: &'a str,
    pub(crate) tmid: Option<&'a str>,
    /// The id of the message that it may become.
    pub(crate) id: Option<&'a str>,
}

impl State {
    pub(crate) fn run_command(&mut self, uid: &str, command: &Command<'_>) -> Result<(), Refusal> {
        let Command { params, rid, .. } = *command;
        let unknown = || Refusal::plain("The command provided does not exist (or is disabled).");
        let name = command.name.to_lowercase();
        let found = COMMANDS
            .iter()
            .find(|known| known.name == name)
            .ok_or_else(unknown)?;
        let room = self.rooms.get(rid).is_some_and(|room| self.can_access(uid, room));
        if !room {
            return Err(Refusal::in_method(
                "error-not-allowed",
                "Not allowed",
                "slashCommand",
            ));
        }
        let text = match (found.name, found.picture) {
            ("me", _) if params.trim().is_empty() => return Ok(()),
            ("me", _) => format!("_{params}_"),
            ("gimme", Some(picture)) => format!("{picture}{params}"),
            (_, Some(picture)) => format!("{params} {picture}").trim_start().to_owned(),
            ("topic", None) => {
                if !self.may(uid, "edit-room", Some(rid)) {
                    let reason = "Editing room is not allowed";
                    return Err(Refusal::in_method(
                        "error-action-not-allowed",
                        reason,
                        "saveRoomSettings",
                    ));
                }
                return self.set_topic(rid, uid, params);
            }
            ("leave", None) => return self.leave(rid, uid),
            _ => {
                let room = self.find_rid(params.trim());
                let unknown = || Refusal::in_method("error-invalid-room", "Invalid room", "joinRoom");
                return self.join(&room.ok_or_else(unknown)?, uid, "joinRoom").map(|_| ());
            }
        };
        let mut draft = Map::from_iter([("rid".to_owned(), json!(rid)), ("msg".to_owned(), json!(text))]);
        for (key, value) in [("tmid", command.tmid), ("_id", command.id)] {
            if let Some(value) = value {
                draft.insert(key.to_owned(), json!(value));
            }
        }
        self.send_message(uid, draft).map(|_| ())
    }
}
