//! What is wrong with the arguments of a command, in one sentence for the person who typed it.

use std::borrow::Cow;
use std::fmt;

use serde::de;

/// How many characters of what somebody typed are shown to them again.
const LONGEST_QUOTE: usize = 40;

/// How many characters of a type's own message are shown.
const LONGEST_MESSAGE: usize = 200;

/// Why the text of a command can not be read as its arguments: one sentence that says which argument, what was
/// expected and what was given.
///
/// ```
/// use rocketbotte::args::parse;
///
/// let error = parse::<(String, u32)>("dice abc").unwrap_err();
/// assert_eq!(error.to_string(), "Argument 2 should be a number, but `abc` is none.");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArgsError {
    argument: Argument,
    problem: Problem,
}

/// Which argument.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Argument {
    /// Not said yet by what reads a single value, or there is only one.
    #[default]
    Only,
    Named(Cow<'static, str>),
    /// Counted from 1.
    Position(usize),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    Missing {
        expected: Option<Cow<'static, str>>,
    },
    Invalid {
        expected: Cow<'static, str>,
        given: Option<String>,
    },
    Refused {
        message: String,
        given: Option<String>,
    },
    TooMany {
        given: String,
        takes_text: bool,
    },
    NoneExpected {
        given: String,
    },
    UnknownOption {
        given: String,
        nearest: Option<String>,
    },
    AmbiguousOption {
        given: String,
        candidates: Vec<String>,
    },
    NeedsValue {
        option: String,
    },
    Repeated,
    /// The program's mistake, not the person's.
    Unsupported(&'static str),
}

impl ArgsError {
    pub(super) fn new(problem: Problem) -> Self {
        Self {
            argument: Argument::Only,
            problem,
        }
    }

    pub(super) fn about(argument: Argument, problem: Problem) -> Self {
        Self { argument, problem }
    }

    pub(super) fn missing() -> Self {
        Self::new(Problem::Missing { expected: None })
    }

    pub(super) fn invalid(expected: impl Into<Cow<'static, str>>, given: &str) -> Self {
        Self::new(Problem::Invalid {
            expected: expected.into(),
            given: Some(given.to_owned()),
        })
    }

    pub(super) fn unsupported(what: &'static str) -> Self {
        Self::new(Problem::Unsupported(what))
    }

    /// Says which argument it is about, where that is not known yet.
    pub(super) fn at(mut self, argument: Argument) -> Self {
        if self.argument == Argument::Only {
            self.argument = argument;
        }
        self
    }

    /// Says what was given, where that is not known yet.
    pub(super) fn with_given(mut self, text: Option<&str>) -> Self {
        if let Problem::Invalid { given, .. } | Problem::Refused { given, .. } = &mut self.problem {
            *given = given.take().or_else(|| text.map(str::to_owned));
        }
        self
    }

    /// Without anything that was typed: it may be a secret.
    pub(super) fn without_what_was_given(mut self) -> Self {
        match &mut self.problem {
            Problem::Invalid { given, .. } => *given = None,
            Problem::Refused { message, given } => {
                *given = None;
                // A type's own words often repeat what it was given.
                message.clear();
            }
            Problem::TooMany { given, .. }
            | Problem::NoneExpected { given }
            | Problem::UnknownOption { given, .. }
            | Problem::AmbiguousOption { given, .. } => given.clear(),
            Problem::Missing { .. }
            | Problem::NeedsValue { .. }
            | Problem::Repeated
            | Problem::Unsupported(_) => {}
        }
        self
    }

    pub(super) fn problem_mut(&mut self) -> &mut Problem {
        &mut self.problem
    }

    pub(super) fn argument(&self) -> &Argument {
        &self.argument
    }

    /// The name of the argument that is missing.
    pub(super) fn missing_name(&self) -> Option<&str> {
        match (&self.problem, &self.argument) {
            (Problem::Missing { .. }, Argument::Named(name)) => Some(name),
            _ => None,
        }
    }

    /// Whether it is the program that is wrong, and not what was typed: its type can not be read from text.
    pub fn is_unsupported(&self) -> bool {
        matches!(self.problem, Problem::Unsupported(_))
    }
}

impl fmt::Display for Argument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Only => f.write_str("The argument"),
            Self::Named(name) => write!(f, "`{}`", dashed(name)),
            Self::Position(position) => write!(f, "Argument {position}"),
        }
    }
}

