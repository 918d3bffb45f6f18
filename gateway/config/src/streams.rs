//! What holds for each stream, for handing streams over, and for all streams together.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use events_gateway_crds as raw;

use super::problem::{Place, Problems};
use super::rate::Rate;
use super::text;

/// What holds for each stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Streams {
    /// How long a stream may be silent.
    pub heartbeat: Duration,
    /// How long written bytes may stay unacknowledged.
    pub peer_timeout: Duration,
    /// What clients wait at least before they reconnect.
    pub retry: Duration,
    /// What is added to it, evenly spread.
    pub retry_jitter: Duration,
    /// How long a stream may last.
    pub max_age: Duration,
    /// What is taken from it, evenly spread; less than it.
    pub max_age_jitter: Duration,
    /// How long a client without the right to replay may come back with a cursor of its own.
    pub resume_within: Duration,
    /// 1 to 12.
    pub max_channels: NonZeroUsize,
    /// Most events that wait for a client.
    pub max_pending_events: NonZeroUsize,
    /// Most bytes that wait for a client; at least the largest record.
    pub max_pending_bytes: NonZeroUsize,
    /// Most bytes that the kernel is to hold unsent for a client.
    pub max_unsent_bytes: NonZeroU32,
}

/// How a replica hands over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drain {
    /// In all.
    pub timeout: Duration,
    /// Between failing readiness and closing the first stream; shorter than the whole.
    pub settle: Duration,
    /// By all draining replicas together.
    pub closes_per_second: NonZeroU32,
    /// Over how long clients spread their return.
    pub reconnect_spread: Duration,
}

/// Bounds of the replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most streams; not more than connections.
    pub streams: NonZeroUsize,
    /// From how many on streams are sent to other replicas that have fewer; less than `streams`.
    pub soft_streams: Option<NonZeroUsize>,
    /// Most streams of a subject, over all replicas.
    pub subject_streams: Option<NonZeroU32>,
    /// Most streams of a client's address.
    pub address_streams: Option<NonZeroUsize>,
    /// Most connections of a peer's address.
    pub address_connections: Option<NonZeroUsize>,
    /// How fast streams may be opened.
    pub stream_rate: Option<Rate>,
    /// How fast by one client's address.
    pub address_stream_rate: Option<Rate>,
    /// Most channels owned.
    pub channels: NonZeroUsize,
    /// Most memory for events of all channels.
    pub ring_bytes: NonZeroUsize,
    /// Most distinct filters; may be 0.
    pub filters: usize,
    /// Most reads of backlogs at a time.
    pub backlog_reads: NonZeroUsize,
    /// Most refused requests held open; may be 0.
    pub held_refusals: usize,
}

impl Streams {
    pub(super) fn prove(
        raw: &raw::streams::Streams,
        kafka: &raw::kafka::Kafka,
        place: &Place,
        problems: &mut Problems,
    ) -> Option<Self> {
        let max_channels = text::count(raw.max_channels, place.key("maxChannels"), problems);
        let max_pending_events = text::count(raw.max_pending_events, place.key("maxPendingEvents"), problems);
        let max_pending_bytes = text::count(raw.max_pending_bytes, place.key("maxPendingBytes"), problems);
        let max_unsent_bytes = text::rate(raw.max_unsent_bytes, place.key("maxUnsentBytes"), problems);
        if raw.max_pending_bytes < kafka.max_record_bytes {
            problems.add(place.key("maxPendingBytes"), "must be at least kafka.maxRecordBytes");
        }
        if raw.max_age_jitter.get() >= raw.max_age.get() {
            problems.add(place.key("maxAgeJitter"), "must be less than maxAge");
        }
        Some(Self {
            heartbeat: raw.heartbeat.get(),
            peer_timeout: raw.peer_timeout.get(),
            retry: raw.retry.get(),
            retry_jitter: raw.retry_jitter.get(),
            max_age: raw.max_age.get(),
            max_age_jitter: raw.max_age_jitter.get(),
            resume_within: raw.resume_within.get(),
            max_channels: max_channels?,
            max_pending_events: max_pending_events?,
            max_pending_bytes: max_pending_bytes?,
            max_unsent_bytes: max_unsent_bytes?,
        })
    }
}

impl Drain {
    pub(super) fn prove(raw: &raw::drain::Drain, place: &Place, problems: &mut Problems) -> Option<Self> {
        if raw.settle.get() >= raw.timeout.get() {
            problems.add(place.key("settle"), "must be less than timeout");
        }
        let closes_per_second = text::rate(raw.closes_per_second, place.key("closesPerSecond"), problems);
        Some(Self {
            timeout: raw.timeout.get(),
            settle: raw.settle.get(),
            closes_per_second: closes_per_second?,
            reconnect_spread: raw.reconnect_spread.get(),
        })
    }
}

impl Limits {
    pub(super) fn prove(
        raw: &raw::limits::Limits,
        listen: &raw::listen::Listen,
        place: &Place,
        problems: &mut Problems,
    ) -> Option<Self> {
        let streams = text::count(raw.streams, place.key("streams"), problems);
        if raw.streams > listen.max_connections {
            problems.add(place.key("streams"), "must be at most listen.maxConnections");
        }
        if raw.soft_streams >= raw.streams {
            problems.add(place.key("softStreams"), "must be below streams");
        }
        let mut none_for_0 = |number: i32, key: &str| {
            let number = usize::try_from(number).map(NonZeroUsize::new).map_err(|_| "must be at least 0");
            problems.take(place.key(key), number)
        };
        let soft_streams = none_for_0(raw.soft_streams, "softStreams");
        let subject_streams = none_for_0(raw.subject_streams, "subjectStreams");
        let address_streams = none_for_0(raw.address_streams, "addressStreams");
        let address_connections = none_for_0(raw.address_connections, "addressConnections");
        let stream_rate = Rate::prove(raw.stream_rate.as_ref(), &place.key("streamRate"), problems);
        let address_stream_rate =
            Rate::prove(raw.address_stream_rate.as_ref(), &place.key("addressStreamRate"), problems);
        let channels = text::count(raw.channels, place.key("channels"), problems);
        let ring_bytes = text::count(raw.ring_bytes, place.key("ringBytes"), problems);
        let backlog_reads = text::count(raw.backlog_reads, place.key("backlogReads"), problems);
        let held = usize::try_from(raw.held_refusals).map_err(|_| "must be at least 0");
        let held_refusals = problems.take(place.key("heldRefusals"), held);
        Some(Self {
            streams: streams?,
            soft_streams: soft_streams?,
            // Its bound lies far below.
            subject_streams: subject_streams?.and_then(|most| NonZeroU32::try_from(most).ok()),
            address_streams: address_streams?,
            address_connections: address_connections?,
            stream_rate: stream_rate?,
            address_stream_rate: address_stream_rate?,
            channels: channels?,
            ring_bytes: ring_bytes?,
            // The schema bounds it.
            filters: usize::try_from(raw.filters).unwrap_or_default(),
            backlog_reads: backlog_reads?,
            held_refusals: held_refusals?,
        })
    }
}
