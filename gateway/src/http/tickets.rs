//! `POST {prefix}/tickets`: a ticket for one stream.

use actix_web::http::Method;
use actix_web::http::header::{ALLOW, CACHE_CONTROL, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use events_gateway_core::Channel;
use events_gateway_core::cursor::ChannelSet;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::content;
use super::credentials::{Credentials, Known};
use super::events::Edge;
use super::openapi::{Answer, Asks, ChannelName, Operation, Resource, Schemas, Surface};
use super::problem::{Kind, Problem};
use super::query::Asked;
use crate::identity::tickets::{IssueError, Issued};

/// Where they are got, below the prefix.
pub(super) const RESOURCE: Resource = Resource { path: "/tickets", route: || web::to(serve), describe };

const METHODS: &str = "OPTIONS, POST";
/// Largest content, in bytes: 12 channels.
const MAX_CONTENT: usize = 4 << 10;

/// What a ticket is asked for.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// The channels of the stream that it opens: exactly those.
    #[schemars(with = "Vec<ChannelName>", length(min = 1))]
    channels: Vec<Channel>,
}

/// Serves the resource, whatever the method.
pub async fn serve(request: HttpRequest, content: web::Payload, edge: web::Data<Edge>) -> HttpResponse {
    let Some(credentials) = &edge.credentials else { return super::public::not_found(request, edge).await };
    let answer = match *request.method() {
        Method::OPTIONS => Ok(HttpResponse::NoContent().insert_header((ALLOW, METHODS)).finish()),
        Method::POST => issue(&request, content, &edge, credentials).await,
        _ => Err(Kind::MethodNotAllowed.because("post to it").allowing(METHODS)),
    };
    answer.unwrap_or_else(|problem| edge.problems.answer(&problem))
}

async fn issue(
    request: &HttpRequest,
    content: web::Payload,
    edge: &Edge,
    credentials: &Credentials,
) -> Result<HttpResponse, Problem> {
    super::query::only(request, credentials.parameter.as_deref()).map_err(Problem::closing)?;
    let who = credentials.identify(request).await.map_err(|unproven| Problem::from(unproven).closing())?;
    let Some(Known { identity: who, .. }) = who else {
        return Err(Kind::Unauthorized.because("tickets are for those who say who they are").closing());
    };
    content::require_json(request.headers())?;
    let body = content::read(request, content, MAX_CONTENT, |_| true).await?;
    let wanted: Wanted =
        content::object(&body).map_err(|error| Kind::BadRequest.because(format!("content: {error}")))?;
    let most = edge.rules.max_channels;
    if wanted.channels.len() > most {
        return Err(Kind::TooManyChannels.because(format!("a stream has at most {most} channels")).about("channels"));
    }
    let channels = ChannelSet::new(wanted.channels)
        .map_err(|error| Kind::InvalidChannel.because(error.to_string()).about("channels"))?;
    // Judged again when it is redeemed; whoever gets none need not come back for that.
    let asked = Asked::live(channels.clone());
    edge.policy.authorise(Some(&who), asked)?;
    let issued = credentials.tickets.issue(&who, channels.as_slice()).await.map_err(|error| match error {
        IssueError::TooFast(seconds) => Kind::TooManyRequests.because("too many tickets").after_seconds(seconds),
        IssueError::Unavailable(error) => {
            tracing::warn!(%error, "failed to keep a ticket");
            Kind::Unavailable.because("tickets can't be kept now").after_seconds(1)
        }
    })?;
    Ok(HttpResponse::Created().insert_header((CACHE_CONTROL, HeaderValue::from_static("no-store"))).json(issued))
}

fn describe(surface: &Surface, schemas: &mut Schemas) -> Vec<Operation> {
    if surface.identity.is_none() {
        return Vec::new();
    }
    let mut wanted = schemas.read::<Wanted>();
    wanted["properties"]["channels"]["maxItems"] = json!(surface.max_channels);
    let wanted = schemas.named("TicketWanted", wanted);
    let issued = schemas.written::<Issued>();
    vec![
        Operation::post("ticket", "Get a ticket for one stream")
            .tag("Identity")
            .describe(
                "For clients that can neither send a field nor have a cookie: it stands in the query, opens one stream or WebSocket, and is \
                 spent. Whoever asks has to have the right to its channels.",
            )
            .asks(Asks::Token, false)
            .content("application/json", json!({ "schema": wanted, "example": { "channels": ["user:42"] } }))
            .answer(201, Answer::of("A ticket.", "application/json", issued)
                    .example(json!({ "ticket": "x4vS6kZ0b1Qy3mE9tW7uR2pL5nH8cJ0dF6gA1sK4oIc", "expires_in_ms": 30_000 }))
                    .uncached("no-store"))
            .problems(&[
                Kind::UnknownParameter,
                Kind::InvalidParameter,
                Kind::UnsupportedMediaType,
                Kind::ContentTooLarge,
                Kind::TooManyChannels,
                Kind::InvalidChannel,
                Kind::ChannelNotServed,
                Kind::TooManyRequests,
            ]),
    ]
}
