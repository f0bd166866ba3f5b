//! Splits the text of a command's arguments into tokens, the way people write in a chat. Pure.
//!
//! White space and new lines separate. Quotes of every kind that keyboards and phones write keep words together, and
//! so do `inline code` and fenced code blocks. A quote or fence that is not closed is taken literally: in a chat an
//! apostrophe is likelier than a mistake.

use std::borrow::Cow;
use std::ops::Range;

use crate::command::{is_blank, is_invisible};

/// One argument as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    /// Without its quotes or fences.
    pub(crate) text: Cow<'a, str>,
    /// Whether it was quoted from its first character on: then a dash in front is no option.
    pub(crate) is_quoted: bool,
    /// Where it stands in the text, with its quotes.
    pub(crate) span: Range<usize>,
}

/// What closes a quote, by what opens it. Phones replace one or both by typographic ones, by language.
const QUOTES: &[(char, &[char])] = &[
    ('"', &['"', '”', '＂']),
    ('＂', &['＂', '"', '”']),
    ('“', &['”', '"', '“']),
    ('”', &['”', '"', '“']),
    ('„', &['“', '”', '"', '„']),
    ('‟', &['”', '"']),
    ('\'', &['\'', '’']),
    ('‘', &['’', '\'', '‘']),
    ('’', &['’', '\'']),
    ('‚', &['‘', '’', '\'']),
    ('‛', &['’', '\'']),
    ('«', &['»']),
    ('»', &['«', '»']),
    ('‹', &['›']),
    ('›', &['‹', '›']),
    ('「', &['」']),
    ('『', &['』']),
];

/// The dashes that open an option: phones write one long dash for two short ones.
pub(super) const LONG_DASHES: [char; 2] = ['—', '–'];

/// The tokens of a text.
#[derive(Clone, Debug)]
pub(crate) struct Tokens<'a> {
    text: &'a str,
    position: usize,
    /// One bit for each of [`QUOTES`]: from here on nothing closes it. Without it, a text of nothing but opening quotes
    /// would take the square of its length.
    unclosed: u32,
}

/// Splits a text from a position on.
pub(crate) fn tokens_from(text: &str, position: usize) -> Tokens<'_> {
    Tokens {
        text,
        position,
        unclosed: 0,
    }
}

/// Splits a text.
pub(crate) fn tokens(text: &str) -> Tokens<'_> {
    tokens_from(text, 0)
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        let text = self.text;
        let start = self.position + text[self.position..].find(|character| !is_blank(character))?;
        if let Some(fence) = fence(&text[start..]) {
            self.position = start + fence.length;
            return Some(Token {
                text: Cow::Borrowed(fence.code),
                is_quoted: true,
                span: start..self.position,
            });
        }
        // `--name="some text"`: the value of an option may be quoted too.
        let head = option_head(&text[start..]);
        let quote = start + head;
        let Some((inside, length)) = self.quoted(quote) else {
            let word = word(&text[start..]);
            self.position = start + word.len();
            return Some(Token {
                text: Cow::Borrowed(word),
                is_quoted: false,
                span: start..self.position,
            });
        };
        let tail = word(&text[quote + length..]);
        self.position = quote + length + tail.len();
        let text = if head == 0 && tail.is_empty() {
            inside
        } else {
            Cow::Owned(format!("{}{inside}{tail}", &text[start..quote]))
        };
        Some(Token {
            text,
            is_quoted: head == 0,
            span: start..self.position,
        })
    }
}

impl<'a> Tokens<'a> {
    /// The content of the quote or code that begins at a position, and how long it is with its marks.
    fn quoted(&mut self, position: usize) -> Option<(Cow<'a, str>, usize)> {
        let rest = &self.text[position..];
        let opening = rest.chars().next()?;
        if opening == '`' {
            return inline_code(rest);
        }
        let kind = QUOTES.iter().position(|(quote, _)| *quote == opening)?;
        if self.unclosed & (1 << kind) != 0 {
            return None;
        }
        let closing = QUOTES[kind].1;
        let inside = &rest[opening.len_utf8()..];
        let Some((length, mark)) = find_closing(inside, opening, closing) else {
            self.unclosed |= 1 << kind;
            return None;
        };
        let content = unescape(&inside[..length], opening, closing);
        Some((content, opening.len_utf8() + length + mark.len_utf8()))
    }
}

/// A word up to white space, without the characters at its end that nobody sees.
fn word(text: &str) -> &str {
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    text[..end].trim_end_matches(is_invisible)
}

