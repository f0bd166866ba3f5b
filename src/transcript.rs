//! What was said, as lines that people read, and what they were expected to be.

use std::fmt;

/// What was said and done, a line for each, to be read and compared. A text of several lines goes on in lines that are
/// indented.
///
/// ```
/// # #[cfg(feature = "sandbox")] {
/// use rocketbotte::sandbox::Transcript;
///
/// let said = Transcript::new(["ann: !ping", "rocketbotte: pong"]);
/// said.assert_eq("
///     ann: !ping
///     rocketbotte: pong
/// ");
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transcript {
    lines: Vec<String>,
    notes: String,
}

impl Transcript {
    /// A transcript of these lines.
    pub fn new<T: Into<String>>(lines: impl IntoIterator<Item = T>) -> Self {
        Self {
            lines: lines.into_iter().map(|line| tidy(&line.into())).collect(),
            notes: String::new(),
        }
    }

    /// Adds what whoever reads a failed comparison should know.
    #[must_use]
    pub fn with_notes(mut self, notes: impl Into<String>) -> Self {
        self.notes = notes.into();
        self
    }

    /// What was said and done, in order.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// What whoever reads a failed comparison should know.
    pub fn notes(&self) -> &str {
        &self.notes
    }

    /// The same without what came before: the last so many lines.
    #[must_use]
    pub fn last(&self, lines: usize) -> Self {
        let start = self.lines.len().saturating_sub(lines);
        Self {
            lines: self.lines[start..].to_vec(),
            notes: self.notes.clone(),
        }
    }

    /// Compares it with a text. Blank lines around it and the indentation that all its lines share do not count.
    ///
    /// # Errors
    ///
    /// [`TranscriptMismatch`], whose text shows line by line what differs.
    pub fn check(&self, expected: &str) -> Result<(), TranscriptMismatch> {
        let (expected, actual) = (dedent(expected), self.to_string());
        if expected == actual {
            return Ok(());
        }
        Err(TranscriptMismatch {
            difference: difference(&expected, &actual),
            notes: self.notes.clone(),
        })
    }

    /// Compares it with a text, as [`check`](Self::check).
    ///
    /// # Panics
    ///
    /// It differs; the message shows line by line what, and what else is known.
    #[track_caller]
    pub fn assert_eq(&self, expected: &str) {
        if let Err(mismatch) = self.check(expected) {
            panic!("{mismatch}");
        }
    }
}

impl fmt::Display for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines.join("\n"))
    }
}

/// A transcript is not what was expected. Its text shows what differs: `-` was expected, `+` was there instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TranscriptMismatch {
    difference: String,
    notes: String,
}

impl fmt::Display for TranscriptMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "it went otherwise: - was expected, + was there instead\n{}",
            self.difference
        )?;
        if self.notes.is_empty() {
            return Ok(());
        }
        write!(f, "\n\n{}", self.notes)
    }
}

impl std::error::Error for TranscriptMismatch {}

/// Line by line: `-` is in the first text only, `+` in the second only.
pub(crate) fn difference(expected: &str, actual: &str) -> String {
    // A last line without an end is another one than the same with it.
    let (expected, actual) = (with_end(expected), with_end(actual));
    let diff = similar::TextDiff::from_lines(&expected, &actual);
    let lines = diff.iter_all_changes().map(|change| {
        let mark = match change.tag() {
            similar::ChangeTag::Equal => ' ',
            similar::ChangeTag::Delete => '-',
            similar::ChangeTag::Insert => '+',
        };
        format!("{mark} {}", change.value().trim_end_matches('\n'))
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn with_end(text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!("{text}\n")
    }
}

/// One entry: what follows its first line is indented, and nothing ends in white space.
fn tidy(text: &str) -> String {
    let mut lines = text.lines().map(str::trim_end);
    let first = lines.next().unwrap_or_default().to_owned();
    lines.fold(first, |text, line| match line {
        "" => text + "\n",
        line => text + "\n    " + line,
    })
}

/// Without blank lines around it, and without the indentation that all lines share.
fn dedent(text: &str) -> String {
    let mut lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    while lines.last().is_some_and(|line| line.is_empty()) {
        lines.pop();
    }
    let start = lines
        .iter()
        .position(|line| !line.is_empty())
        .unwrap_or(lines.len());
    let lines = &lines[start..];
    let indentation = |line: &&str| line.len() - line.trim_start_matches(' ').len();
    let shared = lines
        .iter()
        .filter(|line| !line.is_empty())
        .map(indentation)
        .min();
    let shared = shared.unwrap_or_default();
    let dedented: Vec<&str> = lines
        .iter()
        .map(|line| line.get(shared..).unwrap_or_default())
        .collect();
    dedented.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said() -> Transcript {
        Transcript::new(["ann: !help", "rocketbotte: one  \n\ntwo", "ann: thanks"])
            .with_notes("connections: 1")
    }

    #[test]
    fn indentation_and_blank_lines_around_do_not_count() {
        said().assert_eq("ann: !help\nrocketbotte: one\n\n    two\nann: thanks");
        said().assert_eq(
            "
            ann: !help
            rocketbotte: one

                two
            ann: thanks
            ",
        );
        said().last(1).assert_eq("ann: thanks");
        Transcript::default().assert_eq("\n  \n");
    }

    #[test]
    fn a_mismatch_shows_what_differs_and_the_notes() {
        let mismatch = said().last(2).check("rocketbotte: one\n\n    three\nann: thanks");
        assert_eq!(
            mismatch.unwrap_err().to_string(),
            "it went otherwise: - was expected, + was there instead\n  \
             rocketbotte: one\n  \n-     three\n+     two\n  ann: thanks\n\nconnections: 1"
        );
        assert!(said().check("").is_err());
    }

    #[test]
    #[should_panic(expected = "+ ann: thanks")]
    fn an_assertion_panics_with_it() {
        said().last(1).assert_eq("ann: bye");
    }
}
