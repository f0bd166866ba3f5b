//! Which routes an event runs, what each gets, and what people read where none fits.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by a panic")]

use std::cell::RefCell;
use std::future::pending;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rocketbotte::command::{Command, CommandLayer};
use rocketbotte::event::{
    CustomEvent, Deleted, Edited, Event, EventKind, Membership, Message, Pinned, Reaction, Reconnected, Room,
    RoomKind, Starred, ThreadUpdate, Typing, Updated, User,
};
use rocketbotte::extract::{Args, FromRef, State};
use rocketbotte::handler::{Handler, route};
use rocketbotte::layer::timeout::TimeoutLayer;
use rocketbotte::response::{Outcome, Response, RouteKind};
use rocketbotte::{BoxError, Context, Identity, Rejection, RejectionKind, Request, Router};
use tokio::time::{Instant, sleep};
use tower::{Layer, Service, ServiceBuilder, ServiceExt};

const SECOND: Duration = Duration::from_secs(1);

fn channel() -> Room {
    Room::new("GENERAL", RoomKind::Channel).with_name("general")
}

fn direct() -> Room {
    Room::new("uAuB", RoomKind::Direct)
}

fn message_in(room: Room, text: &str) -> Message {
    Message::builder(room, User::new("uA", "ann"), text).build()
}

fn request(event: impl Into<Event>) -> Request {
    Request::with_context(event, Context::for_bot(Identity::new("uB", "bot")))
}

async fn run<S>(service: S, event: impl Into<Event>) -> Response
where
    S: Service<Request, Response = Response, Error = BoxError>,
{
    service
        .oneshot(request(event))
        .await
        .expect("a router never fails")
}

async fn say_in(room: Room, router: &Router, text: &str) -> Response {
    let app = CommandLayer::new("!").layer(router.clone());
    run(app, message_in(room, text)).await
}

async fn say(router: &Router, text: &str) -> Response {
    say_in(channel(), router, text).await
}

async fn texts(router: &Router, text: &str) -> Vec<String> {
    owned(&say(router, text).await)
}

fn owned(response: &Response) -> Vec<String> {
    response.texts().map(str::to_owned).collect()
}

/// `route: outcome` for each route.
fn outcomes(response: &Response) -> Vec<String> {
    response
        .outcomes()
        .map(|outcome| format!("{}: {}", outcome.route(), outcome.outcome().name()))
        .collect()
}

fn rejection(response: &Response) -> Rejection {
    response
        .outcomes()
        .find_map(|outcome| match outcome.outcome() {
            Outcome::Rejected(rejection) => Some(rejection.clone()),
            _ => None,
        })
        .expect("nothing was rejected")
}

/// A handler that answers a text.
fn answers<S: Send + Sync + 'static>(text: &'static str) -> impl Handler<(), S> {
    move || async move { text }
}

fn named<S: Send + Sync + 'static>(text: &'static str) -> impl Handler<(), S> {
    route(answers::<S>(text)).named(text)
}

async fn hangs() {
    pending::<()>().await;
}

async fn slow() -> &'static str {
    sleep(60 * SECOND).await;
    "slow"
}

/// A layer that appends a mark to a list when a request passes.
#[derive(Clone, Default)]
struct Marks(Arc<Mutex<Vec<String>>>);

impl Marks {
    fn layer<S>(
        &self,
        mark: &'static str,
    ) -> impl Layer<S, Service = MarkService<S>> + Clone + Send + Sync + 'static {
        let marks = self.clone();
        tower::layer::layer_fn(move |inner| MarkService {
            inner,
            mark,
            marks: marks.clone(),
        })
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

#[derive(Clone)]
struct MarkService<S> {
    inner: S,
    mark: &'static str,
    marks: Marks,
}

impl<S: Service<Request>> Service<Request> for MarkService<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> S::Future {
        let name = request.command().map(|command| command.name().to_owned());
        self.marks
            .0
            .lock()
            .unwrap()
            .push(format!("{} {}", self.mark, name.unwrap_or_default()));
        self.inner.call(request)
    }
}

