//! Each call of the REST client against the sandbox, with what it changes: rows that more than one test goes through.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "each test uses a part, and a test ends by them"
)]

use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, TryStreamExt as _};
use rocketbotte::event::{Message, MessageId, RoomId, RoomKind, Timestamp, UserId};
use rocketbotte::response::Upload;
use rocketbotte::rest::endpoint::{self, *};
use rocketbotte::rest::file::FileLink;
use rocketbotte::rest::{Client, RoomHandle, RoomRef, UserRef};
use rocketbotte::sandbox::{Sandbox, SandboxBuilder, SandboxUser, UserSpec};
use rocketbotte::transport::Connector;
use rocketbotte::{Credentials, Secret};

/// A server with people and rooms, and clients for them.
pub struct Stage {
    pub sandbox: Sandbox,
    /// `rocketbotte`, an owner of `ops` and `secret`.
    pub bot: Client,
}

pub fn builder() -> SandboxBuilder {
    Sandbox::builder()
        .version("9.0.0")
        .user("ann")
        .user("bob")
        .user("carl")
        .user_with(UserSpec::new("root").roles(["user", "admin"]))
        .user_with(
            UserSpec::new("rocketbotte")
                .roles(["user", "bot"])
                .password("pass"),
        )
        .user_with(UserSpec::new("plainbot").roles(["bot"]))
        .channel_with("ops", &["rocketbotte", "ann", "bob", "plainbot"])
        .channel_with("open", &["ann"])
        .group_with("secret", &["rocketbotte", "ann"])
}

impl Stage {
    pub fn start(builder: SandboxBuilder) -> Self {
        let sandbox = builder.start_in_memory();
        for room in ["ops", "secret"] {
            sandbox.set_room_role(room, "rocketbotte", "owner").unwrap();
        }
        let bot = client_of(&sandbox, "rocketbotte");
        Self { sandbox, bot }
    }

    pub fn new() -> Self {
        Self::start(builder())
    }

    pub fn as_user(&self, name: &str) -> Client {
        client_of(&self.sandbox, name)
    }

    pub fn user(&self, name: &str) -> SandboxUser {
        self.sandbox.user(name)
    }

    pub fn id(&self, name: &str) -> UserId {
        UserId::from(self.sandbox.user(name).id())
    }

    pub fn room_id(&self, name: &str) -> RoomId {
        RoomId::from(self.sandbox.room_id(name).unwrap())
    }

    /// A room whose kind the client is not told.
    pub fn room(&self, name: &str) -> RoomHandle {
        self.bot.room(self.room_id(name))
    }

    pub async fn said(&self, room: &str, text: &str) -> MessageId {
        MessageId::from(self.user("ann").say(room, text).await.as_str())
    }

    pub async fn direct(&self) -> RoomHandle {
        let id = self.bot.rooms().direct_with("ann").await.unwrap();
        self.bot.room(RoomRef::new(id, RoomKind::Direct))
    }

    pub async fn send(&self, id: &str, room: &str, text: &str) {
        let message = OutgoingMessage::new(id, self.room_id(room), text);
        let sent = SendMessage {
            message,
            preview_urls: None,
        };
        assert!(self.bot.call(&sent).await.unwrap().has_message());
    }
}

pub fn pipes(sandbox: &Sandbox) -> Connector {
    let sandbox = sandbox.clone();
    Connector::from_fn(move |_| {
        let io = sandbox.connect();
        async { Ok::<_, std::io::Error>(io) }
    })
}

pub fn client_of(sandbox: &Sandbox, name: &str) -> Client {
    let account = sandbox.user(name);
    Client::builder(sandbox.url().parse().unwrap(), pipes(sandbox))
        .credentials(Credentials::new(account.id(), account.token()).unwrap())
        .build()
}

fn texts(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(Message::text).collect()
}

fn names(users: &[RestUser]) -> Vec<&str> {
    let mut names: Vec<&str> = users.iter().filter_map(|user| user.username.as_deref()).collect();
    names.sort_unstable();
    names
}

fn room_names(rooms: &[RestRoom]) -> Vec<&str> {
    let mut names: Vec<&str> = rooms.iter().filter_map(|room| room.name.as_deref()).collect();
    names.sort_unstable();
    names
}

