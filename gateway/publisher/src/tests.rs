//! Against a server of a few lines that answers as it is told.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};

use events_gateway_core::channel::escape_segment;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// A gateway that gives these answers, one to each request, and tells what was sent: header lines and the events.
fn gateway(answers: Vec<(u16, Value)>) -> (String, Receiver<(String, Vec<Value>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (told, asked) = channel();
    thread::spawn(move || {
        for (status, answer) in answers {
            let (socket, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(socket);
            let (mut head, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                if line == "\r\n" {
                    break;
                }
                head += &line;
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let answer = answer.to_string();
            let bytes = answer.len();
            write!(
                reader.get_mut(),
                "HTTP/1.1 {status} X\r\nConnection: close\r\nRetry-After: 0\r\nContent-Length: {bytes}\r\n\r\n{answer}"
            )
            .unwrap();
            let _ = told.send((head, serde_json::from_slice(&body).unwrap()));
        }
    });
    (url, asked)
}

fn each(statuses: &[u16]) -> Value {
    json!({ "topic": "t", "events": statuses.iter().map(|status| json!({ "status": status })).collect::<Vec<_>>() })
}

fn numbered(number: u64) -> Event {
    Event::to("orders").data(&number).unwrap()
}

fn numbers(events: &[Value]) -> Vec<u64> {
    events.iter().map(|event| event["data"].as_u64().unwrap()).collect()
}

const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn events_are_sent_in_batches_in_the_order_of_the_calls() {
    let (url, asked) = gateway(vec![(202, each(&[202])), (202, each(&[202, 202]))]);
    let publisher = Publisher::builder(&url).batch(2, 1 << 20).bearer(|| "secret".into()).build().unwrap();
    publisher
        .publish(Event::to_user("a@b.c").and_to("audit").kind("paid").key("k").attribute("x", "y").id("1"))
        .unwrap();
    publisher.flush(PATIENCE).unwrap();
    let (head, events) = asked.recv().unwrap();
    assert!(head.starts_with("POST /api/v1/events HTTP/1.1\r\n"), "{head}");
    assert!(head.to_lowercase().contains("authorization: bearer secret\r\n"), "{head}");
    let expected = json!({ "channels": ["user:a~40b.c", "audit"], "type": "paid", "id": "1", "key": "k", "attributes": { "x": "y" } });
    assert_eq!(events, [expected]);
    publisher.publish(numbered(1)).unwrap();
    publisher.publish(numbered(2)).unwrap();
    publisher.flush(PATIENCE).unwrap();
    assert_eq!(numbers(&asked.recv().unwrap().1), [1, 2]);
    assert_eq!(publisher.counters(), Counters { sent: 3, ..Counters::default() });
}

#[test]
fn what_is_not_taken_is_sent_again_with_the_same_id_and_the_rest_is_not() {
    let (url, asked) = gateway(vec![
        (503, json!({})),
        (207, json!({ "events": [{ "status": 202 }, { "status": 503 }, { "status": 400, "detail": "no" }] })),
        (202, each(&[202])),
    ]);
    let publisher = Publisher::new(&url).unwrap();
    (1..=3).for_each(|number| publisher.publish(numbered(number)).unwrap());
    publisher.flush(PATIENCE).unwrap();
    let first = asked.recv().unwrap().1;
    let second = asked.recv().unwrap().1;
    let third = asked.recv().unwrap().1;
    assert_eq!(first, second);
    assert_eq!(third, [second[1].clone()], "with its id");
    assert_eq!(third[0]["id"].as_str().unwrap().len(), 32);
    assert_eq!(publisher.counters(), Counters { sent: 2, retried: 4, given_up: 1, queued: 0 });
}

#[test]
fn what_is_too_much_at_once_is_sent_in_parts() {
    let large = || (413, json!({ "detail": "at most 1 event" }));
    let one = || (202, each(&[202]));
    let (url, asked) = gateway(vec![large(), one(), large(), one(), large()]);
    let publisher = Publisher::new(&url).unwrap();
    (1..=3).for_each(|number| publisher.publish(numbered(number)).unwrap());
    publisher.flush(PATIENCE).unwrap();
    let sent: Vec<_> = asked.iter().take(5).map(|(_, events)| numbers(&events)).collect();
    assert_eq!(sent, [vec![1, 2, 3], vec![1], vec![2, 3], vec![2], vec![3]]);
    assert_eq!(publisher.counters(), Counters { sent: 2, given_up: 1, ..Counters::default() });
}

#[test]
fn nobody_is_kept_waiting_and_a_full_queue_says_so() {
    // A listener that accepts and never answers.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let publisher = Publisher::builder(&url).queue(3, 1_000).max_event_bytes(500).build().unwrap();
    let began = std::time::Instant::now();
    (1..=3).for_each(|number| publisher.publish(numbered(number)).unwrap());
    let full = publisher.publish(numbered(4)).unwrap_err();
    assert!(matches!(full, PublishError::Full { events: 3, .. }), "{full}");
    let large = publisher.publish(Event::to("a").data(&"x".repeat(500)).unwrap()).unwrap_err();
    assert!(matches!(large, PublishError::TooLarge { most: 500, .. }), "{large}");
    assert_eq!(publisher.flush(Duration::from_millis(50)), Err(Unflushed(3)));
    assert_eq!(publisher.counters(), Counters { given_up: 2, queued: 3, ..Counters::default() });
    drop(publisher);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[test]
fn what_was_tried_for_too_long_is_given_up() {
    let publisher = Publisher::builder("http://127.0.0.1:1").give_up_after(Duration::from_millis(300)).build().unwrap();
    publisher.publish(numbered(1)).unwrap();
    publisher.flush(PATIENCE).unwrap();
    let counters = publisher.counters();
    assert_eq!((counters.sent, counters.given_up, counters.queued), (0, 1, 0));
    assert!(counters.retried > 0);
}

#[test]
fn a_url_is_that_of_a_gateway() {
    for url in
        ["", "gateway:8080", "ftp://gateway", "http://user:secret@gateway", "http://gateway/api", "http://gateway?x"]
    {
        assert!(matches!(Publisher::new(url), Err(BuildError::Url)), "{url}");
    }
    assert!(Publisher::new("https://gateway.example:8443/").is_ok());
    assert!(matches!(Publisher::builder("http://a").authorities("x").build(), Err(BuildError::Authorities)));
}

proptest! {
    #[test]
    fn a_segment_is_what_the_gateway_makes_of_the_same_text(text in "\\PC{1,40}") {
        let ours = Event::segment(&text);
        prop_assert_eq!(Some(ours), escape_segment(&text).ok());
    }
}
