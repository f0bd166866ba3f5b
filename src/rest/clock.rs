//! The server's clock, as its answers tell it. Never this machine's: the two may be years apart.

use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderMap, header};
use tokio::time::Instant;

use super::limit::http_date;
use crate::event::Timestamp;

/// What the server's clock says at least. Clones share what they learn.
#[derive(Clone, Debug, Default)]
pub(crate) struct ServerClock(Arc<Mutex<Option<(Timestamp, Instant)>>>);

impl ServerClock {
    /// Reads the `Date` of an answer. It is cut to seconds and was written before the answer came, so it is never
    /// ahead of the server's clock.
    pub(crate) fn learn(&self, headers: &HeaderMap, now: Instant) {
        let date = headers
            .get(header::DATE)
            .and_then(|value| value.to_str().ok())
            .and_then(http_date)
            .and_then(|millis| i64::try_from(millis).ok());
        if let Some(millis) = date {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) =
                Some((Timestamp::from_millis(millis), now));
        }
    }

    /// What it said at least at `at`; `None` while nothing is known.
    pub(crate) fn at(&self, at: Instant) -> Option<Timestamp> {
        let (date, read_at) = (*self.0.lock().unwrap_or_else(PoisonError::into_inner))?;
        Some(match at.checked_duration_since(read_at) {
            Some(since) => date.saturating_add(since),
            None => date.saturating_sub(read_at.duration_since(at)),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn it_goes_on_from_the_last_answer() {
        let clock = ServerClock::default();
        let now = Instant::now();
        assert_eq!(clock.at(now), None);
        let mut headers = HeaderMap::new();
        headers.insert(header::DATE, "Sun, 22 Nov 2026 08:00:00 GMT".parse().unwrap());
        clock.learn(&headers, now);
        let date = Timestamp::from_millis(1_795_334_400_000);
        assert_eq!(clock.at(now), Some(date));
        let second = Duration::from_secs(1);
        assert_eq!(clock.at(now + second), Some(date.saturating_add(second)));
        assert_eq!(clock.at(now - second), Some(date.saturating_sub(second)));
    }
}
