//! Typed arguments: what people type, what handlers get, and what people read when it does not fit.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by a panic")]

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::num::NonZeroU32;

use proptest::prelude::*;
use rocketbotte::args::{parse, usage};
use rocketbotte::command::CommandLayer;
use rocketbotte::event::{Event, Message, Room, RoomKind, User};
use rocketbotte::extract::Args;
use rocketbotte::response::{Outcome, Response};
use rocketbotte::{Context, Identity, Rejection, Request, Router};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tower::{ServiceBuilder, ServiceExt};

fn error<T: DeserializeOwned + std::fmt::Debug>(text: &str) -> String {
    parse::<T>(text).expect_err("the text should not fit").to_string()
}

#[derive(Debug, Deserialize, PartialEq)]
struct Roll {
    count: u32,
    sides: Option<u32>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Unit {
    Min,
    Hour,
    Day,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Deploy {
    service: String,
    #[serde(default = "production")]
    env: String,
    dry_run: bool,
    force: bool,
    replicas: Option<i64>,
}

fn production() -> String {
    "production".to_owned()
}

fn deploy(service: &str) -> Deploy {
    Deploy {
        service: service.to_owned(),
        env: production(),
        dry_run: false,
        force: false,
        replicas: None,
    }
}

#[test]
fn a_string_is_the_whole_text() {
    let text = "a  \"b\"\n```c```";
    assert_eq!(parse::<String>(text).unwrap(), text);
    assert_eq!(parse::<String>("").unwrap(), "");
    assert_eq!(parse::<Option<String>>("").unwrap(), None);
    assert_eq!(parse::<Option<String>>("a b").unwrap().as_deref(), Some("a b"));

    #[derive(Debug, Deserialize, PartialEq)]
    struct Note(String);
    assert_eq!(parse::<Note>("a b").unwrap(), Note("a b".to_owned()));
}

#[test]
fn scalars_are_one_argument() {
    assert_eq!(parse::<u32>("7").unwrap(), 7);
    assert_eq!(parse::<i8>("-7").unwrap(), -7);
    assert_eq!(parse::<i64>("−7").unwrap(), -7, "a typographic minus");
    assert_eq!(parse::<f64>("2.5").unwrap(), 2.5);
    assert_eq!(parse::<u128>(&u128::MAX.to_string()).unwrap(), u128::MAX);
    assert_eq!(parse::<char>("ü").unwrap(), 'ü');
    assert!(parse::<bool>("Yes").unwrap());
    assert!(!parse::<bool>("off").unwrap());
    assert_eq!(parse::<Unit>("HOUR").unwrap(), Unit::Hour);
    assert_eq!(parse::<Option<u32>>("").unwrap(), None);
    assert_eq!(parse::<Option<u32>>("3").unwrap(), Some(3));
    assert_eq!(parse::<Vec<u8>>("1 2 3").unwrap(), [1, 2, 3]);
    assert_eq!(parse::<BTreeSet<String>>("b a b").unwrap().len(), 2);
    assert_eq!(
        parse::<IpAddr>("127.0.0.1").unwrap(),
        IpAddr::from([127, 0, 0, 1])
    );
    parse::<()>("").unwrap();
}

#[test]
fn errors_of_scalars_say_what_was_expected() {
    assert_eq!(
        error::<u32>("abc"),
        "The argument should be a number, but `abc` is none."
    );
    assert_eq!(
        error::<u32>("2.5"),
        "The argument should be a whole number, but `2.5` is none."
    );
    assert_eq!(
        error::<u8>("300"),
        "The argument should be a number from 0 to 255, but `300` is none."
    );
    assert_eq!(
        error::<f64>("nan"),
        "The argument should be a number, but `nan` is none."
    );
    assert_eq!(
        error::<f64>("1e999"),
        "The argument should be a number, but `1e999` is none."
    );
    assert_eq!(
        error::<bool>("maybe"),
        "The argument should be `yes` or `no`, but `maybe` is none."
    );
    assert_eq!(
        error::<char>("ab"),
        "The argument should be a single character, but `ab` is none."
    );
    assert_eq!(
        error::<Unit>("week"),
        "The argument should be one of `min`, `hour` or `day`, but `week` is none."
    );
    assert_eq!(
        error::<u32>(""),
        "The argument is missing: it should be a number."
    );
    assert_eq!(error::<u32>("1 2"), "There are too many arguments, from `2` on.");
    assert_eq!(
        error::<()>("x"),
        "There should be no arguments, but `x` was given."
    );
    assert_eq!(
        error::<NonZeroU32>("0"),
        "The argument should be a nonzero u32, but `0` is none."
    );
    assert_eq!(
        error::<Vec<u8>>("1 x 3"),
        "The argument should be a number, but `x` is none."
    );
}

#[test]
fn tuples_are_positional() {
    assert_eq!(
        parse::<(String, u32)>("\"two words\" 3").unwrap(),
        ("two words".to_owned(), 3)
    );
    assert_eq!(
        parse::<(u32, Vec<String>)>("1 a b").unwrap(),
        (1, vec!["a".to_owned(), "b".to_owned()])
    );
    assert_eq!(parse::<(u32, Vec<String>)>("1").unwrap(), (1, Vec::new()));
    assert_eq!(
        parse::<(Vec<u32>, String)>("1 2 x").unwrap(),
        (vec![1, 2], "x".to_owned())
    );
    assert_eq!(
        parse::<(Option<u32>, String)>("x").unwrap(),
        (None, "x".to_owned())
    );
    assert_eq!(
        parse::<(Option<u32>, String)>("1 x").unwrap(),
        (Some(1), "x".to_owned())
    );
    assert_eq!(parse::<(i32, f32)>("-1 -.5").unwrap(), (-1, -0.5));
    assert_eq!(parse::<(bool, Unit)>("no day").unwrap(), (false, Unit::Day));
    assert_eq!(parse::<[u8; 3]>("1 2 3").unwrap(), [1, 2, 3]);
    assert_eq!(parse::<(String,)>("--x").unwrap(), ("--x".to_owned(),));

    assert_eq!(
        error::<(String, u32)>("a"),
        "Argument 2 is missing: it should be a number."
    );
    assert_eq!(
        error::<(String, u32)>("a b"),
        "Argument 2 should be a number, but `b` is none."
    );
    assert_eq!(
        error::<(u32, String)>("5 buy milk"),
        "There are too many arguments, from `milk` on. A text of several words needs \"quotes\"."
    );
    assert_eq!(
        error::<(String, IpAddr)>("a b"),
        "Argument 2 can not be `b`: invalid IP address syntax."
    );
}

#[test]
fn structs_are_positional_in_the_order_of_their_fields() {
    assert_eq!(
        parse::<Roll>("2 6").unwrap(),
        Roll {
            count: 2,
            sides: Some(6)
        }
    );
    assert_eq!(
        parse::<Roll>("2").unwrap(),
        Roll {
            count: 2,
            sides: None
        }
    );
    assert_eq!(
        error::<Roll>("abc"),
        "`count` should be a number, but `abc` is none."
    );
    assert_eq!(error::<Roll>(""), "`count` is missing: it should be a number.");
    assert_eq!(
        error::<Roll>("1 2 3"),
        "There are too many arguments, from `3` on."
    );
    assert_eq!(parse::<Option<Roll>>("").unwrap(), None);
    assert_eq!(
        parse::<Option<Roll>>("1").unwrap(),
        Some(Roll {
            count: 1,
            sides: None
        })
    );
}

#[test]
fn flags_and_named_fields() {
    assert_eq!(parse::<Deploy>("api").unwrap(), deploy("api"));
    let forced = Deploy {
        force: true,
        ..deploy("api")
    };
    for text in [
        "api --force",
        "--force api",
        "api -f",
        "api --FORCE",
        "api —force",
        "api --force=yes",
        "api -force",
    ] {
        assert_eq!(parse::<Deploy>(text).unwrap(), forced, "{text}");
    }
    let dry = Deploy {
        dry_run: true,
        ..deploy("api")
    };
    for text in ["api --dry-run", "api --dry_run", "api -d"] {
        assert_eq!(parse::<Deploy>(text).unwrap(), dry, "{text}");
    }
    let staging = Deploy {
        env: "my staging".to_owned(),
        ..deploy("api")
    };
    for text in [
        "api --env \"my staging\"",
        "api --env=\"my staging\"",
        "--env 'my staging' api",
        "api -e \"my staging\"",
        "api \"my staging\"",
    ] {
        assert_eq!(parse::<Deploy>(text).unwrap(), staging, "{text}");
    }
    let both = Deploy {
        dry_run: true,
        force: true,
        ..deploy("api")
    };
    assert_eq!(parse::<Deploy>("api -df").unwrap(), both);
    let fewer = Deploy {
        replicas: Some(-2),
        ..deploy("api")
    };
    for text in [
        "api --replicas -2",
        "api -r -2",
        "api production -2",
        "api --replicas=-2",
        "api -r –2",
    ] {
        assert_eq!(parse::<Deploy>(text).unwrap(), fewer, "{text}");
    }
    assert_eq!(parse::<Deploy>("--service api").unwrap(), deploy("api"));
    assert_eq!(parse::<Deploy>("-- --api").unwrap(), deploy("--api"));
    assert_eq!(parse::<Deploy>("\"--api\"").unwrap(), deploy("--api"));
    assert_eq!(parse::<Deploy>("--service=--api").unwrap(), deploy("--api"));

    assert_eq!(
        error::<Deploy>("api --forse"),
        "There is no option `--forse`. Did you mean `--force`?"
    );
    assert_eq!(
        error::<Deploy>("api -x"),
        "There is no option `-x`. Write `--` in front of it if it is no option."
    );
    assert_eq!(error::<Deploy>("api --env"), "`--env` needs a value.");
    assert_eq!(error::<Deploy>("api --env --force"), "`--env` needs a value.");
    assert_eq!(
        error::<Deploy>("api --force --force"),
        "`force` is given more than once."
    );
    assert_eq!(
        error::<Deploy>("api --force=maybe"),
        "`force` should be `yes` or `no`, but `maybe` is none."
    );
    assert_eq!(
        error::<Deploy>("api --replicas many"),
        "`replicas` should be a number, but `many` is none."
    );
}

#[test]
fn a_short_form_that_several_fields_have_is_refused() {
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only its errors matter")]
    struct Two {
        force: bool,
        format: Option<String>,
    }
    assert_eq!(error::<Two>("-f"), "`-f` may be `--force` or `--format`.");
}

#[test]
fn lists_defaults_aliases_and_units_in_structs() {
    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(default)]
    struct Tagged {
        #[serde(alias = "title")]
        name: String,
        tags: Vec<String>,
        nothing: (),
        maybe: Option<bool>,
    }
    let tagged = |name: &str, tags: &[&str]| Tagged {
        name: name.to_owned(),
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        ..Tagged::default()
    };
    assert_eq!(parse::<Tagged>("").unwrap(), tagged("", &[]));
    assert_eq!(parse::<Tagged>("a b c").unwrap(), tagged("a", &["b", "c"]));
    assert_eq!(
        parse::<Tagged>("--tags b --tags c a").unwrap(),
        tagged("a", &["b", "c"])
    );
    assert_eq!(parse::<Tagged>("--title a").unwrap(), tagged("a", &[]));
    assert_eq!(parse::<Tagged>("--maybe").unwrap().maybe, Some(true));
    assert_eq!(parse::<Tagged>("--maybe=no").unwrap().maybe, Some(false));
    assert_eq!(usage::<Tagged>(), "[name] [tags…] [--maybe]");

    #[derive(Debug, Deserialize, PartialEq)]
    struct Required {
        users: Vec<String>,
        nothing: (),
        reason: String,
    }
    let required = parse::<Required>("a b why").unwrap();
    assert_eq!((required.users.len(), required.reason.as_str()), (2, "why"));
    assert!(parse::<Required>("why").unwrap().users.is_empty());

    #[derive(Debug, Deserialize)]
    struct On {
        #[serde(default = "yes")]
        is_on: bool,
    }
    fn yes() -> bool {
        true
    }
    assert!(parse::<On>("").unwrap().is_on, "its own default stands");
    assert!(!parse::<On>("--is-on=no").unwrap().is_on);
}

#[test]
fn a_type_that_refuses_says_so_in_its_own_words() {
    #[derive(Debug, Deserialize)]
    #[serde(try_from = "String")]
    struct Even(#[expect(dead_code, reason = "only its error matters")] String);
    impl TryFrom<String> for Even {
        type Error = String;
        fn try_from(text: String) -> Result<Self, String> {
            if text.len().is_multiple_of(2) {
                Ok(Self(text))
            } else {
                Err("its length is odd.".to_owned())
            }
        }
    }
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only its error matters")]
    struct Words {
        word: Even,
        count: Option<u8>,
    }
    assert_eq!(
        error::<Words>("abc"),
        "`word` can not be `abc`: its length is odd."
    );
    assert_eq!(usage::<Words>(), "<word> [count]");
    assert_eq!(
        error::<Even>("a b"),
        "The argument can not be `a b`: its length is odd."
    );
}

#[test]
fn what_is_shown_again_is_harmless() {
    let text = format!("\"`@all`\n{}\"", "x".repeat(100));
    assert_eq!(
        error::<(u32,)>(&text),
        format!(
            "Argument 1 should be a number, but `'@all' {}…` is none.",
            "x".repeat(33)
        )
    );
    assert_eq!(
        error::<(u32,)>("\"\""),
        "Argument 1 should be a number, but an empty text is none."
    );
}

#[test]
fn a_type_that_text_can_not_be_is_the_programs_error() {
    type Map = std::collections::HashMap<String, String>;
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "never made")]
    struct Flat {
        #[serde(flatten)]
        rest: Map,
    }
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "never made")]
    struct Nested {
        roll: Roll,
    }
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "never made")]
    struct Endless(Option<Box<Endless>>);
    #[derive(Debug, Deserialize)]
    enum Content {
        #[expect(dead_code, reason = "never made")]
        Number(u32),
    }
    assert!(parse::<Map>("a").unwrap_err().is_unsupported());
    assert!(parse::<Flat>("a").unwrap_err().is_unsupported());
    assert!(parse::<Nested>("a").unwrap_err().is_unsupported());
    assert!(parse::<Endless>("a").unwrap_err().is_unsupported());
    assert!(parse::<Content>("number").unwrap_err().is_unsupported());
    assert!(parse::<Vec<Vec<u8>>>("1").unwrap_err().is_unsupported());
    assert!(parse::<(u32, (u32, u32))>("1 2 3").unwrap_err().is_unsupported());
}

