//! The ids of the messages that the bot posts: derived from what they answer, so that a retried or replayed event
//! can not be answered twice. Pure.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::event::{MessageId, UserId};
use crate::random::ID_ALPHABET;
use crate::response::DerivedIds;

/// Characters of an id. The server makes 17; 22 of its alphabet are more than 127 bits, so that two never meet.
const ID_LENGTH: usize = 22;

/// Derives ids with a key, so that nobody else can compute one and occupy it.
#[derive(Clone)]
pub(crate) struct IdSource {
    keyed: Hmac<Sha256>,
}

/// Where a message came from: what is returned and what goes through the outbox is numbered apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Channel {
    Returned,
    Outbox,
    /// Sent by the program itself, outside of any event.
    Program,
}

/// What one message is: its id is a function of this and of the bot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MessageOrigin<'a> {
    pub(crate) event_key: &'a str,
    pub(crate) route: &'a str,
    pub(crate) channel: Channel,
    /// The how-many-eth action of the route.
    pub(crate) position: u32,
    /// The how-many-eth piece of a text that was split.
    pub(crate) part: u32,
}

impl IdSource {
    pub(crate) fn new(bot: &UserId, secret: &[u8]) -> Self {
        let mut keyed = keyed(secret);
        absorb(&mut keyed, bot.as_str().as_bytes());
        Self { keyed }
    }

    pub(crate) fn derive(&self, origin: &MessageOrigin<'_>) -> DerivedIds {
        DerivedIds {
            first: self.derive_one(origin, 1),
            second: self.derive_one(origin, 2),
        }
    }

    fn derive_one(&self, origin: &MessageOrigin<'_>, attempt: u8) -> MessageId {
        let mut mac = self.keyed.clone();
        absorb(&mut mac, origin.event_key.as_bytes());
        absorb(&mut mac, origin.route.as_bytes());
        absorb(&mut mac, &[attempt, origin.channel as u8]);
        absorb(&mut mac, &origin.position.to_be_bytes());
        absorb(&mut mac, &origin.part.to_be_bytes());
        let digest = mac.finalize().into_bytes();
        // 55 values of a byte fit four times into 220: what is above would prefer some characters, and 32 bytes leave
        // enough to skip it. A digest of mostly high bytes, which does not happen, is filled up unevenly.
        let even = digest.iter().filter(|byte| **byte < 220);
        let id: String = even
            .chain(digest.iter())
            .take(ID_LENGTH)
            .map(|byte| char::from(ID_ALPHABET[usize::from(*byte) % ID_ALPHABET.len()]))
            .collect();
        MessageId::from(id)
    }
}

/// A secret that follows from another one, which it does not tell.
#[cfg(feature = "client")]
pub(crate) fn secret_from(secret: &[u8]) -> Vec<u8> {
    let mut mac = keyed(secret);
    mac.update(b"rocketbotte ids");
    mac.finalize().into_bytes().to_vec()
}

fn keyed(secret: &[u8]) -> Hmac<Sha256> {
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
    Hmac::new_from_slice(secret).expect("HMAC takes a key of any length")
}

/// Each part with its length, so that no two different origins are the same bytes.
fn absorb(mac: &mut Hmac<Sha256>, part: &[u8]) {
    mac.update(&(part.len() as u64).to_be_bytes());
    mac.update(part);
}

impl fmt::Debug for IdSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdSource")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn origin(event_key: &str) -> MessageOrigin<'_> {
        MessageOrigin {
            event_key,
            route: "ping",
            channel: Channel::Returned,
            position: 0,
            part: 0,
        }
    }

    fn source() -> IdSource {
        IdSource::new(&UserId::from("uB"), b"secret")
    }

    #[test]
    fn everything_that_tells_two_messages_apart_changes_the_id() {
        let base = origin("m1");
        let ids = [
            source().derive(&base),
            source().derive(&origin("m2")),
            source().derive(&MessageOrigin {
                route: "pong",
                ..base
            }),
            source().derive(&MessageOrigin {
                channel: Channel::Outbox,
                ..base
            }),
            source().derive(&MessageOrigin { position: 1, ..base }),
            source().derive(&MessageOrigin { part: 1, ..base }),
            IdSource::new(&UserId::from("uC"), b"secret").derive(&base),
            IdSource::new(&UserId::from("uB"), b"other").derive(&base),
        ];
        let all: HashSet<_> = ids.iter().flat_map(|ids| [&ids.first, &ids.second]).collect();
        assert_eq!(all.len(), 16);
    }

    proptest! {
        #[test]
        fn an_id_is_a_pure_function_in_the_servers_alphabet(event_key: String, route: String, position: u32) {
            let origin = MessageOrigin { event_key: &event_key, route: &route, channel: Channel::Returned, position, part: 0 };
            let id = source().derive(&origin).first;
            prop_assert_eq!(&id, &source().derive(&origin).first);
            prop_assert_eq!(id.as_str().len(), ID_LENGTH);
            prop_assert!(id.as_str().bytes().all(|byte| ID_ALPHABET.contains(&byte)));
        }
    }
}
