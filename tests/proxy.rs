//! A bot behind an HTTP proxy: websocket and REST both go through it, and what it says no with is told.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends by them")]

#[path = "support/process.rs"]
mod process;
#[path = "support/proxy.rs"]
mod proxy;
mod support;

use std::sync::Arc;
use std::time::Duration;

use proxy::TestProxy;
use rocketbotte::rest::Client;
use rocketbotte::rest::endpoint::Info;
use rocketbotte::sandbox::Sandbox;
use rocketbotte::transport::{ConnectionState, Connector, Proxy, TlsSettings};
use rocketbotte::{Bot, BotBuilder, BotError, BotErrorKind};
use support::echo;
use support::live::{Live, authority_of_ones_own, bot_at, in_time};

/// Where nothing listens: only the proxy takes it for the server.
const NOWHERE: &str = "127.0.0.1:1";

fn people() -> rocketbotte::sandbox::SandboxBuilder {
    Sandbox::builder().user("ann").bot("rocketbotte")
}

/// The bot, which believes the server to be nowhere.
fn bot_beyond(sandbox: &Sandbox, proxy: &str) -> BotBuilder {
    let account = sandbox.bot("rocketbotte");
    let scheme = sandbox.url().split_once("://").unwrap().0.to_owned();
    Bot::builder(format!("{scheme}://{NOWHERE}"))
        .token(account.id(), account.token())
        .max_retry_time(Duration::from_millis(20))
        .handle_signals(false)
        .proxy(proxy)
}

#[tokio::test]
async fn websocket_and_rest_go_through_it() {
    let (tls, ca_pem) = authority_of_ones_own();
    let folder = process::Folder::new();
    let ca_file = folder.path("ca.pem");
    std::fs::write(&ca_file, ca_pem).unwrap();
    for (server_tls, proxy_tls, auth) in [
        (false, false, ""),
        (false, false, "user:p%40ss@"),
        (true, false, ""),
        (false, true, ""),
        (true, true, "user:p%40ss@"),
    ] {
        let tls_if = |on: bool| on.then(|| Arc::clone(&tls));
        let builder = match tls_if(server_tls) {
            Some(tls) => people().tls(tls),
            None => people(),
        };
        let sandbox = builder.start().await.unwrap();
        let proxy = TestProxy::to(sandbox.addr().unwrap(), tls_if(proxy_tls)).await;
        if !auth.is_empty() {
            // user:p@ss
            proxy.wants("Basic dXNlcjpwQHNz");
        }
        let scheme = if proxy_tls { "https" } else { "http" };
        let url = format!("{scheme}://{auth}{}", proxy.place());
        let bot = bot_beyond(&sandbox, &url).ca_file(&ca_file);
        assert!(!format!("{bot:?}").contains("p%40ss"), "{bot:?}");
        let bot = Live::of(&sandbox, bot, echo()).await;
        assert_eq!(bot.ask("!echo 1").await, "1");
        let before = proxy.targets().len();
        bot.reconnect().await;
        assert_eq!(bot.ask("!echo 2").await, "2");
        assert!(proxy.targets().len() > before, "the next connection too");
        assert!(proxy.targets().iter().all(|target| target == NOWHERE));
        if !server_tls {
            assert_eq!(proxy.tunnels("GET /websocket "), 2);
            assert!(proxy.tunnels("GET /api/") + proxy.tunnels("POST /api/") >= 1);
        }
        bot.shut_down().await;
    }
}

/// What a bot ends with that never had a connection.
async fn failure(bot: BotBuilder) -> BotError {
    in_time(bot.max_retry(2).build().unwrap().serve(echo()))
        .await
        .unwrap_err()
}

