//! The thread that writes a recording: it takes the secrets out, and neither the pipeline nor the runtime waits for it.

use std::io::{self, Write};
use std::sync::Arc;

use tokio::sync::mpsc;

use super::format::{EventLine, Header, LaterLine, Line, VERSION};
use super::job::{Job, Message, QueueLoad};
use super::redact::Redactor;
use super::stored_event::StoredEvent;
use crate::event::Timestamp;

/// What became of a recording.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Written {
    /// Events that are in the file.
    pub events: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// Events that are not in it, or not with all that they led to: they came faster than they could be written, or the
    /// file was full.
    pub lost: u64,
}

pub(super) struct Writer<W: Write> {
    out: io::BufWriter<W>,
    redactor: Redactor,
    began: Timestamp,
    load: Arc<QueueLoad>,
    written: Written,
    bytes_max: u64,
    has_header: bool,
    /// The disk gave up: nothing is written from then on.
    has_failed: bool,
    /// Why, until somebody was told.
    failure: Option<io::Error>,
}

impl<W: Write> Writer<W> {
    pub(super) fn new(
        out: W,
        redactor: Redactor,
        began: Timestamp,
        load: Arc<QueueLoad>,
        bytes_max: u64,
    ) -> Self {
        Self {
            out: io::BufWriter::new(out),
            redactor,
            began,
            load,
            written: Written::default(),
            bytes_max,
            has_header: false,
            has_failed: false,
            failure: None,
        }
    }

    /// Writes until nobody records any more.
    pub(super) fn run(mut self, mut jobs: mpsc::Receiver<Message>) {
        while let Some(message) = jobs.blocking_recv() {
            self.take(message);
            while let Ok(message) = jobs.try_recv() {
                self.take(message);
            }
            self.flush();
        }
        self.tell_lost();
        self.flush();
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Job(job, bytes) => {
                self.load.taken(bytes);
                self.job(*job);
            }
            Message::Flush(reply) => {
                self.tell_lost();
                self.flush();
                let written = Written {
                    lost: self.load.lost_in_all(),
                    ..self.written
                };
                // Nobody may wait for it any more.
                let _ = reply.send(match self.failure.take() {
                    None => Ok(written),
                    Some(error) => Err(error),
                });
            }
        }
    }

    fn job(&mut self, job: Job) {
        if !std::mem::replace(&mut self.has_header, true) {
            let bot = job.request.context().identity();
            self.line(&Line::Recording(Header {
                version: VERSION,
                began: self.began,
                bot_id: bot.id().to_string(),
                bot_username: bot.username().to_owned(),
                bot_name: bot.name().map(str::to_owned),
            }));
        }
        #[cfg(feature = "client")]
        if let Some(credentials) = job
            .request
            .context()
            .client()
            .and_then(|client| client.credentials())
        {
            self.redactor.add_secret(credentials.token().expose());
        }
        self.tell_lost();
        let mut answer = job.answer;
        answer.redact(&mut self.redactor, &job.secrets);
        let line = if job.is_first {
            Line::Event(Box::new(EventLine {
                number: job.number,
                at_ms: job.at_ms,
                arrival: job.request.context().arrival().into(),
                is_too_old: job.request.context().is_too_old(),
                event: self.event(StoredEvent::of(job.request.event()), &job.secrets),
                answer,
            }))
        } else {
            Line::Later(LaterLine {
                number: job.number,
                answer,
            })
        };
        if self.line(&line) {
            self.written.events += u64::from(job.is_first);
        } else {
            self.load.lose();
        }
    }

    /// Says in the file what is not in it.
    fn tell_lost(&mut self) {
        let lost = self.load.take_lost();
        if lost > 0 && self.has_header {
            self.line(&Line::Lost { lines: lost });
        }
    }

    fn event(&mut self, mut event: StoredEvent, secrets: &[String]) -> StoredEvent {
        if let Some(room) = &mut event.room {
            self.redactor.id(&mut room.id);
            room.name.iter_mut().for_each(|name| self.redactor.id(name));
        }
        if let Some(message) = &mut event.message {
            self.redactor.message(message, secrets);
        }
        self.redactor.more(&mut event.more, secrets);
        event
    }

    /// Whether the line is in the file.
    fn line(&mut self, line: &Line) -> bool {
        // Texts, numbers and ids have a form in JSON, whatever they hold.
        let Ok(mut line) = serde_json::to_vec(line) else {
            return false;
        };
        line.push(b'\n');
        if self.has_failed || self.written.bytes + line.len() as u64 > self.bytes_max {
            return false;
        }
        if let Err(error) = self.out.write_all(&line) {
            return self.fail(error);
        }
        self.written.bytes += line.len() as u64;
        true
    }

    fn flush(&mut self) {
        if !self.has_failed
            && let Err(error) = self.out.flush()
        {
            self.fail(error);
        }
    }

    fn fail(&mut self, error: io::Error) -> bool {
        tracing::error!(%error, "the recording can not be written");
        self.has_failed = true;
        self.failure = Some(error);
        false
    }
}
