//! The second factor of an account: who is asked for its code.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tower::BoxError;

use super::error::{RestError, RestErrorKind};
use crate::secret::Secret;

/// How many codes are tried for one login or call. Servers block an account that tries more.
pub(super) const MAX_CODES: u32 = 3;

/// A code by email is valid for about as long.
const CODE_TIMEOUT: Duration = Duration::from_secs(10 * 60);

/// A code by time is another one after this.
const TIME_STEP: Duration = Duration::from_secs(30);

/// By which way an account proves a second time who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TwoFactorMethod {
    /// A code by time, of an app or of a secret that the program has.
    Totp,
    /// A code that the server has sent by email.
    Email,
    /// The password, once more.
    Password,
    /// Another one, which the server calls so.
    Other(String),
}

impl TwoFactorMethod {
    fn of(name: &str) -> Self {
        match name {
            "totp" => Self::Totp,
            "email" => Self::Email,
            "password" => Self::Password,
            other => Self::Other(crate::excerpt::excerpt(other, 40)),
        }
    }

    /// What the server calls it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Totp => "totp",
            Self::Email => "email",
            Self::Password => "password",
            Self::Other(name) => name,
        }
    }

    /// The method that the details of a refusal name.
    pub(super) fn in_details(details: Option<&Value>) -> Self {
        let method = details.and_then(|details| details.get("method"));
        method.and_then(Value::as_str).map_or(Self::Totp, Self::of)
    }
}

/// What the server asks for, beside the password or the token.
#[derive(Debug, Clone)]
pub struct TwoFactorRequest {
    method: TwoFactorMethod,
    attempt: u32,
}

impl TwoFactorRequest {
    /// By which way.
    pub fn method(&self) -> &TwoFactorMethod {
        &self.method
    }

    /// Which attempt this is: 1, and more where the server did not take the code before.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }
}

type Asking = Pin<Box<dyn Future<Output = Result<Secret, BoxError>> + Send>>;

/// Who is asked for a code.
#[derive(Clone)]
pub(crate) struct TwoFactor(Arc<dyn Fn(TwoFactorRequest) -> Asking + Send + Sync>);

impl TwoFactor {
    pub(crate) fn new<F, Fut, C, E>(ask: F) -> Self
    where
        F: Fn(TwoFactorRequest) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<C, E>> + Send + 'static,
        C: Into<Secret>,
        E: Into<BoxError>,
    {
        Self(Arc::new(move |request| {
            let asking = ask(request);
            Box::pin(async move { asking.await.map(Into::into).map_err(Into::into) })
        }))
    }

    /// A code, and not the one that was refused: who makes them of the time is asked again a little later.
    pub(super) async fn ask(
        &self,
        method: &TwoFactorMethod,
        attempt: u32,
        refused: Option<&Secret>,
    ) -> Result<Secret, BoxError> {
        let once = || {
            let request = TwoFactorRequest {
                method: method.clone(),
                attempt,
            };
            tokio::time::timeout(CODE_TIMEOUT, self.0(request))
        };
        let code = trimmed(once().await.map_err(|_| "there was none within ten minutes")??);
        if Some(&code) != refused {
            return Ok(code);
        }
        tokio::time::sleep(TIME_STEP).await;
        Ok(trimmed(
            once().await.map_err(|_| "there was none within ten minutes")??,
        ))
    }
}

/// People copy blanks along.
fn trimmed(code: Secret) -> Secret {
    match code.expose().trim() {
        text if text.len() == code.expose().len() => code,
        text => Secret::new(text),
    }
}

impl fmt::Debug for TwoFactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TwoFactor").finish_non_exhaustive()
    }
}

/// Nobody had a code.
pub(super) fn no_code(call: &str, error: BoxError) -> RestError {
    let message = format!("there is no code for the second factor: {error}");
    RestError::new(RestErrorKind::TwoFactorRequired, call, message).with_source(error)
}

/// The headers `x-2fa-method` and `x-2fa-code`.
pub(super) fn headers(method: &TwoFactorMethod, code: &Secret) -> Option<(HeaderValue, HeaderValue)> {
    let mut code = match method {
        TwoFactorMethod::Password => HeaderValue::from_str(&sha256_hex(code.expose())),
        _ => HeaderValue::from_str(code.expose()),
    }
    .ok()?;
    code.set_sensitive(true);
    Some((HeaderValue::from_str(method.as_str()).ok()?, code))
}

fn sha256_hex(text: &str) -> String {
    Sha256::digest(text.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_code_that_was_refused_is_not_tried_again_at_once() {
        let start = tokio::time::Instant::now();
        let by_time = TwoFactor::new(move |_| async move {
            Ok::<_, BoxError>(format!(" {}\n", start.elapsed().as_secs() / 30))
        });
        let first = by_time.ask(&TwoFactorMethod::Totp, 1, None).await.unwrap();
        assert_eq!((first.expose(), start.elapsed().as_secs()), ("0", 0));
        let next = by_time
            .ask(&TwoFactorMethod::Totp, 2, Some(&first))
            .await
            .unwrap();
        assert_eq!((next.expose(), start.elapsed().as_secs()), ("1", 30));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_waited_for_without_end() {
        let asked = Arc::new(AtomicU32::new(0));
        let counts = Arc::clone(&asked);
        let nobody = TwoFactor::new(move |_| {
            counts.fetch_add(1, Ordering::Relaxed);
            std::future::pending::<Result<String, BoxError>>()
        });
        assert!(nobody.ask(&TwoFactorMethod::Email, 1, None).await.is_err());
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_password_is_sent_as_its_digest() {
        let (method, code) = headers(&TwoFactorMethod::Password, &"abc".into()).unwrap();
        assert_eq!(method, "password");
        assert_eq!(
            code,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert!(!format!("{code:?}").contains("ba78"));
    }
}
