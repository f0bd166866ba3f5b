//! DDP frames that come in, parsed in one pass and borrowed.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::lenient::{Fields, Text, Texts};
use crate::excerpt::excerpt;

/// A frame from the server, as far as a client has to know it.
#[derive(Debug)]
pub(crate) enum Inbound<'a> {
    Connected,
    /// The server speaks another version of DDP, this one.
    Failed {
        version: Cow<'a, str>,
    },
    Ping {
        id: Option<Cow<'a, str>>,
    },
    /// The end of a method call. `result` is raw JSON and absent when the method returned nothing.
    Result {
        id: Cow<'a, str>,
        error: Option<DdpError>,
        result: Option<&'a str>,
    },
    Ready {
        subs: Vec<Cow<'a, str>>,
    },
    /// A subscription was refused (with or without a reason) or has ended.
    NoSub {
        id: Cow<'a, str>,
        error: Option<DdpError>,
    },
    /// An event of a stream; `args` is the raw JSON of an array.
    Changed {
        collection: Cow<'a, str>,
        event_name: Cow<'a, str>,
        args: &'a str,
    },
    /// The server did not like a frame of ours.
    Error {
        reason: Cow<'a, str>,
    },
    /// Anything that asks nothing of us: `pong`, `updated`, `added`, `server_id`, what we do not know, no JSON.
    Ignored,
}

impl<'a> Inbound<'a> {
    /// Reads one frame. Whatever it is, the connection can go on.
    pub(crate) fn parse(text: &'a str) -> Self {
        let Ok(mut frame) = serde_json::from_str::<Envelope<'a>>(text) else {
            tracing::debug!(bytes = text.len(), "a frame that is no JSON object was ignored");
            return Self::Ignored;
        };
        let msg = frame.msg.0.take().unwrap_or_default();
        match &*msg {
            "changed" => Self::changed(frame, text),
            "ping" => Self::Ping { id: frame.id.0 },
            "connected" => Self::Connected,
            "failed" => Self::Failed {
                version: frame.version.0.unwrap_or_default(),
            },
            "result" => match frame.id.0 {
                Some(id) => Self::Result {
                    id,
                    error: frame.error.map(DdpError::parse),
                    result: frame.result.map(RawValue::get),
                },
                None => Self::Ignored,
            },
            "ready" => Self::Ready { subs: frame.subs.0 },
            "nosub" => match frame.id.0 {
                Some(id) => Self::NoSub {
                    id,
                    error: frame.error.map(DdpError::parse),
                },
                None => Self::Ignored,
            },
            "error" => Self::Error {
                reason: frame.reason.0.unwrap_or_default(),
            },
            "added" | "removed" | "updated" | "pong" => Self::Ignored,
            // Nothing that we know; an event of a stream it is all the same, if it has one.
            _ if frame.collection.0.is_some() || frame.fields.event_name.0.is_some() => {
                Self::changed(frame, text)
            }
            _ => Self::Ignored,
        }
    }

    /// An event of a stream. One that does not say what it should is not lost for it: it has no name, or the whole frame
    /// for its arguments.
    fn changed(frame: Envelope<'a>, text: &'a str) -> Self {
        let collection = frame.collection.0.unwrap_or_default();
        if !collection.is_empty() && !collection.starts_with("stream-") {
            // A document of a collection, not a stream.
            return Self::Ignored;
        }
        Self::Changed {
            collection,
            event_name: frame.fields.event_name.0.unwrap_or_default(),
            args: frame.fields.args.map_or(text, RawValue::get),
        }
    }
}

/// What a text frame holds. Some servers use the framing of `SockJS` when a proxy changes the path: `o`, `h`, and arrays of
/// strings after an `a`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    Plain,
    Packed(Vec<String>),
    Nothing,
}