/// The length of `--name=` at the start of a text; 0 if it begins otherwise.
fn option_head(text: &str) -> usize {
    if !text.starts_with('-') && !text.starts_with(LONG_DASHES) {
        return 0;
    }
    let is_name = |character: char| {
        character.is_alphanumeric() || "-_".contains(character) || LONG_DASHES.contains(&character)
    };
    match text.find(|character| !is_name(character)) {
        Some(end) if text[end..].starts_with('=') => end + 1,
        _ => 0,
    }
}

fn find_closing(inside: &str, opening: char, closing: &[char]) -> Option<(usize, char)> {
    let is_single = closing.iter().any(|mark| matches!(mark, '\'' | '’'));
    let mut characters = inside.char_indices().peekable();
    while let Some((index, character)) = characters.next() {
        let following = characters.peek().map(|(_, character)| *character);
        if character == '\\' && following.is_some_and(|next| is_escapable(next, opening, closing)) {
            characters.next();
        } else if closing.contains(&character) {
            // An apostrophe: `don't`.
            let is_apostrophe = is_single && following.is_some_and(char::is_alphanumeric);
            if !is_apostrophe {
                return Some((index, character));
            }
        }
    }
    None
}

/// Only quotes and the backslash itself can be escaped: `"C:\new"` is a path.
fn is_escapable(character: char, opening: char, closing: &[char]) -> bool {
    character == '\\' || character == opening || closing.contains(&character)
}

fn unescape<'a>(content: &'a str, opening: char, closing: &[char]) -> Cow<'a, str> {
    if !content.contains('\\') {
        return Cow::Borrowed(content);
    }
    let mut plain = String::with_capacity(content.len());
    let mut characters = content.chars().peekable();
    while let Some(character) = characters.next() {
        let escaped = characters.next_if(|next| character == '\\' && is_escapable(*next, opening, closing));
        plain.push(escaped.unwrap_or(character));
    }
    Cow::Owned(plain)
}

/// `` `code` `` on one line, between equally many backticks.
fn inline_code(text: &str) -> Option<(Cow<'_, str>, usize)> {
    let marks = backticks(text);
    let line = text.lines().next().unwrap_or_default();
    let mut position = marks;
    while let Some(found) = line.get(position..)?.find('`') {
        let start = position + found;
        let length = backticks(&line[start..]);
        if length == marks {
            return Some((Cow::Borrowed(&line[marks..start]), start + length));
        }
        position = start + length;
    }
    None
}

/// A code block between fences.
struct Fence<'a> {
    language: Option<&'a str>,
    /// Without the fences, and without the line that names the language.
    code: &'a str,
    /// With its fences.
    length: usize,
}

fn fence(text: &str) -> Option<Fence<'_>> {
    const FENCE: &str = "```";
    let inside = text.strip_prefix(FENCE)?;
    let end = inside.find(FENCE)?;
    let block = &inside[..end];
    let is_language = |line: &str| {
        line.chars()
            .all(|character| character.is_alphanumeric() || "+#._-".contains(character))
    };
    let (language, code) = match block.split_once('\n') {
        Some((line, code)) if is_language(line.trim()) => (Some(line.trim()), code),
        _ => (None, block),
    };
    let code = code.strip_suffix('\n').unwrap_or(code);
    Some(Fence {
        language: language.filter(|language| !language.is_empty()),
        code: code.strip_suffix('\r').unwrap_or(code),
        length: end + 2 * FENCE.len(),
    })
}

/// The language and the code of a token as it was typed: between fences, between backticks, or a bare word.
pub(super) fn code_of(token: &str) -> (Option<&str>, Cow<'_, str>) {
    if let Some(fence) = fence(token) {
        return (fence.language, Cow::Borrowed(fence.code));
    }
    let inline = token.starts_with('`').then(|| inline_code(token)).flatten();
    (None, inline.map_or(Cow::Borrowed(token), |(code, _)| code))
}

