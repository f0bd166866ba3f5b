//! A bot that reads files, and writes some: the lines, words and numbers of a text that somebody posts, and `!report`.
//!
//! Run it with `cargo run --example files`: it starts a server in this program, posts a file there, asks for a report,
//! prints the chat and ends. To connect it to your own server set `ROCKETCHAT_URL`, `ROCKETCHAT_USER_ID` and
//! `ROCKETCHAT_AUTH_TOKEN`; then post a file where the bot is.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rocketbotte::event::Message;
use rocketbotte::extract::State;
use rocketbotte::handler::route;
use rocketbotte::layer::CommandLayer;
use rocketbotte::response::{Thread, Upload};
use rocketbotte::rest::RestErrorKind;
use rocketbotte::rest::file::FileLink;
use rocketbotte::sandbox::{Sandbox, SandboxMessage};
use rocketbotte::transport::ConnectionState;
use rocketbotte::{Bot, BotBuilder, BoxError, Credentials, Rejection, Request, Response, Router};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _};
use tower::{Service, ServiceBuilder};

/// The largest file that is read.
const MOST: u64 = 100 << 20;

/// The longest line that is read.
const LONGEST_LINE: u64 = 64 << 10;

/// Columns of a table that are summed up.
const COLUMNS: usize = 100;

/// What was read so far, by the name of who posted it.
type Seen = Arc<Mutex<BTreeMap<String, u64>>>;

/// Reads the files of a message, whoever writes it, and answers with what is in them, as a file in a thread below it.
async fn read(
    State(seen): State<Seen>,
    request: Request,
    message: Arc<Message>,
) -> Result<Vec<Upload>, BoxError> {
    #[derive(serde::Deserialize)]
    struct Attachment {
        title: Option<String>,
        title_link: Option<String>,
    }

    let client = request.context().client().ok_or("there is no server")?;
    let attachments: Vec<Attachment> = message.field("attachments")?.unwrap_or_default();
    let mut answers = Vec::new();
    for attachment in attachments {
        let Some(link) = attachment.title_link else {
            continue;
        };
        let name = attachment.title.unwrap_or_default();
        // Anybody may post any link: other hosts are not asked, and larger files are refused before they are read.
        let file = match client.download(FileLink::new(link).at_most(MOST)).await {
            Ok(file) => file,
            Err(error) if *error.kind() == RestErrorKind::InvalidCall => continue,
            Err(error) if *error.kind() == RestErrorKind::TooLarge => {
                return Err(Rejection::new(format!("{name} is too large for me.")).into());
            }
            Err(error) => return Err(error.into()),
        };
        if !file.content_type().is_some_and(|kind| kind.starts_with("text/")) {
            continue;
        }
        let summary = summary_of(file.into_reader()).await?;
        *seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(message.author().username().to_owned())
            .or_default() += 1;
        let first = summary.lines().next().unwrap_or_default().to_owned();
        answers.push(
            Upload::from_bytes(format!("{name}.summary.txt"), summary)
                .message(first)
                .described(format!("What is in {name}"))
                .in_thread(Thread::Always),
        );
    }
    Ok(answers)
}

/// Lines, words and the sums of the columns, line by line: a large file is never in memory.
async fn summary_of(mut text: impl tokio::io::AsyncBufRead + Unpin) -> Result<String, BoxError> {
    let (mut lines, mut words) = (0_u64, 0_usize);
    let mut sums: Vec<(String, f64)> = Vec::new();
    let mut line = Vec::new();
    while (&mut text)
        .take(LONGEST_LINE)
        .read_until(b'\n', &mut line)
        .await?
        > 0
    {
        let row = String::from_utf8_lossy(&line);
        let cells: Vec<_> = row.trim_end().split(',').take(COLUMNS).collect();
        if lines == 0 {
            sums = cells.iter().map(|cell| ((*cell).to_owned(), 0.0)).collect();
        } else {
            for ((_, sum), cell) in sums.iter_mut().zip(&cells) {
                *sum += cell.trim().parse::<f64>().unwrap_or(0.0);
            }
        }
        words += row.split_whitespace().count();
        lines += 1;
        line.clear();
    }
    let mut summary = format!("{lines} lines, {words} words\n");
    for (column, sum) in sums.iter().filter(|(_, sum)| *sum != 0.0) {
        writeln!(summary, "{column}: {sum}")?;
    }
    Ok(summary)
}

