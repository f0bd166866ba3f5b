//! What counts as a command, and what does not.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by a panic")]

#[path = "support/log.rs"]
mod log;

use std::sync::Arc;

use self::log::Log;
use proptest::prelude::*;
use rocketbotte::command::{Address, Command, CommandLayer};
use rocketbotte::event::{Edited, Event, Message, MessageId, Room, RoomKind, User};
use rocketbotte::extract::Quoted;
use rocketbotte::{Context, Identity, Request, Router};
use tower::{Layer, ServiceExt};

fn channel() -> Room {
    Room::new("GENERAL", RoomKind::Channel).with_name("general")
}

fn message_in(room: Room, text: &str) -> Message {
    Message::builder(room, User::new("uA", "ann"), text).build()
}

fn request(event: impl Into<Event>) -> Request {
    Request::with_context(
        event,
        Context::for_bot(Identity::new("uB", "bot").with_name("The Bot")),
    )
}

fn parse_in(layer: &CommandLayer, room: Room, text: &str) -> Option<Command> {
    layer.parse(&request(message_in(room, text)))
}

fn parse(layer: &CommandLayer, text: &str) -> Option<Command> {
    parse_in(layer, channel(), text)
}

/// The command's prefix, name and arguments.
fn parts(layer: &CommandLayer, text: &str) -> Option<(String, String, String)> {
    let command = parse(layer, text)?;
    Some((
        command.prefix().to_owned(),
        command.name().to_owned(),
        command.args().to_owned(),
    ))
}

fn some(prefix: &str, name: &str, args: &str) -> Option<(String, String, String)> {
    Some((prefix.to_owned(), name.to_owned(), args.to_owned()))
}

#[test]
fn a_prefix_is_taken_as_it_is() {
    for prefix in [".", "+", "$^", "?!", "[a]", "\\d.", "(", "|", "*", "é!", "🤖"] {
        let layer = CommandLayer::new(prefix);
        assert_eq!(
            parts(&layer, &format!("{prefix}ping x")),
            some(prefix, "ping", "x"),
            "{prefix}"
        );
        assert_eq!(parse(&layer, "ping x").map(|_| ()), None, "{prefix}");
        assert_eq!(parse(&layer, "xping").map(|_| ()), None, "{prefix}");
    }
}

#[test]
fn with_an_empty_prefix_the_first_word_is_tried() {
    let layer = CommandLayer::new("");
    assert_eq!(parts(&layer, "ping x"), some("", "ping", "x"));
    assert_eq!(parts(&layer, "  "), None);
    assert_eq!(
        parts(&layer.or_prefix("!"), "!ping"),
        some("!", "ping", ""),
        "the longer one first"
    );
}

#[test]
fn the_longest_prefix_wins() {
    for layer in [
        CommandLayer::new("!").or_prefix("!!"),
        CommandLayer::new("!!").or_prefix("!"),
    ] {
        assert_eq!(parts(&layer, "!!ping"), some("!!", "ping", ""));
        assert_eq!(parts(&layer, "!ping"), some("!", "ping", ""));
    }
}

#[test]
fn a_prefix_that_is_a_word_ends_where_the_word_ends() {
    for layer in [CommandLayer::new("bot"), CommandLayer::new("bot ")] {
        assert_eq!(parts(&layer, "bot ping x"), some("bot ", "ping", "x"));
        assert_eq!(parts(&layer, "Bot   ping"), some("Bot   ", "ping", ""));
        assert_eq!(parts(&layer, "bottle ping"), None);
        assert_eq!(parts(&layer, "bot"), None);
        assert_eq!(parts(&layer, "bot "), None);
    }
    assert_eq!(
        parts(&CommandLayer::new("hey bot, "), "hey bot, ping"),
        some("hey bot, ", "ping", "")
    );
}

#[test]
fn a_prefix_alone_is_no_command() {
    let layer = CommandLayer::new("!");
    for text in ["!", "! ping", "!\nping", "", " ", "wow!", "a !ping"] {
        assert_eq!(parts(&layer, text), None, "{text:?}");
    }
}

#[test]
fn a_room_may_have_a_prefix_of_its_own() {
    let layer =
        CommandLayer::new("!").prefix_of_room(|room| (room.name() == Some("ops")).then(|| "$".to_owned()));
    let ops = || Room::new("ops", RoomKind::Private).with_name("ops");
    assert_eq!(parse_in(&layer, ops(), "$ping").unwrap().name(), "ping");
    assert!(parse_in(&layer, ops(), "!ping").is_none());
    assert!(parse(&layer, "$ping").is_none());
    assert!(parse(&layer, "!ping").is_some());
    assert!(
        parse_in(&layer, ops(), "@bot ping").is_some(),
        "a mention works everywhere"
    );
}

