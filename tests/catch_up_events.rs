//! What a transport tells of an outage: which events, in which order, and how many it left out.
#![cfg(all(feature = "client", feature = "sandbox"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends by them")]

mod support;

use std::collections::HashMap;
use std::time::Duration;

use rocketbotte::event::{Event, EventKind};
use rocketbotte::sandbox::Sandbox;
use rocketbotte::transport::{Arrival, Connector, DdpTransport, TlsSettings};
use support::chat::pipes;
use support::echo_bot::{cut, numbers, pause, people, restore, server};
use support::heard::{next, texts, transport, until_message, until_reconnected};

fn over_sockets(sandbox: &Sandbox, queue: usize) -> DdpTransport {
    let connector = Connector::tcp(&TlsSettings::new()).unwrap();
    transport(sandbox, connector, |builder| builder.queue(queue))
}

#[tokio::test]
async fn what_happened_to_messages_during_an_outage_becomes_its_events() {
    let sandbox = server().await;
    let ann = sandbox.user("ann");
    let mut transport = over_sockets(&sandbox, 64);
    assert!(matches!(next(&mut transport).await.0, Event::Ready));
    let mut ids = Vec::new();
    for text in ["edited", "reacted", "deleted", "end"] {
        ids.push(ann.say("general", text).await);
    }
    until_message(&mut transport, "end").await;
    cut(&sandbox).await;
    ann.edit(&ids[0], "!echo edited").await;
    ann.react(&ids[1], ":+1:").await;
    ann.delete(&ids[2]).await;
    let new = ann.say("general", "new").await;
    ann.edit(&new, "new and edited").await;
    restore(&sandbox);
    let (events, skipped) = until_reconnected(&mut transport).await;
    ann.say("general", "the end").await;
    let events: Vec<_> = events
        .into_iter()
        .chain(until_message(&mut transport, "the end").await)
        .collect();
    let mut kinds: Vec<_> = events.iter().map(|(event, _)| event.kind()).collect();
    kinds.sort_unstable();
    assert_eq!(
        kinds,
        [
            EventKind::Message,
            EventKind::Edited,
            EventKind::Deleted,
            EventKind::Reaction
        ]
    );
    assert_eq!(texts(&events), ["new and edited"]);
    assert!(events.iter().all(|(_, arrival)| *arrival == Arrival::CaughtUp));
    assert_eq!(skipped, 0);
}

/// In paused time: eleven minutes of outage.
#[tokio::test(start_paused = true)]
async fn what_is_too_old_is_counted_and_not_answered() {
    let sandbox = people().start_in_memory();
    let mut transport = transport(&sandbox, pipes(&sandbox), |builder| {
        builder.max_retry_time(Duration::from_secs(60))
    });
    assert!(matches!(next(&mut transport).await.0, Event::Ready));
    pause(1000).await;
    cut(&sandbox).await;
    for n in 0..7 {
        sandbox.user("ann").say("general", &n.to_string()).await;
    }
    pause(660_000).await;
    sandbox.user("ann").say("general", "recent").await;
    restore(&sandbox);
    pause(120_000).await;
    let (events, skipped) = until_reconnected(&mut transport).await;
    assert_eq!(skipped, 7);
    // It comes before the end of the catch-up or right behind it.
    if texts(&events) != ["recent"] {
        let later = until_message(&mut transport, "recent").await;
        assert_eq!((texts(&events), texts(&later)), (vec![], vec![]));
    }
    // Not counted a second time.
    sandbox.drop_connections();
    let (events, skipped) = until_reconnected(&mut transport).await;
    assert_eq!((texts(&events), skipped), (vec![], 0));
}

#[tokio::test]
async fn of_too_much_the_newest_is_delivered() {
    let sandbox = server().await;
    let mut transport = over_sockets(&sandbox, 16);
    assert!(matches!(next(&mut transport).await.0, Event::Ready));
    cut(&sandbox).await;
    for n in 0..1100 {
        sandbox.user("ann").say("general", &n.to_string()).await;
    }
    restore(&sandbox);
    let (events, skipped) = until_reconnected(&mut transport).await;
    assert_eq!(skipped, 100);
    sandbox.user("ann").say("general", "end").await;
    let events: Vec<_> = events
        .into_iter()
        .chain(until_message(&mut transport, "end").await)
        .collect();
    assert_eq!(texts(&events), numbers(100..1100));
}

#[tokio::test]
async fn what_the_pipeline_does_not_take_in_time_is_fetched() {
    let sandbox = server().await;
    let mut transport = over_sockets(&sandbox, 4);
    assert!(matches!(next(&mut transport).await.0, Event::Ready));
    for n in 0..100 {
        sandbox.user("ann").say("general", &n.to_string()).await;
        sandbox.user("ann").say("dev", &n.to_string()).await;
        if n == 50 {
            pause(300).await;
        }
    }
    let mut events = Vec::new();
    while texts(&events).len() < 200 {
        events.push(next(&mut transport).await);
    }
    for room in ["general", "dev"] {
        let of_room: Vec<_> = events
            .iter()
            .filter(|(event, _)| event.room().and_then(|room| room.name()) == Some(room))
            .cloned()
            .collect();
        assert_eq!(texts(&of_room), numbers(0..100), "in {room}");
    }
    assert_eq!(transport.handle().overflowed(), 0);
    assert!(
        events.iter().any(|(_, arrival)| *arrival == Arrival::CaughtUp),
        "some were fetched"
    );
}

#[tokio::test]
async fn ten_thousand_messages_in_a_hundred_rooms() {
    let sandbox = server().await;
    let rooms: Vec<String> = (0..100).map(|n| format!("room{n}")).collect();
    for room in &rooms {
        sandbox.create_channel(room, &["ann", "rocketbotte"]).unwrap();
    }
    let mut transport = over_sockets(&sandbox, 1024);
    assert!(matches!(next(&mut transport).await.0, Event::Ready));
    cut(&sandbox).await;
    for n in 0..100 {
        for room in &rooms {
            sandbox.user("ann").say(room, &n.to_string()).await;
        }
    }
    restore(&sandbox);
    let began = std::time::Instant::now();
    let mut heard: HashMap<String, Vec<String>> = HashMap::new();
    let mut count = 0;
    while count < 10_000 {
        if let (Event::Message(message), Arrival::CaughtUp) = next(&mut transport).await {
            let room = message.room().name().unwrap().to_owned();
            heard.entry(room).or_default().push(message.text().to_owned());
            count += 1;
        }
    }
    println!("caught up 10,000 messages in {:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(20));
    for room in &rooms {
        assert_eq!(heard[room], numbers(0..100), "in {room}");
    }
}
