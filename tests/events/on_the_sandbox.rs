//! What each listener hears of what people do on a server.

use std::future::Future;
use std::pin::Pin;

use rocketbotte::event::EventKind;
use rocketbotte::sandbox::Sandbox;
use rocketbotte::transport::PerRoom;
use rocketbotte::{Response, Router};
use serde_json::json;
use tokio::sync::mpsc;
use tower::ServiceBuilder;

use super::listeners::listener;
use super::support::live::{Live, PATIENCE, bot_at};

pub(crate) struct Hearing {
    pub(crate) live: Live,
    heard: mpsc::UnboundedReceiver<String>,
}

impl Hearing {
    /// A bot that says to the test what its router says.
    pub(crate) async fn of(sandbox: &Sandbox, router: Router, per_room: PerRoom) -> Self {
        let (tell, heard) = mpsc::unbounded_channel();
        let app = ServiceBuilder::new()
            .map_response(move |response: Response| {
                for text in response.texts() {
                    tell.send(text.to_owned()).unwrap();
                }
                Response::default()
            })
            .service(router);
        let bot = bot_at(sandbox, "rocketbotte").per_room(per_room);
        let live = Live::of(sandbox, bot, app).await;
        Self { live, heard }
    }

    pub(crate) async fn next(&mut self) -> String {
        self.next_of("anything").await
    }

    async fn next_of(&mut self, wanted: impl std::fmt::Debug) -> String {
        match tokio::time::timeout(PATIENCE, self.heard.recv()).await {
            Ok(heard) => heard.expect("the bot runs"),
            Err(_) => panic!("nothing is heard of {wanted:?}"),
        }
    }

    /// Once the bot is subscribed to this event of a room, or to no such event any more.
    pub(crate) async fn subscribed(&self, room: &str, event: &str, is_on: bool) {
        let sandbox = &self.live.sandbox;
        let wanted = format!("{}/{event}", sandbox.room_id(room).unwrap());
        let has = |sandbox: &Sandbox| {
            sandbox
                .subscriptions()
                .iter()
                .any(|(_, _, event)| *event == wanted)
                == is_on
        };
        sandbox.wait_until(has, PATIENCE).await.unwrap();
    }
}

type Acted<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;
type Row = (
    EventKind,
    for<'a> fn(&'a Sandbox) -> Acted<'a>,
    &'static [&'static str],
);

