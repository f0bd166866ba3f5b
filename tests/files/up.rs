//! Uploads.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use rocketbotte::response::{Thread, Upload};
use rocketbotte::rest::RestErrorKind;
use rocketbotte::rest::file::{Progress, Transfer};
use rocketbotte::sandbox::{RestFault, Sandbox};
use rocketbotte::transport::TlsSettings;
use serde_json::json;

use crate::process::Folder;
use crate::{client, client_in_memory, client_over, files_in, live, numbered};

/// The same file from everything that one is read from.
fn sources(folder: &Folder, bytes: &Bytes) -> Vec<(&'static str, Upload<Transfer>)> {
    let path = folder.path("a file.bin");
    std::fs::write(&path, bytes).unwrap();
    let pieces: Vec<_> = bytes.chunks(1000).map(Bytes::copy_from_slice).collect();
    let stream = || futures_util::stream::iter(pieces.clone()).map(Ok::<_, std::io::Error>);
    let length = bytes.len() as u64;
    vec![
        ("bytes", Upload::from_bytes("a file.bin", bytes.clone()).into()),
        ("path", Upload::from_path(&path).into()),
        ("stream", Upload::from_stream("a file.bin", stream())),
        (
            "stream of known length",
            Upload::from_stream("a file.bin", stream()).length(length),
        ),
        (
            "reader",
            Upload::from_reader("a file.bin", std::io::Cursor::new(bytes.clone())),
        ),
    ]
}

#[tokio::test]
async fn from_everything_over_everything() {
    let folder = Folder::new();
    let bytes = numbered(300_000);
    let (config, authority) = live::authority_of_ones_own();
    let tls = TlsSettings::new().ca_pem(&authority).unwrap();
    for (builder, tls) in [
        (Sandbox::builder(), TlsSettings::new()),
        (Sandbox::builder().subpath("/chat"), TlsSettings::new()),
        (Sandbox::builder().tls(config), tls),
        // One step, before there were two.
        (Sandbox::builder().version("6.3.0"), TlsSettings::new()),
        (Sandbox::builder().version("7.2.0"), TlsSettings::new()),
        (Sandbox::builder().version("9.0.0"), TlsSettings::new()),
    ] {
        let sandbox = builder.user("ann").bot("rocketbotte").start().await.unwrap();
        let root = sandbox.user("ann").say("general", "where is it?").await;
        let client = client_over(&sandbox, &tls);
        for (source, upload) in sources(&folder, &bytes) {
            let progress = Arc::new(Mutex::new(Vec::<Progress>::new()));
            let log = Arc::clone(&progress);
            let upload = upload
                .message("Here, @all.")
                .described("a file")
                .in_thread(Thread::Of(root.as_str().into()))
                .on_progress(move |progress| log.lock().unwrap().push(progress));
            let sent = client.upload("GENERAL", upload).await.unwrap();
            let message = sandbox.message(sent.message_id.as_str()).unwrap();
            assert_eq!(
                (message.text.as_str(), message.thread_id.as_deref()),
                ("Here, @\u{200B}all.", Some(&*root))
            );
            let attachment = &message.raw["attachments"][0];
            assert_eq!(
                (
                    &attachment["title"],
                    &attachment["description"],
                    &message.raw["file"]["_id"]
                ),
                (
                    &json!("a file.bin"),
                    &json!("a file"),
                    &json!(sent.file_id.as_str())
                ),
                "{source}"
            );
            assert_eq!(message.raw["file"]["type"], "application/octet-stream");
            let link = attachment["title_link"].as_str().unwrap();
            assert_eq!(sent.path(), link);
            let down = client.download(link).await.unwrap();
            assert_eq!(
                (down.length(), down.content_type()),
                (Some(300_000), Some("application/octet-stream"))
            );
            assert!(down.bytes().await.unwrap() == bytes, "{source}");

            let progress = progress.lock().unwrap();
            assert!(
                progress.windows(2).all(|pair| pair[0].bytes < pair[1].bytes),
                "{source}"
            );
            assert_eq!(progress.last().unwrap().bytes, 300_000);
        }
        assert_eq!(files_in(&sandbox, "general").len(), 5);
    }
}

