//! Who clients are.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::{Duration, HOUR, MINUTE, SECOND};
use crate::form::{Form, OnDisk, Translate};
use crate::forward_auth::ForwardAuth;
use crate::revocation::Revocation;
use crate::rule::{Rule, rule};
use crate::text::{ClaimText, CookieName, ParameterName, Url};

const IDENTITY_RULES: &[Rule] = &[rule(
    "(has(self.issuers) && size(self.issuers) > 0) || has(self.forwardAuth)",
    "nobody could say who they are: name issuers, or forwardAuth",
)];

/// Who clients are: JSON Web Tokens (RFC 7519) in the field `Authorization: Bearer …`, in a cookie, or where it can't be helped in
/// the query. With it, nothing is granted but by `access`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, bound = "")]
#[schemars(bound = "", extend("x-kubernetes-validations" = IDENTITY_RULES))]
pub struct Identity<F: Form = OnDisk> {
    /// Whose tokens are taken.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["issuer"])
    )]
    pub issuers: Vec<Issuer<F>>,
    /// A service that knows session cookies and opaque tokens. Absent: none are taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forward_auth: Option<ForwardAuth<F>>,
    /// The cookie that may hold a token. It counts only in requests of the gateway's own pages and of those of
    /// `listen.cors.origins`: a browser sends it with requests of any page. Absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cookie: Option<CookieName>,
    /// The parameter of the query that may hold a token. Whoever reads a log of requests on the way has it then. Absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query_parameter: Option<ParameterName>,
    /// How long a ticket is good (`POST {pathPrefix}/tickets`), which opens one stream.
    #[serde(default = "ticket_lifetime")]
    pub ticket_lifetime: Duration<SECOND, MINUTE>,
    /// How long before a stream ends because its token does the client is told (`gateway.expiring`).
    #[serde(default = "expiring")]
    pub expiring: Duration<0, { 10 * MINUTE }>,
    /// How often those who hold open streams are judged again: whether the key that proved their token is still one of its
    /// issuer's, and the token isn't revoked; of a session or an opaque token, whether `forwardAuth` still knows it, and its claims
    /// still grant the stream. While an issuer's keys aren't known, or that service doesn't answer, nobody's stream ends by that.
    #[serde(default = "recheck")]
    pub recheck: Duration<{ 10 * SECOND }, HOUR>,
    /// Revocations of tokens. Absent: there are none, and a token counts until it expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocation: Option<Revocation>,
}

const ISSUER_RULES: &[Rule] = &[
    rule(
        "[has(self.jwksUrl), has(self.keysFile), has(self.secret)].filter(x, x).size() == 1",
        "the keys of an issuer are at jwksUrl, in keysFile, or the shared secret: name exactly one of them",
    ),
    rule("!has(self.caFile) || has(self.jwksUrl)", "caFile goes only with jwksUrl: take it out"),
];

/// Whose tokens are taken, and how they are proven.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, bound = "")]
#[schemars(bound = "", extend("x-kubernetes-validations" = ISSUER_RULES))]
pub struct Issuer<F: Form = OnDisk> {
    /// The tokens' claim `iss`, exactly. Unique.
    pub issuer: ClaimText,
    /// One of these has to stand in the tokens' claim `aud`.
    #[schemars(length(min = 1, max = 16), extend("x-kubernetes-list-type" = "set"))]
    pub audiences: Vec<ClaimText>,
    /// Where the issuer publishes its keys (JSON Web Key Set, RFC 7517); https, but for this machine. Asked every 10 minutes, and
    /// at once for an unknown key, at most every 30 s. Redirects aren't followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_url: Option<Url>,
    /// Authorities for that URL's certificate, as PEM text. Absent: the public ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<F::Authorities>,
    /// The issuer's public keys: a JSON Web Key Set, or PEM text. Read again every 10 minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys_file: Option<F::Authorities>,
    /// The secret that is shared with the issuer, at least 32 bytes. Whoever has it can make tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<F::Secret>,
    /// The signature algorithms that are taken. Empty: all that the keys are for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 12), extend("x-kubernetes-list-type" = "set"))]
    pub algorithms: Vec<TokenAlgorithm>,
    /// By how much clocks may differ.
    #[serde(default = "leeway")]
    pub leeway: Duration<0, MINUTE>,
}

/// How tokens are signed (RFC 7518, section 3.1; RFC 8037). There is no `none`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum TokenAlgorithm {
    /// HMAC with SHA-256.
    Hs256,
    /// HMAC with SHA-384.
    Hs384,
    /// HMAC with SHA-512.
    Hs512,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl TokenAlgorithm {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Hs256,
        Self::Hs384,
        Self::Hs512,
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
    ];
}

fn expiring() -> Duration<0, { 10 * MINUTE }> {
    Duration::millis(30 * SECOND)
}

fn recheck() -> Duration<{ 10 * SECOND }, HOUR> {
    Duration::millis(5 * MINUTE)
}

fn ticket_lifetime() -> Duration<SECOND, MINUTE> {
    Duration::millis(30 * SECOND)
}

fn leeway() -> Duration<0, MINUTE> {
    Duration::millis(30 * SECOND)
}

impl<F: Form> Identity<F> {
    /// The same in another form.
    pub fn translate<T: Form>(&self, leaves: &mut impl Translate<F, T>) -> Identity<T> {
        let issuer = |issuer: &Issuer<F>| Issuer {
            issuer: issuer.issuer.clone(),
            audiences: issuer.audiences.clone(),
            jwks_url: issuer.jwks_url.clone(),
            ca_file: issuer.ca_file.as_ref().map(|file| leaves.authorities(file)),
            keys_file: issuer.keys_file.as_ref().map(|file| leaves.authorities(file)),
            secret: issuer.secret.as_ref().map(|secret| leaves.secret(secret)),
            algorithms: issuer.algorithms.clone(),
            leeway: issuer.leeway,
        };
        Identity {
            issuers: self.issuers.iter().map(issuer).collect(),
            forward_auth: self.forward_auth.as_ref().map(|service| service.translate(leaves)),
            cookie: self.cookie.clone(),
            query_parameter: self.query_parameter.clone(),
            ticket_lifetime: self.ticket_lifetime,
            expiring: self.expiring,
            recheck: self.recheck,
            revocation: self.revocation.clone(),
        }
    }
}
