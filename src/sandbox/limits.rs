//! The limiters of REST and DDP: fixed windows, as the real ones.

use std::{collections::HashMap, fmt::Display, time::Duration};

use tokio::time::Instant;

/// Keys counted in one window; what comes beyond shares one counter.
const KEYS_MAX: usize = 10_000;

/// One rule: so many calls of a key in a window that all keys share.
#[derive(Debug)]
struct Rule {
    calls: u64,
    window: Duration,
    began: Instant,
    counts: HashMap<String, u64>,
}

impl Rule {
    fn new(calls: u64, window: Duration) -> Self {
        Self {
            calls,
            window,
            began: Instant::now(),
            counts: HashMap::new(),
        }
    }

    /// Counts one call. `Err` has the time until the window ends.
    fn count(&mut self, key: &str) -> Result<(), u64> {
        let elapsed = self.began.elapsed();
        if elapsed >= self.window {
            self.began = Instant::now();
            self.counts.clear();
        }
        let key = if self.counts.len() < KEYS_MAX || self.counts.contains_key(key) {
            key
        } else {
            ""
        };
        let count = self.counts.entry(key.to_owned()).or_default();
        *count += 1;
        if *count <= self.calls {
            Ok(())
        } else {
            Err(self.reset_ms())
        }
    }

    fn reset_ms(&self) -> u64 {
        let left = self.window.saturating_sub(self.began.elapsed()).as_millis();
        u64::try_from(left).unwrap_or(u64::MAX)
    }
}

/// What a REST limiter says about one call.
#[derive(Debug)]
pub(crate) struct RestVerdict {
    pub(crate) limit: u64,
    pub(crate) remaining: u64,
    pub(crate) reset_ms: u64,
    pub(crate) allowed: bool,
}

/// All limiters of a server. Switched off, they count nothing.
#[derive(Debug)]
pub(crate) struct Limits {
    pub(crate) on: bool,
    /// What was refused so far, REST and DDP.
    pub(crate) refused: u64,
    user: Rule,
    connection: Rule,
    user_name: Rule,
    connection_name: Rule,
    user_stream: Rule,
    connection_stream: Rule,
    login: Rule,
    send: Rule,
    rest: HashMap<String, Rule>,
}

impl Limits {
    pub(crate) fn new(on: bool) -> Self {
        let rule = |calls, seconds| Rule::new(calls, Duration::from_secs(seconds));
        Self {
            on,
            refused: 0,
            user: rule(1200, 60),
            connection: rule(600, 60),
            user_name: rule(20, 10),
            connection_name: rule(10, 10),
            user_stream: rule(80, 40),
            connection_stream: rule(40, 40),
            login: rule(5, 10),
            send: rule(5, 1),
            rest: HashMap::new(),
        }
    }

    /// One method call or subscription. `kind` keeps the counters of the two apart. What comes over REST has no connection, but
    /// a name that stands for one.
    pub(crate) fn ddp(
        &mut self,
        connection: impl Display,
        uid: Option<&str>,
        kind: &str,
        name: &str,
    ) -> Result<(), u64> {
        if !self.on {
            return Ok(());
        }
        let by_connection = format!("{connection}/{kind}/{name}");
        let by_user = uid.map(|uid| format!("{uid}/{kind}/{name}"));
        let stream = name.starts_with("stream-");
        let mut verdict = Ok(());
        let mut also = |result: Result<(), u64>| {
            if let Err(reset) = result {
                verdict = Err(verdict.err().unwrap_or(0).max(reset));
            }
        };
        also(self.connection.count(&connection.to_string()));
        if let Some(uid) = uid {
            also(self.user.count(uid));
        }
        if name == "login" {
            also(self.login.count(&by_connection));
        }
        let (per_connection, per_user) = match stream {
            true => (&mut self.connection_stream, &mut self.user_stream),
            false => (&mut self.connection_name, &mut self.user_name),
        };
        // What has a rule of its own is exempt from those by name.
        let named = name != "sendMessage";
        if named {
            also(per_connection.count(&by_connection));
        }
        if let Some(by_user) = by_user.filter(|_| named) {
            also(per_user.count(&by_user));
        }
        self.refused += u64::from(verdict.is_err());
        verdict
    }

    /// Five messages a second for users without `send-many-messages`.
    pub(crate) fn send(&mut self, uid: &str) -> Result<(), u64> {
        if !self.on {
            return Ok(());
        }
        let verdict = self.send.count(uid);
        self.refused += u64::from(verdict.is_err());
        verdict
    }

    /// One REST call. `address` is who a believed proxy says that it comes from: empty for the one that all others share.
    pub(crate) fn rest(
        &mut self,
        endpoint: &str,
        verb: &str,
        address: &str,
        version: (u32, u32),
    ) -> Option<RestVerdict> {
        if !self.on {
            return None;
        }
        // These count as methods do.
        if matches!(endpoint, "method.call" | "method.callAnon") {
            return None;
        }
        let (calls, seconds) = match endpoint {
            "users.setStatus" if version >= (8, 0) => (5, 60),
            "chat.sendMessage" if version >= (8, 8) => (5, 1),
            _ => (10, 60),
        };
        let rule = self
            .rest
            .entry(format!("{verb} {endpoint}"))
            .or_insert_with(|| Rule::new(calls, Duration::from_secs(seconds)));
        let allowed = rule.count(address).is_ok();
        self.refused += u64::from(!allowed);
        let counted = rule.counts.get(address).or_else(|| rule.counts.get(""));
        let used = counted.copied().unwrap_or(0);
        Some(RestVerdict {
            limit: rule.calls,
            remaining: rule.calls.saturating_sub(used),
            reset_ms: rule.reset_ms(),
            allowed,
        })
    }

    pub(crate) fn forget_connection(&mut self, id: u64) {
        let prefix = format!("{id}/");
        for rule in [
            &mut self.connection_name,
            &mut self.connection_stream,
            &mut self.login,
        ] {
            rule.counts.retain(|key, _| !key.starts_with(&prefix));
        }
        self.connection.counts.remove(&id.to_string());
    }
}
