//! Deserialises one argument from the values that it was given. Pure.

use std::borrow::Cow;

use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, SeqAccess, VariantAccess, Visitor,
};

use super::error::ArgsError;
use super::{marker, mentions};
use crate::event::Message;

/// How deep types may be nested in themselves, behind an `Option`.
pub(super) const DEEPEST: u8 = 8;

/// What the visitor of a type that holds itself behind an `Option` is stopped by.
pub(super) const ENDLESS: &str = "a type that holds itself";

/// The value, or the values, of one argument.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value<'a> {
    pub(super) values: &'a [Cow<'a, str>],
    /// Whom and what it mentions.
    message: Option<&'a Message>,
    depth: u8,
}

impl<'a> Value<'a> {
    pub(super) fn new(values: &'a [Cow<'a, str>], message: Option<&'a Message>) -> Self {
        Self {
            values,
            message,
            depth: 0,
        }
    }

    fn text(&self) -> Result<&'a str, ArgsError> {
        self.values
            .first()
            .map(|value| &**value)
            .ok_or_else(ArgsError::missing)
    }

    fn deeper(self) -> Result<Self, ArgsError> {
        let depth = self.depth + 1;
        if depth > DEEPEST {
            return Err(ArgsError::unsupported(ENDLESS));
        }
        Ok(Self { depth, ..self })
    }
}

/// A typographic minus, which phones write, as a plain one.
fn plain_minus(text: &str) -> Cow<'_, str> {
    match text.strip_prefix(['−', '–', '—']) {
        Some(rest) => Cow::Owned(format!("-{rest}")),
        None => Cow::Borrowed(text),
    }
}

/// Why a text is no whole number of a type.
fn no_integer(text: &str, range: [&dyn std::fmt::Display; 2]) -> ArgsError {
    let plain = plain_minus(text);
    let digits = plain.strip_prefix(['-', '+']).unwrap_or(&plain);
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let [least, most] = range;
        ArgsError::invalid(format!("a number from {least} to {most}"), text)
    } else if plain.parse::<f64>().is_ok_and(f64::is_finite) {
        ArgsError::invalid("a whole number", text)
    } else {
        ArgsError::invalid("a number", text)
    }
}

fn boolean(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "true" | "yes" | "y" | "on" | "1" => Some(true),
        "false" | "no" | "n" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// The variant that is meant: as it is written, else without regard to case, with dashes for underscores.
fn choice<'a>(text: &'a str, choices: &[&'static str]) -> &'a str
where
    'static: 'a,
{
    if choices.contains(&text) {
        return text;
    }
    let folded = |name: &str| super::error::dashed(name).to_lowercase();
    let meant = folded(text);
    choices
        .iter()
        .find(|choice| folded(choice) == meant)
        .copied()
        .unwrap_or(text)
}

macro_rules! integers {
    ($($method:ident $visit:ident $type:ty;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ArgsError> {
            let text = self.text()?;
            match plain_minus(text).parse::<$type>() {
                Ok(number) => visitor.$visit(number),
                Err(_) => Err(no_integer(text, [&<$type>::MIN, &<$type>::MAX])),
            }
        }
    )*};
}

macro_rules! floats {
    ($($method:ident $visit:ident $type:ty;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ArgsError> {
            let text = self.text()?;
            // `nan` and `inf` are words in a chat, and no amounts.
            match plain_minus(text).parse::<$type>() {
                Ok(number) if number.is_finite() => visitor.$visit(number),
                _ => Err(ArgsError::invalid("a number", text)),
            }
        }
    )*};
}

macro_rules! texts {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ArgsError> {
            visitor.visit_str(self.text()?)
        }
    )*};
}

impl<'de> Deserializer<'de> for Value<'_> {
    type Error = ArgsError;

    integers! {
        deserialize_i8 visit_i8 i8;
        deserialize_i16 visit_i16 i16;
        deserialize_i32 visit_i32 i32;
        deserialize_i64 visit_i64 i64;
        deserialize_i128 visit_i128 i128;
        deserialize_u8 visit_u8 u8;
        deserialize_u16 visit_u16 u16;
        deserialize_u32 visit_u32 u32;
        deserialize_u64 visit_u64 u64;
        deserialize_u128 visit_u128 u128;
    }

    floats! {
        deserialize_f32 visit_f32 f32;
        deserialize_f64 visit_f64 f64;
    }

    texts! { deserialize_any deserialize_str deserialize_string deserialize_identifier deserialize_ignored_any }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ArgsError> {
        let text = self.text()?;
        match boolean(text) {
            Some(value) => visitor.visit_bool(value),
            None => Err(ArgsError::invalid("`yes` or `no`", text)),
        }
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ArgsError> {
        let text = self.text()?;
        let mut characters = text.chars();
        match (characters.next(), characters.next()) {
            (Some(character), None) => visitor.visit_char(character),
            _ => Err(ArgsError::invalid("a single character", text)),
        }
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ArgsError> {
        visitor.visit_bytes(self.text()?.as_bytes())
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ArgsError> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ArgsError> {
        if self.values.is_empty() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self.deeper()?)
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ArgsError> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ArgsError> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ArgsError> {
        match name {
            marker::USER => visitor.visit_seq(strings(mentions::user(self.text()?, self.message)?)),
            marker::ROOM => visitor.visit_seq(strings(mentions::room(self.text()?, self.message)?)),
            _ => visitor.visit_newtype_struct(self.deeper()?),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ArgsError> {
        visitor.visit_seq(List(self))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _length: usize, _visitor: V) -> Result<V::Value, ArgsError> {
        Err(ArgsError::unsupported("a tuple inside another type"))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, ArgsError> {
        self.deserialize_tuple(length, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, ArgsError> {
        Err(ArgsError::unsupported("a map inside another type"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, ArgsError> {
        Err(ArgsError::unsupported("a struct inside another type"))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ArgsError> {
        visitor.visit_enum(Choice(choice(self.text()?, variants)))
    }
}

fn strings<'de, const N: usize>(parts: [String; N]) -> impl SeqAccess<'de, Error = ArgsError> {
    de::value::SeqDeserializer::new(parts.into_iter())
}

/// The values of an argument that takes any number.
struct List<'a>(Value<'a>);

impl<'de> SeqAccess<'de> for List<'_> {
    type Error = ArgsError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, ArgsError> {
        let Some((first, rest)) = self.0.values.split_first() else {
            return Ok(None);
        };
        let value = Value {
            values: std::slice::from_ref(first),
            ..self.0.deeper()?
        };
        self.0.values = rest;
        let result = seed.deserialize(value).map(Some);
        result.map_err(|error| error.with_given(Some(first)))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.values.len())
    }
}

/// A variant without content.
struct Choice<'a>(&'a str);

impl<'de> EnumAccess<'de> for Choice<'_> {
    type Error = ArgsError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), ArgsError> {
        let name: de::value::StrDeserializer<'_, ArgsError> = self.0.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

/// What an enum with content in its variants is told.
const VARIANT: &str = "an enum whose variants have content";

impl<'de> VariantAccess<'de> for Choice<'_> {
    type Error = ArgsError;

    fn unit_variant(self) -> Result<(), ArgsError> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _seed: T) -> Result<T::Value, ArgsError> {
        Err(ArgsError::unsupported(VARIANT))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _length: usize, _visitor: V) -> Result<V::Value, ArgsError> {
        Err(ArgsError::unsupported(VARIANT))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, ArgsError> {
        Err(ArgsError::unsupported(VARIANT))
    }
}
