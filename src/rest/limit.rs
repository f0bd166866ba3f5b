//! What an answer says about the server's limits: what is left, and how long to wait after "too many requests". Pure.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, header};

/// When the server does not say.
pub(crate) const DEFAULT: Duration = Duration::from_secs(60);
/// No window is waited for longer than this.
pub(crate) const MAX: Duration = Duration::from_secs(120);

/// Whether the response is a refusal because of too many requests.
pub(crate) fn is_limited(response: &Response<Bytes>) -> bool {
    response.status() == StatusCode::TOO_MANY_REQUESTS
        || response.status() == StatusCode::BAD_REQUEST
            && contains(response.body(), b"[error-too-many-requests]")
}

/// The time to wait. In this order: `Retry-After` (a proxy's), `X-RateLimit-Reset` compared with the response's own `Date`
/// (never with our clock), the seconds in the text, a minute.
pub(crate) fn retry_after(response: &Response<Bytes>) -> Duration {
    from_retry_after(response.headers())
        .or_else(|| from_reset(response.headers()))
        .or_else(|| from_text(response.body()))
        .unwrap_or(DEFAULT)
        .min(MAX)
}

/// `Retry-After` in seconds, or as a date.
pub(crate) fn from_retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    match value.parse::<u64>() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => until(headers, http_date(value)?),
    }
}

/// What the server says about the window in which it counted a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    /// How many calls pass in one.
    pub(crate) limit: u32,
    /// How many more pass in this one.
    pub(crate) remaining: u32,
    /// When it ends, in milliseconds since 1970 on the server's clock.
    pub(crate) reset: u64,
    /// How long that is from now, where the answer tells the server's time. Not shorter than it is, and up to a second
    /// longer: the header `Date` is cut to seconds.
    pub(crate) until: Option<Duration>,
}

