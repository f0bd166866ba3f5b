//! What a router says about why its routes run or not, as people and programs read it.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::sync::{Arc, Mutex};

use rocketbotte::command::{Address, CommandLayer};
use rocketbotte::event::{Event, EventKind};
use rocketbotte::handler::route;
use rocketbotte::layer::{Next, from_fn};
use rocketbotte::router::{Explanation, LeadsTo, NoCommand, Verdict};
use rocketbotte::testing::{self, events};
use rocketbotte::{Rejection, Request, Router};
use serde_json::{Value, json};
use tower::ServiceBuilder;

async fn does_nothing() {}

async fn never_runs() {
    panic!("a handler ran");
}

/// A router with a route of each sort.
fn router() -> Router {
    let admin = Router::new()
        .command("ban", never_runs)
        .command("kick", never_runs)
        .on(EventKind::Deleted, route(never_runs).named("audit"));
    Router::new()
        .command("ping", never_runs)
        .on_message(route(never_runs).named("hello"))
        .nest("admin", admin.layer(tower::layer::util::Identity::new()))
        .on_message(route(never_runs).named("parrot").from_bots())
        .on_custom("deployed", route(never_runs).named("tell"))
        .listen(
            |request| {
                request
                    .message()
                    .is_some_and(|message| message.text().contains('?'))
            },
            route(never_runs).named("asks"),
        )
        .fallback(never_runs)
}

fn request(event: impl Into<Event>) -> Request {
    let mut request = testing::request(event);
    request.set_command(CommandLayer::new("!").parse(&request));
    request
}

fn said(text: &str) -> Explanation {
    router().explain(&request(events::message(text)))
}

fn verdict(why: &Explanation, route: &str) -> Verdict {
    why.route(route).unwrap().verdict()
}

#[test]
fn it_reads_as_a_line_for_each_route() {
    assert_eq!(
        said("!admin ban bob").to_string(),
        "\
message: the command `admin ban` behind `!`
- command ping                      another command was asked for
+ listener on_message/hello         runs
+ group admin                       the command is in this group; its layers are not asked
+ command admin ban                 runs
- command admin kick                another command was asked for
- listener on_deleted/audit         it hears another kind of event
+ listener on_message/parrot        runs
- listener on_custom/deployed/tell  it hears another kind of event
- listener on_any/asks              its predicate does not pick the event
- fallback                          another route took the event"
    );
}

#[test]
fn it_says_why_no_route_ran() {
    for (text, first_line) in [
        (
            "hi?",
            "message: no command, for no CommandLayer is known to stand in front of the router",
        ),
        (
            "!pong",
            "message: the command `pong` behind `!`, which the router does not have",
        ),
        (
            "@rocketbotte: pong",
            "message: the command `pong` behind the mention `@rocketbotte`, which the router does not have",
        ),
        (
            "@rocketbotte",
            "message: a command without a name behind the mention `@rocketbotte`, which the router does not have",
        ),
        (
            "!admin promote bob",
            "message: the command `admin promote` behind `!`, which the group does not have",
        ),
    ] {
        assert_eq!(said(text).to_string().lines().next().unwrap(), first_line);
    }
    let why = said("!admin promote bob");
    assert_eq!(verdict(&why, "admin"), Verdict::UnknownSubcommand);
    assert_eq!(
        why.answer().unwrap().text(),
        "There is no `admin promote`. There is: `ban`, `kick`."
    );
    assert_eq!(
        why.to_string().lines().last().unwrap(),
        "= the router answers: There is no `admin promote`. There is: `ban`, `kick`."
    );
}

#[test]
fn a_bot_is_heard_where_the_route_says_so() {
    let why = router().explain(&request(events::bot_message("!ping")));
    assert_eq!(verdict(&why, "ping"), Verdict::FromBot);
    assert_eq!(verdict(&why, "on_message/hello"), Verdict::FromBot);
    let running: Vec<_> = why.running().map(|route| route.name().as_str()).collect();
    assert_eq!(running, ["on_message/parrot"]);
}

#[test]
fn a_refusal_is_told_with_its_text() {
    let mut request = request(events::message("!ping"));
    request.refuse_command(Rejection::not_permitted());
    let why = router().explain(&request);
    assert_eq!(verdict(&why, "ping"), Verdict::Refused);
    assert_eq!(
        verdict(&why, "on_message/hello"),
        Verdict::Runs,
        "it is no answer"
    );
    let answer = why.answer().unwrap();
    assert!(answer.is_refusal() && !answer.is_silent());
    assert_eq!(answer.text(), "You are not allowed to do this here.");
}

#[test]
fn what_nobody_takes_is_for_the_fallback() {
    let why = router().explain(&request(events::reaction(":+1:")));
    assert_eq!(verdict(&why, "fallback"), Verdict::Runs);
    assert_eq!(verdict(&why, "on_message/hello"), Verdict::OtherKind);
    assert_eq!(verdict(&why, "ping"), Verdict::NoCommand);
    let why = router().explain(&request(events::custom("released", ())));
    assert_eq!(verdict(&why, "on_custom/deployed/tell"), Verdict::OtherName);
}

