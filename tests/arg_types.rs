//! The argument types of the crate: what takes more than a word, users and rooms, durations, types of one's own, and
//! secrets.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by a panic")]

use std::time::Duration;

use proptest::prelude::*;
use rocketbotte::args::{
    Arg, ArgRefusal, ArgsInfo, CodeBlock, FromArg, Line, Rest, RoomArg, UserArg, example, parse, usage,
};
use rocketbotte::event::{Message, Timestamp};
use rocketbotte::extract::Args;
use rocketbotte::handler::route;
use rocketbotte::layer::CommandLayer;
use rocketbotte::{IntoResponse, Router, Secret, testing};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tower::Layer as _;

fn error<T: DeserializeOwned + std::fmt::Debug>(text: &str) -> String {
    parse::<T>(text).expect_err("the text should not fit").to_string()
}

#[derive(Debug, Deserialize, PartialEq)]
struct Remind {
    after: Arg<Duration>,
    quietly: bool,
    text: Rest,
}

fn remind(after: u64, quietly: bool, text: &str) -> Remind {
    Remind {
        after: Arg(Duration::from_secs(after)),
        quietly,
        text: Rest(text.to_owned()),
    }
}

#[test]
fn the_rest_is_taken_as_it_was_typed() {
    let rows = [
        ("10m buy \"two  pears\"", remind(600, false, "buy \"two  pears\"")),
        ("10m --quietly  buy --milk -x", remind(600, true, "buy --milk -x")),
        ("--quietly 1h a\n  b\n", remind(3600, true, "a\n  b")),
        ("10m -- --quietly", remind(600, false, "--quietly")),
        ("10m \"quoted\"", remind(600, false, "\"quoted\"")),
        ("10m `code` and more", remind(600, false, "`code` and more")),
        ("--text=short 10m", remind(600, false, "short")),
        ("10m don't", remind(600, false, "don't")),
    ];
    for (text, expected) in rows {
        assert_eq!(parse::<Remind>(text).unwrap(), expected, "{text}");
    }
    assert_eq!(error::<Remind>("10m"), "`text` is missing.");
    assert_eq!(
        error::<Remind>("soon tea"),
        "`after` should be a duration such as `10m`, but `soon` is none."
    );
    assert_eq!(usage::<Remind>(), "<after> [--quietly] <text…>");

    assert_eq!(parse::<Rest>("a  b").unwrap().0, "a  b");
    assert_eq!(parse::<(u32, Option<Rest>)>("1").unwrap(), (1, None));
    assert_eq!(parse::<(char, Rest<u32>)>("a 7").unwrap(), ('a', Rest(7)));
    assert!(parse::<(Rest, u32)>("a 1").unwrap_err().is_unsupported());
    assert!(parse::<(Option<u32>, Rest)>("1 a").unwrap_err().is_unsupported());
    assert!(
        parse::<(Vec<UserArg>, Rest)>("@ann a")
            .unwrap_err()
            .is_unsupported()
    );
}

/// Beside text that is taken as it stands, what may be left out is given by its name: nobody could tell it from the text.
#[test]
fn beside_the_rest_what_may_be_left_out_has_a_name() {
    #[derive(Debug, Default, Deserialize, PartialEq)]
    struct Post {
        room: Option<RoomArg>,
        users: Vec<String>,
        quietly: bool,
        text: Rest,
        #[serde(default)]
        color: Option<String>,
    }
    assert_eq!(
        usage::<Post>(),
        "[--room #room] [--users text] [--quietly] <text…> [--color text]"
    );
    let text = |text: &str| Post {
        text: Rest(text.to_owned()),
        ..Post::default()
    };
    for plain in [
        "buy milk",
        "hello --quietly",
        "hello --milk",
        "a -- b",
        "-5 degrees",
    ] {
        assert_eq!(parse::<Post>(plain).unwrap(), text(plain), "{plain}");
    }
    let post = parse::<Post>("--color red --users a --users b --quietly --room #dev hello --there").unwrap();
    assert_eq!((post.room.unwrap().name(), post.quietly), ("dev", true));
    assert_eq!(post.users, ["a", "b"]);
    assert_eq!(
        (post.color.as_deref(), post.text.0.as_str()),
        (Some("red"), "hello --there")
    );
    assert_eq!(error::<Post>("--quietly"), "`text` is missing.");

    #[derive(Debug, Deserialize)]
    struct Two {
        a: u32,
        b: u32,
        text: Rest,
    }
    assert_eq!(error::<Two>("1 2 --b 9 x"), "`b` is given more than once.");
    let two = parse::<Two>("1 --b 9 x 2").unwrap();
    assert_eq!((two.a, two.b, two.text.0.as_str()), (1, 9, "x 2"));
}

