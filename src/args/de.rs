//! Deserialises the arguments of a command from the values that they were given. Pure.

use serde::de::{self, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor};

use super::assign::Assigned;
use super::error::{ArgsError, Argument};
use super::marker;
use super::shape::{Parameter, Shape};
use super::value::{DEEPEST, ENDLESS, Value};
use crate::event::Message;

/// All the arguments.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arguments<'a> {
    text: &'a str,
    shape: &'a Shape,
    assigned: &'a [Assigned<'a>],
    message: Option<&'a Message>,
    depth: u8,
}

impl<'a> Arguments<'a> {
    pub(super) fn new(
        text: &'a str,
        shape: &'a Shape,
        assigned: &'a [Assigned<'a>],
        message: Option<&'a Message>,
    ) -> Self {
        Self {
            text,
            shape,
            assigned,
            message,
            depth: 0,
        }
    }

    fn deeper(self) -> Result<Self, ArgsError> {
        let depth = self.depth + 1;
        if depth > DEEPEST {
            return Err(ArgsError::unsupported(ENDLESS));
        }
        Ok(Self { depth, ..self })
    }

    fn single(&self) -> Value<'a> {
        let values = self.assigned.first().map_or(&[][..], |assigned| &assigned.values);
        Value::new(values, self.message)
    }

    fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    fn positions(self) -> Positions<'a> {
        Positions {
            assigned: self.assigned.iter().enumerate(),
            message: self.message,
        }
    }
}

macro_rules! single {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ArgsError> {
            let value = self.single();
            let given = value.values.first().map(|value| &**value);
            value.$method(visitor).map_err(|error| error.with_given(given))
        }
    )*};
}

macro_rules! whole_text {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ArgsError> {
            if let Shape::Single(_) = self.shape {
                let value = self.single();
                let given = value.values.first().map(|value| &**value);
                return value.$method(visitor).map_err(|error| error.with_given(given));
            }
            visitor.visit_str(self.text).map_err(|error: ArgsError| error.with_given(Some(self.text)))
        }
    )*};
}

impl<'de> Deserializer<'de> for Arguments<'_> {
    type Error = ArgsError;

    single! {
        deserialize_bool deserialize_char deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_i128 deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_f32 deserialize_f64 deserialize_seq
    }

    whole_text! { deserialize_any deserialize_str deserialize_string deserialize_identifier deserialize_ignored_any }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ArgsError> {
        visitor.visit_bytes(self.text.as_bytes())
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ArgsError> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ArgsError> {
        if self.is_empty() {
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
            marker::USER | marker::ROOM => self.single().deserialize_newtype_struct(name, visitor),
            _ => visitor.visit_newtype_struct(self.deeper()?),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _length: usize, visitor: V) -> Result<V::Value, ArgsError> {
        visitor.visit_seq(self.positions())
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _length: usize,
        visitor: V,
    ) -> Result<V::Value, ArgsError> {
        visitor.visit_seq(self.positions())
    }

    fn deserialize_map<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, ArgsError> {
        Err(ArgsError::unsupported("a map"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ArgsError> {
        visitor.visit_map(Fields {
            fields: self.shape.parameters().iter().zip(self.assigned),
            current: None,
            message: self.message,
        })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ArgsError> {
        self.single().deserialize_enum(name, variants, visitor)
    }
}

/// The elements of a tuple.
struct Positions<'a> {
    assigned: std::iter::Enumerate<std::slice::Iter<'a, Assigned<'a>>>,
    message: Option<&'a Message>,
}

impl<'de> SeqAccess<'de> for Positions<'_> {
    type Error = ArgsError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, ArgsError> {
        let Some((index, assigned)) = self.assigned.next() else {
            return Ok(None);
        };
        let value = seed.deserialize(Value::new(&assigned.values, self.message));
        let given = assigned.values.first().map(|value| &**value);
        value
            .map(Some)
            .map_err(|error| error.with_given(given).at(Argument::Position(index + 1)))
    }
}

/// The fields of a struct that were given.
struct Fields<'a> {
    fields: std::iter::Zip<std::slice::Iter<'a, Parameter>, std::slice::Iter<'a, Assigned<'a>>>,
    current: Option<(&'static str, &'a Assigned<'a>)>,
    message: Option<&'a Message>,
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = ArgsError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ArgsError> {
        self.current = self.fields.find_map(|(parameter, assigned)| {
            let name = parameter.name().filter(|_| assigned.is_given)?;
            Some((name, assigned))
        });
        let Some((name, _)) = self.current else {
            return Ok(None);
        };
        let name: de::value::StrDeserializer<'_, ArgsError> = name.into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, ArgsError> {
        let Some((name, assigned)) = self.current.take() else {
            return Err(ArgsError::missing());
        };
        let value = seed.deserialize(Value::new(&assigned.values, self.message));
        let given = assigned.values.first().map(|value| &**value);
        value.map_err(|error| error.with_given(given).at(Argument::Named(name.into())))
    }
}
