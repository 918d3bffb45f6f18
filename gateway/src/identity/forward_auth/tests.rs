//! A service that we play, well or badly.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::AtomicUsize;

use super::*;

/// What the service does with a request; it has its head.
pub(crate) type Serve = Arc<dyn Fn(&str, TcpStream) + Send + Sync>;

/// A service on a port of its own: each connection has one request, and a thread. Also how often it was asked.
pub(crate) fn server(serve: Serve) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/session", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let (mut socket, serve, count) = (socket.unwrap(), serve.clone(), count.clone());
            std::thread::spawn(move || {
                let (mut head, mut buffer) = (String::new(), [0; 4_096]);
                while !head.contains("\r\n\r\n") {
                    match socket.read(&mut buffer) {
                        Ok(0) | Err(_) => return,
                        Ok(read) => head.push_str(&String::from_utf8_lossy(&buffer[..read])),
                    }
                }
                count.fetch_add(1, Ordering::SeqCst);
                serve(&head, socket);
            });
        }
    });
    (url, asked)
}

pub(crate) fn answer(mut socket: TcpStream, head: &str, body: &[u8]) {
    let head = format!("HTTP/1.1 {head}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    let _ = socket.write_all(head.as_bytes()).and_then(|()| socket.write_all(body));
}

fn answering(head: &'static str, body: impl Into<Vec<u8>>) -> Serve {
    let body = body.into();
    Arc::new(move |_, socket| answer(socket, head, &body))
}

pub(super) fn options(url: &str) -> Options {
    Options {
        url: url.to_owned(),
        ca_file: None,
        issuer: "session".into(),
        timeout: Duration::from_secs(2),
        cache: Duration::from_secs(5),
        lifetime: Duration::from_secs(900),
    }
}

pub(super) fn question(session: &str) -> Question {
    let mut question = Question::default();
    question.add("x-tenant", b"shop");
    question.add("cookie", format!("session={session}").as_bytes());
    question
}

/// Answers each session with its own name.
fn honest() -> Serve {
    Arc::new(|head, socket| {
        let session =
            head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("cookie: session=").map(str::to_owned));
        let is_whole =
            head.starts_with("GET /session ") && head.to_ascii_lowercase().contains("\r\nx-tenant: shop\r\n");
        match session.filter(|session| is_whole && session != "nobody") {
            Some(session) => answer(socket, "200 OK", format!(r#"{{"sub":"{session}"}}"#).as_bytes()),
            None => answer(socket, "401 Unauthorized", b""),
        }
    })
}

fn subject(answer: &Answer) -> Option<&str> {
    match answer {
        Answer::Proven(identity) => Some(&identity.subject),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_is_asked_once_at_a_time_and_again_only_when_its_answer_holds_no_more() {
    let (url, asked) = server(honest());
    let service = ForwardAuth::new(Options { cache: Duration::from_millis(700), ..options(&url) });
    let together = (0..50).map(|_| {
        let service = service.clone();
        tokio::spawn(async move { service.ask(question("ann")).await })
    });
    for answer in futures_util::future::join_all(together).await {
        assert_eq!(subject(&answer.unwrap()), Some("ann"));
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1, "fifty at once are one question");
    assert_eq!(subject(&service.ask(question("bob")).await), Some("bob"), "another is another");
    assert_eq!(service.ask(question("nobody")).await, Answer::Unknown);
    assert_eq!(service.ask(question("nobody")).await, Answer::Unknown);
    assert_eq!(asked.load(Ordering::SeqCst), 3, "a refusal is remembered too");
    tokio::time::sleep(Duration::from_millis(800)).await;
    assert_eq!(subject(&service.ask(question("ann")).await), Some("ann"));
    assert_eq!(asked.load(Ordering::SeqCst), 4);
    let counts: Vec<u64> = service.counts().map(|(_, count)| count).collect();
    assert_eq!(counts, [50, 3, 1, 0, 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_never_holds_past_its_end_and_not_at_all_where_none_is_to_be_kept() {
    let ends = (now().0 + 1_500) as f64 / 1_000.0;
    let (url, asked) = server(answering("200 OK", format!(r#"{{"sub":"ann","exp":{ends}}}"#)));
    let service = ForwardAuth::new(options(&url));
    let Answer::Proven(ann) = service.ask(question("x")).await else { panic!("it is ann") };
    assert!(ann.expires.abs_diff((ends * 1_000.0) as u64) <= 1, "{}", ann.expires);
    tokio::time::sleep(Duration::from_millis(1_600)).await;
    assert_eq!(service.ask(question("x")).await, Answer::Unknown, "it is over");
    assert_eq!(asked.load(Ordering::SeqCst), 2);

    let (url, asked) = server(honest());
    let service = ForwardAuth::new(Options { cache: Duration::ZERO, ..options(&url) });
    for _ in 0..3 {
        assert_eq!(subject(&service.ask(question("ann")).await), Some("ann"));
    }
    assert_eq!(asked.load(Ordering::SeqCst), 3);
}

/// Services that are hostile, or broken.
fn hostile() -> Vec<(&'static str, Serve)> {
    let ann = r#"{"sub":"ann"}"#;
    let (elsewhere, _) = server(answering("200 OK", ann));
    let redirect = move |status: &'static str| -> Serve {
        let elsewhere = elsewhere.clone();
        Arc::new(move |_, socket| answer(socket, &format!("{status} X\r\nLocation: {elsewhere}"), b""))
    };
    vec![
        ("a redirect", redirect("302")),
        ("a redirect that keeps the method", redirect("307")),
        ("a permanent redirect", redirect("308")),
        ("an error with claims", answering("500 Oops", ann)),
        ("unavailable", answering("503 Later", ann)),
        ("created", answering("201 Created", ann)),
        ("no content", answering("204 No Content", "")),
        ("partial", answering("206 Partial", ann)),
        ("not found", answering("404 Not Found", ann)),
        ("too many", answering("429 Slow", ann)),
        ("teapot", answering("418 Teapot", ann)),
        ("a login page", answering("200 OK", "<!doctype html><title>Log in</title>")),
        ("nothing", answering("200 OK", "")),
        ("a list", answering("200 OK", format!("[{ann}]"))),
        ("a text", answering("200 OK", "\"ann\"")),
        ("null", answering("200 OK", "null")),
        ("claims twice", answering("200 OK", format!("{ann}{ann}"))),
        ("a member twice", answering("200 OK", r#"{"sub":"ann","sub":"bob"}"#)),
        ("no subject", answering("200 OK", r#"{"name":"ann"}"#)),
        ("a subject that is no text", answering("200 OK", r#"{"sub":7}"#)),
        ("no subject's name", answering("200 OK", r#"{"sub":""}"#)),
        ("an end as text", answering("200 OK", r#"{"sub":"ann","exp":"9999999999"}"#)),
        ("a null end", answering("200 OK", r#"{"sub":"ann","exp":null}"#)),
        ("a negative end", answering("200 OK", r#"{"sub":"ann","exp":-5}"#)),
        ("an endless end", answering("200 OK", r#"{"sub":"ann","exp":1e99}"#)),
        ("a large answer", answering("200 OK", format!("{}{ann}", " ".repeat(65 << 10)))),
        (
            "deep claims",
            answering("200 OK", format!(r#"{{"sub":"ann","a":{}1{}}}"#, "[".repeat(10_000), "]".repeat(10_000))),
        ),
        ("not UTF-8", answering("200 OK", vec![b'{', 0xff, b'}'])),
        ("compressed", answering("200 OK\r\nContent-Encoding: gzip", b"\x1f\x8b\x08\0\0\0\0\0".to_vec())),
        ("no HTTP", Arc::new(|_, mut socket| drop(socket.write_all(b"hello")))),
        ("an end before the head", Arc::new(|_, socket| drop(socket))),
        (
            "an end before the end",
            Arc::new(|_, mut socket| {
                let _ = socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"sub\":\"ann\"}");
            }),
        ),
        (
            "a head without an end",
            Arc::new(|_, mut socket| {
                let _ = socket.write_all(b"HTTP/1.1 200 OK\r\n");
                while socket.write_all(b"X: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n").is_ok() {}
            }),
        ),
        (
            "a body without an end",
            Arc::new(|_, mut socket| {
                let _ = socket.write_all(b"HTTP/1.1 200 OK\r\n\r\n{\"sub\":\"ann\"}");
                while socket.write_all(&[b' '; 4_096]).is_ok() {}
            }),
        ),
        (
            "a byte at a time",
            Arc::new(|_, mut socket| {
                let _ = socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
                while socket.write_all(b" ").is_ok() {
                    std::thread::sleep(Duration::from_millis(50));
                }
            }),
        ),
        (
            "silence",
            Arc::new(|_, socket| {
                std::thread::sleep(Duration::from_secs(20));
                drop(socket);
            }),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_let_in_by_a_service_that_is_hostile_or_broken_and_everybody_may_come_again() {
    let mut tried = 0;
    for (what, serve) in hostile() {
        let (url, asked) = server(serve);
        let service = ForwardAuth::new(Options { timeout: Duration::from_secs(1), ..options(&url) });
        let began = Instant::now();
        assert_eq!(service.ask(question("ann")).await, Answer::Unavailable, "{what}");
        assert!(began.elapsed() < Duration::from_secs(4), "{what}: {:?}", began.elapsed());
        assert!(asked.load(Ordering::SeqCst) >= 1, "{what}");
        tried += 1;
    }
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let service = ForwardAuth::new(options(&format!("http://{closed}/")));
    assert_eq!(service.ask(question("ann")).await, Answer::Unavailable, "a port where nobody listens");
    println!("forward auth: {tried} hostile or broken services, 0 let anybody in");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whom_the_service_refuses_is_refused_for_good() {
    for (head, body, expected) in [
        ("401 Unauthorized", r#"{"sub":"ann"}"#, Answer::Unknown),
        ("403 Forbidden", r#"{"sub":"ann"}"#, Answer::Forbidden),
        ("200 OK", r#"{"sub":"ann","exp":1000000000}"#, Answer::Unknown),
        ("200 OK", r#"{"sub":"ann","exp":0.5}"#, Answer::Unknown),
        ("200 OK", r#"{"sub":"ann","nbf":9000000000}"#, Answer::Unknown),
    ] {
        let (url, _) = server(answering(head, body));
        assert_eq!(ForwardAuth::new(options(&url)).ask(question("ann")).await, expected, "{head} {body}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_many_are_asked_at_once_and_the_others_may_come_again() {
    let (url, asked) = server(Arc::new(|_, socket| {
        std::thread::sleep(Duration::from_secs(20));
        drop(socket);
    }));
    let service = ForwardAuth::new(Options { timeout: Duration::from_secs(3), ..options(&url) });
    let began = Instant::now();
    let each = (0..200).map(|number| {
        let service = service.clone();
        tokio::spawn(async move { service.ask(question(&number.to_string())).await })
    });
    for answer in futures_util::future::join_all(each).await {
        assert_eq!(answer.unwrap(), Answer::Unavailable);
    }
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert!(asked.load(Ordering::SeqCst) <= MOST_CALLS, "{}", asked.load(Ordering::SeqCst));
    let crowded = service.counts().find_map(|(outcome, count)| (outcome == Outcome::Crowded).then_some(count));
    assert_eq!(crowded, Some(200 - MOST_CALLS as u64));
}
