//! `events-gateway dead-letters redrive`: letters go back to their topics, addressed to what they are still owed. Blocking.

use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::FutureRecord;

use super::headers;
use super::kafka::producer;
use super::list::Found;
use crate::ingest::address::{REDRIVE_CHANNELS, REDRIVE_FROM};
use crate::producer::ProducerError;
use crate::source::kafka::options::Client;

/// What became of the letters.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Redriven {
    /// Written to their topics and acknowledged.
    pub sent: usize,
    /// Left out: the value was too large to be kept.
    pub without_value: usize,
    /// Left out: no gateway wrote them.
    pub foreign: usize,
    /// Refused or not acknowledged: partition and offset of the letter, and why.
    pub failed: Vec<((i32, u64), String)>,
}

impl std::fmt::Display for Redriven {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "redriven: {}", self.sent)?;
        for (count, why) in [
            (self.without_value, "left out, since the value was too large to be kept"),
            (self.foreign, "left out, since no gateway wrote them"),
        ] {
            if count > 0 {
                write!(f, "\n{why}: {count}")?;
            }
        }
        for ((partition, offset), error) in &self.failed {
            write!(f, "\nfailed: {partition}:{offset}: {error}")?;
        }
        Ok(())
    }
}

/// Writes each record to the topic that it was read from, one by one. It is a new record there; its headers say where it
/// was read first and which channels it is for. The letters stay where they are.
pub fn redrive(client: &Client, letters: &[Found]) -> Result<Redriven, ProducerError> {
    let producer = producer(client)?;
    let mut redriven = Redriven::default();
    for letter in letters {
        let Some(epitaph) = &letter.epitaph else {
            redriven.foreign += 1;
            continue;
        };
        if epitaph.value_dropped {
            redriven.without_value += 1;
            continue;
        }
        let (topic, partition, offset) = &epitaph.from;
        let mut all = OwnedHeaders::new();
        let is_kept = |name: &str| !headers::is_ours(name) && name != REDRIVE_CHANNELS && name != REDRIVE_FROM;
        let earlier = letter.record.headers().filter(|(name, _)| *name == REDRIVE_CHANNELS).last();
        for (key, value) in letter.record.headers().filter(|(name, _)| is_kept(name)) {
            all = all.insert(Header { key, value });
        }
        let owed = epitaph.owed.join(",");
        // Died before it was decoded, after an earlier redrive: what it was owed then.
        let owed = if owed.is_empty() { earlier.and_then(|(_, value)| value) } else { Some(owed.as_bytes()) };
        if let Some(owed) = owed {
            all = all.insert(Header { key: REDRIVE_CHANNELS, value: Some(owed) });
        }
        let from = format!("{topic}/{partition}/{offset}");
        all = all.insert(Header { key: REDRIVE_FROM, value: Some(&from) });
        let mut record: FutureRecord<'_, [u8], [u8]> = FutureRecord::to(topic).headers(all);
        if let Some(key) = letter.record.key() {
            record = record.key(key);
        }
        if let Some(value) = letter.record.value() {
            record = record.payload(value);
        }
        let sent = producer.send_result(record).map_err(|(error, _)| error.to_string()).and_then(|delivery| {
            let delivered = futures_util::future::FutureExt::map(delivery, |delivered| match delivered {
                Ok(Ok(_)) => Ok(()),
                Ok(Err((error, _))) => Err(error.to_string()),
                Err(_) => Err("the producer ended".to_owned()),
            });
            // Ends by itself: the client gives up on a message after its own time-out.
            wait_for(delivered)
        });
        match sent {
            Ok(()) => redriven.sent += 1,
            Err(error) => redriven.failed.push((epitaph.letter, error)),
        }
    }
    Ok(redriven)
}

fn wait_for<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let waker = std::task::Waker::from(std::sync::Arc::new(Unpark(std::thread::current())));
    let mut context = std::task::Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            std::task::Poll::Ready(value) => return value,
            std::task::Poll::Pending => std::thread::park(),
        }
    }
}

struct Unpark(std::thread::Thread);

impl std::task::Wake for Unpark {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.unpark();
    }
}
