//! The message object as the server sends it, read in one pass and without copying what needs no unescaping.
//!
//! Every field takes any JSON: a shape that we do not know leaves the field empty and the message whole.

use std::borrow::Cow;
use std::fmt;

use bytestring::ByteString;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::Timestamp;

/// A number from here on, in 2001, is taken for a time.
const FIRST: i64 = 1_000_000_000_000;

/// The fields that the classifier and most handlers ask for; the rest stays in the frame.
#[derive(serde::Deserialize)]
#[serde(default)]
#[derive(Default)]
pub(crate) struct WireMessage<'a> {
    #[serde(borrow, rename = "_id")]
    pub(crate) id: Shape<'a>,
    #[serde(borrow)]
    pub(crate) rid: Shape<'a>,
    #[serde(borrow)]
    pub(crate) msg: Shape<'a>,
    #[serde(borrow)]
    pub(crate) ts: Shape<'a>,
    #[serde(borrow, rename = "_updatedAt")]
    pub(crate) updated_at: Shape<'a>,
    #[serde(borrow, rename = "editedAt")]
    pub(crate) edited_at: Shape<'a>,
    #[serde(borrow)]
    pub(crate) u: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) t: Shape<'a>,
    #[serde(borrow)]
    pub(crate) tmid: Shape<'a>,
    #[serde(borrow)]
    pub(crate) alias: Shape<'a>,
    #[serde(borrow)]
    pub(crate) bot: Shape<'a>,
    #[serde(borrow)]
    pub(crate) pinned: Shape<'a>,
    #[serde(borrow)]
    pub(crate) tcount: Shape<'a>,
    #[serde(borrow)]
    pub(crate) dcount: Shape<'a>,
    #[serde(borrow)]
    pub(crate) starred: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) reactions: Option<&'a RawValue>,
}

impl<'a> WireMessage<'a> {
    /// The author; empty where `u` is absent or no object.
    pub(crate) fn user(&self) -> WireUser<'a> {
        self.u.and_then(|raw| read(raw.get()).ok()).unwrap_or_default()
    }
}

/// Reads an object of the server. In one pass, unless that fails on what JavaScript writes and Rust does not read: half
/// of a surrogate pair, or a number that no `f64` holds. Then each field is read by itself, and only that one suffers.
pub(crate) fn read<'a, T: Wire<'a>>(json: &'a str) -> Result<T, serde_json::Error> {
    serde_json::from_str(json).or_else(|_| serde_json::from_str::<Lenient<T>>(json).map(|lenient| lenient.0))
}

/// An object whose fields can be set one by one.
pub(crate) trait Wire<'a>: Deserialize<'a> + Default {
    /// Where the field of this name goes; `None` for one that nobody asks for.
    fn field(&mut self, name: &str) -> Option<Field<'_, 'a>>;
}

pub(crate) enum Field<'f, 'a> {
    Shape(&'f mut Shape<'a>),
    Raw(&'f mut Option<&'a RawValue>),
}

impl<'a> Wire<'a> for WireMessage<'a> {
    fn field(&mut self, name: &str) -> Option<Field<'_, 'a>> {
        Some(Field::Shape(match name {
            "_id" => &mut self.id,
            "rid" => &mut self.rid,
            "msg" => &mut self.msg,
            "ts" => &mut self.ts,
            "_updatedAt" => &mut self.updated_at,
            "editedAt" => &mut self.edited_at,
            "t" => &mut self.t,
            "tmid" => &mut self.tmid,
            "alias" => &mut self.alias,
            "bot" => &mut self.bot,
            "pinned" => &mut self.pinned,
            "tcount" => &mut self.tcount,
            "dcount" => &mut self.dcount,
            "u" => return Some(Field::Raw(&mut self.u)),
            "starred" => return Some(Field::Raw(&mut self.starred)),
            "reactions" => return Some(Field::Raw(&mut self.reactions)),
            _ => return None,
        }))
    }
}

impl<'a> Wire<'a> for WireUser<'a> {
    fn field(&mut self, name: &str) -> Option<Field<'_, 'a>> {
        Some(Field::Shape(match name {
            "_id" => &mut self.id,
            "username" => &mut self.username,
            "name" => &mut self.name,
            _ => return None,
        }))
    }
}

impl<'a> Wire<'a> for WireRoom<'a> {
    fn field(&mut self, name: &str) -> Option<Field<'_, 'a>> {
        Some(Field::Shape(match name {
            "roomType" => &mut self.kind,
            "roomName" => &mut self.name,
            "roomParticipant" => &mut self.participant,
            _ => return None,
        }))
    }
}

/// Takes an object apart without looking into its values, then reads each value by itself.
struct Lenient<T>(T);

