//! Clients as browsers are, half through the Service and half through the ingress controller.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use events_gateway_harness::Ledger;
use events_gateway_harness::ledger::{Observed, Verdict};
use events_gateway_harness::sse::{Client, Options};
use events_gateway_harness::wait;
use events_gateway_suites::observed;
use events_gateway_suites::platform::events_of;
use tokio::time::Instant;

/// How long opening all clients may take.
const OPEN: Duration = Duration::from_secs(90);

/// A way to the replicas.
#[derive(Debug, Clone)]
pub(crate) struct Way {
    pub(crate) address: SocketAddr,
    /// The host that is asked for, where the way goes by it.
    pub(crate) host: Option<&'static str>,
}

impl Way {
    pub(crate) fn options(&self, channels: &[String]) -> Options {
        let options = Options::new(self.address, events_of(channels));
        match self.host {
            Some(host) => options.header("Host", host),
            None => options,
        }
    }
}

struct Reader {
    name: String,
    channels: [String; 2],
    client: Client,
    /// What it saw, as far as it was translated, and how many of its events that are.
    observed: Vec<Observed>,
    translated: usize,
    /// When it was told to go because its replica drains.
    drained: Vec<Instant>,
}

impl Reader {
    fn catch_up(&mut self) {
        let history = self.client.history();
        self.observed.extend(observed::since(&history, self.translated));
        let closed = history.events[self.translated..]
            .iter()
            .filter(|received| received.event.kind == "gateway.closing" && received.event.json()["reason"] == "drain");
        self.drained.extend(closed.map(|received| received.at));
        self.translated = history.events.len();
    }

    fn has_last(&self, ledger: &Ledger) -> bool {
        self.channels.iter().all(|channel| {
            let last = ledger.produced(channel);
            let is_last = |item: &&Observed| {
                matches!(item, Observed::Event { channel: other, sequence } if other == channel && *sequence == last)
            };
            last == 0 || self.observed.iter().rev().any(|item| is_last(&item))
        })
    }
}

/// What one client saw since a moment.
pub(crate) struct Tail {
    /// Whose.
    pub(crate) name: String,
    /// Its channels, and how many events of each it had had.
    pub(crate) channels: [(String, u64); 2],
    /// What it saw.
    pub(crate) observed: Vec<Observed>,
}

/// What all clients saw until now.
#[derive(Debug, Default, Clone)]
pub(crate) struct Seen {
    pub(crate) verdict: Verdict,
    /// When clients were told to go because their replica drains, in order.
    pub(crate) drained: Vec<Instant>,
}

/// Clients that reconnect with what they have, each reading two channels.
pub(crate) struct Readers(Vec<Reader>);

impl Readers {
    /// Opens as many clients as there are channels, over these ways in turn.
    pub(crate) async fn open(channels: &[String], ways: &[Way]) -> Result<Self> {
        let mut readers = Vec::new();
        for (index, channel) in channels.iter().enumerate() {
            // Far enough apart to be on other partitions.
            let second = &channels[(index + channels.len() / 2 - 1) % channels.len()];
            let pair = [channel.clone(), second.clone()];
            let client = Client::open(ways[index % ways.len()].options(&pair));
            let name = format!("client-{index}");
            let (observed, drained) = (Vec::new(), Vec::new());
            readers.push(Reader { name, channels: pair, client, observed, translated: 0, drained });
        }
        for reader in &readers {
            reader
                .client
                .wait_for("gateway.open", OPEN, |history| {
                    history.events.iter().any(|received| received.event.kind == "gateway.open")
                })
                .await?;
        }
        Ok(Self(readers))
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The present moment, in what each client saw.
    pub(crate) fn marks(&mut self) -> Vec<usize> {
        let mark = |reader: &mut Reader| {
            reader.catch_up();
            reader.observed.len()
        };
        self.0.iter_mut().map(mark).collect()
    }

    /// Looks at what each client saw since then; what `look` takes out of it is judged by nobody else.
    pub(crate) fn each_since(&mut self, marks: &[usize], mut look: impl FnMut(&mut Tail) -> Result<()>) -> Result<()> {
        for (reader, mark) in self.0.iter_mut().zip(marks) {
            reader.catch_up();
            let observed = reader.observed.split_off(*mark);
            let channels = reader.channels.clone().map(|channel| {
                let is_of =
                    |seen: &&Observed| matches!(seen, Observed::Event { channel: other, .. } if *other == channel);
                let had = reader.observed.iter().filter(is_of).count() as u64;
                (channel, had)
            });
            let mut tail = Tail { name: reader.name.clone(), channels, observed };
            look(&mut tail)?;
            reader.observed.append(&mut tail.observed);
        }
        Ok(())
    }

    /// Waits until every client has the last event of its channels, and then some. In vain is no error: the checker says
    /// what is missing.
    pub(crate) async fn settle(&mut self, ledger: &Ledger, bound: Duration) {
        let deadline = Instant::now() + bound;
        loop {
            self.0.iter_mut().for_each(Reader::catch_up);
            if self.0.iter().all(|reader| reader.has_last(ledger)) || Instant::now() > deadline {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        // A repeat would come after the last event.
        tokio::time::sleep(Duration::from_millis(500)).await;
        self.0.iter_mut().for_each(Reader::catch_up);
    }

    /// Judges all that every client saw; one that gave up, as a browser does at any status but 200, is an error.
    pub(crate) fn judge(&mut self, ledger: &Ledger) -> Result<Seen> {
        let mut seen = Seen::default();
        for reader in &mut self.0 {
            reader.catch_up();
            let history = reader.client.history();
            ensure!(history.violations.is_empty(), "{}: {:?}", reader.name, history.violations);
            ensure!(history.failed.is_none(), "{} gave up: {:?}", reader.name, history.failed);
            let subscribed: Vec<(&str, u64)> = reader.channels.iter().map(|channel| (channel.as_str(), 1)).collect();
            seen.verdict.add(ledger.judge(&reader.name, &subscribed, &reader.observed));
            seen.drained.extend(&reader.drained);
        }
        seen.drained.sort_unstable();
        Ok(seen)
    }

    /// Waits until every client has a stream.
    pub(crate) async fn connected(&self) -> Result<()> {
        wait::until_true("streams of all clients", OPEN, || {
            self.0.iter().all(|reader| {
                let history = reader.client.history();
                let current = history.connections.last();
                current.is_some_and(|connection| connection.ended.is_none() && connection.status == Some(200))
            })
        })
        .await
    }
}

/// The most moments within a time that begins anywhere.
pub(crate) fn most_within(moments: &[Instant], time: Duration) -> usize {
    let within = |&(index, &from): &(usize, &Instant)| {
        moments[index..].iter().take_while(|&&moment| moment < from + time).count()
    };
    moments.iter().enumerate().map(|pair| within(&pair)).max().unwrap_or(0)
}