/// Method and path of a call, and what it does.
pub type Row = (&'static str, for<'a> fn(&'a Stage) -> BoxFuture<'a, ()>);

macro_rules! rows {
    ($($call:literal |$s:ident| $body:block)*) => {
        &[$(($call, |$s: &Stage| async move { $body }.boxed())),*]
    };
}

/// Each call once, and what shows that it did what it says.
pub const ROWS: &[Row] = rows! {
    "POST login" |s| {
        let anonymous = Client::builder(s.sandbox.url().parse().unwrap(), pipes(&s.sandbox)).build();
        let login = anonymous.login("rocketbotte", &Secret::new("pass")).await.unwrap();
        assert_eq!(login.call(&Me {}).await.unwrap().username, "rocketbotte");
    }
    "POST logout" |s| {
        let login = s.bot.login("rocketbotte", &Secret::new("pass")).await.unwrap();
        login.logout().await.unwrap();
        login.call(&Me {}).await.unwrap_err();
    }
    "GET me" |s| {
        let me = s.bot.call(&Me {}).await.unwrap();
        assert_eq!((me.id.as_str(), me.roles.as_slice()), (s.id("rocketbotte").as_str(), &["user".to_owned(), "bot".to_owned()][..]));
    }
    "GET /api/info" |s| {
        assert!(s.bot.call(&Info {}).await.unwrap().version().is_some());
    }
    "GET settings.public" |s| {
        let settings = s.bot.call(&PublicSettings::of(["Message_MaxAllowedSize"])).await.unwrap();
        assert_eq!(settings.get("Message_MaxAllowedSize"), Some(&serde_json::json!(5000)));
        assert_eq!(settings.settings.len(), 1);
    }
    "POST chat.sendMessage" |s| {
        s.send("m1", "ops", "hi").await;
        assert_eq!(s.sandbox.message("m1").unwrap().text, "hi");
    }
    "GET chat.getMessage" |s| {
        let id = s.said("ops", "found").await;
        let message = s.bot.message(&id).get().await.unwrap();
        assert_eq!((message.text(), message.author().username(), message.room().id()), ("found", "ann", &s.room_id("ops")));
        assert!(message.created_at().as_millis() > 0);
    }
    "POST chat.update" |s| {
        s.send("m1", "ops", "before").await;
        let update = UpdateMessage { room_id: s.room_id("ops"), message_id: "m1".into(), text: "after".to_owned() };
        s.bot.call(&update).await.unwrap();
        let message = s.bot.message(&"m1".into()).get().await.unwrap();
        assert_eq!(message.text(), "after");
        assert!(message.edited_at().is_some());
    }
    "POST chat.delete" |s| {
        s.send("m1", "ops", "gone").await;
        s.bot.call(&DeleteMessage { room_id: s.room_id("ops"), message_id: "m1".into() }).await.unwrap();
        assert!(s.sandbox.message("m1").is_none());
    }
    "POST chat.react" |s| {
        let id = s.said("ops", "nice").await;
        let mut react = React { message_id: id.clone(), emoji: ":tada:".to_owned(), should_react: true };
        s.bot.call(&react).await.unwrap();
        let reactions = async || {
            let message = s.bot.message(&id).get().await.unwrap();
            message.field::<serde_json::Value>("reactions").ok().flatten().unwrap_or_default().to_string()
        };
        assert!(reactions().await.contains("rocketbotte"));
        react.should_react = false;
        s.bot.call(&react).await.unwrap();
        assert!(!reactions().await.contains("rocketbotte"));
    }
    "POST chat.pinMessage" |s| {
        let id = s.said("ops", "rules").await;
        s.bot.message(&id).pin().await.unwrap();
        assert!(s.bot.message(&id).get().await.unwrap().is_pinned());
    }
    "POST chat.unPinMessage" |s| {
        let id = s.said("ops", "rules").await;
        s.bot.message(&id).pin().await.unwrap();
        s.bot.message(&id).unpin().await.unwrap();
        assert!(!s.bot.message(&id).get().await.unwrap().is_pinned());
    }
    "GET chat.getPinnedMessages" |s| {
        let id = s.said("ops", "rules").await;
        s.said("ops", "chatter").await;
        s.bot.message(&id).pin().await.unwrap();
        let pinned: Vec<_> = s.room("ops").pinned().try_collect().await.unwrap();
        assert_eq!(texts(&pinned), ["rules"]);
    }
    "POST chat.starMessage" |s| {
        let id = s.said("ops", "later").await;
        s.bot.message(&id).star().await.unwrap();
        let starred: Vec<_> = s.room("ops").starred().try_collect().await.unwrap();
        assert_eq!(texts(&starred), ["later"]);
        let others: Vec<_> = s.as_user("bob").room(s.room_id("ops")).starred().try_collect().await.unwrap();
        assert!(others.is_empty());
    }
    "POST chat.unStarMessage" |s| {
        let id = s.said("ops", "later").await;
        s.bot.message(&id).star().await.unwrap();
        s.bot.message(&id).unstar().await.unwrap();
        let starred: Vec<_> = s.room("ops").starred().try_collect().await.unwrap();
        assert!(starred.is_empty());
    }
    "GET chat.getStarredMessages" |s| {
        let id = s.said("ops", "later").await;
        s.said("ops", "chatter").await;
        s.bot.message(&id).star().await.unwrap();
        let starred: Vec<_> = s.room("ops").starred().try_collect().await.unwrap();
        assert_eq!(texts(&starred), ["later"]);
    }
    "POST chat.followMessage" |s| {
        let root = s.said("ops", "thread").await;
        s.user("ann").reply("ops", root.as_str(), "first").await;
        let following = async || -> Vec<Message> {
            s.room("ops").only_threads(OnlyThreads::Following).try_collect().await.unwrap()
        };
        assert!(following().await.is_empty());
        s.bot.message(&root).follow().await.unwrap();
        assert_eq!(texts(&following().await), ["thread"]);
    }
    "POST chat.unfollowMessage" |s| {
        let root = s.said("ops", "thread").await;
        s.user("ann").reply("ops", root.as_str(), "first").await;
        s.bot.message(&root).follow().await.unwrap();
        s.bot.message(&root).unfollow().await.unwrap();
        let following: Vec<_> = s.room("ops").only_threads(OnlyThreads::Following).try_collect().await.unwrap();
        assert!(following.is_empty());
    }
    "POST chat.reportMessage" |s| {
        let id = s.said("ops", "rude").await;
        s.bot.message(&id).report("it is rude").await.unwrap();
    }
    "GET chat.getThreadMessages" |s| {
        let root = s.said("ops", "thread").await;
        for text in ["one", "two"] {
            s.user("ann").reply("ops", root.as_str(), text).await;
        }
        let thread: Vec<_> = s.bot.message(&root).thread().try_collect().await.unwrap();
        assert_eq!(texts(&thread), ["one", "two"]);
        assert_eq!(thread[0].thread_id(), Some(&root));
    }
    "GET chat.getThreadsList" |s| {
        let root = s.said("ops", "thread").await;
        s.said("ops", "no thread").await;
        s.user("ann").reply("ops", root.as_str(), "one").await;
        let threads: Vec<_> = s.room("ops").threads().try_collect().await.unwrap();
        assert_eq!((texts(&threads), threads[0].reply_count()), (vec!["thread"], 1));
    }
    "GET chat.getMentionedMessages" |s| {
        s.said("ops", "@rocketbotte look").await;
        s.said("ops", "nobody").await;
        let mine: Vec<_> = s.room("ops").mentioning_me().try_collect().await.unwrap();
        assert_eq!(texts(&mine), ["@rocketbotte look"]);
    }
    "GET chat.search" |s| {
        for text in ["the deploy failed", "lunch?"] {
            s.said("ops", text).await;
        }
        let found: Vec<_> = s.room("ops").search("deploy").try_collect().await.unwrap();
        assert_eq!(texts(&found), ["the deploy failed"]);
    }
    "GET chat.syncMessages" |s| {
        s.said("ops", "new").await;
        let sync = SyncMessages { room_id: s.room_id("ops"), last_update: Timestamp::from_millis(86_400_000) };
        let changed = s.bot.call(&sync).await.unwrap().result;
        assert!(changed.updated.iter().any(|message| message["msg"] == "new"));
    }
    "POST rooms.media" |s| {
        let sent = s.bot.upload(s.room_id("ops"), Upload::from_bytes("a.txt", "a")).await.unwrap();
        let file = s.bot.download(sent.path()).await.unwrap();
        assert_eq!(file.bytes().await.unwrap(), "a");
    }
    "POST rooms.mediaConfirm" |s| {
        let upload = Upload::from_bytes("a.txt", "a").message("see").described("a file");
        let sent = s.bot.upload(s.room_id("ops"), upload).await.unwrap();
        assert_eq!(s.sandbox.message(sent.message_id.as_str()).unwrap().text, "see");
        let message = s.bot.message(&sent.message_id).get().await.unwrap();
        let link = FileLink::from(&message.files()[0]);
        assert_eq!(s.bot.download(link).await.unwrap().bytes().await.unwrap(), "a");
    }
    "POST rooms.upload" |s| {
        let upload = Upload::from_bytes("a.txt", "a").message("see").described("a file");
        let sent = s.bot.upload(s.room_id("ops"), upload).await.unwrap();
        let message = s.sandbox.message(sent.message_id.as_str()).unwrap();
        assert_eq!((message.text.as_str(), &message.raw["file"]["_id"]), ("see", &sent.file_id.as_str().into()));
    }
    "GET rooms.get" |s| {
        let rooms = s.bot.call(&endpoint::Rooms::default()).await.unwrap().update;
        assert!(rooms.iter().any(|room| room.id == s.room_id("ops")));
    }
    "GET subscriptions.get" |s| {
        let rooms = s.bot.call(&Subscriptions::default()).await.unwrap().update;
        let ops = rooms.iter().find(|room| room.room_id == s.room_id("ops")).unwrap();
        assert_eq!(ops.roles.as_deref(), Some(&["owner".to_owned()][..]));
        assert!(ops.joined_at.is_some());
    }
    "POST subscriptions.read" |s| {
        s.said("ops", "unread").await;
        s.room("ops").mark_read().await.unwrap();
        assert_eq!(alert(s).await, serde_json::json!(false));
    }
    "POST subscriptions.unread" |s| {
        s.said("ops", "read it later").await;
        s.room("ops").mark_read().await.unwrap();
        s.room("ops").mark_unread().await.unwrap();
        assert_eq!(alert(s).await, serde_json::json!(true));
    }
    "GET rooms.info" |s| {
        let by_id = s.room("ops").info().await.unwrap();
        let by_name = s.bot.rooms().by_name("ops").await.unwrap();
        assert_eq!((&by_id.id, by_id.kind, by_id.users_count), (&by_name.id, RoomKind::Channel, Some(4)));
        assert!(by_id.created_at.is_some());
    }
    "GET channels.list" |s| {
        let rooms: Vec<_> = s.bot.rooms().channels().try_collect().await.unwrap();
        assert_eq!(room_names(&rooms), ["general", "open", "ops"]);
        assert_eq!(rooms[0].kind, RoomKind::Channel);
    }
    "GET channels.list.joined" |s| {
        let rooms: Vec<_> = s.bot.rooms().joined_channels().try_collect().await.unwrap();
        assert_eq!(room_names(&rooms), ["general", "ops"]);
    }
    "GET groups.list" |s| {
        let rooms: Vec<_> = s.bot.rooms().private().try_collect().await.unwrap();
        assert_eq!(room_names(&rooms), ["secret"]);
    }
    "GET im.list" |s| {
        let direct = s.direct().await;
        let rooms: Vec<_> = s.bot.rooms().direct().try_collect().await.unwrap();
        assert_eq!(rooms.len(), 1);
        assert_eq!((&rooms[0].id, rooms[0].kind), (direct.id(), RoomKind::Direct));
        assert!(rooms[0].usernames.contains(&"ann".to_owned()));
    }
    "POST im.create" |s| {
        let id = s.bot.rooms().direct_with("bob").await.unwrap();
        assert_eq!(id, s.bot.rooms().direct_with("bob").await.unwrap());
        let three = s.bot.call(&CreateGroupConversation::with(["ann", "bob"])).await.unwrap().room;
        let members: Vec<_> = s.bot.room(three.id().unwrap()).members().try_collect().await.unwrap();
        assert_eq!(names(&members), ["ann", "bob", "rocketbotte"]);
    }
    "GET channels.members" |s| {
        let members: Vec<_> = s.room("ops").members().try_collect().await.unwrap();
        assert_eq!(names(&members), ["ann", "bob", "plainbot", "rocketbotte"]);
        assert!(members[0].status.is_some());
    }
    "GET groups.members" |s| {
        let members: Vec<_> = s.room("secret").members().try_collect().await.unwrap();
        assert_eq!(names(&members), ["ann", "rocketbotte"]);
    }
    "GET im.members" |s| {
        let members: Vec<_> = s.direct().await.members().try_collect().await.unwrap();
        assert_eq!(names(&members), ["ann", "rocketbotte"]);
    }
    "GET rooms.membersOrderedByRole" |s| {
        s.sandbox.set_room_role("ops", "bob", "moderator").unwrap();
        let members: Vec<_> = s.room("ops").members_by_role().try_collect().await.unwrap();
        let with_roles: Vec<_> = members
            .iter()
            .map(|member| (member.user.username.as_deref().unwrap(), member.room_roles.join(",")))
            .collect();
        assert_eq!(with_roles[..3], [("rocketbotte", "owner".to_owned()), ("bob", "moderator".to_owned()), ("ann", String::new())]);
    }
    "GET rooms.isMember" |s| {
        assert!(s.room("ops").is_member(&s.id("bob")).await.unwrap());
        assert!(!s.room("ops").is_member(&s.id("carl")).await.unwrap());
    }
    "GET channels.roles" |s| {
        let roles = s.room("ops").roles().await.unwrap();
        assert_eq!((roles.len(), &roles[0].user.id, &*roles[0].roles), (1, &s.id("rocketbotte"), &["owner".to_owned()][..]));
    }
    "GET groups.roles" |s| {
        assert_eq!(s.room("secret").roles().await.unwrap()[0].roles, ["owner"]);
        assert!(s.direct().await.roles().await.unwrap().is_empty());
    }
    "GET channels.history" |s| {
        for text in ["one", "two"] {
            s.said("ops", text).await;
        }
        let history: Vec<_> = s.room("ops").history().try_collect().await.unwrap();
        let told = texts(&history);
        assert_eq!(told[..2], ["two", "one"]);
        assert_eq!(history[0].room().kind(), RoomKind::Channel);
    }
    "GET groups.history" |s| {
        s.said("secret", "psst").await;
        let history: Vec<_> = s.room("secret").history().try_collect().await.unwrap();
        assert_eq!(history[0].text(), "psst");
    }
    "GET im.history" |s| {
        let direct = s.direct().await;
        let message = OutgoingMessage::new("dm1", direct.id().clone(), "between us");
        s.bot.call(&SendMessage { message, preview_urls: None }).await.unwrap();
        let history: Vec<_> = direct.history().try_collect().await.unwrap();
        assert_eq!(texts(&history), ["between us"]);
    }
    "GET rooms.history" |s| {
        for text in ["one", "two", "three"] {
            // What has the same millisecond is on one page or the other.
            tokio::time::sleep(std::time::Duration::from_millis(3)).await;
            s.said("ops", text).await;
        }
        let mut call = HistoryPage::of(s.room_id("ops"), 2);
        let page = s.bot.call(&call).await.unwrap();
        assert_eq!(texts(&page.messages), ["three", "two"]);
        call.previous = page.cursor.previous;
        assert_eq!(s.bot.call(&call).await.unwrap().messages[0].text(), "one");
    }
    "POST channels.create" |s| {
        let call = CreateRoom::<Channel>::new("fresh").with_member("bob").read_only();
        let room = s.bot.call(&call).await.unwrap().room;
        assert_eq!((room.kind, room.is_read_only), (RoomKind::Channel, Some(true)));
        let members: Vec<_> = s.bot.room(&room).members().try_collect().await.unwrap();
        assert_eq!(names(&members), ["bob", "rocketbotte"]);
    }
    "POST groups.create" |s| {
        let room = s.bot.rooms().create_private("closed").await.unwrap();
        assert_eq!(room.kind, RoomKind::Private);
        s.as_user("ann").room(&room).info().await.unwrap_err();
    }
    "POST rooms.createDiscussion" |s| {
        let about = s.said("ops", "the plan").await;
        let mut call = CreateDiscussion::new(s.room_id("ops"), "The plan");
        (call.about, call.reply, call.usernames) = (Some(about), Some("so".to_owned()), vec!["bob".to_owned()]);
        let made = s.bot.call(&call).await.unwrap().discussion;
        let room = s.bot.room(made.id().unwrap()).info().await.unwrap();
        assert_eq!((room.display_name.as_deref(), room.parent_id), (Some("The plan"), Some(s.room_id("ops"))));
    }
    "GET rooms.getDiscussions" |s| {
        let id = s.room("ops").create_discussion("Plans").await.unwrap();
        let beside: Vec<_> = s.room("ops").discussions().try_collect().await.unwrap();
        assert_eq!((beside.len(), &beside[0].id), (1, &id));
    }
    "POST channels.join" |s| {
        s.room("open").join().await.unwrap();
        assert!(s.room("open").is_member(&s.id("rocketbotte")).await.unwrap());
        s.room("open").join().await.unwrap();
    }
    "POST rooms.join" |s| {
        s.bot.call(&JoinRoom { room_id: s.room_id("open"), join_code: None }).await.unwrap();
        assert!(s.room("open").is_member(&s.id("rocketbotte")).await.unwrap());
    }
    "POST rooms.leave" |s| {
        s.sandbox.set_room_role("ops", "ann", "owner").unwrap();
        s.room("ops").leave().await.unwrap();
        let rooms: Vec<_> = s.bot.rooms().joined_channels().try_collect().await.unwrap();
        assert_eq!(room_names(&rooms), ["general"]);
    }
    "POST channels.invite" |s| {
        s.room("ops").invite(&s.id("carl")).await.unwrap();
        s.room("ops").invite(&s.id("carl")).await.unwrap();
        assert!(s.room("ops").is_member(&s.id("carl")).await.unwrap());
    }
    "POST groups.invite" |s| {
        s.room("secret").invite(&s.id("carl")).await.unwrap();
        assert!(s.room("secret").is_member(&s.id("carl")).await.unwrap());
    }
    "POST channels.kick" |s| {
        s.room("ops").kick(&s.id("bob")).await.unwrap();
        assert!(!s.room("ops").is_member(&s.id("bob")).await.unwrap());
    }
    "POST groups.kick" |s| {
        s.room("secret").kick(&s.id("ann")).await.unwrap();
        assert!(!s.room("secret").is_member(&s.id("ann")).await.unwrap());
    }
    "POST channels.setTopic" |s| {
        s.room("ops").set_topic("Release day").await.unwrap();
        assert_eq!(s.room("ops").info().await.unwrap().topic.as_deref(), Some("Release day"));
    }
    "POST groups.setTopic" |s| {
        s.room("secret").set_topic("Plans").await.unwrap();
        assert_eq!(s.room("secret").info().await.unwrap().topic.as_deref(), Some("Plans"));
    }
    "POST im.setTopic" |s| {
        let direct = s.as_user("root").rooms().direct_with("ann").await.unwrap();
        let room = s.as_user("root").room(direct);
        room.set_topic("Us").await.unwrap();
        assert_eq!(room.info().await.unwrap().topic.as_deref(), Some("Us"));
    }
    "POST channels.setAnnouncement" |s| {
        s.room("ops").set_announcement("Do not deploy").await.unwrap();
        assert_eq!(s.room("ops").info().await.unwrap().announcement.as_deref(), Some("Do not deploy"));
    }
    "POST groups.setAnnouncement" |s| {
        s.room("secret").set_announcement("Hush").await.unwrap();
        assert_eq!(s.room("secret").info().await.unwrap().announcement.as_deref(), Some("Hush"));
    }
    "POST channels.setDescription" |s| {
        s.room("ops").set_description("Operations").await.unwrap();
        assert_eq!(s.room("ops").info().await.unwrap().description.as_deref(), Some("Operations"));
    }
    "POST groups.setDescription" |s| {
        s.room("secret").set_description("Surprises").await.unwrap();
        assert_eq!(s.room("secret").info().await.unwrap().description.as_deref(), Some("Surprises"));
    }
    "POST channels.rename" |s| {
        s.room("ops").rename("operations").await.unwrap();
        assert_eq!(s.bot.rooms().by_name("operations").await.unwrap().id, s.room_id("operations"));
    }
    "POST groups.rename" |s| {
        s.room("secret").rename("surprises").await.unwrap();
        assert_eq!(s.room("surprises").info().await.unwrap().name.as_deref(), Some("surprises"));
    }
    "POST rooms.saveRoomSettings" |s| {
        s.room("ops").set_read_only(true).await.unwrap();
        let mut call = SaveRoomSettings::of(s.room_id("ops"));
        (call.name, call.topic) = (Some("operations".to_owned()), Some("t".to_owned()));
        (call.announcement, call.description) = (Some("a".to_owned()), Some("d".to_owned()));
        s.bot.call(&call).await.unwrap();
        let room = s.room("operations").info().await.unwrap();
        let told = [room.name, room.topic, room.announcement, room.description];
        assert_eq!(told.map(Option::unwrap_or_default), ["operations", "t", "a", "d"]);
        assert_eq!(room.is_read_only, Some(true));
    }
    "GET users.info" |s| {
        let ann = s.bot.user(s.id("ann")).info().await.unwrap();
        assert_eq!((ann.username.as_deref(), ann.roles, ann.is_active), (Some("ann"), None, Some(true)));
        let by_name = s.bot.user(UserRef::Username("ann".to_owned())).info().await.unwrap();
        assert_eq!(by_name.id, ann.id);
        let me = s.bot.user(s.id("rocketbotte")).info().await.unwrap();
        assert_eq!(me.roles.unwrap(), ["user", "bot"]);
        // Those of others are for who may see them.
        let seen = s.as_user("root").user(s.id("ann")).info().await.unwrap();
        assert_eq!(seen.roles.unwrap(), ["user"]);
    }
    "GET users.list" |s| {
        let users: Vec<_> = s.bot.users().try_collect().await.unwrap();
        assert!(names(&users).contains(&"carl"));
    }
    "GET users.getPresence" |s| {
        let call = UserPresence::UserId(s.id("ann"));
        assert_eq!(s.bot.call(&call).await.unwrap().presence, Presence::Offline);
    }
    "GET users.presence" |s| {
        let ids = [s.id("ann"), s.id("bob")];
        let users = s.bot.call(&Presences::of(&ids)).await.unwrap().users;
        assert_eq!(names(&users), ["ann", "bob"]);
        assert_eq!(users[0].status, Some(Presence::Offline));
    }
    "POST users.setStatus" |s| {
        s.bot.call(&SetStatus::new(Presence::Busy).with_text("deploying")).await.unwrap();
        s.bot.call(&SetStatus::text("still deploying")).await.unwrap();
        let status = s.bot.user(s.id("rocketbotte")).status().await.unwrap();
        assert_eq!(status.message, "still deploying");
    }
    "GET users.getStatus" |s| {
        s.as_user("ann").call(&SetStatus::text("away for lunch")).await.unwrap();
        let status = s.bot.user(s.id("ann")).status().await.unwrap();
        assert_eq!((status.user_id, status.status, &*status.message), (Some(s.id("ann")), Presence::Offline, "away for lunch"));
    }
};

/// Whether `ops` is marked as unread.
async fn alert(s: &Stage) -> serde_json::Value {
    let room = s.room_id("ops");
    let query = [("roomId", room.as_str())];
    let answer = s
        .bot
        .call_raw(http::Method::GET, "subscriptions.getOne", &query, None)
        .await;
    answer.unwrap()["subscription"]["alert"].clone()
}
