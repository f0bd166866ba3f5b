//! Questions: posted, and answered by words, numbers or reactions.

use std::fmt::Write as _;
use std::sync::Arc;

use super::waiters::{Heard, Key};
use super::{Conversation, ConversationEnded};
use crate::event::{Message, User};

/// How often a question is asked that is not answered by anything that fits.
const TRIES: usize = 3;

const NUMBERS: [&str; 10] = [
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "keycap_ten",
];

const YES: [&str; 9] = ["yes", "y", "yeah", "yep", "ok", "okay", "sure", "true", "+1"];
const NO: [&str; 6] = ["no", "n", "nope", "nah", "false", "-1"];
const YES_EMOJIS: [&str; 6] = [
    "+1",
    "thumbsup",
    "white_check_mark",
    "heavy_check_mark",
    "ballot_box_with_check",
    "ok",
];
const NO_EMOJIS: [&str; 4] = ["-1", "thumbsdown", "x", "negative_squared_cross_mark"];

impl Conversation {
    /// Posts a question where the event happened, and waits for the answer.
    ///
    /// # Errors
    ///
    /// Nobody answered in time, the bot stops, too many conversations wait, or the question could not be posted.
    pub async fn ask(&self, question: impl Into<String>) -> Result<Arc<Message>, ConversationEnded> {
        match self.pose(question.into(), false).await? {
            Heard::Message(message) => Ok(message),
            // Nothing else was waited for.
            Heard::Reaction(_) => Err(ConversationEnded::NothingToAnswer),
        }
    }

    /// Posts a question with a numbered list, and waits until one of it is chosen: by its name in any case, by its
    /// number, or (the first ten) by a reaction like `:one:` to the list. Gives its place in the list, from zero. A text
    /// that is one's name and another's number is the name.
    ///
    /// What fits none has the list posted again, twice at most; each time the answer may take as long as the first time.
    ///
    /// # Errors
    ///
    /// As [`ask`](Self::ask), and where none of three answers fits, or there is nothing to choose.
    pub async fn choose<I>(&self, question: impl Into<String>, options: I) -> Result<usize, ConversationEnded>
    where
        I: IntoIterator<Item: Into<String>>,
    {
        let options: Vec<String> = options.into_iter().map(Into::into).collect();
        if options.is_empty() {
            return Err(ConversationEnded::NothingToAnswer);
        }
        let mut list = question.into();
        for (index, option) in options.iter().enumerate() {
            // Writing to a string does not fail.
            let _ = write!(list, "\n{}. {option}", index + 1);
        }
        let again = format!(
            "That is none of them: please answer with a name, or a number from 1 to {}.\n{list}",
            options.len()
        );
        self.until_understood(list, again, |answer| chosen(answer, &options))
            .await
    }

    /// Posts a question, and waits for yes or no: a word (`yes`, `y`, `ok`, `no`, `n`, … in any case), or a reaction to the
    /// question (`:+1:`, `:white_check_mark:`, `:-1:`, `:x:`, …).
    ///
    /// What is neither has the question posted again, twice at most; each time the answer may take as long as the first
    /// time.
    ///
    /// # Errors
    ///
    /// As [`ask`](Self::ask), and where none of three answers fits.
    pub async fn confirm(&self, question: impl Into<String>) -> Result<bool, ConversationEnded> {
        let question = question.into();
        let again = format!("Please answer yes or no.\n{question}");
        self.until_understood(question, again, confirmed).await
    }

