//! A client that behaves as a browser's EventSource does, and remembers everything.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::{Event, Parser};
use crate::http::{Request, Stream};
use crate::wait;

/// How a client connects.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to connect: the first at first, the next one after each connection.
    pub addresses: Vec<SocketAddr>,
    /// Path and query.
    pub target: String,
    /// Further headers of every request.
    pub headers: Vec<(String, String)>,
    /// Sent with the first request, unless empty.
    pub last_event_id: String,
    /// Connect again after a connection ended, as an EventSource does.
    pub reconnect: bool,
    /// Give up for good on any status but 200, as an EventSource does. Otherwise try again: agents do.
    pub give_up: bool,
    /// The wait before a reconnection until the server says another `retry`.
    pub retry: Duration,
    /// Give a connection up after so long without a byte. A browser doesn't; agents that watch heartbeats do.
    pub silence: Option<Duration>,
}

impl Options {
    /// To `address`, asking for `target`, reconnecting, with a short first retry.
    #[must_use]
    pub fn new(address: SocketAddr, target: impl Into<String>) -> Self {
        Self {
            addresses: vec![address],
            target: target.into(),
            headers: Vec::new(),
            last_event_id: String::new(),
            reconnect: true,
            give_up: true,
            retry: Duration::from_millis(200),
            silence: None,
        }
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// One connection of a client, over or not.
#[derive(Debug, Clone)]
pub struct Connection {
    /// Who was asked.
    pub address: SocketAddr,
    /// When connecting began.
    pub began: Instant,
    /// The `Last-Event-ID` that was sent.
    pub resumed_from: String,
    /// The response's status, once it came.
    pub status: Option<u16>,
    /// The response's headers.
    pub headers: Vec<(String, String)>,
    /// When it was over, and why.
    pub ended: Option<(Instant, String)>,
}

/// An event, and where in the client's history it stands.
#[derive(Debug, Clone)]
pub struct Received {
    /// Index of the connection that brought it.
    pub connection: usize,
    /// When it was dispatched.
    pub at: Instant,
    /// The event.
    pub event: Event,
}

/// Everything that a client saw.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// Connections, oldest first.
    pub connections: Vec<Connection>,
    /// Events of all connections in the order of their arrival.
    pub events: Vec<Received>,
    /// Comments (heartbeats) of all connections.
    pub comments: u64,
    /// What browsers forgive and careful servers don't send.
    pub violations: Vec<String>,
    /// The last event id as an EventSource knows it.
    pub last_event_id: String,
    /// The last `retry`, milliseconds.
    pub retry: Option<u64>,
    /// Why the client gave up for good, if it did.
    pub failed: Option<String>,
}

/// A client on a task of its own. Dropping it closes its connection.
#[derive(Debug)]
pub struct Client {
    history: Arc<Mutex<History>>,
    task: JoinHandle<()>,
}

impl Client {
    /// Begins to connect, on the current runtime.
    #[must_use]
    pub fn open(options: Options) -> Self {
        let history =
            Arc::new(Mutex::new(History { last_event_id: options.last_event_id.clone(), ..History::default() }));
        let task = tokio::spawn(run(options, Arc::clone(&history)));
        Self { history, task }
    }

    /// [`Client::open`], and waits for a stream to be there: a response of 200 with its first event.
    ///
    /// # Errors
    /// When there is none within `bound`.
    pub async fn opened(options: Options, bound: Duration) -> Result<Self> {
        let client = Self::open(options);
        client.wait_for("an open stream", bound, |history| !history.events.is_empty()).await?;
        Ok(client)
    }

    /// The history so far.
    pub fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All events so far.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        self.history().events.iter().map(|received| received.event.clone()).collect()
    }

    /// The events so far that are a publisher's, not the gateway's own.
    #[must_use]
    pub fn published(&self) -> Vec<Event> {
        let mut events = self.events();
        events.retain(|event| !event.kind.starts_with("gateway."));
        events
    }

    /// Waits until `condition` holds of the history.
    ///
    /// # Errors
    /// After `bound`, with the end of the history.
    pub async fn wait_for(&self, what: &str, bound: Duration, condition: impl Fn(&History) -> bool) -> Result<()> {
        let waited = wait::until_true(what, bound, || condition(&self.history())).await;
        waited.with_context(|| self.describe())
    }

    /// Waits for `count` events of publishers.
    ///
    /// # Errors
    /// After `bound`.
    pub async fn wait_for_published(&self, count: usize, bound: Duration) -> Result<Vec<Event>> {
        self.wait_for(&format!("{count} events"), bound, |history| {
            history.events.iter().filter(|received| !received.event.kind.starts_with("gateway.")).count() >= count
        })
        .await?;
        Ok(self.published())
    }

    /// Closes the connection for good and gives the history.
    #[must_use]
    pub fn close(self) -> History {
        self.task.abort();
        self.history().clone()
    }

