//! Downloads.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use rocketbotte::Credentials;
use rocketbotte::response::Upload;
use rocketbotte::rest::file::FileLink;
use rocketbotte::rest::{Client, RestErrorKind};
use rocketbotte::sandbox::{RestFault, Sandbox};
use tokio::io::AsyncReadExt as _;

use crate::pipes::{self, Reply};
use crate::process::Folder;
use crate::{client, client_in_memory, numbered};

#[tokio::test]
async fn as_a_stream_a_reader_a_file() {
    let sandbox = Sandbox::builder().bot("rocketbotte").start().await.unwrap();
    let client = client(&sandbox);
    let folder = Folder::new();
    for length in [1, 2, 1_000_000] {
        let bytes = numbered(length);
        let upload = Upload::from_bytes("ä page.html", bytes.clone()).content_type("text/html");
        let sent = client.upload("GENERAL", upload).await.unwrap();
        let moved = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&moved);
        let link = FileLink::new(sent.path()).on_progress(move |progress| {
            count.store(usize::try_from(progress.bytes).unwrap(), Ordering::Relaxed)
        });
        let mut down = client.download(link).await.unwrap();
        let mut streamed = Vec::new();
        while let Some(piece) = down.next().await {
            streamed.extend_from_slice(&piece.unwrap());
        }
        assert!(streamed == bytes && down.next().await.is_none());
        assert_eq!(moved.load(Ordering::Relaxed), length);

        let mut read = Vec::new();
        let mut reader = client.download(sent.path()).await.unwrap().into_reader();
        reader.read_to_end(&mut read).await.unwrap();
        assert!(read == bytes);

        let path = folder.path("saved");
        let saved = client
            .download(sent.path())
            .await
            .unwrap()
            .save_to(&path)
            .await
            .unwrap();
        assert_eq!(saved, length as u64);
        assert!(std::fs::read(&path).unwrap() == bytes);
        assert_eq!(
            std::fs::read_dir(folder.path("")).unwrap().count(),
            1,
            "nothing is left beside it"
        );
    }
}

/// How often a file is cut in the middle, and whether it comes down all the same.
#[tokio::test(start_paused = true)]
async fn it_goes_on_where_it_was_cut() {
    let folder = Folder::new();
    for length in [1, 2, 3, 500_000] {
        for (cuts, fault, comes) in [
            (1, RestFault::HalfReply, true),
            (3, RestFault::HalfReply, true),
            (1, RestFault::Proxy(503), true),
        ] {
            let sandbox = Sandbox::builder().bot("rocketbotte").start_in_memory();
            let client = client_in_memory(&sandbox);
            let bytes = numbered(length);
            let sent = client
                .upload("GENERAL", Upload::from_bytes("x", bytes.clone()))
                .await
                .unwrap();
            sandbox.fail_next_calls("file-upload", cuts, fault.clone());
            let path = folder.path("saved");
            let saved = client.download(sent.path()).await.unwrap().save_to(&path).await;
            assert_eq!(
                saved.is_ok(),
                comes,
                "{length} bytes, {cuts} times {fault:?}: {saved:?}"
            );
            assert!(
                std::fs::read(&path).unwrap() == bytes,
                "{length} bytes, {cuts} times {fault:?}"
            );
            assert_eq!(sandbox.requests()["file-upload"], cuts as u64 + 1);
        }
    }
}

/// A cut that can not be mended is an error, and there is no half file: neither a new one nor in the place of an old one.
#[tokio::test(start_paused = true)]
async fn a_cut_is_an_error_and_no_half_file() {
    let head = |length: usize| {
        format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-disposition: attachment\r\ncontent-length: {length}\r\n\r\n"
        )
    };
    let chunked = "HTTP/1.1 200 OK\r\ncontent-disposition: attachment\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n";
    let other =
        "HTTP/1.1 206 Partial Content\r\ncontent-range: bytes 5-10/12\r\ncontent-length: 6\r\n\r\n world";
    let folder = Folder::new();
    let path = folder.path("saved");
    std::fs::write(&path, "old").unwrap();
    for (what, first, later) in [
        ("begins anew", head(11) + "hello", head(11) + "hello world"),
        ("always cut", head(11) + "hello", head(11)),
        ("another file", head(11) + "hello", other.to_owned()),
        ("length unknown", chunked.to_owned(), head(11) + "hello world"),
    ] {
        let mut asked = 0;
        let (connector, _) = pipes::http(move |_| {
            asked += 1;
            Reply::Half(if asked == 1 { first.clone() } else { later.clone() })
        });
        let client = Client::builder("http://localhost".parse().unwrap(), connector)
            .credentials(Credentials::new("uB", "TOKEN").unwrap())
            .build();
        let down = client.download("/file-upload/F1/a.txt").await.unwrap();
        let error = down.save_to(&path).await.expect_err(what);
        assert_eq!(*error.kind(), RestErrorKind::Cut, "{what}: {error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old", "{what}");
        assert_eq!(std::fs::read_dir(folder.path("")).unwrap().count(), 1, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_stands_still_is_given_up_and_asked_for_again() {
    let sandbox = Sandbox::builder().bot("rocketbotte").start_in_memory();
    let (hangs, mut accept) = pipes::pipes();
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Some(mut stream) = accept.recv().await {
            pipes::read_request(&mut stream).await;
            let head =
                "HTTP/1.1 200 OK\r\ncontent-disposition: attachment\r\ncontent-length: 11\r\n\r\nhello";
            tokio::io::AsyncWriteExt::write_all(&mut stream, head.as_bytes())
                .await
                .unwrap();
            open.push(stream);
        }
    });
    drop(sandbox);
    let client = Client::builder("http://localhost".parse().unwrap(), hangs).build();
    let start = tokio::time::Instant::now();
    let mut down = client.download("/file-upload/F1/a.txt").await.unwrap();
    assert_eq!(down.next().await.unwrap().unwrap(), "hello");
    let error = down.next().await.unwrap().unwrap_err();
    assert_eq!(*error.kind(), RestErrorKind::Cut, "{error}");
    assert!(down.next().await.is_none());
    assert!(start.elapsed() >= Duration::from_secs(30) && start.elapsed() < Duration::from_secs(150));
}

