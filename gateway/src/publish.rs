//! Publishing: from what was sent over HTTP to records that Kafka has.
//!
//! An event that is taken stands in Kafka, acknowledged by all in-sync replicas, before its publisher hears of it; from there it
//! goes the way of every record. Every event is proven first as the binding will prove it, so what is taken is delivered.

pub mod counters;
mod keys;
mod pending;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use events_gateway_core::envelope::{Decoder, Envelope, Reason, Rejection};
use events_gateway_core::publication::Publication;
use events_gateway_core::record::Record;
use events_gateway_core::{Channel, Timestamp};
use futures_util::future::join_all;

use crate::ingest::address::{IDEMPOTENCY_KEY, PUBLISHER, once};
use crate::producer::topic::TopicWriter;
pub use crate::producer::topic::{NotTaken, Place};
use crate::producer::{ProducerError, Settings};
use crate::rate::{Rate, Rates, network};
use crate::source::kafka::options::Client;
use counters::{Counters, Outcome};
use keys::{Keys, Use};
use pending::Pending;
pub use pending::Reserved;

/// Longest idempotency key, in bytes.
pub const MAX_KEY_BYTES: usize = 200;
/// What records take in the client beyond their bytes, about; part of the bound on its queue.
const QUEUE_SLACK_KIB: usize = 8 << 10;

/// How publishing is done.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where records go.
    pub topic: String,
    /// Largest record, in bytes of key, value and headers: that of the binding that reads it.
    pub max_record_bytes: usize,
    /// Most channels of an event.
    pub max_channels: usize,
    /// Most bytes that wait.
    pub max_pending_bytes: usize,
    /// How long Kafka may take.
    pub timeout: Duration,
    /// How fast one address may publish.
    pub address_rate: Option<Rate>,
    /// How fast one publisher may that has said who it is.
    pub publisher_rate: Option<Rate>,
    /// Where is counted.
    pub counters: Arc<Counters>,
}

/// Where a request comes from.
#[derive(Debug, Clone, Default)]
pub struct Sender {
    /// Its address.
    pub address: Option<IpAddr>,
    /// See [`By::publisher`].
    pub publisher: String,
}

/// Who publishes, and what makes a retry harmless.
#[derive(Clone, Copy)]
pub struct By<'a> {
    /// The publisher's identity; empty where nobody has any. Keys of two publishers are never compared.
    pub publisher: &'a str,
    /// The request's idempotency key.
    pub key: Option<&'a str>,
    /// Whether it may publish to a channel.
    pub may: &'a dyn Fn(&Channel) -> bool,
}

/// Why an event isn't taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It could not be delivered. The text names the field.
    #[error("{}", .0.detail)]
    Invalid(Rejection),
    /// Its publisher may not publish to this channel.
    #[error("no right to publish to {0}")]
    Denied(Channel),
    /// Its idempotency key or id was used for another event.
    #[error("this idempotency key (or id) was used for another event within the last 10 minutes")]
    KeyReused,
    /// Kafka doesn't take records so large.
    #[error("Kafka takes no record of this size")]
    TooLarge,
    /// Kafka didn't say in time that it has it; it may have it all the same.
    #[error("Kafka doesn't take events now; with the same idempotency key (or id) a retry is harmless")]
    Unavailable,
}

/// Publishes to one topic.
pub struct Publisher {
    options: Options,
    decoder: Decoder,
    kafka: TopicWriter,
    keys: Keys,
    pending: Pending,
    addresses: Option<Rates<IpAddr>>,
    publishers: Option<Rates<String>>,
}

/// What is written for one event.
struct Written<'a> {
    envelope: Envelope,
    headers: Vec<(&'a str, &'a [u8])>,
    value: &'a [u8],
}

impl Publisher {
    /// Connects when the first event comes.
    ///
    /// # Errors
    /// When the client library refuses the configuration.
    pub fn new(client: Client, options: Options) -> Result<Self, ProducerError> {
        let settings = Settings {
            whose: "publications",
            timeout: options.timeout,
            queue_kib: options.max_pending_bytes / 1024 + QUEUE_SLACK_KIB,
            // With room for what Kafka puts around a record.
            max_record_bytes: options.max_record_bytes + (64 << 10),
            linger: Duration::from_millis(1),
        };
        Ok(Self {
            decoder: Decoder::build(&[], options.max_record_bytes).expect("without routes there is nothing to refuse"),
            kafka: TopicWriter::new(client, &options.topic, settings)?,
            keys: Keys::default(),
            pending: Pending::new(options.max_pending_bytes),
            addresses: options.address_rate.map(Rates::new),
            publishers: options.publisher_rate.map(Rates::new),
            options,
        })
    }

