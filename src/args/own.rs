//! Argument types of one's own: [`FromArg`] and [`Arg`].

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};

use super::marker;
use crate::event::Timestamp;

/// A type that one argument can be read as.
///
/// Types that implement serde's `Deserialize` from a text need no more to stand in [`Args`](crate::extract::Args): dates
/// of `jiff` or `chrono`, `url::Url`, `IpAddr`. This is for types that do not, and for those that want a better usage
/// line and error; they stand in an [`Arg`].
///
/// ```
/// use rocketbotte::args::{Arg, ArgRefusal, FromArg, parse, usage};
///
/// #[derive(Debug, PartialEq)]
/// struct Ticket(u32);
///
/// impl FromArg for Ticket {
///     const NAME: &'static str = "ticket";
///     const EXAMPLE: &'static str = "OPS-17";
///
///     fn from_arg(text: &str) -> Result<Self, ArgRefusal> {
///         let number = text.strip_prefix("OPS-").and_then(|number| number.parse().ok());
///         number.map(Self).ok_or(ArgRefusal::NotOne)
///     }
/// }
///
/// assert_eq!(parse::<(Arg<Ticket>,)>("OPS-17")?.0.0, Ticket(17));
/// assert_eq!(usage::<(Arg<Ticket>,)>(), "<ticket>");
/// let error = parse::<(Arg<Ticket>,)>("17").unwrap_err();
/// assert_eq!(error.to_string(), "Argument 1 should be a ticket such as `OPS-17`, but `17` is none.");
/// # Ok::<_, rocketbotte::args::ArgsError>(())
/// ```
pub trait FromArg: Sized {
    /// What it is, in the singular: `duration`. The usage line shows it where the argument has no name.
    const NAME: &'static str;
    /// A text that is one: `10m`. Errors and the help show it.
    const EXAMPLE: &'static str;

    /// Reads it from what was typed, without its quotes.
    ///
    /// # Errors
    ///
    /// The text is none, or one that is not allowed.
    fn from_arg(text: &str) -> Result<Self, ArgRefusal>;
}

/// Why a text can not be read as an argument.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ArgRefusal {
    /// It is none: the person is told what should have been there, with the example.
    NotOne,
    /// It is one that can not be taken, for this reason: `it lies in the past`.
    Because(String),
}

/// An argument that is read by [`FromArg`]: `Args<(Arg<Duration>, u32)>`, or a field of a struct.
///
/// Durations are written as `10m`, `1h30m` or `2days`; points in time as `2026-11-22T08:00:00Z` or `"2026-11-22 08:00:00"`,
/// which is UTC; addresses with `http://` or `https://`.
///
/// ```
/// use std::time::Duration;
/// use rocketbotte::args::{Arg, parse};
///
/// let (Arg(duration), count) = parse::<(Arg<Duration>, u32)>("1h30m 2")?;
/// assert_eq!((duration, count), (Duration::from_secs(5400), 2));
/// # Ok::<_, rocketbotte::args::ArgsError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Arg<T>(pub T);

/// The text inside of the newtypes that say what it is.
struct OwnVisitor<T> {
    depth: u8,
    of: PhantomData<T>,
}

impl<T> OwnVisitor<T> {
    fn new(depth: u8) -> Self {
        Self {
            depth,
            of: PhantomData,
        }
    }
}

impl<'de, T: FromArg> Visitor<'de> for OwnVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&expected(T::NAME, T::EXAMPLE))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        let inner = Self::new(self.depth + 1);
        match self.depth {
            0 => deserializer.deserialize_newtype_struct(T::NAME, inner),
            1 => deserializer.deserialize_newtype_struct(T::EXAMPLE, inner),
            _ => deserializer.deserialize_str(inner),
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        T::from_arg(text).map_err(|refusal| match refusal {
            ArgRefusal::NotOne => E::invalid_value(Unexpected::Str(text), &self),
            ArgRefusal::Because(reason) => E::custom(reason),
        })
    }
}

impl<'de, T: FromArg> Deserialize<'de> for Arg<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_newtype_struct(marker::OWN, OwnVisitor::new(0))
            .map(Self)
    }
}

/// What should have been there, with an example.
pub(super) fn expected(name: &str, example: &str) -> String {
    let article = if name.starts_with(['a', 'e', 'i', 'o', 'u']) {
        "an"
    } else {
        "a"
    };
    format!("{article} {name} such as `{example}`")
}

impl FromArg for Duration {
    const NAME: &'static str = "duration";
    const EXAMPLE: &'static str = "10m";

    fn from_arg(text: &str) -> Result<Self, ArgRefusal> {
        humantime::parse_duration(text).map_err(|_| ArgRefusal::NotOne)
    }
}

impl FromArg for Timestamp {
    const NAME: &'static str = "time";
    const EXAMPLE: &'static str = "2026-11-22T08:00:00Z";

    fn from_arg(text: &str) -> Result<Self, ArgRefusal> {
        humantime::parse_rfc3339_weak(text)
            .ok()
            .and_then(Self::from_system_time)
            .ok_or(ArgRefusal::NotOne)
    }
}

impl FromArg for http::Uri {
    const NAME: &'static str = "web address";
    const EXAMPLE: &'static str = "https://example.org";

    fn from_arg(text: &str) -> Result<Self, ArgRefusal> {
        let uri: Self = text.parse().map_err(|_| ArgRefusal::NotOne)?;
        let is_web = matches!(uri.scheme_str(), Some("http" | "https"));
        let has_host = uri.host().is_some_and(|host| !host.is_empty());
        if is_web && has_host {
            Ok(uri)
        } else {
            Err(ArgRefusal::NotOne)
        }
    }
}