impl<'de, T: Wire<'de>> Deserialize<'de> for Lenient<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<T>(T);

        impl<'de, T: Wire<'de>> Visitor<'de> for Fields<T> {
            type Value = Lenient<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self::Value, A::Error> {
                while let Some(name) = map.next_key::<&'de RawValue>()? {
                    let value = map.next_value::<&'de RawValue>()?;
                    let is_first = match self.0.field(name.get().trim_matches('"')) {
                        Some(Field::Shape(field)) => {
                            std::mem::replace(field, Shape::read(value)) == Shape::Nothing
                        }
                        Some(Field::Raw(field)) => {
                            let value = Some(value).filter(|value| value.get() != "null");
                            std::mem::replace(field, value).is_none()
                        }
                        None => true,
                    };
                    if !is_first {
                        // As in one pass: who writes a key twice means to be read differently by different readers.
                        return Err(A::Error::custom("a key comes twice"));
                    }
                }
                Ok(Lenient(self.0))
            }
        }

        deserializer.deserialize_map(Fields(T::default()))
    }
}

/// A user as messages and subscriptions name it.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub(crate) struct WireUser<'a> {
    #[serde(borrow, rename = "_id")]
    pub(crate) id: Shape<'a>,
    #[serde(borrow)]
    pub(crate) username: Shape<'a>,
    #[serde(borrow)]
    pub(crate) name: Shape<'a>,
}

/// The second argument of a `__my_messages__` event.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub(crate) struct WireRoom<'a> {
    #[serde(borrow, rename = "roomType")]
    pub(crate) kind: Shape<'a>,
    #[serde(borrow, rename = "roomName")]
    pub(crate) name: Shape<'a>,
    #[serde(borrow, rename = "roomParticipant")]
    pub(crate) participant: Shape<'a>,
}

/// Any JSON value, as far as a field of a message needs it.
#[derive(Debug, Default, PartialEq)]
pub(crate) enum Shape<'a> {
    /// Absent or `null`.
    #[default]
    Nothing,
    Text(Cow<'a, str>),
    Number(i64),
    Bool(bool),
    /// EJSON's `{"$date": milliseconds}`.
    Date(i64),
    /// An array, an object, or a number that is no `i64`.
    Other,
}

impl<'a> Shape<'a> {
    /// One value by itself. A text keeps what can be read of it, any other value that can not be read is `Other`.
    fn read(raw: &'a RawValue) -> Self {
        serde_json::from_str(raw.get())
            .or_else(|_| serde_json::from_str::<Bytes>(raw.get()).map(|text| Self::Text(Cow::Owned(text.0))))
            .unwrap_or(Self::Other)
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The text as a slice of `frame`; a copy where it had to be unescaped.
    pub(crate) fn share(&self, frame: &ByteString) -> Option<ByteString> {
        match self {
            Self::Text(Cow::Borrowed(text)) => Some(frame.slice_ref(text)),
            Self::Text(Cow::Owned(text)) => Some(ByteString::from(text.as_str())),
            _ => None,
        }
    }

    /// `{"$date": …}` of DDP, the text of REST, or a number of milliseconds.
    pub(crate) fn timestamp(&self) -> Option<Timestamp> {
        match self {
            Self::Date(millis) => Some(Timestamp::from_millis(*millis)),
            // A small one is something else, and would make what comes the oldest of all.
            Self::Number(millis) if *millis >= FIRST => Some(Timestamp::from_millis(*millis)),
            Self::Text(text) => Timestamp::parse(text),
            _ => None,
        }
    }

    /// What JavaScript takes for true, which is how the server's own clients read flags.
    pub(crate) fn is_truthy(&self) -> bool {
        match self {
            Self::Nothing => false,
            Self::Text(text) => !text.is_empty(),
            Self::Number(number) => *number != 0,
            Self::Bool(value) => *value,
            Self::Date(_) | Self::Other => true,
        }
    }

    pub(crate) fn count(&self) -> u32 {
        match self {
            Self::Number(number) => u32::try_from(*number).unwrap_or(0),
            _ => 0,
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Shape<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ShapeVisitor)
    }
}

/// A text in which half of a surrogate pair became a replacement character.
struct Bytes(String);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BytesVisitor;

        impl Visitor<'_> for BytesVisitor {
            type Value = Bytes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
                Ok(Bytes(String::from_utf8_lossy(bytes).into_owned()))
            }
        }

        // As bytes a text may hold what is no UTF-8.
        deserializer.deserialize_bytes(BytesVisitor)
    }
}

struct ShapeVisitor;

