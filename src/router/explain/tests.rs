//! What an explanation says is what happens: of generated routers and requests.

use std::sync::Arc;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use tokio::time::Instant;
use tower::ServiceExt;

use super::{RouteRole, Verdict};
use crate::command::CommandLayer;
use crate::context::{Context, Identity, Shared};
use crate::event::{Edited, Event, EventKind, Message, Reaction, Room, RoomKind, User};
use crate::handler::{Configured, route};
use crate::rejection::Rejection;
use crate::request::Request;
use crate::router::{EventSelector, Explanation, Router};
use crate::transport::Arrival;

#[derive(Clone, Copy, Debug)]
struct Options {
    hears_bots: bool,
    live_only: bool,
    any_age: bool,
}

#[derive(Clone, Debug)]
enum Part {
    Command(&'static str, Options),
    Group(&'static str, Vec<Part>, bool),
    On(EventKind, Options),
    OnCustom(&'static str, Options),
    OnCommand(Options),
    Listen(Option<bool>, Options),
    UnknownCommand(Options),
    Fallback(Options),
}

fn options() -> impl Strategy<Value = Options> {
    (
        any::<bool>(),
        prop_oneof![Just((false, false)), Just((true, false)), Just((false, true))],
    )
        .prop_map(|(hears_bots, (live_only, any_age))| Options {
            hears_bots,
            live_only,
            any_age,
        })
}

fn parts() -> impl Strategy<Value = Vec<Part>> {
    let kind = prop_oneof![
        3 => Just(EventKind::Message),
        1 => Just(EventKind::Edited),
        1 => Just(EventKind::Reaction),
        1 => Just(EventKind::Ready),
        1 => Just(EventKind::Custom)
    ];
    let part = prop_oneof![
        4 => (prop_oneof![Just("a"), Just("b"), Just("B"), Just("g")], options())
            .prop_map(|(name, options)| Part::Command(name, options)),
        2 => (kind, options()).prop_map(|(kind, options)| Part::On(kind, options)),
        1 => (prop_oneof![Just("x"), Just("y")], options())
            .prop_map(|(name, options)| Part::OnCustom(name, options)),
        1 => options().prop_map(Part::OnCommand),
        1 => (prop_oneof![8 => any::<bool>().prop_map(Some), 1 => Just(None)], options())
            .prop_map(|(picks, options)| Part::Listen(picks, options)),
        1 => options().prop_map(Part::UnknownCommand),
        2 => options().prop_map(Part::Fallback),
    ];
    vec(part, 0..7).prop_recursive(3, 24, 6, |inner| {
        let group = (prop_oneof![Just("g"), Just("h")], inner.clone(), any::<bool>())
            .prop_map(|(name, parts, is_layered)| Part::Group(name, parts, is_layered));
        (inner, vec(group, 1..3), any::<prop::sample::Index>()).prop_map(|(mut parts, groups, at)| {
            let at = at.index(parts.len() + 1);
            parts.splice(at..at, groups);
            parts
        })
    })
}

fn does_nothing(options: Options) -> Configured<impl Fn() -> std::future::Ready<()> + Clone + Send + Sync> {
    let mut handler = route(|| std::future::ready(())).named("does nothing");
    if options.hears_bots {
        handler = handler.from_bots();
    }
    if options.live_only {
        handler = handler.live_only();
    }
    if options.any_age {
        handler = handler.any_age();
    }
    handler
}

fn router_of(parts: &[Part]) -> Router {
    parts.iter().fold(Router::new(), |router, part| {
        let before = router.clone();
        match part {
            // A name that is taken stays with who had it first.
            Part::Command(name, options) => {
                router.try_command(name, does_nothing(*options)).unwrap_or(before)
            }
            Part::Group(name, parts, is_layered) => {
                let mut group = router_of(parts);
                if *is_layered {
                    group = group.layer(tower::layer::util::Identity::new());
                }
                router.try_nest(name, group).unwrap_or(before)
            }
            Part::On(kind, options) => router.on(*kind, does_nothing(*options)),
            Part::OnCustom(name, options) => router.on_custom(name, does_nothing(*options)),
            Part::OnCommand(options) => router.on_command(does_nothing(*options)),
            Part::Listen(picks, options) => {
                let picks = *picks;
                let predicate = move |_: &Request| picks.unwrap_or_else(|| panic!("a predicate panics"));
                router.listen(predicate, does_nothing(*options))
            }
            Part::UnknownCommand(options) => router.unknown_command(does_nothing(*options)),
            Part::Fallback(options) => router.fallback(does_nothing(*options)),
        }
    })
}

#[derive(Clone, Debug)]
struct Asked {
    text: String,
    event: usize,
    is_direct: bool,
    is_from_bot: bool,
    is_caught_up: bool,
    is_too_old: bool,
    is_case_sensitive: bool,
    refusal: Option<bool>,
    added: Vec<(bool, Options)>,
}

fn asked() -> impl Strategy<Value = Asked> {
    let text = (
        prop_oneof![4 => Just("!"), 1 => Just("@bot "), 1 => Just("")],
        prop_oneof![Just(""), Just("g "), Just("G "), Just("g h "), Just("h g h ")],
        prop_oneof![Just("a"), Just("b"), Just("z"), Just("")],
    )
        .prop_map(|(prefix, groups, word)| format!("{prefix}{groups}{word}"));
    (
        text,
        prop_oneof![3 => Just(0), 2 => 1_usize..6],
        any::<bool>(),
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.3),
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.2),
        prop::option::weighted(0.2, any::<bool>()),
        prop_oneof![2 => Just(Vec::new()), 1 => vec((any::<bool>(), options()), 1..3)],
    )
        .prop_map(
            |(
                text,
                event,
                is_direct,
                is_from_bot,
                is_caught_up,
                is_too_old,
                is_case_sensitive,
                refusal,
                added,
            )| Asked {
                text,
                event,
                is_direct,
                is_from_bot,
                is_caught_up,
                is_too_old,
                is_case_sensitive,
                refusal,
                added,
            },
        )
}

fn request_of(asked: &Asked) -> Request {
    let room = if asked.is_direct {
        Room::new("uAuB", RoomKind::Direct)
    } else {
        Room::new("GENERAL", RoomKind::Channel)
    };
    let mut message = Message::builder(room, User::new("uA", "ann"), asked.text.clone());
    if asked.is_from_bot {
        message = message.from_bot();
    }
    let message = Arc::new(message.build());
    let event = match asked.event {
        0 => Event::Message(message),
        1 => Event::Edited(Arc::new(Edited::new(message))),
        2 => Event::Reaction(Arc::new(Reaction::new(message, ":+1:", "bob", true))),
        3 => Event::custom("x", ()),
        4 => Event::custom("z", ()),
        _ => Event::Ready,
    };
    let arrival = if asked.is_caught_up {
        Arrival::CaughtUp
    } else {
        Arrival::Live
    };
    let shared = Shared::new(Identity::new("uB", "bot"));
    for (hears_commands, options) in &asked.added {
        let selector = if *hears_commands {
            EventSelector::command()
        } else {
            EventSelector::kind(EventKind::Message)
        };
        let _ = shared.listeners.add(selector, does_nothing(*options));
    }
    let context = Context::new(Arc::new(shared), arrival, Instant::now()).too_old(asked.is_too_old);
    let mut request = Request::with_context(event, context);
    let mut layer = CommandLayer::new("!").edits(true);
    if asked.is_case_sensitive {
        layer = layer.case_sensitive();
    }
    request.set_command(layer.parse(&request));
    if let Some(is_silent) = asked.refusal {
        let rejection = Rejection::slow_down(Duration::from_secs(1));
        request.refuse_command(if is_silent { rejection.silent() } else { rejection });
    }
    request
}

/// The names under which something is heard of the event.
fn heard_of(why: &Explanation) -> Vec<String> {
    let mut names: Vec<_> = why.running().map(|route| route.name().to_string()).collect();
    names.extend(why.answer().map(|answer| answer.route().to_string()));
    // A group with layers that stays silent is heard of by itself.
    let is_silent = why.answer().is_none()
        && !why
            .running()
            .any(|route| matches!(route.role(), RouteRole::Command | RouteRole::UnknownCommand));
    let group = why.routes().iter().rfind(|route| {
        let is_entered = matches!(route.verdict(), Verdict::Entered | Verdict::UnknownSubcommand);
        route.has_layers() && is_entered
    });
    names.extend(group.filter(|_| is_silent).map(|group| group.name().to_string()));
    names.sort_unstable();
    names
}

fn outcomes_of(router: Router, request: Request) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    let response = runtime.block_on(async {
        let response = router.oneshot(request).await.expect("a router never fails");
        response.finish().await
    });
    let mut names: Vec<_> = response
        .outcomes()
        .map(|outcome| outcome.route().to_string())
        .collect();
    names.sort_unstable();
    names
}

