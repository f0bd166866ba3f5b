//! The tokens of integrations, compared in a time that tells nothing.

use sha2::{Digest as _, Sha256};
use subtle::{ConditionallySelectable as _, ConstantTimeEq as _};

use super::WebhookError;
use crate::secret::Secret;

/// The tokens and what their integrations are called.
#[derive(Clone, Debug, Default)]
pub(super) struct Tokens(Vec<(String, Secret)>);

impl Tokens {
    pub(super) fn push(&mut self, integration: String, token: Secret) {
        self.0.push((integration, token));
    }

    pub(super) fn check(&self) -> Result<(), WebhookError> {
        if self.0.is_empty() {
            return Err(WebhookError::NoToken);
        }
        match self.0.iter().find(|(_, token)| token.expose().is_empty()) {
            Some((integration, _)) => Err(WebhookError::EmptyToken(integration.clone())),
            None => Ok(()),
        }
    }

    /// The integration that a token is of. All are compared, by their digests, so that neither the length of one nor how
    /// much of it is right can be measured.
    pub(super) fn integration_of(&self, token: &str) -> Option<&str> {
        let given = Sha256::digest(token.as_bytes());
        let mut found = u32::MAX;
        for (index, (_, known)) in (0_u32..).zip(&self.0) {
            let is_same = Sha256::digest(known.expose().as_bytes())[..].ct_eq(&given[..]);
            found.conditional_assign(&index, is_same);
        }
        let (integration, _) = self.0.get(usize::try_from(found).ok()?)?;
        Some(integration)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_token_is_known_by_its_whole() {
        let mut tokens = Tokens::default();
        tokens.push("ops".to_owned(), "first".into());
        tokens.push("dev".to_owned(), "second".into());
        for (token, integration) in [
            ("first", Some("ops")),
            ("second", Some("dev")),
            ("", None),
            ("firs", None),
            ("firstt", None),
            ("First", None),
        ] {
            assert_eq!(tokens.integration_of(token), integration, "{token}");
        }
        assert_eq!(Tokens::default().integration_of(""), None);
    }
}
