//! What may be done with the token.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use super::inspection::{bounded, channel_of};
use super::{Sources, json as answer, one_parameter};
use crate::clock::now;
use crate::http::problem::{Kind, Problem, quote};

/// `POST /drain`: begins to hand over; answers at once.
pub(super) async fn drain(request: HttpRequest, sources: web::Data<Sources>) -> HttpResponse {
    let begin = || {
        one_parameter(&request, &[])?;
        let began = sources.drain.begin();
        tracing::info!(began, "drain asked for");
        Ok(answer(&json!({ "state": sources.replica.state(), "changed": began })))
    };
    begin().unwrap_or_else(|problem: Problem| problem.response())
}

/// `POST /undrain`: serves again; streams that were closed stay closed.
pub(super) async fn undrain(request: HttpRequest, sources: web::Data<Sources>) -> HttpResponse {
    let undo = || {
        one_parameter(&request, &[])?;
        let undone = sources.drain.undo();
        tracing::info!(undone, "end of the drain asked for");
        Ok(answer(&json!({ "state": sources.replica.state(), "changed": undone })))
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
    Ok(answer(&json!({ "groups": groups, "paused": paused })))
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
    Ok(answer(&json!({ "channel": channel, "closed_before": before })))
}
