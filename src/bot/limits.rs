//! What the server's limits mean for the bot, in a sentence for its owner. Pure.

use crate::rest::AccountLimit;

/// The sentence, if there is one to say. What the answers said counts; where they said nothing, the roles that have the
/// permission unless an administrator changed it.
pub(super) fn warning(
    answers: AccountLimit,
    roles: &[String],
    server_version: Option<&str>,
) -> Option<String> {
    let has_a_role = || {
        roles
            .iter()
            .any(|role| matches!(role.as_str(), "bot" | "admin" | "app"))
    };
    let calls = match answers {
        AccountLimit::None => return None,
        AccountLimit::Calls(calls) => calls,
        // Where the server shows no roles at all, there is nothing to conclude from them.
        AccountLimit::Unknown if roles.is_empty() || has_a_role() => return None,
        AccountLimit::Unknown => 10,
    };
    let messages = match server_version.and_then(version) {
        Some(version) if version >= (8, 8) => "5 messages a second".to_owned(),
        Some(_) => format!("{calls} messages a minute"),
        None => format!("{calls} messages a minute (since 8.8: 5 a second)"),
    };
    Some(format!(
        "the server limits the account: it may send {messages}, and make {calls} other calls of a kind a minute. \
         Replies wait for that; the role `bot` lifts it (the permission `api-bypass-rate-limit`)"
    ))
}

/// Major and minor of `8.8.1`.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split('.').map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_count_more_than_roles() {
        let roles = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let (user, bot, hidden) = (roles(&["user"]), roles(&["user", "bot"]), roles(&[]));
        for roles in [&user, &bot, &hidden] {
            assert_eq!(warning(AccountLimit::None, roles, Some("8.8")), None);
            assert!(warning(AccountLimit::Calls(10), roles, Some("8.8")).is_some());
        }
        assert!(warning(AccountLimit::Unknown, &user, None).is_some());
        assert_eq!(warning(AccountLimit::Unknown, &bot, None), None);
        assert_eq!(warning(AccountLimit::Unknown, &hidden, None), None);
    }

    #[test]
    fn how_much_depends_on_the_version() {
        for (version, part) in [
            (Some("3.4"), "20 messages a minute,"),
            (Some("8.7.2"), "20 messages a minute,"),
            (Some("8.8"), "5 messages a second,"),
            (Some("8.10.0-rc.1"), "5 messages a second,"),
            (Some("9.0.0"), "5 messages a second,"),
            (None, "20 messages a minute (since 8.8: 5 a second)"),
            (Some("develop"), "20 messages a minute (since 8.8: 5 a second)"),
        ] {
            let warning = warning(AccountLimit::Calls(20), &[], version).expect("a warning");
            assert!(warning.contains(part), "{warning}");
        }
    }
}
