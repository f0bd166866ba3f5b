//! What people read when a test fails: a room as lines, and what the server saw of its clients.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::Value;

use super::{
    Sandbox, SandboxMessage, SandboxUser, Transcript, WaitError,
    state::{State, Stored},
};

/// How long an answer may take where the test does not say it.
const PATIENCE: Duration = Duration::from_secs(5);
/// Messages shown when waiting fails.
const LATEST: usize = 15;
/// Refusals shown.
pub(super) const REFUSALS_KEPT: usize = 10;
/// Characters of a text that another line refers to.
const EXCERPT: usize = 40;

impl Sandbox {
    /// What was said in a room, a line for each message as it is now: `ann: hello`. What it answers in a thread, that it
    /// was edited, and who reacted stands behind. A room that is not there has no lines.
    ///
    /// ```
    /// use rocketbotte::sandbox::Sandbox;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let sandbox = Sandbox::builder().start_in_memory();
    /// let (ann, bot) = (sandbox.user("ann"), sandbox.bot("rocketbotte"));
    /// let asked = ann.say("general", "!deploy").await;
    /// bot.reply("general", &asked, "deployed").await;
    /// bot.react(&asked, ":rocket:").await;
    /// sandbox.transcript("general").assert_eq(
    ///     r#"
    ///     ann: !deploy [:rocket: rocketbotte]
    ///     rocketbotte (in the thread of "!deploy"): deployed
    ///     "#,
    /// );
    /// # }
    /// ```
    pub fn transcript(&self, room: &str) -> Transcript {
        let state = self.state();
        let rid = state.find_rid(room);
        let lines: Vec<String> = rid
            .iter()
            .flat_map(|rid| state.room_messages(rid))
            .map(|message| state.line(message))
            .collect();
        let mut notes = state.report();
        if rid.is_none() {
            notes = format!("there is no room {room:?}\n{notes}");
        }
        Transcript::new(lines).with_notes(notes)
    }

    /// Waits until a room's [transcript](Self::transcript) ends with these lines.
    ///
    /// # Errors
    ///
    /// [`WaitError`] after `timeout`; its text shows line by line what was there instead, and what the server saw.
    pub async fn wait_for_transcript(
        &self,
        room: &str,
        expected: &str,
        timeout: Duration,
    ) -> Result<(), WaitError> {
        let lines = expected.trim().lines().count();
        let compare = |sandbox: &Self| sandbox.transcript(room).last(lines).check(expected);
        let waited = self.wait_until(|sandbox| compare(sandbox).is_ok(), timeout).await;
        waited.map_err(|error| match compare(self) {
            Err(mismatch) => WaitError {
                transcript: mismatch.to_string(),
                ..error
            },
            Ok(()) => error,
        })
    }

    /// What the server saw of its clients, for people: who is connected and hears what, which calls were made and
    /// refused, which faults were met, and the latest messages.
    pub fn report(&self) -> String {
        self.state().report()
    }

    /// The server ends, as its process does at an upgrade, and is there again on the same address, with all that it
    /// knew. Who was connected has to connect again.
    pub async fn restart(&self) {
        self.go_down().await;
        self.come_back().await;
    }
}

impl SandboxUser {
    /// Writes into a room and waits five seconds for what somebody else says then, in its thread or in its room.
    ///
    /// ```no_run
    /// # async fn example(sandbox: rocketbotte::sandbox::Sandbox) {
    /// assert_eq!(sandbox.user("ann").ask("general", "!ping").await.text, "pong");
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// The server refuses the message, or nobody answers; the message shows what was said instead and what the server
    /// saw.
    pub async fn ask(&self, room: &str, text: &str) -> SandboxMessage {
        let asked = self.say(room, text).await;
        match self.sandbox().wait_for_reply(&asked, PATIENCE).await {
            Ok(reply) => reply,
            Err(error) => panic!(
                "nobody answered {} who said {text:?} in {room:?}: {error}",
                self.username()
            ),
        }
    }
}

