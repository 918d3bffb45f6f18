//! How brokers are reached, and who the gateway is to them.

use std::path::PathBuf;

use events_gateway_crds as raw;
use raw::kafka::{SaslMechanism, SecurityProtocol};

use crate::overrides::Environment;
use crate::problem::{Place, Problems};
use crate::redis::ClientTls;
use crate::secret::Secret;

/// How brokers are reached.
#[derive(Debug, Clone, PartialEq)]
pub struct Security {
    /// TLS instead of plain TCP.
    pub tls: Option<ClientTls>,
    /// Who the gateway is, beside a client certificate.
    pub authentication: Authentication,
}

/// Who the gateway is to the brokers.
#[derive(Debug, Clone, PartialEq)]
pub enum Authentication {
    /// Nobody, or whom the client certificate names.
    None,
    /// PLAIN.
    Plain {
        /// The user.
        username: Secret,
        /// The password.
        password: Secret,
    },
    /// SCRAM.
    Scram {
        /// The hash function.
        hash: Scram,
        /// The user.
        username: Secret,
        /// The password.
        password: Secret,
    },
    /// Bearer tokens.
    Oauth(Oauth),
}

/// SCRAM's hash function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scram {
    /// `SCRAM-SHA-256`.
    Sha256,
    /// `SCRAM-SHA-512`.
    Sha512,
}

/// OAuth 2.0 client credentials.
#[derive(Debug, Clone, PartialEq)]
pub struct Oauth {
    /// https, or http to this machine.
    pub token_endpoint: String,
    /// The client.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Secret,
    /// Scopes to ask for, separated by spaces.
    pub scope: Option<String>,
    /// Authorities for the endpoint's certificate; `None`: the public ones.
    pub ca_file: Option<PathBuf>,
}

impl Security {
    pub(super) fn prove(
        raw: &raw::kafka::Security,
        environment: &Environment,
        place: &Place,
        problems: &mut Problems,
    ) -> Option<Self> {
        let encrypted = matches!(raw.protocol, SecurityProtocol::Ssl | SecurityProtocol::SaslSsl);
        let authenticated = matches!(raw.protocol, SecurityProtocol::SaslPlaintext | SecurityProtocol::SaslSsl);
        if raw.tls.is_some() && !encrypted {
            problems.add(place.key("tls"), "goes only with protocol ssl or sasl-ssl");
        }
        let tls = ClientTls::prove_option(raw.tls.as_ref(), &place.key("tls"), problems);
        let at = &place.key("sasl");
        let authentication = match &raw.sasl {
            Some(sasl) => {
                if !authenticated {
                    problems.add(at.clone(), "goes only with protocol sasl-plaintext or sasl-ssl");
                }
                authentication(sasl, environment, at, problems)
            }
            None if authenticated => {
                problems.add(at.clone(), "is required with protocol sasl-plaintext or sasl-ssl");
                None
            }
            None => Some(Authentication::None),
        };
        let tls = tls?;
        Some(Self { tls: encrypted.then(|| tls.unwrap_or_default()), authentication: authentication? })
    }
}

fn authentication(
    raw: &raw::kafka::Sasl,
    environment: &Environment,
    place: &Place,
    problems: &mut Problems,
) -> Option<Authentication> {
    if raw.mechanism == SaslMechanism::Oauthbearer {
        for (key, present) in [("username", raw.username.is_some()), ("password", raw.password.is_some())] {
            if present {
                problems.add(place.key(key), "goes only with PLAIN and SCRAM");
            }
        }
        let Some(oauth) = &raw.oauth else {
            problems.add(place.key("oauth"), "is required with OAUTHBEARER");
            return None;
        };
        return prove_oauth(oauth, environment, &place.key("oauth"), problems).map(Authentication::Oauth);
    }
    if raw.oauth.is_some() {
        problems.add(place.key("oauth"), "goes only with OAUTHBEARER");
    }
    let mut required = |secret: Option<&raw::Secret>, key: &str| match secret {
        Some(secret) => Secret::prove(secret, environment, &place.key(key), problems),
        None => {
            problems.add(place.key(key), "is required with PLAIN and SCRAM");
            None
        }
    };
    let username = required(raw.username.as_ref(), "username");
    let password = required(raw.password.as_ref(), "password");
    let (username, password) = (username?, password?);
    Some(match raw.mechanism {
        SaslMechanism::ScramSha256 => Authentication::Scram { hash: Scram::Sha256, username, password },
        SaslMechanism::ScramSha512 => Authentication::Scram { hash: Scram::Sha512, username, password },
        SaslMechanism::Plain | SaslMechanism::Oauthbearer => Authentication::Plain { username, password },
    })
}

fn prove_oauth(
    raw: &raw::kafka::Oauth,
    environment: &Environment,
    place: &Place,
    problems: &mut Problems,
) -> Option<Oauth> {
    let client_secret = Secret::prove(&raw.client_secret, environment, &place.key("clientSecret"), problems);
    if let Some(rest) = raw.token_endpoint.strip_prefix("http://")
        && !is_this_machine(rest)
    {
        problems.add(place.key("tokenEndpoint"), "must be https: the client's secret is sent there");
    }
    Some(Oauth {
        token_endpoint: raw.token_endpoint.0.clone(),
        client_id: raw.client_id.0.clone(),
        client_secret: client_secret?,
        scope: raw.scope.clone(),
        ca_file: raw.ca_file.as_ref().map(|path| PathBuf::from(&**path)),
    })
}

/// Whether what follows `http://` names a loopback host.
pub(crate) fn is_this_machine(rest: &str) -> bool {
    let authority = rest.split('/').next().unwrap_or_default();
    // A user's part would make the rest, and not this, the host.
    if authority.contains('@') {
        return false;
    }
    let host = match authority.strip_prefix('[') {
        Some(inner) => inner.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::is_this_machine;

    #[test]
    fn only_loopback_hosts_are_this_machine() {
        for host in ["localhost/token", "localhost:80/", "127.0.0.1:1", "[::1]:80/token"] {
            assert!(is_this_machine(host), "{host}");
        }
        let others = [
            "localhost.example.org/",
            "127.0.0.1.example.org/",
            "10.0.0.1/",
            "example.org/localhost",
            "[::2]/",
            "localhost:80@example.org/",
            "127.0.0.1@example.org/",
        ];
        for host in others {
            assert!(!is_this_machine(host), "{host}");
        }
    }
}
