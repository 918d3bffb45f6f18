//! Keys at a URL.

use std::path::PathBuf;
use std::time::Duration;

use events_gateway_identity::keys::MAX_BYTES;
use events_gateway_kafka_client::https;

/// How long fetching may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where an issuer publishes its keys.
#[derive(Debug, Clone)]
pub struct Published {
    /// The URL: https, but for this machine.
    pub url: String,
    /// Authorities for its certificate.
    pub ca_file: Option<PathBuf>,
}

/// Why they can't be fetched.
#[derive(Debug, thiserror::Error)]
pub enum PublishedError {
    /// No answer, or too large a one.
    #[error("failed to fetch {url}")]
    Fetch {
        /// Where.
        url: String,
        /// Why.
        source: ureq::Error,
    },
    /// Another status than 200; redirects aren't followed.
    #[error("{url} answers with status {status}")]
    Status {
        /// Where.
        url: String,
        /// Which.
        status: u16,
    },
    /// The authorities can't be read.
    #[error("failed to read the authorities")]
    Authorities(#[from] std::io::Error),
    /// There are none.
    #[error(transparent)]
    NoAuthorities(#[from] https::NoAuthorities),
}

impl Published {
    /// Fetches them, as they are. Blocks for 10 s at most.
    pub(super) fn fetch(&self) -> Result<Vec<u8>, PublishedError> {
        let authorities = self.ca_file.as_ref().map(std::fs::read).transpose()?;
        let agent = https::agent(PATIENCE, authorities.as_deref())?;
        let failed = |source| PublishedError::Fetch { url: self.url.clone(), source };
        let mut answer = agent.get(&self.url).header("Accept", "application/json").call().map_err(failed)?;
        let status = answer.status().as_u16();
        if status != 200 {
            return Err(PublishedError::Status { url: self.url.clone(), status });
        }
        answer.body_mut().with_config().limit(MAX_BYTES as u64).read_to_vec().map_err(failed)
    }
}
