//! Writes events to Kafka: at a rate while it is told to, or as many as fit at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::error::KafkaError;
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer};
use rdkafka::types::RDKafkaErrorCode;

use crate::event::{self, Stamp};
use crate::publisher::Publisher;
use crate::swarm::Swarm;

/// How long Kafka may take to acknowledge what is on its way.
const FLUSH_BOUND: Duration = Duration::from_secs(60);

/// Where and how fast.
#[derive(Debug, Clone)]
pub struct Load {
    /// The topic.
    pub topic: String,
    /// How many partitions it has: a channel's events go to that of its number modulo this.
    pub partitions: u32,
    /// How many channels.
    pub channels: u32,
    /// Events a second, over all channels.
    pub rate: u32,
    /// All go to the gateway's channel [`event::SHARED`], and bear the number of theirs as an attribute.
    pub is_shared: bool,
}

/// A producer of events, each channel's numbered from 0.
#[derive(Debug)]
pub struct Producer {
    /// Absent while a thread has it.
    writer: Option<Writer>,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<(Writer, Result<()>)>,
}

/// Numbers events and hands them to the client library.
struct Writer {
    load: Load,
    client: ThreadedProducer<Failures>,
    /// Sequence number of the next event of each channel.
    ends: Vec<u64>,
    /// The channel whose turn it is.
    turn: u32,
    record: Vec<u8>,
}

/// Counts the records that Kafka did not take.
#[derive(Debug, Default)]
struct Failures(AtomicU64);

impl ClientContext for Failures {}

impl ProducerContext for Failures {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if result.is_err() {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Producer {
    /// A producer with a client of its own, at rest.
    ///
    /// # Errors
    /// When the client library refuses its configuration.
    pub fn new(client: &ClientConfig, load: Load) -> Result<Self> {
        let mut config = client.clone();
        // Idempotent: a retry changes no order. Each record leaves at once; under pressure they batch by themselves.
        config.set("enable.idempotence", "true").set("linger.ms", "0").set("message.timeout.ms", "60000");
        let client = config.create_with_context(Failures::default()).context("failed to create a producer")?;
        let ends = vec![0; load.channels as usize];
        let writer = Writer { load, client, ends, turn: 0, record: Vec::new() };
        Ok(Self { writer: Some(writer), running: None })
    }

    /// Writes `events` events to each channel as fast as possible, and waits until Kafka has them.
    ///
    /// # Errors
    /// When it publishes at its rate meanwhile, or Kafka doesn't take them.
    pub fn write_each(&mut self, events: u64) -> Result<()> {
        let writer = self.writer.as_mut().context("the producer is publishing")?;
        for _ in 0..events * u64::from(writer.load.channels) {
            writer.write()?;
        }
        writer.flush()
    }
}

impl Publisher for Producer {
    fn publish(&mut self) -> Result<()> {
        let mut writer = self.writer.take().context("the producer is publishing already")?;
        let stop = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&stop);
        let thread = thread::Builder::new().name("producer".to_owned());
        let thread = thread.spawn(move || {
            let written = writer.write_at_rate(&until);
            (writer, written)
        });
        self.running = Some(Running { stop, thread: thread.context("failed to start a thread")? });
        Ok(())
    }

    fn rest(&mut self) -> Result<()> {
        let Some(running) = self.running.take() else {
            return Ok(());
        };
        running.stop.store(true, Ordering::Relaxed);
        let Ok((writer, written)) = running.thread.join() else { bail!("the producer's thread panicked") };
        let writer = self.writer.insert(writer);
        written.and_then(|()| writer.flush())
    }

    fn ends(&self, _: &Swarm) -> Vec<u64> {
        self.writer.as_ref().map_or_else(Vec::new, |writer| writer.ends.clone())
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop.store(true, Ordering::Relaxed);
        }
    }
}

impl Writer {
    fn write_at_rate(&mut self, stop: &AtomicBool) -> Result<()> {
        let (start, rate, mut written) = (Instant::now(), f64::from(self.load.rate), 0_u64);
        while !stop.load(Ordering::Relaxed) {
            let due = (start.elapsed().as_secs_f64() * rate) as u64;
            for _ in written..due {
                self.write()?;
            }
            written = due;
            let next = Duration::from_secs_f64((written + 1) as f64 / rate);
            // Short sleeps, so that an order to stop is soon obeyed at low rates too.
            thread::sleep(next.saturating_sub(start.elapsed()).min(Duration::from_millis(20)));
        }
        Ok(())
    }

    fn write(&mut self) -> Result<()> {
        let channel = self.turn;
        self.turn = (channel + 1) % self.load.channels;
        let sequence = self.ends[channel as usize];
        self.ends[channel as usize] += 1;
        let name = event::channel_name(channel);
        let stamp = Stamp { sent: event::now(), channel, sequence };
        put_envelope(&mut self.record, &name, self.load.is_shared, stamp);
        let partition = i32::try_from(channel % self.load.partitions).context("too many partitions")?;
        let mut record = BaseRecord::to(&self.load.topic).key(&name).payload(&self.record).partition(partition);
        loop {
            match self.client.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), refused)) => {
                    record = refused;
                    thread::sleep(Duration::from_millis(5));
                }
                Err((error, _)) => return Err(error).context("failed to produce a record"),
            }
        }
    }

    fn flush(&self) -> Result<()> {
        self.client.flush(FLUSH_BOUND).context("Kafka did not acknowledge all records")?;
        match self.client.context().0.load(Ordering::Relaxed) {
            0 => Ok(()),
            failures => bail!("Kafka did not take {failures} records"),
        }
    }
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Writer").field("load", &self.load).finish_non_exhaustive()
    }
}

/// The gateway's default envelope around an event's data.
fn put_envelope(record: &mut Vec<u8>, channel: &str, is_shared: bool, stamp: Stamp) {
    record.clear();
    let (to, attributes) = if is_shared {
        (event::SHARED, format!("\"attributes\":{{\"{}\":\"{channel}\"}},", event::ATTRIBUTE))
    } else {
        (channel, String::new())
    };
    let head = format!("{{\"type\":\"{}\",\"channels\":[\"{to}\"],{attributes}\"data\":", event::TYPE);
    record.extend_from_slice(head.as_bytes());
    stamp.write(record);
    record.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_json_that_names_its_channel() {
        let mut record = Vec::new();
        let stamp = Stamp { sent: 1, channel: 7, sequence: 3 };
        put_envelope(&mut record, "load:000007", true, stamp);
        let json: serde_json::Value = serde_json::from_slice(&record).unwrap();
        assert_eq!(
            (&json["channels"][0], &json["attributes"]["stream"]),
            (&"load:shared".into(), &"load:000007".into())
        );
        put_envelope(&mut record, "load:000007", false, stamp);
        let json: serde_json::Value = serde_json::from_slice(&record).unwrap();
        assert_eq!((&json["type"], &json["channels"][0]), (&"load".into(), &"load:000007".into()));
        assert_eq!(json["data"]["sequence"], "0000000003");
    }
}
