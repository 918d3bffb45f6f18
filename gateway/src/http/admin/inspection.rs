//! What may be looked at with the token.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};
use events_gateway_core::{Channel, Position};
use serde_json::json;
use tokio::time::timeout;

use super::{Sources, json as answer, one_parameter};
use crate::backlog::{BacklogError, ConnectionEntry};
use crate::http::problem::{Kind, Problem, quote};

/// Longest wait for an answer of the backlog or directory.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// Most connections in one answer.
const MOST: usize = 1_000;

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
            found.push(json!({ "replica": lease.replica, "pod": lease.pod, "connection": entry }));
        }
    }
    Ok(answer(&json!({ "connections": found, "complete": complete })))
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
    let owners: Vec<_> =
        owners.into_iter().map(|(replica, until)| json!({ "replica": replica, "until": until })).collect();
    Ok(answer(&json!({
        "channel": channel,
        "owners": owners,
        "head": page.standing.head(),
        "first": page.entries.first().map(|(position, _)| position),
        "epochs": page.standing.epochs,
        "closed_before": page.standing.closed_before,
    })))
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
