//! Escaped text in the parser of the server itself: whatever strangers write stays what it is.

use std::path::Path;
use std::process::{Command, Stdio};

use rocketbotte::markdown;
use serde_json::{Value, json};

use crate::harness::{here, installed};

/// The trees of texts.
fn parse(dir: &Path, texts: &[String]) -> Vec<Value> {
    use std::io::Write as _;

    let mut child = Command::new("node")
        .arg(here().join("parse.js"))
        .env("NODE_PATH", dir.join("node/node_modules"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut input = child.stdin.take().expect("piped");
    let lines: Vec<String> = texts.iter().map(|text| json!(text).to_string() + "\n").collect();
    let writer = std::thread::spawn(move || input.write_all(lines.concat().as_bytes()));
    let output = child.wait_with_output().expect("ends");
    writer.join().expect("no panic").expect("node still runs");
    assert!(output.status.success());
    let output = String::from_utf8(output.stdout).expect("text");
    let trees: Vec<Value> = output
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(trees.len(), texts.len());
    trees
}

/// All that a stranger may write to be more than words.
const PIECES: &[&str] = &[
    "*",
    "**",
    "_",
    "__",
    "~",
    "~~",
    "`",
    "```",
    "\n```\n",
    "||",
    "|",
    "@ann",
    "@",
    "@all",
    "#general",
    "#",
    "# ",
    "## ",
    "> ",
    ">",
    "- ",
    "* ",
    "+ ",
    "1. ",
    "12) ",
    "- [ ] ",
    "- [x] ",
    "---",
    "***",
    "___",
    "===",
    "[",
    "]",
    "(",
    ")",
    "](",
    "[ ](",
    "![",
    "[a](http://x.org)",
    "![a](https://x.org/a.png)",
    "<",
    "<http://x.org|a>",
    "http://x.org",
    "https://x.org/a_b_c?d=*e*",
    "x.org",
    "www.x.org",
    "a@x.org",
    "mailto:a@x.org",
    "ftp://x.org",
    "//x.org",
    "10.0.0.1",
    "localhost:3000",
    "foo.com:80",
    "tel:+551199",
    "+5511999999999",
    "+1(555)",
    ":smile:",
    ":+1:",
    ":",
    ":)",
    ":-)",
    ";)",
    "<3",
    "</3",
    "8)",
    "D:",
    "O:-)",
    ">:(",
    "-___-",
    "=D",
    "XP",
    "X-P",
    "(y)",
    "%-)",
    ":'(",
    "color:#ff0000",
    "<t:1234567890:R>",
    "<t:12:",
    "\\(",
    "\\)",
    "\\[",
    "\\]",
    "\\",
    "\\*",
    "\\\\",
    "\\#",
    "\\.",
    "a",
    "b c",
    "word",
    "é",
    "大家",
    "1",
    "1.5",
    "v1.2.3",
    "e.g.",
    " ",
    "  ",
    "\t",
    "\n",
    "\n\n",
    "\r\n",
    "!",
    "?",
    ",",
    ".",
    "..",
    "'",
    "\"",
    "&",
    "&amp;",
    "<b>",
    "%",
    "^",
    "{",
    "}",
    "=",
    ";",
    "/",
    "-",
    "\u{200B}",
    "😀",
    "👨‍👩‍👧",
];

/// Random, and the same each time.
fn texts() -> Vec<String> {
    let mut random = fastrand::Rng::with_seed(17);
    let alone = PIECES.iter().map(|piece| (*piece).to_owned());
    let around = PIECES
        .iter()
        .map(|piece| format!("{piece}a{piece} {piece}b c{piece}"));
    let mixed = (0..800).map(|_| {
        let count = random.usize(1..10);
        (0..count).map(|_| PIECES[random.usize(..PIECES.len())]).collect()
    });
    alone.chain(around).chain(mixed).collect()
}

/// The words of a tree of nothing but words. `Err` is the type of what is more than that.
fn words(tree: &Value) -> Result<String, String> {
    match tree {
        Value::Array(nodes) => nodes.iter().map(words).collect(),
        node if node["type"] == "PARAGRAPH" || node["type"] == "BIG_EMOJI" => {
            Ok(words(&node["value"])? + "\n")
        }
        node => match node["type"].as_str().unwrap_or_default() {
            "PLAIN_TEXT" => Ok(node["value"].as_str().unwrap_or_default().to_owned()),
            "LINE_BREAK" => Ok(String::new()),
            // The sign itself, and no name of one.
            "EMOJI" if node["unicode"].is_string() => {
                Ok(node["unicode"].as_str().unwrap_or_default().to_owned())
            }
            other => Err(other.to_owned()),
        },
    }
}

/// The lines that are seen of a text. Empty ones, and blanks at their ends, are nothing to see.
fn seen(text: &str) -> Vec<String> {
    let text = text.replace('\u{200B}', "").replace('\r', "\n");
    let lines = text.split('\n').map(|line| line.trim().to_owned());
    lines.filter(|line| !line.is_empty()).collect()
}

/// Asks the parser about what a function makes of each text.
fn each(make: impl Fn(&str) -> String, check: impl Fn(&str, &Value) -> Result<(), String>) {
    let Some(dir) = installed() else { return };
    let texts = texts();
    let made: Vec<String> = texts.iter().map(|text| make(text)).collect();
    let mut wrong = Vec::new();
    for ((text, made), tree) in texts.iter().zip(&made).zip(parse(&dir, &made)) {
        if let Err(why) = check(text, &tree) {
            wrong.push(format!("{text:?} became {made:?}: {why}"));
        }
    }
    wrong.sort_by_key(String::len);
    wrong.truncate(15);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn escaped_text_is_text() {
    each(markdown::escape, |text, tree| {
        let words = words(tree)?;
        match seen(&words) == seen(text) {
            true => Ok(()),
            false => Err(format!("reads {words:?}")),
        }
    });
}

#[test]
fn a_code_block_holds_all_of_it() {
    each(markdown::code_block, |text, tree| {
        let [node] = &tree.as_array().expect("nodes")[..] else {
            return Err(format!("{tree}"));
        };
        if node["type"] != "CODE" {
            return Err(node.to_string());
        }
        let lines = node["value"].as_array().expect("lines").iter();
        let lines: Vec<&str> = lines.filter_map(|line| line["value"]["value"].as_str()).collect();
        match seen(&lines.join("\n")) == seen(text) {
            true => Ok(()),
            false => Err(format!("holds {lines:?}")),
        }
    });
}

#[test]
fn inline_code_holds_all_of_it() {
    each(
        |text| format!("a {} b", markdown::inline_code(text)),
        |text, tree| {
            let nodes = tree[0]["value"].as_array().expect("nodes");
            if text.trim().is_empty() {
                return Ok(());
            }
            let code = nodes
                .iter()
                .find(|node| node["type"] == "INLINE_CODE")
                .ok_or(tree.to_string())?;
            let code = code["value"]["value"].as_str().unwrap_or_default();
            let expected = text.replace(['\n', '\r'], " ").replace('`', "ˋ");
            match tree.as_array().expect("nodes").len() == 1 && nodes.len() == 3 && code == expected {
                true => Ok(()),
                false => Err(tree.to_string()),
            }
        },
    );
}

#[test]
fn a_quotation_holds_all_of_it() {
    each(
        |text| markdown::quote(&markdown::escape(text)),
        |text, tree| {
            let [node] = &tree.as_array().expect("nodes")[..] else {
                return Err(tree.to_string());
            };
            let words = words(&node["value"])?;
            match node["type"] == "QUOTE" && seen(&words) == seen(text) {
                true => Ok(()),
                false => Err(tree.to_string()),
            }
        },
    );
}

#[test]
fn a_link_leads_where_it_says() {
    each(
        |text| format!("a {} b", markdown::link(text, "https://example.org/17")),
        |text, tree| {
            let nodes = tree[0]["value"].as_array().expect("nodes");
            let link = &nodes[1]["value"];
            let label = words(&link["label"])?;
            let mut shown = String::new();
            for sign in label.chars() {
                shown.push(match sign {
                    '\u{2217}' => '*',
                    '\u{223C}' => '~',
                    '\u{02CB}' => '`',
                    '\u{FF3F}' => '_',
                    '\u{FF3B}' => '[',
                    '\u{FF3D}' => ']',
                    sign => sign,
                });
            }
            let expected = text.replace(['\n', '\r'], " ");
            let is_whole = tree.as_array().expect("nodes").len() == 1 && nodes.len() == 3;
            match is_whole
                && link["src"]["value"] == "https://example.org/17"
                && seen(&shown) == seen(&expected)
            {
                true => Ok(()),
                false => Err(tree.to_string()),
            }
        },
    );
    // And the address does not end before its end.
    each(
        |text| {
            format!(
                "a {} b",
                markdown::link("label", &format!("https://example.org/{text}"))
            )
        },
        |_, tree| {
            let nodes = tree[0]["value"].as_array().expect("nodes");
            let src = nodes[1]["value"]["src"]["value"].as_str().unwrap_or_default();
            let is_whole = tree.as_array().expect("nodes").len() == 1 && nodes.len() == 3;
            match is_whole
                && src.starts_with("https://example.org/")
                && words(&nodes[1]["value"]["label"])? == "label"
            {
                true => Ok(()),
                false => Err(tree.to_string()),
            }
        },
    );
}
