//! `POST /revoke`: tokens of a subject, or one token, prove nothing any more.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::{HttpRequest, HttpResponse, web};
use events_gateway_identity::revocation::{MAX_AHEAD, Revocation, Target, Whom};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::timeout;

use super::description::Surface;
use super::resource::{Resource, post};
use super::{Sources, one_parameter};
use crate::backlog;
use crate::clock::now;
use crate::http::content;
use crate::http::openapi::{Answer, Operation, Schemas};
use crate::http::problem::{Kind, Problem};
use crate::producer::topic::Place;
use crate::revocation::Revocations;
use crate::revocation::confirmation::{Asked, Confirmations};
use crate::revocation::revoker::Revoker;

pub(super) const RESOURCE: Resource = Resource::guarded("/revoke", |resource| post(resource, revoke), describe);

/// Largest content, in bytes: two names of 500 bytes, each of which may be six as JSON.
const MAX_CONTENT: usize = 8 << 10;
/// Longest wait for Kafka: longer than the producer's own.
const PATIENCE: Duration = Duration::from_secs(10);

/// What revokes.
pub struct Revoking {
    /// Writes revocations.
    pub revoker: Revoker,
    /// Those that this replica knows.
    pub revocations: Arc<Revocations>,
    /// What the others have applied.
    pub confirmations: Arc<dyn backlog::Confirmations>,
    /// How long the others are waited for.
    pub confirm_within: Duration,
    /// The issuers whose tokens are taken.
    pub issuers: Vec<String>,
}

impl std::fmt::Debug for Revoking {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Revoking").field("revoker", &self.revoker).finish_non_exhaustive()
    }
}

/// What is to be revoked.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// One of `identity.issuers`.
    issuer: String,
    /// Whose tokens (`sub`).
    #[schemars(length(min = 1))]
    subject: Option<String>,
    /// The id of one token (`jti`).
    #[schemars(length(min = 1))]
    token_id: Option<String>,
    /// With a subject: tokens issued before this time, in milliseconds since 1970, at most 60 s ahead. Left out: now.
    issued_before: Option<u64>,
}

/// What was, and who knows.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Revocation")]
struct Document<'a> {
    revoked: Revoked<'a>,
    #[serde(flatten)]
    place: Place,
    /// Whether every replica that is alive has applied it.
    complete: bool,
    #[serde(flatten)]
    confirmations: Confirmations,
}

/// What proves nothing any more.
#[derive(Serialize, JsonSchema)]
struct Revoked<'a> {
    issuer: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issued_before: Option<u64>,
}

impl<'a> From<&'a Revocation> for Revoked<'a> {
    fn from(revocation: &'a Revocation) -> Self {
        let issuer = revocation.target.issuer.as_str();
        match &revocation.target.whom {
            Whom::Subject(name) => {
                let issued_before = Some(revocation.issued_before);
                Self { issuer, subject: Some(name), token_id: None, issued_before }
            }
            Whom::Token(id) => Self { issuer, subject: None, token_id: Some(id), issued_before: None },
        }
    }
}

/// Answers once Kafka has it: 200 when every replica that is alive has applied it, 202 when some haven't said so in time.
pub(super) async fn revoke(request: HttpRequest, content: web::Payload, sources: web::Data<Sources>) -> HttpResponse {
    act(&request, content, &sources).await.unwrap_or_else(|problem| problem.response())
}

