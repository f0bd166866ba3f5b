//! Examples of a command's arguments, made from their type.

use std::borrow::Cow;

use serde::de::DeserializeOwned;

use super::parse;
use super::shape::{Parameter, Shape, Takes};

/// A text that reads as the arguments of a type, for the help of a command; `None` for a type that refuses what was
/// tried, such as one that takes only certain words without being an enum.
///
/// ```
/// use std::time::Duration;
/// use rocketbotte::args::{Arg, Rest, UserArg, example};
///
/// assert_eq!(example::<(UserArg, Arg<Duration>, Rest)>().as_deref(), Some("@ann 10m text"));
/// assert_eq!(example::<()>().as_deref(), Some(""));
/// ```
pub fn example<T: DeserializeOwned>() -> Option<String> {
    example_of::<T>(&Shape::of::<T>())
}

pub(super) fn example_of<T: DeserializeOwned>(shape: &Shape) -> Option<String> {
    let text = match shape {
        Shape::Text => Some("text".to_owned()),
        Shape::Nothing => Some(String::new()),
        Shape::Unsupported(_) => None,
        Shape::Single(parameter) => parameter
            .kind
            .examples()
            .iter()
            .map(|example| written(parameter, example).into_owned())
            .find(|text| parse::<T>(text).is_ok()),
        Shape::Tuple(parameters) | Shape::Struct(parameters) => {
            let words: Option<Vec<_>> = parameters
                .iter()
                .filter(|parameter| parameter.is_required())
                .map(|parameter| parameter.example.map(|example| written(parameter, example)))
                .collect();
            words.map(|words| words.join(" "))
        }
    };
    text.filter(|text| parse::<T>(text).is_ok())
}

/// With quotes where it would not be one argument.
fn written<'a>(parameter: &Parameter, example: &'a str) -> Cow<'a, str> {
    let is_word = !example.is_empty() && !example.contains(char::is_whitespace);
    if is_word || parameter.takes != Takes::Token {
        Cow::Borrowed(example)
    } else {
        Cow::Owned(format!("\"{example}\""))
    }
}
