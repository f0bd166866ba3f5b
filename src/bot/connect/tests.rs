//! What is asked of a server at the start, with a server on the other end of in-memory pipes.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

/// A client for a server that answers the first line of a request with JSON, or never.
fn client(answer: fn(&str) -> Option<serde_json::Value>) -> Client {
    let connector = Connector::from_fn(move |_uri| {
        let (client, mut server) = tokio::io::duplex(64 * 1024);
        tokio::spawn(async move {
            let mut request = Vec::new();
            while server.read_buf(&mut request).await.is_ok_and(|read| read > 0) {
                if !request.ends_with(b"\r\n\r\n") {
                    continue;
                }
                let text = String::from_utf8_lossy(&request).into_owned();
                let Some(body) = text.lines().next().and_then(answer) else {
                    std::future::pending::<()>().await;
                    return;
                };
                let body = body.to_string();
                let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json";
                let response = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                if server.write_all(response.as_bytes()).await.is_err() {
                    return;
                }
                request.clear();
            }
        });
        async { Ok::<_, std::io::Error>(client) }
    });
    let url = "https://chat.example.org".parse().expect("an address");
    Client::builder(url, connector)
        .credentials(Credentials::new("uB", "T").expect("good"))
        .max_retries(0)
        .build()
}

fn settings() -> serde_json::Value {
    serde_json::json!({"success": true, "settings": [
        {"_id": "Message_MaxAllowedSize", "value": 7000},
        {"_id": "Site_Url", "value": "https://people.example.org/chat/"},
        {"_id": "UI_Use_Real_Name", "value": true},
    ]})
}

#[tokio::test(start_paused = true)]
async fn a_server_that_ignores_the_ids_is_asked_by_query() {
    let known = ask(&client(|line| {
        Some(match line {
            _ if line.contains("query=%7B%22_id%22%3A%7B%22%24in%22%3A") => settings(),
            _ if line.contains("settings.public") => {
                assert!(line.contains("_id=Message_MaxAllowedSize"), "{line}");
                serde_json::json!({"success": true, "settings": [{"_id": "API_Drupal_URL", "value": ""}]})
            }
            _ => serde_json::json!({"success": true, "version": "3.4.0", "update": [], "remove": []}),
        })
    }))
    .await;
    assert_eq!(known.site_url.as_deref(), Some("https://people.example.org/chat"));
    assert_eq!(
        (known.message_size_limit, known.uses_real_names),
        (Some(7000), true)
    );
    assert_eq!((known.version.as_deref(), known.rooms), (Some("3.4.0"), Some(0)));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_told_in_time_is_not_waited_for() {
    let start = Instant::now();
    let known = ask(&client(|line| line.contains("settings.public").then(settings))).await;
    assert_eq!(start.elapsed(), ASK_TIMEOUT);
    assert_eq!(known.message_size_limit, Some(7000));
    assert_eq!((known.version, known.rooms), (None, None));
}