#[test]
fn a_line_ends_where_the_line_does() {
    let (Line(title), Rest(body)) = parse::<(Line, Rest)>("a \"b\" --c\n\nd\ne").unwrap();
    assert_eq!((title.as_str(), body.as_str()), ("a \"b\" --c", "d\ne"));
    let (Line(title), Rest(body)) = parse::<(Line, Rest)>("\"first\nsecond\" third").unwrap();
    assert_eq!((title.as_str(), body.as_str()), ("\"first", "second\" third"));
    let (Line(title), Rest(body)) = parse::<(Line, Rest)>("title ```\ncode\n```").unwrap();
    assert_eq!((title.as_str(), body.as_str()), ("title ```", "code\n```"));
    let (Line(first), Line(second)) = parse::<(Line, Line)>("one two\nthree four").unwrap();
    assert_eq!((first.as_str(), second.as_str()), ("one two", "three four"));
    assert_eq!(
        error::<(Line,)>("one two\nthree"),
        "There are too many arguments, from `three` on."
    );

    #[derive(Debug, Deserialize, PartialEq)]
    struct Post {
        title: Line,
        pin: bool,
        body: Option<Rest>,
    }
    let post = |title: &str, pin, body: Option<&str>| Post {
        title: Line(title.to_owned()),
        pin,
        body: body.map(|body| Rest(body.to_owned())),
    };
    for (text, expected) in [
        ("a --pin", post("a --pin", false, None)),
        ("--pin a b", post("a b", true, None)),
        ("a b\n--pin\nc --pin", post("a b", true, Some("c --pin"))),
    ] {
        assert_eq!(parse::<Post>(text).unwrap(), expected, "{text}");
    }
}

#[test]
fn code_comes_with_its_language() {
    let rows = [
        ("```rust\nlet a = 1;\n```", Some("rust"), "let a = 1;"),
        ("```\nlet a = 1;\n```", None, "let a = 1;"),
        ("```a b```", None, "a b"),
        ("`a  b`", None, "a  b"),
        ("word", None, "word"),
    ];
    for (text, language, code) in rows {
        let (block, count) = parse::<(CodeBlock, u32)>(&format!("{text} 2")).unwrap();
        assert_eq!(
            (block.language(), block.code(), count),
            (language, code, 2),
            "{text}"
        );
    }
    assert_eq!(usage::<(CodeBlock,)>(), "<code>");
    let blocks = parse::<Vec<CodeBlock>>("```sh\nls\n``` `pwd`").unwrap();
    let blocks: Vec<_> = blocks.iter().map(CodeBlock::code).collect();
    assert_eq!(blocks, ["ls", "pwd"]);
}

/// A message in which ann is mentioned, and the room `dev`.
fn message(text: &str) -> Message {
    let json = serde_json::json!({
        "_id": "m1", "rid": "GENERAL", "msg": text,
        "u": {"_id": "uB", "username": "bob"},
        "mentions": [
            {"_id": "uA", "username": "ann", "name": "Ann Smith", "type": "user"},
            {"_id": "uD", "username": "dot.", "type": "user"},
            {"_id": "all", "username": "all"},
        ],
        "channels": [{"_id": "rDev", "name": "dev"}],
    });
    Message::from_json(&json.to_string()).unwrap()
}

async fn kick(Args((user, room)): Args<(UserArg, Option<RoomArg>)>) -> String {
    let id = |id: Option<&str>| id.unwrap_or("?").to_owned();
    let room = room.map_or_else(String::new, |room| {
        format!(" from {} {}", room.mention(), id(room.id().map(|id| id.as_str())))
    });
    format!(
        "{} {} {}{room}",
        user.mention(),
        id(user.id().map(|id| id.as_str())),
        user.name().unwrap_or("?")
    )
}

