//! The help, what it is made of, and what is not listed: as people read it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by a panic")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use rocketbotte::args::{Arg, UserArg};
use rocketbotte::event::{Event, Message, Room, RoomKind, User};
use rocketbotte::extract::Args;
use rocketbotte::handler::route;
use rocketbotte::layer::require::{CommandSwitch, Condition, Roles, RoomRoles};
use rocketbotte::layer::{CommandLayer, RateLimitLayer, RequireLayer};
use rocketbotte::router::{HelpPage, markdown_of};
use rocketbotte::testing::{self, events};
use rocketbotte::{BoxError, Router};
use serde::Deserialize;
use tower::Layer as _;

#[derive(Deserialize)]
#[expect(dead_code, reason = "only its usage matters")]
struct Ban {
    user: UserArg,
    after: Arg<Duration>,
    quietly: bool,
}

async fn ban(_: Args<Ban>) -> &'static str {
    "banned"
}

async fn ping() -> &'static str {
    "pong"
}

/// What the bot says to a text of ann in a channel.
async fn said(router: &Router, text: &str) -> Vec<String> {
    said_to(router, events::message(text)).await
}

async fn said_to(router: &Router, event: impl Into<Event>) -> Vec<String> {
    let app = CommandLayer::new("!").layer(router.clone());
    testing::ask(app, event.into()).await.texts()
}

fn moderated() -> Router {
    let group = Router::new()
        .command("ban", route(ban).description("Sends somebody away"))
        .alias("kick")
        .command("unban", ping)
        .route_layer(RateLimitLayer::per_user(2, Duration::from_secs(90)))
        .layer(RequireLayer::users(["uAnn"]));
    Router::new()
        .nest("admin", group)
        .command("ping", route(ping).description("Answers"))
        .alias("p")
        .command("secret", route(ping).hidden())
        .help()
}

#[tokio::test]
async fn the_list_has_groups_usage_aliases_and_descriptions() {
    let list = "`!ping`, `p` – Answers\n`!help` – Lists the commands\n*admin*\n\
                `!admin ban <@user> <after> [--quietly]`, `kick` – Sends somebody away\n`!admin unban`";
    assert_eq!(said(&moderated(), "!help").await, [list]);
}