#[tokio::test]
async fn what_it_says_no_with_is_told() {
    let sandbox = people().start().await.unwrap();
    let proxy = TestProxy::to(sandbox.addr().unwrap(), None).await;
    let place = proxy.place();
    let wants = || {
        proxy.refuses(None);
        proxy.wants("Basic dXNlcjpwQHNz");
    };
    let says = |answer| move |proxy: &TestProxy| proxy.refuses(answer);
    use BotErrorKind::{Configuration, Unreachable};
    type Prepare<'a> = Box<dyn Fn(&TestProxy) + 'a>;
    let rows: [(String, Prepare<'_>, BotErrorKind, &str); 8] = [
        (
            format!("http://{place}"),
            Box::new(|_| wants()),
            Configuration,
            "wants a user name and a password (407)",
        ),
        (
            format!("http://user:hunter2@{place}"),
            Box::new(|_| wants()),
            Configuration,
            "refuses the user name and password of its address (407)",
        ),
        (
            format!("http://user:p%40ss@{place}"),
            Box::new(says("HTTP/1.1 403 Forbidden\r\n\r\n")),
            Configuration,
            "403 Forbidden; check that it allows CONNECT",
        ),
        (
            format!("http://user:p%40ss@{place}"),
            Box::new(says("HTTP/1.1 503 Service Unavailable\r\n\r\n")),
            Unreachable,
            "can not reach http://127.0.0.1:1: it answered 503",
        ),
        (
            format!("http://user:p%40ss@{place}"),
            Box::new(says("hello\r\n\r\n")),
            Unreachable,
            "opened no tunnel to",
        ),
        (
            format!("https://{place}"),
            Box::new(|_| ()),
            Configuration,
            "does not speak TLS",
        ),
        (
            "http://no-such-host.invalid:3128".to_owned(),
            Box::new(|_| ()),
            Configuration,
            "is unknown",
        ),
        (
            "http://127.0.0.1:1".to_owned(),
            Box::new(|_| ()),
            Unreachable,
            "refused the connection",
        ),
    ];
    for (url, prepare, kind, sentence) in rows {
        prepare(&proxy);
        let error = failure(bot_beyond(&sandbox, &url)).await;
        let text = error.to_string();
        assert_eq!(error.kind(), kind, "{text}");
        let named = url.rsplit_once(['@', '/']).unwrap().1;
        assert!(
            text.contains("the proxy") || text.contains("of the proxy"),
            "{text}"
        );
        assert!(text.contains(named) && text.contains(sentence), "{text}");
        assert!(!text.contains("hunter2") && !text.contains("p%40ss"), "{text}");
    }
}

/// Once there was a connection, whatever the proxy says is waited out.
#[tokio::test]
async fn a_proxy_that_fails_for_a_while_ends_nothing() {
    let sandbox = people().start().await.unwrap();
    let proxy = TestProxy::to(sandbox.addr().unwrap(), None).await;
    let bot = Live::of(&sandbox, bot_beyond(&sandbox, &proxy.url()), echo()).await;
    proxy.refuses("HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n");
    let before = proxy.targets().len();
    sandbox.drop_connections();
    bot.state(ConnectionState::Off).await;
    let asked = sandbox.user("ann").say("general", "!echo missed").await;
    in_time(async {
        while proxy.targets().len() < before + 3 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    proxy.refuses(None);
    assert_eq!(bot.reply_to(&asked).await.text, "missed");
    bot.shut_down().await;
}

#[tokio::test]
async fn some_hosts_are_reached_without_it() {
    let sandbox = people().start().await.unwrap();
    let proxy = TestProxy::to(sandbox.addr().unwrap(), None).await;
    let bot = bot_at(&sandbox, "rocketbotte")
        .proxy(proxy.url())
        .no_proxy("example.org, 127.0.0.0/8");
    let bot = Live::of(&sandbox, bot, echo()).await;
    assert_eq!(bot.ask("!echo 1").await, "1");
    bot.shut_down().await;
    assert_eq!(proxy.targets(), [""; 0]);
}

/// A client of one's own.
#[tokio::test]
async fn a_connector_goes_through_it() {
    let sandbox = people().start().await.unwrap();
    let proxy = TestProxy::to(sandbox.addr().unwrap(), None).await;
    let through = Proxy::new(proxy.url()).unwrap();
    let connector = Connector::tcp_through(&through, &TlsSettings::new()).unwrap();
    let client = Client::builder(format!("http://{NOWHERE}").parse().unwrap(), connector.clone()).build();
    assert_eq!(client.call(&Info {}).await.unwrap().version(), Some("8.0"));
    assert_eq!(proxy.targets(), [NOWHERE]);

    let both = bot_at(&sandbox, "rocketbotte")
        .connector(connector)
        .proxy(proxy.url())
        .build();
    assert_eq!(both.unwrap_err().kind(), BotErrorKind::Configuration);
    let socks = bot_at(&sandbox, "rocketbotte")
        .proxy("socks5://127.0.0.1:1080")
        .build();
    assert!(
        socks
            .unwrap_err()
            .to_string()
            .contains("not that of an HTTP proxy")
    );
}

/// In another process, whose environment can be set.
#[tokio::test]
async fn it_is_taken_from_the_environment() {
    if process::part().is_some() {
        let bot = Bot::from_env().unwrap();
        let mut state = bot.handle().watch_state();
        let serving = tokio::spawn(bot.serve(echo()));
        state
            .wait_for(|state| *state == ConnectionState::Ready)
            .await
            .unwrap();
        process::say("ready");
        serving.await.unwrap().unwrap();
        return;
    }
    let sandbox = people().start().await.unwrap();
    let proxy = TestProxy::to(sandbox.addr().unwrap(), None).await;
    let account = sandbox.bot("rocketbotte");
    let variables = format!(
        "unset HTTP_PROXY all_proxy ALL_PROXY NO_PROXY; export ROCKETCHAT_URL=http://{NOWHERE} ROCKETCHAT_USER_ID={} \
         ROCKETCHAT_AUTH_TOKEN={} http_proxy={} no_proxy=example.org",
        account.id(),
        account.token(),
        proxy.place(),
    );
    let heard = tokio::task::spawn_blocking(move || {
        let mut other =
            process::Other::start_after(&variables, "it_is_taken_from_the_environment", &["serve"]);
        other.hear()
    });
    assert_eq!(in_time(heard).await.unwrap().as_deref(), Some("ready"));
    assert_eq!(proxy.tunnels("GET /websocket "), 1);
    assert!(proxy.targets().len() >= 2, "REST too: {:?}", proxy.targets());
}
