//! What an event costs in allocations: the framework's promise, counted.

use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rocketbotte::command::{Command, CommandLayer};
use rocketbotte::event::{Message, Room, RoomKind};
use rocketbotte::extract::{Args, Author, State};
use rocketbotte::layer::{
    CatchPanicLayer, HandleErrorLayer, IgnoreLayer, RateLimitLayer, RequireLayer, TimeoutLayer, TraceLayer,
};
use rocketbotte::testing::{self, events};
use rocketbotte::transport::Arrival;
use rocketbotte::{BoxError, Request, Response, Router};
use tower::{Service, ServiceBuilder};

async fn nothing() {}

fn stack() -> impl Service<Request, Response = Response, Error = BoxError> {
    let router = (0..1_000).fold(Router::new(), |router, number| {
        router.command(&format!("command{number}"), nothing)
    });
    ServiceBuilder::new()
        .layer(TraceLayer::new())
        .layer(CommandLayer::new("!"))
        .layer(RateLimitLayer::per_user(u32::MAX, Duration::from_secs(1)))
        .layer(TimeoutLayer::new(Duration::from_secs(30)))
        .service(router)
}

/// The other layers that stand in the way of every event.
fn longer_stack() -> impl Service<Request, Response = Response, Error = BoxError> {
    ServiceBuilder::new()
        .layer(HandleErrorLayer::new())
        .layer(CatchPanicLayer::new())
        .layer(IgnoreLayer::bots())
        .layer(IgnoreLayer::older_than(Duration::from_secs(600)))
        .layer(RequireLayer::room_kind(RoomKind::Channel))
        .service(stack())
}

#[cfg(feature = "client")]
#[path = "../benches/support/frames.rs"]
mod frames;

fn allocations_of(request: &Request) -> u64 {
    second_run(stack(), request)
}

/// What the second run of a request costs: the first one compiles the router and makes the bucket.
fn second_run(
    mut app: impl Service<Request, Response = Response, Error = BoxError>,
    request: &Request,
) -> u64 {
    let mut cx = Context::from_waker(Waker::noop());
    let mut run = |request: Request| {
        assert!(app.poll_ready(&mut cx).is_ready());
        let mut future = pin!(app.call(request));
        match future.as_mut().poll(&mut cx) {
            Poll::Ready(response) => assert!(black_box(response).is_ok()),
            Poll::Pending => panic!("nothing here waits"),
        }
    };
    run(request.clone());
    let request = request.clone();
    allocation_counter::measure(|| run(request)).count_total
}

#[test]
fn chatter_costs_none() {
    for event in [
        events::message("hello there"),
        events::thread_message("t1", "hello there"),
        events::reaction(":+1:"),
        events::typing(true),
        events::bot_message("hello there"),
    ] {
        let kind = event.kind();
        assert_eq!(allocations_of(&testing::request(event)), 0, "{kind:?}");
    }
}

#[test]
fn the_other_layers_add_nothing() {
    let chatter = testing::request(events::message("hello there"));
    assert_eq!(second_run(longer_stack(), &chatter), 0);
    let command = testing::request(events::message("!command500"));
    assert_eq!(second_run(longer_stack(), &command), 1);
}

#[test]
fn a_command_that_is_not_known_costs_none() {
    assert_eq!(
        allocations_of(&testing::request(events::message("!other one"))),
        0
    );
}

#[test]
fn a_command_costs_one() {
    let request = testing::request(events::message("!command500 with arguments"));
    assert_eq!(allocations_of(&request), 1);
}

#[test]
fn a_reply_costs_its_text() {
    async fn pong() -> &'static str {
        "pong"
    }
    let app = ServiceBuilder::new()
        .layer(CommandLayer::new("!"))
        .service(Router::new().command("ping", pong));
    // The boxed future, and the text as the action owns it.
    let request = testing::request(events::message("!ping"));
    assert_eq!(second_run(app, &request), 2);
}

#[test]
fn extractors_cost_what_they_hand_out_owned() {
    #[expect(clippy::too_many_arguments, reason = "eight is the most that a handler takes")]
    async fn eight(
        State(_): State<u64>,
        Args(_): Args<String>,
        _author: Author,
        _room: Room,
        _message: Arc<Message>,
        _command: Command,
        _context: rocketbotte::Context,
        _arrival: Arrival,
    ) {
    }
    let app = ServiceBuilder::new()
        .layer(CommandLayer::new("!"))
        .service(Router::new().command("eight", eight).with_state(7));
    // The boxed future, and the arguments as a `String`.
    let request = testing::request(events::message("!eight of them"));
    assert_eq!(second_run(app, &request), 2);
}

/// From the text of a frame to the event.
#[cfg(feature = "client")]
#[test]
fn a_frame_costs_as_many_whatever_its_size() {
    use rocketbotte::testing::parse::{Frame, FrameParser};

    for bytes in [500, 1_500, 10_000] {
        let mut parser = FrameParser::new();
        // The tables of what was seen grow by doubling: a power of two and some are in them, so that they do not now.
        for number in 0..4_100 {
            let frame = Frame::new(frames::message(&format!("m{number}"), bytes));
            assert_eq!(parser.events(&frame).count(), 1);
        }
        let frame = Frame::new(frames::message("next", bytes));
        let count = |parser: &mut FrameParser| {
            allocation_counter::measure(|| {
                for event in parser.events(&frame) {
                    black_box(event);
                }
            })
            .count_total
        };
        // The frame's reference count, scratch space and a list of arguments of the JSON parser, the message, and the id
        // that is remembered. None of them grows with the frame's text.
        let (new, seen) = (count(&mut parser), count(&mut parser));
        assert_eq!((new, seen), (6, 4), "{bytes} bytes");
    }
}

/// What the sandbox does for a message does not grow with what was said before, and starting one is little work: it is what
/// makes it start in well under a millisecond and take thousands of messages a second.
#[cfg(feature = "sandbox")]
#[test]
fn a_sandbox_works_as_much_for_the_first_message_as_for_a_later_one() {
    use rocketbotte::sandbox::Sandbox;

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    // What everybody shares, such as the names of emoji, is made once.
    drop(runtime.block_on(async { Sandbox::builder().start_in_memory() }));
    let mut made = None;
    let start = allocation_counter::measure(|| {
        made = Some(runtime.block_on(async { Sandbox::builder().start_in_memory() }));
    });
    let sandbox = made.expect("is made");
    assert!(
        start.count_total < 1_000,
        "{} allocations to start",
        start.count_total
    );
    let ann = sandbox.user("ann");
    // The least of some: now and then a table grows.
    let message = || {
        let costs = (0..32).map(|_| {
            let say = || drop(runtime.block_on(ann.say("general", "hello")));
            allocation_counter::measure(say).count_total
        });
        costs.min()
    };
    let early = message();
    for _ in 0..5_000 {
        runtime.block_on(ann.say("general", "hello"));
    }
    let late = message();
    println!(
        "{} allocations to start, {early:?} for a message",
        start.count_total
    );
    assert_eq!(early, late);
}
