//! Drives events through the pipeline and carries out what it answers.

mod answer;
mod dead_letter;
mod deliver;
mod dispatcher;
mod handle;
pub(crate) mod ids;
mod kept;
pub(crate) mod lane_exits;
mod lane_key;
mod lanes;
pub(crate) mod loops;
pub(crate) mod mentions;
mod open;
mod receipt;
mod report;
pub(crate) mod resolve;
mod run;
mod serve;
mod settled;
pub(crate) mod stack_info;
mod talking;
pub(crate) mod tasks;
pub(crate) mod text;
mod vigil;

#[cfg(feature = "client")]
pub(crate) use self::dead_letter::DeadLetters;
pub use self::dead_letter::{DeadLetter, DeadLetterError};
#[cfg(feature = "client")]
pub(crate) use self::deliver::Sink;
pub use self::handle::{BotHandle, NotRunning};
#[cfg(feature = "client")]
pub(crate) use self::handle::{Fired, Stop};
#[cfg(feature = "client")]
pub(crate) use self::ids::secret_from;
pub use self::receipt::Receipt;
pub use self::report::{Counters, ServeError, ShutdownReport};
pub use self::resolve::ResolveError;
#[cfg(feature = "client")]
pub(crate) use self::serve::{OnReady, Settings};
pub use self::serve::{Overflow, Serve};
pub use self::tasks::SpawnError;
