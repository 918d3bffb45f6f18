//! Paths of existing frontends: each answer is held against the description, as all are.

use super::*;
use crate::http::openapi::tests::aliases;

const FEEDS: &str = "  \
    - {path: '/users/{user}/feed', channels: ['user:{user}'], format: envelope, parameters: [{name: kinds, is: types}, \
       {name: agents, is: attributes, attributes: [sender]}, {name: processes, is: channels, channel: 'process:{value}'}, \
       {name: since, is: cursor}, {name: _, is: ignored}]}\n  \
    - {path: /feed/, parameters: [{name: rooms, is: channels, channel: 'room:{value}'}]}\n  \
    - {path: /everything, channels: [all]}\n  \
    - {path: '/sockets/{user}', channels: ['user:{user}'], serves: websocket, parameters: [{name: kinds, is: types}]}\n";

fn gateway() -> Gateway {
    Gateway::start(Wanted { aliases: aliases(FEEDS), ..Wanted::default() })
}

#[tokio::test]
async fn an_alias_is_answered_as_the_stream_that_it_stands_for() {
    let gateway = gateway();
    for (target, channels) in [
        ("/users/ann/feed", "user:ann"),
        ("/users/a%2Fb/feed?kinds=paid&agents=&since=earliest&_=7", "user:a~2Fb"),
        ("/users/ann/feed?processes=7,8", "process:7 process:8 user:ann"),
        ("/feed/?rooms=1", "room:1"),
    ] {
        let (_socket, answer) = gateway.get(target, "", "hello\n\n").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("text/event-stream"), "{answer}");
        let asked = gateway.hub.asked.lock().pop().unwrap();
        let names: Vec<_> = asked.channels.as_slice().iter().map(ToString::to_string).collect();
        assert_eq!(names.join(" "), channels, "{target}");
    }
    let head = format!("HEAD /users/ann/feed HTTP/1.1\r\nHost: a\r\n{CLOSE}\r\n");
    let (_, answer) = gateway.exchange(&head, NEVER).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn what_an_alias_refuses_is_a_problem_that_is_described() {
    let gateway = gateway();
    let many: Vec<_> = (0..13).map(|n| n.to_string()).collect();
    let long = "x".repeat(200);
    for (target, status, name) in [
        ("/users/ann/feed?channels=bob".to_owned(), 400, "unknown-parameter"),
        ("/users/ann/feed?kinds=a&kinds=b".to_owned(), 400, "repeated-parameter"),
        ("/users/ann/feed?kinds=%ff".to_owned(), 400, "invalid-parameter"),
        ("/users/ann/feed?kinds=a,,b".to_owned(), 400, "invalid-filter"),
        ("/users/ann/feed?processes=7,".to_owned(), 400, "invalid-channel"),
        (format!("/users/ann/feed?processes={}", many.join(",")), 400, "too-many-channels"),
        (format!("/users/{long}/feed"), 400, "invalid-channel"),
        ("/users/%ff/feed".to_owned(), 404, "not-found"),
        ("/users//feed".to_owned(), 404, "not-found"),
        ("/feed/".to_owned(), 400, "missing-channels"),
        ("/feed".to_owned(), 404, "not-found"),
        ("/everything".to_owned(), 403, "channel-not-served"),
        ("/sockets/ann".to_owned(), 426, "upgrade-required"),
        ("/sockets/ann?kinds=a&x=1".to_owned(), 400, "unknown-parameter"),
        ("/sockets/%ff".to_owned(), 404, "not-found"),
    ] {
        let (_, answer) = gateway.get(&target, CLOSE, NEVER).await;
        let (actual, body) = problem(&answer);
        assert_eq!(
            (actual, &body["type"]),
            (status, &format!("https://eventsgateway.dev/problems/{name}").into()),
            "{target}"
        );
    }
    let (_, answer) = gateway.get("/users/ann/feed", "Accept: application/json\r\n", NEVER).await;
    assert_eq!(problem(&answer).0, 406);
    let (_, answer) = gateway.exchange(&format!("POST /feed/ HTTP/1.1\r\nHost: a\r\n{CLOSE}\r\n"), NEVER).await;
    assert_eq!(problem(&answer).0, 405);
    gateway.replica.set_state(ReplicaState::Draining);
    let (_, answer) = gateway.get("/users/ann/feed", "Accept: application/json\r\nConnection: close\r\n", NEVER).await;
    assert_eq!(problem(&answer).0, 503);
    assert!(gateway.hub.asked.lock().is_empty());
}

#[tokio::test]
async fn an_alias_opens_a_websocket() {
    let gateway = gateway();
    let fields = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                  Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let (_socket, answer) = gateway.get("/sockets/ann?kinds=paid", fields, "\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    assert_eq!(gateway.hub.asked.lock()[0].channels.as_slice()[0].as_str(), "user:ann");
}
