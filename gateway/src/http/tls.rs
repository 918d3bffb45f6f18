//! The certificate that a listener shows, read again when its files change.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// How often the files are looked at. Kubernetes swaps a mounted secret's directory by a link, so neither inotify on the
/// file nor its modification time tells reliably: its bytes do.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Why a certificate can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file can't be read.
    #[error("failed to read {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file isn't the PEM that it should be.
    #[error("failed to parse {path}")]
    Parse {
        /// Which.
        path: PathBuf,
        /// Why.
        source: rustls_pki_types::pem::Error,
    },
    /// No certificate in the file.
    #[error("{0} holds no certificate")]
    NoCertificate(PathBuf),
    /// Certificate and key don't fit each other, or the key's kind isn't supported.
    #[error("failed to use the certificate with its key")]
    Unusable(#[from] rustls::Error),
}

/// A certificate with its key, from two PEM files.
#[derive(Debug)]
pub struct Certificate {
    cert_file: PathBuf,
    key_file: PathBuf,
    provider: Arc<CryptoProvider>,
    current: ArcSwap<CertifiedKey>,
}

impl Certificate {
    /// Reads both files.
    pub fn load(cert_file: &Path, key_file: &Path) -> Result<Arc<Self>, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let current = ArcSwap::from_pointee(read(cert_file, key_file, &provider)?);
        Ok(Arc::new(Self { cert_file: cert_file.to_owned(), key_file: key_file.to_owned(), provider, current }))
    }

    /// TLS 1.2 and 1.3 with whatever certificate is current at each handshake.
    pub fn server_config(self: &Arc<Self>) -> Result<ServerConfig, TlsError> {
        Ok(ServerConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(self.clone()))
    }

    /// Reads the files again; keeps what it has when they can't be used (a renewal may be half written). Answers whether
    /// the certificate is another than before.
    pub fn reload(&self) -> Result<bool, TlsError> {
        let new = read(&self.cert_file, &self.key_file, &self.provider)?;
        let is_new = new.cert != self.current.load().cert;
        if is_new {
            self.current.store(Arc::new(new));
        }
        Ok(is_new)
    }

    /// Looks at the files for ever.
    pub async fn watch(self: Arc<Self>) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let certificate = self.clone();
            match tokio::task::spawn_blocking(move || certificate.reload()).await {
                Ok(Ok(true)) => tracing::info!(file = %self.cert_file.display(), "certificate reloaded"),
                Ok(Ok(false)) => {}
                Ok(Err(error)) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "failed to reload the certificate");
                }
                Err(_) => tracing::warn!("failed to reload the certificate: reading it panicked"),
            }
        }
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

fn read(cert_file: &Path, key_file: &Path, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
    let bytes = |path: &Path| std::fs::read(path).map_err(|source| TlsError::Read { path: path.to_owned(), source });
    let parse = |path: &Path, source| TlsError::Parse { path: path.to_owned(), source };
    let chain = CertificateDer::pem_slice_iter(&bytes(cert_file)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| parse(cert_file, source))?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate(cert_file.to_owned()));
    }
    let key = PrivateKeyDer::from_pem_slice(&bytes(key_file)?).map_err(|source| parse(key_file, source))?;
    Ok(CertifiedKey::from_der(chain, key, provider)?)
}

#[cfg(test)]
mod tests;
