//! TLS settings, and the one `rustls` configuration that REST and websocket share.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

/// How the certificate of the server is checked.
///
/// By default it must be signed by one of the system's authorities.
///
/// ```no_run
/// use rocketbotte::transport::TlsSettings;
///
/// let tls = TlsSettings::new().ca_file("/etc/ssl/our-company.pem")?;
/// # Ok::<(), rocketbotte::transport::TlsError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct TlsSettings {
    extra_roots: Vec<CertificateDer<'static>>,
    accept_invalid_certs: bool,
    without_system_roots: bool,
}

impl TlsSettings {
    /// The system's authorities, and nothing else.
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts the authorities in a PEM file too.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, is no PEM, or holds no certificate.
    pub fn ca_file(self, path: impl AsRef<Path>) -> Result<Self, TlsError> {
        let path = path.as_ref();
        match std::fs::read(path) {
            Ok(pem) => self.add_pem(&pem, &format!("the certificate file {}", path.display())),
            Err(source) => Err(TlsError {
                message: format!("the certificate file {} cannot be read: {source}", path.display()),
                source: Some(source),
            }),
        }
    }

    /// Trusts the authorities in a PEM text too.
    ///
    /// # Errors
    ///
    /// If the text is no PEM or holds no certificate.
    pub fn ca_pem(self, pem: impl AsRef<[u8]>) -> Result<Self, TlsError> {
        self.add_pem(pem.as_ref(), "the certificate text")
    }

    /// Accepts any certificate: expired, for another host, signed by anybody. Whoever can reach the connection can
    /// then read the token. Prefer [`ca_file`](Self::ca_file).
    #[must_use]
    pub fn danger_accept_invalid_certs(mut self, accept: bool) -> Self {
        self.accept_invalid_certs = accept;
        self
    }

    /// Leaves the system's authorities out, which take their time to read: for a server that speaks no TLS.
    pub(crate) fn without_system_roots(mut self, without: bool) -> Self {
        self.without_system_roots = without;
        self
    }

    fn add_pem(mut self, pem: &[u8], origin: &str) -> Result<Self, TlsError> {
        let before = self.extra_roots.len();
        for cert in CertificateDer::pem_slice_iter(pem) {
            match cert {
                Ok(cert) => self.extra_roots.push(cert),
                Err(error) => return Err(TlsError::new(format!("{origin} is not in PEM form: {error}"))),
            }
        }
        if self.extra_roots.len() == before {
            return Err(TlsError::new(format!(
                "{origin} holds no certificate in PEM form"
            )));
        }
        Ok(self)
    }

    /// The configuration for both sides. The provider is named: without that a second provider in the program would
    /// make rustls panic at run time.
    pub(crate) fn client_config(&self) -> Result<ClientConfig, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let algorithms = provider.signature_verification_algorithms;
        let builder = ClientConfig::builder_with_provider(provider as Arc<CryptoProvider>)
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::new(format!("the TLS settings cannot be used: {error}")))?;
        let mut config = if self.accept_invalid_certs {
            tracing::warn!(
                "certificates are not checked: whoever can reach the connection can read the token"
            );
            let verifier = Arc::new(AcceptAnyCert { algorithms });
            builder
                .dangerous()
                .with_custom_certificate_verifier(verifier)
                .with_no_client_auth()
        } else {
            builder
                .with_root_certificates(self.roots()?)
                .with_no_client_auth()
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }

    fn roots(&self) -> Result<RootCertStore, TlsError> {
        let mut roots = RootCertStore::empty();
        if !self.without_system_roots {
            let native = rustls_native_certs::load_native_certs();
            let (_, unusable) = roots.add_parsable_certificates(native.certs);
            if unusable > 0 || !native.errors.is_empty() {
                tracing::debug!(unusable, errors = ?native.errors, "some of the system's authorities were not loaded");
            }
        }
        for cert in &self.extra_roots {
            roots
                .add(cert.clone())
                .map_err(|error| TlsError::new(format!("the TLS settings cannot be used: {error}")))?;
        }
        if roots.is_empty() && !self.without_system_roots {
            tracing::warn!("the system has no certificate authorities: every TLS connection will fail");
        }
        Ok(roots)
    }
}

/// TLS settings that cannot be used. Its text is one sentence that names the file and what is wrong with it.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct TlsError {
    message: String,
    source: Option<std::io::Error>,
}

impl TlsError {
    fn new(message: String) -> Self {
        Self {
            message,
            source: None,
        }
    }
}

/// Accepts every certificate, but still checks that the peer holds its key.
#[derive(Debug)]
struct AcceptAnyCert {
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for AcceptAnyCert {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_pem_is_named() {
        let error = TlsSettings::new().ca_pem("nonsense").expect_err("no certificate");
        assert_eq!(
            error.to_string(),
            "the certificate text holds no certificate in PEM form"
        );
        let error = TlsSettings::new()
            .ca_file("/does/not/exist.pem")
            .expect_err("no file");
        assert!(error.to_string().contains("/does/not/exist.pem"), "{error}");
    }

    #[test]
    fn only_http1_is_offered() {
        let config = TlsSettings::new().client_config().expect("a configuration");
        assert_eq!(config.alpn_protocols, [b"http/1.1"]);
        assert!(
            TlsSettings::new()
                .danger_accept_invalid_certs(true)
                .client_config()
                .is_ok()
        );
    }
}
