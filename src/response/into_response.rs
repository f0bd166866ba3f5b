//! What a handler may return.

use std::borrow::Cow;

use tower::BoxError;

use super::{
    Action, Delete, Edit, FollowThread, MarkRead, Pin, React, Response, Send, SetStatus, UnfollowThread,
    Unpin, Upload,
};
use crate::Rejection;

/// Turns what a handler returns into a [`Response`].
///
/// Text is a reply to the room (or thread) where the event happened; `None` and `()` are no reply; a `Vec` is several;
/// an `Err` is a failure, and a [`Rejection`] in it a reply to the author.
///
/// ```
/// use rocketbotte::response::IntoResponse;
///
/// let response = Some("world").into_response()?;
/// assert_eq!(response.texts().next(), Some("world"));
/// # Ok::<_, rocketbotte::BoxError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` can not be returned from a handler",
    label = "this is no response",
    note = "return text, an action, `()`, an `Option`, a `Vec` or a `Result` of these, or a `Response`"
)]
pub trait IntoResponse {
    /// The response.
    ///
    /// # Errors
    ///
    /// What a `Result` holds.
    fn into_response(self) -> Result<Response, BoxError>;
}

impl IntoResponse for () {
    fn into_response(self) -> Result<Response, BoxError> {
        Ok(Response::empty())
    }
}

impl IntoResponse for Response {
    fn into_response(self) -> Result<Response, BoxError> {
        Ok(self)
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Result<Response, BoxError> {
        Err(self.into())
    }
}

impl IntoResponse for std::convert::Infallible {
    fn into_response(self) -> Result<Response, BoxError> {
        match self {}
    }
}

macro_rules! text {
    ($($type:ty),*) => {$(
        impl IntoResponse for $type {
            fn into_response(self) -> Result<Response, BoxError> {
                Ok(Response::from(Action::from(Send::text(self))))
            }
        }
    )*};
}

text!(&'static str, String, Cow<'static, str>);

impl IntoResponse for Box<str> {
    fn into_response(self) -> Result<Response, BoxError> {
        String::from(self).into_response()
    }
}

macro_rules! action {
    ($($type:ty),*) => {$(
        impl IntoResponse for $type {
            fn into_response(self) -> Result<Response, BoxError> {
                Ok(Response::from(Action::from(self)))
            }
        }
    )*};
}

action!(
    Action,
    Send,
    Edit,
    Delete,
    React,
    Pin,
    Unpin,
    FollowThread,
    UnfollowThread,
    MarkRead,
    SetStatus,
    Upload
);

impl<T: IntoResponse> IntoResponse for Option<T> {
    fn into_response(self) -> Result<Response, BoxError> {
        self.map_or_else(|| Ok(Response::empty()), T::into_response)
    }
}

impl<T: IntoResponse> IntoResponse for Vec<T> {
    fn into_response(self) -> Result<Response, BoxError> {
        let mut response = Response::empty();
        for part in self {
            response.append(&mut part.into_response()?);
        }
        Ok(response)
    }
}

impl<T: IntoResponse, E: Into<BoxError> + 'static> IntoResponse for Result<T, E> {
    fn into_response(self) -> Result<Response, BoxError> {
        match self {
            Ok(value) => value.into_response(),
            Err(error) => Err(into_box_error(error)),
        }
    }
}

#[cfg(not(feature = "anyhow"))]
fn into_box_error<E: Into<BoxError> + 'static>(error: E) -> BoxError {
    error.into()
}

/// `anyhow`'s own conversion hides the error inside from `downcast_ref`; this one keeps a `Rejection` findable.
#[cfg(feature = "anyhow")]
fn into_box_error<E: Into<BoxError> + 'static>(error: E) -> BoxError {
    let mut error = Some(error);
    let slot: &mut dyn std::any::Any = &mut error;
    if let Some(rejection) = slot
        .downcast_ref::<Option<anyhow::Error>>()
        .and_then(Option::as_ref)
        .and_then(find_in_anyhow)
    {
        return rejection.clone().into();
    }
    match error {
        Some(error) => error.into(),
        // `error` was just set, and only borrowed since.
        None => BoxError::from("no error"),
    }
}

#[cfg(feature = "anyhow")]
fn find_in_anyhow(error: &anyhow::Error) -> Option<&Rejection> {
    error
        .downcast_ref::<Rejection>()
        .or_else(|| error.chain().find_map(|cause| cause.downcast_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(value: impl IntoResponse) -> Vec<String> {
        value
            .into_response()
            .unwrap()
            .texts()
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn what_a_handler_returns_becomes_actions() {
        assert_eq!(texts("a"), ["a"]);
        assert_eq!(texts(String::from("a")), ["a"]);
        assert_eq!(texts(Some(Cow::Borrowed("a"))), ["a"]);
        assert_eq!(texts(vec!["a", "b"]), ["a", "b"]);
        assert_eq!(texts(Ok::<_, BoxError>("a")), ["a"]);
        assert_eq!(texts(Send::text("a")), ["a"]);
        assert!(().into_response().unwrap().is_empty());
        assert!(None::<&str>.into_response().unwrap().is_empty());
    }

    #[test]
    fn a_rejection_stays_findable() {
        let error = Err::<(), _>(Rejection::new("no")).into_response().unwrap_err();
        assert_eq!(Rejection::find(&error).unwrap().text(), "no");
    }

    #[cfg(feature = "anyhow")]
    #[test]
    fn a_rejection_inside_anyhow_is_found() {
        use anyhow::Context as _;

        let plain: anyhow::Result<()> = Err(Rejection::new("no").into());
        let with_context = Err::<(), _>(Rejection::new("no")).context("while deploying");
        for result in [plain, with_context] {
            let error = result.into_response().unwrap_err();
            assert_eq!(Rejection::find(&error).unwrap().text(), "no");
        }
        let other = Err::<(), _>(std::io::Error::other("disk"))
            .context("saving")
            .into_response()
            .unwrap_err();
        assert!(other.to_string().contains("saving"));
    }
}
