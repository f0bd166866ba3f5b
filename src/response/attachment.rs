//! Boxes below a message's text.

use serde::{Deserialize, Serialize};

/// A box below the text of a message: a coloured bar, a title, a text, fields, a picture.
///
/// Addresses have to be absolute: the server refuses the message otherwise, and for other schemes than `http` and `https`.
///
/// ```
/// use rocketbotte::response::{Attachment, Send};
///
/// let report = Send::text("Build 17 is done.").attachment(
///     Attachment::new()
///         .color("#2de0a5")
///         .title("All tests passed")
///         .title_link("https://ci.example.org/17")
///         .short_field("Tests", "1204")
///         .short_field("Time", "3 min"),
/// );
/// assert_eq!(report.attachments().len(), 1);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[must_use]
pub struct Attachment {
    #[serde(skip_serializing_if = "Option::is_none")]
    pretext: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    color: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    author_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    author_link: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    author_icon: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    title_link: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<AttachmentField>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thumb_url: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    collapsed: bool,
}

/// A title and a value, in a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct AttachmentField {
    title: String,
    value: String,
    /// Several of them stand beside each other.
    #[serde(default)]
    short: bool,
}

/// The setters of texts that are there or not.
macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        pub fn $name(mut self, $name: impl Into<String>) -> Self {
            self.$name = Some($name.into());
            self
        }
    )*};
}

impl Attachment {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    texts! {
        /// A line above the box.
        pretext;
        /// The colour of the bar at its side, as in CSS: `#2de0a5`.
        color;
        /// Whose it is.
        author_name;
        /// Where the author's name leads to.
        author_link;
        /// The address of a small picture beside the author's name.
        author_icon;
        /// The title.
        title;
        /// Where the title leads to.
        title_link;
        /// The text, in Rocket.Chat's markdown.
        text;
        /// The address of a picture.
        image_url;
        /// The address of a small picture at the side.
        thumb_url;
    }

    /// Adds a row with a title and a value.
    pub fn field(self, title: impl Into<String>, value: impl Into<String>) -> Self {
        self.with_field(title.into(), value.into(), false)
    }

    /// Adds a title and a value that may share their row with others.
    pub fn short_field(self, title: impl Into<String>, value: impl Into<String>) -> Self {
        self.with_field(title.into(), value.into(), true)
    }

    fn with_field(mut self, title: String, value: String, short: bool) -> Self {
        self.fields.push(AttachmentField { title, value, short });
        self
    }

    /// Changes what is read of it; addresses and the colour stay.
    pub(crate) fn map_texts(&mut self, change: impl Fn(&mut String)) {
        let lines = [
            &mut self.pretext,
            &mut self.author_name,
            &mut self.title,
            &mut self.text,
        ];
        lines.into_iter().flatten().for_each(&change);
        for field in &mut self.fields {
            change(&mut field.title);
            change(&mut field.value);
        }
    }

    /// Shows it folded: people open it.
    pub fn collapsed(mut self) -> Self {
        self.collapsed = true;
        self
    }
}
