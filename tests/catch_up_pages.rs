//! Outages in which much was said: in pages or in one answer, the same is heard.
#![cfg(all(feature = "client", feature = "sandbox"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends by them")]

mod support;

use std::time::Duration;

use rocketbotte::event::Event;
use rocketbotte::sandbox::{Inbound, RestFault, Sandbox, SandboxBuilder};
use rocketbotte::transport::DdpTransport;
use support::chat::pipes;
use support::heard::{next, transport};

const PATIENCE: Duration = Duration::from_secs(3600);

async fn pause(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

fn people() -> SandboxBuilder {
    Sandbox::builder().user("ann").user("bob").bot("rocketbotte")
}

/// A transport that has heard so many messages, to a server that cannot be reached any more.
async fn cut_off(sandbox: &Sandbox, messages: usize) -> (DdpTransport, Vec<String>) {
    let mut transport = transport(sandbox, pipes(sandbox), |builder| builder);
    assert!(matches!(next(&mut transport).await.0, Event::Ready));
    let mut heard = Vec::new();
    for n in 0..messages {
        heard.push(sandbox.user("ann").say("general", &format!("before {n}")).await);
        assert!(matches!(next(&mut transport).await.0, Event::Message(_)));
        pause(3).await;
    }
    pause(60_000).await;
    sandbox.refuse_connections(true);
    sandbox.drop_connections();
    let gone = sandbox.wait_until(|sandbox| sandbox.connections() == 0, PATIENCE);
    gone.await.unwrap();
    (transport, heard)
}

/// What is heard of the outage, and how much of it was skipped.
async fn heard(sandbox: &Sandbox, transport: &mut DdpTransport) -> (Vec<String>, u64) {
    sandbox.refuse_connections(false);
    let mut heard = Vec::new();
    let mut skipped = None;
    loop {
        let (event, _) = next(transport).await;
        match &event {
            Event::Reconnected(back) => {
                skipped = Some(back.skipped());
                pause(1000).await;
                sandbox.user("ann").say("general", "end").await;
            }
            Event::Message(message) if message.text() == "end" => {
                return (heard, skipped.unwrap_or(u64::MAX));
            }
            // Ids are not the same twice.
            event => heard.push(match event.message() {
                Some(message) => format!("{:?} {}", event.kind(), message.text()),
                None => format!("{:?}", event.kind()),
            }),
        }
    }
}

fn calls(sandbox: &Sandbox, part: &str) -> usize {
    let frames = sandbox.frames_from_clients();
    let is_asked =
        |inbound: &&Inbound| matches!(inbound, Inbound::Request { path, .. } if path.contains(part));
    frames.iter().filter(is_asked).count()
}

/// What happens in an outage: hundreds of messages, some of which are edited, deleted, or get a reaction, and some
/// that were there before.
async fn live_through(version: &str, seed: u64) -> (Vec<String>, u64, usize) {
    let sandbox = people().version(version).start_in_memory();
    let (ann, bob) = (sandbox.user("ann"), sandbox.user("bob"));
    let (mut transport, mut before) = cut_off(&sandbox, 40).await;
    let (mut said, mut had_burst) = (Vec::new(), false);
    let mut random = fastrand::Rng::with_seed(seed);
    let many = random.usize(100..900);
    for n in 0..many {
        pause(1 + random.u64(0..3)).await;
        // Half of it happens to what was there before.
        let known = match random.bool() {
            true => &mut before,
            false => &mut said,
        };
        let any = random.usize(0..known.len().max(1));
        match (random.u8(0..20), known.get(any)) {
            (0, Some(_)) => ann.delete(&known.swap_remove(any)).await,
            (1 | 2, Some(id)) => ann.edit(id, &format!("edit {n}")).await,
            (3 | 4, Some(id)) => bob.react(id, ":wave:").await,
            // More than a page in one millisecond.
            (5, _) if seed.is_multiple_of(3) && n > many / 2 && !had_burst => {
                had_burst = true;
                for m in 0..520 {
                    bob.say("general", &format!("burst {m}")).await;
                }
            }
            _ => said.push(ann.say("general", &n.to_string()).await),
        }
    }
    if version.starts_with('8') {
        sandbox.fail_next("chat.syncMessages", RestFault::Status(413));
    }
    let (heard, skipped) = heard(&sandbox, &mut transport).await;
    (heard, skipped, calls(&sandbox, "type=UPDATED"))
}

#[tokio::test(start_paused = true)]
async fn in_pages_or_at_once_the_same_is_heard_in_the_same_order() {
    let mut most = 0;
    for seed in 0..12 {
        let by_cursor = live_through("8.0.0", seed).await;
        let at_once = live_through("7.0.0", seed).await;
        assert_eq!(by_cursor.0, at_once.0, "seed {seed}");
        assert_eq!(by_cursor.1, at_once.1, "seed {seed}");
        assert_eq!(at_once.2, 0);
        assert!(by_cursor.0.len() >= 80);
        for kind in ["Edited", "Deleted", "Reaction"] {
            let many = by_cursor.0.iter().filter(|event| event.starts_with(kind)).count();
            assert!(many > 0, "{kind} with seed {seed}: {:?}", by_cursor.0);
        }
        most = most.max(by_cursor.2);
    }
    assert!(most > 1, "some are of several pages");
}

/// Twenty megabytes (servers tell each text twice), of which one answer may have sixteen.
async fn much(version: &str) -> (Sandbox, DdpTransport) {
    let sandbox = people()
        .version(version)
        .setting("Message_MaxAllowedSize", 60_000)
        .start_in_memory();
    let (transport, _) = cut_off(&sandbox, 0).await;
    let long = "long ".repeat(5_000);
    for n in 0..400 {
        sandbox.user("ann").say("general", &format!("{n} {long}")).await;
        pause(2).await;
    }
    (sandbox, transport)
}

fn numbers(heard: &[String]) -> Vec<usize> {
    let number = |text: &String| text.split(' ').nth(1)?.parse().ok();
    heard.iter().filter_map(number).collect()
}

#[tokio::test(start_paused = true)]
async fn more_than_fits_into_an_answer_is_heard_in_full() {
    for (version, history) in [("8.0.0", 0), ("7.0.0", 1)] {
        let (sandbox, mut transport) = much(version).await;
        let (heard, skipped) = heard(&sandbox, &mut transport).await;
        assert_eq!(numbers(&heard), (0..400).collect::<Vec<_>>(), "with {version}");
        assert_eq!(skipped, 0, "with {version}");
        assert_eq!(
            calls(&sandbox, "channels.history").min(1),
            history,
            "with {version}"
        );
    }
}

/// It said that it has pages, and is another one since.
#[tokio::test(start_paused = true)]
async fn a_server_that_refuses_pages_is_asked_for_its_history() {
    let sandbox = people().start_in_memory();
    let (mut transport, _) = cut_off(&sandbox, 0).await;
    sandbox.set_version("7.0.0");
    for n in 0..10 {
        sandbox.user("ann").say("general", &format!("{n} ")).await;
        pause(2).await;
    }
    sandbox.fail_next("chat.syncMessages", RestFault::Status(413));
    let (heard, skipped) = heard(&sandbox, &mut transport).await;
    assert_eq!((numbers(&heard), skipped), ((0..10).collect(), 0));
    assert_eq!(calls(&sandbox, "type=UPDATED"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_room_costs_one_call_where_one_answer_is_enough() {
    let sandbox = people().start_in_memory();
    let (mut transport, _) = cut_off(&sandbox, 0).await;
    sandbox.user("ann").say("general", "1 ").await;
    let (heard, _) = heard(&sandbox, &mut transport).await;
    assert_eq!(numbers(&heard), [1]);
    assert_eq!(calls(&sandbox, "type="), 0);
    assert_eq!(calls(&sandbox, "chat.syncMessages"), 1);
}