#[tokio::test]
async fn what_is_refused() {
    let sandbox = Sandbox::builder()
        .user("ann")
        .bot("rocketbotte")
        .group_with("secret", &["ann"])
        .start()
        .await
        .unwrap();
    let client = client(&sandbox);
    let sent = client
        .upload("GENERAL", Upload::from_bytes("x", numbered(1000)))
        .await
        .unwrap();
    let large = FileLink::new(sent.path()).at_most(999);
    for (link, kind) in [
        (large, RestErrorKind::TooLarge),
        (FileLink::new("/file-upload/nothing/x"), RestErrorKind::NotFound),
        (FileLink::new("/api/v1/me"), RestErrorKind::InvalidCall),
        (
            FileLink::new("https://evil.example/file-upload/F1/x"),
            RestErrorKind::InvalidCall,
        ),
    ] {
        let shown = format!("{link:?}");
        let error = client.download(link).await.expect_err(&shown);
        assert_eq!(*error.kind(), kind, "{shown}: {error}");
    }
    for (fault, kind) in [
        (RestFault::Status(403), RestErrorKind::Forbidden),
        (
            RestFault::Redirect("ftp://x/".to_owned()),
            RestErrorKind::NotRocketChat,
        ),
    ] {
        sandbox.fail_next("file-upload", fault.clone());
        let error = client.download(sent.path()).await.unwrap_err();
        assert_eq!(*error.kind(), kind, "{fault:?}: {error}");
    }
}

/// A redirect to a storage is followed, and only the configured host gets credentials.
#[tokio::test]
async fn credentials_go_to_no_other_host() {
    let file = |text: &str| pipes::response("200 OK", &[("content-disposition", "attachment")], text);
    let to = |address: &str| pipes::response("302 Found", &[("location", address)], "");
    let (connector, seen) = pipes::http(move |request| {
        let host = request.header("host").unwrap_or_default().to_owned();
        let path = request.line().split(' ').nth(1).unwrap_or_default();
        match (host.as_str(), path) {
            ("chat.example", "/file-upload/F1/there") => to("http://files.example/f?signature=1"),
            ("chat.example", "/file-upload/F1/around") => to("http://files.example/back"),
            ("files.example", "/back") => to("http://chat.example/file-upload/F1/plain"),
            ("chat.example", "/file-upload/F1/loop") => to("/file-upload/F1/loop"),
            _ => file("hello"),
        }
    });
    let client = Client::builder("http://chat.example".parse().unwrap(), connector)
        .credentials(Credentials::new("uB", "TOKEN").unwrap())
        .build();
    for (link, hosts) in [
        (FileLink::new("/file-upload/F1/plain"), &["chat.example"][..]),
        (
            FileLink::new("/file-upload/F1/there"),
            &["chat.example", "files.example"],
        ),
        (
            FileLink::new("/file-upload/F1/around"),
            &["chat.example", "files.example", "chat.example"],
        ),
        (
            FileLink::new("http://other.example/x").from_other_hosts(),
            &["other.example"],
        ),
    ] {
        seen.lock().unwrap().clear();
        let shown = format!("{link:?}");
        let bytes = client
            .download(link)
            .await
            .expect(&shown)
            .bytes()
            .await
            .expect(&shown);
        assert_eq!(bytes, "hello");
        let seen = seen.lock().unwrap();
        let asked: Vec<_> = seen
            .iter()
            .map(|request| request.header("host").unwrap())
            .collect();
        assert_eq!(asked, hosts, "{shown}");
        for request in seen.iter() {
            let is_own = request.header("host") == Some("chat.example");
            assert_eq!(
                request.header("x-auth-token").is_some(),
                is_own,
                "{shown}: {}",
                request.head
            );
            assert_eq!(request.head.contains("TOKEN"), is_own, "{shown}");
        }
    }
    let error = client.download("/file-upload/F1/loop").await.unwrap_err();
    assert_eq!(*error.kind(), RestErrorKind::NotRocketChat, "{error}");
}
