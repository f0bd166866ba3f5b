//! What an inspector tells of a bot at work.
#![cfg(all(feature = "client", feature = "sandbox", feature = "test-util"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends by them")]

mod support;

use std::time::Duration;

use rocketbotte::extract::{Args, Outbox};
use rocketbotte::handler::route;
use rocketbotte::inspect::{ActionState, EventOutcome, Inspection, Inspector, named};
use rocketbotte::journal::MemoryJournal;
use rocketbotte::layer::{
    CatchPanicLayer, CommandLayer, DedupLayer, HandleErrorLayer, IgnoreLayer, Next, RateLimitLayer,
    RequireLayer, TimeoutLayer, TraceLayer, from_fn,
};
use rocketbotte::router::Verdict;
use rocketbotte::sandbox::RestFault;
use rocketbotte::testing::events;
use rocketbotte::{BoxError, Request, Response, Router};
use support::chat::{Chat, people};
use support::{Driven, Recorder, after, after_secs, drive_with, settled};
use tower::limit::ConcurrencyLimitLayer;
use tower::{Layer, Service, ServiceBuilder};

/// A bot that is inspected.
fn inspected<S>(app: S) -> (Driven, Inspector)
where
    S: Service<Request, Response = Response> + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
{
    let inspector = Inspector::new();
    let own = inspector.clone();
    (
        drive_with(Recorder::new(), |serve| serve.inspector(own), app),
        inspector,
    )
}

/// The messages that were seen; a bot begins and ends with other events.
fn messages(inspector: &Inspector) -> Vec<Inspection> {
    let mut seen = inspector.recent();
    seen.retain(|seen| seen.event.kind == "message");
    seen
}

/// The layers with their depths, such as `1 Router`, and what is worth a word about them.
fn way(inspection: &Inspection) -> Vec<String> {
    let visits = inspection.layers.iter();
    visits
        .map(|visit| {
            let note = visit.note.as_deref().map(|note| format!(": {note}"));
            format!("{} {}{}", visit.depth, visit.name, note.unwrap_or_default())
        })
        .collect()
}

async fn audited(request: Request, next: Next) -> Result<Response, BoxError> {
    next.run(request).await
}

#[tokio::test(start_paused = true)]
async fn an_event_goes_through_every_layer() {
    let slow = || async {
        after(Duration::from_millis(40)).await;
        "pong"
    };
    let app = ServiceBuilder::new()
        .layer(TraceLayer::new())
        .layer(HandleErrorLayer::new())
        .layer(CatchPanicLayer::new())
        .layer(DedupLayer::new(100))
        .layer(IgnoreLayer::own())
        .layer(named("ConcurrencyLimit", ConcurrencyLimitLayer::new(4)))
        .layer(CommandLayer::new("!"))
        .layer(RateLimitLayer::per_user(5, Duration::from_secs(10)))
        .layer(RequireLayer::when(|_| true))
        .layer(RequireLayer::check(|_| async { true }))
        .layer(TimeoutLayer::new(Duration::from_secs(30)))
        .layer(from_fn(audited))
        .service(
            Router::new()
                .command("ping", slow)
                .on_message(route(|| async {}).named("hears"))
                .command("other", || async {}),
        );
    let (bot, inspector) = inspected(app);
    bot.say("!ping 7");
    after_secs(1).await;
    let seen = messages(&inspector).remove(0);
    assert_eq!(
        way(&seen),
        [
            "0 TraceLayer",
            "1 HandleErrorLayer",
            "2 CatchPanicLayer",
            "3 DedupLayer",
            "4 IgnoreLayer",
            "5 ConcurrencyLimit",
            "6 CommandLayer: !ping",
            "6 RateLimitLayer",
            "7 RequireLayer",
            "8 RequireLayer",
            "9 TimeoutLayer",
            "10 audited",
            "11 Router",
            "12 command ping",
            "12 listener on_message/hears",
        ]
    );
    for visit in &seen.layers {
        let took = visit.left_us.unwrap() - visit.entered_us;
        let is_quick = ["CommandLayer", "listener on_message/hears"].contains(&&*visit.name);
        let expected = if is_quick { 0 } else { 40_000 };
        assert!((expected..expected + 5_000).contains(&took), "{visit:?}");
    }
    assert!((40_000..45_000).contains(&seen.took_us.unwrap()));
    assert_eq!(seen.outcome, Some(EventOutcome::Answered));
    let command = seen.command.unwrap();
    assert_eq!(
        (&*command.name, &*command.prefix, &*command.text),
        ("ping", "!", "7")
    );
    assert_eq!(
        seen.explanation.unwrap().route("other").unwrap().verdict(),
        Verdict::OtherCommand
    );
    assert!(seen.explanation_text.unwrap().contains("the command `ping`"));
    assert_eq!(
        (seen.event.user.as_deref(), seen.event.text.as_deref()),
        (Some("ann"), Some("!ping 7"))
    );
    let [action] = &seen.actions[..] else {
        panic!("{:?}", seen.actions)
    };
    assert_eq!(
        (action.kind, action.text.as_deref(), action.state),
        ("send", Some("pong"), ActionState::Done)
    );
    assert_eq!(action.id, Some(bot.sent.all()[0].id()));
    bot.shut_down().await;
}

