//! What may be done with the token.

use actix_web::{HttpRequest, HttpResponse, web};
use events_gateway_core::{Channel, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::description::Surface;
use super::inspection::{bounded, channel_of};
use super::resource::{Resource, post};
use super::{Sources, json as answer, one_parameter};
use crate::backlog::ReplicaState;
use crate::clock::now;
use crate::http::openapi::{Answer, ChannelName, Operation, Parameter, Schemas, channel};
use crate::http::problem::{Kind, Problem, quote};

pub(super) const DRAIN: Resource = Resource::guarded("/drain", |resource| post(resource, drain), describe_drain);
pub(super) const UNDRAIN: Resource =
    Resource::guarded("/undrain", |resource| post(resource, undrain), describe_undrain);
pub(super) const PAUSE: Resource = Resource::guarded("/kafka/pause", |resource| post(resource, pause), describe_pause);
pub(super) const RESUME: Resource =
    Resource::guarded("/kafka/resume", |resource| post(resource, resume), describe_resume);
pub(super) const DISCONNECT: Resource =
    Resource::guarded("/disconnect", |resource| post(resource, disconnect), describe_disconnect);

const TAG: &str = "Actions";

/// What a replica does with new connections now.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "StateChange")]
struct Turned {
    state: ReplicaState,
    /// Whether it did something else before.
    changed: bool,
}

/// Which groups rest now, or don't.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "GroupsPaused")]
struct Paused {
    groups: Vec<String>,
    paused: bool,
}

/// What was closed.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Disconnection")]
struct Closed {
    #[schemars(with = "ChannelName")]
    channel: Channel,
    /// Connections opened before this time are closed: in milliseconds since 1970.
    #[schemars(with = "u64")]
    closed_before: Timestamp,
}

/// `POST /drain`: begins to hand over; answers at once.
pub(super) async fn drain(request: HttpRequest, sources: web::Data<Sources>) -> HttpResponse {
    let begin = || {
        one_parameter(&request, &[])?;
        let began = sources.drain.begin();
        tracing::info!(began, "drain asked for");
        Ok(answer(&Turned { state: sources.replica.state(), changed: began }))
    };
    begin().unwrap_or_else(|problem: Problem| problem.response())
}

/// `POST /undrain`: serves again; streams that were closed stay closed.
pub(super) async fn undrain(request: HttpRequest, sources: web::Data<Sources>) -> HttpResponse {
    let undo = || {
        one_parameter(&request, &[])?;
        let undone = sources.drain.undo();
        tracing::info!(undone, "end of the drain asked for");
        Ok(answer(&Turned { state: sources.replica.state(), changed: undone }))
    };
    undo().unwrap_or_else(|problem: Problem| problem.response())
}

/// `POST /kafka/pause?group=`: has every replica leave the group, or all groups, through its control key.
pub(super) async fn pause(request: HttpRequest, sources: web::Data<Sources>) -> HttpResponse {
    set_paused(&request, &sources, true).await.unwrap_or_else(|problem| problem.response())
}

/// `POST /kafka/resume?group=`: the reverse.
pub(super) async fn resume(request: HttpRequest, sources: web::Data<Sources>) -> HttpResponse {
    set_paused(&request, &sources, false).await.unwrap_or_else(|problem| problem.response())
}

async fn set_paused(request: &HttpRequest, sources: &Sources, paused: bool) -> Result<HttpResponse, Problem> {
    let groups = match one_parameter(request, &["group"])? {
        None => sources.groups.clone(),
        Some((_, group)) if sources.groups.contains(&group) => vec![group],
        Some((_, group)) => {
            return Err(Kind::InvalidParameter
                .because(format!("there is no group \"{}\"", quote(&group)))
                .about("group"));
        }
    };
    for group in &groups {
        bounded(sources.directory.set_paused(group, paused)).await?;
        tracing::info!(group, paused, "consumption set");
    }
    Ok(answer(&Paused { groups, paused }))
}

/// `POST /disconnect?channel=`: closes every connection of the channel that is open now, on all replicas.
pub(super) async fn disconnect(request: HttpRequest, sources: web::Data<Sources>) -> HttpResponse {
    close(&request, &sources).await.unwrap_or_else(|problem| problem.response())
}

async fn close(request: &HttpRequest, sources: &Sources) -> Result<HttpResponse, Problem> {
    let Some((_, name)) = one_parameter(request, &["channel"])? else {
        return Err(Kind::MissingChannels.because("say which channel: ?channel=user:42").about("channel"));
    };
    let channel = channel_of(&name)?;
    let before = bounded(sources.backlog.close_before(&channel, now())).await?;
    tracing::info!(%channel, ?before, "connections closed");
    Ok(answer(&Closed { channel, closed_before: before }))
}

fn describe_drain(_: &Surface, schemas: &mut Schemas) -> Option<Operation> {
    let about = "Answers at once, and goes on: no new streams, partitions are given away, streams are closed at the rate that all draining \
                 replicas share. Draining a replica that drains changes nothing.";
    let told = told::<Turned>("It drains.", schemas).example(json!({ "state": "draining", "changed": true }));
    Some(acted("drain", "Begin to hand over").describe(about).answer(200, told))
}

fn describe_undrain(_: &Surface, schemas: &mut Schemas) -> Option<Operation> {
    let about = "Streams that were closed stay closed. A later drain begins anew.";
    let told = told::<Turned>("It serves.", schemas).example(json!({ "state": "serving", "changed": true }));
    Some(acted("undrain", "Serve again").describe(about).answer(200, told))
}

fn describe_pause(_: &Surface, schemas: &mut Schemas) -> Option<Operation> {
    let about = "Every replica leaves the group, until it is resumed. Streams stay open.";
    let told =
        told::<Paused>("Noted for all replicas.", schemas).example(json!({ "groups": ["orders"], "paused": true }));
    Some(of_groups(acted("pause", "Pause consumption").describe(about).answer(200, told)))
}

fn describe_resume(_: &Surface, schemas: &mut Schemas) -> Option<Operation> {
    let told =
        told::<Paused>("Noted for all replicas.", schemas).example(json!({ "groups": ["orders"], "paused": false }));
    Some(of_groups(acted("resume", "Resume consumption").answer(200, told)))
}

fn of_groups(operation: Operation) -> Operation {
    let group = "One of the configuration's consumer groups. Left out: all of them.";
    operation
        .parameter(Parameter::query("group", json!({ "type": "string" }), group))
        .problems(&[Kind::ConflictingParameters, Kind::Unavailable])
}

fn describe_disconnect(_: &Surface, schemas: &mut Schemas) -> Option<Operation> {
    let about = "Those that are open now, on all replicas. Clients may come back.";
    let name = Parameter::query("channel", channel(), "The channel.").required(true).example(json!("user:42"));
    let told = told::<Closed>("They are closed.", schemas);
    let kinds = [Kind::MissingChannels, Kind::InvalidChannel, Kind::ConflictingParameters, Kind::Unavailable];
    let operation = acted("disconnect", "Close the connections of a channel").describe(about).parameter(name);
    Some(operation.answer(200, told).problems(&kinds))
}

fn told<T: JsonSchema>(what: &str, schemas: &mut Schemas) -> Answer {
    Answer::of(what, "application/json", schemas.written::<T>()).uncached("no-store")
}

fn acted(id: &'static str, summary: &'static str) -> Operation {
    Operation::post(id, summary).tag(TAG).problems(&[Kind::UnknownParameter, Kind::InvalidParameter])
}
