//! Changing the accounts under a running bot: tokens that end, and other passwords.

use super::Sandbox;

impl Sandbox {
    /// Lets the tokens of all logins of this user expire, not the personal access tokens: REST answers 401, and the next
    /// login with one of them is refused with 403. Connections stay open, as on a server until it sweeps.
    pub fn expire_tokens(&self, username: &str) {
        let mut state = self.state();
        let uid = state.user_by_name(username).map(|user| user.id.clone());
        if let Some(uid) = uid {
            state.expire_tokens(&uid);
        }
    }

    /// How many tokens of logins of this user are still valid.
    pub fn valid_logins(&self, username: &str) -> usize {
        let state = self.state();
        let now = state.now();
        state.user_by_name(username).map_or(0, |user| {
            let expires = user.tokens.iter().filter_map(|token| token.expires);
            expires.filter(|at| *at > now).count()
        })
    }

    /// Gives this user another password. The tokens stay as they are.
    pub fn set_password(&self, username: &str, password: &str) {
        let mut state = self.state();
        let uid = state.user_by_name(username).map(|user| user.id.clone());
        if let Some(user) = uid.and_then(|uid| state.users.get_mut(&uid)) {
            password.clone_into(&mut user.password);
        }
    }

    /// Takes every token of this user away, as removing a personal access token does: the sockets close
    /// with 1000 and no frame, and the next login is refused with 403.
    pub fn revoke_token(&self, username: &str) {
        let mut state = self.state();
        let tokens: Vec<String> = state
            .user_by_name(username)
            .into_iter()
            .flat_map(|user| user.tokens.iter().map(|token| token.text.clone()))
            .collect();
        for token in tokens {
            state.revoke(&token, None);
        }
    }
}
