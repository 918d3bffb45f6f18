//! Where the brokers are, and who we are to them.

use std::collections::BTreeMap;

use rdkafka::config::ClientConfig;

use crate::oauth::OAuth;

/// Whether a further client setting may be given: those of the configuration, and the client's name. None names a file, a
/// command, a plugin or an address: with those, whoever writes a configuration could read files or run code in the gateway.
#[must_use]
pub fn is_further_setting(name: &str) -> bool {
    name == "client.id" || events_gateway_crds::kafka::CLIENT_SETTINGS.contains(&name)
}

/// TLS towards the brokers. PEM text, not file names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Tls {
    /// Certificate authorities; without them those of the system.
    pub authorities: Option<String>,
    /// Our certificate with its chain, and our key.
    pub identity: Option<Identity>,
}

/// A client certificate.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    /// With its chain.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

/// A user's name and password.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Login {
    /// The name.
    pub username: String,
    /// The password.
    pub password: String,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").field("username", &self.username).finish_non_exhaustive()
    }
}

/// How to authenticate.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Sasl {
    /// `PLAIN`.
    Plain(Login),
    /// `SCRAM-SHA-256`.
    ScramSha256(Login),
    /// `SCRAM-SHA-512`.
    ScramSha512(Login),
    /// `OAUTHBEARER` with client credentials.
    OAuthBearer(OAuth),
}

/// How to reach the brokers; shared by consumers, producers and administrators. Two that are equal reach the same brokers as
/// the same user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Client {
    /// `host:port`, joined by `,`.
    pub bootstrap: String,
    /// Encryption.
    pub tls: Option<Tls>,
    /// Authentication.
    pub sasl: Option<Sasl>,
    /// Further client settings, all of [`is_further_setting`].
    pub further: BTreeMap<String, String>,
}

/// A setting that isn't [`is_further_setting`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the client setting `{0}` can't be given")]
pub struct ForbiddenSetting(pub String);

impl Client {
    /// Checks the further settings' names.
    pub fn check(&self) -> Result<(), ForbiddenSetting> {
        let forbidden = self.further.keys().find(|name| !is_further_setting(name));
        forbidden.map_or(Ok(()), |name| Err(ForbiddenSetting(name.clone())))
    }

    /// The client library's configuration of it, without the settings of a consumer or producer. Settings that
    /// [`Client::check`] refuses are left out.
    #[must_use]
    pub fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("client.id", "events-gateway");
        for (name, value) in &self.further {
            if is_further_setting(name) {
                config.set(name, value);
            }
        }
        config.set("bootstrap.servers", &self.bootstrap);
        let protocol = match (&self.tls, &self.sasl) {
            (None, None) => "plaintext",
            (Some(_), None) => "ssl",
            (None, Some(_)) => "sasl_plaintext",
            (Some(_), Some(_)) => "sasl_ssl",
        };
        config.set("security.protocol", protocol);
        if let Some(tls) = &self.tls {
            if let Some(authorities) = &tls.authorities {
                config.set("ssl.ca.pem", authorities);
            }
            if let Some(identity) = &tls.identity {
                config.set("ssl.certificate.pem", &identity.certificate).set("ssl.key.pem", &identity.key);
            }
        }
        let (mechanism, login) = match &self.sasl {
            None => return config,
            Some(Sasl::OAuthBearer(_)) => ("OAUTHBEARER", None),
            Some(Sasl::Plain(login)) => ("PLAIN", Some(login)),
            Some(Sasl::ScramSha256(login)) => ("SCRAM-SHA-256", Some(login)),
            Some(Sasl::ScramSha512(login)) => ("SCRAM-SHA-512", Some(login)),
        };
        config.set("sasl.mechanism", mechanism);
        if let Some(login) = login {
            config.set("sasl.username", &login.username).set("sasl.password", &login.password);
        }
        config
    }

    /// Where tokens come from, if any are needed.
    #[must_use]
    pub fn oauth(&self) -> Option<&OAuth> {
        match &self.sasl {
            Some(Sasl::OAuthBearer(oauth)) => Some(oauth),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_could_read_files_or_run_code_are_refused() {
        for name in ["plugin.library.paths", "sasl.kerberos.kinit.cmd", "ssl.ca.location", "bootstrap.servers"] {
            let further = [(name.to_owned(), "x".to_owned())].into();
            let client = Client { bootstrap: "b:9092".into(), further, ..Client::default() };
            assert_eq!(client.check(), Err(ForbiddenSetting(name.into())));
            assert_ne!(client.config().get(name), Some("x"));
        }
    }

    #[test]
    fn every_setting_that_a_configuration_may_give_is_taken() {
        for name in events_gateway_crds::kafka::CLIENT_SETTINGS {
            let client = Client { further: [((*name).to_owned(), "1".to_owned())].into(), ..Client::default() };
            assert_eq!(client.check(), Ok(()), "{name}");
            assert_eq!(client.config().get(name), Some("1"), "{name}");
        }
    }

    #[test]
    fn security_follows_from_what_is_given_and_secrets_are_not_shown() {
        let login = Login { username: "u".into(), password: "hush".into() };
        let client = Client {
            bootstrap: "b:9092".into(),
            tls: Some(Tls::default()),
            sasl: Some(Sasl::ScramSha512(login)),
            ..Client::default()
        };
        let config = client.config();
        assert_eq!(config.get("security.protocol"), Some("sasl_ssl"));
        assert_eq!(config.get("sasl.mechanism"), Some("SCRAM-SHA-512"));
        assert!(!format!("{client:?}").contains("hush"));
    }
}
