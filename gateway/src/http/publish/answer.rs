//! What a publisher is told.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, HeaderValue};
use schemars::JsonSchema;
use serde::Serialize;

use super::super::problem::{Document, Kind, Problem};
use crate::publish::Place;

/// What became of one event: where Kafka has it, or why it doesn't.
type Outcome = Result<Place, Problem>;

/// One event that Kafka has.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Taken")]
pub(super) struct One<'a> {
    /// The topic that it was written to.
    topic: &'a str,
    #[serde(flatten)]
    place: &'a Place,
}

/// What became of a batch.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TakenBatch")]
pub(super) struct Batch<'a> {
    /// The topic that its events were written to.
    topic: &'a str,
    /// What became of each, in their order.
    events: Vec<Each<'a>>,
}

/// What became of one event of a batch.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "OfBatch")]
pub(super) enum Each<'a> {
    /// Kafka has it.
    Taken {
        /// 202.
        status: u16,
        #[serde(flatten)]
        place: &'a Place,
    },
    /// It doesn't.
    Refused(Document<'a>),
}

/// 202 when Kafka has everything, 207 when it has a part. When it has nothing, a problem: that no event was well-formed, or that
/// some may succeed later.
///
/// # Errors
/// With the problem of the only event.
pub(super) fn answer(topic: &str, outcomes: Vec<Outcome>, is_batch: bool) -> Result<HttpResponse, Problem> {
    if !is_batch {
        let place = outcomes.into_iter().next().unwrap_or_else(|| Err(Kind::Internal.because("no event")))?;
        return Ok(json(StatusCode::ACCEPTED, &One { topic, place: &place }));
    }
    let events: Vec<Each<'_>> = outcomes.iter().map(each).collect();
    let taken = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    if taken == outcomes.len() {
        return Ok(json(StatusCode::ACCEPTED, &Batch { topic, events }));
    }
    if taken > 0 {
        return Ok(json(StatusCode::MULTI_STATUS, &Batch { topic, events }));
    }
    let refused = || outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
    let may_pass = refused().find(|problem| problem.kind == Kind::Unavailable);
    let problem = may_pass.or_else(|| refused().next()).ok_or_else(|| Kind::Internal.because("no event"))?;
    Ok(problem.response_with("events", &events))
}

fn each(outcome: &Outcome) -> Each<'_> {
    match outcome {
        Ok(place) => Each::Taken { status: StatusCode::ACCEPTED.as_u16(), place },
        Err(problem) => Each::Refused(problem.document()),
    }
}

fn json(status: StatusCode, body: &impl Serialize) -> HttpResponse {
    HttpResponse::build(status).insert_header((CACHE_CONTROL, HeaderValue::from_static("no-store"))).json(body)
}
