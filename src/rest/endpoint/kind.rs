//! Calls that are at another path for each kind of room.

/// Marks a call as that for public channels: `channels.…`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {}

/// Marks a call as that for private groups: `groups.…`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Private {}

/// Marks a call as that for direct conversations: `im.…`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direct {}

/// `Name<Kind>: METHOD "path", again or once, Reply;`, with the first version that has it behind the path.
macro_rules! endpoints {
    ($($endpoint:ty: $method:ident $path:literal $(since $major:literal $minor:literal)?, $again:ident, $reply:ty;)*) => {$(
        impl $crate::rest::Endpoint for $endpoint {
            const METHOD: http::Method = http::Method::$method;
            const PATH: &'static str = $path;
            const IDEMPOTENT: bool = $crate::rest::endpoint::kind::endpoints!(@ $again);
            $(const SINCE: Option<$crate::rest::Version> = Some($crate::rest::Version::new($major, $minor));)?
            type Reply = $reply;
        }
    )*};
    (@ again) => { true };
    (@ once) => { false };
}

pub(super) use endpoints;
