//! What a bot answered to an event, to be compared.

use std::fmt;

use super::lines;
use crate::event::Event;
use crate::response::Action;
use crate::transcript::Transcript;

/// What a bot answered to one event. A comparison that fails shows what was there instead, and why the routes ran or
/// did not.
///
/// A failure reads as people see it: `Something went wrong (ref …).`, whatever its reference is.
#[derive(Clone, Debug)]
#[must_use = "an answer is to be compared"]
pub struct Answer {
    event: Event,
    bot: String,
    actions: Vec<Action>,
    notes: Vec<String>,
}

impl Answer {
    pub(super) fn new(event: Event, bot: &str, actions: Vec<Action>, notes: Vec<String>) -> Self {
        Self {
            event,
            bot: bot.to_owned(),
            actions,
            notes: notes.into_iter().filter(|note| !note.is_empty()).collect(),
        }
    }

    /// What the bot did, in order.
    pub fn actions(&self) -> &[Action] {
        &self.actions
    }

    /// What it said, in order.
    pub fn texts(&self) -> Vec<String> {
        let sent = self.actions.iter().filter_map(|action| match action {
            Action::Send(send) => Some(without_reference(send.content())),
            _ => None,
        });
        sent.collect()
    }

    /// What happened, and what the bot did, as lines.
    pub fn transcript(&self) -> Transcript {
        let room = self.event.room_id().map(|room| room.as_str());
        let actions = self
            .actions
            .iter()
            .map(|action| without_reference(&lines::of_action(&self.bot, action, room)));
        let event = std::iter::once(lines::of_event(&self.event));
        Transcript::new(event.chain(actions)).with_notes(self.why())
    }

    /// Why the routes ran or did not, and which of them failed.
    pub fn why(&self) -> String {
        self.notes.join("\n")
    }

    /// The bot said this, in these words and this order, and no more. What it did besides, reactions say, is not looked
    /// at.
    ///
    /// # Panics
    ///
    /// It did not. The message shows the difference, and why the routes ran or did not.
    #[track_caller]
    pub fn says<T: AsRef<str>>(&self, expected: impl IntoIterator<Item = T>) {
        let expected: Vec<String> = expected
            .into_iter()
            .map(|text| text.as_ref().to_owned())
            .collect();
        let texts = self.texts();
        if texts != expected {
            self.differs(&self.lines_of(expected), &self.lines_of(texts));
        }
    }

    fn lines_of(&self, texts: Vec<String>) -> Transcript {
        let texts = texts.into_iter().map(|text| format!("{}: {text}", self.bot));
        Transcript::new(std::iter::once(lines::of_event(&self.event)).chain(texts))
    }

    /// The bot did nothing at all.
    ///
    /// # Panics
    ///
    /// It did something. The message shows what, and why the routes ran or did not.
    #[track_caller]
    pub fn is_silent(&self) {
        if !self.actions.is_empty() {
            self.differs(&self.lines_of(Vec::new()), &self.transcript());
        }
    }

    /// The bot did exactly this. The ids that messages go out under are compared only where they are expected.
    ///
    /// # Panics
    ///
    /// It did not. The message shows the difference, and why the routes ran or did not.
    #[track_caller]
    pub fn does<A: Into<Action>>(&self, expected: impl IntoIterator<Item = A>) {
        let expected: Vec<Action> = expected.into_iter().map(Into::into).collect();
        let is_same = expected.len() == self.actions.len()
            && expected
                .iter()
                .zip(&self.actions)
                .all(|(expected, action)| action == expected || action.clone().without_ids() == *expected);
        if !is_same {
            let expected = Self {
                actions: expected,
                ..self.clone()
            };
            self.differs(&expected.transcript(), &self.transcript());
        }
    }

    #[track_caller]
    fn differs(&self, expected: &Transcript, actual: &Transcript) -> ! {
        let actual = actual.clone().with_notes(self.why());
        match actual.check(&expected.to_string()) {
            Err(mismatch) => panic!("{mismatch}"),
            // Their lines are the same: what differs has no place in them.
            Ok(()) => panic!("the bot did something else: {:?}\n{}", self.actions, self.why()),
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.transcript().fmt(f)
    }
}

/// The text without the four digits that are new each time something goes wrong.
pub(super) fn without_reference(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("(ref ") {
        let (before, behind) = rest.split_at(at + "(ref ".len());
        result.push_str(before);
        rest = behind;
        let digits = behind.bytes().take_while(u8::is_ascii_hexdigit).count();
        if digits == 4 && behind[digits..].starts_with(')') {
            result.push('…');
            rest = &behind[digits..];
        }
    }
    result.push_str(rest);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_reference_is_taken_out() {
        assert_eq!(
            without_reference("Something went wrong (ref 7f3a). (ref 1) (ref xxxx) (ref "),
            "Something went wrong (ref …). (ref 1) (ref xxxx) (ref "
        );
    }
}