/// The window that an answer tells about. Accounts without limits are told of none.
pub(crate) fn window(headers: &HeaderMap) -> Option<Window> {
    let count = |name| u32::try_from(number(headers, name)?).ok();
    let reset = reset(headers)?;
    Some(Window {
        limit: count("x-ratelimit-limit")?,
        remaining: count("x-ratelimit-remaining")?,
        reset,
        until: until(headers, reset),
    })
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

/// `X-RateLimit-Reset` is the time in milliseconds since 1970 on the server's clock; small values are seconds.
fn reset(headers: &HeaderMap) -> Option<u64> {
    let reset = number(headers, "x-ratelimit-reset")?;
    Some(match reset < 100_000_000_000 {
        true => reset.saturating_mul(1000),
        false => reset,
    })
}

/// A reset that is over when the refusal arrives says nothing.
fn from_reset(headers: &HeaderMap) -> Option<Duration> {
    until(headers, reset(headers)?).filter(|wait| !wait.is_zero())
}

fn until(headers: &HeaderMap, millis: u64) -> Option<Duration> {
    let now = http_date(headers.get(header::DATE)?.to_str().ok()?)?;
    Some(Duration::from_millis(millis.saturating_sub(now)))
}

/// "You must wait 37 seconds before trying this endpoint again."
fn from_text(body: &[u8]) -> Option<Duration> {
    let text = std::str::from_utf8(body).ok()?;
    let (_, rest) = text.split_once("wait ")?;
    let (number, rest) = rest.split_once(' ')?;
    if !rest.starts_with("second") {
        return None;
    }
    number.parse().ok().map(Duration::from_secs)
}

/// Whether it says that it is JSON, as the server's own answers do.
pub(crate) fn is_json(response: &Response<Bytes>) -> bool {
    has_type(response, b"application/json")
}

/// Whether it is a web page: a proxy's, or the web client.
pub(crate) fn is_html<B>(response: &Response<B>) -> bool {
    has_type(response, b"text/html")
}

fn has_type<B>(response: &Response<B>, name: &[u8]) -> bool {
    let value = response.headers().get(header::CONTENT_TYPE);
    value.is_some_and(|value| {
        let start = value.as_bytes().get(..name.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(name))
    })
}

pub(crate) fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// Milliseconds since 1970 of a date such as `Sun, 22 Nov 2026 08:00:45 GMT`, the form that servers have to send.
pub(crate) fn http_date(text: &str) -> Option<u64> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let mut parts = text.trim().split_ascii_whitespace();
    let _weekday = parts.next()?;
    let day = parts
        .next()?
        .parse::<u64>()
        .ok()
        .filter(|day| (1..=31).contains(day))?;
    let month = parts.next()?;
    let month = MONTHS.iter().position(|name| *name == month)? as u64 + 1;
    let year = parts
        .next()?
        .parse::<u64>()
        .ok()
        .filter(|year| (1970..=9999).contains(year))?;
    let mut clock = parts
        .next()?
        .split(':')
        .map(|part| part.parse::<u64>().ok().filter(|n| *n <= 60));
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    if parts.next() != Some("GMT") {
        return None;
    }
    // Days since 1970 with years that begin in March, so that leap days come last.
    let (y, m) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1;
    let days = days.checked_sub(719_468)?;
    Some((((days * 24 + hour) * 60 + minute) * 60 + second) * 1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wait(headers: &[(&str, &str)], body: &str) -> u64 {
        let mut response = Response::builder().status(429);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        retry_after(
            &response
                .body(Bytes::copy_from_slice(body.as_bytes()))
                .expect("a response"),
        )
        .as_secs()
    }

    #[test]
    fn sources_in_order() {
        let date = ("date", "Sun, 22 Nov 2026 08:00:45 GMT");
        let reset = ("x-ratelimit-reset", "1795334505026");
        let text = "Error, too many requests. Please slow down. You must wait 37 seconds before trying this endpoint \
                    again. [error-too-many-requests]";
        assert_eq!(wait(&[("retry-after", "5"), date, reset], text), 5);
        assert_eq!(
            wait(&[("retry-after", "Sun, 22 Nov 2026 08:00:55 GMT"), date], ""),
            10
        );
        assert_eq!(wait(&[date, reset], text), 60);
        assert_eq!(
            wait(&[date, ("x-ratelimit-reset", "1795334455")], text),
            10,
            "in seconds"
        );
        // Without the server's clock the time of the reset says nothing, nor does one that is over.
        assert_eq!(wait(&[reset], text), 37);
        assert_eq!(wait(&[date, ("x-ratelimit-reset", "30")], text), 37);
        assert_eq!(wait(&[], text), 37);
        assert_eq!(wait(&[], "<html>"), 60);
        assert_eq!(wait(&[("retry-after", "99999999999")], ""), 120);
        assert_eq!(wait(&[("retry-after", "soon")], ""), 60);
    }

    #[test]
    fn windows() {
        let of = |headers: &[(&'static str, &str)]| {
            let pairs = headers.iter().map(|(name, value)| {
                (
                    http::HeaderName::from_static(name),
                    value.parse::<http::HeaderValue>().expect("a value"),
                )
            });
            window(&pairs.collect())
        };
        let told = [
            ("x-ratelimit-limit", "10"),
            ("x-ratelimit-remaining", "7"),
            ("x-ratelimit-reset", "1795334505026"),
            ("date", "Sun, 22 Nov 2026 08:00:45 GMT"),
        ];
        let expected = Window {
            limit: 10,
            remaining: 7,
            reset: 1_795_334_505_026,
            until: Some(Duration::from_millis(60_026)),
        };
        assert_eq!(of(&told), Some(expected));
        assert_eq!(of(&told[..3]).map(|window| window.until), Some(None));
        for left_out in 0..3 {
            let mut some = told.to_vec();
            some.remove(left_out);
            assert_eq!(of(&some), None);
        }
        assert_eq!(of(&[("x-ratelimit-limit", "-1"), told[1], told[2]]), None);
    }

    #[test]
    fn dates() {
        assert_eq!(http_date("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(
            http_date("Sun, 22 Nov 2026 08:00:45 GMT"),
            Some(1_795_334_445_000)
        );
        assert_eq!(
            http_date("Thu, 29 Feb 2024 23:59:59 GMT"),
            Some(1_709_251_199_000)
        );
        assert_eq!(http_date("22 Nov 2026"), None);
    }

    proptest! {
        #[test]
        fn any_header_gives_a_bounded_wait(value in "[ -~]{0,40}", date in "[ -~]{0,40}", body in ".{0,80}") {
            let seconds = wait(&[("retry-after", &value), ("x-ratelimit-reset", &value), ("date", &date)], &body);
            prop_assert!(seconds <= 120);
        }
    }
}
