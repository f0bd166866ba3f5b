//! Tests of what is said in which message: over arbitrary text and refusals, and by hand.

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

/// The limit leaves room for 192 units in a code block: the cut comes before the words, behind nothing but blank lines.
#[test]
fn blank_lines_that_are_cut_off_say_nothing_twice() {
    let mut chain = Chain::new(200, 10, "", "", KeptMentions::default());
    let mut server = Server::default();
    chain.push("```\nfirst");
    server.finish(&mut chain);
    chain.push("\n");
    let write = chain.next().unwrap();
    server.take(&mut chain, write, true, false);
    let lines = "\n".repeat(150);
    chain.push(&format!("{lines}words that are shown"));
    server.finish(&mut chain);
    chain.push(&" and go on".repeat(10));
    chain.end(None);
    server.finish(&mut chain);
    let texts: Vec<_> = server.messages.iter().map(|(text, _)| text.as_str()).collect();
    let last = format!("```\n{}\n```", " and go on".repeat(10));
    assert_eq!(
        texts,
        [
            "```\nfirst\n```",
            &format!("```\n\n{lines}words that are shown\n```"),
            &last
        ]
    );
    assert_eq!(chain.messages(), 3);
}

#[test]
fn blank_lines_leave_no_placeholder_behind() {
    let mut server = Server::default();
    let mut chain = Chain::new(200, 10, "", "", KeptMentions::default());
    server.messages.push(("…".to_owned(), false));
    chain.placeholder_written(Some("…".to_owned()));
    chain.push(&format!("```rust\n{}let x = 1;\n```", "\n".repeat(300)));
    chain.end(None);
    server.finish(&mut chain);
    assert_eq!(server.messages, [("```rust\nlet x = 1;\n```".to_owned(), true)]);
    assert_eq!(chain.messages(), 1);
}

#[test]
fn a_quote_leaves_code_blocks_whole() {
    let mut chain = Chain::new(200, 10, "[ ](quote) ", "", KeptMentions::default());
    let mut server = Server::default();
    chain.push(&format!("```\n{}", "code ".repeat(60)));
    chain.end(None);
    server.finish(&mut chain);
    assert_eq!(server.messages.len(), 2);
    for (text, _) in &server.messages {
        assert_eq!(text.matches("```").count(), 2, "{text}");
    }
}
