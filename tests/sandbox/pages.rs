//! Lists over REST come in pages: `count` and `offset`.

use rocketbotte::sandbox::{Sandbox, SandboxBuilder, SandboxUser};
use serde_json::{Value, json};

use crate::client::{get, send};

/// Some more users and messages than a page of the default size has.
async fn many(builder: SandboxBuilder) -> (Sandbox, SandboxUser, String) {
    let people: Vec<String> = (0..59).map(|at| format!("user{at}")).collect();
    let builder = people
        .iter()
        .fold(builder, |builder, name| builder.user(name.as_str()));
    let sandbox = builder.user("ann").start_in_memory();
    let ann = sandbox.user("ann");
    let root = ann.say("general", "find me").await;
    for _ in 0..60 {
        let reply = json!({ "rid": "GENERAL", "msg": "find me", "tmid": root });
        send(&sandbox, &ann, reply).await;
    }
    (sandbox, ann, root)
}

fn length(answer: &Value, key: &str) -> usize {
    answer[key].as_array().map_or(0, Vec::len)
}

#[tokio::test]
async fn a_count_of_nothing_gives_all() {
    let (sandbox, ann, root) = many(Sandbox::builder()).await;
    for (path, key, all) in [
        ("users.list?count=0".to_owned(), "users", 60),
        (
            format!("chat.getThreadMessages?tmid={root}&count=0"),
            "messages",
            60,
        ),
        (
            "chat.search?roomId=GENERAL&searchText=find&count=0".to_owned(),
            "messages",
            61,
        ),
    ] {
        let (status, answer) = get(&sandbox, &ann, &path).await;
        assert_eq!((status, length(&answer, key)), (200, all), "{path}");
    }
    let (_, rest) = get(&sandbox, &ann, "users.list?count=0&offset=58").await;
    assert_eq!(
        (length(&rest, "users"), &rest["count"], &rest["total"]),
        (2, &json!(2), &json!(60))
    );
}

#[tokio::test]
async fn a_count_of_nothing_gives_a_page_where_all_is_not_allowed() {
    let builder = Sandbox::builder().setting("API_Allow_Infinite_Count", false);
    let (sandbox, ann, root) = many(builder).await;
    for (path, key) in [
        ("users.list?count=0".to_owned(), "users"),
        (format!("chat.getThreadMessages?tmid={root}&count=0"), "messages"),
        (
            "chat.search?roomId=GENERAL&searchText=find&count=0".to_owned(),
            "messages",
        ),
    ] {
        let (status, answer) = get(&sandbox, &ann, &path).await;
        assert_eq!((status, length(&answer, key)), (200, 50), "{path}");
    }
    let (_, settings) = get(&sandbox, &ann, "settings.public?_id=API_Allow_Infinite_Count").await;
    assert_eq!(settings["total"], 0, "not public");
}
