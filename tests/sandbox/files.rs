//! Files: up in two steps, or in one before version 8, and down for those who may have them.

use std::time::Duration;

use rocketbotte::sandbox::{RestFault, Sandbox, SandboxUser};
use serde_json::{Value, json};

use crate::client::{Answer, Ddp, get, post, request, request_over};

const FORM: (&str, &str) = ("content-type", "multipart/form-data; boundary=b1");

/// A form with text fields and the file, if there is one.
fn form(fields: &[(&str, &str)], part: &str, name: &str, kind: &str, text: &str) -> String {
    let mut body = String::new();
    for (name, text) in fields {
        body += &format!("--b1\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{text}\r\n");
    }
    body + &format!(
        "--b1\r\nContent-Disposition: form-data; name=\"{part}\"; filename=\"{name}\"\r\n\
         Content-Type: {kind}\r\n\r\n{text}\r\n--b1--\r\n"
    )
}

async fn send_form(sandbox: &Sandbox, user: &SandboxUser, path: &str, body: &str) -> (u16, Value) {
    let path = format!("/api/v1/{path}");
    let answer = request_over(sandbox.connect(), Some(user), "POST", &path, Some(body), &[FORM]).await;
    let answer = answer.expect("answers");
    (answer.status, answer.json())
}

/// Uploads `note.txt` with `hello` in it and returns its id.
async fn note(sandbox: &Sandbox, user: &SandboxUser) -> String {
    let body = form(&[], "file", "note.txt", "text/plain", "hello");
    let (status, answer) = send_form(sandbox, user, "rooms.media/GENERAL", &body).await;
    assert_eq!((status, &answer["success"]), (200, &json!(true)), "{answer}");
    let id = answer["file"]["_id"].as_str().expect("an id").to_owned();
    assert_eq!(answer["file"]["url"], format!("/file-upload/{id}/note.txt"));
    id
}

async fn download(sandbox: &Sandbox, user: Option<&SandboxUser>, path: &str) -> Answer {
    request(sandbox, user, "GET", path, None).await.expect("answers")
}

#[tokio::test]
async fn the_second_step_may_give_another_name() {
    let sandbox = Sandbox::start().await.expect("starts");
    let bot = sandbox.bot("rocketbotte");
    let id = note(&sandbox, &bot).await;
    let body = json!({ "fileName": "report.txt" });
    let (status, answer) = post(&sandbox, &bot, &format!("rooms.mediaConfirm/GENERAL/{id}"), body).await;
    assert_eq!(status, 200, "{answer}");
    let message = &answer["message"];
    for name in [
        &message["file"]["name"],
        &message["files"][0]["name"],
        &message["attachments"][0]["title"],
    ] {
        assert_eq!(name, "report.txt", "{message}");
    }
    assert_eq!(message.get("fileName"), None);
    let path = message["attachments"][0]["title_link"]
        .as_str()
        .expect("an address");
    assert_eq!(download(&sandbox, Some(&bot), path).await.text, "hello");
}