#[tokio::test]
async fn one_command_runs_and_every_listener_that_hears_it() {
    let router = Router::new()
        .on_message(answers("first"))
        .command("ping", answers("pong"))
        .command("other", answers("other"))
        .on_message(answers("second"))
        .on_command(answers("command"))
        .listen(|request| request.command().is_some(), answers("predicate"))
        .on(EventKind::Edited, answers("edited"))
        .on_custom("x", answers("custom"));
    assert_eq!(
        texts(&router, "!ping").await,
        ["first", "pong", "second", "command", "predicate"]
    );
    assert_eq!(texts(&router, "hello").await, ["first", "second"]);
    assert_eq!(
        texts(&router, "!nobody").await,
        ["first", "second", "command", "predicate"]
    );
}

#[tokio::test]
async fn routes_have_names_that_do_not_depend_on_their_place() {
    let router = Router::new()
        .on_message(named("a"))
        .on_message(named("a"))
        .on_command(named("a"))
        .nest("admin", Router::new().command("ban", answers("banned")));
    let response = say(&router, "!admin ban").await;
    assert_eq!(
        outcomes(&response),
        [
            "on_message/a: handled",
            "on_message/a#2: handled",
            "on_command/a: handled",
            "admin ban: handled"
        ]
    );
    assert_eq!(response.outcomes().last().unwrap().kind(), RouteKind::Command);
    let response = run(
        Router::<()>::new().on_custom("x", named("a")),
        Event::custom("x", ()),
    )
    .await;
    assert_eq!(outcomes(&response), ["on_custom/x/a: handled"]);
}

