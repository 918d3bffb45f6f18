//! Publishing over HTTP.

use std::num::NonZeroUsize;
use std::time::Duration;

use events_gateway_crds as raw;
use raw::kafka::Kind;

use super::problem::{Place, Problems};
use super::rate::Rate;
use super::text;

/// Publishing over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publish {
    /// A binding reads it as events, and without a route.
    pub topic: String,
    /// Most bytes of a request's content.
    pub max_body_bytes: NonZeroUsize,
    /// Most events of a request.
    pub max_events: NonZeroUsize,
    /// Most channels of an event.
    pub max_channels: NonZeroUsize,
    /// Most bytes of requests and events that wait; at least those of one request.
    pub max_pending_bytes: NonZeroUsize,
    /// How long Kafka may take.
    pub timeout: Duration,
    /// How fast one address may publish.
    pub address_rate: Option<Rate>,
    /// How fast one subject may.
    pub publisher_rate: Option<Rate>,
}

impl Publish {
    pub(super) fn prove(
        raw: &raw::publish::Publish,
        kafka: &raw::kafka::Kafka,
        place: &Place,
        problems: &mut Problems,
    ) -> Option<Self> {
        let reader = kafka.bindings.iter().find(|binding| binding.topics.contains(&raw.topic));
        match reader {
            None => {
                problems.add(place.key("topic"), "is read by no binding: nothing that is published would be delivered");
            }
            Some(binding) if binding.kind != Kind::Events => {
                problems.add(place.key("topic"), "is read as commands: publish to a topic that is read as events");
            }
            Some(binding) if binding.route.is_some() => {
                problems.add(place.key("topic"), "is read by a route: what is published is in the default envelope");
            }
            Some(_) => {}
        }
        if raw.max_pending_bytes < raw.max_body_bytes {
            problems.add(place.key("maxPendingBytes"), "must be at least maxBodyBytes");
        }
        let max_body_bytes = text::count(raw.max_body_bytes, place.key("maxBodyBytes"), problems);
        let max_events = text::count(raw.max_events, place.key("maxEvents"), problems);
        let max_channels = text::count(raw.max_channels, place.key("maxChannels"), problems);
        let max_pending_bytes = text::count(raw.max_pending_bytes, place.key("maxPendingBytes"), problems);
        let address_rate = Rate::prove(raw.address_rate.as_ref(), &place.key("addressRate"), problems);
        let publisher_rate = Rate::prove(raw.publisher_rate.as_ref(), &place.key("publisherRate"), problems);
        Some(Self {
            topic: raw.topic.0.clone(),
            max_body_bytes: max_body_bytes?,
            max_events: max_events?,
            max_channels: max_channels?,
            max_pending_bytes: max_pending_bytes?,
            timeout: raw.timeout.get(),
            address_rate: address_rate?,
            publisher_rate: publisher_rate?,
        })
    }
}
