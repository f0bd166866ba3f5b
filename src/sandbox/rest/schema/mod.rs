//! What bodies and queries must look like, as the validators of the real server say, and how values are made to fit.

mod chat;
mod forms;

use serde_json::{Map, Value, json};

use forms::{Form, Key, Kind};

/// Makes the scalars of a body or query fit where they can, as the server does: `5` is a text, `"5"` a number. What does not
/// fit is told in the validator's words.
pub(super) fn fit(endpoint: &str, given: &mut Map<String, Value>) -> Result<(), String> {
    let mut of_chat = chat::FORMS.iter().filter(|(name, _)| *name == endpoint);
    let of_chat = of_chat.next().map(|(_, forms)| forms.iter().copied());
    let others = forms::forms(endpoint);
    if of_chat.is_none() && others.is_none() {
        return Ok(());
    }
    let mut first = None;
    for form in of_chat.into_iter().flatten().chain(others.into_iter().flatten()) {
        let mut copy = given.clone();
        match fit_form(form, &mut copy, false) {
            Ok(()) => {
                *given = copy;
                return Ok(());
            }
            Err(error) => {
                first.get_or_insert(error);
            }
        }
    }
    Err(first.unwrap_or_default())
}

/// Whether the message in the body of `method.call` is the call of a method.
pub(super) fn is_method_call(frame: &mut Value) -> bool {
    let object = frame.as_object_mut();
    object.is_some_and(|frame| fit_form(forms::FRAME, frame, false).is_ok())
}

fn fit_form(form: Form, given: &mut Map<String, Value>, open: bool) -> Result<(), String> {
    if let Some(missing) = form
        .iter()
        .find(|key| key.required && !given.contains_key(key.name))
    {
        return Err(format!("must have required property '{}'", missing.name));
    }
    if !open && given.keys().any(|name| !form.iter().any(|key| key.name == name)) {
        return Err("must NOT have additional properties".to_owned());
    }
    for key in form {
        if let Some(value) = given.get_mut(key.name) {
            fit_value(key, value)?;
        }
    }
    Ok(())
}

fn fit_value(key: &Key, value: &mut Value) -> Result<(), String> {
    if key.nullable && value.is_null() {
        return Ok(());
    }
    let must = |what: &str| Err(format!("must be {what}"));
    let fitted = match key.kind {
        Kind::Text => as_text(value),
        Kind::Filled => match as_text(value) {
            Some(Value::String(text)) if text.is_empty() => {
                return Err("must NOT have fewer than 1 characters".to_owned());
            }
            other => other,
        },
        Kind::Word(words) => match as_text(value) {
            Some(Value::String(text)) if !words.contains(&text.as_str()) => {
                return Err("must be equal to one of the allowed values".to_owned());
            }
            other => other,
        },
        Kind::Number => match &*value {
            Value::Number(_) => return Ok(()),
            Value::Bool(flag) => Some(json!(i32::from(*flag))),
            Value::Null => Some(json!(0)),
            Value::String(text) => text.trim().parse::<f64>().ok().map(|number| json!(number)),
            Value::Array(_) | Value::Object(_) => None,
        },
        Kind::Whole => {
            let number = match &*value {
                Value::Number(number) => number.as_f64(),
                Value::Bool(flag) => Some(f64::from(u8::from(*flag))),
                Value::Null => Some(0.0),
                Value::String(text) => text.trim().parse::<f64>().ok(),
                Value::Array(_) | Value::Object(_) => None,
            };
            number
                .filter(|number| number.fract() == 0.0)
                .map(|number| json!(number))
        }
        Kind::Flag => match &*value {
            Value::Bool(_) => return Ok(()),
            Value::Null => Some(json!(false)),
            Value::Number(number) if number.as_f64() == Some(0.0) => Some(json!(false)),
            Value::Number(number) if number.as_f64() == Some(1.0) => Some(json!(true)),
            Value::String(text) if text == "true" => Some(json!(true)),
            Value::String(text) if text == "false" => Some(json!(false)),
            _ => None,
        },
        Kind::Texts => match &mut *value {
            Value::Array(list) => return fit_texts(list),
            _ => None,
        },
        Kind::TextOrTexts => match &mut *value {
            Value::Array(list) => return fit_texts(list),
            other => as_text(other),
        },
        Kind::List => value.is_array().then(|| value.clone()),
        Kind::Objects => match value {
            Value::Array(list) if list.iter().all(Value::is_object) => return Ok(()),
            _ => None,
        },
        Kind::Object => value.is_object().then(|| value.clone()),
        Kind::Open(form) | Kind::Closed(form) => match &mut *value {
            Value::Object(object) => return fit_form(form, object, matches!(key.kind, Kind::Open(_))),
            _ => None,
        },
    };
    let Some(fitted) = fitted else {
        // What is as good as nothing is nothing, where that is allowed.
        let empty = matches!(&*value, Value::String(text) if text.is_empty())
            || *value == json!(0)
            || *value == json!(false);
        if key.nullable && empty {
            *value = Value::Null;
            return Ok(());
        }
        return must(match key.kind {
            Kind::Text | Kind::Filled | Kind::Word(_) | Kind::TextOrTexts => "string",
            Kind::Number => "number",
            Kind::Whole => "integer",
            Kind::Flag => "boolean",
            Kind::Texts | Kind::Objects | Kind::List => "array",
            Kind::Object | Kind::Open(_) | Kind::Closed(_) => "object",
        });
    };
    *value = fitted;
    Ok(())
}

fn as_text(value: &Value) -> Option<Value> {
    match value {
        Value::String(_) => Some(value.clone()),
        Value::Number(number) => Some(json!(number.to_string())),
        Value::Bool(flag) => Some(json!(flag.to_string())),
        Value::Null => Some(json!("")),
        Value::Array(_) | Value::Object(_) => None,
    }
}

fn fit_texts(list: &mut [Value]) -> Result<(), String> {
    for entry in list {
        let Some(text) = as_text(entry) else {
            return Err("must be string".to_owned());
        };
        *entry = text;
    }
    Ok(())
}
