//! Each field of each frame dropped, renamed and retyped in turn: the event arrives all the same, and so does the next.

use proptest::prelude::*;
use rocketbotte::event::{Event, EventKind};
use rocketbotte::testing::parse::{Frame, FrameParser};
use serde_json::{Value, json};

use super::{DOCUMENTED, RECORDED};

#[derive(Clone, Debug)]
enum Damage {
    Drop,
    Rename,
    Retype(Value),
}

impl Damage {
    fn all() -> Vec<Self> {
        let values = [
            json!(null),
            json!(true),
            json!(7),
            json!("x"),
            json!([]),
            json!({}),
            json!([7]),
            json!({"x": 7}),
        ];
        let mut all = vec![Self::Drop, Self::Rename];
        all.extend(values.map(Self::Retype));
        all
    }

    /// Whether it did anything: another value of the same type is what a server may send.
    fn apply(&self, frame: &mut Value, path: &str) -> bool {
        let (parent, name) = path.rsplit_once('/').expect("a path");
        let key = name.replace("~1", "/").replace("~0", "~");
        let Some(parent) = frame.pointer_mut(parent) else {
            return false;
        };
        match (self, parent) {
            (Self::Drop, Value::Object(object)) => object.remove(&key).is_some(),
            (Self::Drop, Value::Array(list)) => match key.parse::<usize>() {
                Ok(index) if index < list.len() => {
                    list.remove(index);
                    true
                }
                _ => false,
            },
            (Self::Rename, Value::Object(object)) => match object.remove(&key) {
                Some(value) => object.insert(format!("{key}Renamed"), value).is_none(),
                None => false,
            },
            (Self::Drop | Self::Rename, _) => false,
            (Self::Retype(value), parent) => {
                let place = match parent {
                    Value::Object(object) => object.get_mut(&key),
                    Value::Array(list) => key.parse::<usize>().ok().and_then(|index| list.get_mut(index)),
                    _ => None,
                };
                let is_other = |place: &&mut Value| {
                    std::mem::discriminant::<Value>(place) != std::mem::discriminant(value)
                };
                match place.filter(is_other) {
                    Some(place) => {
                        *place = value.clone();
                        true
                    }
                    None => false,
                }
            }
        }
    }
}

/// The paths to all that is in it, as JSON pointers.
fn paths(value: &Value, at: &str, all: &mut Vec<String>) {
    let mut below = |name: &str, value: &Value| {
        let path = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
        all.push(path.clone());
        paths(value, &path, all);
    };
    match value {
        Value::Object(object) => object.iter().for_each(|(name, value)| below(name, value)),
        Value::Array(list) => {
            for (index, value) in list.iter().enumerate() {
                below(&index.to_string(), value);
            }
        }
        _ => {}
    }
}

fn lines() -> Vec<&'static str> {
    RECORDED.lines().chain(DOCUMENTED.lines()).collect()
}

fn message_id(frame: &Value) -> Option<&str> {
    frame["fields"]["args"][0]["_id"].as_str()
}

/// A parser that has heard what was said before of the same message.
fn parser_before(lines: &[&str], index: usize) -> FrameParser {
    let frame: Value = serde_json::from_str(lines[index]).unwrap();
    let mut parser = FrameParser::new();
    if let Some(id) = message_id(&frame) {
        for line in lines[..index].iter().filter(|line| line.contains(id)) {
            parser.events(&Frame::new(*line)).for_each(drop);
        }
    }
    parser
}

/// Whoever asks for something gets an answer.
fn ask_for_everything(event: &Event) {
    let Some(message) = event.message() else { return };
    let _ = (
        message.mentions(),
        message.channels(),
        message.links(),
        message.files(),
        message.starred_by(),
    );
    let _ = (
        message.system(),
        message.discussion_id(),
        message.is_shown_in_room(),
    );
    for node in message.markdown().unwrap_or_default() {
        let _ = node.plain_text();
    }
    for attachment in message.attachments() {
        let _ = (
            attachment.kind(),
            attachment.media(),
            attachment.fields(),
            attachment.actions(),
        );
        let _ = (
            attachment.created_at(),
            attachment.quoted_message_id(),
            attachment.attachments(),
        );
    }
    let _ = (event.room_id(), event.thread_id(), event.own_key());
}

fn assert_next_arrives(parser: &mut FrameParser, why: &str) {
    let next = r#"{"msg":"changed","collection":"stream-room-messages","id":"id","fields":{"eventName":"__my_messages__","args":[{"_id":"the-next-one","rid":"r","msg":"hi","ts":{"$date":1795334400000},"u":{"_id":"uA","username":"ann"},"_updatedAt":{"$date":1795334400042}},{"roomParticipant":true,"roomType":"c"}]}}"#;
    let events: Vec<_> = parser.events(&Frame::new(next)).collect();
    assert!(
        matches!(&events[..], [Event::Message(_)]),
        "after {why}: {events:?}"
    );
}

#[test]
fn a_damaged_field_loses_no_event() {
    let lines = lines();
    let mut damaged = 0;
    for (index, line) in lines.iter().enumerate() {
        let whole: Value = serde_json::from_str(line).unwrap();
        let expected: Vec<_> = parser_before(&lines, index).events(&Frame::new(*line)).collect();
        let kinds: Vec<_> = expected.iter().map(Event::kind).collect();
        let mut all = Vec::new();
        paths(&whole, "", &mut all);
        for path in &all {
            for damage in Damage::all() {
                let mut frame = whole.clone();
                if !damage.apply(&mut frame, path) {
                    continue;
                }
                damaged += 1;
                let why = format!("{damage:?} of {path} in line {index}");
                let mut parser = parser_before(&lines, index);
                let events: Vec<_> = parser.events(&Frame::new(frame.to_string())).collect();
                events.iter().for_each(ask_for_everything);
                assert_next_arrives(&mut parser, &why);
                if expected.is_empty() {
                    continue;
                }
                // Sent again with nothing that changed, and nothing that says when.
                let looks_repeated = kinds == [EventKind::Updated] && path.contains("_updatedAt");
                assert!(looks_repeated || !events.is_empty(), "{why}: {kinds:?} got lost");
                for event in &events {
                    let is_same = kinds.contains(&event.kind())
                        || event.kind() == EventKind::Raw
                        || event
                            .message()
                            .is_some_and(|now| message_id(&whole) == Some(now.id().as_str()));
                    assert!(is_same, "{why}: {kinds:?} became {event:?}");
                }
            }
        }
    }
    assert!(damaged > 10_000, "{damaged}");
}

proptest! {
    #[test]
    fn several_damages_at_once_stop_nothing(
        index in 0..lines().len(),
        damages in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..6),
    ) {
        let lines = lines();
        let mut frame: Value = serde_json::from_str(lines[index]).unwrap();
        for (path, damage) in damages {
            let mut all = Vec::new();
            paths(&frame, "", &mut all);
            if all.is_empty() {
                break;
            }
            let kinds = Damage::all();
            damage.get(&kinds).apply(&mut frame, path.get::<String>(&all));
        }
        let mut parser = parser_before(&lines, index);
        for event in parser.events(&Frame::new(frame.to_string())).collect::<Vec<_>>() {
            ask_for_everything(&event);
        }
        assert_next_arrives(&mut parser, &frame.to_string());
    }
}
