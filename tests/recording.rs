//! Sessions that are recorded and replayed: nothing secret is kept, nothing holds up the bot, and the same bot does the
//! same again.
#![cfg(feature = "test-util")]
#![allow(clippy::unwrap_used, reason = "a test ends by a panic")]

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use rocketbotte::command::CommandLayer;
use rocketbotte::event::{Event, Message};
use rocketbotte::extract::{Args, Author, Outbox};
use rocketbotte::handler::route;
use rocketbotte::layer::rate_limit::RateLimitLayer;
use rocketbotte::response::{Edit, React, Send};
use rocketbotte::testing::events::{self, bob, private_room, said};
use rocketbotte::testing::record::{Recorder, RecorderBuilder, RecordingError};
use rocketbotte::testing::replay::{Replay, ReplayReport};
use rocketbotte::testing::{self, TestBot};
use rocketbotte::{BoxError, Rejection, Request, Response, Router, Secret};
use tower::{Service, ServiceBuilder};

/// A file in memory.
#[derive(Clone, Default)]
struct File(Arc<Mutex<Vec<u8>>>);

impl File {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    fn replay(&self) -> Replay {
        Replay::read(self.text().as_bytes()).unwrap()
    }
}

impl Write for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

trait App:
    Service<Request, Response = Response, Error = BoxError, Future: std::marker::Send>
    + std::marker::Send
    + 'static
{
}

impl<S> App for S where
    S: Service<Request, Response = Response, Error = BoxError, Future: std::marker::Send>
        + std::marker::Send
        + 'static
{
}

async fn ping(Args(text): Args<String>) -> String {
    format!("pong {text}")
}

async fn add(Args((a, b)): Args<(i64, i64)>) -> String {
    a.saturating_add(b).to_string()
}

async fn fails() -> Result<(), BoxError> {
    Err("no database at db.internal".into())
}

async fn panics() {
    panic!("at the disco");
}

async fn logs_in(Args((user, password)): Args<(String, Secret)>) -> String {
    format!(
        "{user} has a password of {} bytes",
        password.expose().len().min(1)
    )
}

async fn deploys(outbox: Outbox) -> Result<Edit, BoxError> {
    let receipt = outbox.send("building").await?;
    let id = receipt.message_id().ok_or("no id")?.clone();
    outbox.perform(React::with(":rocket:").to(id.clone())).await?;
    Ok(Edit::new(id, "built"))
}

async fn slow() -> &'static str {
    tokio::time::sleep(Duration::from_secs(20)).await;
    "slowly"
}

async fn echo(message: Arc<Message>, author: Author) -> Option<String> {
    message
        .text()
        .contains("hello")
        .then(|| format!("{} said {}", author.username(), message.text()))
}

fn router() -> Router {
    Router::new()
        .command("ping", ping)
        .command("add", add)
        .command("fails", fails)
        .command("panics", panics)
        .command("login", logs_in)
        .command("deploy", deploys)
        .command("slow", slow)
        .command("no", || async { Err::<(), _>(Rejection::new("Not on Fridays.")) })
        .on_message(echo)
        .on_custom(
            "deployed",
            route(|| async { Send::text("deployed").to("GENERAL") }),
        )
}

fn app_with(router: Router) -> impl App {
    ServiceBuilder::new()
        .layer(CommandLayer::new("!"))
        .layer(RateLimitLayer::per_user(5, Duration::from_secs(10)))
        .service(router)
}

/// Everything in this order, a second between them.
async fn record_with(recorder: RecorderBuilder, router: Router, events: Vec<Event>) -> File {
    let file = File::default();
    let recorder = recorder.to_writer(file.clone()).unwrap();
    let app = ServiceBuilder::new()
        .layer(recorder.layer())
        .service(app_with(router));
    let bot = TestBot::new(app);
    for event in events {
        bot.deliver(event);
        testing::pass(Duration::from_secs(1)).await;
    }
    bot.shutdown().await;
    let written = recorder.finish().await.unwrap();
    assert_eq!(written.lost, 0);
    file
}

async fn record(events: Vec<Event>) -> File {
    record_with(Recorder::builder(), router(), events).await
}

async fn replay(file: &File, router: Router) -> ReplayReport {
    file.replay().run(app_with(router)).await.unwrap()
}

