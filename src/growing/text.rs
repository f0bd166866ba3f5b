//! What the items of a stream may be.

use std::borrow::Cow;
use std::sync::Arc;

use tower::BoxError;

/// A piece of text, or a failure to get one: what a stream that is written as a reply consists of.
pub trait IntoText {
    /// The text.
    ///
    /// # Errors
    ///
    /// There is none, and no more will come.
    fn into_text(self) -> Result<String, BoxError>;
}

impl<T: IntoText, E: Into<BoxError>> IntoText for Result<T, E> {
    fn into_text(self) -> Result<String, BoxError> {
        self.map_err(Into::into)?.into_text()
    }
}

macro_rules! into_text {
    ($($type:ty),*) => {$(
        impl IntoText for $type {
            fn into_text(self) -> Result<String, BoxError> {
                Ok(String::from(&*self))
            }
        }
    )*};
}

into_text!(&str, Cow<'_, str>, Arc<str>, Box<str>);

impl IntoText for String {
    fn into_text(self) -> Result<String, BoxError> {
        Ok(self)
    }
}