/// How an event ended, why, and which layers said something about it.
fn end(inspection: &Inspection) -> (EventOutcome, &str, Vec<String>) {
    let notes = way(inspection)
        .into_iter()
        .filter(|line| line.contains(": "))
        .collect();
    let error = inspection.error.as_deref().unwrap_or_default();
    (inspection.outcome.unwrap(), error, notes)
}

#[tokio::test(start_paused = true)]
async fn what_goes_wrong_is_told() {
    let panics = || async { panic!("boom") as &str };
    let hangs = || async {
        after_secs(1000).await;
        ""
    };
    let fails = || async { Err::<&str, BoxError>("no disk".into()) };
    let adds = |Args((a, b)): Args<(u32, u32)>| async move { (a + b).to_string() };
    let app = ServiceBuilder::new()
        .layer(DedupLayer::new(100))
        .layer(CommandLayer::new("!"))
        .layer(RateLimitLayer::per_user(5, Duration::from_secs(1000)))
        .layer(TimeoutLayer::new(Duration::from_secs(3)))
        .service(
            Router::new()
                .command("panic", panics)
                .command("hang", hangs)
                .command("fail", fails)
                .command("add", adds)
                .nest(
                    "admin",
                    Router::new()
                        .command("ban", || async {})
                        .route_layer(RequireLayer::direct()),
                ),
        );
    let (bot, inspector) = inspected(app);
    let twice = events::message("hello");
    bot.deliver(twice.clone());
    bot.deliver(twice);
    for text in ["!panic", "!hang", "!fail", "!add 1 x", "!admin ban", "!fail"] {
        bot.say(text);
    }
    after_secs(60).await;
    let seen = messages(&inspector);
    let ends: Vec<_> = seen.iter().map(end).collect();
    let notes = |notes: &[&str]| notes.iter().map(|&note| note.to_owned()).collect::<Vec<_>>();
    assert_eq!(
        ends[0],
        (EventOutcome::Silent, "", notes(&["1 CommandLayer: no command"]))
    );
    assert_eq!(
        ends[1],
        (EventOutcome::Silent, "", notes(&["0 DedupLayer: dropped"]))
    );
    let panicked = notes(&["1 CommandLayer: !panic", "4 command panic: panicked"]);
    assert_eq!(ends[2], (EventOutcome::Failed, "panicked: boom", panicked));
    let hung = notes(&["1 CommandLayer: !hang", "4 command hang: timed out"]);
    assert_eq!(ends[3], (EventOutcome::Failed, "took longer than 3s", hung));
    let failed = notes(&["1 CommandLayer: !fail", "4 command fail: failed"]);
    assert_eq!(ends[4], (EventOutcome::Failed, "no disk", failed));
    assert_eq!(ends[5].0, EventOutcome::Rejected);
    assert!(ends[5].1.contains('x'), "{}", ends[5].1);
    assert_eq!(ends[6].0, EventOutcome::Rejected);
    assert!(
        ends[6].2.contains(&"5 RequireLayer: not permitted".to_owned()),
        "{:?}",
        ends[6]
    );
    assert_eq!(ends[7].0, EventOutcome::Rejected);
    assert!(
        ends[7].2.contains(&"1 RateLimitLayer: too often".to_owned()),
        "{:?}",
        ends[7]
    );
    bot.shut_down().await;
}

#[tokio::test(start_paused = true)]
async fn who_is_not_heard_and_what_never_ends() {
    let hangs = || async {
        after_secs(1000).await;
        ""
    };
    let (bot, inspector) =
        inspected(CommandLayer::new("!").layer(Router::new().command("hang", route(hangs).no_timeout())));
    bot.deliver(events::bot_message("hi"));
    bot.deliver(events::own_message("hi"));
    bot.say("!hang");
    settled().await;
    let seen = messages(&inspector);
    assert_eq!(seen.len(), 2, "its own words are no news");
    assert_eq!(seen[0].outcome, Some(EventOutcome::Ignored));
    assert_eq!((seen[1].outcome, seen[1].waited_us.is_some()), (None, true));
    bot.shut_down().await;
    assert_eq!(messages(&inspector)[1].outcome, Some(EventOutcome::Cancelled));
}

