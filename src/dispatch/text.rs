//! Splits a text that is too long for one message. Pure.

use std::borrow::Cow;

/// The most messages that one reply becomes.
const MOST_PARTS: usize = 3;

/// Said at the end of a reply that was cut.
const CUT_NOTE: &str = "\n… (cut: the rest is too long for the chat)";

const FENCE: &str = "```";

/// Behind a part that ends in a code block.
const CLOSE: &str = "\n```";

/// Below this there is no room for fences and a note besides text: such a text is only cut into pieces.
const LEAST_FOR_FENCES: usize = 200;

/// The longest name of a language that is repeated where a code block goes on.
const LONGEST_INFO: usize = 32;

/// Splits a text into messages of at most `limit` UTF-16 units, which is how the server counts. It prefers the end of
/// a paragraph, of a line, of a word; a code block that is cut is closed and opened again. What is more than three
/// messages is cut with a note.
pub(crate) fn split(text: &str, limit: usize) -> Vec<Cow<'_, str>> {
    split_or_cut(text, limit).0
}

/// The same, and whether it was cut.
pub(crate) fn split_or_cut(text: &str, limit: usize) -> (Vec<Cow<'_, str>>, bool) {
    if utf16_length(text) <= limit {
        return (vec![Cow::Borrowed(text)], false);
    }
    // Any character fits into two units.
    let limit = limit.max(2);
    let mut parts: Vec<Cow<'_, str>> = Vec::new();
    let mut rest = text.trim_end();
    let mut open: Option<&str> = None;
    while !rest.is_empty() {
        let is_last = parts.len() + 1 == MOST_PARTS;
        let reopened = reopened(open);
        if utf16_length(&reopened) + utf16_length(rest) <= limit {
            parts.push(Cow::Owned(reopened + rest));
            break;
        }
        let cut = cut(rest, open, limit, "", if is_last { CUT_NOTE } else { "" });
        if let Some(piece) = cut.piece {
            parts.push(Cow::Owned(piece));
            if is_last {
                return (parts, true);
            }
        }
        (rest, open) = (cut.rest, cut.open);
    }
    (parts, false)
}

/// What a message begins with that goes on in a code block of this language.
pub(crate) fn reopened(open: Option<&str>) -> String {
    open.map_or_else(String::new, |info| format!("{FENCE}{info}\n"))
}

/// What a message ends with for its code block to be closed, if it has to be; nothing where messages are so short that
/// there is no room for fences.
pub(crate) fn closing(text: &str, open: Option<&str>, limit: usize) -> &'static str {
    match limit >= LEAST_FOR_FENCES && open_at(text, text.len(), open).is_some() {
        true => CLOSE,
        false => "",
    }
}

/// The language of the code block that is open behind so many bytes of a text.
pub(crate) fn open_behind<'a>(text: &'a str, end: usize, open: Option<&'a str>) -> Option<&'a str> {
    open_at(text, end, open).map(|fence| fence.info)
}

/// What becomes of a text that does not fit.
pub(crate) struct Cut<'a> {
    /// The message that it begins with; none where that would show nothing.
    pub(crate) piece: Option<String>,
    /// What is left for the messages behind it.
    pub(crate) rest: &'a str,
    /// The language of the code block that the rest begins in.
    pub(crate) open: Option<&'a str>,
}

/// Cuts the first message off a text that does not fit into one. `open` is the language of the code block that the text
/// begins in; the quote comes before what is cut off, the note behind it.
pub(crate) fn cut<'a>(
    rest: &'a str,
    open: Option<&'a str>,
    limit: usize,
    quote: &str,
    note: &str,
) -> Cut<'a> {
    // Any character fits into two units.
    let limit = limit.max(2);
    let has_fences = limit >= LEAST_FOR_FENCES;
    let reopened = reopened(open);
    let note = if has_fences { note } else { "" };
    let close_room = if has_fences { utf16_length(CLOSE) } else { 0 };
    let around = utf16_length(quote) + utf16_length(&reopened) + close_room + utf16_length(note);
    let room = limit.saturating_sub(around);
    let mut end = break_before(rest, room);
    let mut fence = if has_fences {
        open_at(rest, end, open)
    } else {
        None
    };
    let mut next = end;
    if let Some(Fence {
        at: Some(at),
        code_at,
        ..
    }) = fence
        && rest[code_at.min(end)..end].trim().is_empty()
    {
        // It opens only just before the cut: it goes into the next part as a whole, or no part holds its start.
        end = at;
        if rest[..at].trim().is_empty() {
            next = code_at.max(next);
        } else {
            next = at;
            fence = None;
        }
    }
    let piece = rest[..end].trim_end_matches(['\n', ' ']);
    let piece = (!piece.trim().is_empty()).then(|| {
        let close = if fence.is_some() { CLOSE } else { "" };
        format!("{quote}{reopened}{piece}{close}{note}")
    });
    let mut open = fence.map(|fence| fence.info);
    let mut rest = if open.is_some() {
        rest[next..].trim_start_matches('\n')
    } else {
        rest[next..].trim_start()
    };
    if open.is_some()
        && let Some(behind) = rest.strip_prefix(FENCE)
    {
        // The block ends where the part does.
        open = None;
        rest = behind.trim_start();
    }
    Cut { piece, rest, open }
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

