//! Tests of the session by hand, and what all its tests share.

mod arbitrary;
mod recordings;

use super::*;

const USER: &str = "rKy9v9n4yYWWjyyx5";

struct Driver {
    session: Session,
    now: Instant,
}

/// What came out, with frames as text.
#[derive(Debug, Default)]
struct Out {
    sent: Vec<String>,
    states: Vec<ConnectionState>,
    events: Vec<StreamEvent>,
    ready: usize,
    token_expires: Option<i64>,
    closed: Option<CloseReason>,
}

impl Driver {
    fn new() -> Self {
        let config = SessionConfig {
            user_id: USER.into(),
            token: Secret::new("TOKEN"),
            per_room: crate::transport::PerRoom::new(),
            has_activity: true,
        };
        let now = Instant::now();
        Self {
            session: Session::new(config, now),
            now,
        }
    }

    /// A session that is ready, and nothing left to do.
    fn ready() -> Self {
        let mut driver = Self::new();
        driver.out();
        driver.frame(r#"{"msg":"connected","session":"s"}"#);
        driver.frame(&format!(
            r#"{{"msg":"result","id":"1","result":{{"id":"{USER}","token":"TOKEN"}}}}"#
        ));
        let out = driver.frame(r#"{"msg":"ready","subs":["2","3"]}"#);
        assert_eq!(out.ready, 1);
        driver
    }

    fn frame(&mut self, text: &str) -> Out {
        self.session.handle(&text.into(), self.now);
        self.out()
    }

    fn pass(&mut self, time: Duration) -> Out {
        self.now += time;
        self.session.handle_timeout(self.now);
        self.out()
    }

    fn out(&mut self) -> Out {
        let mut out = Out::default();
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Send(text) => out.sent.push(text.0),
                Output::State(state) => out.states.push(state),
                Output::TokenExpires(at) => out.token_expires = Some(at),
                Output::Ready => out.ready += 1,
                Output::Event(event) => out.events.push(event),
                Output::Close(reason) => out.closed = Some(reason),
            }
        }
        out
    }
}

