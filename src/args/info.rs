//! What a command's arguments are, known without running it.

use serde::de::DeserializeOwned;

use super::example::example_of;
use super::shape::Shape;
use super::usage::usage_of;

/// What a command's arguments are: for its help.
///
/// ```
/// use rocketbotte::args::{ArgsInfo, Rest, UserArg};
///
/// let info = ArgsInfo::of::<(UserArg, Rest)>();
/// assert_eq!(info.usage(), "<@user> <text…>");
/// assert_eq!(info.example(), Some("@ann text"));
/// assert!(!info.has_secrets());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArgsInfo {
    usage: String,
    example: Option<String>,
    has_secrets: bool,
}

impl ArgsInfo {
    /// Of the arguments that are read as a type.
    pub fn of<T: DeserializeOwned>() -> Self {
        let shape = Shape::of::<T>();
        Self {
            usage: usage_of(&shape),
            example: example_of::<T>(&shape),
            has_secrets: shape.has_secrets(),
        }
    }

    /// Those that a handler reads first, with the secrets of those that it reads too.
    pub(crate) fn and(first: Option<Self>, other: Option<Self>) -> Option<Self> {
        match (first, other) {
            (Some(first), Some(other)) => Some(Self {
                has_secrets: first.has_secrets || other.has_secrets,
                ..first
            }),
            (first, other) => first.or(other),
        }
    }

    /// How they are [written](super::usage()); empty where there are none.
    pub fn usage(&self) -> &str {
        &self.usage
    }

    /// [Some](super::example()) that can be read.
    pub fn example(&self) -> Option<&str> {
        self.example.as_deref()
    }

    /// Whether one of them is a [`Secret`](crate::Secret): then what is typed is not logged.
    pub fn has_secrets(&self) -> bool {
        self.has_secrets
    }
}
