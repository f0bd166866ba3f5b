//! The address of a server: parsed once, from it come the REST and websocket URIs.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};

/// The address of a Rocket.Chat server, such as `https://chat.example.org` or `https://example.org/chat`.
///
/// The scheme is required: `https` or `http`. A path is kept, for servers that live below one. What a browser shows
/// behind that (`/home`, `/api/v1`, `/channel/general`) is cut off, so an address can be copied
/// from there.
///
/// ```
/// use rocketbotte::ServerUrl;
///
/// let url: ServerUrl = "https://example.org:8443/chat/".parse()?;
/// assert_eq!(url.to_string(), "https://example.org:8443/chat");
///
/// let error = "chat.example.org".parse::<ServerUrl>().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "the server address \"chat.example.org\" has no scheme; write https://chat.example.org",
/// );
/// # Ok::<(), rocketbotte::ServerUrlError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ServerUrl {
    tls: bool,
    authority: Authority,
    /// Empty, or `/` and segments without a slash at the end.
    subpath: Box<str>,
}

impl ServerUrl {
    /// Whether the scheme is `https`.
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// Host and port, as written in the address.
    pub fn authority(&self) -> &str {
        self.authority.as_str()
    }

    /// The host alone.
    pub fn host(&self) -> &str {
        self.authority.host()
    }

    /// The path that the server lives below: empty, or it begins with `/` and ends without one.
    pub fn subpath(&self) -> &str {
        &self.subpath
    }

    /// `{subpath}/{path}` with `query` percent-encoded behind it. `path` is one of our own constants or was
    /// checked by [`is_plain_path`].
    pub(crate) fn rest_uri(&self, path: &str, query: &[(&str, &str)]) -> Result<Uri, http::Error> {
        let mut target = String::with_capacity(self.subpath.len() + path.len() + 1);
        target.push_str(&self.subpath);
        target.push('/');
        target.push_str(path.trim_start_matches('/'));
        for (i, (name, value)) in query.iter().enumerate() {
            target.push(if i == 0 { '?' } else { '&' });
            push_encoded(&mut target, name);
            target.push('=');
            push_encoded(&mut target, value);
        }
        let scheme = if self.tls { Scheme::HTTPS } else { Scheme::HTTP };
        Uri::builder()
            .scheme(scheme)
            .authority(self.authority.clone())
            .path_and_query(target)
            .build()
    }

    /// The realtime endpoint with the scheme `http` or `https`, for the connector. It is exactly
    /// `{subpath}/websocket`: a query or a slash at the end makes some servers speak another framing.
    pub(crate) fn websocket_uri(&self) -> Result<Uri, http::Error> {
        self.rest_uri("websocket", &[])
    }

    /// The same with the scheme `ws` or `wss`, for the handshake.
    pub(crate) fn websocket_request_uri(&self) -> Result<Uri, http::Error> {
        let mut parts = self.websocket_uri()?.into_parts();
        parts.scheme = Some(Scheme::try_from(if self.tls { "wss" } else { "ws" })?);
        Ok(Uri::from_parts(parts)?)
    }

    /// Whether `uri` has our scheme, host and port: only there do credentials go.
    pub(crate) fn is_origin_of(&self, uri: &Uri) -> bool {
        let scheme = if self.tls { &Scheme::HTTPS } else { &Scheme::HTTP };
        uri.scheme() == Some(scheme) && uri.authority() == Some(&self.authority)
    }
}

impl FromStr for ServerUrl {
    type Err = ServerUrlError;

    fn from_str(input: &str) -> Result<Self, Self::Err> {
        let text = input.trim();
        if text.is_empty() {
            return Err(ServerUrlError::new(
                "",
                "is empty; write one such as https://chat.example.org",
            ));
        }
        let fail = |what: String| Err(ServerUrlError::new(text, what));
        // An address with credentials must not be repeated in a message.
        if text.split(['/', '?', '#']).any(|part| part.contains('@')) {
            return Err(ServerUrlError::new(
                "",
                "contains a user name or password; remove everything up to the @",
            ));
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            let rest = text.trim_start_matches('/');
            return fail(format!("has no scheme; write https://{rest}"));
        };
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            "wss" => return fail(format!("has the scheme wss; write https://{rest}")),
            "ws" => return fail(format!("has the scheme ws; write http://{rest}")),
            other => return fail(format!("has the scheme {other}; write https://{rest}")),
        };
        if let Some(at) = rest.find(['?', '#']) {
            let what = if rest.as_bytes()[at] == b'?' {
                "a query"
            } else {
                "a fragment"
            };
            return fail(format!("has {what}; write {scheme}://{}", &rest[..at]));
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let Ok(authority) = authority.parse::<Authority>() else {
            return fail("has no valid host; write one such as https://chat.example.org".to_owned());
        };
        if authority.host().is_empty() || authority.as_str().ends_with(':') {
            return fail("has no valid host and port; write one such as https://chat.example.org".to_owned());
        }
        let port = authority.as_str()[authority.host().len()..].trim_start_matches(':');
        if !port.is_empty() && authority.port_u16().is_none_or(|port| port == 0) {
            return fail(format!("has the port {port}; write a number from 1 to 65535"));
        }
        let subpath = subpath(path);
        if !is_plain_path(&subpath) || subpath.parse::<PathAndQuery>().is_err() && !subpath.is_empty() {
            return fail("has a path with unusual characters; percent-encode them".to_owned());
        }
        Ok(Self {
            tls,
            authority,
            subpath: subpath.into(),
        })
    }
}

