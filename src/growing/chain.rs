//! What a growing reply says in which message, as its text comes. Pure.
//!
//! Only the last message of a reply still changes. What holds, whatever comes in which pieces: the messages are the text,
//! but for code blocks that are closed and opened again and white space where it is cut; none is longer than the limit;
//! one that is behind the last is not touched again.

use std::borrow::Cow;

use crate::dispatch::mentions::KeptMentions;
use crate::dispatch::text::{closing, cut, open_behind, reopened, utf16_length};

/// A reply as it grows.
#[derive(Debug)]
pub(crate) struct Chain {
    /// UTF-16 units of a message.
    limit: usize,
    most_messages: u32,
    mentions: KeptMentions,
    /// What the first message begins with.
    quote: String,
    /// What the last message that there may be ends with, if the text is longer.
    cut_note: String,
    /// The text from the start of the last message on.
    rest: String,
    /// The language of the code block that it begins in.
    open: Option<String>,
    /// The number of the last message.
    part: u32,
    /// What the last message shows; none if it is not posted.
    shown: Option<Shown>,
    /// So many bytes of `rest` are shown, or on their way.
    held: usize,
    is_ended: bool,
    is_too_long: bool,
}

#[derive(Debug)]
struct Shown {
    /// None where nobody knows: it was posted before, by another process.
    text: Option<String>,
    /// How many bytes of `rest` are in it.
    bytes: usize,
}

/// A message that is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Write {
    pub(crate) part: u32,
    pub(crate) text: String,
    /// It has to be posted; else it is there, and gets another text.
    pub(crate) is_new: bool,
    /// It will not change again.
    pub(crate) is_final: bool,
    /// How many bytes of `rest` are in it.
    bytes: usize,
    /// Where the text goes on behind it, where it is full.
    next: Option<Next>,
}

/// The start of the next message.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Next {
    at: usize,
    open: Option<String>,
}

impl Chain {
    pub(crate) fn new(
        limit: usize,
        most_messages: u32,
        quote: &str,
        cut_note: &str,
        mentions: KeptMentions,
    ) -> Self {
        // What leaves no room for text is left out.
        let short = |text: &str| {
            let is_short = utf16_length(text) <= limit / 2;
            if is_short { text.to_owned() } else { String::new() }
        };
        Self {
            limit,
            most_messages: most_messages.max(1),
            mentions,
            quote: short(quote),
            cut_note: short(cut_note),
            rest: String::new(),
            open: None,
            part: 0,
            shown: None,
            held: 0,
            is_ended: false,
            is_too_long: false,
        }
    }

    /// More text has come.
    pub(crate) fn push(&mut self, text: &str) {
        if !self.is_ended && !self.is_too_long {
            self.rest.push_str(text);
            self.trim();
        }
    }

    /// Whether so much waits to be written that no more should be asked for.
    pub(crate) fn is_full(&self) -> bool {
        let messages = usize::try_from(self.most_messages.saturating_sub(self.part)).unwrap_or(usize::MAX);
        // A unit is three bytes at most.
        self.rest.len() / 3 > self.limit.max(2).saturating_mul(messages.saturating_add(1))
    }

    /// Whether nothing has been written, and there is nothing to write.
    pub(crate) fn is_blank(&self) -> bool {
        self.part == 0 && self.rest.trim().is_empty()
    }

    /// Whether a message is there.
    pub(crate) fn has_begun(&self) -> bool {
        self.messages() > 0
    }

    /// How many messages there are.
    pub(crate) fn messages(&self) -> u32 {
        self.part + u32::from(self.shown.is_some())
    }

    /// The text is longer than there may be messages, and what there may be is written.
    pub(crate) fn is_too_long(&self) -> bool {
        self.is_too_long
    }

    /// No more text comes. The note says why, where it did not end by itself.
    pub(crate) fn end(&mut self, note: Option<&str>) {
        if std::mem::replace(&mut self.is_ended, true) {
            return;
        }
        let end = self.rest.trim_end().len().max(self.held);
        self.rest.truncate(end);
        let close = closing(&self.rest, self.open.as_deref(), self.limit);
        self.rest.push_str(close);
        if let Some(note) = note {
            if !self.rest.trim().is_empty() {
                self.rest.push_str("\n\n");
            }
            self.rest.push_str(note);
        }
    }

