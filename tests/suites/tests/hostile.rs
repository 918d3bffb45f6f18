//! Clients that mean harm: memory and descriptors return to where they were, and nobody else notices.

use std::net::SocketAddr;
use std::time::Duration;

use events_gateway_harness::kafka::admin::{Producer, Record};
use events_gateway_harness::process::Usage;
use events_gateway_harness::sse::{Client, Crowd, Options};
use events_gateway_harness::{Gateway, http, wait};
use events_gateway_suites::platform::{Plan, Platform, events_of};
use events_gateway_suites::{seed, turn};
use rand::{Rng as _, RngCore as _};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};

const BOUND: Duration = Duration::from_secs(60);
/// What an allocator may keep of what it once had.
const SLACK: u64 = 32 << 20;

struct House {
    platform: Platform,
    producer: Producer,
    witness: Client,
    told: usize,
}

impl House {
    async fn start() -> Self {
        let plan = Plan { replicas: 1, partitions: 1, ..Plan::default() };
        let platform = Platform::start("hostile", &plan).await.expect("the platform starts");
        let options = Options::new(platform.gateways[0].public(), events_of(&["user:witness"]));
        let witness = Client::opened(options, BOUND).await.expect("the witness opens");
        let producer = platform.kafka.producer().expect("a producer");
        let mut house = Self { platform, producer, witness, told: 0 };
        // Connections to Kafka and Redis, lazily made pools, a first flow of events.
        house.is_unharmed().await;
        let before = house.usage().descriptors;
        let crowd = Crowd::open(house.address(), (0..500).map(|_| events_of(&["user:warm"])), BOUND).await;
        crowd.expect("a crowd opens").close().await;
        house.settled(before).await;
        house
    }

    fn gateway(&self) -> &Gateway {
        &self.platform.gateways[0]
    }

    fn address(&self) -> SocketAddr {
        self.gateway().public()
    }

    fn usage(&self) -> Usage {
        self.gateway().usage().expect("the gateway lives")
    }

    async fn produce(&self, channel: &str, data: &str) {
        let envelope = json!({ "type": "note", "channels": [channel], "data": data });
        self.producer.send(self.platform.topic(), &Record::json(channel, &envelope)).await.expect("Kafka takes it");
    }

    /// An honest client still gets its event, on the one connection it has had all the time.
    async fn is_unharmed(&mut self) {
        self.told += 1;
        self.produce("user:witness", &format!("{}", self.told)).await;
        self.witness.wait_for_published(self.told, BOUND).await.expect("the witness is served");
        assert_eq!(self.witness.history().connections.len(), 1, "{}", self.witness.describe());
    }

    /// Waits until no more descriptors are open than before, and gives the usage.
    async fn settled(&self, descriptors: usize) -> Usage {
        let few = || self.usage().descriptors <= descriptors + 4;
        let waited = wait::until_true("descriptors to be closed", BOUND, few).await;
        waited.unwrap_or_else(|error| panic!("{error}: {} of {descriptors}", self.usage().descriptors));
        self.usage()
    }

    async fn returns_to(&mut self, before: Usage) {
        let after = self.settled(before.descriptors).await;
        let grown = after.resident.saturating_sub(before.resident);
        println!(
            "descriptors {} -> {}, memory {} -> {} KiB",
            before.descriptors,
            after.descriptors,
            before.resident >> 10,
            after.resident >> 10
        );
        assert!(grown <= SLACK, "memory grew by {} KiB", grown >> 10);
        self.is_unharmed().await;
    }
}