#[test]
fn usage_is_derived_from_the_type() {
    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only its usage matters")]
    struct Ban {
        user: String,
        amount: NonZeroU32,
        unit: Unit,
        ip: Option<IpAddr>,
        quiet_mode: bool,
        rest: Vec<String>,
        #[serde(default, rename = "why")]
        reason: String,
    }
    assert_eq!(
        usage::<Ban>(),
        "<user> <amount> <min|hour|day> [ip] [--quiet-mode] [rest…] [why]"
    );
    assert_eq!(usage::<Roll>(), "<count> [sides]");
    assert_eq!(usage::<String>(), "[text]");
    assert_eq!(usage::<u32>(), "<number>");
    assert_eq!(usage::<Option<u32>>(), "[number]");
    assert_eq!(usage::<Vec<f32>>(), "[number…]");
    assert_eq!(
        usage::<(IpAddr, bool, char, Option<String>)>(),
        "<text> <yes|no> <character> [text]"
    );
    assert_eq!(usage::<()>(), "");
    assert_eq!(
        usage::<Deploy>(),
        "<service> [env] [--dry-run] [--force] [replicas]"
    );
}

#[test]
fn aliases_of_fields_are_other_names_of_the_same() {
    #[derive(Debug, Deserialize, PartialEq)]
    struct Named {
        #[serde(alias = "a", alias = "z")]
        name: String,
        count: u8,
    }
    assert_eq!(usage::<Named>(), "<name> <count>");
    let named = Named {
        name: "x".to_owned(),
        count: 1,
    };
    for text in ["x 1", "--name x 1", "--a x 1", "1 -z x"] {
        assert_eq!(parse::<Named>(text).unwrap(), named, "{text}");
    }
    assert_eq!(error::<Named>("--a x --z y 1"), "`name` is given more than once.");
}

