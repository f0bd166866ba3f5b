//! Looking back: history, threads, what changed since a time.

use serde_json::Value;

use super::{State, Stored, rooms::Room};

/// Which part of a room's history is asked for.
#[derive(Debug, Default)]
pub(crate) struct Window {
    pub(crate) oldest: Option<i64>,
    pub(crate) latest: Option<i64>,
    pub(crate) inclusive: bool,
    pub(crate) offset: usize,
    /// 0 is all.
    pub(crate) count: usize,
    pub(crate) threads: bool,
}

impl State {
    /// Newest first, as every history of the server.
    pub(crate) fn history(&self, rid: &str, window: &Window) -> Vec<&Stored> {
        let after = |ts: i64, at: i64| if window.inclusive { ts >= at } else { ts > at };
        let before = |ts: i64, at: i64| if window.inclusive { ts <= at } else { ts < at };
        self.room_messages(rid)
            .rev()
            .filter(|m| window.oldest.is_none_or(|at| after(m.ts, at)))
            .filter(|m| window.latest.is_none_or(|at| before(m.ts, at)))
            .filter(|m| window.threads || !m.doc.contains_key("tmid") || m.doc.contains_key("tshow"))
            .skip(window.offset)
            .take(if window.count == 0 {
                usize::MAX
            } else {
                window.count
            })
            .collect()
    }

    /// Messages written to after `at`, newest first by `ts`: no limit, as on the server.
    pub(crate) fn updated_since(&self, rid: &str, at: i64) -> Vec<&Stored> {
        self.room_messages(rid)
            .rev()
            .filter(|message| message.updated > at)
            .collect()
    }

    pub(crate) fn deleted_since(&self, rid: &str, at: i64) -> impl Iterator<Item = (&str, i64)> {
        self.deletions
            .iter()
            .filter(move |gone| gone.rid == rid && gone.at > at)
            .map(|gone| (gone.id.as_str(), gone.at))
    }

    /// The first message after a time, and how many of those after it are before the newest `loaded`.
    pub(crate) fn unread(&self, rid: &str, since: i64, loaded: usize) -> (Option<&Stored>, usize) {
        let mut later = self.room_messages(rid).filter(|message| message.ts > since);
        let first = later.next();
        let all = first.map_or(0, |_| later.count() + 1);
        (first, all.saturating_sub(loaded))
    }

    /// The replies of a thread, oldest first.
    pub(crate) fn thread(&self, tmid: &str) -> Vec<&Stored> {
        let Some(parent) = self.messages.get(tmid) else {
            return Vec::new();
        };
        self.room_messages(&parent.rid)
            .filter(|message| message.text("tmid") == Some(tmid))
            .collect()
    }

    /// The rooms of a user that changed after `since`, or all.
    pub(crate) fn rooms_of<'a>(&'a self, uid: &'a str, since: Option<i64>) -> impl Iterator<Item = &'a Room> {
        self.rooms
            .values()
            .filter(move |room| room.members.contains_key(uid) && since.is_none_or(|at| room.updated > at))
    }
}

/// A date in any form that clients send: EJSON, a number of milliseconds, or ISO text.
pub(crate) fn parse_date(value: &Value) -> Option<i64> {
    match value {
        Value::Object(object) => object.get("$date").and_then(parse_number),
        Value::String(text) => parse_iso(text),
        other => parse_number(other),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a float beyond i64 saturates, which is far away enough"
)]
fn parse_number(value: &Value) -> Option<i64> {
    value
        .as_i64()
        .or_else(|| value.as_f64().map(|number| number as i64))
}

/// `2026-11-22T08:00:00.000Z`, with or without fraction, `Z` or an offset.
pub(crate) fn parse_iso(text: &str) -> Option<i64> {
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<i64>().ok().filter(|n| *n >= 0);
    let sign = |at: usize, wanted: &str| (text.get(at..=at)? == wanted).then_some(());
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    sign(4, "-")?;
    sign(7, "-")?;
    let days = days_from_civil(year, month, day)?;
    if text.len() == 10 {
        return Some(days * 86_400_000);
    }
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    if hour > 24 || minute > 59 || second > 60 {
        return None;
    }
    let mut rest = text.get(19..)?;
    let mut milliseconds = 0;
    if let Some(fraction) = rest.strip_prefix('.') {
        let digits = fraction
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(fraction.len());
        let padded: String = fraction[..digits].chars().chain("000".chars()).take(3).collect();
        milliseconds = padded.parse().ok()?;
        rest = &fraction[digits..];
    }
    let offset = match rest.chars().next() {
        None | Some('Z') => 0,
        Some(c @ ('+' | '-')) => {
            let at = |range: std::ops::Range<usize>| rest.get(range)?.parse::<i64>().ok();
            let minutes = at(1..3)? * 60 + at(rest.len().checked_sub(2)?..rest.len())?;
            if c == '+' { minutes } else { -minutes }
        }
        Some(_) => return None,
    };
    Some(days * 86_400_000 + ((hour * 60 + minute - offset) * 60 + second) * 1000 + milliseconds)
}

/// ISO text of a time, as REST writes it.
pub(crate) fn iso(ms: i64) -> String {
    let (days, rest) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    let (year, month, day) = civil_from_days(days);
    let (hour, minute, second) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1000 % 60);
    format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z",
        rest % 1000
    )
}

/// A time as the header `Date` gives it: cut to seconds.
pub(crate) fn http_date(ms: i64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let (days, rest) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    let (year, month, day) = civil_from_days(days);
    let name = |names: &[&'static str], at: i64| {
        usize::try_from(at)
            .ok()
            .and_then(|at| names.get(at).copied())
            .unwrap_or_default()
    };
    let (hour, minute, second) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1000 % 60);
    format!(
        "{}, {day:02} {} {year:04} {hour:02}:{minute:02}:{second:02} GMT",
        name(&DAYS, days.rem_euclid(7)),
        name(&MONTHS, month - 1),
    )
}

/// Days since 1970 of a date in the proleptic Gregorian calendar.
fn days_from_civil(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // The year begins in March here, so that a leap day comes last.
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let of_era = shifted.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days.saturating_add(719_468);
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (year_of_era + era * 400 + carry, month, day)
}

#[cfg(test)]
mod tests {
    use super::{http_date, iso, parse_iso};

    #[test]
    fn dates_of_headers() {
        assert_eq!(http_date(1_795_334_400_999), "Sun, 22 Nov 2026 08:00:00 GMT");
        assert_eq!(http_date(951_868_799_000), "Tue, 29 Feb 2000 23:59:59 GMT");
    }

    #[test]
    fn dates_survive_the_way_there_and_back() {
        for text in [
            "1970-01-01T00:00:00.000Z",
            "2024-02-29T23:59:59.999Z",
            "2026-11-22T08:00:00.042Z",
        ] {
            assert_eq!(parse_iso(text).map(iso).as_deref(), Some(text));
        }
        assert_eq!(parse_iso("1970-01-01T01:00:00+01:00"), Some(0));
        assert_eq!(parse_iso("1970-01-01"), Some(0));
        for bad in ["", "garbage", "2026-13-01", "2026-11-22Tgg:00:00Z", "ä026-11-22"] {
            assert_eq!(parse_iso(bad), None, "{bad}");
        }
    }
}
