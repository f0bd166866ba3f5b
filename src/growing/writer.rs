//! Writes a growing reply: the stream in, messages out, until it ends or is ended.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, StreamExt as _};
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep_until};
use tower::BoxError;

use super::Grown;
use super::chain::{Chain, Write};
use super::desk::{Desk, Refusal, Typing, refusal};
use super::options::{Ending, GrowOptions, Newer};
use super::pace::{Outlook, Pace};
use super::registry::{Stop, Subject, Talk, Ticket};
use crate::dispatch::Receipt;
use crate::error_chain::Chain as Causes;
use crate::event::{MessageId, RoomId, UserId};
use crate::layer::catch_panic::panic_message;

/// From the first text on until it is posted: a word alone is soon followed by others.
const FIRST_WORDS: Duration = Duration::from_millis(300);

/// How often in a row a write may fail for a reason that passes. The client has tried it again each time.
const MOST_FAILURES: u32 = 3;

/// A server that blocks edits after a time does so after minutes. What is younger and may not be edited never may be.
const NEVER_BLOCKED: Duration = Duration::from_secs(55);

/// What of the text of another process's run is written over before it is deleted.
const LEFT_OVER: &str = "…";

/// The text as it comes.
pub(super) type Source = BoxStream<'static, Result<String, BoxError>>;

/// A reply that is about to grow.
pub(super) struct Writer {
    desk: Desk,
    options: GrowOptions,
    ticket: Ticket,
    chain: Chain,
    pace: Pace,
    /// Its messages, in order.
    ids: Vec<MessageId>,
    first_text_at: Option<Instant>,
    last_posted_at: Option<Instant>,
    /// Even a young message may not be edited: only whole messages are posted.
    is_without_edits: bool,
    ending: Option<Ending>,
    reference: String,
    /// Nothing is shown but that something will come.
    is_placeholder: bool,
    /// Another process has posted some of it before.
    is_second_run: bool,
    failures: u32,
}