#[tokio::test]
async fn users_and_rooms_are_found_through_the_mentions() {
    let app = CommandLayer::new("!").layer(Router::new().command("kick", kick));
    let rows = [
        ("!kick @ann", "@ann uA Ann Smith"),
        ("!kick ann", "@ann uA Ann Smith"),
        ("!kick @ann: #dev", "@ann uA Ann Smith from #dev rDev"),
        ("!kick @dot. dev,", "@dot. uD ? from #dev rDev"),
        ("!kick @carl #ops", "@carl ? ? from #ops ?"),
    ];
    for (text, expected) in rows {
        let response = testing::call(app.clone(), message(text)).await.unwrap();
        assert_eq!(response.texts().collect::<Vec<_>>(), [expected], "{text}");
    }
    for (text, expected) in [
        (
            "!kick @all",
            "Argument 1 should be a user such as `@ann`, but `@all` is none.",
        ),
        (
            "!kick @",
            "Argument 1 should be a user such as `@ann`, but `@` is none.",
        ),
        (
            "!kick ann #",
            "Argument 2 should be a room such as `#dev`, but `#` is none.",
        ),
    ] {
        testing::ask(app.clone(), message(text))
            .await
            .says([format!("{expected}\nUsage: `!kick <@user> [#room]`").as_str()]);
    }
    assert_eq!(
        error::<(UserArg,)>(""),
        "Argument 1 is missing: it should be a user such as `@ann`."
    );
}

#[test]
fn durations_times_addresses_and_types_of_ones_own() {
    for (text, seconds) in [
        ("10m", 600),
        ("1h30m", 5400),
        ("2days", 172_800),
        ("\"1h 5s\"", 3605),
    ] {
        let (Arg(duration),) = parse::<(Arg<Duration>,)>(text).unwrap();
        assert_eq!(duration, Duration::from_secs(seconds), "{text}");
    }
    for text in [
        "2026-11-22T08:00:00Z",
        "\"2026-11-22 08:00:00\"",
        "2026-11-22T08:00:00",
    ] {
        let (Arg(time),) = parse::<(Arg<Timestamp>,)>(text).unwrap();
        assert_eq!(time.to_string(), "2026-11-22T08:00:00.000Z");
    }
    let (Arg(uri),) = parse::<(Arg<http::Uri>,)>("https://example.org/a?b").unwrap();
    assert_eq!(uri.path(), "/a");
    for text in [
        "example.org",
        "ftp://example.org",
        "http://",
        "file:///etc/passwd",
        "/a",
    ] {
        let expected = format!(
            "Argument 1 should be a web address such as `https://example.org`, but `{text}` is none."
        );
        assert_eq!(error::<(Arg<http::Uri>,)>(text), expected);
    }

    #[derive(Debug, PartialEq)]
    struct Even(u32);
    impl FromArg for Even {
        const NAME: &'static str = "even number";
        const EXAMPLE: &'static str = "4";
        fn from_arg(text: &str) -> Result<Self, ArgRefusal> {
            let number: u32 = text.parse().map_err(|_| ArgRefusal::NotOne)?;
            if number.is_multiple_of(2) {
                Ok(Self(number))
            } else {
                Err(ArgRefusal::Because(format!("{number} is odd")))
            }
        }
    }
    #[derive(Debug, Deserialize)]
    struct Pair {
        first: Arg<Even>,
        more: Vec<Arg<Even>>,
        last: Option<Arg<Even>>,
    }
    let pair = parse::<Pair>("2 4 6 --last 8").unwrap();
    assert_eq!(pair.first.0, Even(2));
    assert_eq!(pair.more.len(), 2);
    assert_eq!(pair.last.unwrap().0, Even(8));
    assert_eq!(error::<Pair>("3"), "`first` can not be `3`: 3 is odd.");
    assert_eq!(
        error::<Pair>("2 x"),
        "`more` should be an even number such as `4`, but `x` is none."
    );
    assert_eq!(
        error::<Pair>(""),
        "`first` is missing: it should be an even number such as `4`."
    );
    assert_eq!(
        usage::<(Arg<Even>, Vec<Arg<Even>>)>(),
        "<even number> [even number…]"
    );
}

