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
            let is_short = utf16_length(text) <= limit / 3;
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
                None => self.skip_blank(next),
            }
        }
        None
    }

    /// The message that is full, and where the text goes on behind it.
    fn cut(&self) -> (Option<String>, Next) {
        let quote = if self.part == 0 { self.quote.as_str() } else { "" };
        let is_last = self.part + 1 >= self.most_messages;
        let note = if is_last { self.cut_note.as_str() } else { "" };
        let cut = cut(&self.rest, self.open.as_deref(), self.limit, quote, note);
        let next = Next {
            at: self.rest.len() - cut.rest.len(),
            open: cut.open.map(str::to_owned),
        };
        (cut.piece, next)
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

    /// There is nothing to say before the cut but white space, or the start of a code block.
    fn skip_blank(&mut self, next: Next) {
        match &mut self.shown {
            // When they were shown, words behind the cut had room in the message. They are not said again.
            Some(shown) if shown.bytes > next.at => self.refused(),
            shown => {
                // What is shown is to be replaced by the words that come.
                if let Some(shown) = shown {
                    shown.bytes = 0;
                }
                self.follow(next, false);
            }
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
mod tests;
