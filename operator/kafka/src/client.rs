//! The client library's instance: made, watched, and dropped where nobody waits for it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use events_gateway_kafka_client::log::{log, reason};
use events_gateway_kafka_client::oauth::{self, OAuth};
use events_gateway_kafka_client::options;
use parking_lot::Mutex;
use rdkafka::client::{ClientContext, OAuthToken};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError as LibraryError, RDKafkaErrorCode as Code};
use rdkafka::producer::{DeliveryResult, Producer as _, ProducerContext, ThreadedProducer};
use rdkafka::types::RDKafka;

use crate::error::Fault;

/// What the brokers know the operator by. One name for all: were it a gateway's own, its resources couldn't share a client.
const CLIENT_ID: &str = "events-gateway-operator";

/// The further settings that are about connections. Those about consuming and producing don't concern the operator, and
/// would part clients that reach the same brokers as the same user.
const OF_CONNECTIONS: &[&str] = &[
    "api.version.request.timeout.ms",
    "broker.address.family",
    "broker.address.ttl",
    "client.dns.lookup",
    "connections.max.idle.ms",
    "reconnect.backoff.max.ms",
    "reconnect.backoff.ms",
    "socket.connection.setup.timeout.ms",
    "socket.keepalive.enable",
];

/// How long the library may go on believing in a coordinator. It never forgets one by being told that it isn't any more
/// (`NOT_COORDINATOR`), only by not using it for as long as metadata is good; by default that is 15 minutes, and a status that
/// is asked for twice a minute would keep it for ever.
pub(crate) const COORDINATORS_ARE_KNOWN_FOR: Duration = Duration::from_secs(1);

/// What of a client's settings makes a connection: what is left is what clients are told apart by.
pub(crate) fn essence(client: &options::Client) -> options::Client {
    let mut essence = client.clone();
    essence.further.retain(|name, _| OF_CONNECTIONS.contains(&name.as_str()));
    essence
}

/// Why there is no connection, as last heard.
#[derive(Debug, Clone)]
pub(crate) struct Trouble {
    /// What to answer to whoever waits.
    pub(crate) fault: Fault,
    /// When it was heard last.
    pub(crate) at: Instant,
}

/// What the library calls back, on its polling thread.
pub(crate) struct Context {
    oauth: Option<OAuth>,
    trouble: Mutex<Option<Trouble>>,
    /// The last line about a connection that failed: errors name only the kind.
    reason: Mutex<Option<String>>,
}

impl Context {
    fn hear(&self, fault: Fault) {
        let mut trouble = self.trouble.lock();
        match trouble.as_mut() {
            // That all are down says less than why the last one is.
            Some(known) if fault.code == Code::AllBrokersDown => known.at = Instant::now(),
            _ => *trouble = Some(Trouble { fault, at: Instant::now() }),
        }
    }
}

impl ClientContext for Context {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match facility {
            "FAIL" => *self.reason.lock() = Some(reason(message).to_owned()),
            // About settings of consumers, which a shared client may be given.
            "CONFWARN" => return,
            _ => {}
        }
        log(level, facility, message);
    }

    fn error(&self, error: LibraryError, text: &str) {
        let Some(code) = error.rdkafka_error_code() else { return };
        let text = match self.reason.lock().clone() {
            Some(reason) if code == Code::AllBrokersDown => reason,
            _ => reason(text).to_owned(),
        };
        self.hear(Fault { code, text });
    }

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        // The library tells of a token that can't be had once, and again only when the reason is another.
        oauth::token(self.oauth.as_ref())
            .inspect_err(|error| self.hear(Fault { code: Code::Authentication, text: error.to_string() }))
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = ();

    fn delivery(&self, _: &DeliveryResult<'_>, (): ()) {}
}

/// One instance of the library. A producer only because that is what is cheapest and polls itself; it never produces.
pub(crate) struct Instance(Option<ThreadedProducer<Context>>);

impl Instance {
    pub(crate) fn new(client: &options::Client) -> Result<Arc<Self>, LibraryError> {
        let mut config = essence(client).config();
        config.set("client.id", CLIENT_ID);
        config.set("metadata.max.age.ms", COORDINATORS_ARE_KNOWN_FOR.as_millis().to_string());
        if config.get("reconnect.backoff.max.ms").is_none() {
            // So that a call that may take ten seconds sees more than one attempt.
            config.set("reconnect.backoff.max.ms", "2000");
        }
        let context = Context { oauth: client.oauth().cloned(), trouble: Mutex::default(), reason: Mutex::default() };
        Ok(Arc::new(Self(Some(config.create_with_context(context)?))))
    }

    fn producer(&self) -> &ThreadedProducer<Context> {
        self.0.as_ref().expect("it is taken only when dropped")
    }

    /// The handle, good for as long as the instance is borrowed.
    pub(crate) fn native(&self) -> *mut RDKafka {
        self.producer().client().native_ptr()
    }

    /// Why there is no connection; `None` while there is no reason to think so.
    pub(crate) fn trouble(&self) -> Option<Trouble> {
        self.producer().client().context().trouble.lock().clone()
    }

    /// An answer came: what was heard before is over.
    pub(crate) fn answered(&self) {
        let client = self.producer().client();
        *client.context().trouble.lock() = None;
    }
}

/// Dropping waits for the library's threads, one of which may just be asking for a token: not the caller's business.
impl Drop for Instance {
    fn drop(&mut self) {
        let producer = self.0.take();
        // Without a thread it is dropped here after all.
        let _ = std::thread::Builder::new().name("kafka-closing".into()).spawn(move || drop(producer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_told_apart_by_what_makes_a_connection_alone() {
        let client = |further: &[(&str, &str)]| options::Client {
            bootstrap: "kafka:9092".into(),
            further: further.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            ..options::Client::default()
        };
        let plain = essence(&client(&[]));
        assert_eq!(essence(&client(&[("client.id", "orders"), ("fetch.min.bytes", "1000")])), plain);
        assert_ne!(essence(&client(&[("broker.address.family", "v4")])), plain);
        for name in OF_CONNECTIONS {
            assert!(options::is_further_setting(name), "{name}");
        }
    }
}
