//! Decides which token is the value of which argument. Pure.

use std::borrow::Cow;

use super::error::{ArgsError, Argument, Problem, dashed};
use super::shape::{Kind, Parameter, Shape, Takes};
use super::tokens::{LONG_DASHES, Token, tokens, tokens_from};

/// How far a misspelled option may be from one that there is.
const NEAREST: usize = 2;

/// The values of one argument.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Assigned<'a> {
    pub(super) values: Vec<Cow<'a, str>>,
    /// Whether it was given; an empty list can be given too.
    pub(super) is_given: bool,
}

impl<'a> Assigned<'a> {
    pub(super) fn give(&mut self, value: impl Into<Cow<'a, str>>) {
        self.values.push(value.into());
        self.is_given = true;
    }
}

/// The values of every argument of a shape, in order.
pub(super) fn assign<'a>(shape: &Shape, text: &'a str) -> Result<Vec<Assigned<'a>>, ArgsError> {
    match shape {
        Shape::Text => Ok(Vec::new()),
        Shape::Unsupported(what) => Err(ArgsError::unsupported(what)),
        Shape::Nothing => match tokens(text).next() {
            Some(token) => Err(ArgsError::new(Problem::NoneExpected {
                given: token.text.into_owned(),
            })),
            None => Ok(Vec::new()),
        },
        Shape::Single(_) | Shape::Tuple(_) => {
            let parameters = shape.parameters();
            let (assigned, tokens) = scan(parameters, text, false)?;
            by_position(parameters, text, assigned, tokens)
        }
        Shape::Struct(parameters) => {
            let (assigned, tokens) = scan(parameters, text, true)?;
            by_position(parameters, text, assigned, tokens)
        }
    }
}

fn is_open(parameter: &Parameter, assigned: &Assigned<'_>) -> bool {
    parameter.is_positional() && !assigned.is_given
}

/// In order, one value each; a list takes all that the others leave, and what may be left out gets its value only
/// when there are enough for what may not.
fn by_position<'a>(
    parameters: &[Parameter],
    text: &'a str,
    mut assigned: Vec<Assigned<'a>>,
    tokens: Vec<Token<'a>>,
) -> Result<Vec<Assigned<'a>>, ArgsError> {
    let required = parameters
        .iter()
        .zip(&assigned)
        .filter(|(parameter, assigned)| parameter.is_required() && is_open(parameter, assigned))
        .count();
    let mut spare = tokens.len().saturating_sub(required);
    let mut tokens = tokens.into_iter();
    for (parameter, assigned) in parameters.iter().zip(&mut assigned) {
        if !is_open(parameter, assigned) {
            continue;
        }
        let count = match () {
            () if parameter.is_list => std::mem::take(&mut spare),
            () if parameter.is_required() => 1,
            () => {
                let count = spare.min(1);
                spare -= count;
                count
            }
        };
        for token in tokens.by_ref().take(count) {
            let end = match parameter.takes {
                Takes::Token => {
                    assigned.give(value_of(parameter, text, token));
                    continue;
                }
                Takes::Line => line_end(text, token.span.start),
                Takes::Rest => text.len(),
            };
            assigned.give(text[token.span.start..end].trim_end());
        }
    }
    let Some(extra) = tokens.next() else {
        return Ok(assigned);
    };
    let given = extra.text.into_owned();
    let positional = parameters.iter().rfind(|parameter| parameter.is_positional());
    Err(ArgsError::new(match positional {
        None => Problem::NoneExpected { given },
        Some(last) => Problem::TooMany {
            given,
            takes_text: matches!(last.kind, Kind::Text | Kind::Any) && last.takes == Takes::Token,
        },
    }))
}

/// What a parameter gets of a token: code with its fences, which tell the language.
fn value_of<'a>(parameter: &Parameter, text: &'a str, token: Token<'a>) -> Cow<'a, str> {
    if parameter.kind == Kind::Code {
        Cow::Borrowed(&text[token.span])
    } else {
        token.text
    }
}

/// Where the line ends that a token begins on.
fn line_end(text: &str, start: usize) -> usize {
    text[start..]
        .find('\n')
        .map_or(text.len(), |length| start + length)
}

/// Takes out the options, where there are any, and leaves the rest: of what takes a line, or all, the first token alone.
fn scan<'a>(
    parameters: &[Parameter],
    text: &'a str,
    has_options: bool,
) -> Result<(Vec<Assigned<'a>>, Vec<Token<'a>>), ArgsError> {
    let mut assigned = vec![Assigned::default(); parameters.len()];
    let mut rest = Vec::new();
    let mut has_options = has_options;
    let mut tokens = tokens(text).peekable();
    while let Some(token) = tokens.next() {
        let option = OptionToken::new(&token).filter(|_| has_options);
        let Some(option) = option else {
            let start = token.span.start;
            let takes = open_at(parameters, &assigned, rest.len()).map(|parameter| parameter.takes);
            rest.push(token);
            match takes {
                Some(Takes::Line) => tokens = tokens_from(text, line_end(text, start)).peekable(),
                Some(Takes::Rest) => break,
                Some(Takes::Token) | None => {}
            }
            continue;
        };
        if option.is_end() {
            has_options = false;
            continue;
        }
        for index in find_option(parameters, &option)? {
            let parameter = &parameters[index];
            let is_taken = is_filled(parameters, &assigned, rest.len(), index);
            let slot = &mut assigned[index];
            if (slot.is_given || is_taken) && !parameter.is_list {
                let name = parameter.name().unwrap_or_default();
                return Err(ArgsError::about(Argument::Named(name.into()), Problem::Repeated));
            }
            match &option.value {
                Some(value) => slot.give(value.to_string()),
                None if parameter.is_flag() => slot.give("true"),
                None => {
                    let value = tokens.next_if(|token| OptionToken::new(token).is_none());
                    let value = value.ok_or_else(|| {
                        let option = long_form(parameter);
                        ArgsError::new(Problem::NeedsValue { option })
                    })?;
                    slot.give(value_of(parameter, text, value));
                }
            }
        }
    }
    Ok((assigned, rest))
}