#[test]
fn a_word_in_a_direct_conversation_is_just_a_message() {
    let why = router().explain(&request(events::direct_message("thanks")));
    let command = why.command().unwrap();
    assert_eq!(
        (command.name(), command.address(), command.leads_to()),
        ("thanks", Address::Direct, LeadsTo::JustAMessage)
    );
    assert_eq!(verdict(&why, "ping"), Verdict::NoCommand);
}

#[test]
fn case_is_named_where_it_is_the_reason() {
    let mut request = testing::request(events::message("!Ping"));
    request.set_command(CommandLayer::new("!").case_sensitive().parse(&request));
    assert_eq!(verdict(&router().explain(&request), "ping"), Verdict::OtherCase);
}

#[test]
fn a_predicate_that_panics_is_told_from_one_that_says_no() {
    let router: Router = Router::new().listen(|_| panic!("a bug"), route(does_nothing).named("buggy"));
    let why = router.explain(&request(events::ready()));
    assert_eq!(verdict(&why, "on_any/buggy"), Verdict::PredicatePanicked);
}

/// Behind a `CommandLayer` the router knows what commands begin with, and why there is none.
#[tokio::test]
async fn behind_a_command_layer_it_says_why_there_is_no_command() {
    let explained = Arc::new(Mutex::new(Vec::new()));
    let (router, log) = (
        Router::new().command("ping", does_nothing),
        Arc::clone(&explained),
    );
    let explaining = router.clone();
    let app = ServiceBuilder::new()
        .layer(CommandLayer::new("!").or_prefix("bot "))
        .layer(from_fn(move |mut request: Request, next: Next| {
            // What a layer takes away is missed too.
            if request
                .message()
                .is_some_and(|message| message.text() == "!taken")
            {
                request.set_command(None);
            }
            log.lock().unwrap().push(explaining.explain(&request));
            async move { next.run(request).await }
        }))
        .service(router);
    for (event, why, line) in [
        (
            events::message("hello"),
            NoCommand::NoPrefix,
            "message: no command, for it does not begin with `bot ` or `!` or a mention of the bot",
        ),
        (
            events::message("! "),
            NoCommand::NoWord,
            "message: no command, for there is nothing behind the prefix",
        ),
        (
            events::own_message("!ping"),
            NoCommand::OwnMessage,
            "message: no command, for it is the bot's own message, and the CommandLayer does not say `own_messages`",
        ),
        (
            events::edited("!ping"),
            NoCommand::Edit,
            "edited: no command, for it is an edit, and the CommandLayer does not say `edits`",
        ),
        (
            events::livechat("!ping"),
            NoCommand::Livechat,
            "livechat: no command, for it is in a livechat room, and the CommandLayer does not say `livechat`",
        ),
        (
            events::ready(),
            NoCommand::OtherKind,
            "ready: no command, for events of this kind never are",
        ),
        (
            events::message("!taken"),
            NoCommand::TakenAway,
            "message: no command, for a CommandLayer would find one, but the request came without",
        ),
    ] {
        testing::call(app.clone(), event).await.unwrap();
        let explanation = explained.lock().unwrap().pop().unwrap();
        assert_eq!(explanation.command(), Err(why));
        assert_eq!(explanation.to_string().lines().next().unwrap(), line);
        assert_eq!(verdict(&explanation, "ping"), Verdict::NoCommand);
    }
}

#[test]
fn as_data_it_holds_the_same() {
    let router: Router = Router::new()
        .nest("admin", Router::new().command("ban", never_runs))
        .on_message(route(never_runs).named("hello"))
        .layer(tower::layer::util::Identity::new());
    let data = serde_json::to_value(router.explain(&request(events::message("!admin bam")))).unwrap();
    assert_eq!(
        data,
        json!({
            "event": "message",
            "command": {
                "name": "admin",
                "path": "admin bam",
                "prefix": "!",
                "address": "prefix",
                "leads_to": "unknown_subcommand",
            },
            "no_command": null,
            "has_layers": true,
            "routes": [
                {"name": "admin", "role": "group", "group": null, "has_layers": false, "runs": false, "verdict": "unknown_subcommand"},
                {"name": "admin ban", "role": "command", "group": "admin", "has_layers": false, "runs": false, "verdict": "other_command"},
                {"name": "on_message/hello", "role": "listener", "group": null, "has_layers": false, "runs": true, "verdict": "runs"},
            ],
            "answer": {
                "route": "admin",
                "text": "There is no `admin bam`. Did you mean `admin ban`?",
                "is_refusal": true,
                "is_silent": false,
            },
        })
    );
    let data = serde_json::to_value(router.explain(&request(events::ready()))).unwrap();
    assert_eq!(data["command"], Value::Null);
    assert_eq!(data["no_command"], "no_command_layer");
}

/// What the README shows is what it says.
#[test]
fn the_readme_is_right() {
    let router: Router = Router::new()
        .command("ping", never_runs)
        .on_message(route(never_runs).named("hello"))
        .nest("admin", Router::new().command("ban", never_runs))
        .on(EventKind::Reaction, route(never_runs).named("thank"))
        .fallback(never_runs);
    let why = router
        .explain(&request(events::message("!admin kick bob")))
        .to_string();
    assert!(include_str!("../README.md").contains(&why), "{why}");
}
