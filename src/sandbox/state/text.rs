//! What the server reads out of a message text: mentions, channels, links, the parsed tree.

use serde_json::{Value, json};

use super::State;

/// Mentions of people or rooms: the names after `sign`, each with where its sign stands. A name is of ASCII letters, digits
/// and `-_.`; any other character ends it, and one of these before the sign makes it part of an address.
fn names(text: &str, sign: char) -> impl Iterator<Item = (usize, &str)> {
    fn in_name(c: char) -> bool {
        c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
    }

    text.match_indices(sign).filter_map(move |(at, _)| {
        if text[..at].ends_with(|c| in_name(c) || c == '/') {
            return None;
        }
        let rest = &text[at + sign.len_utf8()..];
        let end = rest.find(|c| !in_name(c)).unwrap_or(rest.len());
        let name = rest[..end].trim_end_matches(['.', '-']);
        (!name.is_empty()).then_some((at, name))
    })
}

/// The links of a text, each once, as a server has them that has not looked behind them. What stands in code is none.
pub(crate) fn links(text: &str) -> Vec<Value> {
    let mut found: Vec<Value> = Vec::new();
    let blocks = text.split("```").step_by(2);
    for part in blocks.flat_map(|block| block.split('`').step_by(2)) {
        let mut rest = part;
        while let Some(at) = rest.find("http") {
            let (before, from) = rest.split_at(at);
            let inside = before.ends_with(|c: char| c.is_alphanumeric());
            let scheme = ["https://", "http://"]
                .into_iter()
                .find(|scheme| from.starts_with(scheme));
            let Some(scheme) = scheme.filter(|_| !inside) else {
                rest = &from["http".len()..];
                continue;
            };
            let ends =
                |c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"' | '|' | '(' | ')' | '[' | ']');
            let end = from.find(ends).unwrap_or(from.len());
            let url = from[..end].trim_end_matches(['.', ',', ';', ':', '!', '?', '\'', '*', '_', '~']);
            let link = json!({ "url": url, "meta": {} });
            if url.len() > scheme.len() && !found.contains(&link) {
                found.push(link);
            }
            rest = &from[end..];
        }
    }
    found
}

/// `all` and `here`, if the text calls everybody.
pub(crate) fn calls_everybody(text: &str) -> Option<&'static str> {
    names(text, '@').find_map(|(_, name)| match name {
        "all" => Some("all"),
        "here" => Some("here"),
        _ => None,
    })
}

impl State {
    pub(crate) fn mentions(&self, text: &str) -> Vec<Value> {
        let mut found: Vec<Value> = Vec::new();
        for (_, name) in names(text, '@') {
            let mention = if matches!(name, "all" | "here") {
                json!({ "_id": name, "username": name })
            } else if let Some(user) = self.user_by_name(name) {
                json!({ "_id": user.id, "username": user.username, "name": user.name, "type": "user" })
            } else {
                continue;
            };
            if !found.contains(&mention) {
                found.push(mention);
            }
        }
        found
    }

    pub(crate) fn channels(&self, text: &str) -> Vec<Value> {
        let mut found: Vec<Value> = Vec::new();
        for (_, name) in names(text, '#') {
            let room = self
                .rooms
                .values()
                .find(|room| room.name.as_deref() == Some(name));
            if let Some(room) = room.filter(|room| room.is_public()) {
                let channel = json!({ "_id": room.id, "name": room.name, "fname": room.fname });
                if !found.contains(&channel) {
                    found.push(channel);
                }
            }
        }
        found
    }
}

/// The parsed tree, simplified: a paragraph for each line, text and mentions of people in it.
pub(crate) fn markdown(text: &str) -> Value {
    let lines = text.split('\n').map(|line| {
        if line.is_empty() {
            return json!({ "type": "LINE_BREAK" });
        }
        let mut nodes = Vec::new();
        let mut done = 0;
        for (at, name) in names(line, '@') {
            if at > done {
                nodes.push(json!({ "type": "PLAIN_TEXT", "value": &line[done..at] }));
            }
            let value = json!({ "type": "PLAIN_TEXT", "value": name });
            nodes.push(json!({ "type": "MENTION_USER", "value": value }));
            done = at + 1 + name.len();
        }
        if done < line.len() {
            nodes.push(json!({ "type": "PLAIN_TEXT", "value": &line[done..] }));
        }
        json!({ "type": "PARAGRAPH", "value": nodes })
    });
    Value::Array(lines.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_link() {
        for (text, urls) in [
            (
                "see https://example.org/x :smile:",
                &["https://example.org/x"][..],
            ),
            (
                "http://a.b/c?d=e#f, https://g.h. http://a.b/c?d=e#f",
                &["http://a.b/c?d=e#f", "https://g.h"],
            ),
            ("<https://ä.example|there>", &["https://ä.example"]),
            (
                "[ ](https://example.org/channel/x?msg=1) so",
                &["https://example.org/channel/x?msg=1"],
            ),
            ("*https://example.org*", &["https://example.org"]),
            (
                "in `https://a.b` and ```\nhttps://c.d\n``` not, https://e.f",
                &["https://e.f"],
            ),
            ("https:// http httphttp xhttps://a.b ftp://a.b example.org", &[]),
        ] {
            let found = links(text);
            let found: Vec<&str> = found.iter().filter_map(|link| link["url"].as_str()).collect();
            assert_eq!(found, urls, "{text}");
        }
    }

    #[test]
    fn who_is_called() {
        for text in [
            "@all大家好",
            "@allä",
            "@all-",
            "@all.",
            "(@all)",
            "é@all",
            "x @all",
        ] {
            assert_eq!(calls_everybody(text), Some("all"), "{text}");
        }
        for text in [
            "@alligator",
            "@all.star",
            "@here_we",
            "bot@here",
            "https://example.org/@all",
            ".@all",
            "@",
        ] {
            assert_eq!(calls_everybody(text), None, "{text}");
        }
    }
}
