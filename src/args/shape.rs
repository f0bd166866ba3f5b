//! Finds out what a type is made of by deserialising it from nothing: which fields, of which kinds, which of them may
//! be left out.
//!
//! A type says what it wants by the method of the deserialiser that it calls. The probe notes the method and then
//! fails, so that no value is needed; only what stands behind an element of a tuple, and which fields have defaults,
//! is found with example values.

use std::borrow::Cow;

use serde::de::DeserializeOwned;

use super::error::{ArgsError, Argument, Problem};
use super::marker::Own;
use super::own;
use super::probe::{Found, Probe, Step, Wanted, probe, run};

/// What the arguments of a type look like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// The whole text.
    Text,
    /// One argument, or a list.
    Single(Parameter),
    /// Arguments by position.
    Tuple(Vec<Parameter>),
    /// Arguments by position or by name.
    Struct(Vec<Parameter>),
    /// None.
    Nothing,
    /// A type that text can not be read as.
    Unsupported(&'static str),
}

/// One argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parameter {
    /// The field's name, then its aliases; empty for a position.
    pub(super) names: Vec<&'static str>,
    pub(super) kind: Kind,
    pub(super) is_optional: bool,
    /// Whether it takes any number of values.
    pub(super) is_list: bool,
    pub(super) takes: Takes,
    /// Whether it is given by its name alone: what may be left out before one that takes a line or the rest.
    pub(super) is_named_only: bool,
    /// Whether it must not be shown.
    pub(super) is_secret: bool,
    /// Whether nobody could see what it is.
    pub(super) is_unseen: bool,
    /// A value that pleases its type, where one was found.
    pub(super) example: Option<&'static str>,
}

/// How much of the text one value takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Takes {
    /// A word, or what stands between quotes.
    #[default]
    Token,
    /// What is left of the line.
    Line,
    /// What is left.
    Rest,
}

/// What a single value is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    /// A value of an unknown type.
    #[default]
    Any,
    Text,
    Number,
    Bool,
    Character,
    Choice(&'static [&'static str]),
    User,
    Room,
    Code,
    Own(Own),
    /// No value at all.
    Nothing,
    Nested(&'static str),
}

impl Kind {
    /// What a value should be, for errors.
    pub(super) fn expected(self) -> Option<Cow<'static, str>> {
        match self {
            Self::Number => Some("a number".into()),
            Self::Bool => Some("`yes` or `no`".into()),
            Self::Character => Some("a single character".into()),
            Self::Choice(choices) => Some(super::error::one_of(choices).into()),
            Self::User => Some("a user such as `@ann`".into()),
            Self::Room => Some("a room such as `#dev`".into()),
            Self::Code => Some("a block of code".into()),
            Self::Own(own) => Some(own::expected(own.name, own.example).into()),
            Self::Any | Self::Text | Self::Nothing | Self::Nested(_) => None,
        }
    }

    /// Values of which one may please the type.
    pub(super) fn examples(&self) -> &[&'static str] {
        match self {
            Self::Choice(choices) => choices,
            Self::User => &["@ann"],
            Self::Room => &["#dev"],
            Self::Code => &["`code`"],
            Self::Own(own) => std::slice::from_ref(&own.example),
            Self::Any | Self::Text => &[
                "text",
                "1",
                "a",
                "",
                "127.0.0.1",
                "https://example.org",
                "2000-01-01",
                "2000-01-01T00:00:00Z",
                "12:00",
                "10s",
                "00000000-0000-4000-8000-000000000000",
            ],
            Self::Character => &["a"],
            Self::Number => &["1", "0"],
            Self::Bool => &["yes"],
            Self::Nothing | Self::Nested(_) => &[],
        }
    }
}

impl Parameter {
    fn new(found: Found) -> Self {
        Self {
            names: Vec::new(),
            kind: match found.kind {
                Wanted::One(kind) => kind,
                Wanted::Tuple(_) => Kind::Nested("a tuple inside another type"),
                Wanted::Struct(_) => Kind::Nested("a struct inside another type"),
            },
            is_optional: found.is_optional,
            is_list: found.is_list,
            takes: found.takes,
            is_named_only: false,
            is_secret: found.is_secret,
            is_unseen: false,
            example: None,
        }
    }