#[tokio::test(start_paused = true)]
async fn a_route_that_fails_panics_or_hangs_costs_no_other_its_reply() {
    async fn fails() -> Result<(), BoxError> {
        Err("disk full".into())
    }
    async fn panics() {
        panic!("boom");
    }
    async fn panics_late() {
        sleep(SECOND).await;
        panic!("late {}", 1);
    }
    fn panics_at_once() -> std::future::Ready<()> {
        panic!("at once");
    }
    let router: Router = Router::new()
        .on_message(route(fails).named("fails"))
        .on_message(route(panics).named("panics"))
        .on_message(route(panics_late).named("late"))
        .on_message(route(panics_at_once).named("at once"))
        .on_message(route(hangs).named("hangs"))
        .listen(|_| panic!("predicate"), answers("never"))
        .command("ping", answers("pong"))
        .on_message(named("listener"));
    let started = Instant::now();
    let response = say(&router, "!ping").await;
    assert_eq!(started.elapsed(), 5 * SECOND, "the hold time");
    assert_eq!(owned(&response), ["pong", "listener"]);
    assert_eq!(response.running(), 1);
    assert_eq!(
        outcomes(&response),
        [
            "on_message/fails: failed",
            "on_message/panics: panicked",
            "on_message/late: panicked",
            "on_message/at once: panicked",
            "ping: handled",
            "on_message/listener: handled",
        ]
    );
    let panics: Vec<_> = response
        .outcomes()
        .filter_map(|outcome| match outcome.outcome() {
            Outcome::Panicked(message) => Some(message.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(panics, ["boom", "late 1", "at once"]);
}

#[tokio::test(start_paused = true)]
async fn slow_routes_are_held_for_and_then_handed_over() {
    async fn quick() -> &'static str {
        sleep(SECOND).await;
        "quick"
    }
    let router: Router = Router::new()
        .on_message(answers("now"))
        .on_message(quick)
        .on_message(slow);
    let started = Instant::now();
    let response = run(router.clone(), message_in(channel(), "x")).await;
    assert_eq!(
        (started.elapsed(), owned(&response)),
        (5 * SECOND, vec!["now".to_owned(), "quick".to_owned()])
    );
    let response = response.finish().await;
    assert_eq!((started.elapsed(), response.running()), (60 * SECOND, 0));
    assert_eq!(owned(&response), ["now", "quick", "slow"]);
    assert_eq!(response.outcomes().count(), 3);

    let started = Instant::now();
    let response = run(router.clone().hold(Duration::ZERO), message_in(channel(), "x")).await;
    assert_eq!((started.elapsed(), response.running()), (Duration::ZERO, 2));
    let response = run(router.hold(Duration::MAX), message_in(channel(), "x")).await;
    assert_eq!((started.elapsed(), response.running()), (60 * SECOND, 0));

    let started = Instant::now();
    let alone = run(Router::<()>::new().on_message(slow), message_in(channel(), "x")).await;
    assert_eq!(
        (started.elapsed(), owned(&alone)),
        (60 * SECOND, vec!["slow".to_owned()]),
        "nothing to hold"
    );
}

#[tokio::test(start_paused = true)]
async fn every_route_has_its_own_deadline() {
    let router: Router = Router::new()
        .command("inherits", slow)
        .command("shorter", route(slow).timeout(SECOND))
        .command("longer", route(slow).timeout(90 * SECOND))
        .command("never", route(slow).no_timeout())
        .nest("group", Router::new().command("never", route(slow).no_timeout()))
        .nest(
            "layered",
            Router::new()
                .command("never", route(slow).no_timeout())
                .layer(Marks::default().layer("")),
        );
    let app = ServiceBuilder::new()
        .layer(CommandLayer::new("!"))
        .layer(TimeoutLayer::new(30 * SECOND))
        .service(router.clone());
    for (text, after, outcome, running) in [
        ("!inherits", 30, "inherits: timed out", 0),
        ("!shorter", 1, "shorter: timed out", 0),
        ("!longer", 30, "longer: handled", 1),
        ("!never", 30, "never: handled", 1),
        ("!group never", 30, "group never: handled", 1),
        ("!layered never", 30, "layered never: handled", 1),
    ] {
        let started = Instant::now();
        let response = run(app.clone(), message_in(channel(), text)).await;
        assert_eq!(
            (started.elapsed(), response.running()),
            (after * SECOND, running),
            "{text}"
        );
        let response = response.finish().await;
        assert_eq!(outcomes(&response), [outcome], "{text}");
        assert_eq!(response.texts().count(), running, "{text}");
    }
    let started = Instant::now();
    let response = say(&router, "!shorter").await;
    assert_eq!(
        (started.elapsed(), outcomes(&response)),
        (SECOND, vec!["shorter: timed out".to_owned()])
    );
    match response.outcomes().next().unwrap().outcome() {
        Outcome::TimedOut(after) => assert_eq!(*after, SECOND),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_route_that_hangs_is_given_up_at_the_deadline_and_the_others_stand() {
    let router: Router = Router::new()
        .on_message(route(hangs).named("hangs"))
        .on_message(named("listener"))
        .hold(Duration::MAX);
    let app = TimeoutLayer::new(30 * SECOND).layer(router);
    let response = run(app, message_in(channel(), "x")).await;
    assert_eq!(
        outcomes(&response),
        ["on_message/hangs: timed out", "on_message/listener: handled"]
    );
    assert_eq!(owned(&response), ["listener"]);
}

#[tokio::test]
async fn aliases_call_the_same_route() {
    let router: Router = Router::new()
        .command("ping", answers("pong"))
        .alias("p")
        .alias("пинг")
        .nest(
            "admin",
            Router::new().command("ban", answers("banned")).alias("b"),
        )
        .alias("a");
    for text in ["!ping", "!p", "!P", "!ПИНГ"] {
        let response = say(&router, text).await;
        assert_eq!(outcomes(&response), ["ping: handled"], "{text}");
    }
    for text in ["!admin ban", "!a b", "!A BAN"] {
        assert_eq!(
            outcomes(&say(&router, text).await),
            ["admin ban: handled"],
            "{text}"
        );
    }
}

#[tokio::test]
async fn names_are_compared_without_regard_to_case_unless_told_otherwise() {
    let router: Router = Router::new()
        .command("Погода", answers("sun"))
        .command("PING", answers("pong"));
    for text in ["!погода", "!ПОГОДА", "!ping", "!Ping"] {
        assert_eq!(say(&router, text).await.texts().count(), 1, "{text}");
    }
    let app = CommandLayer::new("!").case_sensitive().layer(router);
    assert_eq!(
        run(app.clone(), message_in(channel(), "!PING"))
            .await
            .texts()
            .count(),
        1
    );
    assert_eq!(run(app, message_in(channel(), "!ping")).await.texts().count(), 0);
}

#[tokio::test]
async fn groups_of_any_depth_get_the_rest_of_the_text() {
    async fn echo(command: Command, Args(text): Args<String>) -> String {
        format!("{}|{text}", command.path().collect::<Vec<_>>().join("/"))
    }
    let marks = Marks::default();
    let inner = Router::new().command("echo", echo).on_message(answers("inner"));
    let router: Router = Router::new()
        .command("echo", echo)
        .nest(
            "a",
            Router::new()
                .command("echo", echo)
                .nest("b", Router::new().nest("c", inner).layer(marks.layer("b")))
                .layer(marks.layer("a")),
        )
        .on_message(answers("outer"));
    assert_eq!(texts(&router, "!echo x").await, ["echo|x", "inner", "outer"]);
    assert_eq!(
        marks.take(),
        [""; 0],
        "the layers of a group see its commands only"
    );
    assert_eq!(
        texts(&router, "!a echo  x y").await,
        ["a/echo|x y", "inner", "outer"].map(str::to_owned)
    );
    assert_eq!(marks.take(), ["a echo"]);
    let response = say(&router, "!A b\nC echo x").await;
    assert_eq!(owned(&response)[..1], ["A/b/C/echo|x"]);
    assert!(
        outcomes(&response).contains(&"a b c echo: handled".to_owned()),
        "{response:?}"
    );
    assert_eq!(marks.take().len(), 2);
    let paths: Vec<_> = router
        .commands()
        .iter()
        .map(|command| command.path().to_owned())
        .collect();
    assert_eq!(paths, ["echo", "a echo", "a b c echo"]);
}

#[tokio::test]
async fn merged_routers_keep_their_layers_around_their_commands() {
    let marks = Marks::default();
    let other = Router::new()
        .command("two", answers("two"))
        .nest("group", Router::new().command("three", answers("three")))
        .on_message(answers("listener"))
        .fallback(answers("fallback"))
        .layer(marks.layer("other"));
    let router: Router = Router::new().command("one", answers("one")).merge(other);
    assert_eq!(texts(&router, "!one").await, ["one", "listener"]);
    assert_eq!(marks.take(), [""; 0]);
    assert_eq!(texts(&router, "!two").await, ["two", "listener"]);
    assert_eq!(texts(&router, "!group three").await, ["three", "listener"]);
    assert_eq!(marks.take(), ["other two", "other three"]);
    assert_eq!(owned(&run(router, Event::Ready).await), ["fallback"]);
}

#[tokio::test]
async fn layers_wrap_the_router_and_route_layers_what_is_registered() {
    let marks = Marks::default();
    let router: Router = Router::new()
        .command("before", answers("before"))
        .nest("group", Router::new().command("before", answers("before")))
        .on_custom("x", answers("listener"))
        .route_layer(marks.layer("inner"))
        .route_layer(marks.layer("outer"))
        .command("after", answers("after"));
    for (text, expected) in [
        ("!before", &["outer before", "inner before"][..]),
        ("!group before", &["outer before", "inner before"]),
        ("!after", &[]),
        ("!none", &[]),
        ("hello", &[]),
    ] {
        say(&router, text).await;
        assert_eq!(marks.take(), expected, "{text}");
    }
    run(router.clone(), Event::custom("x", ())).await;
    assert_eq!(marks.take(), ["outer ", "inner "]);

    let router = router
        .layer(marks.layer("first"))
        .layer(marks.layer("last"))
        .command("later", answers("later"));
    assert_eq!(texts(&router, "!later").await, ["later"]);
    assert_eq!(marks.take(), ["last later", "first later"]);
    run(router, Event::Close).await;
    assert_eq!(marks.take(), ["last ", "first "], "also what no route takes");
}

#[tokio::test]
async fn the_fallback_takes_what_no_route_took() {
    let router: Router = Router::new()
        .command("ping", answers("pong"))
        .on(EventKind::Ready, answers("ready"))
        .fallback(answers("fallback"));
    assert_eq!(texts(&router, "!ping").await, ["pong"]);
    assert_eq!(texts(&router, "hello").await, ["fallback"]);
    assert_eq!(texts(&router, "!nobody").await, ["fallback"]);
    assert_eq!(owned(&run(router.clone(), Event::Ready).await), ["ready"]);
    assert_eq!(owned(&run(router.clone(), Event::Close).await), ["fallback"]);
    let mention = say(&router, "@bot nobody").await;
    assert_eq!(
        mention.texts().count(),
        1,
        "the answer to an unknown command is enough"
    );
}

#[tokio::test]
async fn a_handler_may_take_unknown_commands() {
    async fn unknown(command: Command) -> String {
        format!("no {}", command.name())
    }
    let router: Router = Router::new()
        .command("ping", answers("pong"))
        .nest("group", Router::new().command("x", answers("x")))
        .nest(
            "own",
            Router::new().command("x", answers("x")).unknown_command(unknown),
        )
        .unknown_command(unknown);
    let response = say(&router, "!nobody").await;
    assert!(response.is_unknown_command());
    assert_eq!(owned(&response), ["no nobody"]);
    assert_eq!(texts(&router, "@bot nobody").await, ["no nobody"]);
    assert_eq!(texts(&router, "@bot").await, ["no "]);
    assert_eq!(texts(&router, "!own y").await, ["no y"]);
    assert_eq!(
        rejection(&say(&router, "!group y").await).kind(),
        &RejectionKind::UnknownSubcommand
    );
    assert!(
        say_in(direct(), &router, "nobody").await.is_empty(),
        "just a message"
    );
}

#[tokio::test]
async fn unknown_commands_are_met_with_silence_where_others_share_the_prefix() {
    let router: Router = Router::new().command("deploy", answers("done")).help();
    let response = say(&router, "!deplyo").await;
    assert!(response.is_empty() && response.is_unknown_command());

    let hint = "I don't know `deplyo`. Did you mean `@bot deploy`? Say `@bot help` for what I can do.";
    assert_eq!(texts(&router, "@bot: deplyo").await, [hint]);
    let hint = "I don't know `deplyo`. Did you mean `!deploy`? Say `!help` for what I can do.";
    assert_eq!(owned(&say_in(direct(), &router, "!deplyo").await), [hint]);
    let hint = "I don't know `zz'`. Say `@bot help` for what I can do.";
    assert_eq!(texts(&router, "@bot zz`").await, [hint]);
    assert_eq!(
        texts(&router, "@bot").await,
        ["Say `@bot help` for what I can do."]
    );
    assert!(
        say_in(direct(), &router, "deplyo").await.is_empty(),
        "just a message"
    );
    assert_eq!(owned(&say_in(direct(), &router, "deploy").await), ["done"]);

    let of_three = Room::new("x3hJd8", RoomKind::Direct);
    assert!(say_in(of_three.clone(), &router, "!deplyo").await.is_empty());
    assert!(say_in(of_three, &router, "deploy").await.is_empty());

    let without_help: Router = Router::new()
        .command("deploy", answers("done"))
        .command("ping", answers("pong"));
    assert_eq!(texts(&without_help, "@bot").await, ["I know: `deploy`, `ping`."]);
    assert!(
        texts(&Router::new(), "@bot thanks").await.is_empty(),
        "a bot that only listens"
    );
    let long = format!("@bot {}", "x".repeat(100_000));
    assert!(texts(&router, &long).await[0].len() < 1000, "a long word is cut");
}

#[tokio::test]
async fn an_unknown_sub_command_is_answered_wherever_it_is_asked() {
    for layered in [false, true] {
        let mut group = Router::new()
            .command("ban", answers("banned"))
            .command("kick", answers("kicked"));
        if layered {
            group = group.layer(Marks::default().layer(""));
        }
        let router: Router = Router::new().nest("admin", group);
        let text = |response: &Response| rejection(response).text().to_owned();
        assert_eq!(
            text(&say(&router, "!admin bna").await),
            "There is no `admin bna`. Did you mean `admin ban`?"
        );
        assert_eq!(
            text(&say(&router, "!admin").await),
            "`admin` needs one of: `ban`, `kick`."
        );
        assert_eq!(
            outcomes(&say(&router, "!admin x").await),
            ["admin: rejected"],
            "layered: {layered}"
        );
    }
}

#[derive(Clone)]
struct App(u32, &'static str);

impl FromRef<App> for u32 {
    fn from_ref(app: &App) -> Self {
        app.0
    }
}

#[tokio::test]
async fn state_reaches_groups_and_routers_of_other_states_are_joined() {
    async fn number(State(number): State<u32>) -> String {
        number.to_string()
    }
    async fn name(State(app): State<App>) -> &'static str {
        app.1
    }
    let other: Router<App> = Router::<u32>::new().command("other", number).with_state(7);
    let router: Router = Router::new()
        .command("number", number)
        .nest("group", Router::new().command("name", name).on_custom("x", name))
        .merge(other)
        .help()
        .with_state(App(1, "app"));
    assert_eq!(texts(&router, "!number").await, ["1"]);
    assert_eq!(texts(&router, "!group name").await, ["app"]);
    assert_eq!(texts(&router, "!other").await, ["7"]);
    assert_eq!(owned(&run(router.clone(), Event::custom("x", ())).await), ["app"]);
    assert!(texts(&router, "!help").await[0].contains("group name"));
}

#[tokio::test]
async fn help_lists_the_commands_as_they_are_called() {
    let router: Router = Router::new()
        .command("ping", route(answers("pong")).description("Answers"))
        .alias("p")
        .nest("admin", Router::new().command("ban", answers("banned")))
        .help();
    let list = "`!ping`, `p` – Answers\n`!help` – Lists the commands\n*admin*\n`!admin ban`";
    assert_eq!(texts(&router, "!help").await, [list]);
    assert_eq!(texts(&router, "@bot, help").await, [list.replace('!', "@bot ")]);
    assert_eq!(
        owned(&say_in(direct(), &router, "help").await),
        [list.replace('!', "")]
    );
    let commands = router.commands();
    assert_eq!(commands[0].aliases().collect::<Vec<_>>(), ["p"]);
    assert_eq!(commands[0].description(), Some("Answers"));
}

#[test]
fn names_that_can_not_be_are_errors_or_panics_with_the_callers_place() {
    let router = || Router::<()>::new().command("ping", answers("pong"));
    for name in ["ping", "PING", "", "a b", "a\n", "\u{200b}x"] {
        router().try_command(name, answers("x")).expect_err(name);
        router().try_alias(name).expect_err(name);
        router().try_nest(name, Router::new()).expect_err(name);
    }
    let error = router().try_merge(router()).unwrap_err();
    assert!(error.to_string().contains("`ping` is taken"), "{error}");
    Router::<()>::new()
        .try_alias("x")
        .expect_err("nothing to be an alias of");
    let _ = router().try_command("pong", answers("x")).unwrap();
    let _ = router().try_command("می\u{200c}خواهم", answers("x")).unwrap();

    let panics: [(u32, fn()); 5] = [
        (line!(), || drop(Router::<()>::new().command("a b", answers("x")))),
        (line!(), || drop(Router::<()>::new().alias("x"))),
        (line!(), || drop(Router::<()>::new().nest("", Router::new()))),
        (line!(), || {
            drop(Router::<()>::new().help().merge(Router::new().help()))
        }),
        (line!(), || drop(Router::<()>::new().help().help())),
    ];
    thread_local! {
        // Other tests panic on purpose, in their own threads, while the hook is set.
        static PLACE: RefCell<Option<(String, u32)>> = const { RefCell::new(None) };
    }
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(|info| {
        let place = info
            .location()
            .map(|place| (place.file().to_owned(), place.line()));
        PLACE.set(place);
    }));
    let places: Vec<_> = panics
        .iter()
        .map(|(line, panics)| {
            std::panic::catch_unwind(panics).expect_err("should panic");
            (*line, PLACE.take().unwrap())
        })
        .collect();
    std::panic::set_hook(before);
    for (line, place) in places {
        // `rustfmt` may put the call on the line behind.
        assert!(
            place.0 == file!() && (line..=line + 1).contains(&place.1),
            "{line}: {place:?}"
        );
    }
}

#[tokio::test]
async fn other_bots_are_heard_only_by_routes_that_ask_for_them() {
    let group = || {
        Router::new()
            .command("deaf", answers("deaf"))
            .command("hears", route(answers("hears")).from_bots())
    };
    let router: Router = Router::new()
        .command("deaf", answers("deaf"))
        .command("hears", route(answers("hears")).from_bots())
        .nest("plain", group())
        .nest("layered", group().layer(Marks::default().layer("")))
        .on_message(answers("listener"))
        .on_message(route(answers("robot")).from_bots())
        .fallback(answers("fallback"));
    let app = CommandLayer::new("!").own_messages(true).layer(router);
    let bot = |text: &str| {
        Message::builder(channel(), User::new("uX", "other"), text)
            .from_bot()
            .build()
    };
    let own = |text: &str| Message::builder(channel(), User::new("uB", "bot"), text).build();
    for make in [&bot as &dyn Fn(&str) -> Message, &own] {
        for (text, expected) in [
            ("hello", &["robot"][..]),
            ("!deaf", &["robot"]),
            ("!hears", &["hears", "robot"]),
            ("!plain deaf", &["robot"]),
            ("!plain hears", &["hears", "robot"]),
            ("!layered deaf", &["robot"]),
            ("!layered hears", &["hears", "robot"]),
            ("@bot nobody", &["robot"]),
        ] {
            assert_eq!(owned(&run(app.clone(), make(text)).await), expected, "{text}");
        }
        for text in ["!plain none", "!layered none"] {
            let response = run(app.clone(), make(text)).await;
            assert!(
                !outcomes(&response)
                    .iter()
                    .any(|outcome| outcome.contains("rejected")),
                "{text}: {response:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_refused_command_does_not_run_and_listeners_do() {
    #[derive(Clone)]
    struct Refuse;
    impl<S> Layer<S> for Refuse {
        type Service = tower::util::MapRequest<S, fn(Request) -> Request>;
        fn layer(&self, inner: S) -> Self::Service {
            tower::util::MapRequest::new(inner, |mut request: Request| {
                request.refuse_command(Rejection::slow_down(SECOND));
                request
            })
        }
    }
    let router = || {
        Router::<()>::new()
            .command("ping", answers("pong"))
            .nest("group", Router::new().command("ping", answers("pong")))
            .on_message(answers("listener"))
            .on_command(answers("command"))
            .fallback(answers("fallback"))
    };
    let app = ServiceBuilder::new()
        .layer(CommandLayer::new("!"))
        .layer(Refuse)
        .service(router());
    for (text, route) in [("!ping", "ping"), ("!group ping", "group ping")] {
        let response = run(app.clone(), message_in(channel(), text)).await;
        assert_eq!(owned(&response), ["listener", "command"]);
        assert_eq!(outcomes(&response)[0], format!("{route}: rejected"));
    }
    let response = run(app.clone(), message_in(channel(), "!nobody")).await;
    assert_eq!(owned(&response), ["listener", "command"]);
    assert!(
        outcomes(&response)
            .iter()
            .all(|outcome| outcome.ends_with("handled")),
        "not ours to refuse"
    );

    // The same layer further in: around a group, around a route.
    let group = Router::new().command("ping", answers("pong")).layer(Refuse);
    let router: Router = Router::new()
        .command("routed", answers("pong"))
        .on_message(answers("listener"))
        .route_layer(Refuse)
        .nest("group", group)
        .command("free", answers("free"));
    assert_eq!(outcomes(&say(&router, "!routed").await)[0], "routed: rejected");
    assert_eq!(texts(&router, "!routed").await, ["listener"]);
    assert_eq!(
        rejection(&say(&router, "!group ping").await).text(),
        "Slow down, please: try again in 1 second."
    );
    assert_eq!(texts(&router, "!free").await, ["listener", "free"]);
}

#[tokio::test]
async fn every_kind_of_event_reaches_its_listener() {
    let message = Arc::new(message_in(channel(), "x"));
    let system = Message::builder(channel(), User::new("uA", "ann"), "")
        .system_type("uj")
        .build();
    let encrypted = Message::builder(channel(), User::new("uA", "ann"), "")
        .system_type("e2e")
        .build();
    let livechat = message_in(Room::new("l", RoomKind::Livechat), "x");
    let membership = Arc::new(Membership::new(channel()));
    let events = [
        Event::from(message.clone()),
        Event::from(livechat),
        Event::from(encrypted),
        Event::from(system),
        Event::Edited(Arc::new(Edited::new(message.clone()))),
        Event::Deleted(Arc::new(Deleted::new("m".into(), "r".into()))),
        Event::Reaction(Arc::new(Reaction::new(message.clone(), ":+1:", "ann", true))),
        Event::Pinned(Arc::new(Pinned::new(message.clone()))),
        Event::Starred(Arc::new(Starred::new(message.clone(), "uA", true))),
        Event::ThreadUpdate(Arc::new(ThreadUpdate::new(message.clone()))),
        Event::Updated(Arc::new(Updated::new(message))),
        Event::RoomJoined(membership.clone()),
        Event::RoomLeft(membership),
        Event::Typing(Arc::new(Typing::new("r".into(), "ann", true))),
        Event::Ready,
        Event::Reconnected(Reconnected::new(SECOND)),
        Event::Close,
        Event::custom("x", ()),
        // `Raw` comes from the wire only.
    ];
    let kinds: Vec<_> = events.iter().map(Event::kind).collect();
    assert_eq!(kinds, EventKind::ALL[..18]);
    let router = EventKind::ALL
        .into_iter()
        .fold(Router::<()>::new(), |router, kind| {
            router.on(kind, move |event: Event| async move {
                assert_eq!(event.kind(), kind);
                kind.name()
            })
        });
    for event in events {
        let name = event.kind().name();
        let response = run(router.clone(), event).await;
        assert_eq!(owned(&response), [name]);
    }
    let router: Router = Router::new()
        .on_ready(answers("ready"))
        .on_close(answers("close"));
    assert_eq!(owned(&run(router.clone(), Event::Ready).await), ["ready"]);
    assert_eq!(owned(&run(router, Event::Close).await), ["close"]);
}

#[tokio::test]
async fn custom_events_are_told_by_name() {
    let router: Router = Router::new()
        .on_custom("a", answers("a"))
        .on_custom("b", answers("b"));
    assert_eq!(owned(&run(router.clone(), Event::custom("b", 1)).await), ["b"]);
    assert!(run(router, Event::custom("B", 1)).await.is_empty());
}

#[tokio::test]
async fn a_route_says_where_its_answer_goes() {
    async fn elsewhere() -> rocketbotte::response::Send {
        rocketbotte::response::Send::text("elsewhere").to("OTHER")
    }
    let router: Router = Router::new()
        .on_ready(route(answers("here")).to("GENERAL"))
        .on_ready(route(elsewhere).to("GENERAL"))
        .on_ready(answers("nowhere"));
    let response = run(router, Event::Ready).await;
    let rooms: Vec<_> = response
        .actions()
        .map(|action| action.room_id().map(ToString::to_string))
        .collect();
    assert_eq!(
        rooms,
        [Some("GENERAL".to_owned()), Some("OTHER".to_owned()), None]
    );
    let event = Event::Custom(Arc::new(CustomEvent::new("x", ()).in_room("r")));
    assert_eq!(event.room_id().unwrap(), &"r");
}

#[tokio::test]
async fn a_router_is_always_ready_and_cheap_to_clone() {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let mut router: Router = Router::new().on_message(|| async {
        CALLS.fetch_add(1, Ordering::Relaxed);
    });
    let mut clone = router.clone();
    std::future::poll_fn(|cx| router.poll_ready(cx)).await.unwrap();
    clone.call(request(message_in(channel(), "x"))).await.unwrap();
    drop(router.call(request(message_in(channel(), "x"))));
    assert_eq!(
        CALLS.load(Ordering::Relaxed),
        1,
        "a future that is dropped unpolled runs nothing"
    );
}

#[tokio::test]
async fn a_router_may_be_a_service_of_another() {
    let inner: Router = Router::new()
        .on_message(answers("inner"))
        .command("ping", answers("pong"));
    let router: Router = Router::new().listener_service(EventKind::Message, inner);
    assert_eq!(texts(&router, "!ping").await, ["inner", "pong"]);
}

/// The public face: nobody writes the router's type when the stack is served.
#[tokio::test]
async fn a_routers_type_is_inferred_from_its_use() {
    async fn serve<S>(app: S) -> Response
    where
        S: Service<Request, Response = Response> + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
    {
        let response = app.oneshot(request(message_in(channel(), "!test a"))).await;
        response.map_err(Into::into).unwrap()
    }
    async fn test(Args(text): Args<String>) -> String {
        format!("response to {text}")
    }
    async fn hello(message: Arc<Message>) -> Option<&'static str> {
        message.text().contains("test").then_some("world")
    }
    let router = Router::new().command("test", test).on_message(hello);
    let app = ServiceBuilder::new()
        .layer(CommandLayer::new("!"))
        .layer(TimeoutLayer::new(30 * SECOND))
        .service(router);
    assert_eq!(owned(&serve(app).await), ["response to a", "world"]);
}