/// The beginning of a text, on one line.
fn excerpt(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(EXCERPT) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None if line.len() < text.trim_end().len() => format!("{line}…"),
        None => line.to_owned(),
    }
}

impl State {
    /// A message as one line, or several where its text has several.
    fn line(&self, message: &Stored) -> String {
        let shown = SandboxMessage::new(message);
        let mut line = shown.username;
        if let Some(thread) = shown.thread_id {
            let first = self
                .messages
                .get(&thread)
                .and_then(|first| first.text("msg"))
                .unwrap_or(&thread);
            let _ = write!(line, " (in the thread of {:?})", excerpt(first));
        }
        line.push(':');
        if !shown.text.is_empty() {
            line.push(' ');
            line.push_str(&shown.text);
        }
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        for attachment in message
            .doc
            .get("attachments")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let title = text(attachment.get("title")).or_else(|| text(attachment.get("text")));
            let _ = write!(line, " [attachment {:?}]", excerpt(&title.unwrap_or_default()));
        }
        if let Some(kind) = message.text("t") {
            let _ = write!(line, " (system message {kind:?})");
        }
        if message.doc.contains_key("editedAt") && message.text("t").is_none() {
            line.push_str(" (edited)");
        }
        if message.doc.get("pinned") == Some(&Value::Bool(true)) {
            line.push_str(" (pinned)");
        }
        for (emoji, reaction) in message
            .doc
            .get("reactions")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            let names = reaction
                .get("usernames")
                .and_then(Value::as_array)
                .into_iter()
                .flatten();
            let names: Vec<&str> = names.filter_map(Value::as_str).collect();
            let _ = write!(line, " [{emoji} {}]", names.join(", "));
        }
        line.trim_end().to_owned()
    }

    /// See [`Sandbox::report`].
    pub(super) fn report(&self) -> String {
        let mut text = String::from("what the server saw:");
        for user in self
            .users
            .values()
            .filter(|user| user.roles.iter().any(|role| role == "bot"))
        {
            let mut sessions = self
                .sessions
                .values()
                .filter(|session| session.uid.as_ref() == Some(&user.id))
                .peekable();
            if sessions.peek().is_none() {
                let _ = write!(text, "\n  the bot {} is not logged in", user.username);
            }
            for session in sessions {
                let hears: Vec<String> = session
                    .subs
                    .iter()
                    .map(|sub| format!("{} {:?}", sub.stream, sub.event))
                    .collect();
                let hears = if hears.is_empty() {
                    "nothing: it has no subscription".to_owned()
                } else {
                    hears.join(", ")
                };
                let _ = write!(
                    text,
                    "\n  the bot {} is logged in (connection {}) and hears {hears}",
                    user.username, session.id
                );
            }
        }
        let anonymous = self
            .sessions
            .values()
            .filter(|session| session.uid.is_none())
            .count();
        let _ = write!(
            text,
            "\n  connections: {}, of which {anonymous} are not logged in",
            self.sessions.len()
        );
        let calls: Vec<String> = self
            .log
            .requests()
            .iter()
            .map(|(name, times)| format!("{name} {times}"))
            .collect();
        let _ = write!(
            text,
            "\n  calls of REST: {}",
            if calls.is_empty() {
                "none".to_owned()
            } else {
                calls.join(", ")
            }
        );
        for refusal in self.log.refusals() {
            let _ = write!(text, "\n  refused: {refusal}");
        }
        for (fault, times) in self.faults.met() {
            let _ = write!(text, "\n  fault met {times} times: {fault}");
        }
        let mut latest: Vec<&Stored> = self.latest(LATEST);
        latest.reverse();
        if latest.is_empty() {
            text.push_str("\nno message was posted");
        } else {
            text.push_str("\nthe latest messages:");
        }
        for message in latest {
            let room = self.rooms.get(&message.rid).and_then(|room| room.name.as_deref());
            let line = self.line(message).replace('\n', "\n    ");
            let _ = write!(text, "\n  #{} {line}", room.unwrap_or(&message.rid));
        }
        text
    }
}
