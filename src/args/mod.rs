//! Typed arguments of commands: the text behind a command's word, read as any type that serde can deserialise.
//!
//! | type | what is typed |
//! |---|---|
//! | `String` | the whole text, with its new lines and quotes; may be empty |
//! | `u32`, `f64`, `char`, `bool` (`yes`, `no`, `on`, …) | one argument |
//! | an enum of unit variants | one of its names, without regard to case |
//! | `Option<T>` | a `T` or nothing |
//! | `Vec<T>` | any number of arguments |
//! | [`Rest`] | the rest of the text, as it was typed; [`Line`] the rest of the line |
//! | [`CodeBlock`] | a block of code, with its language |
//! | [`UserArg`], [`RoomArg`] | `@ann`, `#dev`: with the id where the message mentions them |
//! | [`Arg<Duration>`](Arg) | `10m`; also points in time, web addresses, and [types of your own](FromArg) |
//! | [`Secret`](crate::Secret) | one argument, which no error, recording or log of this crate shows |
//! | a tuple | arguments by position |
//! | a struct | arguments by position in the order of the fields, or by name |
//! | `()` | nothing |
//!
//! Arguments are separated by white space and new lines. Quotes of every kind keep words together, and so do
//! `` `inline code` `` and fenced code blocks, whose fences are taken off. A quote that is not closed is taken as it
//! stands.
//!
//! In a struct every field may be given by name: `--count 3`, `--count=3`, `-c 3` where no other field begins with
//! that letter. A `bool` is a flag, false unless it is given: `--force`. `Option` fields and those with a serde
//! default may be left out. A value that begins with a dash is quoted, or stands behind `--`; negative numbers need
//! neither. Where fewer arguments are given than there are fields, those that may be left out go without first.

mod assign;
mod de;
mod error;
mod example;
mod greedy;
mod info;
pub(crate) mod marker;
mod mentions;
mod named;
mod own;
mod probe;
mod shape;
mod tokens;
mod usage;
mod value;

use serde::de::DeserializeOwned;
use tower::BoxError;

use self::assign::Assigned;
use self::de::Arguments;
pub use self::error::ArgsError;
pub(crate) use self::error::shown;
pub use self::example::example;
pub use self::greedy::{CodeBlock, Line, Rest};
pub use self::info::ArgsInfo;
pub use self::named::{RoomArg, UserArg};
pub use self::own::{Arg, ArgRefusal, FromArg};
use self::shape::{Kind, Shape};
pub use self::usage::usage;
use crate::command::Command;
use crate::event::Message;
use crate::extract::{FromRequest, MissingPart};
use crate::rejection::Rejection;
use crate::request::Request;

/// How many characters of a command's words the usage line repeats.
const LONGEST_PATH: usize = 100;

/// The arguments of a command, as a value of a type ([how it is written](crate::args)).
///
/// What can not be read is refused with a [`Rejection`]: one sentence that points at the argument, and the usage line.
/// An event that is no command has no arguments: as a listener's extractor it fails with [`MissingPart`], which is
/// only logged.
///
/// ```
/// use rocketbotte::Router;
/// use rocketbotte::extract::Args;
/// use serde::Deserialize;
///
/// #[derive(Deserialize)]
/// #[serde(rename_all = "lowercase")]
/// enum Unit { Min, Hour, Day }
///
/// /// `!ban ann 2 hour --quietly`
/// #[derive(Deserialize)]
/// struct Ban { user: String, amount: u32, unit: Option<Unit>, quietly: bool }
///
/// async fn say(Args(text): Args<String>) -> String { text }
/// async fn add(Args((a, b)): Args<(f64, f64)>) -> String { format!("{}", a + b) }
/// async fn ban(Args(ban): Args<Ban>) -> String { format!("{} is banned", ban.user) }
///
/// let router: Router = Router::new().command("say", say).command("add", add).command("ban", ban);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Args<T>(pub T);

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for Args<T> {
    type Rejection = BoxError;

    fn arguments() -> Option<ArgsInfo> {
        Some(ArgsInfo::of::<T>())
    }

    async fn from_request(request: &Request, _state: &S) -> Result<Self, Self::Rejection> {
        let command = request
            .command()
            .ok_or_else(|| MissingPart::new("command", request))?;
        #[cfg(feature = "test-util")]
        note_secrets::<T>(request, command.args());
        let shape = Shape::of::<T>();
        match read(
            command.args(),
            &shape,
            request.message().map(|message| &**message),
        ) {
            Ok(value) => Ok(Self(value)),
            Err(error) if error.is_unsupported() => Err(error.into()),
            Err(error) => Err(refusal(&error, command, &shape).into()),
        }
    }
}

