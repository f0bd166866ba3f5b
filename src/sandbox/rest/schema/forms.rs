//! The forms of bodies and queries, as the validators of the real server have them. The table is `forms.txt`, for all but those
//! of `chat.*`.

use std::{collections::BTreeMap, sync::LazyLock};

/// What a key may hold.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Text,
    /// Text with something in it.
    Filled,
    Number,
    /// A number without a fraction.
    Whole,
    Flag,
    Texts,
    /// A list of anything.
    List,
    Objects,
    Object,
    /// One text, or several.
    TextOrTexts,
    Word(&'static [&'static str]),
    /// An object with these keys, and others.
    Open(&'static [Key]),
    /// An object with these keys and no other.
    Closed(&'static [Key]),
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) required: bool,
    pub(super) nullable: bool,
}

impl Key {
    pub(super) const fn must(self) -> Self {
        Self {
            required: true,
            ..self
        }
    }

    pub(super) const fn or_null(self) -> Self {
        Self {
            nullable: true,
            ..self
        }
    }
}

pub(super) const fn key(name: &'static str, kind: Kind) -> Key {
    Key {
        name,
        kind,
        required: false,
        nullable: false,
    }
}

pub(super) const fn text(name: &'static str) -> Key {
    key(name, Kind::Text)
}

pub(super) const fn filled(name: &'static str) -> Key {
    key(name, Kind::Filled)
}

pub(super) const fn number(name: &'static str) -> Key {
    key(name, Kind::Number)
}

pub(super) const fn flag(name: &'static str) -> Key {
    key(name, Kind::Flag)
}

pub(super) const fn texts(name: &'static str) -> Key {
    key(name, Kind::Texts)
}

pub(super) const fn object(name: &'static str) -> Key {
    key(name, Kind::Object)
}

/// Keys of which all that are required must be there, and no other may.
pub(super) type Form = &'static [Key];

const EXTRA: Form = &[
    flag("broadcast"),
    flag("encrypted"),
    flag("federated"),
    text("teamId"),
    text("topic"),
];

const NAMED: Form = &[text("_id").must()];

const FAVORITE: Form = &[flag("defaultValue").must(), flag("favorite").must()];

/// The frame in the body of `method.call`.
pub(super) const FRAME: Form = &[
    text("method").must(),
    key("params", Kind::List).must(),
    text("id").must(),
    key("msg", Kind::Word(&["method"])).must(),
];

/// The forms of which a body or query of an endpoint must have one; `None` if any will do.
pub(super) fn forms(endpoint: &str) -> Option<impl Iterator<Item = Form> + use<>> {
    // That each line is one is tested below.
    static ALL: LazyLock<BTreeMap<&str, Vec<Vec<Key>>>> = LazyLock::new(|| lines().filter_map(row).collect());
    let forms = ALL.get(endpoint)?;
    Some(forms.iter().map(Vec::as_slice))
}

fn lines() -> impl Iterator<Item = &'static str> {
    include_str!("forms.txt")
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// A line of the table: of keys with `|` between them each makes a form of its own.
fn row(line: &'static str) -> Option<(&'static str, Vec<Vec<Key>>)> {
    let (endpoint, keys) = line.split_once(": ")?;
    let choices = keys.split(' ').map(|one| one.split('|').map(parsed).collect());
    let choices: Vec<Vec<Key>> = choices.collect::<Option<_>>()?;
    let forms = choices.iter().map(Vec::len).max()?;
    let nth = |nth: usize| {
        let keys = choices.iter();
        keys.filter_map(|choice| choice.get(nth).or(choice.first()).copied())
            .collect()
    };
    Some((endpoint, (0..forms).map(nth).collect()))
}

fn parsed(word: &'static str) -> Option<Key> {
    let bare = word.trim_end_matches(['!', '?']);
    let (name, kind) = bare.split_once(':').unwrap_or((bare, "text"));
    let kind = match kind {
        "text" => Kind::Text,
        "filled" => Kind::Filled,
        "number" => Kind::Number,
        "whole" => Kind::Whole,
        "flag" => Kind::Flag,
        "boolean" => Kind::Word(&["true", "false"]),
        "texts" => Kind::Texts,
        "text-or-texts" => Kind::TextOrTexts,
        "object" => Kind::Object,
        "message" => Kind::Closed(NAMED),
        "extra" => Kind::Closed(EXTRA),
        "favorite" => Kind::Open(FAVORITE),
        _ => return None,
    };
    let key = key(name, kind);
    match &word[bare.len()..] {
        "" => Some(key),
        "!" => Some(key.must()),
        "?" => Some(key.or_null()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_a_row_in_each_line() {
        let mut before = Vec::new();
        for line in lines() {
            let (endpoint, forms) = row(line).unwrap_or_else(|| panic!("no row: {line}"));
            assert!(!before.contains(&endpoint), "twice: {line}");
            before.push(endpoint);
            let choices = line.split(' ').filter(|word| word.contains('|')).count();
            assert_eq!(choices == 1, forms.len() > 1, "one choice at most: {line}");
        }
        assert!(before.len() > 40);
    }

    #[test]
    fn what_stands_in_a_row() {
        let (endpoint, forms) = row("a.b: one:filled! two!|three! four:number?").expect("a row");
        let told = |form: &Vec<Key>| {
            let told = form.iter().map(|key| (key.name, key.required, key.nullable));
            told.collect::<Vec<_>>()
        };
        let both = ["two", "three"]
            .map(|name| vec![("one", true, false), (name, true, false), ("four", false, true)]);
        assert_eq!(
            (endpoint, forms.iter().map(told).collect::<Vec<_>>()),
            ("a.b", both.to_vec())
        );
        for wrong in ["a.b", "a.b: one:strange", "a.b: one!?", "a.b: one?!"] {
            assert!(row(wrong).is_none(), "{wrong}");
        }
    }
}
