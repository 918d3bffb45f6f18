//! Bounds by address and rate, and connections that send no request.

use super::*;
use crate::http::client_address::TrustedProxies;
use crate::http::door::Door;
use crate::rate::{Rate, Rates};
use crate::replica::tally::Tally;

const EVENTS: &str = "/api/v1/events?channels=a";

fn connections(most: usize, door: Arc<Door>) -> Options {
    let connections = Connections { workers: 1, most_per_worker: most, door, ..Connections::default() };
    Options { connections, ..Wanted::default().options }
}

#[tokio::test]
async fn an_address_that_has_its_streams_is_refused_by_a_stream_until_one_ends() {
    let admission = Admission { addresses: Some(Tally::new(2)), ..Admission::default() };
    let gateway = Gateway::start(Wanted { admission, ..Wanted::default() });
    let first = gateway.get(EVENTS, "", "hello").await;
    let _second = gateway.get(EVENTS, "", "hello").await;
    let (_, refused) = gateway.get(EVENTS, "", "gateway.closing").await;
    assert!(refused.starts_with("HTTP/1.1 200 OK\r\n"), "{refused}");
    assert!(refused.contains(r#""reason":"address-limit","retryable":true"#), "{refused}");
    let (_, plain) = gateway.get(EVENTS, "Accept: application/json\r\n", "}").await;
    assert_eq!(problem(&plain).0, 406, "what is wrong for good is told first: {plain}");
    let opened = gateway.replica.connections().opened();
    drop(first);
    while gateway.replica.connections().open() > 1 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let _third = gateway.get(EVENTS, "", "hello").await;
    assert_eq!(gateway.replica.connections().opened(), opened + 1);
}

#[tokio::test]
async fn who_opens_streams_too_fast_is_refused_by_a_stream() {
    let rate = Rate { per_second: 1.try_into().unwrap(), burst: 3.try_into().unwrap() };
    for (admission, reason) in [
        (Admission { rate: Some(Rates::new(rate)), ..Admission::default() }, "accept-rate"),
        (Admission { address_rate: Some(Rates::new(rate)), ..Admission::default() }, "address-rate"),
    ] {
        let gateway = Gateway::start(Wanted { admission, ..Wanted::default() });
        for _ in 0..3 {
            let (_, answer) = gateway.get(EVENTS, "", "\n\n").await;
            assert!(answer.contains("hello"), "{answer}");
        }
        let (_, refused) = gateway.get(EVENTS, "", "gateway.closing").await;
        assert!(refused.contains(&format!(r#""reason":"{reason}","retryable":true"#)), "{refused}");
        let bad = gateway.get("/api/v1/events?channels=a&x=y", "", "}").await.1;
        assert_eq!(problem(&bad).0, 400, "what is wrong for good is told first");
    }
}

#[tokio::test]
async fn a_peer_that_has_its_connections_gets_no_further_one() {
    let door = Door::new(std::num::NonZeroUsize::new(3), TrustedProxies::default());
    let gateway = Gateway::start(Wanted { options: connections(100, door.clone()), ..Wanted::default() });
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(gateway.get(EVENTS, "", "hello").await);
    }
    let mut further = gateway.connect().await;
    let _ = further.write_all(b"GET / HTTP/1.1\r\n\r\n").await;
    assert_eq!(read_until(&mut further, "HTTP").await, "", "closed without a word");
    assert_eq!(door.refused(), 1);
    held.pop();
    gateway_serves_again(&gateway).await;
}

/// Waits until a stream opens.
async fn gateway_serves_again(gateway: &Gateway) {
    let began = Instant::now();
    loop {
        let mut socket = gateway.connect().await;
        let _ = socket.write_all(format!("GET {EVENTS} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).await;
        if read_until(&mut socket, "hello").await.contains("hello") {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "nobody is served");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn who_sends_half_a_head_is_told_that_it_took_too_long() {
    let mut options = connections(50, Arc::default());
    options.connections.head_timeout = Duration::from_millis(300);
    let gateway = Gateway::start(Wanted { options, ..Wanted::default() });
    let (_, answer) = gateway.exchange("GET /api/v1/events HTTP/1.1\r\nHost: a\r\nX: ", "}").await;
    let (status, body) = problem(&answer);
    assert_eq!((status, body["type"].as_str()), (408, Some("https://eventsgateway.dev/problems/request-timeout")));
}

#[tokio::test]
async fn connections_that_send_half_a_head_keep_nobody_out_and_streams_stay() {
    let door: Arc<Door> = Arc::default();
    let gateway = Gateway::start(Wanted { options: connections(50, door.clone()), ..Wanted::default() });
    let mut streams = Vec::new();
    for _ in 0..10 {
        streams.push(gateway.get(EVENTS, "", "hello").await.0);
    }
    let mut halves = Vec::new();
    for _ in 0..200 {
        let mut half = gateway.connect().await;
        let _ = half.write_all(b"GET /api/v1/events?channels=a HTTP/1.1\r\nHost: loc").await;
        halves.push(half);
    }
    let began = Instant::now();
    for _ in 0..20 {
        streams.push(gateway.get(EVENTS, "", "hello").await.0);
    }
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(gateway.replica.connections().open(), 30, "no stream gave way");
    assert!(door.gave_way() >= 150, "{}", door.gave_way());
}

#[tokio::test]
async fn the_kernel_holds_little_for_a_peer_that_does_not_read() {
    let listener = bind("127.0.0.1:0".parse().unwrap(), &Connections::default()).unwrap();
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let _peer = socket.connect(listener.local_addr().unwrap()).await.unwrap();
    let (stream, _) = listener.accept().unwrap();
    stream.set_nonblocking(true).unwrap();
    let mut taken = 0;
    while let Ok(count) = std::io::Write::write(&mut (&stream), &[0; 64 << 10]) {
        taken += count;
        assert!(taken <= 1 << 20, "{taken} bytes, and more");
        // The kernel may find room for what it sends meanwhile.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(taken >= 64 << 10, "{taken}");
}
