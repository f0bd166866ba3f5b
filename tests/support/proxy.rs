//! An HTTP proxy of the test's own: it opens tunnels by CONNECT, counts them, and says no when it is told to.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test uses a part, and a test ends by them"
)]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// What a proxy saw and does.
#[derive(Default)]
struct State {
    /// What came through each tunnel first, up to the end of its line.
    tunnels: Vec<String>,
    /// The places that a tunnel was asked for.
    targets: Vec<String>,
    /// `Basic …`
    wants: Option<String>,
    /// Said instead of opening a tunnel.
    refusal: Option<&'static str>,
}

#[derive(Clone)]
pub struct TestProxy {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl TestProxy {
    /// A proxy whose tunnels all end at `server`, whatever is asked for: so nothing gets there directly.
    pub async fn to(server: SocketAddr, tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self {
            address: listener.local_addr().unwrap(),
            state: Arc::default(),
        };
        let serving = proxy.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (serving, tls) = (serving.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        Some(tls) => {
                            if let Ok(socket) = TlsAcceptor::from(tls).accept(socket).await {
                                serving.serve(socket, server).await;
                            }
                        }
                        None => drop(serving.serve(socket, server).await),
                    }
                });
            }
        });
        proxy
    }

    pub fn place(&self) -> String {
        self.address.to_string()
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Wants this, such as `Basic dTpw`.
    pub fn wants(&self, credentials: &str) {
        self.state.lock().unwrap().wants = Some(credentials.to_owned());
    }

    /// Says this instead of opening tunnels, until it is told otherwise.
    pub fn refuses(&self, answer: impl Into<Option<&'static str>>) {
        self.state.lock().unwrap().refusal = answer.into();
    }

    /// How many tunnels began so.
    pub fn tunnels(&self, beginning: &str) -> usize {
        let state = self.state.lock().unwrap();
        state
            .tunnels
            .iter()
            .filter(|line| line.starts_with(beginning))
            .count()
    }

    /// The places that it was asked for.
    pub fn targets(&self) -> Vec<String> {
        self.state.lock().unwrap().targets.clone()
    }

    async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        mut client: S,
        server: SocketAddr,
    ) -> Option<()> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(client.read_u8().await.ok()?);
            if !head[0].is_ascii_alphabetic() {
                return client.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.ok();
            }
        }
        let head = String::from_utf8(head).ok()?;
        let mut words = head.split_whitespace();
        let (method, target) = (words.next()?, words.next()?.to_owned());
        let credentials = head
            .lines()
            .find_map(|line| {
                line.split_once(": ")
                    .filter(|(name, _)| name.eq_ignore_ascii_case("proxy-authorization"))
            })
            .map(|(_, value)| value.to_owned());
        let answer = {
            let mut state = self.state.lock().unwrap();
            state.targets.push(target);
            match state.refusal {
                _ if method != "CONNECT" => {
                    Some("HTTP/1.1 405 Method Not Allowed\r\ncontent-length: 0\r\n\r\n")
                }
                _ if state.wants.is_some() && state.wants != credentials => Some(
                    "HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic realm=\"x\"\r\ncontent-length: 0\r\n\r\n",
                ),
                refusal => refusal,
            }
        };
        if let Some(answer) = answer {
            client.write_all(answer.as_bytes()).await.ok()?;
            return client.shutdown().await.ok();
        }
        let mut server = TcpStream::connect(server).await.ok()?;
        client
            .write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
            .await
            .ok()?;
        let mut first = [0; 256];
        let read = client.read(&mut first).await.ok()?;
        let line = String::from_utf8_lossy(&first[..read]);
        let line = line.lines().next().unwrap_or_default().to_owned();
        self.state.lock().unwrap().tunnels.push(line);
        server.write_all(&first[..read]).await.ok()?;
        tokio::io::copy_bidirectional(&mut client, &mut server)
            .await
            .ok()?;
        Some(())
    }
}