fn session() -> Vec<Event> {
    vec![
        events::ready(),
        events::message("!ping 7"),
        events::message("!add one two"),
        said("!add 1 2")
            .by(bob())
            .in_room(private_room("ops"))
            .in_thread("m1")
            .into(),
        events::message("hello there"),
        events::message("!fails"),
        events::message("!panics"),
        events::message("!deploy"),
        events::message("!slow"),
        events::message("!ping behind the slow one"),
        events::message("!no"),
        events::direct_message("ping without a prefix"),
        said("hello").edited(),
        said("hello").reaction(":+1:", "bob"),
        events::deleted("m1"),
        events::typing(true),
        events::custom("deployed", ()),
        events::raw("stream-notify-logged", "user-status", "[]"),
        events::reconnected(Duration::from_secs(3)),
    ]
}

#[tokio::test(start_paused = true)]
async fn the_same_bot_does_the_same_again() {
    let file = record(session()).await;
    let report = replay(&file, router()).await;
    report.assert_same();
    // With that of its end.
    assert_eq!(report.compared(), session().len() + 1, "{report}");
    assert!(report.skipped().is_empty() && report.lost() == 0);
    // And so it does when the replay is recorded.
    let again = File::default();
    let recorder = Recorder::builder().to_writer(again.clone()).unwrap();
    let app = ServiceBuilder::new()
        .layer(recorder.layer())
        .service(app_with(router()));
    file.replay().run(app).await.unwrap().assert_same();
    recorder.finish().await.unwrap();
    replay(&again, router()).await.assert_same();
}

