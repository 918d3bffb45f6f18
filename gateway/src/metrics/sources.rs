//! The sources: what each part of a replica counts, by the names of the table.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use actix_web::web;
use events_gateway_core::disconnect::DisconnectReason;
use events_gateway_core::sse::GapReason;

use super::Source;
use super::table::*;
use crate::backlog::ReplicaState;
use crate::http::events::Edge;
use crate::hub::{Hub, HubCounters, LATENCY_BOUNDS_MS};
use crate::publish::counters::TOOK_BOUNDS_MS;
use crate::replica::Replica;
use crate::replica::lease::{Keeper, Reach};

/// The program itself.
#[must_use]
pub fn build() -> Source {
    Box::new(|sheet| sheet.put(&BUILD_INFO, &[env!("CARGO_PKG_VERSION")], 1.0))
}

/// The hub.
#[must_use]
pub fn hub(hub: Arc<Hub>) -> Source {
    Box::new(move |sheet| {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let HubCounters {
            delivered,
            delivered_bytes,
            released,
            repairs,
            page_reads,
            page_shared,
            view_failures,
            gaps,
            disconnects,
            latency,
            latency_sum_ms,
        } = hub.counters();
        sheet.count(&CHANNELS, &[], hub.feeds() as u64);
        sheet.count(&FILTERS, &[], hub.filters() as u64);
        sheet.count(&VIEW_FAILURES, &[], read(view_failures));
        sheet.count(&DELIVERED, &[], read(delivered));
        sheet.count(&DELIVERED_BYTES, &[], read(delivered_bytes));
        sheet.count(&RELEASED, &[], read(released));
        sheet.count(&REPAIRS, &[], read(repairs));
        sheet.count(&PAGE_READS, &[], read(page_reads));
        sheet.count(&PAGE_SHARED, &[], read(page_shared));
        for (reason, counter) in GapReason::ALL.iter().zip(gaps) {
            sheet.count(&GAPS, &[reason.as_str()], read(counter));
        }
        for (reason, counter) in DisconnectReason::ALL.iter().zip(disconnects) {
            sheet.count(&DISCONNECTS, &[reason.as_str()], read(counter));
        }
        let bounds = LATENCY_BOUNDS_MS.iter().map(|millis| *millis as f64 / 1_000.0).chain([f64::INFINITY]);
        sheet.histogram(&LATENCY, bounds.zip(latency.iter().map(read)), read(latency_sum_ms) as f64 / 1_000.0);
    })
}

/// The public listener.
#[must_use]
pub fn edge(edge: web::Data<Edge>) -> Source {
    Box::new(move |sheet| {
        sheet.count(&CONNECTIONS, &[], edge.replica.connections().open() as u64);
        sheet.count(&WEBSOCKETS, &[], edge.sockets.open() as u64);
        sheet.count(&STREAMS_OPENED, &[], edge.replica.connections().opened());
        sheet.count(&REFUSALS_HELD, &[], edge.refusals.held() as u64);
        for (reason, count) in edge.refusals.counts() {
            sheet.count(&REFUSALS, &[reason.as_str()], count);
        }
        for (reason, count) in [("address", edge.door.refused()), ("no-request", edge.door.gave_way())] {
            sheet.count(&CONNECTIONS_CLOSED, &[reason], count);
        }
        if let Some(subjects) = &edge.admission.subjects {
            sheet.count(&SUBJECTS_ALONE, &[], subjects.decided_alone());
        }
        for (kind, count) in edge.problems.counts() {
            sheet.count(&PROBLEMS, &[kind.as_str()], count);
        }
        if let Some(credentials) = &edge.credentials {
            for (outcome, count) in credentials.identities.counts() {
                sheet.count(&IDENTITIES, &[outcome.as_str()], count);
            }
            for issuer in credentials.identities.issuers() {
                if let Some(age) = issuer.age() {
                    sheet.put(&KEYS_AGE, &[&issuer.expectations.issuer], age.as_secs_f64());
                }
            }
            if let Some(revocations) = credentials.identities.revocations() {
                sheet.count(&REVOCATIONS, &[], revocations.len() as u64);
                sheet.put(&REVOCATIONS_AGE, &[], revocations.age().as_secs_f64());
                for (outcome, count) in revocations.counts() {
                    sheet.count(&REVOCATION_RECORDS, &[outcome.as_str()], count);
                }
            }
        }
        if let Some(forwarded) = edge.credentials.as_ref().and_then(|credentials| credentials.forwarded.as_ref()) {
            for (outcome, count) in forwarded.service.counts() {
                sheet.count(&FORWARD_AUTH, &[outcome.as_str()], count);
            }
        }
        let Some(publishing) = &edge.publishing else { return };
        let counters = publishing.publisher.counters();
        sheet.count(&PUBLISH_PENDING, &[], publishing.publisher.pending_bytes() as u64);
        for (outcome, count) in counters.outcomes() {
            sheet.count(&PUBLISHED, &[outcome.as_str()], count);
        }
        let (times, sum) = counters.times();
        let bounds = TOOK_BOUNDS_MS.iter().map(|millis| *millis as f64 / 1_000.0).chain([f64::INFINITY]);
        sheet.histogram(&PUBLISH_TIME, bounds.zip(times), sum);
    })
}

