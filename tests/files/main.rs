//! Files up and down against the sandbox, and against servers that behave as none should.
#![cfg(all(
    feature = "client",
    feature = "journal",
    feature = "sandbox",
    feature = "test-util"
))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends by them")]

#[path = "../support/live.rs"]
#[allow(dead_code, unused_imports, unreachable_pub, reason = "each test uses a part")]
mod live;
#[path = "../support/pipes.rs"]
mod pipes;
#[path = "../support/process.rs"]
mod process;

mod bot;
mod down;
mod large;
mod outbox;
mod up;

use bytes::Bytes;
use rocketbotte::rest::Client;
use rocketbotte::sandbox::{Sandbox, SandboxMessage};
use rocketbotte::transport::{Connector, TlsSettings};
use rocketbotte::{Credentials, ServerUrl};

fn client_over(sandbox: &Sandbox, tls: &TlsSettings) -> Client {
    let bot = sandbox.bot("rocketbotte");
    let url: ServerUrl = sandbox.url().parse().unwrap();
    Client::builder(url, Connector::tcp(tls).unwrap())
        .credentials(Credentials::new(bot.id(), bot.token()).unwrap())
        .build()
}

fn client(sandbox: &Sandbox) -> Client {
    client_over(sandbox, &TlsSettings::new())
}

/// Over the runtime's own pipes: for paused time.
fn client_in_memory(sandbox: &Sandbox) -> Client {
    let bot = sandbox.bot("rocketbotte");
    let server = sandbox.clone();
    let connector = Connector::from_fn(move |_| {
        let connection = server.connect();
        async move { Ok::<_, std::io::Error>(connection) }
    });
    Client::builder("http://localhost".parse().unwrap(), connector)
        .credentials(Credentials::new(bot.id(), bot.token()).unwrap())
        .build()
}

/// What the messages of a room show as files.
fn files_in(sandbox: &Sandbox, room: &str) -> Vec<SandboxMessage> {
    let messages = sandbox.messages(room).into_iter();
    messages
        .filter(|message| message.raw.get("file").is_some())
        .collect()
}

/// Bytes that tell their place.
fn numbered(length: usize) -> Bytes {
    (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect()
}
