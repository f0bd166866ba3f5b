//! Outages, over real sockets: what is said meanwhile is answered once and in order.
#![cfg(all(feature = "client", feature = "sandbox"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends by them")]

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use rocketbotte::command::CommandLayer;
use rocketbotte::dispatch::{BotHandle, Overflow};
use rocketbotte::event::{Event, EventKind};
use rocketbotte::extract::Args;
use rocketbotte::rest::Client;
use rocketbotte::sandbox::{Inbound, RestFault, Sandbox, SandboxBuilder};
use rocketbotte::transport::{Arrival, ConnectionState, Connector, DdpTransport, TlsSettings};
use rocketbotte::{Bot, BotBuilder, Credentials, Router};
use tokio::sync::Notify;
use tower::ServiceBuilder;

const PATIENCE: Duration = Duration::from_secs(30);

async fn server() -> Sandbox {
    people().start().await.unwrap()
}

fn people() -> SandboxBuilder {
    Sandbox::builder()
        .user("ann")
        .user("bob")
        .bot("rocketbotte")
        .channel("dev")
        .group_with("ops", &["ann", "rocketbotte"])
}

async fn pause(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

/// Nothing reaches the server any more.
async fn cut(sandbox: &Sandbox) {
    sandbox.refuse_connections(true);
    sandbox.drop_connections();
    let gone = sandbox
        .wait_until(|sandbox| sandbox.connections() == 0, PATIENCE)
        .await;
    gone.unwrap();
}

fn restore(sandbox: &Sandbox) {
    sandbox.refuse_connections(false);
}

/// What the bot said in a room, outside of threads.
fn said(sandbox: &Sandbox, room: &str) -> Vec<String> {
    said_in(sandbox, room, None)
}

fn said_in(sandbox: &Sandbox, room: &str, thread: Option<&str>) -> Vec<String> {
    sandbox
        .messages(room)
        .into_iter()
        .filter(|message| message.username == "rocketbotte" && message.thread_id.as_deref() == thread)
        .map(|message| message.text)
        .collect()
}

fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|n| n.to_string()).collect()
}

/// A bot that repeats what it is told, and counts how often its handler ran.
struct Echo {
    sandbox: Sandbox,
    handle: BotHandle,
    runs: Arc<AtomicUsize>,
}

impl Echo {
    async fn on(sandbox: &Sandbox) -> Self {
        Self::with(sandbox, |bot| bot, None).await
    }

    async fn with(
        sandbox: &Sandbox,
        configure: impl FnOnce(BotBuilder) -> BotBuilder,
        gate: Option<Arc<Notify>>,
    ) -> Self {
        let account = sandbox.bot("rocketbotte");
        let bot = Bot::builder(sandbox.url())
            .token(account.id(), account.token())
            .handle_signals(false)
            .max_retry_time(Duration::from_millis(20));
        let bot = configure(bot).build().unwrap();
        let runs = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&runs);
        let echo = move |Args(text): Args<String>| {
            let (counter, gate) = (Arc::clone(&counter), gate.clone());
            async move {
                counter.fetch_add(1, Ordering::Relaxed);
                if let (Some(gate), "wait") = (gate, text.as_str()) {
                    gate.notified().await;
                }
                text
            }
        };
        let app = ServiceBuilder::new()
            .layer(CommandLayer::new("!"))
            .service(Router::new().command("echo", echo));
        let handle = bot.handle();
        tokio::spawn(bot.serve(app));
        let mut state = handle.watch_state();
        tokio::time::timeout(PATIENCE, state.wait_for(|state| *state == ConnectionState::Ready))
            .await
            .expect("in time")
            .unwrap();
        Self {
            sandbox: sandbox.clone(),
            handle,
            runs,
        }
    }

    /// Ann has the bot say something.
    async fn ask(&self, room: &str, text: impl std::fmt::Display) -> String {
        self.sandbox.user("ann").say(room, &format!("!echo {text}")).await
    }

    /// Whatever was asked in the room before has been answered.
    async fn settled(&self, room: &str) {
        self.ask(room, "end").await;
        let result = self
            .sandbox
            .wait_until(
                |sandbox| said(sandbox, room).last().is_some_and(|text| text == "end"),
                PATIENCE,
            )
            .await;
        result.unwrap();
        // A second answer would come now.
        pause(50).await;
    }

    async fn expect(&self, room: &str, mut answers: Vec<String>) {
        self.settled(room).await;
        answers.push("end".to_owned());
        assert_eq!(said(&self.sandbox, room), answers, "in {room}");
    }

    async fn back(&self) {
        restore(&self.sandbox);
        let result = self
            .sandbox
            .wait_until(
                |sandbox| {
                    sandbox
                        .subscriptions()
                        .iter()
                        .any(|(_, _, event)| event == "__my_messages__")
                },
                PATIENCE,
            )
            .await;
        result.unwrap();
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.handle.shutdown();
    }
}

