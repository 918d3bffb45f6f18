//! Where a request's token is, and whether it may count.
//!
//! A browser sends cookies with requests of any page (cross-site request forgery): one counts only where the browser itself says
//! that the request is of this origin's page, or of one that is listed.

mod forwarded;

use std::borrow::Cow;
use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::http::header::{AUTHORIZATION, COOKIE, HOST, HeaderMap, HeaderValue, ORIGIN};
use events_gateway_identity::token::is_of;
use events_gateway_identity::{Identity, TokenError};

use super::problem::{Kind, Problem};
use super::query::pairs;
use crate::identity::forward_auth::{Answer, Question, Session};
use crate::identity::tickets::{Bound, RedeemError, Tickets};
use crate::identity::{Identities, Outcome};
pub use forwarded::Forwarded;

/// How clients say who they are.
#[derive(Debug)]
pub struct Credentials {
    /// Who proves it.
    pub identities: Arc<Identities>,
    /// Who knows sessions and opaque tokens.
    pub forwarded: Option<Forwarded>,
    /// What opens one stream each.
    pub tickets: Tickets,
    /// The cookie that may hold a token.
    pub cookie: Option<String>,
    /// The parameter of the query that may.
    pub parameter: Option<String>,
    /// Origins of pages whose requests' cookies count, beside this one's own.
    pub origins: Vec<String>,
}

/// The parameter of the query that holds a ticket.
pub const TICKET: &str = "ticket";

/// Somebody who has said who they are.
#[derive(Debug)]
pub struct Known {
    /// Who it is.
    pub identity: Identity,
    /// What can be asked again, if somebody else's word has proven it.
    pub session: Option<Session>,
}

impl From<Identity> for Known {
    /// By a token, or a ticket, which keeps nothing that could be asked: it would be a secret in Redis.
    fn from(identity: Identity) -> Self {
        Self { identity, session: None }
    }
}

/// What a request brings to prove who sent it.
enum Proof<'a> {
    /// A token of an issuer.
    Token(Cow<'a, str>),
    /// Something that another service knows.
    Foreign(&'a Forwarded, Question),
}

/// Why it isn't known who a client is.
#[derive(Debug)]
pub enum Unproven {
    /// It has to do something about it.
    Refused(Problem),
    /// It may come again: the issuer's keys, or which tokens are revoked, aren't known now, or who knows its session doesn't answer.
    Unavailable,
}

impl From<Unproven> for Problem {
    fn from(unproven: Unproven) -> Problem {
        match unproven {
            Unproven::Refused(problem) => problem,
            Unproven::Unavailable => Kind::Unavailable.because("who you are can't be proven now").after_seconds(5),
        }
    }
}

fn unproven(error: TokenError) -> Unproven {
    if error.may_pass() {
        return Unproven::Unavailable;
    }
    tracing::debug!(%error, "a token was refused");
    Unproven::Refused(Kind::InvalidToken.because(format!("the token proves nothing: {error}")))
}

impl Credentials {
    /// Who sent a request; `None`: nobody in particular.
    ///
    /// # Errors
    /// When it brings something that proves nothing: a token that is wrong is never taken for none.
    pub async fn identify(&self, request: &HttpRequest) -> Result<Option<Known>, Unproven> {
        let token = match self.proof(request).map_err(Unproven::Refused)? {
            None => {
                self.identities.count(Outcome::Anonymous);
                return Ok(None);
            }
            Some(Proof::Foreign(forwarded, question)) => return self.ask(forwarded, question).await.map(Some),
            Some(Proof::Token(token)) => token,
        };
        self.identities.prove(&token).await.map(|identity| Some(identity.into())).map_err(unproven)
    }

    /// Whose token it is that a client says by itself, as if it stood in `Authorization`.
    ///
    /// # Errors
    /// When it proves nothing.
    pub async fn prove(&self, token: &str) -> Result<Known, Unproven> {
        match self.who_knows(token) {
            None => self.identities.prove(token).await.map(Known::from).map_err(unproven),
            Some(forwarded) => {
                let field = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| {
                    Unproven::Refused(Kind::InvalidToken.because("the token can't stand in a field of a request"))
                })?;
                let fields: HeaderMap = [(AUTHORIZATION, field)].into_iter().collect();
                self.ask(forwarded, forwarded.about_token(&fields)).await
            }
        }
    }

    /// Who is to be asked about a bearer token, unless an issuer of ours can prove it: that is nobody else's to see.
    fn who_knows(&self, token: &str) -> Option<&Forwarded> {
        let forwarded = self.forwarded.as_ref().filter(|forwarded| forwarded.knows_tokens())?;
        (!is_of(token, |name| self.identities.knows(name))).then_some(forwarded)
    }

    /// What the ticket in a request's query stands for, if there is one. It is spent.
    ///
    /// # Errors
    /// When it stands for nothing.
    pub async fn redeem(&self, request: &HttpRequest) -> Result<Option<Bound>, Unproven> {
        let parameters = pairs(request.query_string()).map_err(Unproven::Refused)?;
        let Some((_, ticket)) = parameters.into_iter().find(|(name, _)| name == TICKET) else { return Ok(None) };
        let bound = self.tickets.redeem(&ticket).await.map_err(|error| match error {
            RedeemError::Unavailable(error) => {
                tracing::warn!(%error, "failed to look a ticket up");
                Unproven::Unavailable
            }
            error => Unproven::Refused(Kind::InvalidToken.because(error.to_string())),
        })?;
        // The token that it stands for may have been revoked since, or its key withdrawn.
        self.identities.prove_again(&bound.identity.issuer, &bound.identity.proof()).map_err(unproven)?;
        Ok(Some(bound))
    }

    /// Asks whose a session or an opaque token is.
    async fn ask(&self, forwarded: &Forwarded, question: Question) -> Result<Known, Unproven> {
        let question = Arc::new(question);
        let (outcome, told) = match forwarded.service.ask(question.clone()).await {
            // Its subject, or its id, may have been revoked.
            Answer::Proven(identity) => match self.identities.prove_again(&identity.issuer, &identity.proof()) {
                Ok(()) => {
                    let session = Some(Session::new(forwarded.service.clone(), question));
                    (Outcome::Proven, Ok(Known { identity: (*identity).clone(), session }))
                }
                Err(error) if error.may_pass() => (Outcome::Unavailable, Err(Unproven::Unavailable)),
                Err(error) => (Outcome::Refused, Err(unproven(error))),
            },
            Answer::Unknown => {
                let problem = Kind::InvalidToken.because("the session or token is unknown, or over");
                (Outcome::Refused, Err(Unproven::Refused(problem)))
            }
            Answer::Forbidden => {
                let problem = Kind::Forbidden.because("the session or token isn't one for this service");
                (Outcome::Refused, Err(Unproven::Refused(problem)))
            }
            Answer::Unavailable => (Outcome::Unavailable, Err(Unproven::Unavailable)),
        };
        self.identities.count(outcome);
        told
    }

    fn proof<'a>(&'a self, request: &'a HttpRequest) -> Result<Option<Proof<'a>>, Problem> {
        let fields = request.headers();
        if let Some(token) = bearer(fields)? {
            return Ok(Some(match self.who_knows(token) {
                Some(forwarded) => Proof::Foreign(forwarded, forwarded.about_token(fields)),
                None => Proof::Token(token.into()),
            }));
        }
        if let Some(token) = self.token(request)? {
            return Ok(Some(Proof::Token(token)));
        }
        let Some(forwarded) = &self.forwarded else { return Ok(None) };
        let Some(question) = forwarded.about_cookies(fields)? else { return Ok(None) };
        self.check_page(fields)?;
        Ok(Some(Proof::Foreign(forwarded, question)))
    }

    /// A token that stands elsewhere than in `Authorization`.
    fn token<'a>(&self, request: &'a HttpRequest) -> Result<Option<Cow<'a, str>>, Problem> {
        if let Some(name) = &self.parameter
            && let Some((_, token)) = pairs(request.query_string())?.into_iter().find(|(known, _)| known == name)
        {
            return Ok(Some(token));
        }
        let Some(token) = self.cookie.as_deref().map(|name| cookie(request.headers(), name)).transpose()?.flatten()
        else {
            return Ok(None);
        };
        self.check_page(request.headers())?;
        Ok(Some(token.into()))
    }

    /// Whether a cookie counts (Fetch Metadata; Fetch standard, `Origin`).
    fn check_page(&self, fields: &HeaderMap) -> Result<(), Problem> {
        let foreign = || Kind::ForeignHost.because("the cookie doesn't count in requests of pages of that origin");
        if let Some(origin) = fields.get(ORIGIN) {
            let is_listed = self.origins.iter().any(|listed| listed.as_bytes() == origin.as_bytes());
            return if is_listed || is_own(origin, fields) { Ok(()) } else { Err(foreign()) };
        }
        match fields.get("sec-fetch-site").map(HeaderValue::as_bytes) {
            Some(b"same-origin" | b"none") => Ok(()),
            Some(_) => Err(foreign()),
            None => Err(Kind::InvalidToken.because(
                "a cookie counts only where Origin or Sec-Fetch-Site say whose page it is: send the token in Authorization",
            )),
        }
    }
}