impl Framing {
    pub(crate) fn of(text: &str) -> Self {
        match text.as_bytes() {
            [b'o' | b'h'] => Self::Nothing,
            [b'a', b'[', ..] => serde_json::from_str(&text[1..]).map_or(Self::Nothing, Self::Packed),
            [b'c', b'[', ..] => Self::Nothing,
            _ => Self::Plain,
        }
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    msg: Text<'a>,
    #[serde(borrow, default)]
    id: Text<'a>,
    #[serde(borrow, default)]
    collection: Text<'a>,
    #[serde(borrow, default)]
    fields: Fields<'a>,
    #[serde(borrow, default)]
    subs: Texts<'a>,
    #[serde(borrow, default)]
    version: Text<'a>,
    #[serde(borrow, default)]
    reason: Text<'a>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    result: Option<&'a RawValue>,
}

/// The error of a method or subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DdpError {
    /// `error`: a text, or a number written as one. Empty when there was none.
    pub(crate) code: String,
    pub(crate) reason: Option<String>,
    /// For `too-many-requests`.
    pub(crate) time_to_reset: Option<Duration>,
}

impl DdpError {
    /// Servers send an object whose `error` is a text or a number; old ones send a plain text.
    fn parse(raw: &RawValue) -> Self {
        use serde_json::Value;

        let code = |value: &Value| match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => String::new(),
        };
        let value = serde_json::from_str(raw.get()).unwrap_or(Value::Null);
        let Value::Object(object) = &value else {
            return Self {
                code: code(&value),
                reason: None,
                time_to_reset: None,
            };
        };
        let millis = object
            .get("details")
            .and_then(|details| details.get("timeToReset"))
            .and_then(Value::as_f64);
        let text = |key| object.get(key).and_then(Value::as_str).map(str::to_owned);
        Self {
            code: object.get("error").map(code).unwrap_or_default(),
            reason: text("reason").or_else(|| text("message")),
            time_to_reset: millis
                .filter(|millis| (0.0..=86_400_000.0).contains(millis))
                .map(|millis| Duration::from_secs_f64(millis / 1000.0)),
        }
    }

    pub(crate) fn is_too_many_requests(&self) -> bool {
        self.code == "too-many-requests"
    }
}

