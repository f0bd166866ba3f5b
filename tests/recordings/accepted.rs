//! Where the sandbox differs from the recordings, and why: it imitates version 8, they are of 3.4. The table is `accepted.txt`;
//! what is there because of the versions has a part of its own, apart from what no version would change.

use crate::shape::What;

/// A difference that is meant.
#[derive(Debug)]
pub(crate) struct Accepted {
    /// The answer or frame; `*` for any.
    pub(crate) place: String,
    /// Where in it; behind `…` the end of a path, in whole keys.
    pub(crate) path: String,
    pub(crate) what: What,
    /// The recording and the request or frame that it is about, from its beginning on; empty for any. Needed where the status
    /// differs, as nothing else of the answer is compared then.
    pub(crate) request: String,
    /// How often it is met in all recordings together: one more is a failure that the row would hide.
    pub(crate) times: usize,
    /// Why, in words for people.
    pub(crate) reason: String,
    pub(crate) part: Part,
}

/// A part of the table, under `## ` and its title.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Versions,
    /// What the sandbox does not do, whatever version it is.
    Scope,
    /// What chance or the clock did while it was recorded.
    Recording,
}

impl Part {
    fn of_title(title: &str) -> Option<Self> {
        match title {
            "Between 3.4 and 8" => Some(Self::Versions),
            "Out of scope in any version" => Some(Self::Scope),
            "By how it was recorded" => Some(Self::Recording),
            _ => None,
        }
    }
}

impl Accepted {
    pub(crate) fn fits(&self, place: &str, path: &str, what: What, request: &str) -> bool {
        let there = self.place == "*" || self.place == place;
        let path = match self.path.strip_prefix('…') {
            Some(end) => path
                .strip_suffix(end)
                .is_some_and(|before| before.is_empty() || before.ends_with('.')),
            None => self.path == path,
        };
        there && path && self.what == what && request.starts_with(&self.request)
    }
}

/// A line of the table: the sign, how often, the place, the path, and the request if it is about one.
pub(crate) fn row(what: What, times: usize, place: &str, path: &str, request: &str) -> String {
    let end = if request.is_empty() { "" } else { " | " };
    format!("{} {times} {place} | {path}{end}{request}", what.sign())
}

/// The table: under each reason its rows.
pub(crate) fn table() -> Vec<Accepted> {
    let (mut reason, mut part) = ("", None);
    let mut rows = Vec::new();
    for line in include_str!("accepted.txt").lines().map(str::trim) {
        if let Some(title) = line.strip_prefix("## ") {
            part = Some(Part::of_title(title).unwrap_or_else(|| panic!("no part of the table: {title}")));
            reason = "";
        } else if let Some(said) = line.strip_prefix('#') {
            reason = said.trim();
        } else if !line.is_empty() {
            let row = part.and_then(|part| parsed(line, reason, part));
            rows.push(row.unwrap_or_else(|| panic!("no row of the table: {line}")));
        }
    }
    rows
}

fn parsed(line: &str, reason: &str, part: Part) -> Option<Accepted> {
    let (sign, rest) = line.split_once(' ')?;
    let (times, rest) = rest.split_once(' ')?;
    let mut parts = rest.splitn(3, " | ");
    let (place, path, request) = (parts.next()?, parts.next()?, parts.next().unwrap_or_default());
    // A status that differs hides the whole answer, and any place is only for the end of a path.
    let exact = !path.starts_with("(status") || !request.is_empty();
    let named = place != "*" || path.starts_with('…');
    (exact && named && !reason.is_empty()).then_some(())?;
    Some(Accepted {
        place: place.to_owned(),
        path: path.to_owned(),
        what: What::of_sign(sign)?,
        request: request.to_owned(),
        times: times.parse().ok().filter(|times| *times > 0)?,
        reason: reason.to_owned(),
        part,
    })
}
