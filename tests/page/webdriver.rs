//! Chromium by the `WebDriver` protocol, as far as the tests need it: JSON over HTTP, spoken by hyper, which is here anyway.
//! The client crates bring forty others with them.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// How long something on the page may take on a busy machine before the test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);
const LOOK_AGAIN: Duration = Duration::from_millis(15);
/// How often in a row an element may be drawn anew between a look at it and a click on it.
const MOST_DRAWN_ANEW: usize = 10;

/// Keys by their `WebDriver` codes.
pub(crate) mod key {
    pub(crate) const TAB: &str = "\u{E004}";
    pub(crate) const ENTER: &str = "\u{E007}";
    pub(crate) const SHIFT: &str = "\u{E008}";
    pub(crate) const ALT: &str = "\u{E00A}";
    pub(crate) const ESCAPE: &str = "\u{E00C}";
    pub(crate) const UP: &str = "\u{E013}";
    pub(crate) const DOWN: &str = "\u{E015}";
    pub(crate) const F6: &str = "\u{E036}";
}

/// A chromium of its own, with a profile that is empty.
pub(crate) struct Browser {
    client: Client<HttpConnector, Full<Bytes>>,
    driver: String,
    session: String,
    profile: PathBuf,
    /// Ends with this.
    _process: Child,
}