impl fmt::Display for ArgsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let argument = &self.argument;
        match &self.problem {
            Problem::Missing {
                expected: Some(expected),
            } => {
                write!(f, "{argument} is missing: it should be {expected}.")
            }
            Problem::Missing { expected: None } => write!(f, "{argument} is missing."),
            Problem::Invalid { expected, given } => {
                write!(f, "{argument} should be {expected}")?;
                match given {
                    Some(given) => write!(f, ", but {} is none.", quote(given)),
                    None => f.write_str("."),
                }
            }
            Problem::Refused { message, given } => {
                let message = tidy(message, LONGEST_MESSAGE);
                let message = message.trim_end_matches(['.', ' ']);
                match (given, argument) {
                    (None, _) if message.is_empty() => write!(f, "{argument} is not right."),
                    (Some(given), _) => write!(f, "{argument} can not be {}: {message}.", quote(given)),
                    (None, Argument::Only) => write!(f, "These arguments do not fit: {message}."),
                    (None, _) => write!(f, "{argument} is not right: {message}."),
                }
            }
            Problem::TooMany { given, takes_text } => {
                match given.as_str() {
                    "" => f.write_str("There are too many arguments.")?,
                    given => write!(f, "There are too many arguments, from {} on.", quote(given))?,
                }
                if *takes_text {
                    f.write_str(" A text of several words needs \"quotes\".")?;
                }
                Ok(())
            }
            Problem::NoneExpected { given } if given.is_empty() => {
                f.write_str("There should be no arguments.")
            }
            Problem::NoneExpected { given } => {
                write!(f, "There should be no arguments, but {} was given.", quote(given))
            }
            Problem::UnknownOption { given, nearest } => {
                match given.as_str() {
                    "" => f.write_str("There is no such option.")?,
                    given => write!(f, "There is no option {}.", quote(given))?,
                }
                match nearest {
                    Some(nearest) => write!(f, " Did you mean `{nearest}`?"),
                    None => f.write_str(" Write `--` in front of it if it is no option."),
                }
            }
            Problem::AmbiguousOption { given, candidates } if given.is_empty() => {
                write!(f, "An option may be {}.", listed(candidates))
            }
            Problem::AmbiguousOption { given, candidates } => {
                write!(f, "{} may be {}.", quote(given), listed(candidates))
            }
            Problem::NeedsValue { option } => write!(f, "`{option}` needs a value."),
            Problem::Repeated => write!(f, "{argument} is given more than once."),
            Problem::Unsupported(what) => {
                write!(f, "`Args` can not read {what} from the text of a command")
            }
        }
    }
}

impl std::error::Error for ArgsError {}

impl de::Error for ArgsError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(Problem::Refused {
            message: message.to_string(),
            given: None,
        })
    }

    fn invalid_type(_given: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::new(Problem::Invalid {
            expected: expected.to_string().into(),
            given: None,
        })
    }

    fn invalid_value(given: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::invalid_type(given, expected)
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::invalid(one_of(expected), variant)
    }

    fn missing_field(field: &'static str) -> Self {
        Self::about(Argument::Named(field.into()), Problem::Missing { expected: None })
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::about(Argument::Named(field.into()), Problem::Repeated)
    }
}

/// What a choice should be: one of its names.
pub(super) fn one_of(choices: &[&str]) -> String {
    match choices {
        [only] => format!("`{only}`"),
        choices => format!("one of {}", listed(choices)),
    }
}

fn listed<T: fmt::Display>(items: &[T]) -> String {
    let mut text = String::new();
    for (index, item) in items.iter().enumerate() {
        let separator = match index {
            0 => String::new(),
            index if index + 1 == items.len() => " or ".to_owned(),
            _ => ", ".to_owned(),
        };
        text.push_str(&format!("{separator}`{item}`"));
    }
    text
}

/// A name as people type it: underscores are harder to find on a phone than dashes.
pub(super) fn dashed(name: &str) -> String {
    name.replace('_', "-")
}

/// What somebody typed, in backticks: cut, on one line, and unable to mention anybody or to leave the backticks.
pub(super) fn quote(text: &str) -> String {
    match shown(text).trim() {
        "" => "an empty text".to_owned(),
        text => format!("`{text}`"),
    }
}

/// What somebody typed, to stand between backticks.
pub(crate) fn shown(text: &str) -> String {
    tidy(text, LONGEST_QUOTE).replace('`', "'")
}

/// Without control characters and those that change the direction of writing, and cut.
pub(super) fn tidy(text: &str, longest: usize) -> String {
    let is_unseen = |character: &char| {
        crate::command::is_invisible(*character)
            || matches!(character, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
    };
    let mut characters = text
        .chars()
        .filter(|character| !is_unseen(character))
        .map(|character| if character.is_control() { ' ' } else { character });
    let mut tidy: String = characters.by_ref().take(longest).collect();
    if characters.next().is_some() {
        tidy.push('…');
    }
    tidy
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_is_quoted_safely() {
        assert_eq!(quote("a`b`"), "`a'b'`");
        assert_eq!(quote("a\nb\u{202e}c"), "`a bc`");
        assert_eq!(quote(" "), "an empty text");
        assert_eq!(quote(&"x".repeat(99)), format!("`{}…`", "x".repeat(40)));
        assert_eq!(quote("@all"), "`@all`");
    }
}