    /// What is to be written now; none where what is shown is what there is. Until it is [written](Self::written) or
    /// [refused](Self::refused), more text may come.
    pub(crate) fn next(&mut self) -> Option<Write> {
        while !self.is_too_long {
            let open = self.open.as_deref();
            let text = self.mentions.neutralise(&self.rest);
            let quote = if self.part == 0 { self.quote.as_str() } else { "" };
            let begin = format!("{quote}{}", reopened(open));
            let close = closing(&text, open, self.limit);
            if utf16_length(&begin) + utf16_length(&text) + utf16_length(close) <= self.limit {
                if text.trim().is_empty() {
                    return None;
                }
                let text = format!("{begin}{text}{close}");
                return (!self.shows(&text)).then(|| self.write(text, None));
            }
            if let Cow::Owned(text) = text {
                // What is cut is cut for good.
                self.held = offset_in(&text, &self.rest, self.held);
                if let Some(shown) = &mut self.shown {
                    shown.bytes = offset_in(&text, &self.rest, shown.bytes);
                }
                self.rest = text;
            }
            let (piece, next) = self.cut();
            match piece {
                Some(text) if !self.shows(&text) => return Some(self.write(text, Some(next))),
                Some(_) => self.follow(next, true),
                // Nothing to show but white space, or the start of a code block.
                None => {
                    let is_posted = self.shown.is_some();
                    self.follow(next, is_posted);
                }
            }
        }
        None
    }

    /// The message that is full, and where the text goes on behind it.
    fn cut(&self) -> (Option<String>, Next) {
        let quote = if self.part == 0 { self.quote.as_str() } else { "" };
        let is_last = self.part + 1 >= self.most_messages;
        let note = if is_last { self.cut_note.as_str() } else { "" };
        let room = self.limit.saturating_sub(utf16_length(quote));
        let cut = cut(&self.rest, self.open.as_deref(), room, note);
        let next = Next {
            at: self.rest.len() - cut.rest.len(),
            open: cut.open.map(str::to_owned),
        };
        (cut.piece.map(|piece| format!("{quote}{piece}")), next)
    }

    /// It was written. `is_old` where a message that was to be posted was there already, with an unknown text.
    pub(crate) fn written(&mut self, write: Write, is_old: bool) {
        let bytes = if is_old { 0 } else { write.bytes };
        self.shown = Some(Shown {
            text: (!is_old).then_some(write.text),
            bytes,
        });
        self.held = bytes;
        if let Some(next) = write.next.filter(|_| !is_old) {
            self.follow(next, true);
        }
    }

    /// What is shown until the first words come was posted.
    pub(crate) fn placeholder_written(&mut self, text: Option<String>) {
        self.shown = Some(Shown { text, bytes: 0 });
    }

    /// The last message may not be edited any more: what it does not show goes on in another one.
    pub(crate) fn refused(&mut self) {
        if let Some(shown) = self.shown.take() {
            let at = shown.bytes.min(self.rest.len());
            let open = open_behind(&self.rest, at, self.open.as_deref()).map(str::to_owned);
            self.follow(Next { at, open }, true);
        }
    }

    fn follow(&mut self, next: Next, is_behind_a_message: bool) {
        self.rest.drain(..next.at.min(self.rest.len()));
        self.open = next.open;
        self.held = 0;
        if is_behind_a_message {
            self.part += 1;
            self.shown = None;
        }
        self.trim();
        if self.part >= self.most_messages && !self.rest.trim().is_empty() {
            self.is_too_long = true;
        }
    }

    /// No message begins with white space.
    fn trim(&mut self) {
        if self.held == 0 && self.open.is_none() {
            let blank = self.rest.len() - self.rest.trim_start().len();
            self.rest.drain(..blank);
        }
    }

    fn shows(&self, text: &str) -> bool {
        self.shown.as_ref().and_then(|shown| shown.text.as_deref()) == Some(text)
    }

    fn write(&mut self, text: String, next: Option<Next>) -> Write {
        let bytes = next.as_ref().map_or(self.rest.len(), |next| next.at);
        self.held = self.held.max(bytes);
        Write {
            part: self.part,
            text,
            is_new: self.shown.is_none(),
            is_final: self.is_ended || next.is_some(),
            bytes,
            next,
        }
    }
}