/// Whether an origin is the one that was asked. Its scheme isn't compared: TLS may have ended on the way.
pub(super) fn is_own(origin: &HeaderValue, fields: &HeaderMap) -> bool {
    let authority = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, authority)| authority);
    let mut hosts = fields.get_all(HOST);
    match (authority, hosts.next().and_then(|host| host.to_str().ok()), hosts.next()) {
        (Some(authority), Some(host), None) => authority.eq_ignore_ascii_case(host),
        _ => false,
    }
}

/// The token of `Authorization: Bearer …` (RFC 6750, section 2.1).
fn bearer(fields: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut values = fields.get_all(AUTHORIZATION);
    let (Some(value), None) = (values.next(), values.next()) else {
        return match fields.contains_key(AUTHORIZATION) {
            true => Err(Kind::BadRequest.because("Authorization is given twice")),
            false => Ok(None),
        };
    };
    let token = value.to_str().ok().and_then(|value| value.split_once(' ')).and_then(|(scheme, token)| {
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim_matches(' ')).filter(|token| !token.is_empty())
    });
    token.map(Some).ok_or_else(|| Kind::InvalidToken.because("expected Authorization: Bearer and a token"))
}

/// The cookie of a name. Two of one name are refused: who set which can't be told (RFC 6265, section 4.2.2).
fn cookie<'a>(fields: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Problem> {
    let mut found = None;
    for value in fields.get_all(COOKIE) {
        // Others set cookies of the same host, in any bytes: they don't hide ours.
        for pair in value.as_bytes().split(|byte| *byte == b';') {
            let Some(equals) = pair.iter().position(|byte| *byte == b'=') else { continue };
            if pair[..equals].trim_ascii() != name.as_bytes() {
                continue;
            }
            let text = std::str::from_utf8(&pair[equals + 1..])
                .map_err(|_| Kind::InvalidToken.because("the cookie isn't text"))?;
            if found.replace(text.trim().trim_matches('"')).is_some() {
                return Err(Kind::InvalidToken.because("the cookie is given twice"));
            }
        }
    }
    Ok(found.filter(|value| !value.is_empty()))
}

#[cfg(test)]
mod tests;