#[test]
fn they_can_be_read_from_other_formats() {
    #[derive(Debug, Deserialize)]
    struct Job {
        after: Arg<Duration>,
        text: Rest,
        who: UserArg,
        room: RoomArg,
        code: CodeBlock,
        token: Secret,
    }
    let job = r##"{"after":"10m","text":"tea","who":"@ann","room":"#dev","code":"`ls`","token":"t0"}"##;
    let job: Job = serde_json::from_str(job).unwrap();
    assert_eq!(job.after.0, Duration::from_secs(600));
    assert_eq!(job.text.0, "tea");
    assert_eq!((job.who.username(), job.room.name()), ("ann", "dev"));
    assert_eq!((job.code.code(), job.token.expose()), ("ls", "t0"));
    let error = serde_json::from_str::<Arg<Duration>>("\"soon\"").unwrap_err();
    assert!(error.to_string().contains("a duration such as `10m`"), "{error}");
}

#[test]
fn no_error_repeats_a_secret() {
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only its errors matter")]
    struct Login {
        user: String,
        password: Secret,
        port: Option<u16>,
    }
    assert_eq!(usage::<Login>(), "<user> <password> [port]");
    assert_eq!(usage::<(Secret,)>(), "<secret>");
    for (text, expected) in [
        ("ann", "`password` is missing."),
        (
            "ann s3cret two words",
            "There are too many arguments. A text of several words needs \"quotes\".",
        ),
        ("ann pass s3cret", "`port` should be a number."),
        (
            "ann --pasword=s3cret",
            "There is no such option. Did you mean `--password`?",
        ),
        (
            "ann --s3cret",
            "There is no such option. Write `--` in front of it if it is no option.",
        ),
        (
            "ann --password=s3cret --password s3cret",
            "`password` is given more than once.",
        ),
    ] {
        let error = error::<Login>(text);
        assert!(!error.contains("s3cret"), "{error}");
        if !text.contains("two words") {
            assert_eq!(error, expected, "{text}");
        }
    }
    // Of what stands behind a type that nothing pleases nobody knows whether it is one.
    #[derive(Debug, Deserialize)]
    #[serde(try_from = "String")]
    #[expect(dead_code, reason = "only its errors matter")]
    struct Picky(String);
    impl TryFrom<String> for Picky {
        type Error = String;
        fn try_from(text: String) -> Result<Self, String> {
            if text == "picky" {
                Ok(Self(text))
            } else {
                Err(format!("`{text}` is not picky"))
            }
        }
    }
    for text in ["picky s3cret two", "s3cret s3cret", "picky"] {
        let error = error::<(Picky, Secret)>(text);
        assert!(!error.contains("s3cret"), "{error}");
    }
    assert!(ArgsInfo::of::<(Picky, Secret)>().has_secrets());
    assert_eq!(parse::<Secret>("\"s3cret\"").unwrap().expose(), "s3cret");
    assert_eq!(parse::<Arg<Duration>>("\"1h 5s\"").unwrap().0.as_secs(), 3605);
    let (secret, word) = parse::<(Secret, String)>("s3cret x").unwrap();
    assert_eq!((secret.expose(), word.as_str()), ("s3cret", "x"));
    assert!(!format!("{:?}", parse::<(Secret, u32)>("s3cret s3cret")).contains("s3cret"));
}

#[test]
fn dates_of_others_need_nothing() {
    let (date, ip) = parse::<(jiff::civil::Date, std::net::IpAddr)>("2026-11-22 127.0.0.1").unwrap();
    assert_eq!(date.to_string(), "2026-11-22");
    assert!(ip.is_loopback());
    assert!(error::<(jiff::civil::Date,)>("tomorrow").starts_with("Argument 1 can not be `tomorrow`: "));
}

