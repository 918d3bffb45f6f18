//! The client of HTTP servers that are asked one thing: tokens, keys, whose a session is.

use std::time::Duration;

use ureq::Agent;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

/// The authorities' text holds no certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("failed to read the authorities: no certificate in PEM")]
pub struct NoAuthorities;

/// A client whose whole call takes `patience` at most, connecting and reading included. It follows no redirect, which would carry
/// what is secret elsewhere, and a status is an answer, whichever it is. Without `authorities` (PEM) it trusts the public ones.
///
/// # Errors
/// When no authority can be read.
pub fn agent(patience: Duration, authorities: Option<&[u8]>) -> Result<Agent, NoAuthorities> {
    let mut config = Agent::config_builder()
        .timeout_global(Some(patience))
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false);
    if let Some(authorities) = authorities {
        let certificates = parse_pem(authorities).filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        });
        let certificates: Vec<Certificate<'static>> = certificates.collect();
        if certificates.is_empty() {
            return Err(NoAuthorities);
        }
        config = config.tls_config(TlsConfig::builder().root_certs(RootCerts::from(certificates)).build());
    }
    Ok(config.build().new_agent())
}
