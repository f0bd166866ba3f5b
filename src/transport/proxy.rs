//! Connections through an HTTP proxy: a tunnel by CONNECT, whatever goes through it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::uri::{Authority, Scheme};
use http::{Request, StatusCode, Uri, header};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper::upgrade::Upgraded;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use tower::{BoxError, Service, ServiceExt as _};

use super::connect::Io;
use super::connect_failure::ConnectFailure;
use crate::secret::Secret;
use crate::server_url::ServerUrl;

/// How long opening a tunnel may take. Shorter than the time for the whole connection, so that the error names the proxy.
const TUNNEL_TIMEOUT: Duration = Duration::from_secs(8);

/// An HTTP proxy, and the hosts that are reached without it.
///
/// Everything goes through a tunnel that the proxy opens by `CONNECT`: websocket and REST, with TLS or without. So the
/// proxy has to allow `CONNECT` to the port of the server, and sees neither tokens nor messages where the server speaks TLS.
///
/// ```
/// use rocketbotte::transport::{Connector, Proxy, TlsSettings};
///
/// let proxy = Proxy::new("http://proxy.example.org:3128")?.except("localhost, .intern.example.org");
/// let connector = Connector::tcp_through(&proxy, &TlsSettings::new())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Proxy {
    url: Secret,
    except: String,
    matcher: Arc<Matcher>,
    address: Address,
}

/// Where the proxy is, without its password.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Address {
    text: Arc<str>,
    is_tls: bool,
}

impl Proxy {
    /// A proxy by its address, such as `http://proxy.example.org:3128`, `https://…` for one that itself speaks TLS, with
    /// `user:password@` before the host where it wants them (percent-encoded). `http` where there is no scheme.
    ///
    /// # Errors
    ///
    /// The address is none, or one of another kind of proxy, such as SOCKS.
    pub fn new(url: impl Into<Secret>) -> Result<Self, ProxyError> {
        let url = url.into();
        let url = Secret::new(url.expose().trim());
        let address = Address::of(url.expose())?;
        Self::with(url, String::new(), address)
    }

    /// Hosts that are reached without the proxy, as in the variable `NO_PROXY` of curl: names (with all names below them),
    /// IP addresses and networks such as `10.0.0.0/8`, separated by commas; `*` for all. It takes the place of what was
    /// set before.
    #[must_use]
    pub fn except(self, hosts: impl Into<String>) -> Self {
        let hosts = hosts.into();
        let matcher = matcher(&self.url, &hosts);
        Self {
            matcher: Arc::new(matcher),
            except: hosts,
            ..self
        }
    }

    /// The proxy for a server by the environment, with the variables of curl: `https_proxy` for `https`, `http_proxy` for
    /// `http`, `all_proxy` for both, less what `no_proxy` names; each also in upper case. `None` if none is set.
    /// `HTTP_PROXY` in upper case counts only where `REQUEST_METHOD` is not set: in a CGI program it comes from the request.
    ///
    /// # Errors
    ///
    /// The variable holds no address of an HTTP proxy.
    pub fn from_env(server: &ServerUrl) -> Result<Option<Self>, ProxyError> {
        Self::from_lookup(server.is_tls(), &|name| {
            std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
        })
    }