    pub(super) fn name(&self) -> Option<&'static str> {
        self.names.first().copied()
    }

    /// Whether it is `true` by its name alone: `--force`.
    pub(super) fn is_flag(&self) -> bool {
        !self.names.is_empty() && self.kind == Kind::Bool && !self.is_list
    }

    /// Whether an argument at its position is its value.
    pub(super) fn is_positional(&self) -> bool {
        !self.is_flag() && !self.is_named_only && (self.is_list || self.kind != Kind::Nothing)
    }

    pub(super) fn is_required(&self) -> bool {
        self.is_positional() && !self.is_optional && !self.is_list
    }
}

impl Shape {
    /// The shape of a type.
    pub(super) fn of<T: DeserializeOwned>() -> Self {
        let mut found = Found::default();
        // It always fails, on purpose.
        let _ = T::deserialize(Probe::new(&mut found));
        match found.kind {
            Wanted::One(Kind::Nested(what)) => Self::Unsupported(what),
            Wanted::Tuple(length) if !found.is_list => Self::tuple::<T>(length),
            Wanted::Struct(fields) if !found.is_list => Self::of_struct::<T>(fields),
            Wanted::One(Kind::Text | Kind::Any) if found.is_whole_text() => Self::Text,
            Wanted::One(Kind::Nothing) if !found.is_list => Self::Nothing,
            _ => {
                let parameter = Parameter::new(found);
                match parameter.kind {
                    Kind::Nested(what) => Self::Unsupported(what),
                    _ => Self::Single(parameter),
                }
            }
        }
    }

    /// Whether errors must not show what was given. What nobody could see may be a secret.
    pub(super) fn has_secrets(&self) -> bool {
        let parameters = self.parameters();
        parameters
            .iter()
            .any(|parameter| parameter.is_secret || parameter.is_unseen)
    }

    fn tuple<T: DeserializeOwned>(length: usize) -> Self {
        let mut parameters = Vec::with_capacity(length);
        let mut steps = Vec::with_capacity(length);
        for _ in 0..length {
            let found = probe::<T>(&steps, "");
            let mut parameter = Parameter::new(found);
            let example = parameter.find_example(|example| {
                let steps = [&steps[..], &[example]].concat();
                run::<T>(&steps).0 > steps.len() - 1
            });
            parameters.push(parameter);
            match example {
                Some(example) => steps.push(example),
                // What stands behind is out of sight: one value each.
                None => break,
            }
        }
        parameters.resize_with(length, || Parameter {
            is_unseen: true,
            ..Parameter::new(Found::default())
        });
        Self::checked(parameters, Self::Tuple)
    }

    fn of_struct<T: DeserializeOwned>(fields: &'static [&'static str]) -> Self {
        let mut parameters = Vec::<Parameter>::new();
        let mut identities = Vec::new();
        let no_field = probe::<T>(&[], "\0").identity;
        for field in fields {
            let found = probe::<T>(&[], field);
            let identity = found.identity.filter(|_| found.identity != no_field);
            let known = identities
                .iter()
                .position(|known| identity.is_some() && *known == identity);
            match known {
                Some(index) => parameters[index].names.push(field),
                None => {
                    identities.push(identity);
                    parameters.push(Parameter {
                        names: vec![field],
                        ..Parameter::new(found)
                    });
                }
            }
        }
        find_optional::<T>(&mut parameters);
        Self::checked(parameters, Self::Struct)
    }

    fn checked(mut parameters: Vec<Parameter>, make: fn(Vec<Parameter>) -> Self) -> Self {
        let nested = parameters.iter().find_map(|parameter| match parameter.kind {
            Kind::Nested(what) => Some(what),
            _ => None,
        });
        let unreadable = nested.or_else(|| name_what_has_no_place(&mut parameters));
        unreadable.map_or_else(|| make(parameters), Self::Unsupported)
    }

    pub(super) fn parameters(&self) -> &[Parameter] {
        match self {
            Self::Single(parameter) => std::slice::from_ref(parameter),
            Self::Tuple(parameters) | Self::Struct(parameters) => parameters,
            Self::Text | Self::Nothing | Self::Unsupported(_) => &[],
        }
    }
}