    async fn until_understood<T>(
        &self,
        question: String,
        again: String,
        understand: impl Fn(&Answer<'_>) -> Option<T>,
    ) -> Result<T, ConversationEnded> {
        let questions = std::iter::once(question).chain(std::iter::repeat_n(again, TRIES - 1));
        for question in questions {
            let heard = self.pose(question, true).await?;
            if let Some(understood) = understand(&Answer::of(&heard)) {
                return Ok(understood);
            }
        }
        Err(ConversationEnded::NotUnderstood)
    }

    /// Posts a question. What is said from the moment at which it is posted is heard.
    async fn pose(&self, question: String, by_reaction: bool) -> Result<Heard, ConversationEnded> {
        let ticket = self.begin(self.message_keys())?;
        let receipt = self
            .outbox
            .send(question)
            .await
            .map_err(ConversationEnded::NotPosted)?;
        if let Some(id) = receipt.message_id() {
            if self.thread_id.is_none() {
                let author = self.person.as_ref().map(User::id);
                ticket.also(Key::message(&self.room_id, Some(id), author));
            }
            if by_reaction {
                ticket.also(Key::reaction(id));
            }
        }
        self.heard(ticket).await
    }
}

/// What somebody answered, without what is around it.
#[derive(Clone, Copy, Debug)]
enum Answer<'a> {
    Text(&'a str),
    /// Without colons and tones of skin.
    Emoji(&'a str),
}

impl<'a> Answer<'a> {
    fn of(heard: &'a Heard) -> Self {
        match heard {
            Heard::Message(message) => Self::of_text(message.text()),
            Heard::Reaction(reaction) => Self::Emoji(emoji_name(reaction.emoji())),
        }
    }

    /// A message may be nothing but an emoji.
    fn of_text(text: &'a str) -> Self {
        let text = text.trim();
        let emoji = text.strip_prefix(':').and_then(|name| name.strip_suffix(':'));
        match emoji.filter(|name| !name.is_empty() && !name.contains([' ', ':'])) {
            Some(_) => Self::Emoji(emoji_name(text)),
            None => Self::Text(text),
        }
    }
}

fn emoji_name(emoji: &str) -> &str {
    let name = emoji.trim_matches(':');
    name.split_once("_tone").map_or(name, |(name, _)| name)
}

fn chosen(answer: &Answer<'_>, options: &[String]) -> Option<usize> {
    match answer {
        Answer::Emoji(emoji) => NUMBERS
            .iter()
            .take(options.len())
            .position(|number| number == emoji),
        Answer::Text(text) => {
            let folded = text.to_lowercase();
            let by_name = options
                .iter()
                .position(|option| option.trim().to_lowercase() == folded);
            by_name.or_else(|| {
                let number = text.strip_suffix(['.', ')']).unwrap_or(text);
                let number: usize = number.trim_start_matches('#').parse().ok()?;
                number.checked_sub(1).filter(|index| *index < options.len())
            })
        }
    }
}

fn confirmed(answer: &Answer<'_>) -> Option<bool> {
    let is_in = |words: &[&str], word: &str| words.iter().any(|known| known.eq_ignore_ascii_case(word));
    let (yes, no, word): (&[&str], &[&str], &str) = match answer {
        Answer::Emoji(emoji) => (&YES_EMOJIS, &NO_EMOJIS, emoji),
        Answer::Text(text) => (&YES, &NO, text.trim_end_matches(['.', '!', ','])),
    };
    if is_in(yes, word) {
        return Some(true);
    }
    is_in(no, word).then_some(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_a_list_is_chosen_by_name_number_or_emoji() {
        let options = ["Red wine", "WHITE", "3", "Ärger"].map(str::to_owned);
        for (text, index) in [
            ("red wine", Some(0)),
            (" 1 ", Some(0)),
            ("2.", Some(1)),
            ("#2", Some(1)),
            ("2)", Some(1)),
            ("white", Some(1)),
            ("3", Some(2)),
            ("ärger", Some(3)),
            (":four:", Some(3)),
            (":five:", None),
            ("0", None),
            ("5", None),
            ("-1", None),
            ("99999999999999999999999", None),
            ("red", None),
            ("", None),
            (":", None),
            ("::", None),
        ] {
            assert_eq!(chosen(&Answer::of_text(text), &options), index, "{text:?}");
        }
    }

    #[test]
    fn yes_and_no_are_words_and_emojis() {
        for (text, is_yes) in [
            ("yes", Some(true)),
            ("Yes!", Some(true)),
            ("OK.", Some(true)),
            ("+1", Some(true)),
            (":+1:", Some(true)),
            (":thumbsup_tone3:", Some(true)),
            (":white_check_mark:", Some(true)),
            ("n", Some(false)),
            ("No", Some(false)),
            (":x:", Some(false)),
            (":-1:", Some(false)),
            ("maybe", None),
            ("yes and no", None),
            (":yes:", None),
            ("", None),
        ] {
            assert_eq!(confirmed(&Answer::of_text(text)), is_yes, "{text:?}");
        }
    }
}
