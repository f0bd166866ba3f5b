//! Layers for chat events.
//!
//! Every stock layer of `tower` that suits a service of [`Request`](crate::Request)s works beside them. From the outside
//! in, this order makes sense:
//!
//! | layer | why there |
//! | --- | --- |
//! | [`TraceLayer`] | sees everything |
//! | [`HandleErrorLayer`] | answers what fails inside |
//! | [`CatchPanicLayer`] | for services that are no router |
//! | [`DedupLayer`], [`IgnoreLayer`] | what is dropped costs nothing further in |
//! | [`CommandLayer`] | the layers below ask for the command |
//! | [`RateLimitLayer`], [`MaxConcurrencyLayer`], [`RequireLayer`] | refuse commands before anything runs |
//! | [`TimeoutLayer`] | the time runs from here |
//! | [`TypingLayer`] | around the handlers that are slow |
//! | [`from_fn`](from_fn::from_fn) | one's own, wherever it belongs |

/// The accessors that every service of a layer has.
macro_rules! accessors {
    ($service:ident $(<$($parameter:ident),+>)?) => {
        impl<S $(, $($parameter),+)?> $service<S $(, $($parameter),+)?> {
            /// The service inside.
            pub fn get_ref(&self) -> &S {
                &self.inner
            }

            /// The service inside, to change it.
            pub fn get_mut(&mut self) -> &mut S {
                &mut self.inner
            }

            /// The service inside, alone.
            pub fn into_inner(self) -> S {
                self.inner
            }
        }
    };
}
pub(crate) use accessors;

pub(crate) mod announce;
pub mod catch_panic;
pub mod dedup;
mod dropping;
pub mod from_fn;
pub mod handle_error;
pub mod ignore;
pub mod max_concurrency;
mod passage;
pub mod rate_limit;
pub mod require;
pub mod timeout;
pub mod trace;
pub mod typing;

pub use self::catch_panic::CatchPanicLayer;
pub use self::dedup::DedupLayer;
pub use self::from_fn::{Next, from_fn, from_fn_with_state};
pub use self::handle_error::HandleErrorLayer;
pub use self::ignore::IgnoreLayer;
pub use self::max_concurrency::MaxConcurrencyLayer;
pub use self::rate_limit::RateLimitLayer;
pub use self::require::RequireLayer;
pub use self::timeout::TimeoutLayer;
pub use self::trace::TraceLayer;
pub use self::typing::TypingLayer;
pub use crate::command::CommandLayer;