    /// The end of the history, for messages.
    #[must_use]
    pub fn describe(&self) -> String {
        let history = self.history();
        let events: Vec<String> = history
            .events
            .iter()
            .rev()
            .take(5)
            .map(|received| {
                let data: String = received.event.data.chars().take(200).collect();
                format!("  {} {} {data:?}", received.event.kind, received.event.id)
            })
            .collect();
        format!(
            "a client with {} events, the last ones first:\n{}\nconnections: {:#?}\nfailed: {:?}",
            history.events.len(),
            events.join("\n"),
            history.connections.iter().rev().take(3).collect::<Vec<_>>(),
            history.failed,
        )
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(history: &Mutex<History>) -> MutexGuard<'_, History> {
    history.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn run(options: Options, history: Arc<Mutex<History>>) {
    for turn in 0.. {
        let address = options.addresses[turn % options.addresses.len()];
        let resumed_from = lock(&history).last_event_id.clone();
        lock(&history).connections.push(Connection {
            address,
            began: Instant::now(),
            resumed_from: resumed_from.clone(),
            status: None,
            headers: Vec::new(),
            ended: None,
        });
        let outcome = read(&options, address, &resumed_from, turn, &history).await;
        let Some(retry) = end(&options, turn, outcome, &mut lock(&history)) else {
            return;
        };
        sleep(retry).await;
    }
}

/// Notes how a connection ended; gives the wait before the next one, or nothing when there is to be none.
fn end(options: &Options, turn: usize, outcome: Result<Ending>, history: &mut History) -> Option<Duration> {
    let reason = match outcome {
        Ok(Ending::Complete) => "the response ended".to_owned(),
        Ok(Ending::Refused(reason)) if !options.give_up => reason,
        Ok(Ending::Refused(reason)) => {
            history.failed = Some(reason.clone());
            reason
        }
        Err(error) => format!("{error:#}"),
    };
    history.connections[turn].ended = Some((Instant::now(), reason));
    let again = history.failed.is_none() && options.reconnect;
    again.then(|| history.retry.map_or(options.retry, Duration::from_millis))
}

enum Ending {
    Complete,
    Refused(String),
}

async fn read(
    options: &Options,
    address: SocketAddr,
    resumed_from: &str,
    turn: usize,
    history: &Mutex<History>,
) -> Result<Ending> {
    let mut request = Request::get(&options.target).header("Accept", "text/event-stream");
    request.headers.extend(options.headers.iter().cloned());
    if !resumed_from.is_empty() {
        request = request.header("Last-Event-ID", resumed_from);
    }
    let mut stream = Stream::open(address, &request).await?;
    let head = stream.head().clone();
    {
        let connection = &mut lock(history).connections[turn];
        connection.status = Some(head.status);
        connection.headers.clone_from(&head.headers);
    }
    let kind = head.header("content-type").unwrap_or_default();
    if head.status != 200 {
        return Ok(Ending::Refused(format!("status {}", head.status)));
    }
    if !kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/event-stream")) {
        return Ok(Ending::Refused(format!("content type {kind:?}")));
    }
    let mut parser = Parser::resuming(resumed_from);
    loop {
        let part = match options.silence {
            None => stream.part().await?,
            Some(silence) => match timeout(silence, stream.part()).await {
                Ok(part) => part?,
                Err(_) => bail!("silent for {silence:?}"),
            },
        };
        let Some(part) = part else { return Ok(Ending::Complete) };
        let before = parser.comments();
        let mut events = Vec::new();
        parser.feed(&part, |event| events.push(event));
        let at = Instant::now();
        let mut history = lock(history);
        history.events.extend(events.into_iter().map(|event| Received { connection: turn, at, event }));
        history.comments += parser.comments() - before;
        history.violations.extend(parser.take_violations());
        parser.last_event_id().clone_into(&mut history.last_event_id);
        if parser.retry().is_some() {
            history.retry = parser.retry();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    const BOUND: Duration = Duration::from_secs(10);

    /// Answers each connection with the next text, and gives the requests' heads.
    async fn serve(answers: Vec<&'static str>) -> (SocketAddr, JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let task = tokio::spawn(async move {
            let mut requests = Vec::new();
            for answer in answers {
                let (mut socket, _) = listener.accept().await.expect("a connection");
                let mut request = vec![0; 4096];
                let length = socket.read(&mut request).await.expect("a request");
                requests.push(String::from_utf8_lossy(&request[..length]).into_owned());
                socket.write_all(answer.as_bytes()).await.expect("an answer is taken");
            }
            requests
        });
        (address, task)
    }

    #[tokio::test]
    async fn a_client_resumes_where_the_last_complete_block_left_it_and_minds_retry() {
        let (address, server) = serve(vec![
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nretry: 5\nid: 1\ndata: a\n\nid: 2\ndata: lost\n",
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\r\nid: 2\ndata: b\n\n",
            "HTTP/1.1 204 No Content\r\n\r\n",
        ])
        .await;
        let options = Options { retry: Duration::from_secs(3600), ..Options::new(address, "/events") };
        let client = Client::open(options);
        client.wait_for("the end", BOUND, |history| history.failed.is_some()).await.expect("204 ends it");
        let requests = server.await.expect("the server ends");
        assert!(!requests[0].contains("Last-Event-ID"), "{}", requests[0]);
        assert!(requests[1].contains("Last-Event-ID: 1\r\n"), "{}", requests[1]);
        assert!(requests[2].contains("Last-Event-ID: 2\r\n"), "{}", requests[2]);
        let data: Vec<_> = client.events().into_iter().map(|event| event.data).collect();
        assert_eq!(data, ["a", "b"]);
        assert_eq!(client.history().events[1].connection, 1);
    }

    #[tokio::test]
    async fn a_wrong_status_or_type_ends_a_client_for_good() {
        for answer in [
            "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n",
        ] {
            let (address, _server) = serve(vec![answer]).await;
            let client = Client::open(Options::new(address, "/events"));
            client.wait_for("the end", BOUND, |history| history.failed.is_some()).await.expect("it gives up");
            assert_eq!(client.history().connections.len(), 1);
        }
    }
}
