//! The text of a message as the server parsed it.

use serde_json::Value;

use super::rare::{count, object_text, text};

/// A piece of a parsed text: see [`Message::markdown`](super::Message::markdown).
///
/// What this version does not know is [`Unknown`](Self::Unknown), and so is what does not have the form that it should: a
/// tree is never lost for one node of it.
///
/// ```
/// use rocketbotte::event::{MarkdownNode, Message};
///
/// let json = r#"{"_id":"m1","rid":"GENERAL","msg":"*hi* @ann","md":[{"type":"PARAGRAPH","value":[
///     {"type":"BOLD","value":[{"type":"PLAIN_TEXT","value":"hi"}]},{"type":"PLAIN_TEXT","value":" "},
///     {"type":"MENTION_USER","value":{"type":"PLAIN_TEXT","value":"ann"}}]}]}"#;
/// let tree = Message::from_json(json)?.markdown().unwrap();
/// let MarkdownNode::Paragraph(inside) = &tree[0] else { panic!("{tree:?}") };
/// assert_eq!(inside[2], MarkdownNode::UserMention("ann".to_owned()));
/// assert_eq!(tree[0].plain_text(), "hi @ann");
/// # Ok::<_, rocketbotte::event::MessageError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum MarkdownNode {
    /// A paragraph.
    Paragraph(Vec<Self>),
    /// A heading.
    Heading {
        /// 1 is the largest.
        level: u64,
        /// What is in it.
        content: Vec<Self>,
    },
    /// What stands behind `>`.
    Quote(Vec<Self>),
    /// A block that is hidden until it is clicked.
    SpoilerBlock(Vec<Self>),
    /// A block of code.
    Code {
        /// What stands behind the fence.
        language: Option<String>,
        /// Its lines.
        lines: Vec<String>,
    },
    /// A numbered list.
    OrderedList(Vec<MarkdownItem>),
    /// A list with dots.
    UnorderedList(Vec<MarkdownItem>),
    /// A list of tasks.
    Tasks(Vec<MarkdownTask>),
    /// A message of emoji alone.
    BigEmoji(Vec<Self>),
    /// An empty line.
    LineBreak,
    /// A formula as a block.
    Katex(String),
    /// Text as it is.
    Text(String),
    /// In bold.
    Bold(Vec<Self>),
    /// In italics.
    Italic(Vec<Self>),
    /// Struck out.
    Strike(Vec<Self>),
    /// Hidden until it is clicked.
    Spoiler(Vec<Self>),
    /// Code in a line.
    InlineCode(String),
    /// A formula in a line.
    InlineKatex(String),
    /// A link.
    Link {
        /// Where it leads to.
        url: String,
        /// What is shown.
        label: Vec<Self>,
    },
    /// A picture by its address.
    Image {
        /// Where it is.
        url: String,
        /// What is shown instead.
        label: Vec<Self>,
    },
    /// `@name`, without the `@`. Whether there is such a user says [`Message::mentions`](super::Message::mentions).
    UserMention(String),
    /// `#name`, without the `#`.
    ChannelMention(String),
    /// An emoji by its short name, without colons.
    Emoji(String),
    /// An emoji as a character.
    UnicodeEmoji(String),
    /// A colour.
    Color {
        /// Red.
        red: u64,
        /// Green.
        green: u64,
        /// Blue.
        blue: u64,
        /// 255 is opaque.
        alpha: u64,
    },
    /// A point in time that each reader sees in the own time zone.
    Timestamp {
        /// Seconds since 1970, as the writer wrote them.
        value: String,
        /// How it is shown, a letter.
        format: Option<String>,
    },
    /// Anything else, as the server sent it.
    Unknown(Value),
}

/// An item of a list.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct MarkdownItem {
    /// Its number, in a numbered list.
    pub number: Option<u64>,
    /// What is in it.
    pub content: Vec<MarkdownNode>,
}

/// A task of a list of tasks.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct MarkdownTask {
    /// Whether it is ticked off.
    pub is_done: bool,
    /// What is to be done.
    pub content: Vec<MarkdownNode>,
}

impl MarkdownNode {
    pub(super) fn read_all(nodes: &[Value]) -> Vec<Self> {
        nodes.iter().map(Self::read).collect()
    }

    fn read(node: &Value) -> Self {
        Self::known(node).unwrap_or_else(|| Self::Unknown(node.clone()))
    }