/// What is done wrong, and with what it ends: nothing in the room, and nothing but the error's kind.
#[tokio::test]
async fn what_is_refused() {
    let folder = Folder::new();
    let sandbox = Sandbox::builder()
        .user("ann")
        .bot("rocketbotte")
        .group_with("secret", &["ann"])
        .setting("FileUpload_MaxFileSize", 1000)
        .setting("FileUpload_MediaTypeBlackList", "image/svg+xml,video/*")
        .start()
        .await
        .unwrap();
    let client = client(&sandbox);
    let secret = sandbox.room_id("secret").unwrap();
    let pieces =
        |count: usize| futures_util::stream::iter(vec![numbered(100); count]).map(Ok::<_, std::io::Error>);
    let broken = || {
        let pieces = [Ok(numbered(10)), Err(std::io::Error::other("the disk is gone"))];
        Upload::from_stream("x", futures_util::stream::iter(pieces))
    };
    let cases: Vec<(&str, Upload<Transfer>, RestErrorKind, u64)> = vec![
        (
            "GENERAL",
            Upload::from_bytes("x", numbered(1001)).into(),
            RestErrorKind::TooLarge,
            0,
        ),
        (
            "GENERAL",
            Upload::from_stream("x", pieces(11)).length(1100),
            RestErrorKind::TooLarge,
            0,
        ),
        (
            "GENERAL",
            Upload::from_stream("x", pieces(11)),
            RestErrorKind::TooLarge,
            0,
        ),
        (
            "GENERAL",
            Upload::from_bytes("x.svg", "<svg/>").into(),
            RestErrorKind::UnsupportedType,
            0,
        ),
        (
            "GENERAL",
            Upload::from_bytes("x", "").content_type("video/mp4").into(),
            RestErrorKind::UnsupportedType,
            0,
        ),
        (
            "GENERAL",
            Upload::from_bytes("x", "y").content_type("a\r\nb: c").into(),
            RestErrorKind::InvalidCall,
            0,
        ),
        (
            "GENERAL",
            Upload::from_path(folder.path("nothing")).into(),
            RestErrorKind::LocalFile,
            0,
        ),
        (
            "GENERAL",
            Upload::from_path(folder.path("..")).into(),
            RestErrorKind::LocalFile,
            0,
        ),
        (
            "GENERAL",
            Upload::from_stream("x", pieces(3)).length(301),
            RestErrorKind::LocalFile,
            0,
        ),
        (
            "GENERAL",
            Upload::from_stream("x", pieces(3)).length(299),
            RestErrorKind::LocalFile,
            0,
        ),
        ("GENERAL", broken(), RestErrorKind::LocalFile, 0),
        (
            "../me",
            Upload::from_bytes("x", "y").into(),
            RestErrorKind::InvalidCall,
            0,
        ),
        (
            "a%2fb",
            Upload::from_bytes("x", "y").into(),
            RestErrorKind::InvalidCall,
            0,
        ),
        (
            "GENERAL",
            Upload::from_bytes("x", "").into(),
            RestErrorKind::Api,
            1,
        ),
        (
            &secret,
            Upload::from_bytes("x", "y").into(),
            RestErrorKind::Forbidden,
            1,
        ),
        (
            "nowhere",
            Upload::from_bytes("x", "y").into(),
            RestErrorKind::NotFound,
            1,
        ),
        (
            "GENERAL",
            Upload::from_bytes("x", "y").described("z".repeat(5001)).into(),
            RestErrorKind::TooLarge,
            1,
        ),
    ];
    let mut answered = 0;
    for (room, upload, kind, calls) in cases {
        let shown = format!("{upload:?}");
        let error = client.upload(room, upload).await.expect_err(&shown);
        assert_eq!(*error.kind(), kind, "{shown}: {error}");
        answered += calls;
    }
    // What was begun and not ended does not count.
    let requests = sandbox.requests();
    assert_eq!(requests["rooms.media"], answered, "{requests:?}");
    assert_eq!(requests.get("rooms.mediaConfirm"), Some(&1));
    assert!(sandbox.messages("general").is_empty());
}