fn request(text: &str) -> Request {
    let room = Room::new("GENERAL", RoomKind::Channel).with_name("general");
    let message = Message::builder(room, User::new("uA", "ann"), text).build();
    Request::with_context(message, Context::for_bot(Identity::new("uB", "bot")))
}

async fn answer(layer: CommandLayer, router: Router, text: &str) -> Response {
    let app = ServiceBuilder::new().layer(layer).service(router);
    app.oneshot(request(text)).await.unwrap()
}

fn rejection(response: &Response) -> &Rejection {
    match response.outcomes().next().expect("a route ran").outcome() {
        Outcome::Rejected(rejection) => rejection,
        other => panic!("{other:?}"),
    }
}

async fn roll(Args(roll): Args<Roll>) -> String {
    format!("{}d{}", roll.count, roll.sides.unwrap_or(6))
}

#[tokio::test]
async fn a_rejection_shows_the_usage_as_the_caller_wrote_the_command() {
    let router = Router::new()
        .command("roll", roll)
        .nest("game", Router::new().command("roll", roll));
    let layer = CommandLayer::new("!").or_prefix("bot ");
    for (text, usage) in [
        ("!roll abc", "!roll"),
        ("!ROLL abc", "!ROLL"),
        ("bot   roll abc", "bot roll"),
        ("@bot: roll abc", "@bot roll"),
        ("@bot roll abc", "@bot roll"),
        ("!game  roll abc", "!game roll"),
    ] {
        let response = answer(layer.clone(), router.clone(), text).await;
        let expected =
            format!("`count` should be a number, but `abc` is none.\nUsage: `{usage} <count> [sides]`");
        assert_eq!(rejection(&response).text(), expected, "{text}");
    }
    let response = answer(layer, router, "!roll 2 20").await;
    assert_eq!(response.texts().collect::<Vec<_>>(), ["2d20"]);
}

