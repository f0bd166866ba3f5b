//! Ids in the server's own form.

/// The characters of Meteor's ids: none that people confuse.
pub(crate) const ID_ALPHABET: &[u8; 55] = b"23456789ABCDEFGHJKLMNPQRSTWXYZabcdefghijkmnopqrstuvwxyz";

/// A fresh id of 24 characters, about 138 bits. Unique, but no secret.
pub(crate) fn id() -> String {
    (0..24)
        .map(|_| char::from(ID_ALPHABET[fastrand::usize(..ID_ALPHABET.len())]))
        .collect()
}