async fn act(request: &HttpRequest, content: web::Payload, sources: &Sources) -> Result<HttpResponse, Problem> {
    one_parameter(request, &[])?;
    let Some(revoking) = &sources.revoking else {
        return Err(Kind::NotFound.because("nothing can be revoked: identity.revocation isn't configured"));
    };
    let media_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !media_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
        return Err(Kind::UnsupportedMediaType.because("send content-type: application/json").closing());
    }
    let body = content::read(request, content, MAX_CONTENT, |_| true).await?;
    let (target, issued_before) = wanted(&body, &revoking.issuers, now().0)?;
    let revoked = timeout(PATIENCE, revoking.revoker.revoke(target, issued_before)).await;
    let Ok(Ok((revocation, place))) = revoked else {
        let detail = "Kafka didn't say that it has the revocation; it may be in force all the same: revoke once more";
        return Err(Kind::Unavailable.because(detail).after_seconds(1));
    };
    let asked = Asked {
        replica: &sources.replica,
        directory: &*sources.directory,
        confirmations: &*revoking.confirmations,
        revocations: &revoking.revocations,
    };
    let confirmations = asked.await_all(place, revoking.confirm_within).await;
    let complete = confirmations.is_complete();
    tracing::info!(
        issuer = revocation.target.issuer,
        partition = place.partition,
        offset = place.offset,
        complete,
        "revocation asked for"
    );
    let status = if complete { StatusCode::OK } else { StatusCode::ACCEPTED };
    let answer = Document { revoked: (&revocation).into(), place, complete, confirmations };
    Ok(HttpResponse::build(status).insert_header((CACHE_CONTROL, "no-store")).json(answer))
}

fn describe(surface: &Surface, schemas: &mut Schemas) -> Option<Operation> {
    if !surface.revokes {
        return None;
    }
    let mut wanted = schemas.read::<Wanted>();
    // What is null counts as left out.
    let has = |name: &str| json!({ "required": [name], "properties": { name: { "type": "string" } } });
    let none = json!({ "properties": { "issued_before": { "type": "null" } } });
    wanted["oneOf"] = json!([has("subject"), has("token_id")]);
    wanted["anyOf"] = json!([has("subject"), none]);
    let wanted = schemas.named("RevocationWanted", wanted);
    let document = schemas.written::<Document<'_>>();
    let told = |what: &str| Answer::of(what, "application/json", document.clone()).uncached("no-store");
    let example = json!({
        "revoked": { "issuer": "https://id.example.org", "subject": "ann", "issued_before": 1_795_928_400_000_u64 },
        "partition": 0, "offset": 17, "complete": true,
        "confirmed": [{ "replica": "4b0c9a3e", "pod": "events-0" }], "unconfirmed": [],
    });
    let about = "Comes back when Kafka has the revocation and every replica that is alive has applied it, or some haven't said so in time. \
                 Revoking once more is harmless.";
    let asked = json!({ "issuer": "https://id.example.org", "subject": "ann" });
    let operation = Operation::post("revoke", "Revoke tokens of a subject, or one token")
        .tag("Actions")
        .describe(about)
        .content("application/json", json!({ "schema": wanted, "example": asked }))
        .answer(200, told("Every replica that is alive has applied it.").example(example))
        .answer(
            202,
            told("Those in `unconfirmed` haven't said so yet, or nobody knows who hasn't: it holds all the same."),
        )
        .problems(&[
            Kind::UnknownParameter,
            Kind::InvalidParameter,
            Kind::UnsupportedMediaType,
            Kind::ContentTooLarge,
            Kind::Unavailable,
        ]);
    Some(operation)
}

