//! Names what keeps a function from being a handler.
//!
//! The bound `Handler<_, _>` fails as a whole and names no cause. A call that fixes the number of arguments has a
//! bound for each argument, the output and the future, and the compiler points at the one that does not hold.

use std::future::Future;

use crate::extract::FromRequest;
use crate::response::IntoResponse;

/// Gives back a function that is to be a handler, after a check that names what keeps it from being one: an argument
/// that is no extractor, an output that is no response, a future that is not `Send`.
///
/// Write an underscore for each argument, and the router's state if it has one.
///
/// ```
/// use rocketbotte::extract::{Args, Author, State};
/// use rocketbotte::{Router, debug_handler};
///
/// async fn greet(author: Author, Args(text): Args<String>) -> String { format!("{}: {text}", author.mention()) }
/// async fn count(State(visits): State<u32>) -> String { visits.to_string() }
///
/// let router: Router = Router::new()
///     .command("greet", debug_handler!(greet(_, _)))
///     .command("count", debug_handler!(count(_), state = u32))
///     .with_state(7);
/// ```
///
/// ```compile_fail
/// async fn wrong(number: i32) {}
/// rocketbotte::debug_handler!(wrong(_)); // error: `i32` is not an extractor
/// ```
#[macro_export]
macro_rules! debug_handler {
    ($handler:ident ($($argument:tt),*)) => {
        $crate::debug_handler!($handler($($argument),*), state = ())
    };
    ($handler:ident (), state = $state:ty) => { $crate::handler::check0::<$state, _, _>($handler) };
    ($handler:ident (_), state = $state:ty) => { $crate::handler::check1::<$state, _, _, _>($handler) };
    ($handler:ident (_, _), state = $state:ty) => { $crate::handler::check2::<$state, _, _, _, _>($handler) };
    ($handler:ident (_, _, _), state = $state:ty) => {
        $crate::handler::check3::<$state, _, _, _, _, _>($handler)
    };
    ($handler:ident (_, _, _, _), state = $state:ty) => {
        $crate::handler::check4::<$state, _, _, _, _, _, _>($handler)
    };
    ($handler:ident (_, _, _, _, _), state = $state:ty) => {
        $crate::handler::check5::<$state, _, _, _, _, _, _, _>($handler)
    };
    ($handler:ident (_, _, _, _, _, _), state = $state:ty) => {
        $crate::handler::check6::<$state, _, _, _, _, _, _, _, _>($handler)
    };
    ($handler:ident (_, _, _, _, _, _, _), state = $state:ty) => {
        $crate::handler::check7::<$state, _, _, _, _, _, _, _, _, _>($handler)
    };
    ($handler:ident (_, _, _, _, _, _, _, _), state = $state:ty) => {
        $crate::handler::check8::<$state, _, _, _, _, _, _, _, _, _, _>($handler)
    };
    ($handler:ident (_, _, _, _, _, _, _, _, $($more:tt),+), state = $state:ty) => {
        ::core::compile_error!("a handler takes up to eight arguments: join some in an extractor of your own")
    };
    ($($other:tt)*) => {
        ::core::compile_error!("write `debug_handler!(name(_, _))`: the function's name, and `_` for each argument")
    };
}

macro_rules! check {
    ($name:ident $(, $argument:ident)*) => {
        #[doc(hidden)]
        pub fn $name<S, F, Fut, $($argument,)*>(handler: F) -> F
        where
            F: FnOnce($($argument,)*) -> Fut + Clone + Send + Sync + 'static,
            Fut: Future + Send + 'static,
            Fut::Output: IntoResponse,
            $($argument: FromRequest<S> + Send + 'static,)*
        {
            handler
        }
    };
}

check!(check0);
check!(check1, T1);
check!(check2, T1, T2);
check!(check3, T1, T2, T3);
check!(check4, T1, T2, T3, T4);
check!(check5, T1, T2, T3, T4, T5);
check!(check6, T1, T2, T3, T4, T5, T6);
check!(check7, T1, T2, T3, T4, T5, T6, T7);
check!(check8, T1, T2, T3, T4, T5, T6, T7, T8);
