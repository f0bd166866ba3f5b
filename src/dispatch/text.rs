//! What is done to a text before it is posted: group mentions are neutralised, and what is too long is split. Pure.

use std::borrow::Cow;

/// The most messages that one reply becomes.
const MOST_PARTS: usize = 3;

/// Said at the end of a reply that was cut.
const CUT_NOTE: &str = "\n… (cut: the rest is too long for the chat)";

/// Puts a character without width behind the `@` of `@all` and `@here`: it reads the same and notifies nobody. The
/// server refuses the whole message of an account that may not mention groups.
pub(crate) fn neutralise_group_mentions(text: &str) -> Cow<'_, str> {
    let mut neutral = String::new();
    let mut copied = 0;
    for (at, _) in text.match_indices('@') {
        let name_at = at + 1;
        let is_group = ["all", "here"].into_iter().any(|group| {
            let Some(name) = text.get(name_at..name_at + group.len()) else {
                return false;
            };
            let behind = text[name_at + group.len()..].chars().next();
            name.eq_ignore_ascii_case(group)
                && !behind.is_some_and(|next| next.is_alphanumeric() || matches!(next, '_' | '-'))
        });
        if is_group {
            neutral.push_str(&text[copied..name_at]);
            neutral.push('\u{200B}');
            copied = name_at;
        }
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    neutral.push_str(&text[copied..]);
    Cow::Owned(neutral)
}

/// Splits a text into messages of at most `limit` UTF-16 units, which is how the server counts. It prefers the end of
/// a paragraph, of a line, of a word; a code block that is cut is closed and opened again. What is more than three
/// messages is cut with a note.
pub(crate) fn split(text: &str, limit: usize) -> Vec<Cow<'_, str>> {
    if utf16_length(text) <= limit {
        return vec![Cow::Borrowed(text)];
    }
    // Below this there is no room for a fence and a note besides text; no server is set up like that.
    let limit = limit.max(200);
    let mut parts: Vec<Cow<'_, str>> = Vec::new();
    let mut rest = text;
    let mut open_fence: Option<&str> = None;
    while !rest.is_empty() {
        let is_last = parts.len() + 1 == MOST_PARTS;
        let reopened = open_fence.map(|fence| format!("{fence}\n")).unwrap_or_default();
        let fits = utf16_length(&reopened) + utf16_length(rest) <= limit;
        if fits {
            parts.push(Cow::Owned(format!("{reopened}{rest}")));
            break;
        }
        let note = if is_last { CUT_NOTE } else { "" };
        // Room for the fence that is put in front, one that may have to be closed, and the note.
        let room = limit - utf16_length(&reopened).min(limit / 2) - "\n```".len() - utf16_length(note);
        let end = break_before(rest, room);
        let piece = rest[..end].trim_end_matches(['\n', ' ']);
        let fence = fence_after(piece, open_fence);
        let close = if fence.is_some() { "\n```" } else { "" };
        parts.push(Cow::Owned(format!("{reopened}{piece}{close}{note}")));
        if is_last {
            break;
        }
        open_fence = fence;
        rest = if open_fence.is_some() {
            rest[end..].trim_start_matches('\n')
        } else {
            rest[end..].trim_start()
        };
    }
    parts
}

