//! Text in Rocket.Chat's markdown: words of strangers that stay words, code, quotations, links.
//!
//! What a bot repeats may hold anything: a link with another's name on it, a heading, half a code block. These functions
//! make one piece of text of it, which the rest of the message can be put around:
//!
//! ```
//! use rocketbotte::markdown;
//!
//! let (name, log) = ("*boss*", "let a = 1;\n```");
//! let text = format!("{} says:\n{}", markdown::escape(name), markdown::code_block(log));
//! assert_eq!(text, "\\*boss\\* says:\n```\nlet a = 1;\n``\u{200B}`\n```");
//! ```
//!
//! Where the markdown knows no other way, a character without width (U+200B) takes away what a sign means, and leaves how it
//! looks. The functions are made for the parser that servers have since version 5, and are tested with it; what came before
//! shows the backslashes.
//!
//! Who a text may notify is another question, which [`AllowedMentions`](crate::response::AllowedMentions) answers for all
//! of it.

/// A character without width.
const BREAK: char = '\u{200B}';

/// Makes plain text of anything: it is shown with each of its characters, and nothing in it is bold, a link, a list, a
/// picture of an emoji's name or a mention. Lines stay lines.
///
/// Only a server that is told to read `$x$` as a formula still does.
///
/// ```
/// use rocketbotte::markdown::escape;
///
/// assert_eq!(escape("2 * 3"), "2 \\* 3");
/// assert_eq!(escape("no signs, no change"), "no signs, no change");
/// ```
pub fn escape(text: &str) -> String {
    escape_in(Place::Text, text)
}

/// Where words stand: backslashes mean nothing in the label of a link.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Text,
    Label,
}

fn escape_in(place: Place, text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 16);
    let mut begins_line = true;
    let mut before: Option<char> = None;
    for (at, sign) in text.char_indices() {
        let behind = &text[at + sign.len_utf8()..];
        if begins_line && begins_block(sign, behind) {
            escaped.push(BREAK);
        }
        let has_backslash = match sign {
            '*' | '_' | '~' | '`' => true,
            // Between names it would be the address of a host.
            '.' => before == Some('\\') || is_word(before) && is_word(behind.chars().next()),
            // Or the backslash would be its own.
            '#' => before == Some('\\'),
            _ => false,
        };
        if place == Place::Text && has_backslash {
            escaped.push('\\');
        }
        escaped.push(match place {
            Place::Text => sign,
            Place::Label => looks_like(before, sign, behind),
        });
        if is_broken_behind(before, sign, behind) {
            escaped.push(BREAK);
        }
        begins_line = sign == '\n' || sign == '\r' || begins_line && sign.is_whitespace();
        before = Some(sign);
    }
    escaped
}

/// Signs that can not be escaped, as others that look like them.
fn looks_like(before: Option<char>, sign: char, behind: &str) -> char {
    let is_alphanumeric = |neighbour: Option<char>| neighbour.is_some_and(char::is_alphanumeric);
    match sign {
        '*' => '\u{2217}',
        '~' => '\u{223C}',
        '`' => '\u{02CB}',
        // Within a word it means nothing.
        '_' if !is_alphanumeric(before) || !is_alphanumeric(behind.chars().next()) => '\u{FF3F}',
        '[' => '\u{FF3B}',
        ']' => '\u{FF3D}',
        '\n' | '\r' => ' ',
        sign => sign,
    }
}

/// Shows a text as code within a line. Line breaks become blanks, and backticks, which such code can not hold, a sign that
/// looks like one (U+02CB). Nothing becomes nothing.
///
/// ```
/// use rocketbotte::markdown::inline_code;
///
/// assert_eq!(inline_code("a * b"), "`a * b`");
/// assert_eq!(inline_code("`ls`"), "`\u{2CB}ls\u{2CB}`");
/// ```
pub fn inline_code(text: &str) -> String {
    if text.trim().is_empty() {
        return String::new();
    }
    let shown = text.chars().map(|sign| match sign {
        '`' => '\u{02CB}',
        '\n' | '\r' => ' ',
        sign => sign,
    });
    let code: String = shown.collect();
    format!("`{code}`")
}

/// Shows a text as a block of code. A fence within it does not end it: it is parted by a character without width.
///
/// ```
/// use rocketbotte::markdown::code_block;
///
/// assert_eq!(code_block("let a = 1;"), "```\nlet a = 1;\n```");
/// ```
pub fn code_block(text: &str) -> String {
    code_block_in("", text)
}

