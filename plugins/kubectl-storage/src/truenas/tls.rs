//! Whom to believe to be the appliance.

use std::sync::Arc;

use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
};
use sha2::{Digest, Sha256};

use super::{CallError, ErrorKind};

/// How the appliance's certificate is checked. There is no way not to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Trust {
    /// The authorities of the system.
    #[default]
    System,
    /// Authorities of a PEM file.
    Authority(Vec<u8>),
    /// Exactly the certificate with this SHA-256: for the self-signed one an appliance comes with.
    Fingerprint([u8; 32]),
}

impl Trust {
    /// Reads a fingerprint as `openssl x509 -fingerprint -sha256` prints it, colons or none.
    pub fn fingerprint(text: &str) -> Option<Self> {
        let digits: String = text.chars().filter(|c| *c != ':').collect();
        let mut pin = [0; 32];
        if digits.len() != 64 || !digits.is_ascii() {
            return None;
        }
        for (at, byte) in pin.iter_mut().enumerate() {
            *byte = u8::from_str_radix(digits.get(2 * at..2 * at + 2)?, 16).ok()?;
        }
        Some(Self::Fingerprint(pin))
    }

    /// The configuration of a connection. It offers HTTP/1.1 only: the appliance would choose
    /// HTTP/2 where offered, on which it upgrades no WebSocket.
    pub(crate) fn config(&self) -> Result<ClientConfig, CallError> {
        self.config_as(None)
    }

    /// The same, showing a certificate chain with its key (PEM) where one is asked for.
    pub(crate) fn config_as(
        &self,
        identity: Option<(&[u8], &[u8])>,
    ) -> Result<ClientConfig, CallError> {
        let failed = |error: &dyn std::fmt::Display| {
            CallError::new(
                ErrorKind::Certificate,
                format!("TLS cannot be set up: {error}"),
            )
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(&error))?;
        let mut roots = RootCertStore::empty();
        let builder = match self {
            Self::System => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                builder.with_root_certificates(roots)
            }
            Self::Authority(pem) => {
                for certificate in CertificateDer::pem_slice_iter(pem) {
                    let certificate = certificate.map_err(|error| failed(&error))?;
                    roots.add(certificate).map_err(|error| failed(&error))?;
                }
                builder.with_root_certificates(roots)
            }
            Self::Fingerprint(pin) => {
                builder
                    .dangerous()
                    .with_custom_certificate_verifier(Arc::new(Pinned {
                        pin: *pin,
                        provider,
                    }))
            }
        };
        let mut config = match identity {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => {
                let chain = CertificateDer::pem_slice_iter(chain)
                    .collect::<Result<Vec<_>, _>>()
                    .map_err(|error| failed(&error))?;
                let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| failed(&error))?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|error| failed(&error))?
            }
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

/// Accepts one certificate, whatever it says about itself; the peer must still hold its key.
#[derive(Debug)]
struct Pinned {
    pin: [u8; 32],
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if Sha256::digest(certificate)[..] == self.pin {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(rustls::Error::General(
                "the certificate is not the pinned one".to_owned(),
            ))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::Trust;

    #[test]
    fn fingerprints_with_and_without_colons() {
        let plain = "ab".repeat(32);
        let colons = vec!["AB"; 32].join(":");
        assert_eq!(Trust::fingerprint(&plain), Trust::fingerprint(&colons));
        assert!(Trust::fingerprint(&plain).is_some());
        assert_eq!(Trust::fingerprint("abc"), None);
        assert_eq!(Trust::fingerprint(&"é".repeat(32)), None);
    }
}