fn transport(sandbox: &Sandbox, queue: usize) -> DdpTransport {
    let account = sandbox.bot("rocketbotte");
    let credentials = Credentials::new(account.id(), account.token()).unwrap();
    let connector = Connector::tcp(&TlsSettings::new()).unwrap();
    let url: rocketbotte::ServerUrl = sandbox.url().parse().unwrap();
    let client = Client::builder(url.clone(), connector.clone())
        .credentials(credentials.clone())
        .build();
    DdpTransport::builder(url, credentials, connector)
        .max_retry_time(Duration::from_millis(20))
        .queue(queue)
        .catch_up(client)
        .build()
}

/// The next event, which is done with at once.
async fn next(transport: &mut DdpTransport) -> (Event, Arrival) {
    let delivery = tokio::time::timeout(PATIENCE, transport.next())
        .await
        .expect("in time")
        .expect("not the end")
        .expect("no error");
    let (event, arrival, ack) = delivery.into_parts();
    ack.done();
    (event, arrival)
}

/// Everything up to the end of the catch-up, and how much was skipped.
async fn until_reconnected(transport: &mut DdpTransport) -> (Vec<(Event, Arrival)>, u64) {
    let mut events = Vec::new();
    loop {
        match next(transport).await {
            (Event::Reconnected(back), _) => return (events, back.skipped()),
            event => events.push(event),
        }
    }
}

/// Everything up to a message with this text.
async fn until_message(transport: &mut DdpTransport, end: &str) -> Vec<(Event, Arrival)> {
    let mut events = Vec::new();
    loop {
        match next(transport).await {
            (Event::Message(message), _) if message.text() == end => return events,
            event => events.push(event),
        }
    }
}

