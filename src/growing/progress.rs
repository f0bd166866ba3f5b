//! One message that tells how a long job gets on.

use std::fmt;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep_until};
use tower::BoxError;

use super::desk::{Desk, Refusal, refusal};
use super::pace::Pace;
use crate::dispatch::Receipt;
use crate::dispatch::text::{split, utf16_length};
use crate::error_chain::Chain as Causes;
use crate::event::MessageId;
use crate::request::Request;
use crate::response::Send;

/// The least time between two edits.
const EVERY: Duration = Duration::from_secs(1);

/// A message that tells how a long job gets on: made by [`Outbox::progress`](crate::extract::Outbox::progress).
///
/// What is [set](Self::set) is shown as soon as the server's limits allow; of several texts in the meantime only the last
/// one is. Nothing waits for that. Dropped, it still shows what was set last.
///
/// ```
/// use rocketbotte::{BoxError, extract::Outbox};
///
/// async fn deploy(outbox: Outbox) -> Result<(), BoxError> {
///     let progress = outbox.progress("Deploying…").await?;
///     for percent in [20, 40, 60, 80] {
///         // … the work …
///         progress.set(format!("Deploying… {percent} %"));
///     }
///     progress.finish("Deployed.").await?;
///     Ok(())
/// }
/// # let _ = rocketbotte::Router::<()>::new().command("deploy", deploy);
/// ```
pub struct Progress {
    message_id: MessageId,
    said: watch::Sender<String>,
    end: Option<oneshot::Sender<Finish>>,
}

/// The last words, and who waits until they are said.
struct Finish {
    text: String,
    done: oneshot::Sender<Result<Receipt, BoxError>>,
}

impl Progress {
    pub(crate) async fn begin(request: &Request, position: u32, text: String) -> Result<Self, BoxError> {
        let desk = Desk::open(request, Send::text(""), position)?;
        let text = one_message(&desk, &text);
        let receipt = desk.post(0, text.clone()).await?;
        let message_id = receipt.message_id().cloned().or_else(|| desk.id(0));
        let message_id = message_id.ok_or("the message has no id")?;
        let (said, hears) = watch::channel(text.clone());
        let (end, ends) = oneshot::channel();
        let mut writer = Writer {
            desk,
            message_id: message_id.clone(),
            shown: (!receipt.is_old()).then_some(text),
            pace: Pace::new(EVERY),
            is_gone: false,
        };
        writer.pace.wrote(Instant::now());
        let tasks = &request.context().shared().tasks;
        tasks.spawn_part("progress", async move { writer.write(hears, ends).await });
        Ok(Self {
            message_id,
            said,
            end: Some(end),
        })
    }

    /// The message.
    pub fn message_id(&self) -> &MessageId {
        &self.message_id
    }

    /// Says how far it is. It is shown as soon as the server's limits allow, unless another text comes before.
    pub fn set(&self, text: impl Into<String>) {
        self.said.send_replace(text.into());
    }

    /// Says how it ended, and waits until that is shown. A text that is too long for a message becomes several.
    ///
    /// It is shown too where nobody waits for it to the end.
    ///
    /// # Errors
    ///
    /// The server refused it, or could not be reached for too long.
    pub async fn finish(mut self, text: impl Into<String>) -> Result<Receipt, BoxError> {
        let (done, result) = oneshot::channel();
        let text = text.into();
        if let Some(end) = self.end.take() {
            // Where the writer is gone the result says so.
            let _ = end.send(Finish { text, done });
        }
        result
            .await
            .unwrap_or_else(|_| Err("the bot stopped before the end could be shown".into()))
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Progress")
            .field("message_id", &self.message_id)
            .finish_non_exhaustive()
    }
}

/// As much of a text as a message holds.
fn one_message(desk: &Desk, text: &str) -> String {
    let mentions = desk.mentions();
    let text = mentions.neutralise(text);
    let limit = desk.limit();
    if utf16_length(&text) <= limit {
        return text.into_owned();
    }
    let mut units = 1;
    let fits = |character: &char| {
        units += character.len_utf16();
        units <= limit
    };
    let mut cut: String = text.chars().take_while(fits).collect();
    cut.push('…');
    cut
}

struct Writer {
    desk: Desk,
    message_id: MessageId,
    /// None where nobody knows.
    shown: Option<String>,
    pace: Pace,
    /// Somebody deleted the message.
    is_gone: bool,
}

impl Writer {
    async fn write(mut self, mut said: watch::Receiver<String>, mut end: oneshot::Receiver<Finish>) {
        let mut stopping = std::pin::pin!(
            self.desk
                .request()
                .context()
                .shared()
                .tasks
                .stopping()
                .clone()
                .cancelled_owned()
        );
        let mut is_stopping = false;
        let mut is_open = true;
        loop {
            let text = one_message(&self.desk, &said.borrow_and_update());
            let is_news = !self.is_gone && !text.trim().is_empty() && self.shown.as_deref() != Some(&text);
            let now = Instant::now();
            let due = match is_news {
                false if !is_open => return,
                false => None,
                // What is said last is shown before the bot has stopped.
                true if !is_open || is_stopping => Some(now),
                true => Some(self.pace.next_at(self.desk.outlook(now), now)),
            };
            tokio::select! {
                biased;
                finish = &mut end, if is_open => match finish {
                    Ok(Finish { text, done }) => {
                        // Nobody may be left to hear it.
                        let _ = done.send(self.finish(&text).await);
                        return;
                    }
                    Err(_) => is_open = false,
                },
                () = &mut stopping, if !is_stopping => is_stopping = true,
                () = sleep_until(due.unwrap_or(now)), if due.is_some() => self.show(text).await,
                Ok(()) = said.changed() => {}
                else => {}
            }
        }
    }

    async fn show(&mut self, text: String) {
        let result = self.desk.edit(&self.message_id, text.clone()).await;
        self.pace.wrote(Instant::now());
        // What was refused is not said again in the same words.
        self.shown = Some(text);
        if let Err(error) = result {
            tracing::warn!(message_id = %self.message_id, error = %Causes(&*error), "progress can not be shown");
            self.is_gone |= refusal(&error) == Refusal::Gone;
        }
    }

    async fn finish(&self, text: &str) -> Result<Receipt, BoxError> {
        let mentions = self.desk.mentions();
        let text = mentions.neutralise(text);
        let parts = split(&text, self.desk.limit());
        let mut receipt = Receipt::of_message(self.message_id.clone());
        for (part, text) in (0_u32..).zip(parts) {
            let text = text.into_owned();
            if text.trim().is_empty() || part == 0 && self.shown.as_deref() == Some(&text) {
                continue;
            }
            let is_gone = part == 0
                && match self.desk.edit(&self.message_id, text.clone()).await {
                    Ok(_) => false,
                    // The end is said all the same, in a message of its own.
                    Err(error) if refusal(&error) != Refusal::Later => true,
                    Err(error) => return Err(error),
                };
            if is_gone {
                receipt = self.desk.post(u32::MAX, text).await?;
            } else if part > 0 {
                receipt = self.desk.post(part, text).await?;
            }
        }
        Ok(receipt)
    }
}
