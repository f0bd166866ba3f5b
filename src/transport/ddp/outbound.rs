//! DDP frames that go out.

use std::fmt;

use serde::Serialize;

/// A frame for the server. Ids and versions are strings: servers refuse numbers.
#[derive(Debug, Serialize)]
#[serde(tag = "msg", rename_all = "lowercase")]
pub(crate) enum Outbound<'a> {
    Connect {
        version: &'static str,
        support: [&'static str; 1],
    },
    Ping {
        id: &'a str,
    },
    Pong {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
    },
    Method {
        id: &'a str,
        method: &'a str,
        params: Params<'a>,
    },
    Sub {
        id: &'a str,
        name: &'a str,
        params: (&'a str, bool),
    },
    Unsub {
        id: &'a str,
    },
    /// Good-bye: the server need not keep the session for one that comes back.
    Disconnect,
}

/// The parameters of the methods that we call.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Params<'a> {
    Login([Resume<'a>; 1]),
    /// Event name, our name, activities, and the thread if there is one.
    Activity(&'a str, &'a str, &'a [&'a str], Thread<'a>),
}

#[derive(Serialize)]
pub(crate) struct Resume<'a> {
    pub(crate) resume: &'a str,
}

impl fmt::Debug for Resume<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resume(***)")
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct Thread<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tmid: Option<&'a str>,
}

impl Outbound<'_> {
    pub(crate) const CONNECT: Self = Outbound::Connect {
        version: "1",
        support: ["1"],
    };

    pub(crate) fn to_json(&self) -> String {
        // Strings, bools and fixed keys only: serde_json can write all of them.
        serde_json::to_string(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outgoing_frames_are_what_servers_accept() {
        let json = |frame: Outbound<'_>| frame.to_json();
        assert_eq!(
            json(Outbound::CONNECT),
            r#"{"msg":"connect","version":"1","support":["1"]}"#
        );
        assert_eq!(json(Outbound::Pong { id: None }), r#"{"msg":"pong"}"#);
        assert_eq!(
            json(Outbound::Pong { id: Some("7") }),
            r#"{"msg":"pong","id":"7"}"#
        );
        assert_eq!(json(Outbound::Disconnect), r#"{"msg":"disconnect"}"#);
        assert_eq!(json(Outbound::Ping { id: "3" }), r#"{"msg":"ping","id":"3"}"#);
        let login = Params::Login([Resume { resume: "T" }]);
        assert_eq!(
            json(Outbound::Method {
                id: "1",
                method: "login",
                params: login
            }),
            r#"{"msg":"method","id":"1","method":"login","params":[{"resume":"T"}]}"#
        );
        assert_eq!(
            json(Outbound::Sub {
                id: "2",
                name: "stream-room-messages",
                params: ("__my_messages__", false)
            }),
            r#"{"msg":"sub","id":"2","name":"stream-room-messages","params":["__my_messages__",false]}"#
        );
        assert_eq!(json(Outbound::Unsub { id: "2" }), r#"{"msg":"unsub","id":"2"}"#);
        let typing = |activities, tmid| Outbound::Method {
            id: "9",
            method: "stream-notify-room",
            params: Params::Activity("GENERAL/user-activity", "bot", activities, Thread { tmid }),
        };
        assert_eq!(
            json(typing(&["user-typing"], None)),
            r#"{"msg":"method","id":"9","method":"stream-notify-room","params":["GENERAL/user-activity","bot",["user-typing"],{}]}"#
        );
        assert_eq!(
            json(typing(&[], Some("t1"))),
            r#"{"msg":"method","id":"9","method":"stream-notify-room","params":["GENERAL/user-activity","bot",[],{"tmid":"t1"}]}"#
        );
    }

    #[test]
    fn a_login_frame_does_not_show_its_token() {
        let frame = Outbound::Method {
            id: "1",
            method: "login",
            params: Params::Login([Resume { resume: "hunter2" }]),
        };
        assert!(!format!("{frame:?}").contains("hunter2"));
    }
}
