//! Puts together what belongs together on both sides, and compares the shapes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{
    accepted::{Accepted, row},
    player::Played,
    shape::{Difference, Shape, What},
};

/// Milliseconds of `Sun, 22 Nov 2026 07:59:15 GMT`; 0 for what is no such date.
pub(crate) fn header_date(text: &str) -> i64 {
    httpdate::parse_http_date(text)
        .ok()
        .and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok())
        .and_then(|since| i64::try_from(since.as_millis()).ok())
        .unwrap_or(0)
}

/// A difference with where it was seen.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    place: String,
    /// The recording, and what was asked in it or the connection and key of the frame.
    request: String,
    difference: Difference,
    example: String,
}

/// What a frame is an answer to, or an event of. Frames of one key are compared with each other, in order.
fn key(frame: &Value, played: &Played, conn: &str) -> String {
    let id = frame["id"].as_str().unwrap_or_default();
    let asked = |id: &str| {
        let key = (conn.to_owned(), id.to_owned());
        played.methods.get(&key).cloned().unwrap_or_default()
    };
    match frame["msg"].as_str().unwrap_or("server_id") {
        "result" => format!("result {}#{id}", asked(id)),
        "nosub" => format!("nosub {}#{id}", asked(id)),
        "updated" => format!("updated#{}", frame["methods"][0]),
        "ready" => format!("ready#{}", frame["subs"][0]),
        "pong" => format!("pong#{id}"),
        "added" | "removed" => format!("{} {}#{id}", frame["msg"], frame["collection"]),
        "changed" => {
            let fields = &frame["fields"];
            let stream = frame["collection"].as_str().unwrap_or_default();
            let event = fields["eventName"].as_str().unwrap_or_default();
            let event = event.rsplit('/').next().unwrap_or_default();
            let first = &fields["args"][0];
            match stream {
                "stream-room-messages" => {
                    // What the server says has ids that no answer tells.
                    let what = first["t"].as_str().unwrap_or("message");
                    format!("{stream} {what}#{event} {} {}", first["rid"], first["msg"])
                }
                // Which of them come, and how often, depends on who is connected: their shapes are taken together.
                _ => format!("{stream} {event} {}", first.as_str().unwrap_or_default())
                    .trim_end()
                    .to_owned(),
            }
        }
        other => other.to_owned(),
    }
}

/// The part of a key that is the same in every run.
fn place(key: &str) -> &str {
    key.split('#').next().unwrap_or_default()
}

fn example(value: &Value) -> String {
    let mut text = value.to_string();
    if let Some((at, _)) = text.char_indices().nth(600) {
        text.truncate(at);
        text.push('…');
    }
    text
}

fn frames(played: &Played) -> Vec<Found> {
    let mut found = Vec::new();
    for (conn, [theirs, ours]) in &played.frames {
        let by_key = |frames: &[Value]| {
            let mut keys: BTreeMap<String, Vec<Value>> = BTreeMap::new();
            for frame in frames {
                let same = keys.entry(key(frame, played, conn)).or_default();
                // A room's subscribers get some messages twice, and of two subscriptions each gets it.
                let shape = |frame: &Value| format!("{:?}", Shape::of(frame));
                let doubled = frame["collection"] == "stream-room-messages"
                    && same.iter().any(|known| shape(known) == shape(frame));
                if !doubled {
                    same.push(frame.clone());
                }
            }
            keys
        };
        let (theirs, ours) = (by_key(theirs), by_key(ours));
        let keys: BTreeSet<&String> = theirs.keys().chain(ours.keys()).collect();
        for key in keys {
            let nothing = Vec::new();
            let (theirs, ours) = (
                theirs.get(key).unwrap_or(&nothing),
                ours.get(key).unwrap_or(&nothing),
            );
            let together = key.starts_with("stream-");
            let place = place(key);
            let mut differs = |differences: Vec<Difference>, theirs: &Value, ours: &Value| {
                for difference in differences {
                    found.push(Found {
                        place: place.to_owned(),
                        request: format!("{conn} {key}"),
                        difference,
                        example: format!("{conn}: {}\n      here: {}", example(theirs), example(ours)),
                    });
                }
            };
            let count = if together {
                theirs.is_empty() != ours.is_empty()
            } else {
                theirs.len() != ours.len()
            };
            if count {
                let what = if theirs.len() > ours.len() {
                    What::Missing
                } else {
                    What::Extra
                };
                let path = "(frame)".to_owned();
                let none = Value::Null;
                let at = theirs.len().min(ours.len());
                differs(
                    vec![Difference { path, what }],
                    theirs.get(at).unwrap_or(&none),
                    ours.get(at).unwrap_or(&none),
                );
            }
            if together {
                if let (Some(one), Some(other)) = (theirs.first(), ours.first()) {
                    let all = |frames: &[Value]| {
                        let mut shape = Shape::default();
                        frames.iter().for_each(|frame| shape.add(frame));
                        shape
                    };
                    differs(all(theirs).differences(&all(ours)), one, other);
                }
                continue;
            }
            for (one, other) in theirs.iter().zip(ours) {
                differs(Shape::of(one).differences(&Shape::of(other)), one, other);
            }
        }
    }
    found
}

