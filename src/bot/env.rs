//! Settings from the environment.

use std::path::PathBuf;

use super::BotBuilder;
use super::error::BotError;
use crate::secret::Secret;
use crate::transport::Proxy;

const URL: &str = "ROCKETCHAT_URL";
const USER_ID: &str = "ROCKETCHAT_USER_ID";
const AUTH_TOKEN: &str = "ROCKETCHAT_AUTH_TOKEN";
const USER: &str = "ROCKETCHAT_USER";
const PASSWORD: &str = "ROCKETCHAT_PASSWORD";
const CA_FILE: &str = "ROCKETCHAT_CA_FILE";
const INSECURE: &str = "ROCKETCHAT_INSECURE";
const JOURNAL: &str = "ROCKETBOTTE_JOURNAL";
const JOURNAL_WAIT: &str = "ROCKETBOTTE_JOURNAL_WAIT";

/// The variables that say which server and which account.
const ACCOUNT: [&str; 5] = [URL, USER_ID, AUTH_TOKEN, USER, PASSWORD];

/// Where variables come from.
type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

impl BotBuilder {
    /// Settings from the environment.
    ///
    /// | variable | what |
    /// |---|---|
    /// | `ROCKETCHAT_URL` | the server's address |
    /// | `ROCKETCHAT_USER_ID`, `ROCKETCHAT_AUTH_TOKEN` | the account, by a personal access token |
    /// | `ROCKETCHAT_USER`, `ROCKETCHAT_PASSWORD` | or by user name and password |
    /// | `ROCKETCHAT_CA_FILE` | a PEM file with the certificate authority of the server |
    /// | `ROCKETCHAT_INSECURE` | `true`: any certificate is accepted |
    /// | `https_proxy`, `http_proxy`, `all_proxy`, `no_proxy` | an HTTP [proxy](Self::proxy), as for curl: see [`Proxy::from_env`] |
    /// | `ROCKETBOTTE_JOURNAL` | a file for the [journal](Self::journal); needs the feature `journal` |
    /// | `ROCKETBOTTE_JOURNAL_WAIT` | how long to wait for another process that has it open, such as `30s`: not at all unless set |
    ///
    /// Each of the first five may be given as a file: `ROCKETCHAT_AUTH_TOKEN_FILE` names a file that holds it.
    ///
    /// # Errors
    ///
    /// A variable is missing, set twice or can not be read; a proxy is none; the journal can not be opened.
    pub fn from_env() -> Result<Self, BotError> {
        Self::from_lookup(&|name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
    }

    /// Whether any of the variables is set that say which server and which account: with none of them a program can
    /// do without, with some of them [`from_env`](Self::from_env) names what is missing.
    pub fn env_is_set() -> bool {
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        ACCOUNT
            .iter()
            .any(|name| is_set(name) || is_set(&format!("{name}_FILE")))
    }

    fn from_lookup(lookup: Lookup<'_>) -> Result<Self, BotError> {
        let [url, user_id, auth_token, user, password] = ACCOUNT.map(|name| read(lookup, name));
        let (user_id, auth_token, user, password) = (user_id?, auth_token?, user?, password?);
        let url =
            url?.ok_or_else(|| missing(URL, "the address of the server, such as https://chat.example.org"))?;
        let mut settings = Self::new(url);
        settings = match (user_id, auth_token, user, password) {
            (Some(user_id), Some(auth_token), None, None) => settings.token(user_id, auth_token),
            (None, None, Some(user), Some(password)) => settings.password(user, Secret::new(password)),
            (Some(_), None, None, None) => {
                return Err(missing(AUTH_TOKEN, "the token that belongs to the user id"));
            }
            (None, Some(_), None, None) => {
                return Err(missing(USER_ID, "the user id that was shown with the token"));
            }
            (None, None, Some(_), None) => return Err(missing(PASSWORD, "the password of the user")),
            (None, None, None, Some(_)) => return Err(missing(USER, "the name of the user")),
            (None, None, None, None) => {
                return Err(BotError::configuration(format!(
                    "{USER_ID} and {AUTH_TOKEN} are not set: set them to a user id and its personal access token, or {USER} and {PASSWORD}"
                )));
            }
            _ => {
                return Err(BotError::configuration(format!(
                    "both a token and a password are set: keep {USER_ID} and {AUTH_TOKEN}, or {USER} and {PASSWORD}"
                )));
            }
        };
        if let Some(path) = lookup(CA_FILE).filter(|path| !path.is_empty()) {
            settings = settings.ca_file(PathBuf::from(path));
        }
        settings = match lookup(INSECURE).as_deref() {
            None | Some("" | "0" | "false") => settings,
            Some("1" | "true") => settings.danger_accept_invalid_certs(true),
            Some(other) => {
                return Err(BotError::configuration(format!(
                    "{INSECURE} is \"{other}\": set it to true or false"
                )));
            }
        };
        // An address that is none is said when the bot is built.
        if let Ok(url) = settings.server_url() {
            let proxy = Proxy::from_lookup(url.is_tls(), lookup)
                .map_err(|error| BotError::configuration(error.to_string()).with_source(error))?;
            if let Some((proxy, hosts)) = proxy.map(Proxy::into_settings) {
                settings = settings.proxy(proxy).no_proxy(hosts);
            }
        }
        match lookup(JOURNAL).filter(|path| !path.is_empty()) {
            Some(path) => {
                let wait = lookup(JOURNAL_WAIT).filter(|wait| !wait.is_empty());
                settings.journal_at(PathBuf::from(path), wait.as_deref())
            }
            None => Ok(settings),
        }
    }

    #[cfg(feature = "journal")]
    fn journal_at(self, path: PathBuf, wait: Option<&str>) -> Result<Self, BotError> {
        let wait = wait.map(|wait| {
            humantime::parse_duration(wait).map_err(|error| {
                BotError::configuration(format!(
                    "{JOURNAL_WAIT} is \"{wait}\": set it to a time such as 30s"
                ))
                .with_source(error)
            })
        });
        let journal = crate::journal::DiskJournal::builder(path)
            .wait_for_lock(wait.transpose()?.unwrap_or_default())
            .open()?;
        Ok(self.journal(journal))
    }

    #[cfg(not(feature = "journal"))]
    #[expect(clippy::unused_self, reason = "with the feature it is used")]
    fn journal_at(self, _path: PathBuf, _wait: Option<&str>) -> Result<Self, BotError> {
        Err(BotError::configuration(format!(
            "{JOURNAL} is set, and this program was built without a journal on disk: build it with the feature `journal` of rocketbotte, or unset {JOURNAL} and {JOURNAL_WAIT}"
        )))
    }
}

fn missing(name: &str, what: &str) -> BotError {
    BotError::configuration(format!(
        "{name} is not set: set it to {what}, or {name}_FILE to a file that holds it"
    ))
}

/// The value of a variable, or of the file that its `_FILE` twin names. An empty variable counts as not set.
fn read(lookup: Lookup<'_>, name: &str) -> Result<Option<String>, BotError> {
    let file_name = format!("{name}_FILE");
    let value = lookup(name).filter(|value| !value.trim().is_empty());
    let Some(path) = lookup(&file_name).filter(|path| !path.trim().is_empty()) else {
        return Ok(value);
    };
    if value.is_some() {
        return Err(BotError::configuration(format!(
            "{name} and {file_name} are both set: keep one of them"
        )));
    }
    match std::fs::read_to_string(&path) {
        Ok(text) if text.trim().is_empty() => Err(BotError::configuration(format!(
            "the file {path} that {file_name} names is empty"
        ))),
        // An editor ends a file with a line break. More is not cut off: a password may begin or end with a blank.
        Ok(text) => Ok(Some(text.trim_end_matches(['\n', '\r']).to_owned())),
        Err(error) => Err(BotError::configuration(format!(
            "the file {path} that {file_name} names can not be read: {error}"
        ))
        .with_source(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(variables: &[(&str, &str)]) -> Result<BotBuilder, BotError> {
        let variables: Vec<_> = variables.to_vec();
        BotBuilder::from_lookup(&|name| {
            variables
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn a_missing_variable_is_named() {
        let url = (URL, "https://chat.example.org");
        for (variables, name) in [
            (vec![], URL),
            (vec![(USER_ID, "u"), (AUTH_TOKEN, "t")], URL),
            (vec![url], USER_ID),
            (vec![url, (USER_ID, "u")], AUTH_TOKEN),
            (vec![url, (AUTH_TOKEN, "t")], USER_ID),
            (vec![url, (USER, "u")], PASSWORD),
            (vec![url, (PASSWORD, "p")], USER),
            (vec![url, (USER_ID, "u"), (AUTH_TOKEN, "  ")], AUTH_TOKEN),
        ] {
            let error = from(&variables).unwrap_err();
            assert!(error.to_string().starts_with(name), "{variables:?}: {error}");
        }
    }

    #[test]
    fn a_secret_may_be_in_a_file() {
        let path = std::env::temp_dir().join(format!("rocketbotte-env-test-{}", crate::random::id()));
        std::fs::write(&path, "t0ken\n").unwrap();
        let file = path.to_string_lossy().into_owned();
        let variables = [
            (URL, "https://chat.example.org"),
            (USER_ID, "u"),
            ("ROCKETCHAT_AUTH_TOKEN_FILE", &*file),
        ];
        let settings = from(&variables).unwrap();
        assert!(!format!("{settings:?}").contains("t0ken"));
        assert!(settings.build().is_ok());
        let twice = from(&[variables[0], variables[1], variables[2], (AUTH_TOKEN, "t")]).unwrap_err();
        assert!(twice.to_string().contains("both set"), "{twice}");
        std::fs::remove_file(&path).unwrap();
        let gone = from(&variables).unwrap_err();
        assert!(gone.to_string().contains(&file), "{gone}");
    }

    #[test]
    #[cfg(feature = "journal")]
    fn a_journal_is_opened_once() {
        let name = format!("rocketbotte-env-journal-{}", crate::random::id());
        let path = std::env::temp_dir().join(name);
        let file = path.to_string_lossy().into_owned();
        let account = [(URL, "https://chat.example.org"), (USER, "u"), (PASSWORD, "p")];
        let variables = [&account[..], &[(JOURNAL, &*file), (JOURNAL_WAIT, "10ms")]].concat();
        let settings = from(&variables).unwrap();
        assert!(settings.journal.is_some());
        let error = from(&variables).unwrap_err();
        assert!(error.to_string().contains(&file), "{error}");
        drop(settings);
        let wrong = from(&[&account[..], &[(JOURNAL, &*file), (JOURNAL_WAIT, "soon")]].concat()).unwrap_err();
        assert!(wrong.to_string().contains("\"soon\""), "{wrong}");
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    #[cfg(not(feature = "journal"))]
    fn a_journal_needs_its_feature() {
        let account = [(URL, "https://chat.example.org"), (USER, "u"), (PASSWORD, "p")];
        let error = from(&[&account[..], &[(JOURNAL, "/tmp/journal")]].concat()).unwrap_err();
        assert!(error.to_string().contains("feature `journal`"), "{error}");
    }

    #[test]
    fn a_proxy_is_taken_from_the_environment() {
        let account = [(URL, "https://chat.example.org"), (USER, "u"), (PASSWORD, "p")];
        let settings = from(&[&account[..], &[("https_proxy", "p:3128"), ("no_proxy", "x.org")]].concat());
        let settings = settings.unwrap();
        assert_eq!(settings.proxy.as_ref().map(Secret::expose), Some("p:3128"));
        assert_eq!(settings.no_proxy.as_deref(), Some("x.org"));
        assert!(settings.build().is_ok());
        let error =
            from(&[&account[..], &[("ALL_PROXY", "socks5://u:hunter2@p:1080")]].concat()).unwrap_err();
        assert!(
            error.to_string().starts_with("ALL_PROXY") && !error.to_string().contains("hunter2"),
            "{error}"
        );
    }

    #[test]
    fn a_switch_is_true_or_false() {
        let account = [(URL, "https://chat.example.org"), (USER, "u"), (PASSWORD, "p")];
        assert!(from(&[&account[..], &[(INSECURE, "true")]].concat()).is_ok());
        let error = from(&[&account[..], &[(INSECURE, "maybe")]].concat()).unwrap_err();
        assert!(error.to_string().contains("\"maybe\""), "{error}");
    }
}
