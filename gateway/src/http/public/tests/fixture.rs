//! A public listener with a hub that is made up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use events_gateway_core::Timestamp;
use events_gateway_core::disconnect::{Closing, DisconnectReason};
use futures_util::StreamExt as _;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::super::*;
use crate::backlog::memory::{self, Store};
use crate::backlog::{Lease, ReplicaState};
use crate::config::Alias;
use crate::http::access::Policy;
use crate::http::admission::Admission;
use crate::http::cors::Cors;
use crate::http::events::ProblemCounts;
use crate::http::listener::bind;
use crate::http::openapi::tests::undescribed;
use crate::http::publish::Publishing;
use crate::http::query::Rules;
use crate::http::refusal::Refusals;
use crate::http::stats::Stats;
use crate::http::websocket::{self, Sockets};
use crate::http::{Open, Opened};
use crate::hub::{self, Hub, HubListener, Subscribe};
use crate::replica::Replica;
use crate::replica::lease::Reach;
use crate::replica::pulse::Pulse;
use crate::replica::soft_limit::SoftLimit;

/// A hub of one greeting: says hello, is silent, and ends when it is closed.
#[derive(Clone, Default)]
pub(super) struct FakeHub {
    pub(super) asked: Arc<Mutex<Vec<Subscribe>>>,
    pub(super) alive: Arc<AtomicUsize>,
    pub(super) is_full: Arc<AtomicBool>,
}

struct Alive(Arc<AtomicUsize>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl FakeHub {
    fn open(&self, then: Bytes) -> Open {
        let hub = self.clone();
        Arc::new(move |request| {
            if hub.is_full.load(Ordering::SeqCst) {
                return Err(DisconnectReason::ChannelLimit);
            }
            hub.asked.lock().push(request);
            hub.alive.fetch_add(1, Ordering::SeqCst);
            let alive = Alive(hub.alive.clone());
            let (sender, mut closing) = watch::channel(None);
            let end = async move {
                let _alive = alive;
                let closing: Option<Closing> =
                    closing.wait_for(Option::is_some).await.ok().and_then(|closing| *closing);
                Bytes::from(format!(": {}\n\n", closing.unwrap().reason.as_str()))
            };
            let head = futures_util::stream::iter([Bytes::from_static(b"retry: 1000\n\n"), then.clone()]);
            Ok(Opened {
                chunks: Box::pin(head.chain(futures_util::stream::once(end))),
                close: Arc::new(move |closing| {
                    sender.send_replace(Some(closing));
                }),
            })
        })
    }
}

fn reached() -> watch::Receiver<Reach> {
    watch::channel(Reach::Reached).1
}

/// The lease of another replica that holds no streams.
fn one_empty() -> watch::Receiver<Vec<Lease>> {
    let lease = Lease {
        replica: "other".to_owned(),
        pod: String::new(),
        address: String::new(),
        started: Timestamp(0),
        version: String::new(),
        state: ReplicaState::Serving,
        connections: 0,
        rates: Default::default(),
    };
    watch::channel(vec![lease]).1
}

/// Statistics of a hub without channels, and of one other replica.
pub(super) fn stats() -> Stats {
    let listener = Arc::new(HubListener::default());
    let backlog = Arc::new(Store::default().connect(memory::Options::default(), listener));
    let hub = Hub::new(backlog, hub::Options::default(), "r1");
    Stats::new(hub.clone(), Pulse::new(hub, Arc::default()), one_empty())
}

/// WebSockets that beat every second.
pub(super) fn sockets() -> Sockets {
    let (second, none) = (Duration::from_secs(1), Duration::ZERO);
    Sockets::new(websocket::Options { heartbeat: second, expiring: none, retry: (second, none), max_age: None })
}

pub(super) struct Gateway {
    pub(super) address: std::net::SocketAddr,
    pub(super) replica: Arc<Replica>,
    pub(super) edge: web::Data<Edge>,
    pub(super) hub: FakeHub,
    pub(super) handle: actix_web::dev::ServerHandle,
    /// What it says of itself: every answer is held against it.
    description: serde_json::Value,
}

pub(super) struct Wanted {
    pub(super) most: usize,
    /// The soft limit, with another replica that is empty.
    pub(super) soft: Option<usize>,
    pub(super) publishing: Option<Publishing>,
    pub(super) admission: Admission,
    pub(super) cors: Cors,
    pub(super) then: Bytes,
    pub(super) aliases: Vec<Alias>,
    pub(super) options: Options,
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            most: 2_000,
            soft: None,
            publishing: None,
            admission: Admission::default(),
            cors: Cors::default(),
            then: Bytes::from_static(b": hello\n\n"),
            aliases: Vec::new(),
            options: Options {
                path_prefix: "/api/v1".to_owned(),
                connections: Connections { workers: 1, ..Connections::default() },
                ..Options::default()
            },
        }
    }
}

