//! `GET {prefix}/events/stats`: how much is going on.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::http::header::{ALLOW, CACHE_CONTROL, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use events_gateway_core::Channel;
use events_gateway_core::access::Right;
use events_gateway_identity::Identity;
use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::Instant;

use super::events::Edge;
use super::openapi::{Answer, Asks, ChannelName, Operation, Resource, Schemas, Surface};
use super::problem::{Kind, Problem};
use crate::backlog::{Lease, Rates};
use crate::hub::Hub;
use crate::replica::pulse::{Latency, Pulse};

/// Where they are, below the prefix.
pub(super) const RESOURCE: Resource = Resource { path: "/events/stats", route: || web::to(serve), describe };

const METHODS: &str = "GET, HEAD, OPTIONS";
/// Most channels that are named.
const MOST_CHANNELS: usize = 100;
/// How long what was counted is told again: counting goes through all channels.
const FRESH: Duration = Duration::from_secs(1);

/// What statistics are made of.
pub struct Stats {
    /// This replica's channels.
    pub hub: Arc<Hub>,
    /// What it did lately.
    pub pulse: Arc<Pulse>,
    /// What all replicas tell of themselves.
    pub leases: watch::Receiver<Vec<Lease>>,
    counted: Mutex<Option<(Instant, Arc<Counted>)>>,
}

/// Channels by connections, the most first.
type Counted = Vec<(Channel, usize)>;

/// How much is going on.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Statistics")]
struct Document {
    replica: OfReplica,
    cluster: OfCluster,
    /// Those that the caller may read, the most connections first; at most 100.
    channels: Vec<OfChannel>,
}

/// The replica that answers.
#[derive(Serialize, JsonSchema)]
struct OfReplica {
    /// Its id, of this life.
    replica: String,
    /// Open streams and WebSockets.
    connections: u64,
    /// Channels that somebody subscribes to.
    channels: u64,
    #[serde(flatten)]
    rates: PerSecond,
    /// Of the last minute; null while nothing is delivered.
    delivery_latency_ms: Option<Latency>,
}

/// All replicas whose leases are known.
#[derive(Serialize, JsonSchema)]
struct OfCluster {
    /// How many.
    replicas: usize,
    /// Open streams and WebSockets.
    connections: u64,
    #[serde(flatten)]
    rates: PerSecond,
}

#[derive(Serialize, JsonSchema)]
struct PerSecond {
    /// Events written to clients, in the last seconds.
    delivered_per_second: u64,
    /// Events taken over HTTP.
    published_per_second: u64,
}

/// A channel of this replica.
#[derive(Serialize, JsonSchema)]
struct OfChannel {
    #[schemars(with = "ChannelName")]
    channel: Channel,
    /// Its subscribers here.
    connections: usize,
}

impl From<Rates> for PerSecond {
    fn from(rates: Rates) -> Self {
        Self { delivered_per_second: rates.delivered, published_per_second: rates.published }
    }
}

impl Stats {
    /// Statistics of this replica, and of all whose leases are known.
    #[must_use]
    pub fn new(hub: Arc<Hub>, pulse: Arc<Pulse>, leases: watch::Receiver<Vec<Lease>>) -> Self {
        Self { hub, pulse, leases, counted: Mutex::new(None) }
    }

    fn counted(&self) -> Arc<Counted> {
        let mut counted = self.counted.lock();
        if let Some((at, known)) = &*counted
            && at.elapsed() < FRESH
        {
            return known.clone();
        }
        let mut fresh = self.hub.subscribers();
        fresh.sort_unstable_by(|(one, of_one), (other, of_other)| of_other.cmp(of_one).then_with(|| one.cmp(other)));
        let fresh = Arc::new(fresh);
        *counted = Some((Instant::now(), fresh.clone()));
        fresh
    }

    /// What may be told to whoever `may` read these channels.
    fn document(&self, edge: &Edge, may: impl Fn(&Channel) -> bool) -> Document {
        let leases = self.leases.borrow();
        let sum = |of: fn(&Lease) -> u64| leases.iter().map(of).sum();
        let channels = self.counted();
        let channels = channels.iter().filter(|(channel, _)| may(channel)).take(MOST_CHANNELS);
        Document {
            replica: OfReplica {
                replica: edge.replica.id().to_string(),
                connections: edge.replica.connections().open() as u64,
                channels: self.hub.feeds() as u64,
                rates: self.pulse.rates().into(),
                delivery_latency_ms: self.pulse.latency(),
            },
            cluster: OfCluster {
                replicas: leases.len(),
                connections: sum(|lease| lease.connections),
                rates: Rates {
                    delivered: sum(|lease| lease.rates.delivered),
                    published: sum(|lease| lease.rates.published),
                }
                .into(),
            },
            channels: channels
                .map(|(channel, connections)| OfChannel { channel: channel.clone(), connections: *connections })
                .collect(),
        }
    }
}

impl std::fmt::Debug for Stats {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stats").finish_non_exhaustive()
    }
}

/// Serves the resource, whatever the method.
pub async fn serve(request: HttpRequest, edge: web::Data<Edge>) -> HttpResponse {
    let answer = match *request.method() {
        Method::OPTIONS => Ok(HttpResponse::NoContent().insert_header((ALLOW, METHODS)).finish()),
        Method::GET | Method::HEAD => tell(&request, &edge).await,
        _ => Err(Kind::MethodNotAllowed.because("get it").allowing(METHODS)),
    };
    answer.unwrap_or_else(|problem| edge.problems.answer(&problem))
}

async fn tell(request: &HttpRequest, edge: &Edge) -> Result<HttpResponse, Problem> {
    let token = edge.credentials.as_ref().and_then(|credentials| credentials.parameter.as_deref());
    super::query::only(request, token)?;
    let who = edge.identify(request).await?;
    let who: Option<&Identity> = who.as_ref();
    if !edge.policy.may_any(Right::Stats, who) {
        return Err(match who {
            Some(_) => Kind::Forbidden.because("you may not read statistics"),
            None => Kind::Unauthorized.because("nobody may read statistics without saying who they are"),
        });
    }
    let may = |channel: &Channel| {
        edge.policy.may(Right::Stats, who, channel) && edge.policy.may(Right::Subscribe, who, channel)
    };
    let document = edge.stats.document(edge, may);
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, HeaderValue::from_static("no-store"))).json(document))
}

fn describe(surface: &Surface, schemas: &mut Schemas) -> Vec<Operation> {
    let document = schemas.written::<Document>();
    let example = json!({
        "replica": {
            "replica": "4b0c9a3e", "connections": 812, "channels": 640, "delivered_per_second": 2_310, "published_per_second": 40,
            "delivery_latency_ms": { "p50": 1, "p99": 5 },
        },
        "cluster": { "replicas": 3, "connections": 2_450, "delivered_per_second": 7_020, "published_per_second": 118 },
        "channels": [{ "channel": "orders", "connections": 95 }],
    });
    vec![
        Operation::get("statistics", "How much is going on")
            .tag("Statistics")
            .describe(
                "Of this replica and of all together; rates over the last seconds, latencies over the last minute.",
            )
            .asks(Asks::Token, surface.anonymous.contains(&Right::Stats))
            .answer(200, Answer::of("Statistics.", "application/json", document).example(example).uncached("no-store"))
            .problems(&[Kind::UnknownParameter, Kind::InvalidParameter]),
    ]
}