#[tokio::test]
async fn the_builder_s_own_limit() {
    let sandbox = Sandbox::builder().bot("rocketbotte").start().await.unwrap();
    let bot = sandbox.bot("rocketbotte");
    let connector = rocketbotte::transport::Connector::tcp(&TlsSettings::new()).unwrap();
    let client = rocketbotte::rest::Client::builder(sandbox.url().parse().unwrap(), connector)
        .credentials(rocketbotte::Credentials::new(bot.id(), bot.token()).unwrap())
        .max_file_size(10)
        .build();
    let error = client
        .upload("GENERAL", Upload::from_bytes("x", numbered(11)))
        .await
        .unwrap_err();
    assert_eq!(*error.kind(), RestErrorKind::TooLarge);
    let sent = client
        .upload("GENERAL", Upload::from_bytes("x", numbered(10)))
        .await
        .unwrap();
    assert_eq!(
        client.download(sent.path()).await.unwrap().bytes().await.unwrap(),
        numbered(10)
    );
}

/// Settings that the server does not show: it says no by itself, and the client does not try again.
#[tokio::test]
async fn limits_that_only_the_server_knows() {
    let sandbox = Sandbox::builder().bot("rocketbotte").start().await.unwrap();
    let client = client(&sandbox);
    client
        .upload("GENERAL", Upload::from_bytes("x", "y"))
        .await
        .unwrap();
    // The client has just read other ones.
    sandbox.set_setting("FileUpload_MaxFileSize", 1000);
    sandbox.set_setting("FileUpload_MediaTypeWhiteList", "text/plain");
    for (upload, kind) in [
        (
            Upload::from_bytes("x.txt", numbered(1001)),
            RestErrorKind::TooLarge,
        ),
        (
            Upload::from_bytes("x.txt", numbered(8_000_000)),
            RestErrorKind::TooLarge,
        ),
        (
            Upload::from_bytes("x.png", numbered(10)),
            RestErrorKind::UnsupportedType,
        ),
    ] {
        let error = client.upload("GENERAL", upload).await.unwrap_err();
        assert_eq!(*error.kind(), kind, "{error}");
    }
    assert_eq!(files_in(&sandbox, "general").len(), 1);
}

/// What happens on the way, in which step, and how it ends: with how many messages.
#[tokio::test(start_paused = true)]
async fn trouble_on_the_way() {
    let too_many = || RestFault::TooManyRequests {
        reset_after: Duration::from_secs(20),
    };
    let both = [("rooms.media", true), ("rooms.mediaConfirm", true)];
    let first = [("rooms.media", true)];
    let second_fails = [("rooms.mediaConfirm", false)];
    let second = [("rooms.mediaConfirm", true)];
    let cases: [(RestFault, &[(&str, bool)]); 7] = [
        // The server surely did nothing.
        (too_many(), &both),
        // Nobody saw the file of the first step: it goes up again.
        (RestFault::CloseWhileReading, &first),
        (RestFault::LoseReply, &both),
        (RestFault::HalfReply, &second),
        (RestFault::Proxy(502), &first),
        // The message was not there when it was looked for: nobody knows.
        (RestFault::CloseBeforeActing, &second_fails),
        (RestFault::Proxy(502), &second_fails),
    ];
    for (fault, endpoints) in cases {
        for (endpoint, works) in endpoints {
            let sandbox = Sandbox::builder().bot("rocketbotte").start_in_memory();
            let client = client_in_memory(&sandbox);
            sandbox.fail_next(endpoint, fault.clone());
            let bytes = numbered(200_000);
            let sent = client
                .upload("GENERAL", Upload::from_bytes("x", bytes.clone()))
                .await;
            let files = files_in(&sandbox, "general");
            let case = format!("{fault:?} at {endpoint}: {sent:?}");
            if *works {
                let sent = sent.expect(&case);
                assert_eq!(files.len(), 1, "{case}");
                assert_eq!(files[0].id, sent.message_id.as_str(), "{case}");
                let down = client.download(sent.path()).await.unwrap().bytes().await.unwrap();
                assert!(down == bytes, "{case}");
            } else {
                assert_eq!(
                    *sent.expect_err(&case).kind(),
                    RestErrorKind::Unconfirmed,
                    "{case}"
                );
                assert_eq!(files.len(), 0, "{case}");
                assert_eq!(sandbox.requests()["rooms.mediaConfirm"], 1, "{case}");
            }
        }
    }
}