fn message(id: &str) -> String {
    format!(
        r#"{{"msg":"changed","collection":"stream-room-messages","id":"id","fields":{{"eventName":"__my_messages__","args":[{{"_id":"{id}","rid":"r","msg":"hi","ts":{{"$date":1795334400000}},"u":{{"_id":"uA","username":"ann"}},"_updatedAt":{{"$date":1795334400042}}}},{{"roomParticipant":true,"roomType":"c"}}]}}}}"#
    )
}

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[test]
fn when_a_token_expires_is_told() {
    for (date, expected) in [
        (r#"{"$date":1795334400000}"#, Some(1_795_334_400_000)),
        (r#"{"$date":null}"#, None),
        ("null", None),
        ("\"soon\"", None),
    ] {
        let mut driver = Driver::new();
        driver.frame(r#"{"msg":"connected","session":"s"}"#);
        let out = driver.frame(&format!(
            r#"{{"msg":"result","id":"1","result":{{"id":"{USER}","tokenExpires":{date}}}}}"#
        ));
        assert_eq!(out.token_expires, expected, "{date}");
        assert_eq!(out.states.first(), Some(&ConnectionState::LoggedIn), "{date}");
    }
}

#[test]
fn the_way_to_ready() {
    let mut driver = Driver::new();
    assert_eq!(
        driver.out().sent,
        [r#"{"msg":"connect","version":"1","support":["1"]}"#]
    );
    // Old servers send this first; it is not the answer.
    assert!(driver.frame(r#"{"server_id":"0"}"#).sent.is_empty());
    let out = driver.frame(r#"{"msg":"connected","session":"s"}"#);
    assert_eq!(out.states, [ConnectionState::Connected]);
    assert_eq!(
        out.sent,
        [r#"{"msg":"method","id":"1","method":"login","params":[{"resume":"TOKEN"}]}"#]
    );
    // The user document and `updated` may come before the result.
    driver.frame(r#"{"msg":"added","collection":"users","id":"u","fields":{"username":"bot"}}"#);
    driver.frame(r#"{"msg":"updated","methods":["1"]}"#);
    let out = driver.frame(&format!(
        r#"{{"msg":"result","id":"1","result":{{"id":"{USER}","tokenExpires":null}}}}"#
    ));
    assert_eq!(
        out.states,
        [ConnectionState::LoggedIn, ConnectionState::Subscribing]
    );
    assert_eq!(
        out.sent,
        [
            r#"{"msg":"sub","id":"2","name":"stream-room-messages","params":["__my_messages__",false]}"#
                .to_owned(),
            format!(
                r#"{{"msg":"sub","id":"3","name":"stream-notify-user","params":["{USER}/subscriptions-changed",false]}}"#
            ),
        ]
    );
    assert_eq!(driver.frame(r#"{"msg":"ready","subs":["2"]}"#).ready, 0);
    // A message that comes before everything is ready waits: `Ready` comes first.
    assert!(driver.frame(&message("m1")).events.is_empty());
    let out = driver.frame(r#"{"msg":"ready","subs":["3"]}"#);
    assert_eq!((out.ready, out.events.len()), (1, 1));
    assert_eq!(out.states, [ConnectionState::Ready]);
    // A second `ready` changes nothing.
    assert_eq!(driver.frame(r#"{"msg":"ready","subs":["2","3"]}"#).ready, 0);
    assert_eq!(driver.frame(&message("m2")).events.len(), 1);
}

#[test]
fn pings_are_answered_with_their_id() {
    let mut driver = Driver::new();
    driver.out();
    assert_eq!(driver.frame(r#"{"msg":"ping"}"#).sent, [r#"{"msg":"pong"}"#]);
    assert_eq!(
        driver.frame(r#"{"msg":"ping","id":"7"}"#).sent,
        [r#"{"msg":"pong","id":"7"}"#]
    );
}

#[test]
fn any_frame_is_life_and_silence_is_death() {
    let mut driver = Driver::ready();
    for _ in 0..10 {
        assert_eq!(driver.pass(secs(20)).sent.len(), 1, "one ping");
        driver.frame(r#"{"msg":"pong"}"#);
    }
    driver.pass(secs(59));
    driver.frame("not even JSON");
    assert!(driver.pass(secs(59)).closed.is_none());
    assert!(matches!(
        driver.pass(secs(1)).closed,
        Some(CloseReason::Timeout(_))
    ));
    assert_eq!(driver.session.next_timeout(), None);
}

#[test]
fn each_step_has_a_deadline() {
    let mut driver = Driver::new();
    assert_eq!(driver.session.next_timeout(), Some(driver.now + secs(15)));
    assert!(
        matches!(driver.pass(secs(15)).closed, Some(CloseReason::Timeout(what)) if what.contains("connect"))
    );

    let mut driver = Driver::new();
    driver.frame(r#"{"msg":"connected"}"#);
    driver.pass(secs(20));
    assert!(
        matches!(driver.pass(secs(10)).closed, Some(CloseReason::Timeout(what)) if what.contains("login"))
    );

    let mut driver = Driver::new();
    driver.frame(r#"{"msg":"connected"}"#);
    driver.frame(r#"{"msg":"result","id":"1"}"#);
    driver.pass(secs(44));
    assert!(
        matches!(driver.pass(secs(1)).closed, Some(CloseReason::Timeout(what)) if what.contains("subscription"))
    );
}

#[test]
fn refused_logins() {
    let login = |error: &str| {
        let mut driver = Driver::new();
        driver.frame(r#"{"msg":"connected"}"#);
        driver
            .frame(&format!(r#"{{"msg":"result","id":"1","error":{error}}}"#))
            .closed
    };
    for error in [
        r#"{"isClientSafe":true,"error":403,"reason":"You've been logged out by the server. Please log in again."}"#,
        r#"{"error":"error-user-is-not-activated","reason":"User is not activated"}"#,
        r#"{"error":"totp-required","reason":"TOTP Required","details":{"method":"email"}}"#,
        r#"{"error":400,"reason":"Unrecognized options for login request"}"#,
        r#"{"error":"401"}"#,
        r#"{"error":"totp-invalid"}"#,
    ] {
        assert!(
            matches!(login(error), Some(CloseReason::TokenRefused(_))),
            "{error}"
        );
    }
    for error in [
        r#"{"error":500,"reason":"Internal server error"}"#,
        r#"{"error":"error-login-blocked-for-ip"}"#,
        r#"{"error":429,"reason":"slow down"}"#,
        r#"{"error":404}"#,
        r#"{"error":"something-new"}"#,
        r#""Internal server error""#,
        r#"{}"#,
    ] {
        assert!(
            matches!(login(error), Some(CloseReason::LoginFailed(_))),
            "{error}"
        );
    }
    let mut driver = Driver::new();
    driver.frame(r#"{"msg":"connected"}"#);
    let out = driver.frame(r#"{"msg":"result","id":"1","result":{"id":"somebodyElse"}}"#);
    assert_eq!(
        out.closed,
        Some(CloseReason::OtherUser("somebodyElse".to_owned()))
    );
}

#[test]
fn a_limited_login_is_tried_again() {
    let mut driver = Driver::new();
    driver.out();
    driver.frame(r#"{"msg":"connected"}"#);
    let limited =
        r#"{"msg":"result","id":"1","error":{"error":"too-many-requests","details":{"timeToReset":7562}}}"#;
    assert!(driver.frame(limited).closed.is_none());
    assert!(driver.pass(secs(7)).sent.is_empty());
    let out = driver.pass(Duration::from_millis(562));
    assert_eq!(
        out.sent,
        [r#"{"msg":"method","id":"2","method":"login","params":[{"resume":"TOKEN"}]}"#]
    );
}

#[test]
fn refused_subscriptions() {
    let subscribe = |nosub: &str| {
        let mut driver = Driver::new();
        driver.frame(r#"{"msg":"connected"}"#);
        driver.frame(r#"{"msg":"result","id":"1"}"#);
        driver.frame(nosub);
        driver
    };
    // The one that brings the messages, refused with and without a reason, and ended later.
    let mut driver = Driver::ready();
    let closed = driver.frame(r#"{"msg":"nosub","id":"2"}"#).closed;
    assert_eq!(
        closed,
        Some(CloseReason::SubscriptionRefused {
            stream: "stream-room-messages",
            error: None
        })
    );
    let mut driver = Driver::new();
    driver.frame(r#"{"msg":"connected"}"#);
    driver.frame(r#"{"msg":"result","id":"1"}"#);
    let closed = driver
        .frame(r#"{"msg":"nosub","id":"2","error":{"error":"not-allowed"}}"#)
        .closed;
    assert!(matches!(
        closed,
        Some(CloseReason::SubscriptionRefused { error: Some(_), .. })
    ));
    // The other one is only missed.
    let mut driver = subscribe(r#"{"msg":"nosub","id":"3"}"#);
    assert_eq!(driver.frame(r#"{"msg":"ready","subs":["2"]}"#).ready, 1);
    // Over a limit: sent again under a fresh id.
    let mut driver = subscribe(
        r#"{"msg":"nosub","id":"2","error":{"error":"too-many-requests","details":{"timeToReset":40000}}}"#,
    );
    driver.frame(r#"{"msg":"ready","subs":["3"]}"#);
    assert!(
        driver
            .pass(secs(39))
            .sent
            .iter()
            .all(|frame| !frame.contains("\"sub\""))
    );
    driver.frame(r#"{"msg":"pong"}"#);
    let out = driver.pass(secs(1));
    let sub = out
        .sent
        .iter()
        .find(|frame| frame.contains("\"sub\""))
        .expect("subscribed again");
    assert!(
        sub.contains("__my_messages__") && !sub.contains(r#""id":"2""#),
        "{sub}"
    );
    // The bot does not wait for one that it can be without.
    let mut driver = subscribe(
        r#"{"msg":"nosub","id":"3","error":{"error":"too-many-requests","details":{"timeToReset":40000}}}"#,
    );
    assert_eq!(driver.frame(r#"{"msg":"ready","subs":["2"]}"#).ready, 1);
    assert!(
        driver
            .pass(secs(40))
            .sent
            .iter()
            .any(|frame| frame.contains("subscriptions-changed"))
    );
    // Nosub of what is not ours.
    assert!(
        Driver::ready()
            .frame(r#"{"msg":"nosub","id":"bot-s9","error":{"error":404}}"#)
            .closed
            .is_none()
    );
}

#[test]
fn a_subscription_that_is_only_missed_is_given_up() {
    let mut driver = Driver::new();
    driver.frame(r#"{"msg":"connected"}"#);
    driver.frame(r#"{"msg":"result","id":"1"}"#);
    driver.frame(r#"{"msg":"ready","subs":["2"]}"#);
    let out = driver.pass(secs(44));
    assert_eq!((out.ready, out.closed), (0, None));
    let out = driver.pass(secs(1));
    assert_eq!((out.ready, out.closed), (1, None));
    // An answer after all changes nothing.
    let out = driver.frame(r#"{"msg":"ready","subs":["3"]}"#);
    assert_eq!((out.ready, out.closed), (0, None));
    assert_eq!(driver.frame(&message("m1")).events.len(), 1);
}

#[test]
fn another_version_ends_it() {
    let mut driver = Driver::new();
    let closed = driver.frame(r#"{"msg":"failed","version":"2"}"#).closed;
    assert_eq!(closed, Some(CloseReason::Version("2".to_owned())));
    // Nothing more happens after the end.
    let out = driver.frame(r#"{"msg":"failed","version":"1"}"#);
    assert!(out.closed.is_none() && driver.pass(secs(600)).closed.is_none());
}

#[test]
fn typing_is_bounded_and_paused() {
    let mut driver = Driver::new();
    assert!(
        !driver.session.typing("r", None, "bot", true, driver.now),
        "not ready"
    );
    let mut driver = Driver::ready();
    for room in 0..40 {
        assert!(
            driver
                .session
                .typing(&room.to_string(), None, "bot", true, driver.now)
        );
    }
    assert!(
        !driver.session.typing("r", None, "bot", true, driver.now),
        "over the server's limit"
    );
    driver.now += secs(41);
    assert!(driver.session.typing("r", None, "bot", true, driver.now));
    driver.frame(
        r#"{"msg":"result","id":"44","error":{"error":"too-many-requests","details":{"timeToReset":5000}}}"#,
    );
    assert!(
        !driver.session.typing("s", None, "bot", true, driver.now),
        "refused all the same"
    );
    driver.now += secs(5);
    assert!(driver.session.typing("s", None, "bot", true, driver.now));
}

#[test]
fn a_flood_before_ready_is_neither_lost_nor_kept() {
    let mut driver = Driver::new();
    driver.frame(r#"{"msg":"connected"}"#);
    driver.frame(r#"{"msg":"result","id":"1"}"#);
    let passed: usize = (0..MAX_HELD + 10)
        .map(|i| driver.frame(&message(&i.to_string())).events.len())
        .sum();
    let rest = driver.frame(r#"{"msg":"ready","subs":["2","3"]}"#).events.len();
    assert_eq!(passed + rest, MAX_HELD + 10);
    assert!(driver.session.held.capacity() <= 2 * MAX_HELD);
}

#[test]
fn sockjs_frames_and_slices() {
    let mut driver = Driver::ready();
    driver.frame("o");
    let packed = serde_json::to_string(&[message("m1"), message("m2")]).expect("JSON");
    assert_eq!(driver.frame(&format!("a{packed}")).events.len(), 2);
    let out = driver.frame(&message("m3"));
    assert!(out.events[0].args.starts_with(r#"[{"_id":"m3""#));
    assert_eq!(out.events[0].event_name, "__my_messages__");
}

#[test]
fn the_token_is_not_shown() {
    let mut driver = Driver::new();
    assert!(!format!("{:?}", driver.session).contains("TOKEN"));
    driver
        .session
        .handle(&r#"{"msg":"connected"}"#.into(), driver.now);
    while let Some(output) = driver.session.poll_output() {
        assert!(!format!("{output:?}").contains("TOKEN"));
    }
}
