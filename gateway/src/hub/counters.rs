//! What the hub counts; the metrics module exports it.

use std::sync::atomic::{AtomicU64, Ordering};

use events_gateway_core::disconnect::DisconnectReason;
use events_gateway_core::sse::GapReason;

/// Upper bounds of the latency histogram's buckets, in ms; one more bucket holds what is slower.
pub const LATENCY_BOUNDS_MS: [u64; 14] = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 10_000, 60_000, 600_000];

/// Totals since the start of this replica.
#[derive(Debug, Default)]
pub struct HubCounters {
    /// Events handed to sockets.
    pub delivered: AtomicU64,
    /// Bytes handed to sockets, the gateway's own events included.
    pub delivered_bytes: AtomicU64,
    /// Events released to subscribers, once per channel.
    pub released: AtomicU64,
    /// Holes filled from the backlog.
    pub repairs: AtomicU64,
    /// Pages read for replays.
    pub page_reads: AtomicU64,
    /// Replays served by a page that another had asked for.
    pub page_shared: AtomicU64,
    /// Events of which a view couldn't be made, once per view.
    pub view_failures: AtomicU64,
    /// Gaps told, in the order of [`GapReason::ALL`].
    pub gaps: [AtomicU64; GapReason::ALL.len()],
    /// Streams ended by the gateway, in the order of [`DisconnectReason::ALL`].
    pub disconnects: [AtomicU64; DisconnectReason::ALL.len()],
    /// Deliveries by time from the record's timestamp to the socket, in the order of [`LATENCY_BOUNDS_MS`], not cumulative.
    pub latency: [AtomicU64; LATENCY_BOUNDS_MS.len() + 1],
    /// Sum of those times, in ms.
    pub latency_sum_ms: AtomicU64,
}

impl HubCounters {
    pub(super) fn delivered_after(&self, millis: u64) {
        let bucket = LATENCY_BOUNDS_MS.partition_point(|bound| *bound < millis);
        self.latency[bucket].fetch_add(1, Ordering::Relaxed);
        self.latency_sum_ms.fetch_add(millis, Ordering::Relaxed);
    }

    pub(super) fn told_gap(&self, reason: GapReason) {
        self.gaps[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn disconnected(&self, reason: DisconnectReason) {
        self.disconnects[reason as usize].fetch_add(1, Ordering::Relaxed);
    }
}

/// Adds one.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