    pub(crate) fn from_lookup(
        is_tls: bool,
        lookup: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, ProxyError> {
        let set = |name: &str| lookup(name).filter(|value| !value.trim().is_empty());
        let names = match (is_tls, set("REQUEST_METHOD")) {
            (true, _) => &["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"][..],
            (false, None) => &["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"],
            (false, Some(_)) => &["http_proxy", "all_proxy", "ALL_PROXY"],
        };
        let Some((name, url)) = names.iter().find_map(|name| Some((name, set(name)?))) else {
            return Ok(None);
        };
        let except = ["no_proxy", "NO_PROXY"].iter().find_map(|name| set(name));
        match Self::new(url) {
            Ok(proxy) => Ok(Some(proxy.except(except.unwrap_or_default()))),
            Err(ProxyError(why)) => Err(ProxyError(format!("{name} is set: {why}"))),
        }
    }

    fn with(url: Secret, except: String, address: Address) -> Result<Self, ProxyError> {
        let matcher = matcher(&url, &except);
        // One that is not understood would mean no proxy.
        let probe = Uri::from_static("https://probe.invalid");
        if matcher.intercept(&probe).is_none() {
            return Err(ProxyError::of(
                "can not be read; write one such as http://proxy.example.org:3128",
            ));
        }
        Ok(Self {
            url,
            except,
            matcher: Arc::new(matcher),
            address,
        })
    }

    /// Its address with the password, and the hosts that are reached without it.
    pub(crate) fn into_settings(self) -> (Secret, String) {
        (self.url, self.except)
    }

    /// Whether the way to the proxy itself is by TLS.
    pub(crate) fn is_tls(&self) -> bool {
        self.address.is_tls
    }
}

fn matcher(url: &Secret, except: &str) -> Matcher {
    Matcher::builder().all(url.expose()).no(except).build()
}

impl Address {
    fn of(url: &str) -> Result<Self, ProxyError> {
        if url.is_empty() {
            return Err(ProxyError::of(
                "is empty; write one such as http://proxy.example.org:3128",
            ));
        }
        let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
        let is_tls = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => {
                return Err(ProxyError::of(
                    "is not that of an HTTP proxy; write one such as http://proxy.example.org:3128",
                ));
            }
        };
        let rest = rest.trim_end_matches('/');
        let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
        let is_place = place.parse::<Authority>().is_ok_and(|place| {
            let port = place.as_str()[place.host().len()..].strip_prefix(':');
            let is_port = |port: &str| port.parse::<u16>().is_ok_and(|port| port > 0);
            !place.host().is_empty() && port.is_none_or(is_port)
        });
        if !is_place {
            return Err(ProxyError::of(
                "has no valid host; write one such as http://proxy.example.org:3128",
            ));
        }
        let scheme = if is_tls { "https" } else { "http" };
        Ok(Self {
            text: format!("{scheme}://{place}").into(),
            is_tls,
        })
    }
}

/// The address of the proxy without its password.
impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("address", &self.address.text)
            .field("except", &self.except)
            .finish_non_exhaustive()
    }
}

/// An address that is not that of an HTTP proxy. Its text is one sentence that does not repeat the address, which may hold
/// a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ProxyError(String);

impl ProxyError {
    fn of(what: &str) -> Self {
        Self(format!("the address of the proxy {what}"))
    }
}

/// Why there is no tunnel.
#[derive(Debug, thiserror::Error)]
#[error("no tunnel through the proxy {proxy}: {why:?}")]
pub(crate) struct TunnelError {
    proxy: Arc<str>,
    why: TunnelFailure,
}

impl TunnelError {
    /// Where the proxy is, and what failed.
    pub(crate) fn parts(&self) -> (&Arc<str>, &TunnelFailure) {
        (&self.proxy, &self.why)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TunnelFailure {
    /// No connection to the proxy.
    Connect(Box<ConnectFailure>, String),
    /// It wants a user name and a password, which were given or not.
    Unauthorized { given: bool },
    /// It says no.
    Status(StatusCode),
    /// It answered no HTTP, or nothing.
    Broken(String),
    /// It took too long.
    Timeout,
}

/// Opens connections as a proxy's settings say: directly, or by a tunnel.
#[derive(Clone)]
pub(super) struct ProxyConnector {
    pub(super) proxy: Proxy,
    pub(super) direct: HttpConnector,
    /// To the proxy.
    pub(super) to_proxy: HttpsConnector<HttpConnector>,
}

impl Service<Uri> for ProxyConnector {
    type Response = Io;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Io, BoxError>> + Send>>;

    /// What is below is made ready for each connection.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let Some(intercept) = self.proxy.matcher.intercept(&uri) else {
            let connecting = self.direct.clone().oneshot(uri);
            return Box::pin(async move { Ok(Io::new(connecting.await?)) });
        };
        let (to_proxy, proxy) = (self.to_proxy.clone(), Arc::clone(&self.proxy.address.text));
        Box::pin(async move {
            let opening = tokio::time::timeout(TUNNEL_TIMEOUT, open(to_proxy, &intercept, &uri));
            match opening.await.unwrap_or(Err(TunnelFailure::Timeout)) {
                Ok(tunnel) => Ok(Io::opaque(tunnel)),
                Err(why) => Err(TunnelError { proxy, why }.into()),
            }
        })
    }
}