pub(crate) fn utf16_length(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

/// The byte at which to cut so that at most `room` UTF-16 units stand before it: behind a paragraph, a line or a word
/// if one ends in the second half, else between two characters. At least one character stands before it.
fn break_before(text: &str, room: usize) -> usize {
    let mut units = 0;
    let mut end = text.len();
    for (at, character) in text.char_indices() {
        units += character.len_utf16();
        if units > room {
            end = at.max(text.chars().next().map_or(0, char::len_utf8));
            break;
        }
    }
    let window = &text[..end];
    let from = end / 2;
    ["\n\n", "\n", " "]
        .into_iter()
        .find_map(|separator| window.rfind(separator).filter(|at| *at >= from && *at > 0))
        .unwrap_or_else(|| before_joined_characters(text, end))
}

/// Does not cut a family emoji or a letter from its accent.
fn before_joined_characters(text: &str, end: usize) -> usize {
    let joins = |character: char| matches!(character, '\u{200D}' | '\u{FE00}'..='\u{FE0F}' | '\u{0300}'..='\u{036F}' | '\u{1F3FB}'..='\u{1F3FF}');
    let mut at = end;
    // An emoji of joined characters is short; a text of nothing but accents is cut anywhere.
    for _ in 0..16 {
        let next_joins = text[at..].chars().next().is_some_and(joins);
        let previous = text[..at].char_indices().next_back();
        match previous {
            Some((start, character)) if start > 0 && (next_joins || character == '\u{200D}') => at = start,
            _ => return at,
        }
    }
    end
}

/// The opening line of the code block that is open behind the text.
fn fence_after<'a>(text: &'a str, open: Option<&'a str>) -> Option<&'a str> {
    text.lines().fold(open, |open, line| {
        match (open, line.trim_start().strip_prefix("```")) {
            (None, Some(info)) if !info.contains("```") => Some(line),
            (Some(_), Some(_)) => None,
            (open, _) => open,
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn group_mentions_notify_nobody() {
        assert_eq!(
            neutralise_group_mentions("hi @all and @Here!"),
            "hi @\u{200B}all and @\u{200B}Here!"
        );
        for text in [
            "mail@allan.example",
            "@alligator",
            "@here_we_go",
            "all here",
            "@",
            "@a",
            "@é",
        ] {
            assert_eq!(neutralise_group_mentions(text), text);
        }
    }

    #[test]
    fn a_short_text_is_one_message() {
        assert_eq!(split("hello", 5000), ["hello"]);
    }

    #[test]
    fn a_long_text_is_split_at_lines() {
        let text = "0123456789 123456789 123456789 12345678\n".repeat(10);
        let parts = split(&text, 300);
        assert_eq!(parts.len(), 2);
        assert!(parts[0].ends_with("12345678") && parts[1].starts_with("0123"));
    }

    #[test]
    fn a_code_block_is_closed_and_opened_again() {
        let text = format!("before\n```rust\n{}```\nafter", "let answer = 42;\n".repeat(30));
        let parts = split(&text, 300);
        assert!(parts.len() > 1);
        for part in &parts {
            assert_eq!(part.matches("```").count() % 2, 0, "{part}");
        }
        assert!(parts[1].starts_with("```rust\n"));
    }

    #[test]
    fn an_emoji_is_not_cut() {
        let text = "👨‍👩‍👧‍👦".repeat(60);
        for part in split(&text, 300) {
            assert!(
                !part.starts_with('\u{200D}') && !part.ends_with('\u{200D}'),
                "{part:?}"
            );
        }
    }

    #[test]
    fn more_than_three_messages_are_cut_with_a_note() {
        let parts = split(&"word ".repeat(1000), 300)
            .into_iter()
            .map(Cow::into_owned)
            .collect::<Vec<_>>();
        assert_eq!(parts.len(), 3);
        assert!(parts[2].ends_with(CUT_NOTE));
    }

    proptest! {
        #[test]
        fn every_part_fits(text in "(?s)[ \n`a-zé😀\u{200D}]{0,3000}", limit in 200usize..1000) {
            let parts = split(&text, limit);
            prop_assert!(parts.len() <= MOST_PARTS);
            for part in &parts {
                prop_assert!(utf16_length(part) <= limit, "{} > {limit}", utf16_length(part));
            }
        }

        #[test]
        fn nothing_but_white_space_and_fences_is_lost(words in prop::collection::vec("[a-z]{1,12}", 1..100)) {
            let text = words.join(" ");
            let parts = split(&text, 400);
            if !parts.last().is_some_and(|part| part.ends_with(CUT_NOTE)) {
                prop_assert_eq!(parts.join(" "), text);
            }
        }
    }
}