/// The same with the name of the language, for its colours: letters, digits and `+#-_.`; what else there is in the name is
/// left out.
///
/// ```
/// use rocketbotte::markdown::code_block_in;
///
/// assert_eq!(code_block_in("rust", "let a = 1;"), "```rust\nlet a = 1;\n```");
/// ```
pub fn code_block_in(language: &str, text: &str) -> String {
    let language: String = language
        .chars()
        .filter(|sign| sign.is_ascii_alphanumeric() || "+#-_.".contains(*sign))
        .collect();
    let mut code = String::with_capacity(text.len() + 16);
    if text.lines().next().is_none_or(|line| line.trim().is_empty()) {
        // A block that begins with an empty line is none.
        code.push(BREAK);
    }
    let mut ticks = 0;
    for sign in text.replace("\r\n", "\n").chars() {
        // Such an end of a line would end the block.
        let sign = if sign == '\r' { '\n' } else { sign };
        ticks = if sign == '`' { ticks + 1 } else { 0 };
        if ticks == 3 {
            code.push(BREAK);
            ticks = 1;
        }
        code.push(sign);
    }
    let end = if code.ends_with('\n') { "" } else { "\n" };
    format!("```{language}\n{code}{end}```")
}

/// Shows a text as a quotation: each of its lines begins with `>`. What else it means stays; words of strangers are
/// [escaped](escape) before.
///
/// ```
/// use rocketbotte::markdown::{escape, quote};
///
/// assert_eq!(quote("one\ntwo"), "> one\n> two");
/// assert_eq!(quote(&escape("*one*")), "> \\*one\\*");
/// ```
pub fn quote(text: &str) -> String {
    let lines = text.split('\n').map(|line| line.trim_end_matches('\r'));
    let lines = lines.map(|line| match line.trim().is_empty() {
        // An empty line would end it.
        true => format!("> {BREAK}"),
        false => format!("> {line}"),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// A link. The label is shown as it is written, signs that can not be escaped there as others that look like them; neither
/// it nor the address can end the link before its end. Where the address is not of `http`, `https` or `mailto`, there is
/// no link: both are shown as text.
///
/// ```
/// use rocketbotte::markdown::link;
///
/// assert_eq!(link("build 17", "https://ci.example.org/17"), "[build 17](https://ci.example.org/17)");
/// assert_eq!(link("here", "https://example.org/a (b)"), "[here](https://example.org/a%20%28b%29)");
/// ```
pub fn link(label: &str, url: &str) -> String {
    let url = url.trim();
    let is_known = ["http://", "https://", "mailto:"].iter().any(|scheme| {
        url.split_at_checked(scheme.len())
            .is_some_and(|(start, rest)| start.eq_ignore_ascii_case(scheme) && !rest.is_empty())
    });
    if !is_known {
        return format!("{} ({})", escape(label), escape(url));
    }
    let mut address = String::with_capacity(url.len());
    for sign in url.chars() {
        let is_safe = !sign.is_whitespace() && !sign.is_control() && !"()<>[]|\"'`\\^{}*_~".contains(sign);
        match is_safe || matches!(sign, '_' | '*' | '~' | '\'') {
            true => address.push(sign),
            false => {
                let mut bytes = [0; 4];
                for byte in sign.encode_utf8(&mut bytes).bytes() {
                    address.push_str(&format!("%{byte:02X}"));
                }
            }
        }
    }
    format!("[{}]({address})", label_of(label))
}

/// What stands in the brackets of a link.
fn label_of(label: &str) -> String {
    match label.trim().is_empty() {
        // A link without a label is a quotation.
        true => BREAK.to_string(),
        false => escape_in(Place::Label, label),
    }
}

/// Whether a line that begins so is a list, a heading, a quotation or a rule.
fn begins_block(sign: char, behind: &str) -> bool {
    match sign {
        '>' | '-' | '+' | '#' | '|' | '=' => true,
        '0'..='9' => {
            let rest = behind.trim_start_matches(|c: char| c.is_ascii_digit());
            rest.starts_with(['.', ')'])
        }
        _ => false,
    }
}

fn is_word(neighbour: Option<char>) -> bool {
    neighbour.is_some_and(|sign| !sign.is_whitespace())
}

/// Whether the meaning of a sign goes on into what follows.
fn is_broken_behind(before: Option<char>, sign: char, behind: &str) -> bool {
    let Some(next) = behind.chars().next() else {
        return false;
    };
    let begins_word = !before.is_some_and(char::is_alphanumeric);
    match sign {
        // Formulas.
        '\\' => matches!(next, '(' | '['),
        // Emoji, faces, addresses, colours, rooms, people.
        ':' | '#' | '@' => !next.is_whitespace(),
        '|' => next == '|',
        ']' => next == '(',
        // Telephone numbers.
        '+' => next.is_ascii_digit() || next == '(',
        // Faces: `;-)`, `=D`, `8-)`.
        ';' | '=' | '<' | '>' | '%' | '(' | '-' => begins_word && !next.is_whitespace(),
        '8' | '0' | 'B' | 'D' | 'X' | 'O' | 'b' | 'd' | 'x' | 'o' => {
            begins_word && next.is_ascii_punctuation()
        }
        _ => false,
    }
}
