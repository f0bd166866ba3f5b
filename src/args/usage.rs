//! How a command is written, derived from the type of its arguments.

use serde::de::DeserializeOwned;

use super::error::dashed;
use super::shape::{Kind, Parameter, Shape, Takes};

/// How the arguments of a type are written: `<count> [sides]`. Empty for a type without arguments.
///
/// What is required stands in angle brackets, what may be left out in square ones; `…` follows what may be repeated.
/// A struct's fields are named, the elements of a tuple by their kind.
///
/// ```
/// use rocketbotte::args::usage;
/// use serde::Deserialize;
///
/// #[derive(Deserialize)]
/// # #[allow(dead_code)]
/// struct Roll { count: u32, sides: Option<u32>, secret: bool }
///
/// assert_eq!(usage::<Roll>(), "<count> [sides] [--secret]");
/// assert_eq!(usage::<(String, u32)>(), "<text> <number>");
/// assert_eq!(usage::<String>(), "[text]");
/// ```
pub fn usage<T: DeserializeOwned>() -> String {
    usage_of(&Shape::of::<T>())
}

pub(super) fn usage_of(shape: &Shape) -> String {
    if *shape == Shape::Text {
        return "[text]".to_owned();
    }
    let words: Vec<_> = shape.parameters().iter().filter_map(word).collect();
    words.join(" ")
}

fn word(parameter: &Parameter) -> Option<String> {
    let name = parameter.name().map(dashed);
    if parameter.is_flag() {
        return Some(format!("[--{}]", name.unwrap_or_default()));
    }
    if parameter.is_named_only {
        let name = name.unwrap_or_default();
        return Some(format!("[--{name} {}]", word_of(parameter, None)));
    }
    if !parameter.is_positional() {
        return None;
    }
    let word = word_of(parameter, name);
    let word = if parameter.takes == Takes::Rest {
        format!("{word}…")
    } else {
        word
    };
    Some(match (parameter.is_list, parameter.is_optional) {
        (true, _) => format!("[{word}…]"),
        (false, true) => format!("[{word}]"),
        (false, false) => format!("<{word}>"),
    })
}

/// What stands for a value.
fn word_of(parameter: &Parameter, name: Option<String>) -> String {
    match (parameter.kind, name) {
        (Kind::Choice(choices), _) => choices.join("|"),
        (Kind::User, Some(name)) => format!("@{name}"),
        (Kind::Room, Some(name)) => format!("#{name}"),
        (_, Some(name)) => name,
        (Kind::User, None) => "@user".to_owned(),
        (Kind::Room, None) => "#room".to_owned(),
        (Kind::Code, None) => "code".to_owned(),
        (Kind::Own(own), None) => own.name.to_owned(),
        _ if parameter.is_secret => "secret".to_owned(),
        (Kind::Number, None) => "number".to_owned(),
        (Kind::Bool, None) => "yes|no".to_owned(),
        (Kind::Character, None) => "character".to_owned(),
        (Kind::Text, None) => "text".to_owned(),
        (Kind::Any | Kind::Nothing | Kind::Nested(_), None) => "argument".to_owned(),
    }
}
