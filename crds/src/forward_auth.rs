//! Sessions and opaque tokens, which another service knows.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::{Duration, HOUR, MINUTE, SECOND};
use crate::form::{Form, OnDisk, Translate};
use crate::rule::{Rule, rule};
use crate::text::{ClaimText, CookieName, FieldName, Url};

const RULES: &[Rule] = &[rule(
    "(has(self.headers) && 'authorization' in self.headers) || (has(self.cookies) && size(self.cookies) > 0)",
    "nothing would be asked about: name cookies, or authorization among headers",
)];

/// A service that knows whose session cookies and opaque bearer tokens are. It is asked with
/// `GET` and answers 200 with the claims of whoever it is, a JSON object with `sub` and where it is known `exp`, or 401 or 403.
/// Anything else, also no answer in time, is a retryable refusal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, bound = "")]
#[schemars(bound = "", extend("x-kubernetes-validations" = RULES))]
pub struct ForwardAuth<F: Form = OnDisk> {
    /// The URL that is asked; https, but for this machine. Redirects aren't followed.
    pub url: Url,
    /// Authorities for that URL's certificate, as PEM text. Absent: the public ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<F::Authorities>,
    /// The issuer under which its subjects stand, in rules and elsewhere: none of `issuers`.
    pub issuer: ClaimText,
    /// The fields of a request that are sent on, in small letters; nothing else is. With `authorization`, it is asked about bearer
    /// tokens that are none of an issuer's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "set"))]
    pub headers: Vec<FieldName>,
    /// The cookies that are sent on, and no others. A request that has one of them is asked about, unless it brings a token; they
    /// count only in requests of the gateway's own pages and of those of `listen.cors.origins`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "set"))]
    pub cookies: Vec<CookieName>,
    /// How long an answer may take.
    #[serde(default = "timeout")]
    pub timeout: Duration<100, { 5 * SECOND }>,
    /// How long an answer holds for the same request, and never past `exp`: so long a session that has ended goes on.
    #[serde(default = "cache")]
    pub cache: Duration<0, { 5 * SECOND }>,
    /// How long a stream lasts at most whose claims have no `exp`.
    #[serde(default = "lifetime")]
    pub lifetime: Duration<{ 10 * SECOND }, { 24 * HOUR }>,
}

fn timeout() -> Duration<100, { 5 * SECOND }> {
    Duration::millis(2 * SECOND)
}

fn cache() -> Duration<0, { 5 * SECOND }> {
    Duration::millis(5 * SECOND)
}

fn lifetime() -> Duration<{ 10 * SECOND }, { 24 * HOUR }> {
    Duration::millis(15 * MINUTE)
}

impl<F: Form> ForwardAuth<F> {
    /// The same in another form.
    pub fn translate<T: Form>(&self, leaves: &mut impl Translate<F, T>) -> ForwardAuth<T> {
        ForwardAuth {
            url: self.url.clone(),
            ca_file: self.ca_file.as_ref().map(|file| leaves.authorities(file)),
            issuer: self.issuer.clone(),
            headers: self.headers.clone(),
            cookies: self.cookies.clone(),
            timeout: self.timeout,
            cache: self.cache,
            lifetime: self.lifetime,
        }
    }
}