/// Where a place of a text is in the same text with neutralised mentions.
fn offset_in(neutral: &str, text: &str, at: usize) -> usize {
    let mut behind = text[..at.min(text.len())].chars().peekable();
    for (offset, character) in neutral.char_indices() {
        match behind.peek() {
            None => return offset,
            Some(next) if *next == character => drop(behind.next()),
            // Put in.
            Some(_) => {}
        }
    }
    neutral.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a server does with the writes: it keeps the texts, and may refuse an edit for good.
    #[derive(Default)]
    struct Server {
        messages: Vec<(String, bool)>,
    }

    impl Server {
        /// Carries it out, or refuses it; checks what holds for every write.
        fn take(&mut self, chain: &mut Chain, write: Write, refuses: bool, is_old: bool) {
            let part = usize::try_from(write.part).unwrap();
            assert!(utf16_length(&write.text) <= chain.limit, "{}", write.text);
            assert!(!write.text.trim().is_empty());
            if write.is_new {
                assert_eq!(part, self.messages.len(), "one behind the other");
                let text = if is_old {
                    "what was said before"
                } else {
                    &write.text
                };
                self.messages.push((text.to_owned(), write.is_final && !is_old));
                return chain.written(write, is_old);
            }
            assert_eq!(part + 1, self.messages.len(), "only the last is edited");
            assert!(!self.messages[part].1, "a final message is not edited");
            assert_ne!(self.messages[part].0, write.text, "no edit without a change");
            if refuses {
                return chain.refused();
            }
            self.messages[part] = (write.text.clone(), write.is_final);
            chain.written(write, false);
        }

        fn finish(&mut self, chain: &mut Chain) {
            while let Some(write) = chain.next() {
                self.take(chain, write, false, false);
            }
        }

        /// All that is said, without fences and white space.
        fn words(&self) -> String {
            bare(
                &self
                    .messages
                    .iter()
                    .map(|(text, _)| text.as_str())
                    .collect::<String>(),
            )
        }
    }

    fn bare(text: &str) -> String {
        text.chars()
            .filter(|character| !character.is_whitespace() && !matches!(character, '`' | '\u{200B}'))
            .collect()
    }

    fn chunk() -> impl Strategy<Value = String> {
        prop_oneof![
            6 => "[a-z@é😀\u{200D} \n]{0,60}",
            2 => Just("@all ".to_owned()),
            1 => Just("\n```\n".to_owned()),
            1 => "[a-z]{300,900}",
            1 => "[ \n]{0,300}",
        ]
    }

    proptest! {
        /// Whatever comes in which pieces, whenever it is written, and whichever edits are refused.
        #[test]
        fn the_messages_are_the_text(
            chunks in prop::collection::vec((chunk(), any::<bool>(), 0_u8..10, 0_u8..4), 0..60),
            limit in 200_usize..700,
            note in prop::option::of(Just("_Stopped._")),
        ) {
            let mut chain = Chain::new(limit, 10_000, "[ ](quote) ", "cut", KeptMentions::default());
            let (mut server, mut whole) = (Server::default(), String::new());
            for (chunk, is_written, refuses, comes_meanwhile) in chunks {
                chain.push(&chunk);
                whole.push_str(&chunk);
                if !is_written {
                    continue;
                }
                if let Some(write) = chain.next() {
                    for _ in 0..comes_meanwhile {
                        chain.push("while it is written @all ");
                        whole.push_str("while it is written @all ");
                    }
                    server.take(&mut chain, write, refuses == 0, false);
                }
            }
            chain.end(note);
            server.finish(&mut chain);
            let quote = if server.messages.is_empty() { "" } else { "[](quote)" };
            prop_assert_eq!(server.words(), format!("{quote}{}{}", bare(&whole), note.unwrap_or_default()));
            for (text, _) in &server.messages {
                prop_assert!(text.matches("```").count().is_multiple_of(2), "{}", text);
                prop_assert_eq!(KeptMentions::default().neutralise(text), text.as_str());
            }
            prop_assert_eq!(usize::try_from(chain.messages()).unwrap(), server.messages.len());
        }

        /// Where another process has posted some of the messages with other texts, they get these.
        #[test]
        fn a_second_run_overwrites_the_first(words in prop::collection::vec("[a-z]{1,12} ", 1..300), old in 0_usize..6) {
            let mut chain = Chain::new(200, 10_000, "", "", KeptMentions::default());
            let mut server = Server::default();
            for word in &words {
                chain.push(word);
                if let Some(write) = chain.next() {
                    let is_old = write.is_new && server.messages.len() < old;
                    server.take(&mut chain, write, false, is_old);
                }
            }
            chain.end(None);
            while let Some(write) = chain.next() {
                let is_old = write.is_new && server.messages.len() < old;
                server.take(&mut chain, write, false, is_old);
            }
            prop_assert_eq!(server.words(), bare(&words.concat()));
        }
    }

    #[test]
    fn a_text_that_is_too_long_is_cut_with_a_note() {
        let mut chain = Chain::new(200, 3, "", "\n(cut)", KeptMentions::default());
        let mut server = Server::default();
        chain.push(&"word ".repeat(1000));
        server.finish(&mut chain);
        assert!(chain.is_too_long());
        assert_eq!(server.messages.len(), 3);
        assert!(
            server.messages[2].0.ends_with("word\n(cut)"),
            "{:?}",
            server.messages[2]
        );
        assert!(server.messages.iter().all(|(_, is_final)| *is_final));
    }

    #[test]
    fn a_code_block_is_shown_closed_while_it_grows() {
        let mut chain = Chain::new(5000, 3, "", "", KeptMentions::default());
        chain.push("See:\n```rust\nlet x");
        let write = chain.next().unwrap();
        assert_eq!(write.text, "See:\n```rust\nlet x\n```");
        chain.written(write, false);
        chain.push(" = 1;\n```\nDone.");
        assert_eq!(
            chain.next().unwrap().text,
            "See:\n```rust\nlet x = 1;\n```\nDone."
        );
    }

    #[test]
    fn the_first_words_take_the_place_of_what_was_shown_before() {
        let mut chain = Chain::new(5000, 3, "", "", KeptMentions::default());
        chain.placeholder_written(Some("…".to_owned()));
        assert_eq!(chain.next(), None);
        chain.push(" \n hello");
        let write = chain.next().unwrap();
        assert_eq!((write.text.as_str(), write.is_new), ("hello", false));
    }
}