#[test]
fn a_mention_is_a_prefix() {
    let layer = CommandLayer::new("!");
    for (text, prefix) in [
        ("@bot ping x", "@bot"),
        ("@bot: ping x", "@bot:"),
        ("@bot, ping x", "@bot,"),
        ("@Bot ping x", "@Bot"),
        ("@BOT\nping x", "@BOT"),
        ("@bot !ping x", "@bot"),
        ("  @bot\u{a0}ping x", "@bot"),
    ] {
        assert_eq!(parts(&layer, text), some(prefix, "ping", "x"), "{text:?}");
        let command = parse(&layer, text).unwrap();
        assert_eq!(command.address(), Address::Mention);
        assert_eq!(command.path().collect::<Vec<_>>(), ["ping"]);
    }
    for text in [
        "@bottle ping",
        "@bot.two ping",
        "@bot-2 ping",
        "@bo ping",
        "hey @bot ping",
        "@ bot ping",
        "bot ping",
    ] {
        assert_eq!(parts(&layer, text), None, "{text:?}");
    }
    for text in ["@bot", "@bot:", " @bot, ", "@bot \u{200b}"] {
        let command = parse(&layer, text).unwrap();
        assert_eq!((command.name(), command.args()), ("", ""), "{text:?}");
        assert_eq!(command.path().count(), 0);
    }
}

#[test]
fn mentions_can_be_switched_off() {
    assert!(parse(&CommandLayer::new("!").mention(false), "@bot ping").is_none());
}

#[test]
fn a_bot_without_a_name_is_not_mentioned() {
    let request = Request::new(message_in(channel(), "@ ping"));
    assert!(CommandLayer::new("!").parse(&request).is_none());
}

#[test]
fn no_prefix_in_a_direct_conversation_with_the_bot_alone() {
    let layer = CommandLayer::new("!");
    for id in ["uAuB", "uBuA"] {
        let command = parse_in(&layer, Room::new(id, RoomKind::Direct), "ping x").unwrap();
        assert_eq!(
            (command.address(), command.prefix(), command.name()),
            (Address::Direct, "", "ping")
        );
        assert_eq!(command.args(), "x");
        let command = parse_in(&layer, Room::new(id, RoomKind::Direct), "!ping").unwrap();
        assert_eq!(command.address(), Address::Prefix);
    }
    let of_three = || Room::new("qXbSx8u3GkR4", RoomKind::Direct);
    assert!(parse_in(&layer, of_three(), "ping").is_none());
    assert!(parse_in(&layer, of_three(), "!ping").is_some());
    assert!(parse_in(&layer, of_three(), "@bot ping").is_some());
    let layer = layer.direct_without_prefix(false);
    assert!(parse_in(&layer, Room::new("uAuB", RoomKind::Direct), "ping").is_none());
}

#[test]
fn case_is_folded_unless_told_otherwise() {
    let layer = CommandLayer::new("Bot!");
    assert!(parse(&layer, "bOT!ping").unwrap().folds_case());
    let layer = CommandLayer::new("Äh!");
    assert_eq!(parts(&layer, "äH!ping"), some("äH!", "ping", ""));
    let layer = CommandLayer::new("Bot!").case_sensitive();
    assert!(parse(&layer, "bot!ping").is_none());
    assert!(!parse(&layer, "Bot!ping").unwrap().folds_case());
}

#[test]
fn a_command_is_a_word_of_any_script() {
    let layer = CommandLayer::new("!");
    for name in [
        "погода",
        "天気",
        "ping2",
        "2048",
        "rm-rf",
        "a_b",
        "c++",
        "می\u{200c}خواهم",
        "👋",
        "!",
        "ß",
    ] {
        assert_eq!(
            parts(&layer, &format!("!{name} x")),
            some("!", name, "x"),
            "{name}"
        );
    }
}

#[test]
fn what_nobody_sees_changes_nothing() {
    let layer = CommandLayer::new("!");
    for text in [
        "  !ping x",
        "\n\t!ping x",
        "\u{200b}!ping x",
        "\u{feff} \u{2060}!ping x",
        "!\u{200b}ping x",
        "!ping\u{200b} x",
        "!ping \u{200b}x\u{200d} ",
        "\u{200e}!ping\u{200f} x",
    ] {
        assert_eq!(parts(&layer, text), some("!", "ping", "x"), "{text:?}");
    }
}

#[test]
fn arguments_may_have_several_lines() {
    let layer = CommandLayer::new("!");
    assert_eq!(parts(&layer, "!say a\n\nb  c\n"), some("!", "say", "a\n\nb  c"));
    assert_eq!(
        parts(&layer, "!say\n```\na\n```"),
        some("!", "say", "```\na\n```")
    );
}

#[tokio::test]
async fn quote_links_in_front_are_skipped_and_kept() {
    let layer = CommandLayer::new("!");
    let link = "[ ](https://chat.example.org/channel/general?msg=ID)";
    for text in [
        format!("{link} !ping x"),
        format!("{link}\n!ping x"),
        format!(" {link}{link} !ping x"),
        format!("{link}!ping x"),
    ] {
        assert_eq!(parts(&layer, &text), some("!", "ping", "x"), "{text}");
    }
    assert_eq!(
        parts(&layer, &format!("{link} @bot ping")),
        some("@bot", "ping", "")
    );
    for text in [
        "[ ](https://example.org) !ping",
        "[a](https://example.org?msg=1) !ping",
        "[ ](x?msg=1 !ping",
        "[ ]( ?msg=1) !ping",
    ] {
        assert_eq!(parts(&layer, text), None, "{text}");
    }

    async fn ids(Quoted(ids): Quoted) -> String {
        ids.iter().map(MessageId::as_str).collect::<Vec<_>>().join(" ")
    }
    let second = "[ ](https://chat.example.org/direct/x?msg=ID2&y=1)";
    let app = layer.layer(Router::<()>::new().command("ids", ids));
    let response = app
        .oneshot(request(message_in(channel(), &format!("{link} {second} !ids"))))
        .await
        .unwrap();
    assert_eq!(response.texts().collect::<Vec<_>>(), ["ID ID2"]);
}

