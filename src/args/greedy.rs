//! Arguments that take more than a word: the rest of the text, the rest of the line, a block of code.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

use super::marker;
use super::tokens::code_of;

macro_rules! greedy {
    ($(#[$doc:meta])* $name:ident, $marker:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name<T = String>(pub T);

        impl<T> Deref for $name<T> {
            type Target = T;

            fn deref(&self) -> &T {
                &self.0
            }
        }

        impl<'de, T: Deserialize<'de>> Deserialize<'de> for $name<T> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_newtype_struct($marker, Inner(PhantomData)).map(Self)
            }
        }
    };
}

greedy! {
    /// All the text from here on, as it was typed: with its quotes, dashes and new lines. Options (`--name`) are recognised only
    /// before it. Fields that may be left out, or repeated, are given by their names beside it; tuples can not have them.
    ///
    /// ```
    /// use rocketbotte::args::{Rest, parse, usage};
    ///
    /// let (count, Rest(text)) = parse::<(u32, Rest)>("3 say \"hi\" --loud\nnow")?;
    /// assert_eq!((count, text.as_str()), (3, "say \"hi\" --loud\nnow"));
    /// assert_eq!(usage::<(u32, Rest)>(), "<number> <text…>");
    /// # Ok::<_, rocketbotte::args::ArgsError>(())
    /// ```
    Rest, marker::REST
}

greedy! {
    /// What is left of the line, as it was typed; what follows reads the lines below.
    ///
    /// ```
    /// use rocketbotte::args::{Line, Rest, parse};
    ///
    /// let (Line(title), Rest(text)) = parse::<(Line, Rest)>("Release 2.0 is out\n- faster\n- smaller")?;
    /// assert_eq!((title.as_str(), text.as_str()), ("Release 2.0 is out", "- faster\n- smaller"));
    /// # Ok::<_, rocketbotte::args::ArgsError>(())
    /// ```
    Line, marker::LINE
}

struct Inner<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Inner<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        T::deserialize(deserializer)
    }
}

/// A block of code between fences, or inline code between backticks; a word without any is taken too.
///
/// ```
/// use rocketbotte::args::{CodeBlock, parse};
///
/// let (code,) = parse::<(CodeBlock,)>("```rust\nfn main() {}\n```")?;
/// assert_eq!((code.language(), code.code()), (Some("rust"), "fn main() {}"));
/// # Ok::<_, rocketbotte::args::ArgsError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeBlock {
    language: Option<String>,
    code: String,
}

impl CodeBlock {
    /// The word behind the opening fence.
    pub fn language(&self) -> Option<&str> {
        self.language.as_deref()
    }

    /// The code, without its fences.
    pub fn code(&self) -> &str {
        &self.code
    }
}

struct CodeVisitor;

impl<'de> Visitor<'de> for CodeVisitor {
    type Value = CodeBlock;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a block of code")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<CodeBlock, D::Error> {
        deserializer.deserialize_str(self)
    }

    /// Gets it with its fences.
    fn visit_str<E: Error>(self, text: &str) -> Result<CodeBlock, E> {
        let (language, code) = code_of(text);
        Ok(CodeBlock {
            language: language.map(str::to_owned),
            code: code.into_owned(),
        })
    }
}

impl<'de> Deserialize<'de> for CodeBlock {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(marker::CODE, CodeVisitor)
    }
}
