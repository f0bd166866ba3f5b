//! Replies that grow, and progress that is shown.
//!
//! An assistant answers with a stream of text. [`Outbox::grow`](crate::extract::Outbox::grow) makes messages of it: the
//! first words are posted as soon as they come, edits follow as the text does, and what is too long for a message goes
//! on in another one. Until the first words the bot is shown as typing.
//!
//! ```
//! use futures_util::stream;
//! use rocketbotte::extract::{Args, Outbox};
//! use rocketbotte::handler::route;
//! use rocketbotte::{BoxError, Router, growing};
//!
//! async fn tell(Args(subject): Args<String>, outbox: Outbox) -> Result<(), BoxError> {
//!     // This would be the answer of a model.
//!     let words = stream::iter(["Once ", "upon ", "a ", "time "].map(str::to_owned)).chain(stream::iter([subject]));
//!     outbox.grow(words).await?;
//!     Ok(())
//! }
//! # use futures_util::StreamExt as _;
//!
//! let router: Router = Router::new()
//!     .command("tell", route(tell).no_timeout())
//!     .command("stop", growing::stop());
//! ```
//!
//! # What holds
//!
//! - Edits come at most once a second, and where the server limits the account so that one of its calls is always left:
//!   also with ten edits a minute the reply ends with the whole text.
//! - Messages have derived ids. When the event is delivered again after a crash, or a receipt was lost, the messages that
//!   are there are edited, and what the first run wrote behind the end of the second is deleted. For that the handler has
//!   to reach `grow` in the same way: as its first, second, … use of the outbox.
//! - It has a lane of its own: what is said next in the room is heard at once.
//! - A reply ends with a [note](GrowOptions::note) where it does not end by itself: when the stream fails, which is logged
//!   under the reference that the note names; when it is stopped, by the command [`stop`], by a
//!   [reaction](GrowOptions::stop_reactions) of whoever asked, or because the question was deleted (see below); when a
//!   [newer](GrowOptions::newer) question cancels it; when the bot stops; and when the route's time is over. The stream is
//!   dropped then. When the reply is deleted it ends without one.
//! - Where edits are refused (servers may forbid them some minutes after the message) it goes on in another message.
//!
//! - One person has at most 32 replies that grow or wait, and a talk at most eight: who asks for more reads that the bot is
//!   busy ([`TooManyReplies`]).
//!
//! # When the question is deleted
//!
//! The bot has to hear of it. Servers tell the deletion to everybody only where they keep a trace of what was deleted
//! (`Message_ShowDeletedStatus`). Most do not: subscribe to the deletions of each room then, or the reply goes on.
//!
//! ```
//! use rocketbotte::Bot;
//! use rocketbotte::transport::PerRoom;
//!
//! # fn main() -> Result<(), rocketbotte::BotError> {
//! let bot = Bot::builder("https://chat.example.com")
//!     .token("rKy9v9n4yYWWjyyx5", "9HqLlyZOugoStsXCUfD")
//!     .per_room(PerRoom::new().deletions())
//!     .build()?;
//! # Ok(())
//! # }
//! ```
//!
//! # How long it may take
//!
//! The route's deadline counts: that of a [`TimeoutLayer`](crate::layer::timeout::TimeoutLayer), or of the bot. A route that
//! answers at length says `route(handler).timeout(…)` or, as above, `no_timeout()`.
//!
//! # Progress
//!
//! [`Outbox::progress`](crate::extract::Outbox::progress) posts one message for a long job, and edits it: see [`Progress`].

pub(crate) mod chain;
pub(crate) mod desk;
mod options;
pub(crate) mod pace;
mod progress;
pub(crate) mod registry;
mod stop;
pub(crate) mod talks;
mod text;
mod writer;

use tokio::sync::oneshot;
use tower::BoxError;

use self::desk::Desk;
pub use self::options::{Ending, GrowOptions, Newer};
pub use self::progress::Progress;
pub use self::registry::TooManyReplies;
pub use self::stop::{StopGrowing, stop};
pub use self::text::IntoText;
use self::writer::Writer;
use crate::event::MessageId;
use crate::request::Request;

/// A reply that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Grown {
    /// The messages that it became, in order.
    pub messages: Vec<MessageId>,
    /// Why it ended.
    pub ending: Ending,
}

/// Writes a stream of text as a reply.
pub(crate) async fn grow(
    request: &Request,
    position: u32,
    options: GrowOptions,
    stream: writer::Source,
) -> Result<Grown, BoxError> {
    let desk = Desk::open(request, options.send(), position)?;
    let writer = Writer::new(desk, options)?;
    request.leave_lane();
    // A task of its own: where nobody waits for it any more it still says how it ended.
    let (mut sender, result) = oneshot::channel();
    request
        .context()
        .shared()
        .tasks
        .spawn_part("growing reply", async move {
            let grown = writer.write(stream, &mut sender).await;
            // Nobody may be left to hear it.
            let _ = sender.send(grown);
        });
    result
        .await
        .unwrap_or_else(|_| Err("the bot stopped before the reply could be ended".into()))
}
