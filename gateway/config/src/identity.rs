//! Who clients are.

use std::path::PathBuf;
use std::time::Duration;

use events_gateway_crds as raw;
use raw::identity::TokenAlgorithm;

use super::forward_auth::ForwardAuth;
use super::kafka::security::is_this_machine;
use super::overrides::Environment;
use super::problem::{Place, Problems};
use super::revocation::Revocation;
use super::secret::Secret;
use super::text;

/// Who clients are.
#[derive(Debug, Clone, PartialEq)]
pub struct Identity {
    /// Names distinct; none only where there is a service to ask.
    pub issuers: Vec<Issuer>,
    /// Who knows sessions and opaque tokens.
    pub forward_auth: Option<ForwardAuth>,
    /// The cookie that may hold a token.
    pub cookie: Option<String>,
    /// The parameter of the query that may; none of the resource's own.
    pub query_parameter: Option<String>,
    /// How long a ticket is good.
    pub ticket_lifetime: Duration,
    /// How long before its end a stream's client is told.
    pub expiring: Duration,
    /// How often those who hold open streams are judged again.
    pub recheck: Duration,
    /// Revocations of tokens, if there are any.
    pub revocation: Option<Revocation>,
}

/// Whose tokens are taken.
#[derive(Debug, Clone, PartialEq)]
pub struct Issuer {
    /// `iss`.
    pub issuer: String,
    /// At least one.
    pub audiences: Vec<String>,
    /// What proves its tokens.
    pub keys: Keys,
    /// Empty: all that the keys are for.
    pub algorithms: Vec<TokenAlgorithm>,
    /// By how much clocks may differ.
    pub leeway: Duration,
}

/// Where an issuer's keys are.
#[derive(Debug, Clone, PartialEq)]
pub enum Keys {
    /// Published.
    Url {
        /// https, but for this machine.
        url: String,
        /// Authorities for its certificate; `None`: the public ones.
        ca_file: Option<PathBuf>,
    },
    /// In a file.
    File(PathBuf),
    /// Shared.
    Secret(Secret),
}

/// Parameters that the resources have themselves.
const PARAMETERS: [&str; 8] = ["channels", "topics", "last_event_id", "format", "view", "filter", "types", "ticket"];

impl Identity {
    pub(super) fn prove(
        raw: &raw::identity::Identity,
        kafka: &raw::kafka::Kafka,
        environment: &Environment,
        place: &Place,
        problems: &mut Problems,
    ) -> Option<Self> {
        let at = place.key("issuers");
        let each = || raw.issuers.iter().enumerate().map(|(index, issuer)| (at.index(index), issuer));
        text::distinct(each().map(|(at, issuer)| (at.key("issuer"), &*issuer.issuer)), "the issuer", problems);
        let issuers: Vec<_> = each().map(|(at, issuer)| Issuer::prove(issuer, environment, &at, problems)).collect();
        let forward_auth = raw.forward_auth.as_ref();
        let forward_auth =
            forward_auth.map(|asked| ForwardAuth::prove(asked, raw, &place.key("forwardAuth"), problems));
        if raw.issuers.is_empty() && forward_auth.is_none() {
            problems.add(place.clone(), "needs issuers, or forwardAuth");
        }
        if raw.query_parameter.as_ref().is_some_and(|name| PARAMETERS.contains(&&**name)) {
            problems.add(place.key("queryParameter"), "is a parameter that subscriptions have already");
        }
        let revocation = raw
            .revocation
            .as_ref()
            .map(|revocation| Revocation::prove(revocation, kafka, &place.key("revocation"), problems));
        Some(Self {
            issuers: issuers.into_iter().collect::<Option<_>>()?,
            forward_auth,
            cookie: raw.cookie.as_ref().map(|name| name.0.clone()),
            query_parameter: raw.query_parameter.as_ref().map(|name| name.0.clone()),
            ticket_lifetime: raw.ticket_lifetime.get(),
            expiring: raw.expiring.get(),
            recheck: raw.recheck.get(),
            revocation,
        })
    }
}

impl Issuer {
    fn prove(
        raw: &raw::identity::Issuer,
        environment: &Environment,
        place: &Place,
        problems: &mut Problems,
    ) -> Option<Self> {
        if let Some(rest) = raw.jwks_url.as_deref().and_then(|url| url.strip_prefix("http://"))
            && !is_this_machine(rest)
        {
            problems.add(place.key("jwksUrl"), "must be https: whoever could change the keys could make tokens");
        }
        if raw.ca_file.is_some() && raw.jwks_url.is_none() {
            problems.add(place.key("caFile"), "goes only with jwksUrl");
        }
        let path = |path: &raw::text::FilePath| PathBuf::from(&**path);
        let keys = match (&raw.jwks_url, &raw.keys_file, &raw.secret) {
            (Some(url), None, None) => Some(Keys::Url { url: url.0.clone(), ca_file: raw.ca_file.as_ref().map(path) }),
            (None, Some(file), None) => Some(Keys::File(path(file))),
            (None, None, Some(secret)) => {
                Secret::prove(secret, environment, &place.key("secret"), problems).map(Keys::Secret)
            }
            _ => {
                problems.add(place.clone(), "needs exactly one of jwksUrl, keysFile and secret");
                None
            }
        };
        Some(Self {
            issuer: raw.issuer.0.clone(),
            audiences: raw.audiences.iter().map(|audience| audience.0.clone()).collect(),
            keys: keys?,
            algorithms: raw.algorithms.clone(),
            leeway: raw.leeway.get(),
        })
    }
}
