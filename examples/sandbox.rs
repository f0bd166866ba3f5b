//! A Rocket.Chat server to write bots against, in any language: no Node, no database, and nothing that outlives it.
//!
//! Run it with `cargo run --example sandbox`, or `cargo run --example sandbox -- 3000` for a port of your choice. It
//! prints where it is and who there is; copy the variables into the terminal where your bot starts. `ann` and `bob` are
//! people: talk as them with any client of the REST API, or open the page that it prints, and talk in the browser. It ends
//! with Ctrl-C, and forgets everything.

use std::fmt::Write as _;
use std::future::pending;
use std::io::Write as _;
use std::process::ExitCode;

use rocketbotte::BoxError;
use rocketbotte::sandbox::Sandbox;

const USAGE: &str =
    "usage: sandbox [PORT]\nPORT is a free port of this machine; one is chosen if none is given.";

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into()),
        )
        .with_writer(std::io::stderr)
        .init();
    let mut arguments = std::env::args().skip(1);
    let port = match (arguments.next(), arguments.next()) {
        (None, _) => Ok(0),
        (Some(help), None) if help == "--help" || help == "-h" => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        (Some(port), None) => port
            .parse()
            .map_err(|error| format!("`{port}` is no port: {error}")),
        (Some(_), Some(_)) => Err("one port is enough".to_owned()),
    };
    let port = match port {
        Ok(port) => port,
        Err(error) => {
            eprintln!("sandbox: {error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let ended = tokio::select! {
        // Ctrl-C is asked for first, so that it is heard from the beginning.
        biased;
        stopped = tokio::signal::ctrl_c() => stopped.map_err(BoxError::from),
        failed = serve(port) => failed,
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sandbox: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the server until it is dropped.
async fn serve(port: u16) -> Result<(), BoxError> {
    let sandbox = Sandbox::builder()
        .port(port)
        .user("ann")
        .user("bob")
        .bot("rocketbotte")
        .start()
        .await?;
    let mut out = std::io::stdout();
    out.write_all(introduction(&sandbox)?.as_bytes())?;
    // Who reads it through a pipe needs it now.
    out.flush()?;
    pending().await
}

/// Where the server is, who there is, and what to do with it.
fn introduction(sandbox: &Sandbox) -> Result<String, std::fmt::Error> {
    let (url, bot, ann) = (sandbox.url(), sandbox.bot("rocketbotte"), sandbox.user("ann"));
    let mut text = format!("A Rocket.Chat runs at {url} until Ctrl-C, and then forgets everything.\n\n");
    writeln!(
        text,
        "Chat in the browser, watch what bots do, break things:\n  {}\n",
        sandbox.page_url()
    )?;
    writeln!(text, "In #general and in direct conversations there are")?;
    for (user, role) in [(&bot, "bot"), (&ann, "person"), (&sandbox.user("bob"), "person")] {
        let (name, id, token, password) = (user.username(), user.id(), user.token(), user.password());
        writeln!(
            text,
            "  {name:<11}  {role:<6}  id {id}  token {token}  password {password}"
        )?;
    }
    write!(
        text,
        r##"
For the bot:
  export ROCKETCHAT_URL={url}
  export ROCKETCHAT_USER_ID={}
  export ROCKETCHAT_AUTH_TOKEN={}

To say something as ann:
  curl -H 'X-User-Id: {}' -H 'X-Auth-Token: {}' \
    -H 'Content-Type: application/json' -d '{{"channel": "#general", "text": "!ping"}}' \
    {url}/api/v1/chat.postMessage
"##,
        bot.id(),
        bot.token(),
        ann.id(),
        ann.token()
    )?;
    Ok(text)
}