#[test]
fn a_sub_command_is_found_by_descending() {
    let command = parse(&CommandLayer::new("!"), "!admin \u{200b} user\n ban  ann").unwrap();
    let user = command.descend();
    let ban = user.descend();
    assert_eq!((user.name(), user.args()), ("user", "ban  ann"));
    assert_eq!((ban.name(), ban.args()), ("ban", "ann"));
    assert_eq!(ban.path().collect::<Vec<_>>(), ["admin", "user", "ban"]);
    let beyond = ban.descend().descend().descend();
    assert_eq!((beyond.name(), beyond.args(), beyond.prefix()), ("", "", "!"));
}

#[test]
fn the_bots_own_messages_are_no_commands_unless_asked_for() {
    let own = || request(Message::builder(channel(), User::new("uB", "bot"), "!ping").build());
    assert!(CommandLayer::new("!").parse(&own()).is_none());
    assert!(CommandLayer::new("!").own_messages(true).parse(&own()).is_some());
    let namesake = Message::builder(channel(), User::new("uX", "bot"), "!ping").build();
    assert!(
        CommandLayer::new("!").parse(&request(namesake)).is_some(),
        "identity is the id"
    );
}

#[test]
fn system_and_encrypted_messages_are_no_commands() {
    let layer = CommandLayer::new("!")
        .edits(true)
        .livechat(true)
        .own_messages(true);
    for system_type in ["uj", "r", "e2e"] {
        let message = Message::builder(channel(), User::new("uA", "ann"), "!ping").system_type(system_type);
        assert!(layer.parse(&request(message.build())).is_none(), "{system_type}");
    }
}

#[test]
fn edits_and_livechat_are_commands_only_if_asked_for() {
    let edit = || {
        request(Event::Edited(Arc::new(Edited::new(Arc::new(message_in(
            channel(),
            "!ping",
        ))))))
    };
    assert!(CommandLayer::new("!").parse(&edit()).is_none());
    assert!(CommandLayer::new("!").edits(true).parse(&edit()).is_some());
    let livechat = || request(message_in(Room::new("l", RoomKind::Livechat), "!ping"));
    assert!(CommandLayer::new("!").parse(&livechat()).is_none());
    assert!(CommandLayer::new("!").livechat(true).parse(&livechat()).is_some());
    assert!(CommandLayer::new("!").parse(&request(Event::Ready)).is_none());
}

#[test]
fn the_slash_is_accepted_with_a_warning() {
    let (log, guard) = Log::start(tracing::Level::WARN);
    let layer = CommandLayer::new("/");
    drop(guard);
    assert_eq!(parts(&layer, "/ping"), some("/", "ping", ""));
    let log = log.text();
    assert!(log.contains("WARN") && log.contains("prefix"), "{log}");
}

#[test]
fn debug_output_has_no_arguments() {
    let command = parse(&CommandLayer::new("!"), "!login hunter2").unwrap();
    let debug = format!("{command:?}");
    assert!(debug.contains("login") && !debug.contains("hunter2"), "{debug}");
}

proptest! {
    #[test]
    fn any_text_can_be_parsed(text in any::<String>(), prefix in any::<String>()) {
        check(&text, &CommandLayer::new(prefix))?;
    }

    #[test]
    fn texts_that_look_like_commands_can_be_parsed(
        text in "[ \n\u{200b}]{0,2}(\\[ ?\\]\\([a-z?]*msg=[a-z]*\\) ?){0,2}(!|@bot|@BOT|İ|bot|ß|[:, ]|\u{200b}){0,4}[a-zé ]{0,9}",
    ) {
        for prefix in ["!", "bot", "bot ", "", "i̇", "ss", "ẞ"] {
            check(&text, &CommandLayer::new(prefix).or_prefix("@"))?;
        }
    }
}

/// Every part is a slice, which would panic off a character's boundary.
fn check(text: &str, layer: &CommandLayer) -> Result<(), TestCaseError> {
    for room in [channel(), Room::new("uAuB", RoomKind::Direct)] {
        let mut command = parse_in(layer, room, text);
        for _ in 0..4 {
            let Some(found) = command else { break };
            prop_assert!(
                text.contains(found.prefix()) && text.contains(found.name()) && text.contains(found.args())
            );
            prop_assert!(!found.name().contains(char::is_whitespace));
            prop_assert!(found.path().all(|word| !word.is_empty()));
            let _ = format!("{found:?}");
            command = (!found.name().is_empty()).then(|| found.descend());
        }
    }
    Ok(())
}
