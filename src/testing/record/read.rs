//! Reads a recording, and says which line is damaged and how.

use std::collections::HashMap;
use std::io::{self, BufRead, Read as _};

use serde_json::Value;

use super::format::{EventLine, Header, Line, VERSION};

/// The longest line that is read. A frame of a server is shorter.
const LINE_MAX: u64 = 64 * 1024 * 1024;

/// A recording, read.
#[derive(Clone, Debug)]
pub(crate) struct Recording {
    pub(crate) header: Header,
    /// In the order in which they reached the pipeline, with all that they led to.
    pub(crate) events: Vec<EventLine>,
    /// What could not be recorded.
    pub(crate) lost: u64,
    /// What can not be read.
    pub(crate) damages: Vec<Damage>,
}

/// Why a recording can not be replayed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordingError {
    /// The file can not be read.
    #[error("the recording can not be read: {0}")]
    Io(#[from] io::Error),
    /// It does not begin as a recording does.
    #[error("this is no recording: {0}")]
    NotARecording(String),
    /// It was written by a later version of this crate.
    #[error("the recording has the format {found}; this version reads up to {VERSION}")]
    TooNew {
        /// Its format.
        found: u64,
    },
    /// A line is damaged.
    #[error(transparent)]
    Damaged(#[from] Damage),
}

/// A line of a recording that can not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the recording is damaged: {what}")]
#[non_exhaustive]
pub struct Damage {
    /// Which line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: String,
}

impl Recording {
    /// Reads all lines. Damaged ones are left out if `skips_damages`.
    pub(crate) fn read(mut from: impl BufRead, skips_damages: bool) -> Result<Self, RecordingError> {
        let first = next_line(&mut from)?.unwrap_or_default();
        let mut recording = Self {
            header: header(&first)?,
            events: Vec::new(),
            lost: 0,
            damages: Vec::new(),
        };
        let mut index = HashMap::new();
        let mut line = 1;
        while let Some(bytes) = next_line(&mut from)? {
            line += 1;
            if let Err(what) = recording.take(&bytes, &mut index) {
                let damage = Damage { line, what };
                if !skips_damages {
                    return Err(damage.into());
                }
                recording.damages.push(damage);
            }
        }
        recording.events.sort_by_key(|event| event.number);
        Ok(recording)
    }

    fn take(&mut self, bytes: &[u8], index: &mut HashMap<u64, usize>) -> Result<(), String> {
        if bytes.len() as u64 > LINE_MAX {
            return Err(format!("it is longer than {LINE_MAX} bytes"));
        }
        let is_whole = bytes.ends_with(b"\n");
        let line = serde_json::from_slice(bytes).map_err(|error| match is_whole {
            true => error.to_string(),
            false => format!("it is cut off ({error})"),
        })?;
        match line {
            Line::Recording(_) => return Err("a second beginning".to_owned()),
            Line::Event(event) => {
                event.event.check()?;
                if index.insert(event.number, self.events.len()).is_some() {
                    return Err(format!("the event {} comes a second time", event.number));
                }
                self.events.push(*event);
            }
            Line::Later(later) => {
                // Where the event itself was lost, nothing can be compared.
                if let Some(event) = index.get(&later.number).and_then(|at| self.events.get_mut(*at)) {
                    event.answer.append(later.answer);
                }
            }
            Line::Lost { lines } => self.lost = self.lost.saturating_add(lines),
        }
        Ok(())
    }
}

fn header(bytes: &[u8]) -> Result<Header, RecordingError> {
    if bytes.is_empty() {
        return Err(RecordingError::NotARecording("it is empty".to_owned()));
    }
    let first: Value =
        serde_json::from_slice(bytes).map_err(|error| RecordingError::NotARecording(error.to_string()))?;
    if first.get("line").and_then(Value::as_str) != Some("recording") {
        return Err(RecordingError::NotARecording(
            "its first line is of another kind".to_owned(),
        ));
    }
    let version = first.get("version").and_then(Value::as_u64);
    if let Some(found) = version.filter(|version| *version > u64::from(VERSION)) {
        return Err(RecordingError::TooNew { found });
    }
    match serde_json::from_value(first) {
        Ok(Line::Recording(header)) => Ok(header),
        Ok(_) => Err(RecordingError::NotARecording(
            "its first line is of another kind".to_owned(),
        )),
        Err(error) => Err(RecordingError::NotARecording(error.to_string())),
    }
}

/// The next line with its end; a little more than the longest where it is too long, and the rest of it is skipped.
fn next_line(from: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    from.by_ref().take(LINE_MAX + 1).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    if line.len() as u64 > LINE_MAX && !line.ends_with(b"\n") {
        loop {
            let part = from.fill_buf()?;
            if part.is_empty() {
                break;
            }
            let end = part.iter().position(|byte| *byte == b'\n');
            let length = end.map_or(part.len(), |end| end + 1);
            from.consume(length);
            if end.is_some() {
                break;
            }
        }
    }
    Ok(Some(line))
}
