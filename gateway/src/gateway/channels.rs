//! What the configuration says of channels and streams, as the hub and the drain take it.

use std::sync::Arc;

use events_gateway_core::join::{Bounds, Overflow, Pending};

use crate::config::Config;
use crate::config::channels::OverflowPolicy;
use crate::hub;
use crate::replica::drain;

/// The hub's options.
#[must_use]
pub fn hub_options(config: &Config) -> hub::Options {
    let (channels, streams) = (config.channels.clone(), &config.streams);
    let (events, bytes) = (streams.max_pending_events.get(), streams.max_pending_bytes.get());
    hub::Options {
        ring: Bounds { events: channels.ring_events.get(), bytes: channels.ring_bytes.get() },
        ring_total_bytes: config.limits.ring_bytes.get() as u64,
        heartbeat: streams.heartbeat,
        retry: streams.retry,
        retry_jitter: streams.retry_jitter,
        max_age: (!streams.max_age.is_zero()).then_some(streams.max_age),
        max_age_jitter: streams.max_age_jitter,
        expiring: config.identity.as_ref().map(|identity| identity.expiring).unwrap_or_default(),
        resume_within: streams.resume_within,
        max_channels: config.limits.channels.get(),
        max_filters: config.limits.filters,
        linger: channels.linger,
        verify: config.replica.verify,
        page_reads: config.limits.backlog_reads.get(),
        pending: Arc::new(move |channel| Pending { events, bytes, overflow: overflow(channels.overflow(channel)) }),
        ..hub::Options::default()
    }
}

fn overflow(policy: OverflowPolicy) -> Overflow {
    match policy {
        OverflowPolicy::Disconnect => Overflow::Disconnect,
        OverflowPolicy::DropOldest => Overflow::DropOldest,
        OverflowPolicy::LatestPerKey => Overflow::LatestPerKey,
    }
}

/// The drain's options.
#[must_use]
pub fn drain_options(config: &Config) -> drain::Options {
    drain::Options {
        timeout: config.drain.timeout,
        settle: config.drain.settle,
        closes_per_second: f64::from(config.drain.closes_per_second.get()),
        reconnect_spread: config.drain.reconnect_spread,
    }
}