fn backticks(text: &str) -> usize {
    text.bytes().take_while(|byte| *byte == b'`').count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(text: &str) -> Vec<String> {
        tokens(text).map(|token| token.text.into_owned()).collect()
    }

    #[test]
    fn blanks_and_new_lines_separate() {
        assert_eq!(split(" a  b\nc\t d\u{a0}e "), ["a", "b", "c", "d", "e"]);
        assert!(split(" \n\u{200b}").is_empty());
    }

    #[test]
    fn characters_without_width_separate_nothing_and_are_trimmed() {
        assert_eq!(
            split("\u{200b}ping\u{200b} \u{feff}\u{2060}pong\u{200d}"),
            ["ping", "pong"]
        );
        assert_eq!(split("می\u{200c}خواهم"), ["می\u{200c}خواهم"]);
        assert_eq!(split("\u{200b}\"a b\""), ["a b"]);
    }

    #[test]
    fn every_kind_of_quote_keeps_words_together() {
        for text in [
            "\"a b\"",
            "'a b'",
            "“a b”",
            "„a b“",
            "„a b”",
            "”a b”",
            "«a b»",
            "»a b«",
            "‘a b’",
            "‚a b‘",
            "‹a b›",
            "「a b」",
            "“a b\"",
            "\"a b”",
            "‘a b'",
            "＂a b＂",
        ] {
            assert_eq!(split(&format!("x {text} y")), ["x", "a b", "y"], "{text}");
        }
    }

    #[test]
    fn an_apostrophe_is_no_quote() {
        assert_eq!(split("don't say can’t"), ["don't", "say", "can’t"]);
        assert_eq!(split("'tis what I can't"), ["'tis", "what", "I", "can't"]);
        assert_eq!(split("'I don't' x"), ["I don't", "x"]);
    }

    #[test]
    fn quotes_that_are_not_closed_are_literal() {
        assert_eq!(split("say \"hello there"), ["say", "\"hello", "there"]);
        assert_eq!(split("6\" pipe \""), ["6\"", "pipe", "\""]);
        assert_eq!(split("`a\nb`"), ["`a", "b`"]);
        assert_eq!(split("```a b"), ["```a", "b"]);
    }

    #[test]
    fn quotes_may_be_empty_escaped_and_followed_by_more() {
        assert_eq!(split("\"\" ''"), ["", ""]);
        assert_eq!(split(r#""a \"b\" \\ c:\new""#), [r#"a "b" \ c:\new"#]);
        assert_eq!(split(r#""a b", "c d""#), ["a b,", "c d"]);
        assert_eq!(split(r"a\b"), [r"a\b"]);
    }

    #[test]
    fn code_is_one_token() {
        assert_eq!(split("run `a b` now"), ["run", "a b", "now"]);
        assert_eq!(split("``a ` b``"), ["a ` b"]);
        assert_eq!(
            split("eval\n```rust\nlet a = 1;\n\nb\n```\nend"),
            ["eval", "let a = 1;\n\nb", "end"]
        );
        assert_eq!(split("```a b```c"), ["a b", "c"]);
        assert_eq!(split("```\na\n```"), ["a"]);
        assert_eq!(split("```two words\na```"), ["two words\na"]);
    }

    #[test]
    fn the_value_of_an_option_may_be_quoted() {
        assert_eq!(split("--name=\"a b\" x"), ["--name=a b", "x"]);
        assert_eq!(split("—name=“a b”"), ["—name=a b"]);
        let is_quoted: Vec<_> = tokens("\"--a\" --b=\"c\" d")
            .map(|token| token.is_quoted)
            .collect();
        assert_eq!(is_quoted, [true, false, false]);
    }

    #[test]
    fn a_text_of_nothing_but_opening_quotes_takes_no_square_of_time() {
        let text = "'a ‘b «c 「d ".repeat(40_000);
        let started = std::time::Instant::now();
        assert_eq!(tokens(&text).count(), 160_000);
        assert!(started.elapsed() < std::time::Duration::from_secs(5));
    }

    proptest! {
        #[test]
        fn nothing_is_lost_but_blanks(text in any::<String>()) {
            covers(&text)?;
        }

        #[test]
        fn nothing_is_lost_among_quotes(text in "[ a\\\\\"'`“”„«»‘’=\n\u{200b}\u{e9}-]{0,60}") {
            covers(&text)?;
        }

        #[test]
        fn words_round_trip_through_quotes(words in prop::collection::vec(any::<String>(), 0..6)) {
            let text = words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
            prop_assert_eq!(split(&text), words);
        }
    }

    fn quoted(word: &str) -> String {
        let escaped: String = word
            .chars()
            .flat_map(|character| {
                let is_mark = is_escapable(character, '"', QUOTES[0].1);
                is_mark.then_some('\\').into_iter().chain([character])
            })
            .collect();
        format!("\"{escaped}\"")
    }

    fn covers(text: &str) -> Result<(), TestCaseError> {
        let mut end = 0;
        for token in tokens(text) {
            prop_assert!(text[end..token.span.start].chars().all(is_blank));
            if !token.is_quoted && !token.text.starts_with('-') && !token.text.starts_with(LONG_DASHES) {
                prop_assert_eq!(&*token.text, &text[token.span.clone()]);
            }
            end = token.span.end;
        }
        prop_assert!(text[end..].chars().all(is_blank));
        Ok(())
    }
}
