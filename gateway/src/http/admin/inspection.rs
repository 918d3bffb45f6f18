//! What may be looked at with the token.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};
use events_gateway_core::position::Epochs;
use events_gateway_core::{Channel, Position, Timestamp};
use events_gateway_status::Status;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::json;
use tokio::time::timeout;

use super::description::Surface;
use super::resource::{Resource, get};
use super::{Sources, json as answer, one_parameter};
use crate::backlog::{BacklogError, ConnectionEntry};
use crate::http::openapi::{Answer, ChannelName, Operation, Parameter, Schemas, channel as channel_name};
use crate::http::problem::{Kind, Problem, quote};
use crate::ingest::counters::Consuming;

pub(super) const STATUS: Resource = Resource::guarded("/status", |resource| get(resource, status), describe_status);
pub(super) const CONNECTIONS: Resource =
    Resource::guarded("/connections", |resource| get(resource, connections), describe_connections);
pub(super) const CHANNEL: Resource =
    Resource::guarded("/channels/{channel}", |resource| get(resource, channel), describe_channel);
pub(super) const KAFKA: Resource = Resource::guarded("/kafka", |resource| get(resource, kafka), describe_kafka);

const TAG: &str = "Inspection";

/// Longest wait for an answer of the backlog or directory.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// Most connections in one answer.
const MOST: usize = 1_000;

/// Open connections.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Connections")]
struct Found {
    /// At most 1,000.
    #[schemars(length(max = MOST))]
    connections: Vec<Held>,
    /// Whether these are all.
    complete: bool,
}

/// A connection, and the replica that holds it.
#[derive(Serialize, JsonSchema)]
struct Held {
    /// The replica's id.
    replica: String,
    /// Name of its pod or host.
    pod: String,
    connection: ConnectionEntry,
}

/// Where a channel stands.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ChannelStanding")]
struct Stand {
    #[schemars(with = "ChannelName")]
    channel: Channel,
    /// The replicas that have subscribers of it.
    owners: Vec<Owner>,
    /// The last position assigned.
    #[schemars(with = "u64")]
    head: Position,
    /// That of the first event retained; null where there is none.
    #[schemars(with = "Option<u64>")]
    first: Option<Position>,
    /// The last lives of the backlog, at most 16, oldest first.
    #[schemars(schema_with = "epochs")]
    epochs: Epochs,
    /// Connections opened before this time, in milliseconds since 1970, are closed; null where none ever were.
    #[schemars(with = "Option<u64>")]
    closed_before: Option<Timestamp>,
}

/// A replica that has subscribers.
#[derive(Serialize, JsonSchema)]
struct Owner {
    /// Its id.
    replica: String,
    /// When it is forgotten, unless it says so again: in milliseconds since 1970.
    #[schemars(with = "u64")]
    until: Timestamp,
}

fn epochs(_: &mut SchemaGenerator) -> Schema {
    let position = || json_schema!({ "type": "integer", "minimum": 0 });
    json_schema!({
        "type": "array",
        "items": {
            "description": "One life of the backlog: its positions follow each other without a gap.",
            "type": "object",
            "properties": {
                "start": position(),
                "end": position(),
                "torn": {
                    "description": "Why what was before it may be lacking; null where nothing is.",
                    "enum": ["source", null],
                },
            },
            "required": ["start", "end", "torn"],
        },
    })
}

/// `GET /status`: this replica's state, streams and consumers, in short.
pub(super) async fn status(request: HttpRequest, sources: web::Data<Sources>) -> HttpResponse {
    one_parameter(&request, &[]).map_or_else(|problem| problem.response(), |_| answer(&(sources.status)()))
}

/// `GET /connections?subject=|channel=`: the open connections of all replicas, as recorded within the last second or so.
pub(super) async fn connections(request: HttpRequest, sources: web::Data<Sources>) -> HttpResponse {
    let found = timeout(2 * PATIENCE, find(&request, &sources)).await.unwrap_or_else(|_| {
        Err(Kind::Unavailable.because("failed to ask every replica in time").after_seconds(PATIENCE.as_secs()))
    });
    found.unwrap_or_else(|problem| problem.response())
}

async fn find(request: &HttpRequest, sources: &Sources) -> Result<HttpResponse, Problem> {
    let wanted: Box<dyn Fn(&ConnectionEntry) -> bool> = match one_parameter(request, &["subject", "channel"])? {
        None => Box::new(|_| true),
        Some(("subject", subject)) => Box::new(move |entry| entry.subject.as_deref() == Some(&subject)),
        Some((_, name)) => {
            let channel = channel_of(&name)?;
            Box::new(move |entry| entry.channels.contains(&channel))
        }
    };
    let mut found = Vec::new();
    let mut complete = true;
    for lease in bounded(sources.directory.leases()).await? {
        for entry in bounded(sources.directory.connections(&lease.replica)).await? {
            if !wanted(&entry) {
                continue;
            }
            if found.len() == MOST {
                complete = false;
                break;
            }
            found.push(Held { replica: lease.replica.clone(), pod: lease.pod.clone(), connection: entry });
        }
    }
    Ok(answer(&Found { connections: found, complete }))
}

