//! What holds for channels.

use std::num::NonZeroUsize;
use std::time::Duration;

use events_gateway_core::Channel;
use events_gateway_crds as raw;
pub use raw::channels::OverflowPolicy;

use super::ChannelPattern;
use super::problem::{Place, Problems};
use super::text;

/// What holds for channels.
#[derive(Debug, Clone, PartialEq)]
pub struct Channels {
    /// Which are public; `None`: not said, so all of them as long as no identity is configured.
    pub public: Option<Vec<ChannelPattern>>,
    /// Whether `all` exists.
    pub all: bool,
    /// Channels of a request that names none; distinct, not more than a stream may have.
    pub defaults: Vec<Channel>,
    /// Most events of a backlog.
    pub retention_events: NonZeroUsize,
    /// Greatest age of an event.
    pub retention_age: Duration,
    /// Policies by pattern: the first that fits.
    pub overflow: Vec<(ChannelPattern, OverflowPolicy)>,
    /// The policy where no pattern fits.
    pub overflow_default: OverflowPolicy,
    /// Most events of a channel in memory.
    pub ring_events: NonZeroUsize,
    /// Most bytes of a channel in memory.
    pub ring_bytes: NonZeroUsize,
    /// How long a channel without subscribers stays owned.
    pub linger: Duration,
}

impl Channels {
    /// What happens to a slow subscriber of a channel.
    #[must_use]
    pub fn overflow(&self, channel: &Channel) -> OverflowPolicy {
        let fitting = self.overflow.iter().find(|(pattern, _)| pattern.matches(channel));
        fitting.map_or(self.overflow_default, |(_, policy)| *policy)
    }

    pub(super) fn prove(
        raw: &raw::channels::Channels,
        streams: &raw::streams::Streams,
        place: &Place,
        problems: &mut Problems,
    ) -> Option<Self> {
        let public = match &raw.public {
            Some(public) => patterns(public.iter(), |index| place.key("public").index(index), problems).map(Some),
            None => Some(None),
        };
        let at = &place.key("overflow");
        let overflow = raw.overflow.iter().map(|overflow| &overflow.pattern);
        let overflow = patterns(overflow, |index| at.index(index).key("pattern"), problems);
        text::distinct(
            raw.overflow.iter().enumerate().map(|(index, item)| (at.index(index).key("pattern"), &*item.pattern)),
            "the pattern",
            problems,
        );
        let defaults = defaults(raw, streams, &place.key("defaults"), problems);
        let retention = place.key("retention");
        let retention_events = text::count(raw.retention.events, retention.key("events"), problems);
        let ring_events = text::count(raw.ring_events, place.key("ringEvents"), problems);
        let ring_bytes = text::count(raw.ring_bytes, place.key("ringBytes"), problems);
        Some(Self {
            public: public?,
            all: raw.all,
            defaults: defaults?,
            retention_events: retention_events?,
            retention_age: raw.retention.age.get(),
            overflow: overflow?.into_iter().zip(raw.overflow.iter().map(|overflow| overflow.policy)).collect(),
            overflow_default: raw.overflow_default,
            ring_events: ring_events?,
            ring_bytes: ring_bytes?,
            linger: raw.linger.get(),
        })
    }
}

fn patterns<'a>(
    texts: impl Iterator<Item = &'a raw::text::ChannelPattern>,
    place: impl Fn(usize) -> Place,
    problems: &mut Problems,
) -> Option<Vec<ChannelPattern>> {
    let proven: Vec<Option<ChannelPattern>> =
        texts.enumerate().map(|(index, text)| problems.take(place(index), text.parse())).collect();
    proven.into_iter().collect()
}

fn defaults(
    raw: &raw::channels::Channels,
    streams: &raw::streams::Streams,
    place: &Place,
    problems: &mut Problems,
) -> Option<Vec<Channel>> {
    if i64::try_from(raw.defaults.len()).is_ok_and(|count| count > i64::from(streams.max_channels)) {
        problems.add(place.clone(), "has more channels than streams.maxChannels");
    }
    text::distinct(raw.defaults.iter().enumerate().map(|(i, name)| (place.index(i), &**name)), "the channel", problems);
    let mut proven = Vec::with_capacity(raw.defaults.len());
    for (index, name) in raw.defaults.iter().enumerate() {
        let channel = problems.take(place.index(index), Channel::parse(name));
        if channel.as_ref().is_some_and(Channel::is_all) && !raw.all {
            problems.add(place.index(index), "does not exist while channels.all is false");
        }
        proven.push(channel);
    }
    proven.into_iter().collect()
}
