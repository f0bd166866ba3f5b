use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use serde_json::json;
use tokio::sync::mpsc;

use super::super::plan::Limits;
use super::*;
use crate::transport::{Connector, TlsSettings};

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn live(id: &str, written: i64) -> StreamEvent {
    let message = json!({
        "_id": id, "rid": "r", "msg": id, "u": {"_id": "uA", "username": "ann"},
        "ts": {"$date": written}, "_updatedAt": {"$date": written},
    });
    let args = json!([message, {"roomParticipant": true, "roomType": "c"}]);
    StreamEvent {
        collection: "stream-room-messages".into(),
        event_name: "__my_messages__".into(),
        args: args.to_string().into(),
    }
}

/// The change of a message is written a millisecond behind it, and so behind what is said next in the same one. It was
/// the first that was missed; what is said next arrives while it is looked for rooms, and this one has no place yet.
#[tokio::test]
async fn what_is_left_for_later_is_fetched_from_the_oldest_of_it_on() {
    let connector = Connector::tcp(&TlsSettings::new()).unwrap();
    let client = Client::builder("http://127.0.0.1:9".parse().unwrap(), connector).build();
    let limits = Limits {
        waiting: 8,
        ..Limits::default()
    };
    let mut catch_up = CatchUp::new(client, limits, None, Arc::<AtomicU64>::default(), None);
    catch_up.is_connected = true;
    let (deliveries, _pipeline) = mpsc::channel(16);
    let (room, mut classifier) = (RoomId::from("r"), Classifier::new(false));
    catch_up.outbox.push(&room, Delivery::live(Event::Ready).into());
    catch_up.marks.lock().missed(&room, at(11));
    catch_up.fetch(Purpose::Missed);
    catch_up.live(live("next", 10), &mut classifier, &deliveries);
    let subscription = serde_json::from_value(json!({
        "rid": "r", "t": "c", "name": "general", "ts": {"$date": 0}, "_updatedAt": {"$date": 11},
    }));
    let listing = Listing {
        is_part: false,
        subscriptions: vec![subscription.unwrap()],
        changed: HashSet::new(),
        lost: None,
    };
    catch_up.listed(Ok(listing), &mut classifier, &deliveries);
    let marks = catch_up.marks.lock();
    assert_eq!(marks.missing_since(&room), Some(at(10)));
}