impl Gateway {
    pub(super) fn start(wanted: Wanted) -> Self {
        let hub = FakeHub::default();
        let replica = Replica::new(wanted.most);
        let soft_limit = |most| SoftLimit::new(most, replica.clone(), reached(), one_empty());
        let edge = web::Data::new(Edge {
            open: hub.open(wanted.then),
            replica: replica.clone(),
            soft_limit: wanted.soft.map(soft_limit),
            rules: Rules { default_channels: None, max_channels: 12, filters: Vec::new(), credentials: Vec::new() },
            credentials: None,
            trusted_proxies: crate::http::client_address::TrustedProxies::default(),
            policy: Policy::default(),
            door: wanted.options.connections.door.clone(),
            admission: wanted.admission,
            publishing: wanted.publishing,
            aliases: wanted.aliases,
            sockets: sockets(),
            stats: stats(),
            cors: wanted.cors,
            refusals: Refusals::new(1),
            problems: ProblemCounts::default(),
        });
        let socket = bind("127.0.0.1:0".parse().unwrap(), &wanted.options.connections).unwrap();
        let description =
            description::describe(&Surface::of(&wanted.options.path_prefix, &wanted.options.hosts, &edge));
        let listening = listen(wanted.options, edge.clone(), socket).unwrap();
        tokio::spawn(listening.server);
        Self { address: listening.address, replica, edge, hub, handle: listening.handle, description }
    }

    pub(super) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends a request and reads until `enough` of the answer is there, or its end.
    pub(super) async fn exchange(&self, request: &str, enough: &str) -> (TcpStream, String) {
        let mut socket = self.connect().await;
        socket.write_all(request.as_bytes()).await.unwrap();
        let answer = read_until(&mut socket, enough).await;
        assert_eq!(undescribed(&self.description, request, &answer), None);
        (socket, answer)
    }

    pub(super) async fn get(&self, target: &str, fields: &str, enough: &str) -> (TcpStream, String) {
        self.exchange(&format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n"), enough).await
    }

    /// Waits until nothing is held any more, and says how long it took.
    pub(super) async fn emptied(&self) -> Duration {
        let began = Instant::now();
        while self.replica.connections().open() > 0 || self.hub.alive.load(Ordering::SeqCst) > 0 {
            assert!(began.elapsed() < Duration::from_secs(20), "streams are still held");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        began.elapsed()
    }
}

pub(super) async fn read_until(socket: &mut TcpStream, enough: &str) -> String {
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    let reading = async {
        loop {
            let count = socket.read(&mut buffer).await.unwrap_or(0);
            answer.extend_from_slice(&buffer[..count]);
            if count == 0 || String::from_utf8_lossy(&answer).contains(enough) {
                break;
            }
        }
    };
    timeout(Duration::from_secs(20), reading).await.expect("an answer in time");
    String::from_utf8(answer).unwrap()
}

/// The answer without its date.
pub(super) fn undated(answer: &str) -> String {
    answer.split_inclusive("\r\n").filter(|line| !line.starts_with("date: ")).collect()
}

/// (status, JSON body)
pub(super) fn problem(answer: &str) -> (u16, serde_json::Value) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.to_lowercase().contains("content-type: application/problem+json"), "{head}");
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["status"], status);
    (status, body)
}
