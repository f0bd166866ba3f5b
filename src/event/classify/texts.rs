//! The texts of the last messages: so that an edit and a deletion can say what was there before.

/// Bytes of text that are kept.
const KEPT: usize = 1 << 20;

/// A longer text is not kept: it would push out a hundred others.
const LONGEST: usize = KEPT / 64;

/// Texts in a ring: a new one takes the place of the oldest, and costs no allocation once the ring has grown.
#[derive(Debug, Default)]
pub(super) struct Texts {
    ring: Vec<u8>,
    /// Bytes that were ever written.
    written: u64,
}

/// Where a text is, or was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    start: u64,
    len: u32,
}

impl Texts {
    /// `None` where it is not worth keeping.
    pub(super) fn keep(&mut self, text: &str) -> Option<Place> {
        if text.is_empty() || text.len() > LONGEST {
            return None;
        }
        let mut at = index(self.written);
        // A text lies in one piece.
        if at + text.len() > KEPT {
            self.written += (KEPT - at) as u64;
            at = 0;
        }
        let place = Place {
            start: self.written,
            len: u32::try_from(text.len()).ok()?,
        };
        let end = at + text.len();
        if self.ring.len() < end {
            self.ring.resize(end, 0);
        }
        self.ring[at..end].copy_from_slice(text.as_bytes());
        self.written += text.len() as u64;
        Some(place)
    }

    /// `None` where others have taken its place.
    pub(super) fn get(&self, place: Place) -> Option<&str> {
        if self.written.saturating_sub(place.start) > KEPT as u64 {
            return None;
        }
        let at = index(place.start);
        let bytes = self.ring.get(at..at + usize::try_from(place.len).ok()?)?;
        std::str::from_utf8(bytes).ok()
    }
}

fn index(position: u64) -> usize {
    // Less than `KEPT`, which is a `usize`.
    usize::try_from(position % KEPT as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_too_long_or_empty_is_not_kept() {
        let mut texts = Texts::default();
        assert_eq!(texts.keep(""), None);
        assert_eq!(texts.keep(&"x".repeat(LONGEST + 1)), None);
        let place = texts.keep(&"x".repeat(LONGEST)).unwrap();
        assert_eq!(texts.get(place).unwrap().len(), LONGEST);
    }

    proptest! {
        #[test]
        fn a_text_is_what_it_was_or_gone_and_the_newest_are_there(
            lengths in proptest::collection::vec(1..=LONGEST, 1..400)
        ) {
            let mut texts = Texts::default();
            let mut kept = VecDeque::new();
            for (number, len) in lengths.into_iter().enumerate() {
                let text = char::from(b'a' + u8::try_from(number % 26).unwrap()).to_string().repeat(len);
                kept.push_back((texts.keep(&text).unwrap(), text));
                let mut recent = 0;
                for (place, text) in kept.iter().rev() {
                    recent += text.len();
                    match texts.get(*place) {
                        Some(found) => prop_assert_eq!(found, text),
                        // The end of the ring may be left empty once for each round.
                        None => prop_assert!(recent > KEPT - LONGEST),
                    }
                }
                prop_assert!(texts.ring.len() <= KEPT);
                while kept.len() > 100 {
                    kept.pop_front();
                }
            }
        }
    }
}