#[tokio::test]
async fn arguments_of_what_is_no_command_are_a_missing_part() {
    let router = Router::new().on_message(roll);
    let response = answer(CommandLayer::new("!"), router, "hello").await;
    let outcome = response.outcomes().next().unwrap().outcome();
    assert!(
        matches!(outcome, Outcome::Failed(error) if error.to_string() == "a `message` event has no command")
    );
}

#[tokio::test]
async fn an_unsupported_type_is_an_error_for_the_log() {
    async fn wrong(_: Args<std::collections::HashMap<String, String>>) {}
    let router = Router::new().command("wrong", wrong);
    let response = answer(CommandLayer::new("!"), router, "!wrong").await;
    let outcome = response.outcomes().next().unwrap().outcome();
    assert!(matches!(outcome, Outcome::Failed(_)), "{outcome:?}");
}

#[tokio::test]
async fn a_handler_may_take_the_rejection_itself() {
    async fn lenient(args: Result<Args<u32>, rocketbotte::BoxError>) -> String {
        args.map_or_else(|_| "no number".to_owned(), |Args(number)| number.to_string())
    }
    async fn optional(args: Option<Args<u32>>) -> String {
        format!("{:?}", args.map(|Args(number)| number))
    }
    let router = Router::new()
        .command("lenient", lenient)
        .command("optional", optional);
    for (text, expected) in [
        ("!lenient x", "no number"),
        ("!lenient 1", "1"),
        ("!optional x", "None"),
    ] {
        let response = answer(CommandLayer::new("!"), router.clone(), text).await;
        assert_eq!(response.texts().collect::<Vec<_>>(), [expected]);
    }
}