/// A write that is under way.
type UnderWay = (Write, BoxFuture<'static, Result<Receipt, BoxError>>);

impl Writer {
    pub(super) fn new(desk: Desk, options: GrowOptions) -> Result<Self, BoxError> {
        let request = desk.request();
        // Copies: an id of an event is a slice of its frame, and would keep it.
        let question = request
            .message()
            .map(|message| MessageId::from(message.id().as_str()));
        let asker = request.author().map(|author| {
            let id = UserId::from(author.id().as_str());
            (id, author.username().to_owned())
        });
        let room_id = RoomId::from(desk.room_id().as_str());
        let talk = match desk.thread_id() {
            Some(thread_id) => Talk::Thread(MessageId::from(thread_id.as_str())),
            None => Talk::Person(room_id.clone(), asker.as_ref().map(|(id, _)| id.clone())),
        };
        let subject = Subject {
            talk,
            room_id,
            question,
            asker,
            emojis: options.emojis.clone(),
        };
        let replies = &request.context().shared().growing;
        let ticket = replies.begin(subject, options.newer == Newer::Cancels)?;
        let cut_note = options
            .note_for(Ending::TooLong, "")
            .map_or_else(String::new, |note| format!("\n\n{note}"));
        let chain = Chain::new(
            desk.limit(),
            options.most_messages,
            desk.quote(),
            &cut_note,
            desk.mentions(),
        );
        Ok(Self {
            pace: Pace::new(options.throttle),
            chain,
            ticket,
            options,
            desk,
            ids: Vec::new(),
            first_text_at: None,
            last_posted_at: None,
            is_without_edits: false,
            ending: None,
            reference: String::new(),
            is_placeholder: false,
            is_second_run: false,
            failures: 0,
        })
    }

    /// Writes until the stream ends, or something ends it. `waits` is closed when nobody waits for the reply any more.
    pub(super) async fn write(
        mut self,
        stream: Source,
        waits: &mut oneshot::Sender<Result<Grown, BoxError>>,
    ) -> Result<Grown, BoxError> {
        let mut stop = self.ticket.stop();
        let mut typing = Some(self.desk.typing());
        tokio::select! {
            biased;
            ending = stopped(&mut stop) => self.end(ending),
            () = waits.closed() => self.end(Ending::Abandoned),
            () = self.ticket.turn() => {}
            () = shown(&mut typing) => {}
        }
        if self.ending.is_none() {
            self.post_placeholder(&mut typing).await?;
        }
        self.grow(stream, &mut stop, waits, &mut typing).await?;
        drop(typing);
        self.clean_up().await;
        Ok(Grown {
            messages: self.ids,
            ending: self.ending.unwrap_or(Ending::Complete),
        })
    }

    async fn post_placeholder(&mut self, typing: &mut Option<Typing>) -> Result<(), BoxError> {
        let Some(text) = self.options.placeholder.clone() else {
            return Ok(());
        };
        let receipt = self.desk.post(0, text.clone().into_owned()).await?;
        self.last_posted_at = Some(Instant::now());
        self.note_posted(0, &receipt);
        self.chain
            .placeholder_written((!receipt.is_old()).then(|| text.into_owned()));
        self.is_placeholder = true;
        *typing = None;
        Ok(())
    }

    async fn grow(
        &mut self,
        stream: Source,
        stop: &mut watch::Receiver<Option<Stop>>,
        waits: &mut oneshot::Sender<Result<Grown, BoxError>>,
        typing: &mut Option<Typing>,
    ) -> Result<(), BoxError> {
        // A panic of the stream is its failure.
        let mut stream = Some(AssertUnwindSafe(stream).catch_unwind());
        let mut under_way: Option<UnderWay> = None;
        loop {
            if self.ending.is_some() {
                // What nobody reads is not made.
                stream = None;
            }
            let mut due = None;
            if under_way.is_none() {
                let now = Instant::now();
                match self.chain.next() {
                    _ if self.ends_at_once() => return Ok(()),
                    // It grows until it is full, or the text ends.
                    Some(write) if self.is_without_edits && !write.is_final => {}
                    Some(write) => {
                        let at = self.due(&write, now);
                        if at <= now {
                            under_way = Some(self.begin(write));
                            continue;
                        }
                        due = Some(at);
                    }
                    None if self.chain.is_too_long() => {
                        self.ending.get_or_insert(Ending::TooLong);
                        return Ok(());
                    }
                    None if self.ending.is_some() => return Ok(()),
                    None => {}
                }
            }
            let is_open = self.ending.is_none();
            tokio::select! {
                biased;
                ending = stopped(stop), if is_open => self.end(ending),
                () = waits.closed(), if is_open => self.end(Ending::Abandoned),
                result = result_of(&mut under_way) => {
                    let write = under_way.take().map(|(write, _)| write);
                    if let Some(write) = write {
                        self.wrote(write, result)?;
                        *typing = None;
                    }
                }
                chunk = next_of(&mut stream), if is_open && !self.chain.is_full() => match chunk {
                    Some(Ok(Ok(text))) => self.push(&text),
                    Some(Ok(Err(error))) => self.failed(&error),
                    Some(Err(payload)) => {
                        let message = panic_message(&*payload);
                        self.failed(&format!("the stream panicked: {message}").into());
                    }
                    None => self.end(Ending::Complete),
                },
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
                () = shown(typing) => {}
            }
        }
    }

    fn push(&mut self, text: &str) {
        self.chain.push(text);
        if !self.chain.is_blank() {
            self.first_text_at.get_or_insert_with(Instant::now);
        }
    }

    /// It ends with what has come, and says why.
    fn end(&mut self, ending: Ending) {
        if self.ending.is_none() {
            self.ending = Some(ending);
            let note = self.options.note_for(ending, &self.reference);
            self.chain.end(note.as_deref());
        }
    }

    fn failed(&mut self, error: &BoxError) {
        self.reference = format!("{:04x}", fastrand::u16(..));
        let route = self.desk.request().route().map(tracing::field::display);
        tracing::error!(route, reference = self.reference, error = %Causes(&**error), "the text of a reply failed");
        self.end(Ending::Failed);
    }

    /// Whether nothing more is to be said.
    fn ends_at_once(&self) -> bool {
        match self.ending {
            Some(Ending::ReplyDeleted) => true,
            Some(Ending::QuestionDeleted) => !self.chain.has_begun(),
            _ => false,
        }
    }

    /// When something is to be written.
    fn due(&self, write: &Write, now: Instant) -> Instant {
        if write.is_final {
            return now;
        }
        match (write.is_new, self.first_text_at) {
            (true, Some(at)) if write.part == 0 => at + FIRST_WORDS,
            (true, _) => self.pace.next_at(Outlook::Free, now),
            (false, _) => self.pace.next_at(self.desk.outlook(now), now),
        }
    }

    fn begin(&self, write: Write) -> UnderWay {
        let text = write.text.clone();
        let part = usize::try_from(write.part).unwrap_or(usize::MAX);
        let call = match self.ids.get(part).filter(|_| !write.is_new) {
            Some(id) => self.desk.edit(id, text),
            None => self.desk.post(write.part, text),
        };
        (write, call)
    }

    fn note_posted(&mut self, part: u32, receipt: &Receipt) {
        self.is_second_run |= receipt.is_old();
        if let Some(id) = receipt.message_id().cloned().or_else(|| self.desk.id(part)) {
            self.ticket.posted(&id);
            self.ids.push(id);
        }
    }

    /// A write has ended.
    fn wrote(&mut self, write: Write, result: Result<Receipt, BoxError>) -> Result<(), BoxError> {
        let now = Instant::now();
        self.pace.wrote(now);
        let error = match result {
            Ok(receipt) => {
                self.failures = 0;
                self.is_placeholder = false;
                if write.is_new {
                    self.last_posted_at = Some(now);
                    self.note_posted(write.part, &receipt);
                }
                let is_old = write.is_new && receipt.is_old();
                self.chain.written(write, is_old);
                return Ok(());
            }
            Err(error) => error,
        };
        match refusal(&error) {
            Refusal::Gone if !write.is_new => {
                tracing::debug!(error = %Causes(&*error), "a growing reply was deleted");
                self.ending = Some(Ending::ReplyDeleted);
                Ok(())
            }
            Refusal::Refused if !write.is_new => {
                tracing::warn!(error = %Causes(&*error), "a growing reply may not be edited any more: it goes on in another message");
                self.is_placeholder = false;
                self.is_without_edits |= self
                    .last_posted_at
                    .is_some_and(|at| now.duration_since(at) < NEVER_BLOCKED);
                self.chain.refused();
                Ok(())
            }
            Refusal::Later if self.failures < MOST_FAILURES => {
                self.failures += 1;
                tracing::debug!(error = %Causes(&*error), "a growing reply is written later");
                Ok(())
            }
            _ => Err(error),
        }
    }

    /// What is there and should not: a placeholder that nothing followed, and what another process wrote of a longer text.
    async fn clean_up(&mut self) {
        if self.is_placeholder {
            for id in std::mem::take(&mut self.ids) {
                self.delete(&id).await;
            }
        }
        if !self.is_second_run || self.ending == Some(Ending::ReplyDeleted) {
            return;
        }
        for part in self.chain.messages()..self.options.most_messages {
            let Some(id) = self.desk.id(part) else { return };
            // What is not there can not be edited, and is no error to delete.
            if self.desk.edit(&id, LEFT_OVER.to_owned()).await.is_err() {
                return;
            }
            self.delete(&id).await;
        }
    }

    async fn delete(&self, id: &MessageId) {
        if let Err(error) = self.desk.delete(id).await {
            tracing::warn!(message_id = %id, error = %Causes(&*error), "what a reply does not need can not be deleted");
        }
    }
}

/// Waits until something is to end it.
async fn stopped(stop: &mut watch::Receiver<Option<Stop>>) -> Ending {
    loop {
        let known = *stop.borrow_and_update();
        let changed = async {
            if stop.changed().await.is_err() {
                // Nobody is left who could stop it.
                std::future::pending::<()>().await;
            }
        };
        match known {
            None => changed.await,
            Some(Stop { ending, at }) => tokio::select! {
                biased;
                () = sleep_until(at) => return ending,
                () = changed => {}
            },
        }
    }
}

/// Never ends: for a `select!`.
async fn shown(typing: &mut Option<Typing>) {
    match typing {
        Some(typing) => typing.show().await,
        None => std::future::pending().await,
    }
}

async fn result_of(under_way: &mut Option<UnderWay>) -> Result<Receipt, BoxError> {
    match under_way {
        Some((_, call)) => call.await,
        None => std::future::pending().await,
    }
}

async fn next_of<S: futures_util::Stream + Unpin>(stream: &mut Option<S>) -> Option<S::Item> {
    match stream {
        Some(stream) => Pin::new(stream).next().await,
        None => None,
    }
}
