//! Handlers: what they take, what they return, and services in their place.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by a panic")]

use std::sync::Arc;
use std::time::Duration;

use rocketbotte::command::{Command, CommandLayer};
use rocketbotte::event::{
    CustomEvent, Deleted, Edited, Event, EventKind, Membership, Message, MessageId, Pinned, Reaction,
    Reconnected, Room, RoomId, RoomKind, ThreadUpdate, Typing, Updated, User,
};
use rocketbotte::extract::{Args, Author, Extension, FromRef, FromRequest, Outbox, Payload, Quoted, State};
use rocketbotte::handler::{HandlerService, route, service};
use rocketbotte::response::{IntoResponse, Outcome, Response, Send};
use rocketbotte::transport::Arrival;
use rocketbotte::{BoxError, Context, Identity, Rejection, Request, Router, debug_handler};
use tower::{Service, ServiceBuilder, ServiceExt};

fn message(text: &str) -> Message {
    let room = Room::new("GENERAL", RoomKind::Channel).with_name("general");
    Message::builder(room, User::new("uA", "ann"), text)
        .id("m1")
        .build()
}

fn request(event: impl Into<Event>) -> Request {
    Request::with_context(event, Context::for_bot(Identity::new("uB", "bot")))
}

async fn run<S>(service: S, request: Request) -> Response
where
    S: Service<Request, Response = Response, Error = BoxError>,
{
    service.oneshot(request).await.expect("a router never fails")
}

async fn say(router: Router, text: &str) -> Vec<String> {
    let app = ServiceBuilder::new()
        .layer(CommandLayer::new("!"))
        .service(router);
    let response = run(app, request(message(text))).await;
    for outcome in response.outcomes() {
        assert!(matches!(outcome.outcome(), Outcome::Handled), "{outcome:?}");
    }
    response.texts().map(str::to_owned).collect()
}

#[tokio::test]
async fn extractors_of_a_command() {
    async fn text(Args(text): Args<String>) -> String {
        text
    }
    async fn author(author: Author) -> String {
        author.mention()
    }
    async fn room(room: Room, id: RoomId) -> String {
        format!("{} {id}", room.name().unwrap_or_default())
    }
    async fn message(message: Arc<Message>) -> String {
        message.id().to_string()
    }
    async fn command(command: Command) -> String {
        format!("{}{}", command.prefix(), command.name())
    }
    async fn event(event: Event, request: Request) -> String {
        format!("{:?} {:?}", event.kind(), request.kind())
    }
    async fn context(context: Context, identity: Identity, arrival: Arrival) -> String {
        format!("{} {} {arrival:?}", context.identity().username(), identity.id())
    }
    let router = Router::new()
        .command("text", text)
        .command("author", author)
        .command("room", room)
        .command("message", message)
        .command("command", command)
        .command("event", event)
        .command("context", context);
    for (typed, expected) in [
        ("!text a  b", "a  b"),
        ("!author", "@ann"),
        ("!room", "general GENERAL"),
        ("!message", "m1"),
        ("!command", "!command"),
        ("!event", "Message Message"),
        ("!context", "bot uB Live"),
    ] {
        assert_eq!(say(router.clone(), typed).await, [expected]);
    }
}

#[derive(Clone)]
struct App {
    name: String,
    limit: u32,
}

impl FromRef<App> for u32 {
    fn from_ref(app: &App) -> Self {
        app.limit
    }
}

#[tokio::test]
async fn state_and_its_parts() {
    async fn whole(State(app): State<App>) -> String {
        app.name
    }
    async fn part(State(limit): State<u32>) -> String {
        limit.to_string()
    }
    let app = App {
        name: "app".to_owned(),
        limit: 7,
    };
    let router: Router = Router::new()
        .command("whole", debug_handler!(whole(_), state = App))
        .command("part", part)
        .with_state(app);
    assert_eq!(say(router.clone(), "!whole").await, ["app"]);
    assert_eq!(say(router, "!part").await, ["7"]);
}

#[tokio::test]
async fn options_and_results_of_extractors() {
    async fn optional(command: Option<Command>, team: Option<Extension<u8>>) -> String {
        format!("{} {}", command.is_some(), team.is_some())
    }
    async fn result(
        number: Result<Args<u8>, BoxError>,
        author: Result<Author, rocketbotte::extract::MissingPart>,
    ) -> String {
        format!("{} {}", number.is_ok(), author.is_ok())
    }
    let router = Router::new()
        .command("optional", optional)
        .command("result", result);
    assert_eq!(say(router.clone(), "!optional").await, ["true false"]);
    assert_eq!(say(router.clone(), "!result 3").await, ["true true"]);
    assert_eq!(say(router, "!result x").await, ["false true"]);
    let ready = Router::<()>::new().on_ready(optional);
    assert_eq!(
        run(ready, request(Event::Ready))
            .await
            .texts()
            .collect::<Vec<_>>(),
        ["false false"]
    );
}

