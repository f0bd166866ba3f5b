//! The program's own state, shared by its handlers.

use std::convert::Infallible;

use super::FromRequest;
use crate::request::Request;

/// The state that [`Router::with_state`](crate::Router::with_state) was given, or a part of it.
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use rocketbotte::{Router, extract::State};
///
/// async fn count(State(visits): State<Arc<AtomicU64>>) -> String {
///     format!("visit {}", visits.fetch_add(1, Ordering::Relaxed) + 1)
/// }
///
/// let router: Router = Router::new().command("count", count).with_state(Arc::new(AtomicU64::new(0)));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State<T>(pub T);

/// A part of the state: lets handlers ask for less than the whole.
///
/// ```
/// use rocketbotte::extract::{FromRef, State};
///
/// #[derive(Clone)]
/// struct App { greeting: String }
///
/// impl FromRef<App> for String {
///     fn from_ref(app: &App) -> String { app.greeting.clone() }
/// }
///
/// async fn greet(State(greeting): State<String>) -> String { greeting }
///
/// let app = App { greeting: "hello".to_owned() };
/// let router: rocketbotte::Router = rocketbotte::Router::new().command("greet", greet).with_state(app);
/// ```
pub trait FromRef<T> {
    /// Takes the part out of the whole.
    fn from_ref(state: &T) -> Self;
}

impl<T: Clone> FromRef<T> for T {
    fn from_ref(state: &T) -> Self {
        state.clone()
    }
}

impl<S: Sync, T: FromRef<S>> FromRequest<S> for State<T> {
    type Rejection = Infallible;

    async fn from_request(_request: &Request, state: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(T::from_ref(state)))
    }
}
