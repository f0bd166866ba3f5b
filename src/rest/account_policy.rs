//! What the server refuses for the sake of the account is done again: with another token, or with a code.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;
use tower::BoxError;
use tower::retry::Policy;

use super::auth::SentWith;
use super::body::Body;
use super::call::Meta;
use super::token_source::{NotRenewed, TokenSource};
use super::two_factor::{self, MAX_CODES, TwoFactor, TwoFactorMethod};
use crate::secret::Secret;

/// How often a call waits for another token.
const MAX_RENEWALS: u32 = 3;
/// How long it waits: whoever sends a reply tries again after that.
const PATIENCE: Duration = Duration::from_secs(5 * 60);

/// Which calls are made again with another token, or with the code of a second factor. A page in the server's place says
/// nothing about the account.
#[derive(Debug, Clone)]
pub(crate) struct AccountPolicy {
    tokens: Option<TokenSource>,
    two_factor: Option<TwoFactor>,
    is_in_a_hurry: bool,
    renewals: u32,
    codes: u32,
}

impl AccountPolicy {
    pub(super) fn new(
        tokens: Option<TokenSource>,
        two_factor: Option<TwoFactor>,
        is_in_a_hurry: bool,
    ) -> Self {
        Self {
            tokens,
            two_factor,
            is_in_a_hurry,
            renewals: 0,
            codes: 0,
        }
    }
}

/// The code that a call is made again with.
#[derive(Clone, Default)]
pub(super) struct CodeSlot(Arc<Mutex<Slot>>);

#[derive(Default)]
struct Slot {
    headers: Option<(HeaderValue, HeaderValue)>,
    code: Option<Secret>,
    has_failed: bool,
}

impl CodeSlot {
    fn with<T>(&self, look: impl FnOnce(&mut Slot) -> T) -> T {
        // Nothing that is done under the lock leaves it half done.
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// `x-2fa-method` and `x-2fa-code`.
    pub(super) fn headers(&self) -> Option<(HeaderValue, HeaderValue)> {
        self.with(|slot| slot.headers.clone())
    }
}

/// What a refusal says about the account.
enum Lacks {
    Token,
    Code(TwoFactorMethod),
}

fn lacks(response: &Response<Bytes>) -> Option<Lacks> {
    #[derive(Deserialize)]
    struct Refusal {
        success: Option<Value>,
        status: Option<Value>,
        error: Option<Value>,
        #[serde(rename = "errorType")]
        error_type: Option<Value>,
        details: Option<Value>,
    }
    if !response.status().is_client_error() {
        return None;
    }
    let refusal: Refusal = serde_json::from_slice(response.body()).ok()?;
    let code = [&refusal.error_type, &refusal.error]
        .into_iter()
        .find_map(|code| code.as_ref()?.as_str().filter(|code| code.starts_with("totp-")));
    match code {
        Some("totp-max-attempts") => None,
        Some(_) => Some(Lacks::Code(TwoFactorMethod::in_details(refusal.details.as_ref()))),
        // Gateways have forms of their own.
        None if refusal.success.is_none() && refusal.status.is_none() => None,
        None => (response.status() == StatusCode::UNAUTHORIZED).then_some(Lacks::Token),
    }
}

impl Policy<Request<Body>, Response<Bytes>, BoxError> for AccountPolicy {
    type Future = Preparing;

    fn retry(
        &mut self,
        request: &mut Request<Body>,
        result: &mut Result<Response<Bytes>, BoxError>,
    ) -> Option<Preparing> {
        let response = result.as_ref().ok()?;
        if request.extensions().get::<Meta>()?.anonymous || !request.body().can_be_sent() {
            return None;
        }
        let tokens = self.tokens.as_ref()?;
        match lacks(response)? {
            Lacks::Token if tokens.can_renew() && self.renewals < MAX_RENEWALS => {
                self.renewals += 1;
                let SentWith(refused) = *response.extensions().get::<SentWith>()?;
                let tokens = tokens.clone();
                let until = match self.is_in_a_hurry {
                    true => Instant::now(),
                    false => Instant::now() + PATIENCE,
                };
                // What becomes of it shows the next attempt.
                Some(Preparing(Box::pin(async move {
                    while let Err(NotRenewed::Later(_)) = tokens.renew(refused).await
                        && Instant::now() < until
                        && tokens.can_renew()
                    {}
                })))
            }
            Lacks::Token => None,
            Lacks::Code(method) => {
                let slot = request
                    .extensions_mut()
                    .get_or_insert_default::<CodeSlot>()
                    .clone();
                self.codes += 1;
                if self.codes > MAX_CODES || slot.with(|slot| slot.has_failed) {
                    return None;
                }
                let (attempt, refused) = (self.codes, slot.with(|slot| slot.code.take()));
                if method == TwoFactorMethod::Password
                    && let Some(password) = tokens.password()
                {
                    if refused.is_some() {
                        return None;
                    }
                    slot.with(|slot| {
                        slot.headers = two_factor::headers(&method, password);
                        slot.code = Some(password.clone());
                    });
                    return Some(Preparing(Box::pin(std::future::ready(()))));
                }
                let two_factor = self.two_factor.clone()?;
                Some(Preparing(Box::pin(async move {
                    let asked = two_factor.ask(&method, attempt, refused.as_ref()).await;
                    slot.with(|slot| match asked {
                        Ok(code) => {
                            slot.headers = two_factor::headers(&method, &code);
                            slot.code = Some(code);
                        }
                        Err(error) => {
                            tracing::warn!(%error, "there is no code for the second factor");
                            slot.has_failed = true;
                        }
                    });
                })))
            }
        }
    }

    fn clone_request(&mut self, request: &Request<Body>) -> Option<Request<Body>> {
        Some(request.clone())
    }
}

/// Resolves when the call may be made again. Boxed: it happens once in months.
pub(crate) struct Preparing(Pin<Box<dyn Future<Output = ()> + Send>>);

impl Future for Preparing {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for Preparing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Preparing").finish_non_exhaustive()
    }
}
