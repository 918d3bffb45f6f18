//! The service that knows sessions and opaque tokens.

use std::path::PathBuf;
use std::time::Duration;

use events_gateway_crds as raw;

use super::kafka::security::is_this_machine;
use super::problem::{Place, Problems};

/// The service that knows sessions and opaque tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct ForwardAuth {
    /// https, but for this machine.
    pub url: String,
    /// Authorities for its certificate; `None`: the public ones.
    pub ca_file: Option<PathBuf>,
    /// Under which its subjects stand; no issuer's.
    pub issuer: String,
    /// Fields that are sent on: none that frames a message, and not `cookie`.
    pub headers: Vec<String>,
    /// Cookies that are sent on.
    pub cookies: Vec<String>,
    /// How long an answer may take.
    pub timeout: Duration,
    /// How long an answer holds.
    pub cache: Duration,
    /// How long claims without an end are good.
    pub lifetime: Duration,
}

/// Fields that say how a message is framed or where it goes (RFC 9110, section 7.6.1; RFC 9112, section 6), or that are ours to write.
const OURS: [&str; 11] = [
    "accept",
    "accept-encoding",
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

impl ForwardAuth {
    pub(super) fn prove(
        raw: &raw::forward_auth::ForwardAuth,
        identity: &raw::identity::Identity,
        place: &Place,
        problems: &mut Problems,
    ) -> Self {
        if let Some(rest) = raw.url.strip_prefix("http://")
            && !is_this_machine(rest)
        {
            problems.add(place.key("url"), "must be https: whoever could read what is sent could be anybody");
        }
        if identity.issuers.iter().any(|issuer| issuer.issuer == raw.issuer) {
            problems.add(place.key("issuer"), "must be none of identity.issuers: its subjects would be theirs");
        }
        for (index, name) in raw.headers.iter().enumerate() {
            let at = place.key("headers").index(index);
            if &**name == "cookie" {
                problems.add(at, "is not sent on as a whole: name the cookies in cookies");
            } else if OURS.contains(&&**name) {
                problems.add(at, "is not a field that can be sent on");
            }
        }
        for (index, name) in raw.cookies.iter().enumerate() {
            if identity.cookie.as_ref() == Some(name) {
                problems.add(place.key("cookies").index(index), "holds tokens already: it is identity.cookie");
            }
        }
        if raw.cookies.is_empty() && !raw.headers.iter().any(|name| &**name == "authorization") {
            problems.add(place.clone(), "would never be asked: name cookies, or authorization among headers");
        }
        Self {
            url: raw.url.0.clone(),
            ca_file: raw.ca_file.as_ref().map(|path| PathBuf::from(&**path)),
            issuer: raw.issuer.0.clone(),
            headers: raw.headers.iter().map(|name| name.0.clone()).collect(),
            cookies: raw.cookies.iter().map(|name| name.0.clone()).collect(),
            timeout: raw.timeout.get(),
            cache: raw.cache.get(),
            lifetime: raw.lifetime.get(),
        }
    }
}
