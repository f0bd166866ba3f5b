//! Secrets: text that is used but never shown.

use std::cell::RefCell;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Visitor};

use crate::args::marker;

/// A token or password. `Debug` shows a placeholder, and there is no `Display`.
///
/// It can be read by serde: as a field of a configuration, and as an argument of a command, which a recording then leaves
/// out.
///
/// ```
/// use rocketbotte::Secret;
///
/// let token = Secret::new("9HqLlyZOugoStsXCUfD");
/// assert_eq!(format!("{token:?}"), "Secret(***)");
/// assert_eq!(token.expose(), "9HqLlyZOugoStsXCUfD");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<str>);

impl Secret {
    /// Wraps `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into().into_boxed_str())
    }

    /// The text itself. What is done with it is the caller's responsibility: it does not belong in a log.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl<'de> Visitor<'de> for Text {
            type Value = Secret;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_str<E>(self, text: &str) -> Result<Secret, E> {
                Ok(Secret::new(text))
            }

            fn visit_string<E>(self, text: String) -> Result<Secret, E> {
                Ok(Secret::new(text))
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Secret, D::Error> {
                deserializer.deserialize_string(self)
            }
        }

        notice(None);
        let secret = deserializer.deserialize_newtype_struct(marker::SECRET, Text)?;
        notice(Some(&secret.0));
        Ok(secret)
    }
}

thread_local! {
    static NOTICED: RefCell<Option<Noticed>> = const { RefCell::new(None) };
}

/// The secrets that were read.
#[derive(Debug, Default)]
pub(crate) struct Noticed {
    /// Whether there was to be one.
    pub(crate) any: bool,
    pub(crate) values: Vec<String>,
}

fn notice(secret: Option<&str>) {
    NOTICED.with_borrow_mut(|noticed| {
        if let Some(noticed) = noticed {
            noticed.any = true;
            noticed.values.extend(secret.map(str::to_owned));
        }
    });
}

/// Runs a function, and tells which secrets it read.
#[cfg(feature = "test-util")]
pub(crate) fn noticing<T>(read: impl FnOnce() -> T) -> (T, Noticed) {
    let outer = NOTICED.replace(Some(Noticed::default()));
    let value = read();
    (value, NOTICED.replace(outer).unwrap_or_default())
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}