fn request(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: gateway\r\nAccept: text/event-stream\r\n\r\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_streams_opened_and_closed_leave_nothing_behind() {
    let _turn = turn::take().await;
    let mut house = House::start().await;
    let before = house.usage();
    for round in 0..20 {
        let targets = (0..500).map(|index| events_of(&[format!("user:{}", (round * 500 + index) % 2_000)]));
        let crowd = Crowd::open(house.address(), targets, BOUND).await.expect("a crowd opens");
        crowd.close().await;
    }
    house.returns_to(before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_is_answered_with_an_error_or_a_closed_door() {
    let _turn = turn::take().await;
    let mut random = seed::printed();
    let mut house = House::start().await;
    let before = house.usage();
    let mut garbage: Vec<Vec<u8>> = vec![
        b"\0\0\0\0".to_vec(),
        b"\r\n\r\n\r\n".to_vec(),
        b"GET\r\n\r\n".to_vec(),
        b"GET /api/v1/events?channels=a HTTP/9.9\r\n\r\n".to_vec(),
        b"GET /api/v1/events?channels=a HTTP/1.1\r\nHost: a\r\nHost: b\r\nContent-Length: -1\r\n\r\n".to_vec(),
        b"POST /api/v1/events HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        request(&format!("/api/v1/events?channels={}", "a,".repeat(20_000))).into_bytes(),
        request(&format!("/{}", "%00".repeat(1_000))).into_bytes(),
        format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(5_000)).into_bytes(),
        format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "y".repeat(1 << 20)).into_bytes(),
        format!(
            "{}Last-Event-ID: {}\r\n\r\n",
            request("/api/v1/events?channels=a").trim_end(),
            "\u{1f980}".repeat(9_000)
        )
        .into_bytes(),
    ];
    for _ in 0..500 {
        let mut bytes = vec![0; random.random_range(1..2_000)];
        random.fill_bytes(&mut bytes);
        garbage.push(bytes);
        // A valid request with one byte changed.
        let mut bytes = request("/api/v1/events?channels=user:x").into_bytes();
        let place = random.random_range(0..bytes.len());
        bytes[place] = random.random();
        garbage.push(bytes);
    }
    for bytes in garbage {
        let mut socket = TcpStream::connect(house.address()).await.expect("the gateway accepts");
        let _ = socket.write_all(&bytes).await;
        let mut answer = [0; 256];
        // An answer, a closed door, or a gateway that waits for the rest: all of them are fine, as long as it lives.
        let _ = timeout(Duration::from_millis(20), socket.read(&mut answer)).await;
    }
    house.returns_to(before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_never_read_are_dropped_and_cost_bounded_memory() {
    let _turn = turn::take().await;
    let mut house = House::start().await;
    let before = house.usage();
    let mut sockets = Vec::new();
    for _ in 0..50 {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4096).expect("a small buffer");
        let mut socket = socket.connect(house.address()).await.expect("the gateway accepts");
        socket.write_all(request(&events_of(&["user:flood"])).as_bytes()).await.expect("the request is taken");
        sockets.push(socket);
    }
    // 40 MiB for each of them, if somebody kept it.
    let text = "x".repeat(64 << 10);
    let mut peak = 0;
    for _ in 0..640 {
        house.produce("user:flood", &text).await;
        peak = peak.max(house.usage().resident);
    }
    house.is_unharmed().await;
    let grown = peak.saturating_sub(before.resident);
    println!("peak: {} KiB above", grown >> 10);
    // The bound of each (4 MiB of events that wait) is shared where the events are the same ones.
    assert!(grown <= 50 * (4 << 20), "memory grew by {} KiB", grown >> 10);
    drop(sockets);
    house.settled(before.descriptors).await;
    house.is_unharmed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_byte_a_second_is_no_way_to_hold_a_connection_or_the_others() {
    let _turn = turn::take().await;
    let mut house = House::start().await;
    let before = house.usage();
    // Writers: a head that never ends.
    let mut writers = Vec::new();
    for _ in 0..100 {
        writers.push(TcpStream::connect(house.address()).await.expect("the gateway accepts"));
    }
    // Readers: a stream, a byte of it a second.
    let mut readers = Vec::new();
    for _ in 0..20 {
        let mut socket = TcpStream::connect(house.address()).await.expect("the gateway accepts");
        socket.write_all(request(&events_of(&["user:slow"])).as_bytes()).await.expect("the request is taken");
        readers.push(socket);
    }
    let head = request(&events_of(&["user:slow"])).into_bytes();
    for second in 0..8 {
        for writer in &mut writers {
            let _ = writer.write_all(&head[second..=second]).await;
        }
        for reader in &mut readers {
            let _ = timeout(Duration::from_millis(5), reader.read(&mut [0])).await;
        }
        house.produce("user:slow", &"y".repeat(10_000)).await;
        sleep(Duration::from_secs(1)).await;
    }
    house.is_unharmed().await;
    let mut closed = 0;
    for writer in &mut writers {
        // 408 and the end, or just the end: within the time that a head may take.
        let mut rest = Vec::new();
        closed += usize::from(timeout(Duration::from_secs(2), writer.read_to_end(&mut rest)).await.is_ok());
    }
    assert_eq!(closed, writers.len(), "every endless head is given up");
    drop((writers, readers));
    house.returns_to(before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_pipelined_behind_a_stream_wait_within_bounds() {
    let _turn = turn::take().await;
    let mut house = House::start().await;
    let before = house.usage();
    let mut sockets = Vec::new();
    for _ in 0..20 {
        let mut socket = TcpStream::connect(house.address()).await.expect("the gateway accepts");
        let burst = request(&events_of(&["user:pipeline"])).repeat(20_000);
        // The gateway may stop reading: that is the bound.
        let _ = timeout(Duration::from_millis(500), socket.write_all(burst.as_bytes())).await;
        sockets.push(socket);
    }
    let grown = house.usage().resident.saturating_sub(before.resident);
    assert!(grown <= SLACK, "memory grew by {} KiB", grown >> 10);
    house.is_unharmed().await;
    drop(sockets);
    house.returns_to(before).await;
    let live = http::get(house.gateway().admin(), "/live").await.expect("an answer");
    assert_eq!(live.status(), 200);
}
