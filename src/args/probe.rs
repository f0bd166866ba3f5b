//! Deserialisers that ask a type what it wants: one that notes it, and one that leads to the place to ask at.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor,
};

use super::error::{ArgsError, Problem};
use super::marker::{self, Naming};
use super::shape::{Kind, Takes};
use super::value::{DEEPEST, Value};

/// What a type asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Found {
    pub(super) kind: Wanted,
    pub(super) is_optional: bool,
    pub(super) is_list: bool,
    pub(super) takes: Takes,
    pub(super) is_secret: bool,
    /// Which field a key stands for, the same for its aliases.
    pub(super) identity: Option<u64>,
}

impl Found {
    /// Whether a type that wants a text gets all of it.
    pub(super) fn is_whole_text(&self) -> bool {
        !self.is_list && !self.is_secret && self.takes == Takes::Token
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Wanted {
    One(Kind),
    Tuple(usize),
    Struct(&'static [&'static str]),
}

impl Default for Wanted {
    fn default() -> Self {
        Self::One(Kind::Any)
    }
}

/// A field or an element with an example value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    /// Empty for an element of a tuple.
    pub(super) field: &'static str,
    /// `None` for no value: an empty list, or nothing for an `Option`.
    pub(super) value: Option<&'static str>,
}

/// What a type asks for at a field, or behind the elements that have examples.
pub(super) fn probe<T: DeserializeOwned>(steps: &[Step], field: &str) -> Found {
    let mut found = Found::default();
    let _ = T::deserialize(Driver::new(steps, Some(field), &mut found, &mut 0));
    found
}

/// How many examples a type took, and what became of it.
pub(super) fn run<T: DeserializeOwned>(steps: &[Step]) -> (usize, Result<(), ArgsError>) {
    let mut accepted = 0;
    let result = T::deserialize(Driver::new(steps, None, &mut Found::default(), &mut accepted));
    (accepted, result.map(drop))
}

/// Notes what is asked for, and fails.
pub(super) struct Probe<'p> {
    found: &'p mut Found,
    depth: u8,
    naming: Naming,
}

impl<'p> Probe<'p> {
    pub(super) fn new(found: &'p mut Found) -> Self {
        Self {
            found,
            depth: 0,
            naming: Naming::Nothing,
        }
    }

    fn note<T>(self, wanted: Wanted) -> Result<T, ArgsError> {
        self.found.kind = match self.naming {
            Naming::Done(own) => Wanted::One(Kind::Own(own)),
            Naming::Nothing | Naming::Begun | Naming::Named(_) => wanted,
        };
        Err(stop())
    }

    fn deeper(self) -> Result<Self, ArgsError> {
        let depth = self.depth + 1;
        if depth > DEEPEST {
            return self.note(Wanted::One(Kind::Nested("a type that holds itself")));
        }
        Ok(Self { depth, ..self })
    }
}

/// The end of a probe, told from what a type itself finds wrong by nobody: it is never shown.
fn stop() -> ArgsError {
    ArgsError::new(Problem::Repeated)
}