/// Of what, and before when.
fn wanted(body: &[u8], issuers: &[String], now: u64) -> Result<(Target, u64), Problem> {
    let refused = |detail: String| Kind::BadRequest.because(format!("content: {detail}"));
    let wanted: Wanted = content::object(body).map_err(|error| refused(error.to_string()))?;
    // A name that is spelt wrong would revoke nothing, and nobody would notice.
    if !issuers.contains(&wanted.issuer) {
        return Err(refused(format!("issuer: expected one of identity.issuers: {}", issuers.join(", "))));
    }
    let whom = match (wanted.subject, wanted.token_id) {
        (Some(name), None) => Whom::Subject(name),
        (None, Some(_)) if wanted.issued_before.is_some() => {
            return Err(refused("issued_before goes only with subject".to_owned()));
        }
        (None, Some(id)) => Whom::Token(id),
        _ => return Err(refused("expected either subject or token_id".to_owned())),
    };
    let issued_before = wanted.issued_before.unwrap_or(now);
    if issued_before > now + MAX_AHEAD {
        let most = MAX_AHEAD / 1_000;
        return Err(refused(format!("issued_before: at most {most} s ahead; it is in milliseconds since 1970")));
    }
    let target = Target::new(wanted.issuer, whom)
        .map_err(|name| refused(format!("{name} is empty, or longer than that of any token")))?;
    Ok((target, issued_before))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000_000;

    /// Whether the description of what is taken takes it.
    fn takes(body: &str) -> bool {
        let mut document = crate::http::admin::description::describe(&Surface::whole());
        document["$ref"] = json!("#/components/schemas/RevocationWanted");
        let validator = jsonschema::validator_for(&document).unwrap();
        serde_json::from_str(body).is_ok_and(|value| validator.is_valid(&value))
    }

    fn of(body: &str) -> Result<(Target, u64), String> {
        wanted(body.as_bytes(), &["https://id".to_owned(), "https://other".to_owned()], NOW)
            .map_err(|problem| problem.detail)
    }

    #[test]
    fn a_subject_is_revoked_until_now_or_a_given_time_and_a_token_for_good() {
        let target = |whom| Target { issuer: "https://id".into(), whom };
        let ann = target(Whom::Subject("ann".into()));
        assert_eq!(of(r#"{"issuer":"https://id","subject":"ann"}"#), Ok((ann.clone(), NOW)));
        assert_eq!(of(r#"{"issuer":"https://id","subject":"ann","issued_before":7}"#), Ok((ann.clone(), 7)));
        let ahead = format!(r#"{{"issuer":"https://id","subject":"ann","issued_before":{}}}"#, NOW + MAX_AHEAD);
        assert_eq!(of(&ahead), Ok((ann, NOW + MAX_AHEAD)));
        let token = target(Whom::Token("t-1".into()));
        assert_eq!(of(r#"{"issuer":"https://id","token_id":"t-1"}"#), Ok((token, NOW)));
        for taken in [
            &ahead,
            r#"{"issuer":"https://id","token_id":"t-1"}"#,
            r#"{"issuer":"https://id","subject":"ann","token_id":null,"issued_before":null}"#,
            r#"{"issuer":"https://id","token_id":"t-1","subject":null,"issued_before":null}"#,
        ] {
            assert!(of(taken).is_ok() && takes(taken), "{taken}");
        }
    }

    #[test]
    fn what_would_revoke_nothing_or_too_much_is_refused_by_name() {
        for (body, expected) in [
            ("", "content: EOF"),
            ("[]", "content: "),
            (r#"["https://id","ann",null,null]"#, "content: expected an object"),
            (r#"{"issuer":"https://id"}"#, "content: expected either subject or token_id"),
            (r#"{"issuer":"https://id","subject":"a","token_id":"b"}"#, "content: expected either subject or token_id"),
            (
                r#"{"issuer":"https://ID","subject":"a"}"#,
                "content: issuer: expected one of identity.issuers: https://id",
            ),
            (r#"{"subject":"a"}"#, "content: missing field `issuer`"),
            (r#"{"issuer":"https://id","sub":"a"}"#, "content: unknown field `sub`"),
            (r#"{"issuer":"https://id","subject":"a","issued_before":-1}"#, "content: invalid value"),
            (r#"{"issuer":"https://id","subject":"a","issued_before":1e3}"#, "content: invalid type"),
            (r#"{"issuer":"https://id","token_id":"a","issued_before":1}"#, "content: issued_before goes only with"),
            (r#"{"issuer":"https://id","subject":""}"#, "content: subject is empty"),
            (r#"{"issuer":"https://id","token_id":""}"#, "content: token_id is empty"),
            (
                r#"{"issuer":"https://id","subject":"a","issued_before":1800000060001}"#,
                "content: issued_before: at most",
            ),
        ] {
            let refused = of(body).expect_err(body);
            assert!(refused.starts_with(expected), "{body}: {refused}");
            // Which issuers there are and what time it is, no schema says, and to one a float may be a whole number.
            let unsayable = ["content: issuer", "content: issued_before: at most", "content: invalid type: floating"];
            let is_sayable = !unsayable.iter().any(|beginning| refused.starts_with(beginning));
            assert!(!is_sayable || !takes(body), "{body}");
        }
    }
}