/// A stream is not read twice: it is tried again only where nothing of it was read.
#[tokio::test(start_paused = true)]
async fn a_stream_goes_up_once() {
    for (fault, kind) in [
        (RestFault::CloseWhileReading, RestErrorKind::Cut),
        (RestFault::LoseReply, RestErrorKind::Cut),
        (RestFault::Proxy(502), RestErrorKind::Api),
    ] {
        let sandbox = Sandbox::builder().bot("rocketbotte").start_in_memory();
        let client = client_in_memory(&sandbox);
        sandbox.fail_next("rooms.media", fault.clone());
        let pieces = futures_util::stream::iter(vec![numbered(50_000); 4]).map(Ok::<_, std::io::Error>);
        let upload = Upload::from_stream("x", pieces).length(200_000);
        let error = client.upload("GENERAL", upload).await.unwrap_err();
        assert_eq!(*error.kind(), kind, "{fault:?}: {error}");
        let calls = sandbox.requests().get("rooms.media").copied();
        assert!(calls.is_none_or(|calls| calls == 1), "{fault:?}");
        assert!(sandbox.messages("general").is_empty());
    }
    let sandbox = Sandbox::builder().bot("rocketbotte").start_in_memory();
    let server = sandbox.clone();
    let refused = Arc::new(Mutex::new(2));
    let bot = sandbox.bot("rocketbotte");
    let connector = rocketbotte::transport::Connector::from_fn(move |_| {
        let mut refused = refused.lock().unwrap();
        let connection = match *refused {
            0 => Ok(server.connect()),
            _ => Err(std::io::Error::from(std::io::ErrorKind::ConnectionRefused)),
        };
        *refused = u32::saturating_sub(*refused, 1);
        async move { connection }
    });
    let client = rocketbotte::rest::Client::builder("http://localhost".parse().unwrap(), connector)
        .credentials(rocketbotte::Credentials::new(bot.id(), bot.token()).unwrap())
        .build();
    let upload = Upload::from_reader("x", std::io::Cursor::new(numbered(1000)));
    client.upload("GENERAL", upload).await.unwrap();
}

/// Time is no matter as long as something goes on.
#[tokio::test(start_paused = true)]
async fn a_slow_file_is_not_given_up() {
    let sandbox = Sandbox::builder().bot("rocketbotte").start_in_memory();
    let client = client_in_memory(&sandbox);
    let slow = |pause: u64| {
        futures_util::stream::iter(0..20).then(move |_| async move {
            tokio::time::sleep(Duration::from_secs(pause)).await;
            Ok::<_, std::io::Error>(numbered(100))
        })
    };
    let start = tokio::time::Instant::now();
    let sent = client.upload("GENERAL", Upload::from_stream("x", slow(14))).await;
    sent.expect("twenty pieces in almost five minutes");
    assert!(start.elapsed() >= Duration::from_secs(280));
    let error = client
        .upload("GENERAL", Upload::from_stream("x", slow(31)))
        .await
        .unwrap_err();
    assert_eq!(*error.kind(), RestErrorKind::Cut, "{error}");
}