macro_rules! note {
    ($($kind:expr => $($method:ident)+;)*) => {$($(
        fn $method<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, ArgsError> {
            self.note(Wanted::One($kind))
        }
    )+)*};
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = ArgsError;

    note! {
        Kind::Number => deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128 deserialize_u8
            deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 deserialize_f32 deserialize_f64;
        Kind::Bool => deserialize_bool;
        Kind::Character => deserialize_char;
        Kind::Text => deserialize_str deserialize_string deserialize_bytes deserialize_byte_buf deserialize_identifier;
        Kind::Any => deserialize_any deserialize_ignored_any;
        Kind::Nothing => deserialize_unit;
        Kind::Nested("a map, or a struct with `#[serde(flatten)]`,") => deserialize_map;
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ArgsError> {
        self.found.is_optional = true;
        visitor.visit_some(self.deeper()?)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        mut self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ArgsError> {
        match name {
            marker::REST => self.found.takes = Takes::Rest,
            marker::LINE => self.found.takes = Takes::Line,
            marker::SECRET => self.found.is_secret = true,
            marker::CODE => return self.note(Wanted::One(Kind::Code)),
            marker::USER => return self.note(Wanted::One(Kind::User)),
            marker::ROOM => return self.note(Wanted::One(Kind::Room)),
            _ => self.naming = self.naming.next(name),
        }
        visitor.visit_newtype_struct(self.deeper()?)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ArgsError> {
        if self.found.is_list {
            return self.note(Wanted::One(Kind::Nested("a list of lists")));
        }
        self.found.is_list = true;
        visitor.visit_seq(self.deeper()?)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _visitor: V,
    ) -> Result<V::Value, ArgsError> {
        self.note(Wanted::One(Kind::Nothing))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, length: usize, _visitor: V) -> Result<V::Value, ArgsError> {
        self.note(Wanted::Tuple(length))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        length: usize,
        _visitor: V,
    ) -> Result<V::Value, ArgsError> {
        self.note(Wanted::Tuple(length))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, ArgsError> {
        self.note(Wanted::Struct(fields))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, ArgsError> {
        self.note(Wanted::One(Kind::Choice(variants)))
    }
}

/// The element of a list, of which there may be any number.
impl<'de> SeqAccess<'de> for Probe<'_> {
    type Error = ArgsError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, ArgsError> {
        let inner = Probe {
            found: self.found,
            depth: self.depth,
            naming: Naming::Nothing,
        };
        let is_optional = inner.found.is_optional;
        let result = seed.deserialize(inner).map(Some);
        self.found.is_optional = is_optional;
        result
    }
}

/// Gives a struct or tuple the examples, and lets it ask for one thing more.
struct Driver<'p> {
    steps: std::slice::Iter<'p, Step>,
    current: Option<Step>,
    /// The field to ask for; an empty name for the next element.
    ask: Option<&'p str>,
    found: &'p mut Found,
    accepted: &'p mut usize,
    depth: u8,
}

impl<'p> Driver<'p> {
    fn new(steps: &'p [Step], ask: Option<&'p str>, found: &'p mut Found, accepted: &'p mut usize) -> Self {
        Self {
            steps: steps.iter(),
            current: None,
            ask,
            found,
            accepted,
            depth: 0,
        }
    }

    fn deeper(mut self) -> Result<Self, ArgsError> {
        self.depth += 1;
        if self.depth > DEEPEST {
            Err(stop())
        } else {
            Ok(self)
        }
    }

    fn value<'de, T: DeserializeSeed<'de>>(
        &mut self,
        step: Option<Step>,
        seed: T,
    ) -> Result<T::Value, ArgsError> {
        match step {
            Some(step) => {
                let texts: &[Cow<'_, str>] = match &step.value {
                    Some(text) => &[Cow::Borrowed(text)],
                    None => &[],
                };
                let value = seed.deserialize(Value::new(texts, None))?;
                *self.accepted += 1;
                Ok(value)
            }
            None => seed.deserialize(Probe::new(self.found)),
        }
    }
}

impl<'de> Deserializer<'de> for Driver<'_> {
    type Error = ArgsError;

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, ArgsError> {
        Err(stop())
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ArgsError> {
        visitor.visit_some(self.deeper()?)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ArgsError> {
        visitor.visit_newtype_struct(self.deeper()?)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _length: usize, visitor: V) -> Result<V::Value, ArgsError> {
        visitor.visit_seq(self)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _length: usize,
        visitor: V,
    ) -> Result<V::Value, ArgsError> {
        visitor.visit_seq(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ArgsError> {
        visitor.visit_map(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq map
        enum identifier ignored_any
    }
}

impl<'de> SeqAccess<'de> for Driver<'_> {
    type Error = ArgsError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, ArgsError> {
        let step = self.steps.next().copied();
        if step.is_none() && self.ask.is_none() {
            return Ok(None);
        }
        self.value(step, seed).map(Some)
    }
}

impl<'de> MapAccess<'de> for Driver<'_> {
    type Error = ArgsError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ArgsError> {
        self.current = self.steps.next().copied();
        let Some(field) = self.current.map(|step| step.field).or(self.ask) else {
            return Ok(None);
        };
        let key: de::value::StrDeserializer<'_, ArgsError> = field.into_deserializer();
        let key = seed.deserialize(key)?;
        // Derived code has an enum of the fields, in which an alias is the same variant as the name.
        let mut hasher = DefaultHasher::new();
        std::mem::discriminant(&key).hash(&mut hasher);
        self.found.identity = Some(hasher.finish());
        Ok(Some(key))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, ArgsError> {
        let step = self.current.take();
        self.value(step, seed)
    }
}
