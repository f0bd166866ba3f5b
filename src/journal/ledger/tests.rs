//! Tests of what is remembered.

use super::claims::CLAIMED;
use super::*;
use crate::event::{Message, Room, RoomKind, User};
use crate::journal::{Journal as _, MemoryJournal};
use crate::response::{Action, Send};

fn undelivered(text: &str) -> Undelivered {
    Undelivered {
        action: Action::from(Send::text(text).to("r")),
        event_key: "m".to_owned(),
        route: None,
        kept_at: None,
    }
}

impl Ledger {
    fn claims(&self) -> usize {
        self.lock().claims.len()
    }
}

fn texts(ledger: &Ledger) -> Vec<String> {
    let taken = ledger.take_undelivered().into_iter();
    taken
        .map(|(number, kept)| {
            ledger.release_undelivered(number);
            match kept.action {
                Action::Send(send) => send.content().to_owned(),
                other => format!("{other:?}"),
            }
        })
        .collect()
}

#[test]
fn what_could_not_be_sent_is_kept_in_order_and_bounded() {
    let journal = MemoryJournal::new();
    let load = || Ledger::load(&JournalSlot::new(journal.clone()), None).unwrap();
    let ledger = load();
    for n in 0..UNDELIVERED {
        // Given up by two runs of one handler it is one message.
        for _ in 0..2 {
            assert_eq!(ledger.keep_undelivered(undelivered(&n.to_string())), None);
        }
    }
    let oldest = ledger.keep_undelivered(undelivered("one more"));
    assert_eq!(oldest, Some(undelivered("0")));
    let ledger = load();
    assert_eq!(texts(&ledger).len(), UNDELIVERED);
    let taken = ledger.take_undelivered();
    assert!(ledger.take_undelivered().is_empty() && !ledger.has_undelivered());
    for (number, _) in &taken[2..] {
        assert!(ledger.forget_undelivered(*number).is_some());
    }
    assert_eq!(texts(&load()), ["1", "2"]);
}

/// A message of a room, written at a time.
fn message(room: &str, at: i64) -> Event {
    let room = Room::new(room, RoomKind::Channel);
    let message = Message::builder(room, User::new("uA", "ann"), "!pay");
    Event::from(
        message
            .created_at(crate::event::Timestamp::from_millis(at))
            .build(),
    )
}

#[tokio::test]
async fn without_a_place_the_oldest_claims_go_first() {
    let journal = MemoryJournal::new();
    let load = || Ledger::load(&JournalSlot::new(journal.clone()), None).unwrap();
    let (ledger, event) = (load(), message("r", 1));
    for n in 0..=CLAIMED {
        assert!(ledger.claim(&event, &n.to_string(), "pay").await.unwrap());
    }
    let ledger = load();
    assert!(!ledger.claim(&event, &CLAIMED.to_string(), "pay").await.unwrap());
    assert!(
        !ledger
            .claim(&event, &(CLAIMED / 2).to_string(), "pay")
            .await
            .unwrap()
    );
    assert!(ledger.claim(&event, &CLAIMED.to_string(), "other").await.unwrap());
    assert!(ledger.claim(&event, "0", "pay").await.unwrap());
    assert!(journal.load().unwrap().len() <= CLAIMED);
}

