//! Async functions as handlers.

mod check;
mod options;
mod service;

use std::future::Future;
use std::sync::Arc;

use tower::BoxError;

#[doc(hidden)]
pub use self::check::{check0, check1, check2, check3, check4, check5, check6, check7, check8};
pub(crate) use self::options::{Circumstances, Hears, LaneUse, Place, RouteDeadline, RouteOptions};
pub use self::options::{Configured, route};
pub use self::service::{HandlerService, IsService, ResponseFuture, ServiceAsHandler, service};
use crate::args::ArgsInfo;
use crate::extract::FromRequest;
use crate::request::Request;
use crate::response::{IntoResponse, Response};

/// An async function of up to eight [extractors](crate::extract) that returns something that
/// [is a response](IntoResponse).
///
/// `T` is the tuple of its arguments and `S` the router's state; both are inferred. To set more than the function
/// (a timeout, a description) wrap it in [`route`]; to use any other `tower::Service`, in [`service`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handler",
    label = "not a handler",
    note = "a handler is an async function of up to eight extractors that returns an `IntoResponse`, and whose future is `Send`",
    note = "write `rocketbotte::debug_handler!(name(_, _))`, with `_` for each argument, to see what is wrong with it"
)]
pub trait Handler<T, S>: Clone + Send + Sync + Sized + 'static {
    /// Runs it.
    fn call(
        self,
        request: Request,
        state: Arc<S>,
    ) -> impl Future<Output = Result<Response, BoxError>> + Send + 'static;

    /// How the router treats it.
    #[doc(hidden)]
    fn options(&self) -> RouteOptions {
        RouteOptions::default()
    }

    /// The name that a listener's route gets.
    #[doc(hidden)]
    fn name() -> &'static str {
        std::any::type_name::<Self>()
    }
}

macro_rules! handler {
    ($($argument:ident),*) => {
        #[diagnostic::do_not_recommend]
        #[allow(non_snake_case, reason = "the type parameters name the variables too")]
        impl<F, Fut, R, S, $($argument,)*> Handler<($($argument,)*), S> for F
        where
            F: FnOnce($($argument,)*) -> Fut + Clone + Send + Sync + 'static,
            Fut: Future<Output = R> + Send + 'static,
            R: IntoResponse + 'static,
            S: Send + Sync + 'static,
            $($argument: FromRequest<S> + Send + 'static,)*
        {
            // No `async fn`: its arguments would be moved once more when it is polled, and the request is large.
            #[allow(clippy::manual_async_fn, unused_assignments, unused_variables, reason = "see above and below")]
            fn call(
                self,
                request: Request,
                state: Arc<S>,
            ) -> impl Future<Output = Result<Response, BoxError>> + Send + 'static {
                let mut given = Some((request, state));
                async move {
                    // It is given until the arguments are made.
                    let Some((request, state)) = &given else {
                        return Ok(Response::empty());
                    };
                    $(let $argument = $argument::from_request(request, state).await.map_err(Into::into)?;)*
                    // The function may run long: what it did not ask for is given back first.
                    given = None;
                    self($($argument,)*).await.into_response()
                }
            }

            fn options(&self) -> RouteOptions {
                let arguments: Option<ArgsInfo> = None;
                $(let arguments = ArgsInfo::and(arguments, <$argument as FromRequest<S>>::arguments());)*
                RouteOptions {
                    arguments: arguments.map(Arc::new),
                    ..RouteOptions::default()
                }
            }
        }
    };
}

handler!();
handler!(T1);
handler!(T1, T2);
handler!(T1, T2, T3);
handler!(T1, T2, T3, T4);
handler!(T1, T2, T3, T4, T5);
handler!(T1, T2, T3, T4, T5, T6);
handler!(T1, T2, T3, T4, T5, T6, T7);
handler!(T1, T2, T3, T4, T5, T6, T7, T8);
