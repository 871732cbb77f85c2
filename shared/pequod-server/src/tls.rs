//! Certificates that change while connections are open.
//!
//! A [`Certificates`] is a slot with a certificate chain and its key. Every handshake takes what is in the slot at
//! that moment; open connections keep what they have. [`Certificates::replace`] checks the new pair first, so a
//! malformed or mismatched one leaves the old in place.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use rustls::crypto::{CryptoProvider, ring};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use thiserror::Error;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// A certificate that cannot be used.
#[derive(Debug, Error)]
pub enum TlsError {
    /// The text is not PEM.
    #[error("the {what} is not readable PEM")]
    Pem {
        /// `certificate` or `key`.
        what: &'static str,
        /// What is wrong with it.
        #[source]
        source: rustls_pki_types::pem::Error,
    },
    /// There is no certificate in the text.
    #[error("the certificate file contains no certificate")]
    Empty,
    /// The key is of an unknown kind or does not belong to the certificate.
    #[error("the certificate and the key cannot be used together")]
    Pair(#[source] rustls::Error),
    /// The authorities of clients cannot be used.
    #[error("the authorities of clients cannot be used")]
    Authorities(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A file cannot be read.
    #[error("`{path}` cannot be read")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// The certificate in use, replaceable at any time.
#[derive(Clone, Default)]
pub struct Certificates(Arc<Slot>);

#[derive(Default)]
struct Slot {
    current: RwLock<Option<Arc<CertifiedKey>>>,
    clients: OnceLock<Arc<dyn ClientCertVerifier>>,
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Certificates")
            .field(&self.fingerprint())
            .finish()
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Slot")
    }
}

impl ResolvesServerCert for Slot {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.get()
    }
}

impl Slot {
    fn get(&self) -> Option<Arc<CertifiedKey>> {
        // A writer only swaps a pointer: a poisoned slot still holds a whole value.
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Certificates {
    /// A slot without a certificate: handshakes fail until there is one.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Puts a certificate chain (leaf first) and its key, both PEM, in use; or says why not and keeps the old.
    ///
    /// Returns whether it differs from the one in use.
    pub fn replace(&self, chain_pem: &[u8], key_pem: &[u8]) -> Result<bool, TlsError> {
        let chain = CertificateDer::pem_slice_iter(chain_pem)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|source| TlsError::Pem {
                what: "certificate",
                source,
            })?;
        if chain.is_empty() {
            return Err(TlsError::Empty);
        }
        let key = PrivateKeyDer::from_pem_slice(key_pem).map_err(|source| TlsError::Pem {
            what: "key",
            source,
        })?;
        let pair = CertifiedKey::from_der(chain, key, &ring::default_provider())
            .map_err(TlsError::Pair)?;

        let mut current = self
            .0
            .current
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if current.as_ref().is_some_and(|old| old.cert == pair.cert) {
            return Ok(false);
        }
        *current = Some(Arc::new(pair));
        Ok(true)
    }

    /// Lets in only clients with a certificate of these authorities (PEM). Before the server starts; a second call
    /// changes nothing.
    pub fn demand_clients_of(&self, authorities_pem: &[u8]) -> Result<(), TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(authorities_pem) {
            let certificate = certificate.map_err(|source| TlsError::Pem {
                what: "certificate",
                source,
            })?;
            roots
                .add(certificate)
                .map_err(|error| TlsError::Authorities(error.into()))?;
        }
        let provider = Arc::new(ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|error| TlsError::Authorities(error.into()))?;
        let _ = self.0.clients.set(verifier);
        Ok(())
    }

    /// SHA-256 of the leaf in use, in hexadecimal; `None` while there is none.
    pub fn fingerprint(&self) -> Option<String> {
        let pair = self.0.get()?;
        let leaf = pair.cert.first()?;
        Some(
            Sha256::digest(leaf)
                .iter()
                .fold(String::new(), |mut text, byte| {
                    use fmt::Write as _;
                    // Writing to a String cannot fail.
                    let _ = write!(text, "{byte:02x}");
                    text
                }),
        )
    }

    /// A TLS configuration that always uses what is in the slot: TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1.
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        let resolver: Arc<dyn ResolvesServerCert> = self.0.clone();
        let provider: Arc<CryptoProvider> = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            // ring supports both protocol versions; were that to change, every test that listens would fail here.
            .unwrap_or_else(|error| unreachable!("ring offers TLS 1.2 and 1.3: {error}"));
        let builder = match self.0.clients.get() {
            Some(verifier) => builder.with_client_cert_verifier(Arc::clone(verifier)),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(resolver);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Arc::new(config)
    }
}

/// A certificate chain and a key in two files that somebody else writes, for example a mounted Secret.
#[derive(Debug, Clone)]
pub struct CertificateFiles {
    /// The chain, leaf first.
    pub certificate: PathBuf,
    /// The key.
    pub key: PathBuf,
}

impl CertificateFiles {
    /// Reads both files once and puts them in use; returns whether they differ from what was in use.
    pub async fn load(&self, certificates: &Certificates) -> Result<bool, TlsError> {
        let read = async |path: &PathBuf| {
            tokio::fs::read(path)
                .await
                .map_err(|source| TlsError::File {
                    path: path.clone(),
                    source,
                })
        };
        let chain = read(&self.certificate).await?;
        let key = read(&self.key).await?;
        certificates.replace(&chain, &key)
    }

    /// Reads both files again every `period` until `shutdown`.
    ///
    /// The content is compared, not the files' events: the kubelet changes a mounted Secret by moving a symbolic
    /// link two levels up, which no watch on the file itself reports.
    pub async fn follow(
        self,
        certificates: Certificates,
        period: Duration,
        shutdown: CancellationToken,
    ) {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(period) => {}
            }
            match self.load(&certificates).await {
                Ok(false) => {}
                Ok(true) => info!(
                    fingerprint = certificates.fingerprint(),
                    "certificate reloaded"
                ),
                Err(error) => {
                    warn!(error = %chain(&error), "the certificate was not reloaded; the old one stays");
                }
            }
        }
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
