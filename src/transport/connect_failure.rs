//! Why a connection could not be opened: what a retry may cure, and what only a person can.

use std::error::Error;
use std::io;
use std::sync::Arc;

use super::proxy::{TunnelError, TunnelFailure};

/// The cause of a failed connection, as far as the error says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ConnectFailure {
    /// No such name in the DNS.
    UnknownHost,
    /// TLS failed: the certificate, or the other side speaks no TLS.
    Tls(TlsFailure),
    /// Nothing listens there.
    Refused,
    /// It took too long.
    Timeout,
    /// The proxy at this address opens no tunnel.
    Proxy(Arc<str>, TunnelFailure),
    /// Anything else, such as a network that is down.
    Other,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TlsFailure {
    /// The certificate is not trusted, expired or for another name.
    Certificate(String),
    /// What came back was no TLS.
    NotTls,
    /// Anything else.
    Handshake(String),
}

impl ConnectFailure {
    /// Looks through `error` and its sources.
    pub(crate) fn of(error: &(dyn Error + 'static)) -> Self {
        let mut next = Some(error);
        let mut found = Self::Other;
        while let Some(error) = next {
            if let Some(tunnel) = error.downcast_ref::<TunnelError>() {
                let (proxy, why) = tunnel.parts();
                return Self::Proxy(Arc::clone(proxy), why.clone());
            }
            if let Some(tls) = error.downcast_ref::<rustls::Error>() {
                return Self::Tls(TlsFailure::of(tls));
            }
            if error.is::<tower::timeout::error::Elapsed>() {
                return Self::Timeout;
            }
            next = error.source();
            if let Some(io) = error.downcast_ref::<io::Error>() {
                match io.kind() {
                    io::ErrorKind::ConnectionRefused => found = Self::Refused,
                    io::ErrorKind::TimedOut => found = Self::Timeout,
                    _ if is_unknown_host(&io.to_string()) => found = Self::UnknownHost,
                    _ => {}
                }
                // `source` of an `io::Error` skips the error that it wraps.
                if let Some(inner) = io.get_ref() {
                    next = Some(inner);
                }
            }
        }
        found
    }

    /// Whether only a change of the configuration can cure it.
    pub(crate) fn is_permanent(&self) -> bool {
        match self {
            Self::UnknownHost | Self::Tls(_) => true,
            Self::Proxy(_, why) => match why {
                TunnelFailure::Connect(failure, _) => failure.is_permanent(),
                TunnelFailure::Unauthorized { .. } => true,
                TunnelFailure::Status(status) => !status.is_server_error(),
                TunnelFailure::Broken(_) | TunnelFailure::Timeout => false,
            },
            Self::Refused | Self::Timeout | Self::Other => false,
        }
    }

    /// The sentence for a person; `server` is the address, `error` what was classified.
    pub(crate) fn sentence(&self, server: &str, host: &str, error: &(dyn Error + 'static)) -> String {
        match self {
            Self::UnknownHost => {
                format!("the host {host} of {server} is unknown; check the spelling of the server address")
            }
            Self::Tls(TlsFailure::Certificate(what)) => format!(
                "the certificate of {server} is not accepted ({what}); name its authority with a CA file, or check \
                 the host name"
            ),
            Self::Tls(TlsFailure::NotTls) => format!(
                "{server} does not speak TLS; write http:// in the server address, or use the port that has TLS"
            ),
            Self::Tls(TlsFailure::Handshake(what)) => {
                format!(
                    "no TLS connection to {server} ({what}); check the server's TLS settings and the address"
                )
            }
            Self::Refused => {
                format!(
                    "the connection to {server} was refused; check that the server runs and the port is right"
                )
            }
            Self::Timeout => {
                format!("no connection to {server} in time; check the network between here and the server")
            }
            Self::Proxy(proxy, why) => no_tunnel(proxy, why, server),
            Self::Other => format!("no connection to {server}: {}", root_cause(error)),
        }
    }
}

fn no_tunnel(proxy: &str, why: &TunnelFailure, server: &str) -> String {
    match why {
        TunnelFailure::Connect(failure, cause) => match &**failure {
            ConnectFailure::UnknownHost => {
                format!("the host of the proxy {proxy} is unknown; check the spelling of its address")
            }
            ConnectFailure::Tls(TlsFailure::NotTls) => {
                format!("the proxy {proxy} does not speak TLS; write http:// in its address")
            }
            ConnectFailure::Tls(TlsFailure::Certificate(what)) => format!(
                "the certificate of the proxy {proxy} is not accepted ({what}); name its authority with a CA file"
            ),
            ConnectFailure::Refused => {
                format!("the proxy {proxy} refused the connection; check that it runs and the port is right")
            }
            _ => format!("no connection to the proxy {proxy}: {cause}"),
        },
        TunnelFailure::Unauthorized { given: false } => format!(
            "the proxy {proxy} wants a user name and a password (407); write them before its host, as in \
             http://user:password@host"
        ),
        TunnelFailure::Unauthorized { given: true } => {
            format!("the proxy {proxy} refuses the user name and password of its address (407); check both")
        }
        TunnelFailure::Status(status) if status.is_server_error() => {
            format!("the proxy {proxy} can not reach {server}: it answered {status}")
        }
        TunnelFailure::Status(status) => format!(
            "the proxy {proxy} opens no tunnel to {server}: it answered {status}; check that it allows CONNECT to this \
             host and port"
        ),
        TunnelFailure::Broken(what) => {
            format!("the proxy {proxy} opened no tunnel to {server}: {what}")
        }
        TunnelFailure::Timeout => format!("the proxy {proxy} opened no tunnel to {server} in time"),
    }
}

impl TlsFailure {
    fn of(error: &rustls::Error) -> Self {
        match error {
            rustls::Error::InvalidCertificate(why) => Self::Certificate(why.to_string()),
            rustls::Error::NoCertificatesPresented => Self::Certificate("none was sent".to_owned()),
            rustls::Error::InvalidMessage(_) => Self::NotTls,
            other => Self::Handshake(other.to_string()),
        }
    }
}

/// The resolver of the C library gives no error kind, only these texts (glibc, musl, macOS, Windows). A server that is
/// not reachable at the moment ("Temporary failure in name resolution") is not among them.
fn is_unknown_host(text: &str) -> bool {
    [
        "Name or service not known",
        "No address associated with hostname",
        "Name does not resolve",
        "nodename nor servname",
        "No such host is known",
    ]
    .iter()
    .any(|known| text.contains(known))
}

/// The innermost error, in its own words.
pub(crate) fn root_cause(error: &(dyn Error + 'static)) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("client error (Connect)")]
    struct Wrapped(#[source] io::Error);

    fn of(error: io::Error) -> ConnectFailure {
        ConnectFailure::of(&Wrapped(error))
    }

    #[test]
    fn causes_are_found_below_wrappers() {
        let certificate = rustls::Error::InvalidCertificate(rustls::CertificateError::Expired);
        assert!(matches!(
            of(io::Error::other(io::Error::new(
                io::ErrorKind::InvalidData,
                certificate
            ))),
            ConnectFailure::Tls(TlsFailure::Certificate(_))
        ));
        let not_tls = rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType);
        assert_eq!(
            of(io::Error::other(not_tls)),
            ConnectFailure::Tls(TlsFailure::NotTls)
        );
        assert_eq!(
            of(io::ErrorKind::ConnectionRefused.into()),
            ConnectFailure::Refused
        );
        assert_eq!(
            of(io::Error::other(
                "failed to lookup address information: Name or service not known"
            )),
            ConnectFailure::UnknownHost
        );
        let passing = of(io::Error::other(
            "failed to lookup address information: Temporary failure in name resolution",
        ));
        assert_eq!(passing, ConnectFailure::Other);
        assert!(!passing.is_permanent());
    }
}