#[cfg(feature = "client")]
#[tokio::test]
async fn a_claim_lives_as_long_as_its_event_may_come_back() {
    let journal = MemoryJournal::new();
    let load = || Ledger::load(&JournalSlot::new(journal.clone()), None).unwrap();
    let ledger = load();
    let settle = |ledger: &Ledger, at| {
        let watermark = Timestamp::from_millis(at);
        ledger.set_alive(watermark);
        let is_open = true;
        ledger.settle(&"busy".into(), super::super::Place { watermark, is_open }, None);
    };
    // An event of long ago is open, and its room goes on.
    settle(&ledger, 100_000);
    for n in 0..CLAIMED {
        let event = message("busy", 100_001 + n as i64);
        assert!(ledger.claim(&event, &n.to_string(), "pay").await.unwrap());
    }
    let ledger = load();
    let event = message("quiet", 100_000);
    for _ in 0..2 {
        let error = ledger.claim(&event, "one more", "pay").await.unwrap_err();
        assert_eq!(error.kind(), JournalErrorKind::Full);
    }
    assert!(
        !ledger.claim(&event, "0", "pay").await.unwrap(),
        "nothing is forgotten"
    );
    // It is done, and what is behind the overlap does not come back.
    settle(&ledger, 130_002);
    assert!(ledger.claim(&event, "one more", "pay").await.unwrap());
    assert!(!ledger.claim(&event, "2", "pay").await.unwrap());
    assert_eq!(load().claims(), CLAIMED - 1);
}

#[tokio::test]
async fn what_can_not_be_kept_has_not_begun() {
    struct Full;

    impl crate::journal::Journal for Full {
        fn load(&self) -> Result<Vec<(Vec<u8>, Vec<u8>)>, JournalError> {
            Ok(Vec::new())
        }

        fn write(&self, _: Vec<Change>) {}

        fn flush(&self) -> futures_util::future::BoxFuture<'static, Result<(), JournalError>> {
            let error = JournalError::new(JournalErrorKind::Io, "no space left");
            Box::pin(std::future::ready(Err(error)))
        }
    }

    let ledger = Ledger::load(&JournalSlot::new(Full), None).unwrap();
    for _ in 0..2 {
        assert!(ledger.claim(&message("r", 1), "m", "pay").await.is_err());
    }
    assert_eq!(ledger.claims(), 0);
}

#[test]
fn what_is_not_understood_is_left_as_it_is() {
    let journal = MemoryJournal::new();
    let mut key = vec![b'u'];
    key.extend_from_slice(&7_u64.to_be_bytes());
    let later = Change::put(key, *b"of a later version");
    journal.write(vec![later.clone()]);
    let ledger = Ledger::load(&JournalSlot::new(journal.clone()), None).unwrap();
    assert_eq!(ledger.keep_undelivered(undelivered("one")), None);
    let entries = journal.load().unwrap();
    assert_eq!(entries.len(), 2);
    let (key, value) = later.into_parts();
    assert!(entries.contains(&(key, value.unwrap())));
}

#[tokio::test]
async fn one_uses_it_at_a_time() {
    let slot = JournalSlot::new(MemoryJournal::new());
    let ledger = Ledger::load(&slot, None).unwrap();
    assert_eq!(
        Ledger::load(&slot.clone(), None).unwrap_err().kind(),
        JournalErrorKind::Locked
    );
    ledger.close();
    assert!(ledger.try_flush().await.is_err());
    Ledger::load(&slot, None).unwrap();
}

#[test]
fn the_secret_stays() {
    let journal = MemoryJournal::new();
    for first in [b"one", b"two"] {
        let ledger = Ledger::load(&JournalSlot::new(journal.clone()), None).unwrap();
        assert_eq!(ledger.secret(|| first.to_vec()), b"one");
    }
}

#[test]
fn it_belongs_to_one_account() {
    let journal = MemoryJournal::new();
    let load = |id, server| {
        let owner = Owner { id, server };
        Ledger::load(&JournalSlot::new(journal.clone()), Some(owner)).map_err(|error| error.kind())
    };
    load("uA", None).unwrap();
    assert_eq!(load("uB", None).unwrap_err(), JournalErrorKind::OtherAccount);
    // From here on it is known where that is.
    for _ in 0..2 {
        load("uA", Some("chat.example.org/sub")).unwrap();
    }
    let copy = load("uA", Some("staging.example.org"));
    assert_eq!(copy.unwrap_err(), JournalErrorKind::OtherAccount);
    load("uA", None).unwrap();
    assert!(load("uA", Some("staging.example.org")).is_err());
}