/// Around what takes a line or the rest, what may be left out, or repeated, has no place of its own: nobody could say which
/// word is its value. Fields are given by their names then; an element of a tuple can not be read, which is returned.
fn name_what_has_no_place(parameters: &mut [Parameter]) -> Option<&'static str> {
    let is_greedy = |parameter: &Parameter| parameter.takes != Takes::Token;
    let last_greedy = parameters.iter().rposition(is_greedy)?;
    let rest = parameters
        .iter()
        .position(|parameter| parameter.takes == Takes::Rest);
    for (index, parameter) in parameters.iter_mut().enumerate() {
        let is_behind_the_rest = rest.is_some_and(|rest| index > rest);
        let has_no_place = is_behind_the_rest || (index < last_greedy && !parameter.is_required());
        if !has_no_place || !parameter.is_positional() {
            continue;
        }
        if parameter.is_required() || parameter.names.is_empty() {
            return Some(match is_behind_the_rest {
                true => "anything behind a `Rest`",
                false => "what may be left out before a `Line` or `Rest`",
            });
        }
        parameter.is_named_only = true;
    }
    None
}

/// Leaves all fields out and adds an example for each that is missed: the others may be left out. serde names the
/// first that is missing, in the order of the fields, and by its name rather than an alias.
fn find_optional<T: DeserializeOwned>(parameters: &mut [Parameter]) {
    let mut steps = Vec::new();
    let mut required = Vec::new();
    loop {
        let (_, result) = run::<T>(&steps);
        let missing = result.as_ref().err().and_then(ArgsError::missing_name);
        let index = missing.and_then(|name| {
            let is_it = |parameter: &Parameter| parameter.names.contains(&name);
            parameters.iter().position(is_it)
        });
        let Some(index) = index.filter(|index| !required.contains(index)) else {
            // Nothing is missing, or what is wrong is an example: all that is not known to be missed has a default.
            break;
        };
        required.push(index);
        let parameter = &mut parameters[index];
        if let Some(primary) = parameter.names.iter().position(|name| Some(*name) == missing) {
            parameter.names.swap(0, primary);
        }
        let field = parameter.names[0];
        let example = parameter.find_example(|example| run::<T>(&[Step { field, ..example }]).0 == 1);
        match example {
            Some(example) => steps.push(Step { field, ..example }),
            None => {
                // No example pleases it, so that what is behind it is out of sight: taken for required.
                required.extend(index + 1..parameters.len());
                break;
            }
        }
    }
    for (index, parameter) in parameters.iter_mut().enumerate() {
        parameter.is_optional |= !required.contains(&index);
    }
}

impl Parameter {
    fn find_example(&mut self, pleases: impl Fn(Step) -> bool) -> Option<Step> {
        let step = |value| Step { field: "", value };
        if self.is_list || self.is_optional || self.kind == Kind::Nothing {
            let none = step(None);
            return pleases(none).then_some(none);
        }
        let kind = self.kind;
        let found = kind
            .examples()
            .iter()
            .map(|example| step(Some(*example)))
            .find(|step| pleases(*step))?;
        self.example = found.value;
        Some(found)
    }
}

impl ArgsError {
    /// Says what should have been there, which only the shape knows.
    pub(super) fn complete(mut self, shape: &Shape) -> Self {
        let parameters = shape.parameters();
        let parameter = match self.argument() {
            Argument::Named(name) => parameters
                .iter()
                .find(|parameter| parameter.names.iter().any(|known| known == name)),
            Argument::Position(position) => parameters.get(position - 1),
            Argument::Only => parameters.first(),
        };
        if let (Problem::Missing { expected }, Some(parameter)) = (self.problem_mut(), parameter) {
            *expected = parameter.kind.expected();
        }
        self
    }
}
