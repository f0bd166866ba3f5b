//! Quotations: a message that begins with links to messages shows them below its text.

use serde_json::{Value, json};

use super::{State, date};

/// Quotations within quotations that are kept.
const DEPTH: usize = 2;

impl State {
    /// The attachments for the links that a text begins with, each written as `[ ](https://host/channel/general?msg=ID)`.
    /// Links to messages that the author may not read are links.
    pub(super) fn quotations(&self, uid: &str, msg: &str) -> Vec<Value> {
        let site = self
            .settings
            .get("Site_Url")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let mut rest = msg;
        let mut quoted = Vec::new();
        while let Some((link, behind)) = rest
            .trim_start()
            .strip_prefix("[ ](")
            .and_then(|link| link.split_once(')'))
        {
            rest = behind;
            let id = link
                .starts_with(site)
                .then(|| link.rsplit_once("?msg="))
                .flatten();
            if let Some((_, id)) = id
                && let Some(quote) = self.quotation(uid, id, link)
            {
                quoted.push(quote);
            }
        }
        quoted
    }

    fn quotation(&self, uid: &str, id: &str, link: &str) -> Option<Value> {
        let message = self.messages.get(id)?;
        let room = self.rooms.get(&message.rid)?;
        if !self.can_access(uid, room) {
            return None;
        }
        let mut inner = message
            .doc
            .get("attachments")
            .cloned()
            .unwrap_or_else(|| json!([]));
        prune(&mut inner, DEPTH - 1);
        let author = message.doc.get("u").and_then(|author| author.get("username"));
        let author = author.and_then(Value::as_str).unwrap_or_default();
        Some(json!({
            "text": message.text("msg").unwrap_or_default(),
            "author_name": author,
            "author_icon": format!("/avatar/{author}"),
            "message_link": link,
            "attachments": inner,
            "ts": date(message.ts),
        }))
    }
}

/// Leaves out what is quoted deeper.
fn prune(attachments: &mut Value, depth: usize) {
    for attachment in attachments.as_array_mut().into_iter().flatten() {
        let Some(attachment) = attachment.as_object_mut() else {
            continue;
        };
        match (depth, attachment.get_mut("attachments")) {
            (0, _) => {
                attachment.remove("attachments");
            }
            (_, Some(inner)) => prune(inner, depth - 1),
            (_, None) => {}
        }
    }
}
