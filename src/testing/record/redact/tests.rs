//! What is hidden, and what is not.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn redacted(text: &str) -> String {
    let mut text = text.to_owned();
    Redactor::default().text(&mut text, &[]);
    text
}

#[test]
fn secrets_in_texts_are_hidden() {
    for (text, expected) in [
        ("password: hunter2 and so on", "password: *** and so on"),
        ("my password=hunter2, yours?", "my password=***, yours?"),
        ("!login --token=abc --user ann", "!login --token=*** --user ann"),
        ("API_KEY: \"abc\"", "API_KEY: \"***\""),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
        ("curl -H 'X-Auth-Token: abc'", "curl -H 'X-Auth-Token: ***'"),
        (
            "https://example.org/file?rc_uid=u&rc_token=abc&x=1",
            "https://example.org/file?rc_uid=u&rc_token=***&x=1",
        ),
        ("https://ann:hunter2@example.org/x", "https://***@example.org/x"),
        ("it is ghp_0123456789abcdefghij.", "it is ***."),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.x-y_z", "***"),
        ("9HqLlyZOugoStsXCUfD_0YdwnNnunAJF8V47U3QHXSq", "***"),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nbye",
            "***\nbye",
        ),
        ("-----BEGIN PRIVATE KEY-----\nMIIE", "***"),
        (
            "a -----BEGIN EC PRIVATE KEY-----\nM\n-----END EC PRIVATE KEY----- b -----BEGIN PRIVATE KEY-----\nMIIE",
            "a *** b ***",
        ),
        (
            "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQ/O\n-----END PGP PRIVATE KEY BLOCK-----\nbye",
            "***\nbye",
        ),
        ("lQ/O\n-----END PRIVATE KEY-----\nbye", "***\nbye"),
        (
            "https://chat.example/hooks/65f0/abc, and",
            "https://chat.example/hooks/***/***, and",
        ),
        (
            "chat.example:3000/hooks/65f0/abc",
            "chat.example:3000/hooks/***/***",
        ),
        (
            "https://ann:pw@hooks.slack.com/services/T0/B0/abc?x=1",
            "https://***@hooks.slack.com/services/***/***/***?x=1",
        ),
        (
            "https://api.example/bot12:9HqLlyZOugoStsXCUfD_0YdwnNnunAJF8V47U3QHXSq/send",
            "https://api.example/bot12:***/send",
        ),
        (
            "https://chat.example/hooks/1/abc?token=abc",
            "https://chat.example/hooks/***/***?token=***",
        ),
        (
            "a=https://x.example/,b=https://ann:pw@x.example/",
            "a=https://x.example/,b=https://***@x.example/",
        ),
        (
            "mail=ann@example.org&password=x",
            "mail=person1@example.invalid&password=***",
        ),
        ("https://ann:p,w&x@example.org/x", "https://***@example.org/x"),
        ("mailto:ann@example.org", "mailto:person1@example.invalid"),
        ("key:ghp_0123456789abcdefghij", "key:***"),
    ] {
        assert_eq!(redacted(text), expected, "{text}");
    }
}

#[test]
fn ordinary_texts_stay() {
    for text in [
        "!ping 7",
        "@bot: deploy api, please",
        "the token of love",
        "what is your password?",
        "see https://example.org/a?b=c#d and 127.0.0.1:8080",
        "commit 9a2dd129df8ab0ca4d22d4ced61a6dde4e1004ed",
        "room GENERAL, message 7fPq2mKcXw3nTzR9d",
        "resume: tomorrow at 10:30",
        ":+1: :rocket:",
        "a/b/c@d",
        "src/hooks/use_state.ts and /etc/hosts",
        "-----BEGIN PUBLIC KEY-----\nMIIE\n-----END PUBLIC KEY-----",
        "https://chat.example/hooks and https://example.org/direct/9HqLlyZOugoStsXCU",
    ] {
        assert_eq!(redacted(text), text);
    }
}

#[test]
fn addresses_stay_addresses_and_stay_apart() {
    let mut redactor = Redactor::default();
    let mut text = "ann@example.org, bob@example.org <ann@example.org>".to_owned();
    redactor.text(&mut text, &[]);
    assert_eq!(
        text,
        "person1@example.invalid, person2@example.invalid <person1@example.invalid>"
    );
}

#[test]
fn fields_of_objects_are_hidden_by_their_name_at_any_depth() {
    let mut value = json!({
        "msg": "hi",
        "password": "x",
        "u": { "_id": "u", "authToken": "y", "loginTokens": [{ "hashed": "z" }] },
        "emails": [{ "address": "ann@example.org" }],
        "secret": null,
    });
    Redactor::default().value(&mut value, &[]);
    assert_eq!(
        value,
        json!({
            "msg": "hi",
            "password": "***",
            "u": { "_id": "u", "authToken": "***", "loginTokens": [{ "hashed": "***" }] },
            "emails": [{ "address": "person1@example.invalid" }],
            "secret": null,
        })
    );
}

#[test]
fn what_is_named_is_hidden_wherever_it_stands() {
    let mut redactor = Redactor::default();
    redactor.add_secret("hunter2");
    redactor.add_secret("hunter2000");
    redactor.add_rule(Arc::new(|text| text.replace("Falcon", "the project")));
    let mut text = "xhunter2000y hunter2 Falcon 42".to_owned();
    redactor.text(&mut text, &["42".to_owned()]);
    assert_eq!(text, "x***y *** the project ***");
}

#[test]
fn ids_of_the_server_stay_and_foreign_fields_of_the_same_name_do_not() {
    let direct = "aKqXyZ1234567890bbKqXyZ1234567890c";
    let mut redactor = Redactor::default();
    redactor.add_secret("codename");
    let mut value = json!({
        "_id": "9HqLlyZOugoStsXCUfD_0YdwnNnunAJF8V47U3QHXSq",
        "rid": direct,
        "u": { "_id": "codename", "username": direct, "name": "codename" },
        "file": { "rid": direct, "_id": "ghp_0123456789abcdefghij", "key": { "password": "x" } },
        "about codename": { "ann@example.org": 1, "bob@example.org": 2 },
    });
    redactor.message(&mut value, &[]);
    assert_eq!(
        value,
        json!({
            "_id": "9HqLlyZOugoStsXCUfD_0YdwnNnunAJF8V47U3QHXSq",
            "rid": direct,
            "u": { "_id": "***", "username": direct, "name": "***" },
            "file": { "rid": direct, "_id": "***", "key": { "password": "***" } },
            "about ***": { "person1@example.invalid": 1, "person2@example.invalid": 2 },
        })
    );
}

proptest! {
    #[test]
    fn any_text_is_redacted_and_then_stays(text in ".{0,80}|([a-zA-Z0-9_@:=&?. -]{0,60})") {
        let mut redactor = Redactor::default();
        let mut once = text;
        redactor.text(&mut once, &[]);
        let mut twice = once.clone();
        redactor.text(&mut twice, &[]);
        prop_assert_eq!(once, twice);
    }
}
