//! How long a server wants us to wait after "too many requests". Pure.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, header};

/// When the server does not say.
const DEFAULT: Duration = Duration::from_secs(60);
/// Nothing is waited for longer than this.
const MAX: Duration = Duration::from_secs(120);

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

/// `X-RateLimit-Reset` is the time in milliseconds since 1970 on the server's clock; small values are seconds.
fn from_reset(headers: &HeaderMap) -> Option<Duration> {
    let reset = headers
        .get("x-ratelimit-reset")?
        .to_str()
        .ok()?
        .trim()
        .parse::<u64>()
        .ok()?;
    let reset = if reset < 100_000_000_000 {
        reset.saturating_mul(1000)
    } else {
        reset
    };
    until(headers, reset)
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

fn contains(text: &[u8], part: &[u8]) -> bool {
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
        // Without the server's clock the time of the reset says nothing.
        assert_eq!(wait(&[reset], text), 37);
        assert_eq!(wait(&[], text), 37);
        assert_eq!(wait(&[], "<html>"), 60);
        assert_eq!(wait(&[("retry-after", "99999999999")], ""), 120);
        assert_eq!(wait(&[("retry-after", "soon")], ""), 60);
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