#[test]
fn an_example_reads_as_its_type() {
    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Color {
        Red,
    }
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only its example matters")]
    struct All {
        user: UserArg,
        room: RoomArg,
        color: Color,
        count: u8,
        letter: char,
        date: jiff::civil::Date,
        after: Arg<Duration>,
        code: CodeBlock,
        flag: bool,
        maybe: Option<u8>,
        text: Rest,
    }
    fn check<T: DeserializeOwned>() -> String {
        let text = example::<T>().expect("an example");
        assert!(parse::<T>(&text).is_ok(), "{text}");
        text
    }
    assert_eq!(check::<All>(), "@ann #dev red 1 a 2000-01-01 10m `code` text");
    assert_eq!(check::<String>(), "text");
    assert_eq!(check::<u32>(), "1");
    assert_eq!(check::<(String, bool)>(), "text yes");
    assert_eq!(check::<Vec<u32>>(), "1");
    assert_eq!(check::<Option<Remind>>(), "10m text");
    assert_eq!(check::<()>(), "");
}

#[test]
fn the_list_of_commands_knows_their_arguments() {
    async fn remind(_: Args<Remind>) {}
    async fn optional(_: Option<Args<(UserArg,)>>) {}
    async fn none() {}
    let router: Router = Router::new()
        .command("remind", route(remind).description("Reminds you"))
        .nest("group", Router::new().command("optional", optional))
        .command("none", none);
    let usages: Vec<_> = router
        .commands()
        .iter()
        .map(|command| {
            (
                command.path().to_owned(),
                command.args().map(|args| args.usage().to_owned()),
            )
        })
        .collect();
    let usage = |path: &str, usage: Option<&str>| (path.to_owned(), usage.map(str::to_owned));
    assert_eq!(
        usages,
        [
            usage("remind", Some("<after> [--quietly] <text…>")),
            usage("group optional", Some("<@user>")),
            usage("none", None),
        ]
    );
}

/// A text as an argument that reads back as it.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn read_as_everything(text: &str) {
    let _ = parse::<Remind>(text);
    let _ = parse::<(Option<Line>, Vec<CodeBlock>)>(text);
    let _ = parse::<(Line, Line, Rest)>(text);
    let _ = parse::<(UserArg, Option<RoomArg>, Option<Arg<Timestamp>>)>(text);
    let _ = parse::<Vec<Arg<http::Uri>>>(text);
}

/// What the fuzzer starts from, and what it found.
#[test]
fn the_corpus_is_survived() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/args");
    // A packaged crate has no corpus.
    let Ok(files) = std::fs::read_dir(&folder) else {
        return;
    };
    let mut count = 0;
    for file in files {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        read_as_everything(&String::from_utf8_lossy(&bytes));
        count += 1;
    }
    assert!(count >= 4, "{count} files in {}", folder.display());
}

proptest! {
    #[test]
    fn arguments_read_back_as_they_were_quoted(
        words in prop::collection::vec("[^”＂]{0,12}", 0..5),
        rest in "[!-~]([ -~\n]{0,20}[!-~])?",
    ) {
        let mut text: Vec<_> = words.iter().map(|word| quoted(word)).collect();
        prop_assert_eq!(&parse::<Vec<String>>(&text.join(" ")).unwrap(), &words);
        text.truncate(1);
        if let Some(first) = text.first() {
            let text = format!("{first} {rest}");
            let (word, Rest(read)) = parse::<(String, Rest)>(&text).unwrap();
            prop_assert_eq!(&word, &words[0]);
            prop_assert_eq!(read, rest);
        }
    }

    #[test]
    fn no_text_makes_them_panic(text in "[ -~\n“”`—@#äé\u{200b}]{0,60}") {
        read_as_everything(&text);
    }
}

#[tokio::test]
async fn a_handler_takes_them_like_any_other() {
    async fn say(Args((Arg(after), Rest(text))): Args<(Arg<Duration>, Rest)>) -> impl IntoResponse {
        format!("{}: {text}", after.as_secs())
    }
    let app = CommandLayer::new("!").layer(Router::new().command("say", say));
    testing::ask(app, testing::events::message("!say 10m a  \"b\""))
        .await
        .says(["600: a  \"b\""]);
}