#[tokio::test(start_paused = true)]
async fn another_bot_is_told_apart_with_the_reason() {
    let file = record(session()).await;
    let changed = Router::new()
        .command("ping", || async { "PONG" })
        .command("add", add)
        .command("fails", || async { "works now" })
        .command("panics", panics)
        .command("login", logs_in)
        .command("deploy", || async { Edit::new("m7", "built") })
        .command("slow", slow)
        .command("no", || async { Err::<(), _>(Rejection::new("Never.")) })
        .on_message(echo);
    let report = replay(&file, changed).await;
    assert!(!report.is_same());
    let text = report.to_string();
    for part in [
        "- [ping] rocketbotte: pong 7\n+ [ping] rocketbotte: PONG",
        "\"ann: !ping 7\" in #general: - is what it led to then, + what it leads to now",
        "- [fails] failed\n+ [fails] rocketbotte: works now\n+ [fails] handled",
        "- [deploy] while it runs, rocketbotte: building",
        "- [no] rejected: Not on Fridays.\n+ [no] rejected: Never.",
        "why: message: the command `ping` behind `!`",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let differences: Vec<_> = report
        .differences()
        .iter()
        .map(|d| d.event().to_owned())
        .collect();
    assert_eq!(differences.len(), 7, "{differences:#?}");
}

#[tokio::test(start_paused = true)]
async fn time_limits_see_the_pauses_of_then() {
    let events = || (0..10).map(|n| events::message(format!("!ping {n}"))).collect();
    // One a second: within ten seconds five may ask.
    let file = record(events()).await;
    assert!(file.text().contains("Slow down"), "{}", file.text());
    replay(&file, router()).await.assert_same();
    let at_once = file.replay().at_once().run(app_with(router())).await.unwrap();
    assert!(at_once.compared() == 11, "{at_once}");
}

#[tokio::test(start_paused = true)]
async fn what_handlers_were_given_then_they_are_given_again() {
    // What it edits is the message that it sent.
    let file = record(vec![events::message("!deploy")]).await;
    let text = file.text();
    let line = text.lines().find(|line| line.contains("building")).unwrap();
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    let sent = &line["answer"]["sent"][0]["receipt"];
    assert!(sent.is_string(), "{line}");
    assert_eq!(
        &line["answer"]["actions"][0]["action"]["edit"]["message_id"],
        sent
    );
    replay(&file, router()).await.assert_same();
}

#[tokio::test(start_paused = true)]
async fn secrets_are_not_in_the_file() {
    let secrets = [
        "hunter2",
        "ann@example.org",
        "ghp_0123456789abcdefghijklmn",
        "s3cr3t-of-the-file",
        "9HqLlyZOugoStsXCUfD_0YdwnNnunAJF8V47U3QHXSq",
        "Kr0k0dil",
        "the codename",
    ];
    let attachments = serde_json::json!([{ "title": "log", "text": "password=Kr0k0dil" }]);
    let events = vec![
        events::message("!login ann hunter2"),
        events::message("!login onlyhunter2"),
        events::message("hello, mail ann@example.org or use ghp_0123456789abcdefghijklmn"),
        events::message("hello, the key is s3cr3t-of-the-file of the codename"),
        said("hello").with("authToken", "hunter2").into(),
        said("hello").with("attachments", attachments).into(),
        events::raw(
            "stream-notify-user",
            "u/message",
            r#"[{"resume":"hunter2","text":"token: 9HqLlyZOugoStsXCUfD_0YdwnNnunAJF8V47U3QHXSq"}]"#,
        ),
    ];
    let recorder = Recorder::builder()
        .secret("s3cr3t-of-the-file")
        .redact(|text| text.replace("the codename", "the project"));
    let file = record_with(recorder, router(), events).await;
    let text = file.text();
    for secret in secrets {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    for kept in [
        "!login ann ***",
        "ann said hello, mail person1@example.invalid",
        "the project",
    ] {
        assert!(text.contains(kept), "{kept} in {text}");
    }
    replay(&file, router()).await.assert_same();
}

#[tokio::test(start_paused = true)]
async fn secrets_are_not_in_the_file_under_any_name() {
    let named = "t0p-s3cr3t";
    let secrets = [
        named,
        "sk-live-0123456789abcdef",
        "hunter2",
        "Wr0ngH0rse",
        "B4tteryStaple",
        "MIIEfirst",
        "MIIEsecond",
        "lQOYpgp",
        "hooksecret",
        "TWEB/BHOOK",
        "bob@example.org",
    ];
    let payload = serde_json::json!({
        "key": "sk-live-0123456789abcdef",
        "kind": { "password": "hunter2" },
        "emoji": ["token=Wr0ngH0rse"],
        "username": { "deeper": [{ "username": "bob@example.org" }] },
        "_id": { "apiKey": "B4tteryStaple" },
        format!("of {named}"): { "bob@example.org": 1 },
    });
    let in_room = |name: &str| private_room("ops").with_name(name);
    let first = "-----BEGIN PRIVATE KEY-----\nMIIEfirst\n-----END PRIVATE KEY-----\n";
    let events = vec![
        events::custom("deployed", payload.clone()),
        events::raw(
            "stream-notify-user",
            "u/x",
            &serde_json::json!([payload]).to_string(),
        ),
        said("hello")
            .with("key", serde_json::json!({ "password": "hunter2" }))
            .into(),
        said("hello")
            .with("rid2", named)
            .in_room(in_room(&format!("ops-{named}")))
            .into(),
        said("hello").reaction(&format!(":{named}:"), "bob"),
        events::message(format!("{first}-----BEGIN PRIVATE KEY-----\nMIIEsecond")),
        events::message(
            "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQOYpgp\n-----END PGP PRIVATE KEY BLOCK-----",
        ),
        events::message(
            "https://chat.example/hooks/65f0/hooksecret and https://hooks.slack.com/services/TWEB/BHOOK/x",
        ),
    ];
    let events = events.into_iter().chain([said(format!("!{named}")).into()]);
    let router = router().command(named, ping);
    let file = record_with(Recorder::builder().secret(named), router, events.collect()).await;
    let text = file.text();
    for secret in secrets {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    // Everything is still there to be delivered again.
    assert!(Replay::read(text.as_bytes()).unwrap().damages().is_empty());
}

#[tokio::test(start_paused = true)]
async fn secrets_and_rules_leave_the_names_of_fields_that_the_server_has() {
    let events = ["!login ann username", "!login ann msg", "!ping"].map(events::message);
    let recorder = Recorder::builder().redact(|text| text.replace("msg", "text").to_uppercase());
    let file = record_with(recorder, router(), events.to_vec()).await;
    let text = file.text();
    assert!(text.contains("\"msg\":\"!LOGIN ANN ***\""), "{text}");
    assert_eq!(file.replay().events(), 4, "{text}");
}

#[tokio::test(start_paused = true)]
async fn payloads_that_are_not_recorded_are_skipped_and_said() {
    let file = record(vec![events::custom("deployed", 7_u64), events::message("!ping")]).await;
    let report = replay(&file, router()).await;
    report.assert_same();
    assert_eq!(report.skipped().len(), 1, "{report}");
    assert!(
        report
            .to_string()
            .contains("payload of a type that is not recorded")
    );
}

#[tokio::test]
async fn a_disk_that_is_full_costs_the_bot_nothing_and_is_said() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let recorder = Recorder::builder().to_writer(Full).unwrap();
    let bot = TestBot::new(
        ServiceBuilder::new()
            .layer(recorder.layer())
            .service(app_with(router())),
    );
    bot.ask(events::message("!ping 1")).await.says(["pong 1"]);
    assert_eq!(
        recorder.finish().await.unwrap_err().kind(),
        io::ErrorKind::StorageFull
    );
    bot.ask(events::message("!ping 2")).await.says(["pong 2"]);
    let _ = recorder.finish().await;
    assert!(recorder.lost() >= 1);
}

/// A disk that stands still until it is let go.
struct Stuck(std::sync::mpsc::Receiver<()>, File);

impl Write for Stuck {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Whoever held it back is gone.
        let _ = self.0.recv();
        self.1.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn what_comes_faster_than_it_can_be_written_is_lost_and_counted() {
    let (go, stop) = std::sync::mpsc::channel();
    let file = File::default();
    let recorder = Recorder::builder()
        .queue(8)
        .to_writer(Stuck(stop, file.clone()))
        .unwrap();
    let bot = TestBot::new(ServiceBuilder::new().layer(recorder.layer()).service(router()));
    for n in 0..200 {
        bot.ask(events::message(format!("hello {n}")))
            .await
            .says([format!("ann said hello {n}")]);
        if n == 100 {
            assert!(recorder.lost() > 0, "the disk stands still, and the bot does not");
        }
    }
    drop(go);
    let written = recorder.finish().await.unwrap();
    assert!(
        written.lost >= 150 && written.events + written.lost == 200,
        "{written:?}"
    );
    bot.ask(events::message("hello again"))
        .await
        .says(["ann said hello again"]);
    let written = recorder.finish().await.unwrap();
    assert_eq!(written.bytes, file.text().len() as u64);
    let replay = file.replay();
    assert_eq!(replay.events() as u64, written.events);
    let report = replay.at_once().run(router()).await.unwrap();
    report.assert_same();
    assert_eq!(report.lost(), written.lost);
}

#[tokio::test(start_paused = true)]
async fn a_file_has_a_bound() {
    let recorder = Recorder::builder().max_bytes(2_000);
    let file = File::default();
    let recorder = recorder.to_writer(file.clone()).unwrap();
    let bot = TestBot::new(ServiceBuilder::new().layer(recorder.layer()).service(router()));
    for n in 0..50 {
        bot.ask(events::message(format!("hello {n}")))
            .await
            .says([format!("ann said hello {n}")]);
    }
    let written = recorder.finish().await.unwrap();
    assert!(written.bytes <= 2_000 && written.lost > 0, "{written:?}");
    assert_eq!(file.text().len() as u64, written.bytes);
    file.replay().run(router()).await.unwrap().assert_same();
}

#[tokio::test]
async fn a_file_is_its_owners_and_no_other_is_written_over() {
    let path = std::env::temp_dir().join(format!("rocketbotte-recording-{}.jsonl", fastrand::u64(..)));
    let recorder = Recorder::to_file(&path).unwrap();
    testing::call(
        ServiceBuilder::new().layer(recorder.layer()).service(router()),
        events::message("hello"),
    )
    .await
    .unwrap();
    recorder.finish().await.unwrap();
    assert_eq!(
        Recorder::to_file(&path).unwrap_err().kind(),
        io::ErrorKind::AlreadyExists
    );
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
    }
    let replay = Replay::open(&path).unwrap();
    assert_eq!(replay.events(), 1);
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(Replay::open(&path), Err(RecordingError::Io(_))));
}

mod damage {
    use super::*;

    async fn lines() -> Vec<String> {
        let file = record(vec![events::message("!ping 1"), events::message("!ping 2")]).await;
        file.text().lines().map(str::to_owned).collect()
    }

    fn read(lines: &[String]) -> Result<Replay, RecordingError> {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        Replay::read(text.as_bytes())
    }

    #[tokio::test(start_paused = true)]
    async fn a_damaged_line_is_named_with_what_is_wrong() {
        let whole = lines().await;
        assert_eq!(whole.len(), 4, "{whole:?}");
        let damaged = |line: usize, text: String| {
            let mut lines = whole.clone();
            lines[line] = text;
            read(&lines).unwrap_err().to_string()
        };
        for (line, text, what) in [
            (
                2,
                "nonsense".to_owned(),
                "line 3 of the recording is damaged: expected",
            ),
            (
                1,
                whole[1].replace("\"kind\":\"message\"", "\"kind\":\"telepathy\""),
                "line 2 of the recording is damaged: an event of the unknown kind \"telepathy\"",
            ),
            (
                1,
                whole[1].replace("\"_id\"", "\"id\""),
                "line 2 of the recording is damaged: a message without `_id`",
            ),
            (
                2,
                whole[1].clone(),
                "line 3 of the recording is damaged: the event 1 comes a second time",
            ),
            (
                2,
                whole[0].clone(),
                "line 3 of the recording is damaged: a second beginning",
            ),
            (0, whole[1].clone(), "this is no recording"),
            (0, "{}".to_owned(), "this is no recording"),
            (
                0,
                whole[0].replace("\"version\":1", "\"version\":2"),
                "the recording has the format 2; this version reads up to 1",
            ),
        ] {
            let error = damaged(line, text);
            assert!(error.contains(what), "{what} in {error}");
        }
        assert!(matches!(read(&[]), Err(RecordingError::NotARecording(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_recording_that_is_cut_off_can_be_replayed_up_to_there() {
        let whole = lines().await.join("\n");
        let cut = &whole[..whole.len() - 5];
        let error = Replay::read(cut.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("line 4") && error.contains("cut off"), "{error}");
        let path = std::env::temp_dir().join(format!("rocketbotte-cut-{}.jsonl", fastrand::u64(..)));
        std::fs::write(&path, cut).unwrap();
        let replay = Replay::open_damaged(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!((replay.events(), replay.damages().len()), (2, 1));
        let report = replay.run(app_with(router())).await.unwrap();
        report.assert_same();
        assert!(report.to_string().contains("left out: line 4"), "{report}");
    }
}

/// What people say, and what happens.
fn event() -> impl Strategy<Value = Event> {
    let text = prop_oneof![
        3 => "!(ping|add|fails|login|deploy|slow|no|what)( [a-z0-9]{1,6}){0,3}",
        1 => "hello [a-z@.]{0,20}",
        1 => "!login (ann|bob) [A-Za-z0-9!@:=_-]{1,12}",
        1 => Just("hello a.b@example.org, token=abc, password: x".to_owned()),
        1 => ".{0,30}",
    ];
    (text, 0..10_u8, any::<bool>()).prop_map(|(text, what, is_bob)| {
        let message = said(text);
        let message = if is_bob {
            message.by(bob()).in_room(private_room("ops"))
        } else {
            message
        };
        match what {
            0 => message.edited(),
            1 => message.reaction(":+1:", "bob"),
            2 => message.in_thread("m1").into(),
            3 => message.deleted(),
            4 => message.from_bot().into(),
            5 => events::custom("deployed", ()),
            _ => message.into(),
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_was_recorded_is_done_again(events in prop::collection::vec(event(), 0..30)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let file = record(events).await;
            let text = file.text();
            if text.is_empty() {
                return;
            }
            let report = replay(&file, router()).await;
            assert!(report.is_same(), "{report}\n{text}");
        });
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
        let _ = Replay::read(&bytes[..]);
    }

    #[test]
    fn any_line_behind_the_first_is_read_or_refused(line in ".{0,200}") {
        let first = r#"{"line":"recording","version":1,"began":0,"bot_id":"u","bot_username":"bot"}"#;
        let text = format!("{first}\n{line}\n");
        if let Err(error) = Replay::read(text.as_bytes()) {
            prop_assert!(matches!(error, RecordingError::Damaged(_)), "{}", error);
        }
    }
}

#[cfg(all(feature = "client", feature = "sandbox"))]
mod live {
    use rocketbotte::sandbox::Sandbox;

    use super::*;

    #[tokio::test]
    async fn a_session_on_a_server_is_recorded_as_the_server_sent_it_and_done_again() {
        let sandbox = Sandbox::start().await.unwrap();
        let (account, file) = (sandbox.bot("rocketbotte"), File::default());
        let recorder = Recorder::builder().to_writer(file.clone()).unwrap();
        let app = || {
            ServiceBuilder::new()
                .layer(CommandLayer::new("!"))
                .service(router())
        };
        let recorded = ServiceBuilder::new().layer(recorder.layer()).service(app());
        let bot = testing::serve(&sandbox, "rocketbotte", recorded).await;
        let ann = sandbox.user("ann");
        assert_eq!(ann.ask("general", "!ping 7").await.text, "pong 7");
        let asked = ann.say("general", &format!("hello {}", account.token())).await;
        sandbox
            .wait_for_reply(&asked, Duration::from_secs(10))
            .await
            .unwrap();
        sandbox.restart().await;
        assert_eq!(ann.ask("general", "!deploy").await.text, "building");
        sandbox
            .wait_for(|message| message.text == "built", Duration::from_secs(10))
            .await
            .unwrap();
        bot.shutdown().await;
        recorder.finish().await.unwrap();
        let text = file.text();
        assert!(!text.contains(&account.token()), "{text}");
        // A field that no handler asked for.
        assert!(text.contains("\"channels\":[]"), "{text}");
        let report = file.replay().at_once().run(app()).await.unwrap();
        assert!(report.is_same() && report.compared() >= 5, "{report}\n{text}");
    }
}