/// The argument whose place so many tokens are before.
fn open_at<'p>(
    parameters: &'p [Parameter],
    assigned: &[Assigned<'_>],
    tokens: usize,
) -> Option<&'p Parameter> {
    let is_open = |(parameter, assigned): &(&Parameter, &Assigned<'_>)| is_open(parameter, assigned);
    let mut open = parameters.iter().zip(assigned).filter(is_open);
    open.nth(tokens).map(|(parameter, _)| parameter)
}

/// Whether so many tokens fill the place of an argument, where each has one of its own: beside one that takes a line or the
/// rest.
fn is_filled(parameters: &[Parameter], assigned: &[Assigned<'_>], tokens: usize, index: usize) -> bool {
    let is_greedy = |parameter: &Parameter| parameter.takes != Takes::Token;
    let before = parameters[..index].iter().zip(assigned);
    parameters.iter().any(is_greedy)
        && is_open(&parameters[index], &assigned[index])
        && before
            .filter(|(parameter, assigned)| is_open(parameter, assigned))
            .count()
            < tokens
}

/// A token that names an argument: `--name`, `--name=value`, `-n`.
struct OptionToken<'a> {
    given: &'a str,
    name: Cow<'a, str>,
    is_long: bool,
    value: Option<&'a str>,
}

impl<'a> OptionToken<'a> {
    /// `None` for what is a value: quoted, a negative number, a dash alone.
    fn new(token: &'a Token<'_>) -> Option<Self> {
        let text: &'a str = &token.text;
        if token.is_quoted {
            return None;
        }
        let long = text.strip_prefix("--").or_else(|| text.strip_prefix(LONG_DASHES));
        let body = long.or_else(|| text.strip_prefix('-'))?;
        let is_number = body.starts_with(|character: char| character.is_ascii_digit() || character == '.');
        if (is_number && !text.starts_with("--")) || (body.is_empty() && long.is_none()) {
            return None;
        }
        let (name, value) = match body.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (body, None),
        };
        Some(Self {
            given: text,
            name: folded(name).into(),
            is_long: long.is_some(),
            value,
        })
    }

    /// `--`: what follows is no option.
    fn is_end(&self) -> bool {
        self.name.is_empty() && self.value.is_none()
    }
}

/// The argument that an option names; several for flags in their short forms, `-fv`.
fn find_option(parameters: &[Parameter], option: &OptionToken<'_>) -> Result<Vec<usize>, ArgsError> {
    let is_named = |parameter: &Parameter| parameter.names.iter().any(|name| folded(name) == *option.name);
    if let Some(index) = parameters.iter().position(is_named) {
        return Ok(vec![index]);
    }
    let unknown = || {
        let distance = |parameter: &Parameter| {
            let name = folded(parameter.name()?);
            // The comparison takes the product of the lengths.
            let is_comparable = option.name.len() <= 64;
            let distance = is_comparable.then(|| strsim::damerau_levenshtein(&name, &option.name))?;
            (distance <= NEAREST && distance < name.chars().count()).then(|| (distance, long_form(parameter)))
        };
        let nearest = parameters
            .iter()
            .filter_map(distance)
            .min_by_key(|(distance, _)| *distance);
        ArgsError::new(Problem::UnknownOption {
            given: option.given.to_owned(),
            nearest: nearest.map(|(_, name)| name),
        })
    };
    if option.is_long {
        return Err(unknown());
    }
    let by_letter = |letter: char| {
        let is_short = |parameter: &Parameter| {
            parameter
                .name()
                .is_some_and(|name| folded(name).starts_with(letter))
        };
        let mut candidates = (0..parameters.len()).filter(|index| is_short(&parameters[*index]));
        (candidates.next(), candidates.next())
    };
    let mut letters = option.name.chars();
    match (letters.next(), letters.next()) {
        (Some(letter), None) => match by_letter(letter) {
            (Some(index), None) => Ok(vec![index]),
            (None, _) => Err(unknown()),
            (Some(_), Some(_)) => Err(ArgsError::new(Problem::AmbiguousOption {
                given: option.given.to_owned(),
                candidates: parameters
                    .iter()
                    .filter(|parameter| {
                        parameter
                            .name()
                            .is_some_and(|name| folded(name).starts_with(letter))
                    })
                    .map(long_form)
                    .collect(),
            })),
        },
        _ => {
            let flag = |letter| match by_letter(letter) {
                (Some(index), None) if parameters[index].is_flag() => Some(index),
                _ => None,
            };
            let flags: Option<Vec<_>> = option.name.chars().map(flag).collect();
            flags
                .filter(|flags| !flags.is_empty() && option.value.is_none())
                .ok_or_else(unknown)
        }
    }
}

fn long_form(parameter: &Parameter) -> String {
    format!("--{}", dashed(parameter.name().unwrap_or_default()))
}

/// Names are compared without regard to case, and dashes are as good as underscores.
fn folded(name: &str) -> String {
    dashed(name).to_lowercase()
}
