//! How a publisher is set up.

use std::sync::Arc;
use std::time::Duration;

use ureq::http::Uri;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use crate::Publisher;
use crate::queue::{Bounds, Queue};
use crate::sender::{Sender, Token};

/// Sets a publisher up.
pub struct Builder {
    url: String,
    path_prefix: String,
    token: Option<Token>,
    authorities: Option<String>,
    bounds: Bounds,
    max_event_bytes: usize,
    give_up_after: Duration,
    request_timeout: Duration,
}

/// Why a publisher can't be made.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// It isn't `http://host[:port]` or `https://host[:port]`.
    #[error("expected the URL of a gateway such as http://events-gateway:8080, without credentials or a query")]
    Url,
    /// No certificate in the text.
    #[error("expected PEM text with the certificates of authorities, found none")]
    Authorities,
    /// No thread can be had.
    #[error("failed to start the publisher's thread")]
    Thread(#[source] std::io::Error),
}

impl Builder {
    pub(crate) fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            path_prefix: "/api/v1".to_owned(),
            token: None,
            authorities: None,
            bounds: Bounds { events: 10_000, bytes: 16 << 20, batch_events: 500, batch_bytes: 1 << 20 },
            max_event_bytes: 1 << 20,
            give_up_after: Duration::from_secs(300),
            request_timeout: Duration::from_secs(30),
        }
    }

    /// The gateway's `listen.pathPrefix`. Default: `/api/v1`.
    #[must_use]
    pub fn path_prefix(mut self, prefix: &str) -> Self {
        self.path_prefix = prefix.to_owned();
        self
    }

    /// Asked before each request for the bearer token that it carries; keep it short, the publisher's thread waits for it.
    #[must_use]
    pub fn bearer(mut self, token: impl Fn() -> String + Send + Sync + 'static) -> Self {
        self.token = Some(Arc::new(token));
        self
    }

    /// The authorities that the gateway's certificate is trusted by, as PEM text. Default: those that browsers trust.
    #[must_use]
    pub fn authorities(mut self, pem: &str) -> Self {
        self.authorities = Some(pem.to_owned());
        self
    }

    /// Most events and bytes that may wait, at least one event. Default: 10,000 and 16 MiB.
    #[must_use]
    pub fn queue(mut self, events: usize, bytes: usize) -> Self {
        self.bounds.events = events.max(1);
        self.bounds.bytes = bytes;
        self
    }

    /// Most events and bytes of a request, at least one event. Default: 500 and 1 MiB; the gateway's own bounds are
    /// `publish.maxEvents` and `publish.maxBodyBytes`, and what is too much for it is sent in parts.
    #[must_use]
    pub fn batch(mut self, events: usize, bytes: usize) -> Self {
        self.bounds.batch_events = events.max(1);
        self.bounds.batch_bytes = bytes;
        self
    }

    /// Largest event, as JSON. Default: 1 MiB.
    #[must_use]
    pub fn max_event_bytes(mut self, bytes: usize) -> Self {
        self.max_event_bytes = bytes;
        self
    }

    /// How long an event is tried; then it is given up. Default: 5 minutes. More than 9 minutes count as 9: the gateway knows
    /// repeats for 10.
    #[must_use]
    pub fn give_up_after(mut self, patience: Duration) -> Self {
        self.give_up_after = patience.min(Duration::from_secs(540));
        self
    }

    /// How long a request may take, from its connection to its answer. Default: 30 s.
    #[must_use]
    pub fn request_timeout(mut self, patience: Duration) -> Self {
        self.request_timeout = patience;
        self
    }

    /// Starts the publisher. Nothing is connected to before the first event.
    ///
    /// # Errors
    /// See [`BuildError`].
    pub fn build(self) -> Result<Publisher, BuildError> {
        let url: Uri = self.url.trim_end_matches('/').parse().map_err(|_| BuildError::Url)?;
        let is_gateway = matches!(url.scheme_str(), Some("http" | "https"))
            && url.authority().is_some_and(|authority| !authority.as_str().contains('@'))
            && url.query().is_none()
            && url.path() == "/";
        if !is_gateway {
            return Err(BuildError::Url);
        }
        let mut config = ureq::Agent::config_builder()
            .timeout_global(Some(self.request_timeout))
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .user_agent(concat!("events-gateway-publisher/", env!("CARGO_PKG_VERSION")));
        if let Some(pem) = &self.authorities {
            let certificates: Vec<Certificate<'static>> = parse_pem(pem.as_bytes())
                .filter_map(|item| match item {
                    Ok(PemItem::Certificate(certificate)) => Some(certificate),
                    _ => None,
                })
                .collect();
            if certificates.is_empty() {
                return Err(BuildError::Authorities);
            }
            config = config.tls_config(TlsConfig::builder().root_certs(RootCerts::from(certificates)).build());
        }
        let queue = Arc::new(Queue::new(self.bounds));
        let sender = Sender {
            agent: config.build().new_agent(),
            endpoint: format!("{}{}/events", self.url.trim_end_matches('/'), self.path_prefix.trim_end_matches('/')),
            token: self.token,
            queue: queue.clone(),
            give_up_after: self.give_up_after,
        };
        Publisher::start(sender, queue, self.max_event_bytes)
    }
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder").field("url", &self.url).finish_non_exhaustive()
    }
}