/// Tells whoever records the request which of its arguments are secret: all of them where they can not be read.
#[cfg(feature = "test-util")]
fn note_secrets<T: DeserializeOwned>(request: &Request, text: &str) {
    let Some(tap) = request.extensions().get::<crate::testing::record::tap::Tap>() else {
        return;
    };
    let (shape, of_type) = crate::secret::noticing(|| Shape::of::<T>());
    if of_type.any {
        let (value, read) = crate::secret::noticing(|| read::<T>(text, &shape, None));
        tap.hide(match value {
            Ok(_) => read.values,
            // Nobody knows which of them it was.
            Err(_) => text.split_whitespace().map(unquoted).collect(),
        });
    }
}

#[cfg(feature = "test-util")]
fn unquoted(word: &str) -> String {
    word.trim_matches(|character: char| "\"'`“”„‘’".contains(character))
        .to_owned()
}

/// Reads a text as the arguments of a type.
///
/// # Errors
///
/// The text has too few arguments, too many, or one that is not of its type.
///
/// ```
/// use rocketbotte::args::parse;
///
/// let (name, count): (String, u32) = parse("\"two words\" 3")?;
/// assert_eq!((name.as_str(), count), ("two words", 3));
/// # Ok::<_, rocketbotte::args::ArgsError>(())
/// ```
pub fn parse<T: DeserializeOwned>(text: &str) -> Result<T, ArgsError> {
    read(text, &Shape::of::<T>(), None)
}

fn read<T: DeserializeOwned>(text: &str, shape: &Shape, message: Option<&Message>) -> Result<T, ArgsError> {
    read_openly(text, shape, message).map_err(|error| {
        if shape.has_secrets() {
            error.without_what_was_given()
        } else {
            error
        }
    })
}

fn read_openly<T: DeserializeOwned>(
    text: &str,
    shape: &Shape,
    message: Option<&Message>,
) -> Result<T, ArgsError> {
    let mut assigned = assign::assign(shape, text)?;
    loop {
        let error = match T::deserialize(Arguments::new(text, shape, &assigned, message)) {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        // Only serde knows whether a field has a default, so a flag is false, and a list empty, when it is missed.
        if !supply_missing(&error, shape, &mut assigned) {
            let given = match shape {
                Shape::Text => Some(text),
                Shape::Single(_) => assigned
                    .first()
                    .and_then(|assigned| Some(&**assigned.values.first()?)),
                _ => None,
            };
            return Err(error.with_given(given).complete(shape));
        }
    }
}

/// Gives a field its natural default. `false` if it has none, or was given.
fn supply_missing(error: &ArgsError, shape: &Shape, assigned: &mut [Assigned<'_>]) -> bool {
    let Some(name) = error.missing_name() else {
        return false;
    };
    let missed = shape
        .parameters()
        .iter()
        .zip(assigned)
        .find(|(parameter, assigned)| parameter.names.contains(&name) && !assigned.is_given);
    match missed {
        Some((parameter, assigned)) if parameter.is_flag() => assigned.give("false"),
        Some((parameter, assigned)) if parameter.is_list || parameter.kind == Kind::Nothing => {
            assigned.is_given = true;
        }
        _ => return false,
    }
    true
}

fn refusal(error: &ArgsError, command: &Command, shape: &Shape) -> Rejection {
    // The words were typed: where a handler takes commands of any name, they may be anything.
    let path: Vec<_> = command.path().collect();
    let mut line = format!(
        "{}{}",
        command.invocation(),
        error::tidy(&path.join(" "), LONGEST_PATH)
    );
    let usage = usage::usage_of(shape);
    if !usage.is_empty() {
        line.push(' ');
        line.push_str(&usage);
    }
    let line = line.replace('`', "'");
    Rejection::bad_arguments(format!("{error}\nUsage: `{line}`"))
}