impl fmt::Display for DdpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = self.reason.as_deref().unwrap_or("no reason given");
        f.write_str(&excerpt(reason, 300))?;
        if self.code.is_empty() {
            Ok(())
        } else {
            write!(f, " [{}]", excerpt(&self.code, 100))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn frames_without_meaning_are_ignored() {
        for text in [
            r#"{"server_id":"0"}"#,
            r#"{"msg":"server_id","server_id":"0"}"#,
            r#"{"msg":"updated","methods":["1"]}"#,
            r#"{"msg":"added","collection":"users","id":"u","fields":{"username":"bot"}}"#,
            r#"{"msg":"pong"}"#,
            r#"{"msg":7}"#,
            r#"{"msg":"result"}"#,
            r#"{"msg":"changed","collection":"users","fields":{"eventName":7,"args":[]}}"#,
            r#"{"msg":"changed","collection":"users","fields":[1]}"#,
            r#"{"msg":"added","collection":"stream-room-messages","id":"id","fields":{}}"#,
            "[1,2]",
            "null",
            "",
            "{",
            r#"{"msg":"chan"#,
            "o",
        ] {
            assert!(matches!(Inbound::parse(text), Inbound::Ignored), "{text}");
        }
    }

    #[test]
    fn an_event_that_is_damaged_is_still_one() {
        for (text, collection, event_name, has_args) in [
            (
                r#"{"msg":"changed","collection":"stream-a","fields":[1]}"#,
                "stream-a",
                "",
                false,
            ),
            (
                r#"{"msg":"changed","collection":7,"fields":{"eventName":"e","args":[1]}}"#,
                "",
                "e",
                true,
            ),
            (
                r#"{"msg":"changed","fields":{"eventName":"e","args":[1]}}"#,
                "",
                "e",
                true,
            ),
            (
                r#"{"collection":"stream-a","fields":{"eventName":"e","args":[1]}}"#,
                "stream-a",
                "e",
                true,
            ),
            (
                r#"{"msg":[],"collection":"stream-a","fields":{"eventName":7,"args":[1]}}"#,
                "stream-a",
                "",
                true,
            ),
            (
                r#"{"msg":"moved","collection":"stream-a","fields":{"eventName":"e"}}"#,
                "stream-a",
                "e",
                false,
            ),
        ] {
            let args = if has_args { "[1]" } else { text };
            match Inbound::parse(text) {
                Inbound::Changed {
                    collection: c,
                    event_name: e,
                    args: a,
                } => {
                    assert_eq!((&*c, &*e, a), (collection, event_name, args), "{text}");
                }
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn deep_nesting_is_no_trouble() {
        let deep = format!(
            r#"{{"msg":"changed","collection":"stream-room-messages","id":{{"a":1}},"fields":{{"x":[1],"eventName":"e","args":[{}{}]}}}}"#,
            "[".repeat(50_000),
            "]".repeat(50_000)
        );
        assert!(matches!(Inbound::parse(&deep), Inbound::Changed { event_name, .. } if event_name == "e"));
        assert!(matches!(Inbound::parse(&"[".repeat(100_000)), Inbound::Ignored));
        assert!(matches!(
            Inbound::parse(&format!("{{\"msg\":{}", "[".repeat(100_000))),
            Inbound::Ignored
        ));
    }

    #[test]
    fn errors_come_in_many_forms() {
        let error =
            |error: &str| match Inbound::parse(&format!(r#"{{"msg":"nosub","id":"s","error":{error}}}"#)) {
                Inbound::NoSub { error, .. } => error.expect("an error"),
                other => panic!("{other:?}"),
            };
        assert_eq!(
            error(r#"{"error":404,"reason":"Subscription 'x' not found"}"#).code,
            "404"
        );
        assert_eq!(
            error(r#"{"error":"not-allowed","message":"[not-allowed]"}"#).code,
            "not-allowed"
        );
        assert_eq!(error(r#""plain""#).code, "plain");
        assert_eq!(error("500").code, "500");
        assert_eq!(error("[1]").code, "");
        assert_eq!(error("{}").to_string(), "no reason given");
        let limited = error(r#"{"error":"too-many-requests","details":{"timeToReset":31874}}"#);
        assert!(limited.is_too_many_requests());
        assert_eq!(limited.time_to_reset, Some(Duration::from_millis(31_874)));
        assert_eq!(
            error(r#"{"error":"too-many-requests","details":{"timeToReset":-1e300}}"#).time_to_reset,
            None
        );
        assert!(matches!(
            Inbound::parse(r#"{"msg":"nosub","id":"s"}"#),
            Inbound::NoSub { error: None, .. }
        ));
        assert!(matches!(
            Inbound::parse(r#"{"msg":"nosub","id":"s","error":null}"#),
            Inbound::NoSub { error: None, .. }
        ));
    }

    #[test]
    fn sockjs_framing_is_understood() {
        assert_eq!(Framing::of("o"), Framing::Nothing);
        assert_eq!(Framing::of("h"), Framing::Nothing);
        assert_eq!(Framing::of(r#"c[3000,"Go away!"]"#), Framing::Nothing);
        assert_eq!(
            Framing::of(r#"a["{\"msg\":\"ping\"}","x"]"#),
            Framing::Packed(vec![r#"{"msg":"ping"}"#.to_owned(), "x".to_owned()])
        );
        assert_eq!(Framing::of("a[1]"), Framing::Nothing);
        assert_eq!(Framing::of("{}"), Framing::Plain);
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in ".*") {
            let _ = Framing::of(&text);
            let _ = Inbound::parse(&text);
        }
    }
}