#[tokio::test]
async fn up_in_two_steps() {
    let sandbox = Sandbox::start().await.expect("starts");
    let (ann, bot) = (sandbox.user("ann"), sandbox.bot("rocketbotte"));
    let mut ddp = Ddp::login(&sandbox, &ann).await;
    ddp.my_messages().await;
    let root = ann.say("general", "where is it").await;
    ddp.event().await;

    let id = note(&sandbox, &bot).await;
    assert_eq!(
        sandbox.messages("general").len(),
        1,
        "nothing is shown before the second step"
    );
    let body = json!({ "msg": "here", "description": "a note", "tmid": root, "alias": "Files" });
    let (status, answer) = post(&sandbox, &bot, &format!("rooms.mediaConfirm/GENERAL/{id}"), body).await;
    assert_eq!(status, 200, "{answer}");
    let path = format!("/file-upload/{id}/note.txt");
    let about = json!({ "_id": id, "name": "note.txt", "type": "text/plain", "size": 5, "format": "" });
    let message = &answer["message"];
    assert_eq!(
        (&message["msg"], &message["tmid"], &message["alias"]),
        (&json!("here"), &json!(root), &json!("Files"))
    );
    assert_eq!((&message["file"], &message["files"]), (&about, &json!([about])));
    let attachment = json!([{
        "title": "note.txt", "type": "file", "description": "a note", "title_link": path,
        "title_link_download": true, "fileId": id, "format": "TXT", "size": 5,
    }]);
    assert_eq!(message["attachments"], attachment);
    let event = ddp.event().await;
    assert_eq!(
        (&event[0]["_id"], &event[0]["attachments"]),
        (&message["_id"], &attachment)
    );

    // Who is in the room has it, by headers, cookies or the query; nobody else.
    let answer = download(&sandbox, Some(&ann), &path).await;
    assert_eq!((answer.status, answer.text.as_str()), (200, "hello"));
    assert_eq!(answer.headers["content-type"], "text/plain");
    assert_eq!(
        answer.headers["content-disposition"],
        "attachment; filename*=UTF-8''note.txt"
    );
    let (uid, token) = (ann.id(), ann.token());
    let asked = format!("{path}?rc_uid={uid}&rc_token={token}");
    assert_eq!(download(&sandbox, None, &asked).await.text, "hello");
    let cookies = format!("rc_uid={uid}; rc_token={token}");
    let answer = request_over(
        sandbox.connect(),
        None,
        "GET",
        &path,
        None,
        &[("cookie", &cookies)],
    )
    .await;
    assert_eq!(answer.expect("answers").text, "hello");
    assert_eq!(download(&sandbox, None, &path).await.status, 403);
    assert_eq!(
        download(&sandbox, Some(&ann), "/file-upload/nothing/note.txt")
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn the_second_step_is_not_idempotent_and_only_for_who_did_the_first() {
    let sandbox = Sandbox::builder()
        .user("ann")
        .bot("rocketbotte")
        .channel("ops")
        .start_in_memory();
    let (ann, bot) = (sandbox.user("ann"), sandbox.bot("rocketbotte"));
    let id = note(&sandbox, &bot).await;
    let ops = sandbox.room_id("ops").expect("is there");
    for (user, path) in [
        (&ann, format!("rooms.mediaConfirm/GENERAL/{id}")),
        (&bot, format!("rooms.mediaConfirm/{ops}/{id}")),
        (&bot, "rooms.mediaConfirm/GENERAL/nothing".to_owned()),
    ] {
        let refused = json!({ "success": false, "error": "[invalid-file]", "errorType": "invalid-file" });
        assert_eq!(
            post(&sandbox, user, &path, json!({})).await,
            (400, refused),
            "{path}"
        );
    }
    let path = format!("rooms.mediaConfirm/GENERAL/{id}");
    let long = json!({ "description": "x".repeat(5001) });
    let (status, answer) = post(&sandbox, &bot, &path, long).await;
    assert_eq!(
        (status, &answer["errorType"]),
        (400, &json!("error-message-size-exceeded"))
    );

    let mut shown = Vec::new();
    for _ in 0..2 {
        let (status, answer) = post(&sandbox, &bot, &path, json!({})).await;
        assert_eq!(status, 200, "{answer}");
        shown.push(answer["message"]["_id"].as_str().expect("an id").to_owned());
    }
    assert_ne!(shown[0], shown[1], "a repeated confirmation is a second message");
    // The file stays as long as a message shows it.
    let file = format!("/file-upload/{id}/note.txt");
    bot.delete(&shown[0]).await;
    assert_eq!(download(&sandbox, Some(&ann), &file).await.status, 200);
    bot.delete(&shown[1]).await;
    assert_eq!(download(&sandbox, Some(&ann), &file).await.status, 404);
}

#[tokio::test]
async fn what_is_refused() {
    let sandbox = Sandbox::builder()
        .user("ann")
        .bot("rocketbotte")
        .group_with("secret", &["ann"])
        .setting("FileUpload_MaxFileSize", 10)
        .setting("FileUpload_MediaTypeBlackList", "image/svg+xml,video/*")
        .start_in_memory();
    let (ann, bot) = (sandbox.user("ann"), sandbox.bot("rocketbotte"));
    let secret = sandbox.room_id("secret").expect("is there");
    let text = |text: &str| form(&[], "file", "a.txt", "text/plain", text);
    let kind = |kind: &str| form(&[], "file", "a.bin", kind, "x");
    let wrong_name = form(&[], "document", "a.txt", "text/plain", "x");
    let general = "rooms.media/GENERAL".to_owned();
    let cases = [
        (
            general.clone(),
            text(""),
            400,
            "File size (size = 0) is too small (min = 1) [file-too-small]",
        ),
        (
            general.clone(),
            text("12345678901"),
            400,
            "[error-file-too-large]",
        ),
        (
            general.clone(),
            text(&"x".repeat(3 * 1024 * 1024)),
            400,
            "[error-file-too-large]",
        ),
        (
            general.clone(),
            kind("image/svg+xml"),
            400,
            "File type is not accepted. [error-invalid-file-type]",
        ),
        (
            general.clone(),
            kind("video/mp4"),
            400,
            "File type is not accepted. [error-invalid-file-type]",
        ),
        (general.clone(), wrong_name, 400, "[invalid-field]"),
        (
            general.clone(),
            "--b1\r\nnonsense".to_owned(),
            400,
            "Unexpected end of form",
        ),
        (format!("rooms.media/{secret}"), text("x"), 403, "forbidden"),
        (
            "rooms.media/nowhere".to_owned(),
            text("x"),
            400,
            "Invalid room [error-invalid-room]",
        ),
        ("rooms.media".to_owned(), text("x"), 404, "Resource not found"),
        (
            "rooms.media/GENERAL/more".to_owned(),
            text("x"),
            404,
            "Resource not found",
        ),
        (
            "rooms.upload/GENERAL".to_owned(),
            text("x"),
            404,
            "Resource not found",
        ),
    ];
    for (path, body, status, error) in cases {
        let answer = send_form(&sandbox, &bot, &path, &body).await;
        assert_eq!((answer.0, &answer.1["error"]), (status, &json!(error)), "{path}");
    }
    let (status, answer) = post(&sandbox, &bot, &general, json!({ "file": "x" })).await;
    assert_eq!(
        (status, &answer["error"]),
        (400, &json!("Unsupported content type: application/json"))
    );
    let (path, body) = ("/api/v1/rooms.media/GENERAL", text("x"));
    let stranger = request_over(sandbox.connect(), None, "POST", path, Some(&body), &[FORM]).await;
    assert_eq!(stranger.expect("answers").status, 401);
    let id = {
        let (_, answer) = send_form(&sandbox, &ann, &format!("rooms.media/{secret}"), &text("hidden")).await;
        answer["file"]["url"].as_str().expect("a path").to_owned()
    };
    assert_eq!(
        download(&sandbox, Some(&bot), &id).await.status,
        403,
        "not in the room"
    );
    sandbox.set_setting("FileUpload_Restrict_to_room_members", false);
    assert_eq!(download(&sandbox, Some(&bot), &id).await.text, "hidden");
    assert_eq!(download(&sandbox, None, &id).await.status, 403);
    sandbox.set_setting("FileUpload_ProtectFiles", false);
    assert_eq!(download(&sandbox, None, &id).await.text, "hidden");
}

#[tokio::test]
async fn up_in_one_step_before_version_8() {
    let sandbox = Sandbox::builder().version("7.10.2").start_in_memory();
    let bot = sandbox.bot("rocketbotte");
    let fields = [("msg", "see"), ("description", "a picture"), ("unknown", "x")];
    let body = form(&fields, "file", "a b ä.png", "image/png", "not really");
    let (status, answer) = send_form(&sandbox, &bot, "rooms.upload/GENERAL", &body).await;
    assert_eq!(status, 200, "{answer}");
    let message = &answer["message"];
    assert_eq!(
        (&message["msg"], &message["unknown"]),
        (&json!("see"), &Value::Null)
    );
    let attachment = &message["attachments"][0];
    let path = attachment["image_url"].as_str().expect("a path").to_owned();
    assert!(path.ends_with("/a%20b%20%C3%A4.png"), "{path}");
    assert_eq!(
        (&attachment["image_type"], &attachment["image_size"]),
        (&json!("image/png"), &json!(10))
    );
    assert_eq!(download(&sandbox, Some(&bot), &path).await.text, "not really");
    // It has the two steps as well.
    note(&sandbox, &bot).await;
}

#[tokio::test(start_paused = true)]
async fn what_nobody_confirms_is_gone_after_a_day() {
    let sandbox = Sandbox::builder().start_in_memory();
    let bot = sandbox.bot("rocketbotte");
    let (kept, lost) = (note(&sandbox, &bot).await, note(&sandbox, &bot).await);
    let (status, _) = post(
        &sandbox,
        &bot,
        &format!("rooms.mediaConfirm/GENERAL/{kept}"),
        json!({}),
    )
    .await;
    assert_eq!(status, 200);
    tokio::time::advance(Duration::from_secs(24 * 60 * 60)).await;
    let (status, answer) = post(
        &sandbox,
        &bot,
        &format!("rooms.mediaConfirm/GENERAL/{lost}"),
        json!({}),
    )
    .await;
    assert_eq!((status, &answer["errorType"]), (400, &json!("invalid-file")));
    assert_eq!(
        download(&sandbox, Some(&bot), &format!("/file-upload/{kept}/note.txt"))
            .await
            .text,
        "hello"
    );
    assert_eq!(get(&sandbox, &bot, "chat.getMessage?msgId=none").await.0, 400);
}

#[tokio::test]
async fn a_file_is_deleted_by_its_id_since_8_7() {
    for (version, there) in [("8.6.0", false), ("8.7.0", true)] {
        let sandbox = Sandbox::builder().user("ann").version(version).start_in_memory();
        let ann = sandbox.user("ann");
        let id = note(&sandbox, &ann).await;
        let by_file = json!({ "fileId": id });
        let confirm = format!("rooms.mediaConfirm/GENERAL/{id}");
        // What no message shows is no file to delete.
        let (status, _) = post(&sandbox, &ann, "chat.delete", by_file.clone()).await;
        assert_eq!(status, 400, "{version}");
        let (_, shown) = post(&sandbox, &ann, &confirm, json!({})).await;
        let message = &shown["message"]["_id"];
        let elsewhere = json!({ "fileId": id, "roomId": "nope" });
        let (status, _) = post(&sandbox, &ann, "chat.delete", elsewhere).await;
        assert_eq!(status, 400, "{version}");
        let (status, answer) = post(&sandbox, &ann, "chat.delete", by_file).await;
        assert_eq!(
            (status == 200, answer["_id"] == *message),
            (there, there),
            "{version} {answer}"
        );
        let file = download(&sandbox, Some(&ann), &format!("/file-upload/{id}/note.txt")).await;
        assert_eq!(file.status, if there { 404 } else { 200 }, "{version}");
    }
}

#[tokio::test]
async fn a_picture_tells_its_size_and_a_small_one_is_its_own_preview() {
    let sandbox = Sandbox::builder().user("ann").start_in_memory();
    let ann = sandbox.user("ann");
    let small = "GIF89a\x03\0\x02\0\0\0\0";
    let long = format!("{small}{}", "x".repeat(8 * 1024));
    for (content, size, preview) in [
        (
            small,
            json!({ "width": 3, "height": 2 }),
            json!("R0lGODlhAwACAAAAAA=="),
        ),
        (
            "GIF89a\x21\0\x02\0\0\0\0",
            json!({ "width": 33, "height": 2 }),
            Value::Null,
        ),
        (&long, json!({ "width": 3, "height": 2 }), Value::Null),
        ("no picture at all", Value::Null, Value::Null),
    ] {
        let body = form(&[], "file", "a.gif", "image/gif", content);
        let (_, answer) = send_form(&sandbox, &ann, "rooms.media/GENERAL", &body).await;
        let id = answer["file"]["_id"].as_str().expect("an id").to_owned();
        let confirm = format!("rooms.mediaConfirm/GENERAL/{id}");
        let (_, answer) = post(&sandbox, &ann, &confirm, json!({})).await;
        let shown = &answer["message"]["attachments"][0];
        assert_eq!(shown["image_dimensions"], size, "{answer}");
        assert_eq!(shown["image_preview"], preview, "{answer}");
    }
}

/// What is asked for of `0123456789`, and what comes: a real server knows ranges of two numbers and more than one byte.
#[tokio::test]
async fn down_in_parts() {
    let sandbox = Sandbox::builder().start_in_memory();
    let bot = sandbox.bot("rocketbotte");
    let body = form(&[], "file", "a.txt", "text/plain", "0123456789");
    let (_, answer) = send_form(&sandbox, &bot, "rooms.media/GENERAL", &body).await;
    let path = answer["file"]["url"].as_str().expect("a path");
    for (range, status, text, told) in [
        ("bytes=0-4", 206, "01234", Some("bytes 0-4/10")),
        ("bytes=8-9", 206, "89", Some("bytes 8-9/10")),
        ("bytes=3-8", 206, "345678", Some("bytes 3-8/10")),
        ("bytes=5-5", 416, "", Some("bytes */10")),
        ("bytes=5-11", 416, "", Some("bytes */10")),
        ("bytes=11-12", 416, "", Some("bytes */10")),
        ("bytes=5-", 200, "0123456789", None),
        ("bytes=-5", 200, "0123456789", None),
        ("nonsense", 200, "0123456789", None),
        ("bytes=99999999999999999999999-5", 200, "0123456789", None),
    ] {
        let headers = [("range", range)];
        let answer = request_over(sandbox.connect(), Some(&bot), "GET", path, None, &headers).await;
        let answer = answer.expect("answers");
        assert_eq!((answer.status, answer.text.as_str()), (status, text), "{range}");
        let range_told = answer
            .headers
            .get("content-range")
            .map(|range| range.to_str().expect("text"));
        assert_eq!(range_told, told, "{range}");
    }
}

#[tokio::test]
async fn faults_of_files() {
    let sandbox = Sandbox::builder().start_in_memory();
    let bot = sandbox.bot("rocketbotte");
    let id = note(&sandbox, &bot).await;
    let path = format!("/file-upload/{id}/note.txt");
    for (fault, status) in [
        (RestFault::Proxy(503), Some(503)),
        (RestFault::Status(404), Some(404)),
        (
            RestFault::Redirect("http://files.example/x".to_owned()),
            Some(302),
        ),
        (RestFault::HalfReply, None),
        (RestFault::CloseBeforeActing, None),
        (RestFault::Slow(Duration::from_millis(1)), Some(200)),
    ] {
        sandbox.fail_next("file-upload", fault.clone());
        let answer = request(&sandbox, Some(&bot), "GET", &path, None).await;
        assert_eq!(
            answer.as_ref().ok().map(|answer| answer.status),
            status,
            "{fault:?}"
        );
        if status == Some(302) {
            assert_eq!(
                answer.expect("answers").headers["location"],
                "http://files.example/x"
            );
        }
    }
    assert_eq!(download(&sandbox, Some(&bot), &path).await.text, "hello");

    // The body is not read to its end, and nothing is kept of it.
    sandbox.fail_next("rooms.media", RestFault::CloseWhileReading);
    let body = form(&[], "file", "a.txt", "text/plain", &"x".repeat(200_000));
    let path = "/api/v1/rooms.media/GENERAL";
    let answer = request_over(sandbox.connect(), Some(&bot), "POST", path, Some(&body), &[FORM]).await;
    assert!(answer.is_err());
    assert_eq!(sandbox.faults_met()["half a call"], 1);
    let (status, _) = send_form(&sandbox, &bot, "rooms.media/GENERAL", &body).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn there_was_one_step_before_there_were_two() {
    for (version, one, two) in [("6.3.0", 200, 404), ("7.2.0", 200, 200), ("8.0.0", 404, 200)] {
        let sandbox = Sandbox::builder().version(version).start_in_memory();
        let bot = sandbox.bot("rocketbotte");
        let body = form(&[], "file", "a.txt", "text/plain", "x");
        for (path, expected) in [("rooms.upload/GENERAL", one), ("rooms.media/GENERAL", two)] {
            assert_eq!(
                send_form(&sandbox, &bot, path, &body).await.0,
                expected,
                "{version} {path}"
            );
        }
    }
}
