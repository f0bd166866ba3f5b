//! The shape of JSON: which keys there are and of what type the values are, at any depth.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// What values that belong together have in common, and what only some of them have.
#[derive(Debug, Default, Clone)]
pub(crate) struct Shape {
    kinds: BTreeSet<&'static str>,
    fields: BTreeMap<String, Shape>,
    items: Option<Box<Shape>>,
}

/// One thing in which two shapes differ.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Difference {
    pub(crate) path: String,
    pub(crate) what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum What {
    /// The recording has it, the sandbox has not.
    Missing,
    /// The sandbox has it, the recording has not.
    Extra,
    /// Both have it, as values of different types.
    Type,
    /// A list that has entries on one side only.
    Empty,
}

impl What {
    const SIGNS: [(Self, &str); 4] = [
        (Self::Missing, "-"),
        (Self::Extra, "+"),
        (Self::Type, "~"),
        (Self::Empty, "0"),
    ];

    pub(crate) fn sign(self) -> &'static str {
        let mut signs = Self::SIGNS.iter();
        signs
            .find(|(what, _)| *what == self)
            .map_or("?", |(_, sign)| sign)
    }

    pub(crate) fn of_sign(text: &str) -> Option<Self> {
        let mut signs = Self::SIGNS.iter();
        signs.find(|(_, sign)| *sign == text).map(|(what, _)| *what)
    }
}

impl Shape {
    pub(crate) fn of(value: &Value) -> Self {
        let mut shape = Self::default();
        shape.add(value);
        shape
    }

    pub(crate) fn add(&mut self, value: &Value) {
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(list) => {
                for item in list {
                    self.items.get_or_insert_default().add(item);
                }
                "array"
            }
            Value::Object(object) if object.len() == 1 && object.contains_key("$date") => "date",
            Value::Object(object) => {
                for (key, value) in object {
                    self.fields.entry(key.clone()).or_default().add(value);
                }
                "object"
            }
        };
        self.kinds.insert(kind);
    }

    /// In what `actual` differs from this, which was recorded.
    pub(crate) fn differences(&self, actual: &Self) -> Vec<Difference> {
        let mut found = Vec::new();
        self.compare(actual, "", &mut found);
        found
    }

    fn compare(&self, actual: &Self, path: &str, found: &mut Vec<Difference>) {
        let mut differs = |path: &str, what| {
            let path = path.trim_start_matches('.').to_owned();
            found.push(Difference { path, what });
        };
        if !actual.kinds.is_subset(&self.kinds) {
            return differs(path, What::Type);
        }
        for key in self.fields.keys().filter(|key| !actual.fields.contains_key(*key)) {
            differs(&format!("{path}.{key}"), What::Missing);
        }
        for key in actual.fields.keys().filter(|key| !self.fields.contains_key(*key)) {
            differs(&format!("{path}.{key}"), What::Extra);
        }
        if self.items.is_some() != actual.items.is_some() {
            differs(&format!("{path}[]"), What::Empty);
        }
        for (key, field) in &self.fields {
            if let Some(other) = actual.fields.get(key) {
                field.compare(other, &format!("{path}.{key}"), found);
            }
        }
        if let (Some(items), Some(others)) = (&self.items, &actual.items) {
            items.compare(others, &format!("{path}[]"), found);
        }
    }
}