    /// `None` where it does not have the form that its type says.
    fn known(node: &Value) -> Option<Self> {
        let value = node.get("value");
        let inside = || Some(children(value?));
        let plain = || plain(value?);
        Some(match text(node, "type")? {
            "PARAGRAPH" => Self::Paragraph(inside()?),
            "HEADING" => Self::Heading {
                level: count(node, "level").unwrap_or(1),
                content: inside()?,
            },
            "QUOTE" | "BLOCKQUOTE" => Self::Quote(inside()?),
            "SPOILER_BLOCK" => Self::SpoilerBlock(inside()?),
            "CODE" => Self::Code {
                language: object_text(node, "language").filter(|language| language != "none"),
                lines: value?
                    .as_array()?
                    .iter()
                    .map(|line| line.get("value").and_then(self::plain).unwrap_or_default())
                    .collect(),
            },
            "ORDERED_LIST" => Self::OrderedList(items(value?)?),
            "UNORDERED_LIST" => Self::UnorderedList(items(value?)?),
            "TASKS" => Self::Tasks(
                value?
                    .as_array()?
                    .iter()
                    .map(|task| MarkdownTask {
                        is_done: task.get("status") == Some(&Value::Bool(true)),
                        content: task.get("value").map(children).unwrap_or_default(),
                    })
                    .collect(),
            ),
            "BIG_EMOJI" => Self::BigEmoji(inside()?),
            "LINE_BREAK" => Self::LineBreak,
            "KATEX" => Self::Katex(plain()?),
            "PLAIN_TEXT" => Self::Text(value?.as_str()?.to_owned()),
            "BOLD" => Self::Bold(inside()?),
            "ITALIC" => Self::Italic(inside()?),
            "STRIKE" => Self::Strike(inside()?),
            "SPOILER" => Self::Spoiler(inside()?),
            "INLINE_CODE" => Self::InlineCode(plain()?),
            "INLINE_KATEX" => Self::InlineKatex(plain()?),
            "LINK" => Self::Link {
                url: self::plain(value?.get("src")?)?,
                label: value?.get("label").map(children).unwrap_or_default(),
            },
            "IMAGE" => Self::Image {
                url: self::plain(value?.get("src")?)?,
                label: value?.get("label").map(children).unwrap_or_default(),
            },
            "MENTION_USER" => Self::UserMention(plain()?),
            "MENTION_CHANNEL" => Self::ChannelMention(plain()?),
            "EMOJI" => match text(node, "unicode") {
                Some(emoji) => Self::UnicodeEmoji(emoji.to_owned()),
                None => Self::Emoji(object_text(node, "shortCode").or_else(plain)?),
            },
            "COLOR" => Self::Color {
                red: count(value?, "r")?,
                green: count(value?, "g")?,
                blue: count(value?, "b")?,
                alpha: count(value?, "a").unwrap_or(255),
            },
            "TIMESTAMP" => Self::Timestamp {
                value: object_text(value?, "timestamp")?,
                format: object_text(value?, "format"),
            },
            _ => return None,
        })
    }

    /// What is in it, where it holds others.
    pub fn children(&self) -> &[Self] {
        match self {
            Self::Paragraph(content)
            | Self::Heading { content, .. }
            | Self::Quote(content)
            | Self::SpoilerBlock(content)
            | Self::BigEmoji(content)
            | Self::Bold(content)
            | Self::Italic(content)
            | Self::Strike(content)
            | Self::Spoiler(content)
            | Self::Link { label: content, .. }
            | Self::Image { label: content, .. } => content,
            _ => &[],
        }
    }

    /// Its text without the marks. Items of lists and lines of code stand on lines of their own.
    pub fn plain_text(&self) -> String {
        let mut out = String::new();
        self.write_plain(&mut out);
        out
    }

    // As deep as the tree, which the parser of JSON bounds.
    fn write_plain(&self, out: &mut String) {
        let lines = |out: &mut String, content: &[Self]| {
            if !out.is_empty() && !out.ends_with('\n') {
                out.push('\n');
            }
            content.iter().for_each(|node| node.write_plain(out));
        };
        match self {
            Self::Text(text)
            | Self::InlineCode(text)
            | Self::InlineKatex(text)
            | Self::Katex(text)
            | Self::UnicodeEmoji(text) => out.push_str(text),
            Self::UserMention(name) => out.extend(["@", name]),
            Self::ChannelMention(name) => out.extend(["#", name]),
            Self::Emoji(name) => out.extend([":", name, ":"]),
            Self::Code { lines, .. } => out.push_str(&lines.join("\n")),
            Self::LineBreak => out.push('\n'),
            Self::OrderedList(items) | Self::UnorderedList(items) => {
                items.iter().for_each(|item| lines(out, &item.content));
            }
            Self::Tasks(tasks) => tasks.iter().for_each(|task| lines(out, &task.content)),
            Self::Timestamp { value, .. } => out.push_str(value),
            Self::Quote(blocks) | Self::SpoilerBlock(blocks) => {
                blocks
                    .iter()
                    .for_each(|block| lines(out, std::slice::from_ref(block)));
            }
            _ => self.children().iter().for_each(|node| node.write_plain(out)),
        }
    }
}

/// One node, or a list of them.
fn children(value: &Value) -> Vec<MarkdownNode> {
    match value {
        Value::Array(nodes) => MarkdownNode::read_all(nodes),
        node => vec![MarkdownNode::read(node)],
    }
}

fn items(value: &Value) -> Option<Vec<MarkdownItem>> {
    let item = |item: &Value| MarkdownItem {
        number: count(item, "number"),
        content: item.get("value").map(children).unwrap_or_default(),
    };
    Some(value.as_array()?.iter().map(item).collect())
}

/// A text, or a node of plain text.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        node => node.get("value")?.as_str().map(str::to_owned),
    }
}