/// Does not cut a family emoji, a letter from its accent, or a fence.
fn before_joined_characters(text: &str, end: usize) -> usize {
    if text[end..].starts_with('`') && text[..end].ends_with('`') {
        let run = text[..end].trim_end_matches('`').len();
        // A text of nothing but backticks is cut between two fences.
        return if run > 0 {
            run
        } else {
            (end - end % FENCE.len()).max(1)
        };
    }
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

/// A code block that is open.
struct Fence<'a> {
    /// The language, where the block can be opened again with it.
    info: &'a str,
    /// Where it opens; `None` if before this text.
    at: Option<usize>,
    /// Where the code begins.
    code_at: usize,
}

/// The code block that is open at `end`. Every fence opens or closes one, wherever in its line it stands.
fn open_at<'a>(text: &'a str, end: usize, open: Option<&'a str>) -> Option<Fence<'a>> {
    let mut fence = open.map(|info| Fence {
        info,
        at: None,
        code_at: 0,
    });
    for (at, _) in text[..end].match_indices(FENCE) {
        fence = match fence {
            Some(_) => None,
            None => {
                let behind = at + FENCE.len();
                let info = info(&text[behind..]);
                Some(Fence {
                    info: info.unwrap_or_default(),
                    at: Some(at),
                    code_at: behind + info.map_or(0, str::len),
                })
            }
        };
    }
    fence
}

/// The name of the language behind a fence. What is long, has white space or does not end with its line is code.
fn info(behind: &str) -> Option<&str> {
    let (info, _) = behind.split_once('\n')?;
    let is_name =
        info.chars().count() <= LONGEST_INFO && !info.contains(|c: char| c.is_whitespace() || c == '`');
    is_name.then_some(info)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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

    #[test]
    fn only_a_name_is_repeated_where_a_block_goes_on() {
        let code = "let answer = 42;\n".repeat(30);
        for (opening, repeated) in [
            ("```rust\n", "```rust\n"),
            ("code: ```rust\n", "```rust\n"),
            ("```\n", "```\n"),
            ("```let first = 1;\n", "```\n"),
            (&*format!("```{}\n", "x".repeat(33)), "```\n"),
            (&*format!("```{}", "x".repeat(200)), "```\n"),
        ] {
            let text = format!("{opening}{code}```");
            let parts = split(&text, 300);
            assert!(parts[1].starts_with(repeated), "{opening}: {}", parts[1]);
            assert!(
                parts.iter().all(|part| part.matches("```").count() == 2),
                "{parts:?}"
            );
        }
    }

    #[test]
    fn no_block_is_left_empty_by_a_cut() {
        let words = "word ".repeat(56);
        let code = "let answer = 42;\n".repeat(10);
        // Opens just before the cut, and ends just behind it.
        let parts = split(&format!("{words}\n```rust\n{code}```"), 300)
            .into_iter()
            .map(Cow::into_owned)
            .collect::<Vec<_>>();
        assert_eq!(
            parts,
            [words.trim_end().to_owned(), format!("```rust\n{code}```")]
        );
        let line = "x".repeat(281);
        assert_eq!(
            split(&format!("```\n{line}\n```\n{}", "y".repeat(30)), 290)[..],
            [format!("```\n{line}\n```"), "y".repeat(30)]
        );
    }

    #[test]
    fn a_small_limit_is_kept() {
        assert_eq!(split("one two three", 5), ["one", "two", "three"]);
        assert_eq!(split("😀😀😀😀", 1), ["😀", "😀", "😀"]);
        assert!(split(&" ".repeat(500), 300).is_empty());
    }

    /// Texts with code blocks, long lines and fences anywhere.
    fn with_code() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just("```".to_owned()),
            "```[a-z]{0,40}\n",
            "\n```\n",
            "[a-z ]{1,60}\n",
            "[a-zé😀]{100,700}",
            "`{1,12}",
            "[ \n]{1,300}",
        ];
        prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn every_part_fits(text in "(?s)[ \n`a-zé😀\u{200D}]{0,3000}", limit in 0usize..1000) {
            let parts = split(&text, limit);
            prop_assert!(parts.len() <= MOST_PARTS);
            for part in &parts {
                prop_assert!(utf16_length(part) <= limit.max(2), "{} > {limit}", utf16_length(part));
            }
        }

        #[test]
        fn code_blocks_are_whole_in_every_part(text in with_code(), limit in 200usize..800) {
            let parts = split(&text, limit);
            let is_whole = |part: &str| part.matches("```").count().is_multiple_of(2);
            prop_assert!(parts.len() <= MOST_PARTS);
            for (i, part) in parts.iter().enumerate() {
                prop_assert!(utf16_length(part) <= limit, "{} > {limit}", utf16_length(part));
                prop_assert!(parts.len() == 1 || !part.trim().is_empty(), "{parts:?}");
                // Where the text ends in an open block, so does the last part.
                prop_assert!(is_whole(part) || i + 1 == parts.len() && !is_whole(&text), "{part:?} of {text:?}");
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