#[tokio::test]
async fn an_extension_comes_from_a_layer() {
    async fn team(Extension(team): Extension<&'static str>) -> &'static str {
        team
    }
    let app = ServiceBuilder::new()
        .map_request(|mut request: Request| {
            request.extensions_mut().insert("ops");
            request
        })
        .service(Router::<()>::new().on_message(team));
    assert_eq!(
        run(app, request(message("x"))).await.texts().collect::<Vec<_>>(),
        ["ops"]
    );
    let response = run(Router::<()>::new().on_message(team), request(message("x"))).await;
    assert!(
        matches!(response.outcomes().next().unwrap().outcome(), Outcome::Failed(error)
        if error.to_string().contains("Extension"))
    );
}

#[tokio::test]
async fn payloads_of_custom_events() {
    async fn deployed(Payload(version): Payload<String>, event: Arc<CustomEvent>) -> String {
        format!("{} {version}", event.name())
    }
    let router: Router = Router::new().on_custom("deployed", deployed);
    let response = run(
        router.clone(),
        request(Event::custom("deployed", "v1".to_owned())),
    )
    .await;
    assert_eq!(response.texts().collect::<Vec<_>>(), ["deployed v1"]);
    let response = run(router, request(Event::custom("deployed", 1_u8))).await;
    assert!(matches!(
        response.outcomes().next().unwrap().outcome(),
        Outcome::Failed(_)
    ));
}

#[tokio::test]
async fn every_event_has_its_extractor() {
    async fn is<T>(_: T) -> &'static str {
        std::any::type_name::<T>()
    }
    let message = Arc::new(message("x"));
    let room = Room::new("r", RoomKind::Channel);
    let membership = Arc::new(Membership::new(room));
    async fn hears<T: FromRequest<()> + std::marker::Send + 'static>(event: Event) {
        let response = run(Router::<()>::new().on(event.kind(), is::<T>), request(event)).await;
        let outcome = response.outcomes().next().unwrap().outcome();
        assert!(matches!(outcome, Outcome::Handled), "{outcome:?}");
        assert_eq!(response.texts().count(), 1);
    }
    hears::<Arc<Message>>(Event::from(Arc::clone(&message))).await;
    hears::<Arc<Edited>>(Event::Edited(Arc::new(Edited::new(message.clone())))).await;
    hears::<Arc<Deleted>>(Event::Deleted(Arc::new(Deleted::new("m".into(), "r".into())))).await;
    hears::<Arc<Reaction>>(Event::Reaction(Arc::new(Reaction::new(
        message.clone(),
        ":+1:",
        "ann",
        true,
    ))))
    .await;
    hears::<Arc<Pinned>>(Event::Pinned(Arc::new(Pinned::new(message.clone())))).await;
    hears::<Arc<ThreadUpdate>>(Event::ThreadUpdate(Arc::new(ThreadUpdate::new(message.clone())))).await;
    hears::<Arc<Updated>>(Event::Updated(Arc::new(Updated::new(message)))).await;
    hears::<Arc<Membership>>(Event::RoomJoined(membership.clone())).await;
    hears::<Room>(Event::RoomLeft(membership)).await;
    hears::<Arc<Typing>>(Event::Typing(Arc::new(Typing::new("r".into(), "ann", true)))).await;
    hears::<RoomId>(Event::Typing(Arc::new(Typing::new("r".into(), "ann", true)))).await;
    hears::<Reconnected>(Event::Reconnected(Reconnected::new(Duration::from_secs(1)))).await;
    hears::<Arc<CustomEvent>>(Event::custom("x", ())).await;
}