/// `GET /channels/{channel}`: its owners and positions.
pub(super) async fn channel(
    request: HttpRequest,
    path: web::Path<String>,
    sources: web::Data<Sources>,
) -> HttpResponse {
    stand(&request, &path, &sources).await.unwrap_or_else(|problem| problem.response())
}

async fn stand(request: &HttpRequest, name: &str, sources: &Sources) -> Result<HttpResponse, Problem> {
    one_parameter(request, &[])?;
    let channel = channel_of(name)?;
    let owners = bounded(sources.directory.owners(&channel)).await?;
    let page = bounded(sources.backlog.read(&channel, Position(0), 1)).await?;
    Ok(answer(&Stand {
        channel,
        owners: owners.into_iter().map(|(replica, until)| Owner { replica, until }).collect(),
        head: page.standing.head(),
        first: page.entries.first().map(|(position, _)| *position),
        epochs: page.standing.epochs,
        closed_before: page.standing.closed_before,
    }))
}

/// `GET /kafka`: what this replica's consumers do.
pub(super) async fn kafka(request: HttpRequest, sources: web::Data<Sources>) -> HttpResponse {
    one_parameter(&request, &[]).map_or_else(|problem| problem.response(), |_| answer(&(sources.kafka)()))
}

pub(super) fn channel_of(name: &str) -> Result<Channel, Problem> {
    Channel::parse(name)
        .map_err(|error| Kind::InvalidChannel.because(format!("\"{}\": {error}", quote(name))).about("channel"))
}

/// Waits no longer than [`PATIENCE`].
pub(super) async fn bounded<T>(call: impl Future<Output = Result<T, BacklogError>>) -> Result<T, Problem> {
    let failed = |why: String| Kind::Unavailable.because(why).after_seconds(PATIENCE.as_secs());
    match timeout(PATIENCE, call).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(failed(error.to_string())),
        Err(_) => Err(failed("failed to get an answer in time".to_owned())),
    }
}

fn describe_status(_: &Surface, schemas: &mut Schemas) -> Option<Operation> {
    let document = schemas.written::<Status>();
    let example = json!({
        "replica": "4b0c9a3e", "pod": "events-0", "version": env!("CARGO_PKG_VERSION"), "state": "serving", "drained": false,
        "connections": 812, "channels": 640, "redis": { "up": true },
        "kafka": [{ "binding": "orders", "group": "events-gateway", "up": true, "paused": false, "lag": 3, "assigned": 6 }],
    });
    let told =
        Answer::of("What this replica does.", "application/json", document).example(example).uncached("no-store");
    let about = "From memory, some kilobytes at most: it may be asked every second. Members may be added.";
    Some(looked("status", "What a replica does, in short").describe(about).answer(200, told))
}

fn describe_connections(_: &Surface, schemas: &mut Schemas) -> Option<Operation> {
    let document = schemas.written::<Found>();
    let told = Answer::of("Connections.", "application/json", document).uncached("no-store");
    let about = "Of all replicas, as recorded within the last second or so. One of the parameters may be given, once.";
    let subject = "Only those of who has proven to be this subject.";
    Some(
        looked("connections", "The open connections")
            .describe(about)
            .parameter(Parameter::query("subject", json!({ "type": "string" }), subject))
            .parameter(Parameter::query("channel", channel_name(), "Only those that subscribe to this channel."))
            .answer(200, told)
            .problems(&[Kind::ConflictingParameters, Kind::InvalidChannel, Kind::Unavailable]),
    )
}

fn describe_channel(_: &Surface, schemas: &mut Schemas) -> Option<Operation> {
    let document = schemas.written::<Stand>();
    let told = Answer::of("Where it stands.", "application/json", document).uncached("no-store");
    Some(
        looked("channel", "The owners and positions of a channel")
            .describe("Of a channel that nobody has heard of, too: it stands at its beginning.")
            .parameter(Parameter::path("channel", channel_name(), "Its name."))
            .answer(200, told)
            .problems(&[Kind::InvalidChannel, Kind::Unavailable]),
    )
}

fn describe_kafka(_: &Surface, schemas: &mut Schemas) -> Option<Operation> {
    let document = schemas.written::<Consuming>();
    let told = Answer::of("What they do.", "application/json", document).uncached("no-store");
    Some(looked("kafka", "What this replica's consumers do: partitions, positions, lag").answer(200, told))
}

fn looked(id: &'static str, summary: &'static str) -> Operation {
    Operation::get(id, summary).tag(TAG).problems(&[Kind::UnknownParameter, Kind::InvalidParameter])
}