/// What was read so far, as a table.
async fn report(State(seen): State<Seen>) -> Upload {
    let mut table = String::from("who,files\n");
    for (name, files) in seen.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        // Writing to a `String` does not fail.
        let _ = writeln!(table, "{name},{files}");
    }
    Upload::from_bytes("report.csv", table).message("What I have read so far.")
}

fn app() -> impl Service<Request, Response = Response, Error = BoxError, Future: Send> + Send + 'static {
    let router = Router::new()
        .command(
            "report",
            route(report).description("What was read so far, as a file"),
        )
        .on_message(read)
        .help()
        .with_state(Seen::default());
    ServiceBuilder::new()
        .layer(CommandLayer::new("!"))
        .service(router)
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into()),
        )
        .with_writer(std::io::stderr)
        .init();
    if BotBuilder::env_is_set() {
        return match Bot::from_env() {
            Ok(bot) => bot.run(app()).await,
            Err(error) => {
                eprintln!("files: {error}");
                error.exit_code()
            }
        };
    }
    match in_this_program().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("files: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Starts a server in this program and the bot on it, and talks with it as ann.
async fn in_this_program() -> Result<(), BoxError> {
    let sandbox = Sandbox::start().await?;
    let (account, ann) = (sandbox.bot("rocketbotte"), sandbox.user("ann"));
    let bot = Bot::builder(sandbox.url())
        .token(account.id(), account.token())
        .build()?;
    let handle = bot.handle();
    let serving = tokio::spawn(bot.serve(app()));
    let mut state = handle.watch_state();
    tokio::select! {
        ready = state.wait_for(|state| *state == ConnectionState::Ready) => drop(ready?),
        () = handle.ended() => {}
    }

    // Ann uses the same client that a bot has.
    let connector = rocketbotte::transport::Connector::tcp(&rocketbotte::transport::TlsSettings::new())?;
    let client = rocketbotte::rest::Client::builder(sandbox.url().parse()?, connector)
        .credentials(Credentials::new(ann.id(), ann.token())?)
        .build();
    let table = "city,people\nBerne,133000\nBasle,173000\n";
    let upload = Upload::from_bytes("cities.csv", table).message("Have a look at this.");
    let posted = client.upload(
        "GENERAL",
        upload.on_progress(|sent| {
            println!(
                "ann sends {} bytes of {}",
                sent.bytes,
                sent.total.unwrap_or_default()
            );
        }),
    );
    let posted = posted.await?;
    for asked in [posted.message_id.as_str(), &ann.say("general", "!report").await] {
        let question = sandbox.message(asked).ok_or("the message is gone")?;
        println!("ann: {}", question.text);
        let reply = sandbox.wait_for_reply(asked, Duration::from_secs(10)).await?;
        print(&reply, &client).await?;
    }

    handle.shutdown();
    serving.await??;
    sandbox.shutdown().await;
    Ok(())
}

/// Prints a message, and the file that it shows.
async fn print(message: &SandboxMessage, client: &rocketbotte::rest::Client) -> Result<(), BoxError> {
    println!("{}: {}", message.username, message.text);
    let attachment = &message.raw["attachments"][0];
    let (Some(name), Some(link)) = (attachment["title"].as_str(), attachment["title_link"].as_str()) else {
        return Ok(());
    };
    let text = client.download(link).await?.bytes().await?;
    println!("  {name}");
    for line in String::from_utf8_lossy(&text).lines() {
        println!("  | {line}");
    }
    Ok(())
}
