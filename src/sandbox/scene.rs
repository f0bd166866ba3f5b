//! What has happened in a sandbox before it starts: direct rooms, discussions, things said.

use serde_json::{Map, json};

use super::{
    builder::SandboxBuilder,
    refusal::Refusal,
    state::{State, moderate::About},
};

/// One thing that has happened, in the order in which it was described.
#[derive(Debug, Clone)]
pub(super) enum Past {
    Direct(Vec<String>),
    Discussion {
        parent: String,
        title: String,
        members: Vec<String>,
    },
    Said {
        room: String,
        lines: Vec<(String, String)>,
        /// Whether all but the first are replies to it.
        thread: bool,
    },
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

impl SandboxBuilder {
    /// Adds a direct room of these users.
    pub fn direct(mut self, members: &[&str]) -> Self {
        self.past.push(Past::Direct(owned(members)));
        self
    }

    /// Adds a discussion in a room with these users in it, all of the room's; the first one began it.
    pub fn discussion(mut self, room: impl Into<String>, title: impl Into<String>, members: &[&str]) -> Self {
        self.past.push(Past::Discussion {
            parent: room.into(),
            title: title.into(),
            members: owned(members),
        });
        self
    }

    /// What was said in a room, by whom, the oldest first. A direct room is named by its people: `@ann,rocketbotte`; a
    /// discussion by its title.
    ///
    /// ```
    /// use rocketbotte::sandbox::Sandbox;
    ///
    /// let sandbox = Sandbox::builder()
    ///     .user("ann")
    ///     .bot("rocketbotte")
    ///     .history("general", &[("ann", "good morning"), ("rocketbotte", "hello")])
    ///     .thread("general", &[("ann", "who is here?"), ("rocketbotte", "I am")])
    ///     .start_in_memory();
    /// assert_eq!(sandbox.messages("general").len(), 4);
    /// ```
    pub fn history(self, room: impl Into<String>, lines: &[(&str, &str)]) -> Self {
        self.said(room.into(), lines, false)
    }

    /// The same as a thread: all but the first line reply to that.
    pub fn thread(self, room: impl Into<String>, lines: &[(&str, &str)]) -> Self {
        self.said(room.into(), lines, true)
    }

    fn said(mut self, room: String, lines: &[(&str, &str)], thread: bool) -> Self {
        let lines = lines.iter().map(|&(who, what)| (who.to_owned(), what.to_owned()));
        let lines = lines.collect();
        self.past.push(Past::Said { room, lines, thread });
        self
    }
}

impl Past {
    /// Lets it happen.
    pub(super) fn happen(self, state: &mut State) -> Result<(), Refusal> {
        match self {
            Self::Direct(members) => direct(state, &members).map(|_| ()),
            Self::Discussion {
                parent,
                title,
                members,
            } => {
                let parent = room(state, &parent)?;
                let mut members = users(state, &members)?;
                if members.is_empty() {
                    return Err(Refusal::plain("a discussion needs somebody who begins it"));
                }
                let by = members.remove(0);
                state.create_discussion(&parent, &by, &title, members, About::default())?;
                Ok(())
            }
            Self::Said {
                room: name,
                lines,
                thread,
            } => {
                let rid = room(state, &name)?;
                let mut root = None;
                for (username, text) in lines {
                    let uid = user(state, &username)?;
                    let mut draft =
                        Map::from_iter([("rid".to_owned(), json!(rid)), ("msg".to_owned(), json!(text))]);
                    if let Some(root) = root.as_ref().filter(|_| thread) {
                        draft.insert("tmid".to_owned(), json!(root));
                    }
                    let id = state.insert(&uid, draft);
                    root.get_or_insert(id);
                }
                Ok(())
            }
        }
    }
}

fn user(state: &State, username: &str) -> Result<String, Refusal> {
    let user = state.user_by_name(username);
    user.map(|user| user.id.clone())
        .ok_or_else(|| Refusal::plain(format!("there is no user {username:?}")))
}

fn users(state: &State, usernames: &[String]) -> Result<Vec<String>, Refusal> {
    usernames.iter().map(|username| user(state, username)).collect()
}

fn direct(state: &mut State, members: &[String]) -> Result<String, Refusal> {
    let (first, others) = members
        .split_first()
        .ok_or_else(|| Refusal::plain("a direct room needs somebody in it"))?;
    let uid = user(state, first)?;
    let others: Vec<&str> = others.iter().map(String::as_str).collect();
    state.direct_room(&uid, &others)
}

/// A room by its name, a discussion by its title, a direct room by its people.
fn room(state: &mut State, name: &str) -> Result<String, Refusal> {
    if let Some(people) = name.strip_prefix('@') {
        let people: Vec<String> = people.split(',').map(str::to_owned).collect();
        return direct(state, &people);
    }
    let titled = || {
        let mut rooms = state.rooms.values();
        rooms
            .find(|room| room.parent.is_some() && room.fname.as_deref() == Some(name))
            .map(|room| room.id.clone())
    };
    state
        .find_rid(name)
        .or_else(titled)
        .ok_or_else(|| Refusal::plain(format!("there is no room {name:?}")))
}