fn answers(played: &Played) -> Vec<Found> {
    let mut found = Vec::new();
    for answer in &played.answers {
        let (recorded, actual) = (&answer.recorded, &answer.actual);
        let place = answer.request.split(' ').take(2).collect::<Vec<_>>().join(" ");
        let place = format!("{place} {}", recorded.0);
        let mut differences = Vec::new();
        if recorded.0 != actual.0 {
            let path = format!("(status {})", actual.0);
            differences.push(Difference {
                path,
                what: What::Type,
            });
        } else {
            differences.extend(Shape::of(&recorded.1).differences(&Shape::of(&actual.1)));
        }
        if answer.limits.0 != answer.limits.1 {
            let path = "(headers of the limiter)".to_owned();
            differences.push(Difference {
                path,
                what: What::Type,
            });
        }
        for difference in differences {
            found.push(Found {
                place: place.clone(),
                request: answer.request.clone(),
                difference,
                example: format!(
                    "{}\n      there: {}\n      here: {}",
                    answer.request,
                    example(&recorded.1),
                    example(&actual.1)
                ),
            });
        }
    }
    found
}

/// What was found, against the table.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// How often each row was met, by its place in the table.
    met: BTreeMap<usize, usize>,
    unlisted: Vec<Found>,
    pub(crate) compared: usize,
}

impl Verdict {
    /// Compares one recording.
    pub(crate) fn judge(&mut self, table: &[Accepted], name: &str, played: &Played) {
        let compared = played.answers.len();
        let compared = compared
            + played
                .frames
                .values()
                .map(|[theirs, _]| theirs.len())
                .sum::<usize>();
        println!(
            "{name}: {compared} answers and frames compared, {} left out",
            played.left_out.len()
        );
        assert!(compared > 10, "{name} was not played");
        self.compared += compared;
        let recording = name.trim_end_matches(".jsonl");
        for mut found in frames(played).into_iter().chain(answers(played)) {
            found.request = format!("{recording} {}", found.request);
            let Difference { path, what } = &found.difference;
            let fits = |row: &Accepted| row.fits(&found.place, path, *what, &found.request);
            let fitting: Vec<usize> = (0..table.len()).filter(|at| fits(&table[*at])).collect();
            for at in &fitting {
                *self.met.entry(*at).or_default() += 1;
            }
            if fitting.is_empty() {
                self.unlisted.push(found);
            }
        }
    }

    /// All that is wrong: differences that no row is for, in the words of the table, and rows that are met more or less often
    /// than they say.
    pub(crate) fn faults(&self, table: &[Accepted]) -> Vec<String> {
        let mut unlisted: BTreeMap<(&str, &Difference), Vec<&Found>> = BTreeMap::new();
        for found in &self.unlisted {
            let same = unlisted.entry((&found.place, &found.difference));
            same.or_default().push(found);
        }
        let unlisted = unlisted
            .into_iter()
            .map(|((place, Difference { path, what }), all)| {
                let row = row(*what, all.len(), place, path, "");
                format!("{row}\n      {}\n      {}", all[0].request, all[0].example)
            });
        let other = table.iter().enumerate().filter_map(|(at, known)| {
            let times = self.met.get(&at).copied().unwrap_or(0);
            let Accepted {
                place,
                path,
                what,
                request,
                reason,
                ..
            } = known;
            let row = row(*what, times, place, path, request);
            (times != known.times).then(|| format!("{row}\n      not {} times: {reason}", known.times))
        });
        unlisted.chain(other).collect()
    }
}