impl<'de> Visitor<'de> for ShapeVisitor {
    type Value = Shape<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Shape::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Shape::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Shape::Bool(value))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Shape::Number(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(i64::try_from(number).map_or(Shape::Other, Shape::Number))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
        // JavaScript has one number type: 5.0 and 5e0 are the integer 5.
        #[expect(
            clippy::cast_possible_truncation,
            reason = "only taken when the round trip is exact"
        )]
        let whole = number as i64;
        #[expect(
            clippy::cast_precision_loss,
            clippy::float_cmp,
            reason = "this is the exactness check"
        )]
        let exact = whole as f64 == number;
        Ok(if exact { Shape::Number(whole) } else { Shape::Other })
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Shape::Nothing)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        IgnoredAny.visit_seq(seq).map(|_| Shape::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut shape = Shape::Other;
        while let Some(key) = map.next_key::<Shape<'de>>()? {
            if key.as_str() != Some("$date") {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            shape = match map.next_value::<Shape<'de>>()? {
                Shape::Number(millis) => Shape::Date(millis),
                // A token that never expires has `{"$date": null}`.
                Shape::Nothing => Shape::Nothing,
                _ => Shape::Other,
            };
        }
        Ok(shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(json: &str) -> Shape<'_> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn dates_come_in_three_forms() {
        let expected = Some(Timestamp::from_millis(1_795_334_400_000));
        assert_eq!(shape(r#"{"$date":1795334400000}"#).timestamp(), expected);
        assert_eq!(shape(r#"{"$date":1795334400000.0}"#).timestamp(), expected);
        assert_eq!(shape("1795334400000").timestamp(), expected);
        assert_eq!(shape(r#""2026-11-22T08:00:00.000Z""#).timestamp(), expected);
        assert_eq!(shape("7").timestamp(), None);
        assert_eq!(shape(r#"{"$date":null}"#).timestamp(), None);
        assert_eq!(shape(r#"{"$date":[]}"#).timestamp(), None);
    }

    #[test]
    fn a_bot_is_marked_by_a_bool_or_an_object() {
        assert!(shape("true").is_truthy());
        assert!(shape(r#"{"i":"js.SDK"}"#).is_truthy());
        assert!(!shape("false").is_truthy());
        assert!(!shape("null").is_truthy());
    }

    #[test]
    fn a_wrong_shape_leaves_its_field_empty_and_the_rest_whole() {
        let message: WireMessage<'_> =
            serde_json::from_str(r#"{"_id":"m","rid":7,"msg":["x"],"ts":"soon","u":"ann","reactions":[]}"#)
                .unwrap();
        assert_eq!(message.id.as_str(), Some("m"));
        assert_eq!(message.rid.as_str(), None);
        assert_eq!(message.msg.as_str(), None);
        assert_eq!(message.ts.timestamp(), None);
        assert_eq!(message.user().id.as_str(), None);
    }

    #[test]
    fn what_rust_does_not_read_costs_its_own_field_only() {
        let json = r#"{"_id":"m","rid":"r","msg":"a \ud83d b","ts":1e999,"tcount":2,
            "u":{"_id":"uA","username":"ann","name":"\ude00"},"x\ud83d":1,"starred":null}"#;
        let message: WireMessage<'_> = read(json).unwrap();
        assert_eq!(message.id.as_str(), Some("m"));
        assert!(
            message
                .msg
                .as_str()
                .is_some_and(|text| text.starts_with("a \u{fffd}") && text.ends_with(" b"))
        );
        assert_eq!((message.ts.timestamp(), message.tcount.count()), (None, 2));
        assert!(message.starred.is_none());
        let user = message.user();
        assert_eq!(
            (user.id.as_str(), user.username.as_str()),
            (Some("uA"), Some("ann"))
        );
        let room: WireRoom<'_> = read(r#"{"roomName":"\ud83d","roomParticipant":false}"#).unwrap();
        assert_eq!(room.participant, Shape::Bool(false));
        for bad in ["", "{", "7", r#"{"_id":"a","_id":"b","msg":"\ud83d"}"#] {
            assert!(read::<WireMessage<'_>>(bad).is_err(), "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn one_bad_field_loses_no_other(
            field in proptest::sample::select(vec!["msg", "ts", "tcount", "alias", "u", "reactions", "starred", "md", "\\ud83d"]),
            value in proptest::sample::select(vec![
                r#""\ud83d""#, r#""a\ud83d\ud83db""#, r#""\udc00\n""#, "1e999", "-1e999", r#"{"\ud83d":1}"#, r#"["\ude00"]"#,
            ]),
        ) {
            let json = format!(r#"{{"{field}":{value},"_id":"m","rid":"r","t":"uj","_updatedAt":{{"$date":42}}}}"#);
            let message: WireMessage<'_> = read(&json).unwrap();
            proptest::prop_assert_eq!(message.id.as_str(), Some("m"));
            proptest::prop_assert_eq!(message.rid.as_str(), Some("r"));
            proptest::prop_assert_eq!(message.t.as_str(), Some("uj"));
            proptest::prop_assert_eq!(message.updated_at.timestamp(), Some(Timestamp::from_millis(42)));
        }
    }

    #[test]
    fn text_without_escapes_is_a_slice_of_the_frame() {
        let frame = ByteString::from(r#"{"msg":"hello"}"#);
        let message: WireMessage<'_> = serde_json::from_str(&frame).unwrap();
        let text = message.msg.share(&frame).unwrap();
        assert_eq!(text, "hello");
        assert_eq!(text.as_bytes().as_ptr(), frame[8..].as_ptr());
    }
}