#[tokio::test]
async fn an_event_without_a_text_has_no_arguments() {
    let response = Router::<()>::new()
        .on_ready(roll)
        .oneshot(Request::new(Event::Ready))
        .await
        .unwrap();
    assert!(matches!(
        response.outcomes().next().unwrap().outcome(),
        Outcome::Failed(_)
    ));
}

/// Texts with the characters that mean something.
fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[ a-c0-9=.\n\"'`“”«»—–−\u{200b}\\\\-]{0,40}",
        "((--?|—)(force|env|dry-run|count|[a-z])(=| )?(\"a b\"|-?[0-9]{1,3}|x)? ?){0,5}",
    ]
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in hostile()) {
        let _ = parse::<String>(&text);
        let _ = parse::<()>(&text);
        let _ = parse::<f64>(&text);
        let _ = parse::<Option<i128>>(&text);
        let _ = parse::<Vec<char>>(&text);
        let _ = parse::<Unit>(&text);
        let _ = parse::<(Option<u32>, Vec<String>, String)>(&text);
        let _ = parse::<Roll>(&text);
        if let Err(error) = parse::<Deploy>(&text) {
            prop_assert!(!error.is_unsupported());
            prop_assert!(!error.to_string().contains('\n'), "one sentence: {error}");
        }
    }

    #[test]
    fn a_struct_reads_what_it_is_written_as(
        service in "[a-z]{1,8}",
        env in "[a-z ]{0,8}",
        force: bool,
        replicas: Option<i64>,
    ) {
        let mut text = format!("{service} --env=\"{env}\"");
        if force {
            text.push_str(" --force");
        }
        if let Some(replicas) = replicas {
            text.push_str(&format!(" {replicas}"));
        }
        let expected = Deploy { env, force, replicas, ..deploy(&service) };
        prop_assert_eq!(parse::<Deploy>(&text).unwrap(), expected);
    }
}