#[test]
fn what_is_late_is_for_the_routes_that_say_so() {
    let options = |live_only, any_age| Options {
        hears_bots: false,
        live_only,
        any_age,
    };
    let router = router_of(&[
        Part::Command("live", options(true, false)),
        Part::Command("recent", options(false, false)),
        Part::Command("always", options(false, true)),
    ]);
    let verdict = |name: &str, is_too_old| {
        let request = request_of(&Asked {
            text: format!("!{name}"),
            event: 0,
            is_direct: false,
            is_from_bot: false,
            is_caught_up: true,
            is_too_old,
            is_case_sensitive: false,
            refusal: None,
            added: Vec::new(),
        });
        router
            .explain(&request)
            .route(name)
            .expect("it is there")
            .verdict()
    };
    assert_eq!(verdict("live", false), Verdict::CaughtUp);
    assert_eq!(verdict("recent", false), Verdict::Runs);
    assert_eq!(verdict("recent", true), Verdict::TooOld);
    assert_eq!(verdict("always", true), Verdict::Runs);
}

#[test]
fn listeners_that_were_added_stand_behind_the_others() {
    let shared = Shared::new(Identity::new("uB", "bot"));
    for kind in [EventKind::Ready, EventKind::Close] {
        let handler = route(|| std::future::ready(())).named("late");
        let _ = shared.listeners.add(EventSelector::kind(kind), handler);
    }
    let context = Context::new(Arc::new(shared), Arrival::Live, Instant::now());
    let router: Router = Router::new().on_ready(route(|| std::future::ready(())).named("early"));
    let why = router.explain(&Request::with_context(Event::Ready, context));
    let told: Vec<_> = why
        .routes()
        .iter()
        .map(|route| (route.name().as_str(), route.role(), route.verdict()))
        .collect();
    assert_eq!(
        told,
        [
            ("on_ready/early", RouteRole::Listener, Verdict::Runs),
            (
                "at run time/on_ready/late",
                RouteRole::AddedListener,
                Verdict::Runs
            ),
            (
                "at run time/on_close/late",
                RouteRole::AddedListener,
                Verdict::OtherKind
            ),
        ]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn what_is_said_to_run_runs_and_nothing_else(parts in parts(), asked in asked(), is_layered: bool) {
        let mut router = router_of(&parts);
        if is_layered {
            router = router.layer(tower::layer::util::Identity::new());
        }
        let request = request_of(&asked);
        let why = router.explain(&request);
        prop_assert_eq!(&why, &router.explain(&request), "the same twice");
        prop_assert_eq!(heard_of(&why), outcomes_of(router.clone(), request), "{}", why);
        // Nothing is left out, and every word is there.
        let added = asked.added.len();
        let commands = why.routes().iter().filter(|route| route.role() == RouteRole::Command).count();
        prop_assert_eq!(commands, router.commands().len());
        let listeners = why.routes().iter().filter(|route| route.role() == RouteRole::AddedListener).count();
        prop_assert_eq!(listeners, added);
        prop_assert!(why.to_string().lines().count() > why.routes().len());
        prop_assert!(serde_json::to_value(&why).is_ok());
    }
}