/// The path without what belongs to the web client or to the API.
fn subpath(path: &str) -> String {
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let is_tail = |i: usize| {
        let rest = segments.len() - i - 1;
        match segments[i] {
            "home" | "login" | "websocket" => rest == 0,
            "api" => rest == 0 || segments[i + 1] == "v1" && rest == 1,
            // A room's address, as it is copied from a browser. A server may live below `/live`.
            "channel" | "group" | "direct" => rest >= 1,
            "live" => i >= 1 && rest >= 1,
            _ => false,
        }
    };
    let end = (0..segments.len())
        .find(|&i| is_tail(i))
        .unwrap_or(segments.len());
    segments[..end].iter().fold(String::new(), |mut out, segment| {
        out.push('/');
        out.push_str(segment);
        out
    })
}

/// Whether `path` goes into a URL as it is: no query, no fragment, no dot segments, no control characters.
pub(crate) fn is_plain_path(path: &str) -> bool {
    path.bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"-._~/%!$&'()*+,;=:@".contains(&b))
        && !path.split('/').any(|segment| segment == "." || segment == "..")
}

/// Appends `text` percent-encoded: only the unreserved characters of RFC 3986 stay as they are.
pub(crate) fn push_encoded(out: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a `String` cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority, self.subpath)
    }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerUrl({self})")
    }
}

/// A server address that cannot be used. Its text is one sentence that names the address and says what to write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the server address {}{what}", Quoted(value))]
pub struct ServerUrlError {
    value: Box<str>,
    what: Box<str>,
}

impl ServerUrlError {
    fn new(value: &str, what: impl Into<Box<str>>) -> Self {
        Self {
            value: value.into(),
            what: what.into(),
        }
    }
}

struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            Ok(())
        } else {
            write!(f, "{:?} ", self.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> ServerUrl {
        text.parse().expect("a good address")
    }

    fn message(text: &str) -> String {
        text.parse::<ServerUrl>().expect_err("a bad address").to_string()
    }

    #[test]
    fn subpath_is_kept_and_tails_are_cut() {
        for (input, shown) in [
            ("https://chat.example.org", "https://chat.example.org"),
            ("https://chat.example.org/", "https://chat.example.org"),
            (" HTTP://localhost:3000// ", "http://localhost:3000"),
            ("https://example.org/chat/", "https://example.org/chat"),
            ("https://example.org/chat/home", "https://example.org/chat"),
            ("https://example.org/chat/api/v1/", "https://example.org/chat"),
            (
                "https://example.org/chat/channel/general",
                "https://example.org/chat",
            ),
            (
                "https://example.org/chat/channel/general/thread/x",
                "https://example.org/chat",
            ),
            ("https://example.org/live/chat", "https://example.org/live/chat"),
            ("https://example.org/channel/general", "https://example.org"),
            ("https://example.org/websocket", "https://example.org"),
            ("http://[::1]:3000/a/b", "http://[::1]:3000/a/b"),
        ] {
            assert_eq!(parse(input).to_string(), shown, "{input}");
        }
    }

    #[test]
    fn bad_addresses_say_what_to_write() {
        for (input, part) in [
            ("chat.example.org", "write https://chat.example.org"),
            ("localhost:3000", "write https://localhost:3000"),
            (
                "wss://chat.example.org/websocket",
                "write https://chat.example.org/websocket",
            ),
            ("ws://localhost", "write http://localhost"),
            ("ftp://example.org", "has the scheme ftp"),
            (
                "https://example.org/?x=1",
                "has a query; write https://example.org/",
            ),
            ("https://example.org/#top", "has a fragment"),
            ("https://", "no valid host"),
            ("https://exa mple.org", "no valid host"),
            ("https://example.org:99999", "has the port 99999"),
            ("https://example.org:0", "has the port 0"),
            ("https://example.org/a b", "unusual characters"),
            ("https://example.org/../x", "unusual characters"),
            ("", "is empty"),
        ] {
            assert!(message(input).contains(part), "{input}: {}", message(input));
        }
    }

    #[test]
    fn a_password_in_the_address_is_not_repeated() {
        assert!(!message("https://bot:hunter2@example.org").contains("hunter2"));
        assert!(!message("bot:hunter2@example.org").contains("hunter2"));
    }

    #[test]
    fn uris() {
        let url = parse("https://example.org/chat");
        assert_eq!(
            url.websocket_uri().expect("valid").to_string(),
            "https://example.org/chat/websocket"
        );
        assert_eq!(
            url.websocket_request_uri().expect("valid").to_string(),
            "wss://example.org/chat/websocket"
        );
        let uri = url
            .rest_uri("/api/v1/rooms.info", &[("roomName", "a&b=../c d\r\n#é")])
            .expect("valid");
        assert_eq!(
            uri.to_string(),
            "https://example.org/chat/api/v1/rooms.info?roomName=a%26b%3D..%2Fc%20d%0D%0A%23%C3%A9"
        );
        assert!(url.is_origin_of(&uri));
        assert!(!url.is_origin_of(&Uri::from_static("https://evil.org/chat")));
        assert!(!url.is_origin_of(&Uri::from_static("http://example.org/chat")));
    }

    proptest! {
        #[test]
        fn any_text_parses_or_fails(text in ".*") {
            if let Ok(url) = text.parse::<ServerUrl>() {
                prop_assert_eq!(&url.to_string().parse::<ServerUrl>().expect("shown form parses"), &url);
                prop_assert!(url.websocket_uri().is_ok());
            }
        }

        #[test]
        fn any_value_stays_in_its_parameter(value in ".*") {
            let uri = parse("http://localhost").rest_uri("x", &[("q", &value)]).expect("valid");
            prop_assert_eq!(uri.path(), "/x");
            prop_assert_eq!(uri.query().map(|q| q.matches(['&', '=']).count()), Some(1));
        }
    }
}