const ROWS: &[Row] = &[
    (
        EventKind::Message,
        |on| Box::pin(async { drop(on.user("ann").say("general", "hello").await) }),
        &["hello in a channel"],
    ),
    (
        EventKind::Encrypted,
        |on| {
            Box::pin(async {
                let message = json!({ "rid": "general", "t": "e2e", "e2e": "pending", "msg": "" });
                on.user("ann").post(message).await;
            })
        },
        &[" in a channel"],
    ),
    (
        EventKind::Edited,
        |on| {
            Box::pin(async {
                let ann = on.user("ann");
                let id = ann.say("general", "helo").await;
                ann.edit(&id, "hello").await;
                ann.edit(&id, "hello!").await;
            })
        },
        &[
            r#"Some("helo") became "hello""#,
            r#"Some("hello") became "hello!""#,
        ],
    ),
    (
        EventKind::Deleted,
        |on| {
            Box::pin(async {
                let ann = on.user("ann");
                let id = ann.say("general", "oops").await;
                ann.delete(&id).await;
                on.set_setting("Message_ShowDeletedStatus", true);
                let id = ann.say("general", "oops again").await;
                ann.delete(&id).await;
            })
        },
        &[
            r#"Some("oops") is gone, with no trace"#,
            r#"Some("oops again") is gone, with a trace"#,
        ],
    ),
    (
        EventKind::Reaction,
        |on| {
            Box::pin(async {
                let id = on.user("ann").say("general", "hello").await;
                on.user("bob").react(&id, ":+1:").await;
                on.user("ann").react(&id, ":+1:").await;
                on.user("bob").unreact(&id, ":+1:").await;
            })
        },
        &["bob reacts :+1:", "ann reacts :+1:", "bob takes back :+1:"],
    ),
    (
        EventKind::Pinned,
        |on| {
            Box::pin(async {
                let id = on.user("ann").say("general", "rules").await;
                on.set_room_role("general", "ann", "owner").unwrap();
                on.user("ann").pin(&id).await;
            })
        },
        &[r#""rules" pinned: true"#],
    ),
    (
        EventKind::Starred,
        |on| {
            Box::pin(async {
                let id = on.user("ann").say("general", "nice").await;
                on.user("bob").star(&id, true).await;
                on.user("bob").star(&id, false).await;
            })
        },
        &[r#""nice" starred: true"#, r#""nice" starred: false"#],
    ),
    (
        EventKind::ThreadUpdate,
        |on| {
            Box::pin(async {
                let id = on.user("ann").say("general", "question").await;
                on.user("bob").reply("general", &id, "answer").await;
            })
        },
        &[r#""question" has 1 replies"#],
    ),
    (
        EventKind::System,
        |on| {
            Box::pin(async {
                let (ann, bob) = (on.user("ann"), on.user("bob"));
                on.set_room_role("general", "ann", "owner").unwrap();
                on.set_muted("general", "bob", true).unwrap();
                bob.leave("general").await;
                bob.join("general").await;
                // What the sandbox has no action for, in the form that a server gives it.
                for system_type in ["room-archived", "room_changed_announcement"] {
                    ann.post(json!({ "rid": "general", "t": system_type, "msg": "x" }))
                        .await;
                }
                on.create_discussion("general", "lunch", &["rocketbotte"])
                    .unwrap();
            })
        },
        &[
            r#"RoleAdded { username: "ann", role: "owner" }"#,
            r#"UserMuted { username: "bob" }"#,
            "UserLeft by bob",
            "UserJoined by bob",
            "RoomArchived by ann",
            r#"AnnouncementChanged { announcement: "x" } by ann"#,
            "DiscussionCreated",
        ],
    ),
    (
        EventKind::RoomJoined,
        |on| {
            Box::pin(async {
                on.create_channel("new", &["ann"]).unwrap();
                on.invite("new", "rocketbotte").unwrap();
                on.user("ann").direct(&["rocketbotte"]).await;
            })
        },
        &["new channel", "a room direct conversation"],
    ),
    (
        EventKind::RoomLeft,
        |on| Box::pin(async { on.kick("general", "rocketbotte").unwrap() }),
        &["a room channel"],
    ),
    (
        EventKind::Typing,
        |on| {
            Box::pin(async {
                on.user("ann").typing("general", true).await;
                on.user("ann").typing("general", false).await;
            })
        },
        &["ann types", "ann stops"],
    ),
];

#[tokio::test]
async fn what_people_do_is_heard() {
    for (kind, act, expected) in ROWS {
        let sandbox = Sandbox::builder()
            .user("ann")
            .user("bob")
            .bot("rocketbotte")
            .start()
            .await
            .unwrap();
        let per_room = match kind {
            EventKind::Deleted => PerRoom::new().deletions(),
            EventKind::Typing => PerRoom::new().typing(),
            _ => PerRoom::new(),
        };
        let mut hearing = Hearing::of(&sandbox, listener(*kind), per_room).await;
        match kind {
            EventKind::Deleted => hearing.subscribed("general", "deleteMessage", true).await,
            EventKind::Typing => hearing.subscribed("general", "user-activity", true).await,
            _ => {}
        }
        act(&sandbox).await;
        let mut left: Vec<&str> = expected.to_vec();
        while !left.is_empty() {
            let heard = hearing.next_of((kind, &left)).await;
            // Two things that the server says side by side have no order.
            let Some(index) = left.iter().position(|line| heard.starts_with(line)) else {
                panic!("{kind:?}: heard {heard:?}, and not {left:?}");
            };
            left.remove(index);
        }
        hearing.live.shut_down().await;
    }
}