#[tokio::test]
async fn one_command_tells_all_about_itself() {
    let ban = "`!admin ban <@user> <after> [--quietly]`\nSends somebody away\nAlso called: `kick`\n\
               For example: `!admin ban @ann 10m`\nAt most: 2 in 1m 30s for each person\nFor: certain people";
    let router = moderated();
    for text in ["!help admin ban", "!help !admin ban", "!help ADMIN kick"] {
        assert_eq!(said(&router, text).await, [ban], "{text}");
    }
    let group =
        "*admin*\n`!admin ban <@user> <after> [--quietly]`, `kick` – Sends somebody away\n`!admin unban`";
    assert_eq!(said(&router, "!help admin").await, [group]);
    assert_eq!(
        said(&router, "!help secret").await,
        ["`!secret`"],
        "hidden, not forbidden"
    );
    for text in ["!help nothing", "!help `x`"] {
        let answer = said(&router, text).await.concat();
        assert!(
            answer.starts_with("There is no `") && answer.ends_with("that you can run here."),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn who_may_not_run_a_command_does_not_read_of_it() {
    let router = moderated();
    let by_bob = |text: &str| events::said(text).by(events::bob());
    assert_eq!(
        said_to(&router, by_bob("!help")).await,
        ["`!ping`, `p` – Answers\n`!help` – Lists the commands"]
    );
    for text in ["!help admin ban", "!help admin"] {
        let unknown = said_to(&router, by_bob(&text.replace("admin", "nowhere")))
            .await
            .concat();
        let forbidden = said_to(&router, by_bob(text)).await.concat();
        assert_eq!(
            forbidden,
            unknown.replace("nowhere", "admin"),
            "it is not told that it is there"
        );
    }
}

#[tokio::test]
async fn hints_tell_nothing_of_what_the_help_hides() {
    let group = Router::new()
        .command("ban", ping)
        .route_layer(RequireLayer::users(["uAnn"]))
        .command("status", ping)
        .command("backdoor", route(ping).hidden());
    let router: Router = Router::new().nest("admin", group);
    let by_bob = |text: &str| events::said(text).by(events::bob());
    assert_eq!(
        said(&router, "!admin zzz").await,
        ["There is no `admin zzz`. There is: `ban`, `status`."]
    );
    for text in ["!admin zzz", "!admin bna", "!admin backdor"] {
        let word = text.rsplit(' ').next().unwrap();
        assert_eq!(
            said_to(&router, by_bob(text)).await,
            [format!("There is no `admin {word}`. There is: `status`.")]
        );
    }
}

#[tokio::test]
async fn groups_have_aliases_and_a_help_of_their_own() {
    let group = Router::new().command("ban", ping).alias("kick").help();
    let router: Router = Router::new()
        .nest("admin", Router::new().nest("user", group).alias("u"))
        .alias("a")
        .hidden_alias("root")
        .help();
    for text in [
        "!help admin user ban",
        "!help a u kick",
        "!help root USER ban",
        "!admin user help ban",
    ] {
        assert!(
            said(&router, text)
                .await
                .concat()
                .starts_with("`!admin user ban`"),
            "{text}"
        );
    }
    let list = "*admin user*\n`!admin user ban`, `kick`\n`!admin user help` – Lists the commands";
    for text in ["!help a", "!help a u", "!admin user help", "!a u help"] {
        assert_eq!(said(&router, text).await, [list], "{text}");
    }
}

#[tokio::test]
async fn what_can_not_be_found_out_lets_nobody_through() {
    // There is no server that could be asked.
    let owners = || Condition::room_roles(["owner"]);
    let known = |holds: bool| Condition::when(move |_| holds);
    let in_room = |kind| {
        let message = Message::builder(Room::new("r", kind), User::new("uAnn", "ann"), "hi").build();
        rocketbotte::Request::new(message)
    };
    for kind in [RoomKind::Channel, RoomKind::Private, RoomKind::Unknown] {
        for condition in [
            owners(),
            owners().not(),
            owners().not().not(),
            known(true).and(owners()).not(),
            known(false).or(owners()).not(),
            owners().or(owners().not()),
        ] {
            assert!(!condition.holds(&in_room(kind)).await, "{condition} in {kind:?}");
        }
        assert!(owners().or(known(true)).holds(&in_room(kind)).await);
        assert!(known(false).and(owners()).not().holds(&in_room(kind)).await);
    }
    assert!(!owners().holds(&in_room(RoomKind::Direct)).await);
    assert!(
        owners().not().holds(&in_room(RoomKind::Direct)).await,
        "nobody has a role there"
    );
}

/// Counts how often it is asked.
struct Asked(Arc<AtomicUsize>);

impl RoomRoles for Asked {
    fn roles(&self, _room: &Room) -> BoxFuture<'static, Result<Roles, BoxError>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        async { Ok(Roles::from([("uAnn".into(), vec!["moderator".to_owned()])])) }.boxed()
    }
}

#[tokio::test]
async fn the_server_is_asked_once_for_all_commands_of_a_room() {
    let asked = Arc::new(AtomicUsize::new(0));
    let moderators = RequireLayer::room_roles(["moderator"]).looked_up_by(Asked(Arc::clone(&asked)));
    let mut router = Router::new();
    for n in 0..100 {
        router = router.command(&format!("command{n}"), ping);
    }
    let router: Router = router.route_layer(moderators).help();
    for _ in 0..3 {
        let list = said(&router, "!help").await.concat();
        assert!(list.contains("`!command99`"), "{list}");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    let details = said(&router, "!help command7").await.concat();
    assert!(details.ends_with("For: `moderator` of the room"), "{details}");
}

#[tokio::test]
async fn a_long_list_comes_in_pages_below_the_limit() {
    let mut router = Router::new();
    for n in 0..200 {
        let description = format!("{n}: {}", "ü𝄞".repeat(40));
        router = router.command(&format!("command{n}"), route(ping).description(description));
    }
    let router: Router = router.help();
    let mut listed = 0;
    let mut page = 1;
    loop {
        let text = said(&router, &format!("!help {page}")).await.concat();
        assert!(text.encode_utf16().count() <= 5000, "{}", text.len());
        listed += text.matches("`!command").count();
        let next = format!("`!help {}` for the next", page + 1);
        if !text.contains(&next) {
            assert!(text.ends_with(&format!("(page {page} of {page})")), "{text}");
            break;
        }
        page += 1;
    }
    assert_eq!(listed, 200);
    assert!(page >= 4, "{page}");
    assert_eq!(
        said(&router, "!help 99").await,
        said(&router, &format!("!help {page}")).await
    );
    assert_eq!(said(&router, "!help 0").await, said(&router, "!help").await);
}

#[tokio::test]
async fn a_renderer_of_ones_own_gets_the_same() {
    let router: Router = Router::new()
        .command("ping", ping)
        .command(
            "ban",
            route(ban).example("ban @bob 1h").example("ban @bob 2h --quietly"),
        )
        .route_layer(RequireLayer::users(["uAnn"]).described("Ann"))
        .help_with(|page: HelpPage| {
            let lines: Vec<_> = page
                .commands
                .iter()
                .map(|command| {
                    let examples: Vec<_> = command.examples().collect();
                    let who: Vec<_> = command.requirements().collect();
                    format!("{}{} {examples:?} {who:?}", page.invocation, command.path())
                })
                .collect();
            lines.join("\n")
        });
    assert_eq!(
        said(&router, "@rocketbotte help ban").await,
        ["@rocketbotte ban [\"ban @bob 1h\", \"ban @bob 2h --quietly\"] [\"Ann\"]"]
    );
    assert_eq!(
        said_to(&router, events::said("!help").by(events::bob())).await,
        ["!help [\"help help\"] []"]
    );
}

#[tokio::test]
async fn descriptions_may_come_as_data_and_the_list_as_markdown() {
    let router: Router =
        moderated().describe([("admin unban", "Lets somebody in | again"), ("ping", "Pongs")]);
    let table = "| command | what it does | who |\n| --- | --- | --- |\n\
                 | `admin ban <@user> <after> [--quietly]`, `kick` | Sends somebody away | certain people |\n\
                 | `admin unban` | Lets somebody in \\| again | certain people |\n\
                 | `ping`, `p` | Pongs |  |\n\
                 | `help` | Lists the commands |  |\n";
    assert_eq!(markdown_of(&router.commands()), table);
    let panic = std::panic::catch_unwind(|| moderated().describe([("admin nothing", "x")])).unwrap_err();
    assert_eq!(
        panic.downcast_ref::<String>().unwrap(),
        "there is no command `admin nothing`"
    );
}

#[tokio::test]
async fn a_renamed_command_keeps_its_old_name_and_no_list_has_it() {
    let router: Router = Router::new()
        .command("deploy", ping)
        .hidden_alias("ship")
        .nest("admin", Router::new().command("ban", ping).hidden_alias("throw"))
        .hidden_alias("root")
        .help();
    for text in ["!deploy", "!SHIP", "!root throw", "!admin ban"] {
        assert_eq!(said(&router, text).await, ["pong"], "{text}");
    }
    let list = said(&router, "!help").await.concat();
    assert!(
        !list.contains("ship") && !list.contains("root") && !list.contains("throw"),
        "{list}"
    );
    assert!(
        Router::<()>::new()
            .command("a", ping)
            .hidden_alias("b")
            .try_command("B", ping)
            .is_err()
    );
}

#[tokio::test]
async fn a_near_miss_is_answered_where_nobody_else_listens() {
    let group = || Router::new().command("ban", ping).command("mute", ping);
    let router: Router = Router::new().command("deploy", ping).nest("admin", group());
    assert!(
        said(&router, "!deplyo").await.is_empty(),
        "other bots share the prefix"
    );
    assert_eq!(
        said(&router, "!admin bna").await,
        ["There is no `admin bna`. Did you mean `admin ban`?"]
    );
    assert_eq!(
        said(&router, "!admin zzz").await,
        ["There is no `admin zzz`. There is: `ban`, `mute`."]
    );
    let router = router.suggest_nearest();
    assert_eq!(
        said(&router, "!deplyo").await,
        ["I don't know `deplyo`. Did you mean `!deploy`?"]
    );
    assert!(said(&router, "!zzz").await.is_empty());
}

#[tokio::test]
async fn commands_are_switched_off_and_on_here_and_everywhere() {
    let switch = CommandSwitch::new();
    let router: Router = Router::new()
        .command("deploy", ping)
        .alias("ship")
        .nest("admin", Router::new().command("ban", ping).command("mute", ping))
        .switched_by(&switch)
        .help();
    let elsewhere = |text: &str| {
        let room = Room::new("rDev", RoomKind::Channel).with_name("dev");
        Message::builder(room, User::new("uAnn", "ann"), text).build()
    };
    let off = ["That is switched off here."];
    switch.disable_in("GENERAL", "deploy").unwrap();
    switch.disable("ADMIN").unwrap();
    for text in ["!deploy", "!ship", "!admin ban", "!admin mute"] {
        assert_eq!(said(&router, text).await, off, "{text}");
    }
    assert_eq!(said_to(&router, elsewhere("!ship")).await, ["pong"]);
    assert_eq!(said_to(&router, elsewhere("!admin ban")).await, off);
    assert_eq!(said(&router, "!help").await, ["`!help` – Lists the commands"]);
    assert_eq!(
        switch.disabled(),
        [
            (None, "admin".to_owned()),
            (Some("GENERAL".into()), "deploy".to_owned())
        ]
    );
    switch.enable("admin");
    switch.disable("admin mute").unwrap();
    switch.enable_in("GENERAL", "deploy");
    for (text, expected) in [
        ("!deploy", "pong"),
        ("!admin ban", "pong"),
        ("!admin mute", off[0]),
    ] {
        assert_eq!(said(&router, text).await, [expected], "{text}");
    }
}

#[tokio::test]
async fn conditions_are_joined() {
    let yes = || Condition::check(|_| async { true });
    let no = || Condition::check(|_| async { false });
    let never = || Condition::check(|_| async { panic!("nobody has to be asked") });
    let known = |holds: bool| Condition::when(move |_| holds);
    let request = || rocketbotte::Request::new(Event::from(events::build("hi").build()));
    let rows = [
        (yes().and(no()), false),
        (yes().and(yes()), true),
        (no().and(never()), false),
        (yes().or(never()), true),
        (no().or(yes()), true),
        (no().or(no().not()), true),
        (known(false).and(never()), false),
        (known(true).or(never()), true),
        (known(true).and(no().not()).and(known(true)), true),
        (known(false).or(known(true).not()), false),
        (
            Condition::users(["uAnn"]).and(Condition::rooms_named(["general"])),
            true,
        ),
        (Condition::users(["ann"]), false),
        (
            Condition::direct().or(Condition::room_kind(RoomKind::Private)),
            false,
        ),
        (Condition::rooms(["GENERAL"]).not(), false),
    ];
    for (condition, expected) in rows {
        assert_eq!(condition.holds(&request()).await, expected, "{condition}");
    }
    let words = Condition::users(["u"])
        .and(Condition::rooms_named(["b", "a"]))
        .or(Condition::direct());
    assert_eq!(
        words.to_string(),
        "certain people and in #a, #b or in a direct conversation with the bot"
    );
    let words = Condition::users(["u"]).or(known(true));
    assert_eq!(words.to_string(), "on a condition", "half of it would be wrong");
}
