//! Which parts of a link are secrets. Pure.

use super::redact::HIDDEN;

/// What stands behind one of these in a path is the secret of a webhook.
fn is_hook(segment: &str, host: &str) -> bool {
    segment == "hooks"
        || segment.starts_with("webhook")
        || (segment == "services" && host.starts_with("hooks."))
}

/// `https://…`, or a host or nothing before a path.
pub(super) fn is_link(word: &str) -> bool {
    word.contains("://")
        || word
            .split_once('/')
            .is_some_and(|(host, _)| host.is_empty() || host.contains(['.', ':']))
}

/// Hides the name and password before the host of each link. They may hold signs that stand between words elsewhere.
pub(super) fn without_user_info(word: &str) -> Option<String> {
    let mut parts = word.split("://");
    let mut redacted = parts.next()?.to_owned();
    let mut is_hidden = false;
    for part in parts {
        redacted.push_str("://");
        let authority = &part[..part.find(['/', '?', '#']).unwrap_or(part.len())];
        match authority.rfind('@') {
            Some(at) => {
                redacted.push_str(HIDDEN);
                redacted.push_str(&part[at..]);
                is_hidden = true;
            }
            None => redacted.push_str(part),
        }
    }
    is_hidden.then_some(redacted)
}

/// Hides what stands behind `hooks` and the like in the path.
pub(super) fn without_hooks(link: &str) -> String {
    let start = link.find("://").map_or(0, |at| at + 3);
    let path = link[start..]
        .find(['/', '?', '#'])
        .map_or(link.len(), |at| start + at);
    let end = link[path..].find(['?', '#']).map_or(link.len(), |at| path + at);
    let host = link[start..path].rsplit('@').next().unwrap_or_default();
    let mut redacted = link[..path].to_owned();
    let mut is_secret = false;
    for part in link[path..end].split_inclusive('/') {
        let segment = part.trim_end_matches(|character: char| "/,;&|.!".contains(character));
        let (segment, behind) = part.split_at(segment.len());
        let is_hidden = is_secret && !segment.is_empty();
        redacted.push_str(if is_hidden { HIDDEN } else { segment });
        redacted.push_str(behind);
        is_secret |= is_hook(segment, host);
    }
    redacted.push_str(&link[end..]);
    redacted
}
