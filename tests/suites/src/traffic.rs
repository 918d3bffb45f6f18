//! Records at a steady rate, each channel's numbered.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use events_gateway_harness::Ledger;
use events_gateway_harness::kafka::admin::{Place, Producer, Record};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval};

/// How often some records go out.
const TICK: Duration = Duration::from_millis(10);
/// Most records that wait for the broker's answer.
const IN_FLIGHT: usize = 100_000;

/// What has been produced so far.
#[derive(Debug, Clone, Default)]
pub struct Produced {
    /// Counts by channel.
    pub ledger: Ledger,
    /// Where each record went: channel -> its places, in order of their numbers.
    pub places: BTreeMap<String, Vec<Place>>,
}

/// Makes the record of a channel's number.
pub type Make = fn(&str, u64) -> Record;

/// A producer on a task of its own. Every record must be taken by the broker, or the run is void.
#[derive(Debug)]
pub struct Traffic {
    produced: Arc<Mutex<Produced>>,
    running: watch::Sender<bool>,
    task: JoinHandle<Result<()>>,
}

impl Traffic {
    /// Produces `rate` records a second to `topic`, one channel after the other, each record for one channel.
    #[must_use]
    pub fn start(producer: Producer, topic: &str, channels: Vec<String>, rate: u32) -> Self {
        Self::go_on(producer, topic, channels, rate, numbered, Produced::default())
    }

    /// [`Traffic::start`] with records that `make` makes, of the numbers that follow earlier ones.
    #[must_use]
    pub fn go_on(
        producer: Producer,
        topic: &str,
        channels: Vec<String>,
        rate: u32,
        make: Make,
        earlier: Produced,
    ) -> Self {
        let produced = Arc::new(Mutex::new(earlier));
        let (running, observed) = watch::channel(true);
        let task = tokio::spawn(run(producer, topic.to_owned(), channels, rate, make, Arc::clone(&produced), observed));
        Self { produced, running, task }
    }

    /// What was produced until now, answered or not.
    #[must_use]
    pub fn so_far(&self) -> Ledger {
        self.produced.lock().unwrap_or_else(PoisonError::into_inner).ledger.clone()
    }

    /// Stops, waits for the broker's answers, and gives what was produced.
    ///
    /// # Errors
    /// When the broker didn't take a record.
    pub async fn stop(self) -> Result<Produced> {
        self.running.send_replace(false);
        self.task.await.context("the traffic panicked")??;
        Ok(self.produced.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

async fn run(
    producer: Producer,
    topic: String,
    channels: Vec<String>,
    rate: u32,
    make: Make,
    produced: Arc<Mutex<Produced>>,
    running: watch::Receiver<bool>,
) -> Result<()> {
    let (answers, mut waiting) = mpsc::channel(IN_FLIGHT);
    let places = Arc::clone(&produced);
    let collector = tokio::spawn(async move {
        while let Some((channel, answer)) = waiting.recv().await {
            let answer: std::pin::Pin<Box<dyn Future<Output = Result<Place>> + Send>> = answer;
            let place = answer.await?;
            let mut produced = places.lock().unwrap_or_else(PoisonError::into_inner);
            produced.places.entry(channel).or_default().push(place);
        }
        Ok(())
    });
    let mut ticks = interval(TICK);
    let (began, mut sent) = (Instant::now(), 0);
    while *running.borrow() {
        ticks.tick().await;
        let due = (began.elapsed().as_secs_f64() * f64::from(rate)) as usize;
        for index in sent..due {
            let channel = &channels[index % channels.len()];
            let sequence = produced.lock().unwrap_or_else(PoisonError::into_inner).ledger.next(channel);
            let record = make(channel, sequence);
            let answer = loop {
                match producer.enqueue(&topic, &record) {
                    Ok(answer) => break answer,
                    // The queue is full while the broker is away.
                    Err(_) => tokio::time::sleep(TICK).await,
                }
            };
            answers.send((channel.clone(), Box::pin(answer) as _)).await.ok().context("the collector is gone")?;
        }
        sent = due.max(sent);
    }
    drop(answers);
    collector.await.context("the collector panicked")?
}

/// The record of a number: 200 bytes or so of data, keyed by its channel, so that a channel has one partition.
#[must_use]
pub fn numbered(channel: &str, sequence: u64) -> Record {
    Record::json(channel, &envelope(channel, sequence))
}

/// [`numbered`] with an id, [`id_of`].
#[must_use]
pub fn identified(channel: &str, sequence: u64) -> Record {
    let mut envelope = envelope(channel, sequence);
    envelope["id"] = id_of(channel, sequence).into();
    Record::json(channel, &envelope)
}

/// The id of a number.
#[must_use]
pub fn id_of(channel: &str, sequence: u64) -> String {
    format!("{channel}/{sequence}")
}

fn envelope(channel: &str, sequence: u64) -> Value {
    let padding = "x".repeat(140);
    let data = json!({ "channel": channel, "sequence": sequence, "padding": padding });
    json!({ "type": "numbered", "channels": [channel], "data": data })
}