fn texts(events: &[(Event, Arrival)]) -> Vec<&str> {
    events
        .iter()
        .filter_map(|(event, _)| match event {
            Event::Message(message) => Some(message.text()),
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn everything_said_during_an_outage_is_answered_once_and_in_order() {
    let sandbox = server().await;
    let ann = sandbox.user("ann");
    let direct = ann.direct(&["rocketbotte"]).await;
    let root = ann.say("general", "a thread").await;
    let bot = Echo::on(&sandbox).await;
    let mut n = 0;
    for _ in 0..4 {
        bot.ask("general", n).await;
        cut(&sandbox).await;
        for _ in 0..5 {
            for room in ["dev", "ops", &direct] {
                bot.ask(room, n).await;
            }
            if n % 5 != 0 {
                bot.ask("general", n).await;
            }
            ann.reply("general", &root, &format!("!echo {n}")).await;
            n += 1;
        }
        bot.back().await;
    }
    for room in ["dev", "ops", &direct, "general"] {
        bot.expect(room, numbers(0..n)).await;
    }
    assert_eq!(said_in(&sandbox, "general", Some(&root)), numbers(0..n));
}

#[tokio::test]
async fn what_happened_to_messages_during_an_outage_becomes_its_events() {
    let sandbox = server().await;
    let ann = sandbox.user("ann");
    let mut transport = transport(&sandbox, 64);
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

#[tokio::test]
async fn an_invite_into_a_room_with_history_answers_nothing_from_before() {
    let sandbox = server().await;
    sandbox.create_group("secret", &["ann", "bob"]).unwrap();
    let bot = Echo::on(&sandbox).await;
    cut(&sandbox).await;
    bot.ask("secret", "before").await;
    pause(5).await;
    sandbox.invite("secret", "rocketbotte").unwrap();
    pause(5).await;
    bot.ask("secret", "after").await;
    bot.back().await;
    bot.expect("secret", vec!["after".to_owned()]).await;
}

#[tokio::test]
async fn nothing_from_before_the_start_is_answered() {
    let sandbox = server().await;
    sandbox.user("ann").say("general", "!echo before").await;
    pause(5).await;
    let bot = Echo::on(&sandbox).await;
    cut(&sandbox).await;
    bot.ask("general", "after").await;
    bot.back().await;
    bot.expect("general", vec!["after".to_owned()]).await;
}

#[tokio::test]
async fn a_first_direct_message_during_an_outage_is_answered() {
    let sandbox = server().await;
    let bot = Echo::on(&sandbox).await;
    cut(&sandbox).await;
    let direct = sandbox.user("bob").direct(&["rocketbotte"]).await;
    sandbox.user("bob").say(&direct, "echo hello").await;
    bot.back().await;
    sandbox
        .wait_until(|sandbox| said(sandbox, &direct) == ["hello"], PATIENCE)
        .await
        .unwrap();
}

/// In paused time: eleven minutes of outage.
#[tokio::test(start_paused = true)]
async fn what_is_too_old_is_counted_and_not_answered() {
    let sandbox = people().start_in_memory();
    let account = sandbox.bot("rocketbotte");
    let credentials = Credentials::new(account.id(), account.token()).unwrap();
    let server = sandbox.clone();
    let connector = Connector::from_fn(move |_| {
        let io = server.connect();
        async { Ok::<_, std::io::Error>(io) }
    });
    let url: rocketbotte::ServerUrl = sandbox.url().parse().unwrap();
    let client = Client::builder(url.clone(), connector.clone())
        .credentials(credentials.clone())
        .build();
    let mut transport = DdpTransport::builder(url, credentials, connector)
        .catch_up(client)
        .build();
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
    let mut transport = transport(&sandbox, 16);
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
async fn what_arrives_live_and_is_fetched_too_is_answered_once() {
    let sandbox = server().await;
    let bot = Echo::on(&sandbox).await;
    sandbox.duplicate_frames(true);
    cut(&sandbox).await;
    for n in 0..5 {
        bot.ask("general", n).await;
    }
    // The rooms are known late, the messages later: those of the meantime come on both ways.
    sandbox.fail_next("subscriptions.get", RestFault::Slow(Duration::from_millis(100)));
    sandbox.fail_next("chat.syncMessages", RestFault::Slow(Duration::from_millis(100)));
    bot.back().await;
    for n in 5..30 {
        bot.ask("general", n).await;
        bot.ask("dev", n).await;
        pause(10).await;
    }
    bot.expect("general", numbers(0..30)).await;
    bot.expect("dev", numbers(5..30)).await;
}

#[tokio::test]
async fn a_slow_handler_is_neither_lost_nor_doubled() {
    let sandbox = server().await;
    let gate = Arc::new(Notify::new());
    let bot = Echo::with(&sandbox, |bot| bot.hold(PATIENCE), Some(Arc::clone(&gate))).await;
    bot.ask("general", "wait").await;
    while bot.runs.load(Ordering::Relaxed) == 0 {
        pause(5).await;
    }
    for n in 0..3 {
        cut(&sandbox).await;
        bot.ask("general", n).await;
        bot.back().await;
    }
    pause(100).await;
    assert_eq!(said(&sandbox, "general"), [""; 0], "it is still at it");
    gate.notify_one();
    let mut answers = vec!["wait".to_owned()];
    answers.extend(numbers(0..3));
    bot.expect("general", answers).await;
    assert_eq!(bot.runs.load(Ordering::Relaxed), 5);
}

#[tokio::test]
async fn a_room_that_may_not_be_read_is_forgotten() {
    let sandbox = server().await;
    let bot = Echo::on(&sandbox).await;
    let asked = |sandbox: &Sandbox| {
        let is_sync = |inbound: &Inbound| matches!(inbound, Inbound::Request { path, .. } if path.contains("chat.syncMessages") && path.contains("roomId=GENERAL"));
        sandbox
            .frames_from_clients()
            .iter()
            .filter(|inbound| is_sync(inbound))
            .count()
    };
    for (n, status) in [403, 400].into_iter().enumerate() {
        cut(&sandbox).await;
        sandbox.user("ann").say("general", "nobody hears this").await;
        // Every room that changed in the last half minute, which is all of them.
        for _ in 0..3 {
            sandbox.fail_next("chat.syncMessages", RestFault::Status(status));
        }
        bot.back().await;
        sandbox
            .wait_until(|sandbox| asked(sandbox) > n, PATIENCE)
            .await
            .unwrap();
        pause(100).await;
        assert_eq!(asked(&sandbox), n + 1, "it is not asked for again");
        // What comes live in it goes on.
        bot.ask("general", n).await;
        let answered = |sandbox: &Sandbox| said(sandbox, "general").last() == Some(&n.to_string());
        sandbox.wait_until(answered, PATIENCE).await.unwrap();
        sandbox.clear_faults();
    }
    bot.expect("general", numbers(0..2)).await;
}

#[tokio::test]
async fn errors_that_pass_are_tried_again() {
    let sandbox = server().await;
    let bot = Echo::on(&sandbox).await;
    cut(&sandbox).await;
    bot.ask("general", 0).await;
    for (endpoint, fault) in [
        ("subscriptions.get", RestFault::CloseBeforeActing),
        ("rooms.get", RestFault::Status(503)),
        ("chat.syncMessages", RestFault::Status(500)),
        ("chat.syncMessages", RestFault::LoseReply),
        (
            "chat.syncMessages",
            RestFault::TooManyRequests {
                reset_after: Duration::from_millis(20),
            },
        ),
    ] {
        sandbox.fail_next(endpoint, fault);
    }
    bot.back().await;
    bot.ask("general", 1).await;
    bot.expect("general", numbers(0..2)).await;
}

#[tokio::test]
async fn a_second_cut_in_the_middle_of_a_catch_up() {
    let sandbox = server().await;
    let bot = Echo::on(&sandbox).await;
    cut(&sandbox).await;
    for n in 0..3 {
        bot.ask("general", n).await;
        bot.ask("dev", n).await;
    }
    for (n, endpoint) in [
        (3, "subscriptions.get"),
        (4, "rooms.get"),
        (5, "chat.syncMessages"),
    ] {
        sandbox.fail_next(endpoint, RestFault::Slow(Duration::from_millis(200)));
        bot.back().await;
        pause(50).await;
        bot.ask("general", n).await;
        bot.ask("dev", n).await;
        cut(&sandbox).await;
    }
    bot.ask("general", 6).await;
    bot.ask("dev", 6).await;
    bot.back().await;
    bot.expect("general", numbers(0..7)).await;
    bot.expect("dev", numbers(0..7)).await;
}

#[tokio::test]
async fn what_the_pipeline_does_not_take_in_time_is_fetched() {
    let sandbox = server().await;
    let mut transport = transport(&sandbox, 4);
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
async fn without_it_an_outage_stays_unheard() {
    let sandbox = server().await;
    let bot = Echo::with(&sandbox, BotBuilder::no_catch_up, None).await;
    cut(&sandbox).await;
    bot.ask("general", "lost").await;
    bot.back().await;
    bot.expect("general", vec![]).await;
}

#[tokio::test]
async fn fifty_cuts_and_somebody_who_never_stops_writing() {
    // The server's clock is right, and ten minutes before and behind ours.
    for (seed, offset) in [(1, 0), (2, 600_000), (3, -600_000)] {
        let mut rng = fastrand::Rng::with_seed(seed);
        let sandbox = people().clock_offset(offset).start().await.unwrap();
        let root = sandbox.user("ann").say("general", "a thread").await;
        let bot = Echo::on(&sandbox).await;
        let mut n = 0;
        for _ in 0..50 {
            for _ in 0..rng.usize(1..6) {
                bot.ask("general", n).await;
                bot.ask("ops", n).await;
                sandbox
                    .user("ann")
                    .reply("general", &root, &format!("!echo {n}"))
                    .await;
                n += 1;
                pause(rng.u64(0..8)).await;
            }
            match rng.u32(0..5) {
                0 => sandbox.drop_connections(),
                1 => sandbox.reset_connections(),
                2 => sandbox.close_connections(),
                3 => sandbox.send_half_frame(),
                _ => {
                    cut(&sandbox).await;
                    bot.ask("general", n).await;
                    bot.ask("ops", n).await;
                    sandbox
                        .user("ann")
                        .reply("general", &root, &format!("!echo {n}"))
                        .await;
                    n += 1;
                    pause(rng.u64(0..30)).await;
                    restore(&sandbox);
                }
            }
        }
        for room in ["general", "ops"] {
            bot.expect(room, numbers(0..n)).await;
        }
        assert_eq!(
            said_in(&sandbox, "general", Some(&root)),
            numbers(0..n),
            "seed {seed}"
        );
        // One run for each command, and one for each end.
        assert_eq!(bot.runs.load(Ordering::Relaxed), 3 * n + 2, "seed {seed}");
    }
}

#[tokio::test]
async fn more_than_a_lane_holds_is_answered() {
    let sandbox = server().await;
    let bot = Echo::with(&sandbox, |bot| bot.lane_capacity(8, Overflow::DropNewest), None).await;
    cut(&sandbox).await;
    for n in 0..120 {
        bot.ask("general", n).await;
    }
    bot.back().await;
    for n in 120..125 {
        bot.ask("general", n).await;
    }
    bot.expect("general", numbers(0..125)).await;
}

#[tokio::test]
async fn ten_thousand_messages_in_a_hundred_rooms() {
    let sandbox = server().await;
    let rooms: Vec<String> = (0..100).map(|n| format!("room{n}")).collect();
    for room in &rooms {
        sandbox.create_channel(room, &["ann", "rocketbotte"]).unwrap();
    }
    let mut transport = transport(&sandbox, 1024);
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

/// In paused time, where an hour is nothing.
async fn in_memory() -> (Sandbox, Echo) {
    let sandbox = people().start_in_memory();
    let server = sandbox.clone();
    let connector = Connector::from_fn(move |_| {
        let io = server.connect();
        async { Ok::<_, std::io::Error>(io) }
    });
    let bot = Echo::with(&sandbox, |bot| bot.connector(connector), None).await;
    pause(3_600_000).await;
    (sandbox, bot)
}

#[tokio::test(start_paused = true)]
async fn other_rooms_go_on_while_one_is_fetched() {
    let (sandbox, bot) = in_memory().await;
    cut(&sandbox).await;
    bot.ask("general", 0).await;
    sandbox.fail_next("chat.syncMessages", RestFault::Slow(Duration::from_secs(10)));
    bot.back().await;
    pause(1000).await;
    bot.ask("general", 1).await;
    bot.ask("dev", 2).await;
    pause(1000).await;
    assert_eq!(said(&sandbox, "dev"), ["2"]);
    assert_eq!(said(&sandbox, "general"), [""; 0]);
    pause(20_000).await;
    assert_eq!(said(&sandbox, "general"), ["0", "1"]);
}

#[tokio::test(start_paused = true)]
async fn what_arrives_is_heard_also_where_nothing_can_be_fetched() {
    let (sandbox, bot) = in_memory().await;
    cut(&sandbox).await;
    bot.ask("general", 0).await;
    sandbox.fail_next_calls("subscriptions.get", 100, RestFault::Html);
    bot.back().await;
    pause(30_000).await;
    bot.ask("general", 1).await;
    pause(20_000).await;
    assert_eq!(said(&sandbox, "general"), [""; 0], "it waits for what was before");
    // After a minute it does not any more.
    pause(20_000).await;
    assert_eq!(said(&sandbox, "general"), ["1"]);
    sandbox.clear_faults();
    pause(30_000).await;
    let answers = said(&sandbox, "general");
    assert!(answers.len() == 2 && answers[1].ends_with('0'), "{answers:?}");
}

/// In paused time: a limit of the calls holds nobody up who speaks now.
#[tokio::test(start_paused = true)]
async fn what_arrives_is_heard_also_where_the_calls_are_limited() {
    let (sandbox, bot) = in_memory().await;
    cut(&sandbox).await;
    bot.ask("general", 0).await;
    let reset_after = Duration::from_secs(50);
    sandbox.fail_next("subscriptions.get", RestFault::TooManyRequests { reset_after });
    bot.back().await;
    pause(1000).await;
    bot.ask("general", 1).await;
    pause(1000).await;
    assert_eq!(said(&sandbox, "general"), ["1"]);
    pause(60_000).await;
    assert_eq!(said(&sandbox, "general"), ["1", "0"]);
}

/// In paused time: a server that refuses the listing for good.
#[tokio::test(start_paused = true)]
async fn the_connection_is_back_also_on_a_server_that_tells_no_rooms() {
    let (sandbox, bot) = in_memory().await;
    let reconnected = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&reconnected);
    bot.handle.add_listener(EventKind::Reconnected, move || {
        counter.fetch_add(1, Ordering::Relaxed);
        std::future::ready(())
    });
    cut(&sandbox).await;
    for _ in 0..20 {
        sandbox.fail_next("subscriptions.get", RestFault::Status(404));
    }
    bot.back().await;
    bot.ask("general", 0).await;
    pause(1000).await;
    assert_eq!(said(&sandbox, "general"), ["0"]);
    assert_eq!(reconnected.load(Ordering::Relaxed), 1);
}

/// In paused time: a minute of silence, and what was said in it.
#[tokio::test(start_paused = true)]
async fn a_connection_that_dies_in_silence() {
    let (sandbox, bot) = in_memory().await;
    sandbox.silence(true);
    let question = bot.ask("general", 0).await;
    for n in 1..4 {
        pause(20_000).await;
        bot.ask("general", n).await;
    }
    pause(20_000).await;
    sandbox.silence(false);
    bot.ask("general", 4).await;
    pause(120_000).await;
    let answers = said(&sandbox, "general");
    let last_characters: Vec<_> = answers
        .iter()
        .map(|text| text[text.len() - 1..].to_owned())
        .collect();
    assert_eq!(last_characters, numbers(0..5));
    // It is more than a minute late, the last is not.
    assert!(answers[0].contains(&question), "{answers:?}");
    assert_eq!(answers[4], "4");
}