async fn open(
    to_proxy: HttpsConnector<HttpConnector>,
    intercept: &Intercept,
    uri: &Uri,
) -> Result<Upgraded, TunnelFailure> {
    let broken = |error: hyper::Error| TunnelFailure::Broken(error.to_string());
    let unfit = |error: http::Error| TunnelFailure::Broken(error.to_string());
    let io = to_proxy.oneshot(intercept.uri().clone()).await.map_err(|error| {
        let why = super::connect_failure::root_cause(&*error);
        TunnelFailure::Connect(Box::new(ConnectFailure::of(&*error)), why)
    })?;
    let default_port = match uri.scheme() == Some(&Scheme::HTTPS) {
        true => 443,
        false => 80,
    };
    let (host, port) = (
        uri.host().unwrap_or_default(),
        uri.port_u16().unwrap_or(default_port),
    );
    let target = format!("{host}:{port}");
    let mut request = Request::connect(&target).header(header::HOST, &target);
    if let Some(auth) = intercept.basic_auth() {
        request = request.header(header::PROXY_AUTHORIZATION, auth);
    }
    let request = request.body(Empty::<Bytes>::new()).map_err(unfit)?;
    let (mut sender, connection) = http1::handshake(io).await.map_err(broken)?;
    // It ends when the tunnel takes the connection over, or with the sender.
    tokio::spawn(connection.with_upgrades());
    let response = sender.send_request(request).await.map_err(broken)?;
    match response.status() {
        status if status.is_success() => hyper::upgrade::on(response).await.map_err(broken),
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => Err(TunnelFailure::Unauthorized {
            given: intercept.basic_auth().is_some(),
        }),
        status => Err(TunnelFailure::Status(status)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(is_tls: bool, variables: &[(&str, &str)]) -> Result<Option<Proxy>, ProxyError> {
        Proxy::from_lookup(is_tls, &|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn variables_mean_what_they_mean_to_curl() {
        for (is_tls, variables, expected) in [
            (true, &[][..], None),
            (true, &[("https_proxy", "one:1")], Some("http://one:1")),
            (true, &[("HTTPS_PROXY", "http://one:1/")], Some("http://one:1")),
            (
                true,
                &[("HTTPS_PROXY", ""), ("ALL_PROXY", "https://two:2")],
                Some("https://two:2"),
            ),
            (
                true,
                &[("https_proxy", "one:1"), ("HTTPS_PROXY", "two:2")],
                Some("http://one:1"),
            ),
            (true, &[("http_proxy", "one:1")], None),
            (false, &[("https_proxy", "one:1")], None),
            (false, &[("http_proxy", "a:b@one:1")], Some("http://one:1")),
            (false, &[("HTTP_PROXY", "one:1")], Some("http://one:1")),
            (false, &[("HTTP_PROXY", "one:1"), ("REQUEST_METHOD", "GET")], None),
            (
                false,
                &[("http_proxy", "one:1"), ("REQUEST_METHOD", "GET")],
                Some("http://one:1"),
            ),
        ] {
            let proxy = of(is_tls, variables).unwrap();
            assert_eq!(
                proxy.as_ref().map(|proxy| &*proxy.address.text),
                expected,
                "{variables:?}"
            );
        }
    }

    #[test]
    fn what_is_no_proxy_is_an_error_and_its_password_is_not_told() {
        for url in [
            "socks5://u:hunter2@one:1",
            "http://u:hunter2@",
            "http://u:hunter2@o ne:1",
            "u:hunter2@one:x",
        ] {
            let error = of(true, &[("HTTPS_PROXY", url)]).unwrap_err();
            assert!(error.to_string().starts_with("HTTPS_PROXY is set: "), "{error}");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
        let proxy = Proxy::new("http://u:hunter2@one:1").unwrap();
        assert!(!format!("{proxy:?}").contains("hunter2"), "{proxy:?}");
    }

    #[test]
    fn some_hosts_are_reached_directly() {
        let proxy = of(
            true,
            &[
                ("all_proxy", "one:1"),
                ("NO_PROXY", "localhost, example.org,10.0.0.0/8"),
            ],
        );
        let proxy = proxy.unwrap().unwrap();
        for (uri, is_direct) in [
            ("https://localhost:3000", true),
            ("https://chat.example.org", true),
            ("http://example.org", true),
            ("https://chatexample.org", false),
            ("https://10.1.2.3", true),
            ("https://11.1.2.3", false),
        ] {
            let uri: Uri = uri.parse().unwrap();
            assert_eq!(proxy.matcher.intercept(&uri).is_none(), is_direct, "{uri}");
        }
    }
}