#[tokio::test(start_paused = true)]
async fn retries_waits_and_what_is_kept() {
    let chat_of = |journal: bool| async move {
        let inspector = Inspector::new();
        let own = inspector.clone();
        let outbox = |outbox: Outbox| async move { outbox.send("now").await.map(|_| "later") };
        let app = CommandLayer::new("!").layer(
            Router::new()
                .command("ping", || async { "pong" })
                .command("out", outbox),
        );
        let sandbox = people().start_in_memory();
        let chat = Chat::of(
            &sandbox,
            "rocketbotte",
            |bot| match journal {
                true => bot.inspector(own).journal(MemoryJournal::new()),
                false => bot.inspector(own),
            },
            app,
        )
        .await;
        (chat, inspector)
    };
    let of = |inspector: &Inspector, text: &str| {
        let seen = messages(inspector);
        seen.into_iter()
            .rev()
            .find(|seen| seen.event.text.as_deref() == Some(text))
            .unwrap()
    };
    let (chat, inspector) = chat_of(true).await;
    chat.sandbox
        .fail_next_calls("chat.sendMessage", 2, RestFault::Status(503));
    chat.ask("!ping").await;
    after_secs(30).await;
    let [action] = &of(&inspector, "!ping").actions[..] else {
        panic!()
    };
    assert_eq!(
        (action.state, action.attempts, action.error.as_deref()),
        (ActionState::Done, 3, None)
    );
    assert!(action.took_ms.unwrap() >= 1);

    chat.sandbox.fail_next_calls(
        "chat.sendMessage",
        1,
        RestFault::TooManyRequests {
            reset_after: Duration::from_secs(7),
        },
    );
    chat.ask("!out").await;
    after_secs(30).await;
    let seen = of(&inspector, "!out");
    let [now, later] = &seen.actions[..] else {
        panic!("{seen:?}")
    };
    assert_eq!((now.text.as_deref(), now.state), (Some("now"), ActionState::Done));
    assert!((6_500..9_500).contains(&now.waited_ms), "{now:?}");
    assert_eq!(
        (later.text.as_deref(), later.state, later.waited_ms),
        (Some("later"), ActionState::Done, 0)
    );

    chat.sandbox
        .fail_next_calls("chat.sendMessage", 1000, RestFault::Status(503));
    chat.ask("!ping").await;
    let [action] = &of(&inspector, "!ping").actions[..] else {
        panic!()
    };
    assert_eq!(
        (action.state, action.error.is_some()),
        (ActionState::Retrying, true)
    );
    after_secs(700).await;
    let [action] = &of(&inspector, "!ping").actions[..] else {
        panic!()
    };
    assert_eq!(action.state, ActionState::Kept);

    let (chat, inspector) = chat_of(false).await;
    chat.sandbox
        .fail_next_calls("chat.sendMessage", 1, RestFault::Status(400));
    chat.ask("!ping").await;
    let [action] = &of(&inspector, "!ping").actions[..] else {
        panic!()
    };
    assert_eq!(action.state, ActionState::Failed);
    assert!(action.error.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_feed_tells_each_change_once_and_begins_with_what_is_remembered() {
    let (bot, inspector) =
        inspected(CommandLayer::new("!").layer(Router::new().command("ping", || async { "pong" })));
    bot.say("!ping");
    settled().await;
    let mut feed = inspector.subscribe();
    assert_eq!(feed.next().await.event.kind, "ready");
    let seen = feed.next().await;
    assert_eq!((seen.id, seen.actions[0].state), (2, ActionState::Done));
    assert!(feed.try_next().is_none());
    bot.say("hello");
    let seen = feed.next().await;
    assert_eq!((seen.id, seen.event.text.as_deref()), (3, Some("hello")));
    settled().await;
    while let Some(seen) = feed.try_next() {
        assert_eq!(seen.id, 3);
    }
    bot.shut_down().await;
}

#[tokio::test(start_paused = true)]
async fn it_remembers_no_more_than_it_may() {
    let router = Router::new().command("many", || async { vec!["x"; 100].join("\n") });
    let (bot, inspector) = inspected(CommandLayer::new("!").layer(router));
    for number in 0..700 {
        bot.say(&format!("{number} {}", "long ".repeat(1000)));
        settled().await;
    }
    let seen = messages(&inspector);
    assert_eq!((seen.len(), seen[0].id, seen[499].id), (500, 202, 701));
    assert!(
        seen.iter()
            .all(|seen| seen.event.text.as_ref().unwrap().len() < 2010)
    );
    assert_eq!(seen.iter().filter(|seen| seen.explanation.is_some()).count(), 100);
    assert!(seen[499].explanation.is_some());
    bot.shut_down().await;
}

#[tokio::test(start_paused = true)]
async fn a_record_is_json() {
    let (bot, inspector) =
        inspected(CommandLayer::new("!").layer(Router::new().command("ping", || async { "pong" })));
    bot.say("!ping");
    settled().await;
    let json = serde_json::to_value(&messages(&inspector)[0]).unwrap();
    assert_eq!(json["outcome"], "answered");
    assert_eq!(json["actions"][0]["state"], "done");
    assert_eq!(json["layers"][2]["name"], "command ping");
    assert_eq!(json["explanation"]["routes"][0]["name"], "ping");
    bot.shut_down().await;
}