/// Lease and state. `ready`: whether traffic is to be routed here.
#[must_use]
pub fn replica(replica: Arc<Replica>, keeper: &Keeper, ready: Arc<dyn Fn() -> bool + Send + Sync>) -> Source {
    let (reach, leases) = (keeper.reach(), keeper.leases());
    Box::new(move |sheet| {
        let flag = |value: bool| f64::from(u8::from(value));
        sheet.put(&REDIS_UP, &[], flag(*reach.borrow() == Reach::Reached));
        sheet.put(&DRAINING, &[], flag(replica.state() == ReplicaState::Draining));
        sheet.put(&READY, &[], flag(ready()));
        let leases = leases.borrow();
        for (name, state) in [("serving", ReplicaState::Serving), ("draining", ReplicaState::Draining)] {
            sheet.count(&LEASES, &[name], leases.iter().filter(|lease| lease.state == state).count() as u64);
        }
    })
}

/// What one binding's consumer counted, copied at a scrape.
#[derive(Debug, Clone, Default)]
pub struct Consumed {
    /// Records read.
    pub records: u64,
    /// Calls that appended.
    pub appends: u64,
    /// Events stored.
    pub appended: u64,
    /// Events skipped as repeats.
    pub repeats: u64,
    /// Calls made again.
    pub retries: u64,
    /// Times that it went back.
    pub rewinds: u64,
    /// Commits.
    pub commits: u64,
    /// Commits, marks and surveys that failed.
    pub failures: u64,
    /// Commands carried out.
    pub commands: u64,
    /// Dead letters by reason.
    pub dead_letters: Vec<(&'static str, u64)>,
    /// Dead letters that are nowhere.
    pub dead_letters_lost: u64,
    /// Skipped ranges by reason.
    pub skips: Vec<(&'static str, u64)>,
    /// (topic, partition, records not yet appended) of what is assigned.
    pub lag: Vec<(String, i32, u64)>,
    /// Whether it works without complaint.
    pub is_up: bool,
}

/// A binding's consumer.
#[must_use]
pub fn consumer(binding: String, consumed: impl Fn() -> Consumed + Send + Sync + 'static) -> Source {
    Box::new(move |sheet| {
        let (now, binding) = (consumed(), binding.as_str());
        for (what, value) in [
            (&RECORDS, now.records),
            (&APPENDS, now.appends),
            (&APPENDED, now.appended),
            (&REPEATS, now.repeats),
            (&RETRIES, now.retries),
            (&REWINDS, now.rewinds),
            (&COMMITS, now.commits),
            (&COMMIT_FAILURES, now.failures),
            (&COMMANDS, now.commands),
            (&DEAD_LETTERS_LOST, now.dead_letters_lost),
            (&KAFKA_UP, u64::from(now.is_up)),
        ] {
            sheet.count(what, &[binding], value);
        }
        for (reason, count) in now.dead_letters {
            sheet.count(&DEAD_LETTERS, &[binding, reason], count);
        }
        for (reason, count) in now.skips {
            sheet.count(&SKIPS, &[binding, reason], count);
        }
        for (topic, partition, lag) in now.lag {
            sheet.count(&LAG, &[binding, &topic, &partition.to_string()], lag);
        }
    })
}