#[tokio::test]
async fn a_part_that_is_not_there_is_an_error_for_the_log() {
    async fn author(_: Author) {}
    async fn quoted(_: Quoted) {}
    let router: Router = Router::new().on_ready(author).on_ready(quoted);
    let response = run(router, request(Event::Ready)).await;
    let errors: Vec<_> = response
        .outcomes()
        .map(|outcome| match outcome.outcome() {
            Outcome::Failed(error) => error.to_string(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        errors,
        ["a `ready` event has no author", "a `ready` event has no message"]
    );
}

#[tokio::test]
async fn a_handler_takes_up_to_eight() {
    #[expect(clippy::too_many_arguments, reason = "as many as there may be")]
    async fn eight(
        _a: Author,
        _b: Room,
        _c: Arc<Message>,
        _d: Command,
        _e: Event,
        _f: Quoted,
        _g: Outbox,
        Args(text): Args<String>,
    ) -> String {
        text
    }
    let router = Router::new()
        .command("eight", debug_handler!(eight(_, _, _, _, _, _, _, _)))
        .command("closure", |Args(text): Args<String>| async move { text });
    assert_eq!(say(router.clone(), "!eight x").await, ["x"]);
    assert_eq!(say(router, "!closure y").await, ["y"]);
}

#[tokio::test]
async fn what_a_handler_returns() {
    async fn nothing() {}
    async fn text() -> &'static str {
        "a"
    }
    async fn several() -> Vec<String> {
        vec!["a".to_owned(), "b".to_owned()]
    }
    async fn action() -> Send {
        Send::text("a").to("other")
    }
    async fn option() -> Option<&'static str> {
        None
    }
    async fn result() -> Result<&'static str, BoxError> {
        Ok("a")
    }
    async fn response() -> Response {
        Response::empty().and(Send::text("a")).and(Send::text("b"))
    }
    let router = Router::new()
        .command("nothing", debug_handler!(nothing()))
        .command("text", text)
        .command("several", several)
        .command("action", action)
        .command("option", option)
        .command("result", result)
        .command("response", response);
    for (typed, expected) in [
        ("!nothing", &[][..]),
        ("!text", &["a"]),
        ("!several", &["a", "b"]),
        ("!action", &["a"]),
        ("!option", &[]),
        ("!result", &["a"]),
        ("!response", &["a", "b"]),
    ] {
        assert_eq!(say(router.clone(), typed).await, expected, "{typed}");
    }
}

#[tokio::test]
async fn rejections_are_told_from_failures() {
    #[derive(Debug, thiserror::Error)]
    #[error("while deploying")]
    struct Behind(#[source] Rejection);
    async fn refused() -> Result<(), Rejection> {
        Err(Rejection::new("no"))
    }
    async fn returned() -> Rejection {
        Rejection::not_permitted()
    }
    async fn behind() -> Result<(), Behind> {
        Err(Behind(Rejection::new("no")))
    }
    async fn failed() -> Result<(), BoxError> {
        Err("disk full".into())
    }
    let router: Router = Router::new()
        .on_message(refused)
        .on_message(returned)
        .on_message(behind)
        .on_message(failed);
    let response = run(router, request(message("x"))).await;
    let names: Vec<_> = response
        .outcomes()
        .map(|outcome| outcome.outcome().name())
        .collect();
    assert_eq!(names, ["rejected", "rejected", "rejected", "failed"]);
}

#[tokio::test]
async fn services_stand_where_handlers_go() {
    #[derive(Clone)]
    struct Echo;
    impl Service<Request> for Echo {
        type Response = Response;
        type Error = std::convert::Infallible;
        type Future = std::future::Ready<Result<Response, std::convert::Infallible>>;

        fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Self::Error>> {
            std::task::Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: Request) -> Self::Future {
            let text = request.command().map(|command| command.args().to_owned());
            std::future::ready(Ok(text.into_response().unwrap_or_default()))
        }
    }
    async fn counted() -> &'static str {
        "counted"
    }
    let router = Router::new()
        .command_service("echo", Echo)
        .command("described", route(service(Echo)).description("Echoes"))
        .command_service("handler", HandlerService::new(counted, ()))
        .listener_service(EventKind::Message, Echo);
    assert_eq!(
        say(router.clone(), "!echo a").await,
        ["a", "a"],
        "the listener too"
    );
    assert_eq!(say(router.clone(), "!described b").await, ["b", "b"]);
    assert_eq!(say(router.clone(), "!handler").await, ["counted", ""]);
    assert_eq!(router.commands()[1].description(), Some("Echoes"));
}

#[tokio::test]
async fn a_handler_is_a_service_by_itself() {
    async fn hello(State(name): State<String>, author: Author) -> String {
        format!("{name} {}", author.mention())
    }
    let service = HandlerService::new(hello, "hi".to_owned());
    let response = run(service.clone(), request(message("x"))).await;
    assert_eq!(response.texts().collect::<Vec<_>>(), ["hi @ann"]);
    let error = service.oneshot(request(Event::Ready)).await.unwrap_err();
    assert!(error.to_string().contains("author"));
}

#[tokio::test]
async fn an_outbox_without_a_server_says_so() {
    async fn talk(outbox: Outbox) -> Result<(), BoxError> {
        outbox.send("x").await.map(drop)
    }
    let response = run(Router::<()>::new().on_message(talk), request(message("x"))).await;
    assert!(
        matches!(response.outcomes().next().unwrap().outcome(), Outcome::Failed(error)
        if error.to_string().contains("no way to send"))
    );
}

#[tokio::test]
async fn quoted_messages_are_found_without_a_command() {
    async fn quoted(Quoted(ids): Quoted) -> String {
        ids.iter().map(MessageId::as_str).collect()
    }
    let text = "[ ](https://chat.example.org/channel/general?msg=ID) look";
    let response = run(Router::<()>::new().on_message(quoted), request(message(text))).await;
    assert_eq!(response.texts().collect::<Vec<_>>(), ["ID"]);
}
