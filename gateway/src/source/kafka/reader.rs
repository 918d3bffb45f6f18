//! A bare reader of a topic, outside any group: for tools.

use events_gateway_kafka_client::log::log;
use rdkafka::client::{ClientContext, OAuthToken};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message};

use super::oauth::{self, OAuth};
use super::options::Client;
use crate::source::{OwnedRecord, TopicPartition};

pub(crate) struct Context {
    oauth: Option<OAuth>,
}

impl Context {
    pub(crate) fn new(client: &Client) -> Self {
        Self { oauth: client.oauth().cloned() }
    }
}

impl ClientContext for Context {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, _: KafkaError, _: &str) {
        // The poll returns it as well.
    }

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        oauth::token(self.oauth.as_ref())
    }
}

impl ConsumerContext for Context {}

/// A message with its place.
pub(crate) fn copied(message: &BorrowedMessage<'_>) -> (TopicPartition, OwnedRecord) {
    (TopicPartition::new(message.topic(), message.partition()), super::poll::copied(message))
}
