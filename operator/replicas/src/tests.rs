//! The client against servers that behave badly.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::*;

const TOKEN: &str = "0123456789abcdef-secret";
const STATUS: &str = concat!(
    r#"{"replica":"r1","pod":"gateway-0","version":"0.1.0","state":"serving","drained":false,"#,
    r#""connections":3,"channels":2,"redis":{"up":true},"kafka":[]}"#,
);

/// A server whose answer, after the head of a request was read, are these bytes; what it read.
async fn server(answer: impl Into<Vec<u8>>) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let (answer, (sender, heads)) = (answer.into(), mpsc::unbounded_channel());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let (answer, sender) = (answer.clone(), sender.clone());
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(socket.read_u8().await.unwrap());
                }
                let _ = sender.send(String::from_utf8(head).unwrap());
                let _ = socket.write_all(&answer).await;
                if answer.is_empty() {
                    std::future::pending::<()>().await;
                }
            });
        }
    });
    (address, heads)
}

fn http(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn client() -> Client {
    Client::new(TOKEN).unwrap()
}

#[tokio::test]
async fn a_status_is_asked_for_with_the_token() {
    let (address, mut heads) = server(http("200 OK", STATUS)).await;
    let status = client().status(address).await.unwrap();
    assert_eq!((status.replica.as_str(), status.connections), ("r1", 3));
    let head = heads.recv().await.unwrap().to_ascii_lowercase();
    assert!(head.starts_with("get /status http/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("\r\nauthorization: bearer {TOKEN}\r\n")), "{head}");
    assert!(head.contains(&format!("\r\nhost: {address}\r\n")), "{head}");
}

#[tokio::test]
async fn what_is_told_is_posted() {
    let (address, mut heads) = server(http("200 OK", r#"{"state":"draining","changed":true}"#)).await;
    assert!(client().drain(address).await.unwrap());
    assert!(client().undrain(address).await.unwrap());
    client().pause(address, "a b").await.unwrap();
    client().resume(address, "orders").await.unwrap();
    for line in ["/drain", "/undrain", "/kafka/pause?group=a%20b", "/kafka/resume?group=orders"] {
        let head = heads.recv().await.unwrap();
        assert!(head.starts_with(&format!("POST {line} HTTP/1.1\r\n")), "{head}");
    }
}

#[tokio::test]
async fn each_failure_has_its_category_and_none_shows_the_token() {
    let problem = r#"{"type":"x","detail":"there is no group \"x\""}"#;
    let endless = format!("HTTP/1.1 200 OK\r\n\r\n{}", " ".repeat(2 << 20));
    for (answer, category, told) in [
        (http("401 Unauthorized", problem), "unauthorized", "another admin token"),
        (http("400 Bad Request", problem), "refused", "status 400: there is no group"),
        (http("500 Oops", "<html>"), "refused", "no reason given"),
        (http("302 Found\r\nLocation: http://127.0.0.1:1/status", ""), "refused", "status 302"),
        (http("200 OK", "{}"), "malformed", "understand"),
        (http("200 OK", "HTTP"), "malformed", "understand"),
        (endless, "too-large", "1 MiB"),
        ("SSH-2.0-x\r\n".to_owned(), "exchange", "talk"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{".to_owned(), "exchange", "talk"),
    ] {
        let (address, _heads) = server(answer).await;
        let error = client().status(address).await.unwrap_err();
        assert_eq!(error.category(), category, "{error:?}");
        assert!(error.to_string().contains(told), "{error}");
        assert!(!format!("{error:?} {error}").contains(TOKEN));
    }
    let unused = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert_eq!(client().status(unused).await.unwrap_err().category(), "connect");
    assert!(!format!("{:?}", client()).contains(TOKEN));
    assert_eq!(Client::new("a\nb").unwrap_err().category(), "token");
}

#[tokio::test]
async fn a_detail_is_told_in_part() {
    let problem = format!(r#"{{"detail":"{}"}}"#, "x".repeat(1_000));
    let (address, _heads) = server(http("503 Unavailable", &problem)).await;
    let Err(ReplicaError::Refused { detail, status: 503 }) = client().status(address).await else { panic!() };
    assert_eq!(detail.len(), 200);
}

#[tokio::test]
async fn who_never_answers_is_given_up_in_time() {
    let (address, _heads) = server("").await;
    let bounds = Bounds { call: Duration::from_millis(200), ..Bounds::default() };
    let hasty = Client { bounds, ..client() };
    let began = Instant::now();
    assert_eq!(hasty.status(address).await.unwrap_err().category(), "timeout");
    assert!(began.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn many_are_asked_at_once_but_not_all() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (counted, highest) = (now, most.clone());
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let (now, most) = (counted.clone(), highest.clone());
            tokio::spawn(async move {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                let _ = socket.read(&mut [0; 1024]).await;
                sleep(Duration::from_millis(50)).await;
                now.fetch_sub(1, Ordering::SeqCst);
                let _ = socket.write_all(http("200 OK", STATUS).as_bytes()).await;
            });
        }
    });
    let unused = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mut addresses = vec![address; 100];
    addresses[7] = unused;
    let answers = client().survey(&addresses).await;
    let failed: Vec<_> = (0..100).filter(|index| answers[*index].is_err()).collect();
    assert_eq!(failed, [7], "in the order of the addresses");
    let most = most.load(Ordering::SeqCst);
    assert!((16..=AT_A_TIME).contains(&most), "{most} at a time");
}
