//! Which short names are emoji: those of `JoyPixels`, with which the real server writes them, and the server's own.

use std::{collections::HashSet, sync::LazyLock};

use serde_json::{Value, json};

use super::State;

/// The names of emoji-toolkit 11, without those of a tone of skin, which follow from the others.
static NAMES: LazyLock<HashSet<&str>> =
    LazyLock::new(|| include_str!("emoji.txt").split_ascii_whitespace().collect());

/// The name without the tones of skin behind it.
fn untoned(name: &str) -> &str {
    if let Some(longer) = name.strip_suffix("_skin_tone") {
        let tones = ["_medium_light", "_medium_dark", "_medium", "_light", "_dark"];
        let base = tones.iter().find_map(|tone| longer.strip_suffix(tone));
        return base.map_or(name, untoned);
    }
    match name.rsplit_once("_tone") {
        Some((base, "1" | "2" | "3" | "4" | "5")) => untoned(base),
        _ => name,
    }
}

impl State {
    /// Whether a short name, without colons, is an emoji here.
    pub(crate) fn is_emoji(&self, name: &str) -> bool {
        NAMES.contains(untoned(name)) || self.own_emoji.iter().any(|own| own == name)
    }

    /// The server's own emoji, as they are listed.
    pub(crate) fn own_emoji(&self) -> Vec<Value> {
        let at = super::date(self.started.0);
        let entry = |name: &String| json!({ "_id": name, "name": name, "aliases": [], "extension": "png", "_updatedAt": at });
        self.own_emoji.iter().map(entry).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tones_follow_from_the_names() {
        for (name, base) in [
            ("wave", "wave"),
            ("wave_tone3", "wave"),
            ("handshake_tone1_tone5", "handshake"),
            ("man_cartwheeling_medium_light_skin_tone", "man_cartwheeling"),
            (
                "people_holding_hands_dark_skin_tone_medium_skin_tone",
                "people_holding_hands",
            ),
            ("wave_tone6", "wave_tone6"),
            ("skin_tone", "skin_tone"),
            ("_tone1", ""),
        ] {
            assert_eq!(untoned(name), base, "{name}");
        }
        assert!(NAMES.contains("+1") && NAMES.contains("slight_smile") && !NAMES.contains(""));
    }
}