impl Browser {
    /// Starts chromedriver and chromium; `None` if there is no chromedriver.
    pub(crate) async fn start() -> Option<Self> {
        static STARTED: AtomicU64 = AtomicU64::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let profile = std::env::temp_dir().join(format!("rocketbotte-page-{}-{number}", std::process::id()));
        let mut process = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .ok()?;
        let stdout = process.stdout.take().unwrap();
        let mut lines = BufReader::new(stdout).lines();
        let port = loop {
            let line = lines
                .next_line()
                .await
                .unwrap()
                .expect("chromedriver says its port");
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                break port.trim_end_matches('.').to_owned();
            }
        };
        // A full pipe would stop it.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let mut browser = Self {
            client: Client::builder(TokioExecutor::new()).build_http(),
            driver: format!("http://127.0.0.1:{port}"),
            session: String::new(),
            profile,
            _process: process,
        };
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            &format!("--user-data-dir={}", browser.profile.display()),
        ];
        let capabilities = json!({ "alwaysMatch": {
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
        }});
        let session = browser
            .call("POST", "/session", json!({ "capabilities": capabilities }))
            .await;
        let session = session.expect("chromium starts");
        browser.session = format!("/session/{}", session["sessionId"].as_str().unwrap());
        browser.size(1440, 900).await;
        browser.dark(false).await;
        Some(browser)
    }

    async fn call(&self, verb: &str, path: &str, body: Value) -> Result<Value, String> {
        let body = if verb == "POST" {
            body.to_string()
        } else {
            String::new()
        };
        let request = http::Request::builder()
            .method(verb)
            .uri(format!("{}{path}", self.driver))
            .header("content-type", "application/json")
            .body(Full::from(body))
            .unwrap();
        let call = async {
            self.client
                .request(request)
                .await
                .unwrap()
                .into_body()
                .collect()
                .await
        };
        let answer = tokio::time::timeout(2 * PATIENCE, call)
            .await
            .expect("chromedriver answers");
        let mut answer: Value = serde_json::from_slice(&answer.unwrap().to_bytes()).unwrap();
        let value = answer["value"].take();
        match value.get("error") {
            Some(error) => Err(format!("{error}: {}", value["message"])),
            None => Ok(value),
        }
    }

    async fn command(&self, verb: &str, path: &str, body: Value) -> Value {
        match self.call(verb, &format!("{}{path}", self.session), body).await {
            Ok(value) => value,
            Err(error) => panic!("{path}: {error}"),
        }
    }

    pub(crate) async fn quit(self) {
        let _ = self.call("DELETE", &self.session, Value::Null).await;
        let _ = std::fs::remove_dir_all(&self.profile);
    }

    async fn devtools(&self, command: &str, parameters: Value) -> Value {
        let body = json!({ "cmd": command, "params": parameters });
        self.command("POST", "/goog/cdp/execute", body).await
    }

    pub(crate) async fn size(&self, width: u32, height: u32) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    /// What the system of the reader prefers.
    pub(crate) async fn dark(&self, on: bool) {
        let value = if on { "dark" } else { "light" };
        let features = json!([{ "name": "prefers-color-scheme", "value": value }]);
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": features }))
            .await;
    }

    pub(crate) async fn go(&self, url: &str) {
        self.command("POST", "/url", json!({ "url": url })).await;
    }

    /// Opens an empty tab in front of the others.
    pub(crate) async fn new_tab(&self) {
        let tab = self
            .command("POST", "/window/new", json!({ "type": "tab" }))
            .await;
        self.command("POST", "/window", json!({ "handle": tab["handle"] }))
            .await;
    }

    /// The value of a script, which says `return`.
    pub(crate) async fn js(&self, script: &str) -> Value {
        self.command("POST", "/execute/sync", json!({ "script": script, "args": [] }))
            .await
    }

    /// The same for what is to come true; tells what is on the page if it does not.
    pub(crate) async fn wait(&self, what: &str, script: &str) -> Value {
        let began = Instant::now();
        loop {
            let value = self.js(script).await;
            if !matches!(value, Value::Null | Value::Bool(false)) {
                return value;
            }
            if began.elapsed() > PATIENCE {
                let page = self.js("return document.body.innerText").await;
                let log = self.log().await;
                panic!("never so: {what}\n{script}\nthe page: {page}\nthe console: {log:?}");
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Waits for an element with this text in it.
    pub(crate) async fn see(&self, selector: &str, text: &str) {
        let (selector_json, text_json) = (json!(selector), json!(text));
        let script = format!(
            "return [...document.querySelectorAll({selector_json})].some((e) => e.checkVisibility() && e.innerText.includes({text_json}))"
        );
        self.wait(&format!("{selector} shows {text:?}"), &script).await;
    }

    /// Waits until no element has this text.
    pub(crate) async fn see_no_more(&self, selector: &str, text: &str) {
        let (selector_json, text_json) = (json!(selector), json!(text));
        let script = format!(
            "return ![...document.querySelectorAll({selector_json})].some((e) => e.innerText.includes({text_json}))"
        );
        self.wait(&format!("{selector} no longer shows {text:?}"), &script)
            .await;
    }

    pub(crate) async fn count(&self, selector: &str) -> u64 {
        let script = format!("return document.querySelectorAll({}).length", json!(selector));
        self.js(&script).await.as_u64().unwrap()
    }

    /// Clicks the first element that fits, as a mouse does: it must be to be seen, and nothing in front of it.
    pub(crate) async fn click(&self, selector: &str) {
        let script = format!("return document.querySelector({})", json!(selector));
        // The page may draw it anew between the look and the click: then the new one is clicked.
        for _ in 0..MOST_DRAWN_ANEW {
            let element = self.wait(&format!("{selector} is there"), &script).await;
            let id = element
                .as_object()
                .and_then(|object| object.values().next())
                .unwrap();
            let path = format!("{}/element/{}/click", self.session, id.as_str().unwrap());
            match self.call("POST", &path, json!({})).await {
                Ok(_) => return,
                Err(error) if error.contains("stale element reference") => {}
                Err(error) => panic!("click on {selector}: {error}"),
            }
        }
        panic!("{selector} is drawn anew again and again");
    }

    /// Presses keys one after another.
    pub(crate) async fn keys(&self, text: &str) {
        let strokes = text.chars().flat_map(|key| {
            [
                json!({ "type": "keyDown", "value": key }),
                json!({ "type": "keyUp", "value": key }),
            ]
        });
        self.act(strokes.collect()).await;
    }

    /// Presses a key while another is held.
    pub(crate) async fn chord(&self, held: &str, pressed: &str) {
        self.act(vec![
            json!({ "type": "keyDown", "value": held }),
            json!({ "type": "keyDown", "value": pressed }),
            json!({ "type": "keyUp", "value": pressed }),
            json!({ "type": "keyUp", "value": held }),
        ])
        .await;
    }

    async fn act(&self, actions: Vec<Value>) {
        let source = json!({ "type": "key", "id": "keyboard", "actions": actions });
        self.command("POST", "/actions", json!({ "actions": [source] }))
            .await;
    }

    /// What the console said since it was last asked.
    pub(crate) async fn log(&self) -> Vec<String> {
        let entries = self
            .command("POST", "/se/log", json!({ "type": "browser" }))
            .await;
        let line = |entry: &Value| {
            format!(
                "{} {}",
                entry["level"].as_str().unwrap_or(""),
                entry["message"].as_str().unwrap_or("")
            )
        };
        entries.as_array().unwrap().iter().map(line).collect()
    }

    /// What moves comes to rest.
    pub(crate) async fn rest(&self) {
        self.js("document.getAnimations().forEach((a) => a.effect?.getTiming().iterations === Infinity || a.finish())")
            .await;
    }

    /// Keeps a picture of the page in the folder that `ROCKETBOTTE_SCREENSHOTS` names.
    pub(crate) async fn picture(&self, name: &str) {
        let Some(folder) = std::env::var_os("ROCKETBOTTE_SCREENSHOTS") else {
            return;
        };
        self.rest().await;
        let data = self
            .devtools("Page.captureScreenshot", json!({ "format": "png" }))
            .await;
        let folder = PathBuf::from(folder);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(
            folder.join(format!("{name}.png")),
            from_base64(data["data"].as_str().unwrap()),
        )
        .unwrap();
    }
}

fn from_base64(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text
        .bytes()
        .filter_map(|byte| ALPHABET.iter().position(|known| *known == byte));
    let (mut bytes, mut held, mut bits) = (Vec::new(), 0_usize, 0);
    for digit in digits {
        held = (held << 6) | digit;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from((held >> bits) & 0xff).unwrap());
        }
    }
    bytes
}