    /// Where records go.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.options.topic
    }

    /// Most channels of an event.
    #[must_use]
    pub fn max_channels(&self) -> usize {
        self.options.max_channels
    }

    /// What was counted.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.options.counters
    }

    /// How many bytes wait.
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        self.pending.used()
    }

    /// Room for a request, to be [grown](Reserved::grow) with it; it is free again when this is dropped.
    #[must_use]
    pub fn reserve(&self) -> Reserved<'_> {
        self.pending.reserve()
    }

    /// Whether a publisher may publish so many events now, from its address and by its identity, or in how many seconds.
    ///
    /// # Errors
    /// With the seconds to wait, at least one.
    pub fn admit(&self, sender: &Sender, events: usize) -> Result<(), u64> {
        let address = self.addresses.as_ref().zip(sender.address);
        let by_address = address.map_or(Ok(()), |(rates, address)| rates.admit(&network(address), events));
        let publisher = self.publishers.as_ref().filter(|_| !sender.publisher.is_empty());
        let admitted =
            by_address.and_then(|()| publisher.map_or(Ok(()), |rates| rates.admit(&sender.publisher, events)));
        if admitted.is_err() {
            self.options.counters.add(Outcome::Limited, events);
        }
        admitted
    }

    /// Publishes events in this order: those of one key keep it. Ends when all are in Kafka or refused; what happened to each
    /// stands at its index. Dropped before, each may be in Kafka or not.
    pub async fn publish(&self, by: By<'_>, events: &[Publication<'_>], is_batch: bool) -> Vec<Result<Place, Refused>> {
        let began = Instant::now();
        let keys: Vec<Option<String>> = (0..events.len())
            .map(|index| by.key.map(|key| if is_batch { format!("{key}/{index}") } else { key.to_owned() }))
            .collect();
        let sent = events.iter().zip(&keys).map(|(event, key)| self.send(by, event, key.as_deref()));
        // All are handed over before the first is waited for.
        let sent: Vec<_> = sent.collect();
        let outcomes = join_all(sent.into_iter().map(async |sent| match sent {
            Ok(delivery) => delivery.await.map_err(Refused::from),
            Err(refused) => Err(refused),
        }))
        .await;
        for outcome in &outcomes {
            self.options.counters.add(outcome.as_ref().map_or_else(Outcome::from, |_| Outcome::Taken), 1);
        }
        if outcomes.iter().any(Result::is_ok) {
            self.options.counters.took(began.elapsed());
        }
        outcomes
    }

    /// Hands one event to the client library.
    fn send(
        &self,
        by: By<'_>,
        event: &Publication<'_>,
        key: Option<&str>,
    ) -> Result<impl Future<Output = Result<Place, NotTaken>> + use<>, Refused> {
        let mut headers: Vec<(&str, &[u8])> =
            event.headers.iter().map(|(name, value)| (name.as_ref(), value.as_ref())).collect();
        headers.push((PUBLISHER, by.publisher.as_bytes()));
        headers.extend(key.map(|key| (IDEMPOTENCY_KEY, key.as_bytes())));
        let written = self.prove(headers, &event.value).map_err(Refused::Invalid)?;
        let envelope = &written.envelope;
        if let Some(denied) = envelope.channels.iter().find(|channel| !(by.may)(channel)) {
            return Err(Refused::Denied(denied.clone()));
        }
        if let Some(once) = once(Some(by.publisher), key, &envelope.scope, envelope.id.as_deref())
            && self.keys.note(&once, &written.headers, written.value) == Use::Other
        {
            return Err(Refused::KeyReused);
        }
        let record_key = envelope.key.as_deref().unwrap_or_else(|| envelope.channels[0].as_str());
        self.kafka.send(record_key, &written.headers, written.value).map_err(Refused::from)
    }

    /// Reads the record as the binding will.
    fn prove<'a>(&self, headers: Vec<(&'a str, &'a [u8])>, value: &'a [u8]) -> Result<Written<'a>, Rejection> {
        let of_record: Vec<(&str, Option<&[u8]>)> = headers.iter().map(|(name, value)| (*name, Some(*value))).collect();
        let record = Record {
            topic: &self.options.topic,
            partition: 0,
            offset: 0,
            time: Timestamp(0),
            key: None,
            headers: &of_record,
            value: Some(value),
        };
        let envelope = self.decoder.decode(&record)?;
        let most = self.options.max_channels;
        if envelope.channels.len() > most {
            let detail = format!("channels: at most {most}, found {}", envelope.channels.len());
            return Err(Rejection { reason: Reason::Unroutable, detail });
        }
        // The key comes on top of what the decoder has measured.
        let key = envelope.key.as_deref().map_or(envelope.channels[0].as_str().len(), str::len);
        let bytes = key + value.len() + headers.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        if bytes > self.options.max_record_bytes {
            let most = self.options.max_record_bytes;
            let detail =
                format!("the record would have {bytes} bytes of key, value and headers; at most {most} are taken");
            return Err(Rejection { reason: Reason::Oversized, detail });
        }
        Ok(Written { envelope, headers, value })
    }
}

impl From<NotTaken> for Refused {
    fn from(reason: NotTaken) -> Self {
        match reason {
            NotTaken::TooLarge => Self::TooLarge,
            NotTaken::Unavailable => Self::Unavailable,
        }
    }
}

impl From<&Refused> for Outcome {
    fn from(refused: &Refused) -> Self {
        match refused {
            Refused::Invalid(_) | Refused::TooLarge => Self::Invalid,
            Refused::Denied(_) => Self::Denied,
            Refused::KeyReused => Self::KeyReused,
            Refused::Unavailable => Self::Unavailable,
        }
    }
}

impl std::fmt::Debug for Publisher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Publisher").field("options", &self.options).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
