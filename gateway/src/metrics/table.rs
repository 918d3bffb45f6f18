//! Every metric by name: the only place that names any.

/// What a family's samples are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// Only grows, from 0 at the process's start.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts in buckets.
    Histogram,
}

impl Type {
    /// As Prometheus calls it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A family of samples. Labels have few values each: reasons are catalogued, bindings and partitions configured. None is a
/// channel, subject, address or connection.
#[derive(Debug, PartialEq, Eq)]
pub struct Description {
    /// Its name, with its unit.
    pub name: &'static str,
    /// What its samples are.
    pub kind: Type,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What it tells.
    pub help: &'static str,
}

macro_rules! table {
    ($($constant:ident = $kind:ident $name:literal [$($label:literal),*] $help:literal;)*) => {
        $(
            #[doc = $help]
            pub static $constant: Description = Description {
                name: $name,
                kind: Type::$kind,
                labels: &[$($label),*],
                help: $help,
            };
        )*
        /// All families, in the order of the reference.
        pub static ALL: &[&Description] = &[$(&$constant),*];
    };
}

table! {
    BUILD_INFO = Gauge "events_gateway_build_info" ["version"]
        "1, with the program's version.";
    CONNECTIONS = Gauge "events_gateway_connections" []
        "Open streams.";
    STREAMS_OPENED = Counter "events_gateway_streams_opened_total" []
        "Streams accepted since the start.";
    CHANNELS = Gauge "events_gateway_channels" []
        "Channels that this replica owns.";
    REFUSALS = Counter "events_gateway_refusals_total" ["reason"]
        "Requests refused retryably.";
    REFUSALS_HELD = Gauge "events_gateway_refusals_held" []
        "Refused requests that are held open for a moment.";
    CONNECTIONS_CLOSED = Counter "events_gateway_connections_closed_total" ["reason"]
        "Connections closed before a request was read: the peer had as many as it may, or gave way for sending none.";
    SUBJECTS_ALONE = Counter "events_gateway_subject_limit_alone_total" []
        "Streams opened by this replica's own count of their subject's, because Redis didn't answer in time.";
    PROBLEMS = Counter "events_gateway_problems_total" ["problem"]
        "Requests refused for good, by the row of the problem table.";
    DELIVERED = Counter "events_gateway_delivered_events_total" []
        "Events handed to sockets.";
    DELIVERED_BYTES = Counter "events_gateway_delivered_bytes_total" []
        "Bytes handed to sockets, the gateway's own events included.";
    LATENCY = Histogram "events_gateway_delivery_latency_seconds" []
        "Time from a record's timestamp to the socket.";
    RELEASED = Counter "events_gateway_released_events_total" []
        "Events released to subscribers, once per channel.";
    WEBSOCKETS = Gauge "events_gateway_websockets" []
        "Open WebSockets, which are streams as well.";
    FILTERS = Gauge "events_gateway_filters" []
        "Distinct filters of open streams.";
    VIEW_FAILURES = Counter "events_gateway_view_failures_total" []
        "Events of which a view could not be made, once per view and channel.";
    REPAIRS = Counter "events_gateway_repairs_total" []
        "Holes in a channel's announcements that were filled from the backlog.";
    PAGE_READS = Counter "events_gateway_page_reads_total" []
        "Pages of backlogs read for replays.";
    PAGE_SHARED = Counter "events_gateway_pages_shared_total" []
        "Replays served by a page that another had asked for.";
    GAPS = Counter "events_gateway_gaps_total" ["reason"]
        "Gaps told to subscribers.";
    DISCONNECTS = Counter "events_gateway_disconnects_total" ["reason"]
        "Streams ended by the gateway.";
    IDENTITIES = Counter "events_gateway_identities_total" ["outcome"]
        "Requests by what came of asking who sent them.";
    KEYS_AGE = Gauge "events_gateway_issuer_keys_age_seconds" ["issuer"]
        "How old an issuer's keys are; absent while none are known.";
    REVOCATIONS = Gauge "events_gateway_revocations" []
        "Revocations that are known.";
    REVOCATIONS_AGE = Gauge "events_gateway_revocations_age_seconds" []
        "Time since the topic of revocations was known to its end, or since the start where it never was.";
    REVOCATION_RECORDS = Counter "events_gateway_revocation_records_total" ["outcome"]
        "Records of the topic of revocations, by what they said.";
    FORWARD_AUTH = Counter "events_gateway_forward_auth_questions_total" ["outcome"]
        "Questions whose a session or token is, by what came of them; remembered ones didn't reach the service.";
    PUBLISHED = Counter "events_gateway_published_events_total" ["outcome"]
        "Events that were published over HTTP, by what became of them.";
    PUBLISH_PENDING = Gauge "events_gateway_publish_pending_bytes" []
        "Bytes of publications that are read or wait for Kafka.";
    PUBLISH_TIME = Histogram "events_gateway_publish_seconds" []
        "Time that Kafka took to have a request's events.";
    RECORDS = Counter "events_gateway_records_total" ["binding"]
        "Records read from Kafka, repeats and rejected ones included.";
    APPENDS = Counter "events_gateway_appends_total" ["binding"]
        "Calls that appended to the backlog.";
    APPENDED = Counter "events_gateway_appended_events_total" ["binding"]
        "Events stored in the backlog.";
    REPEATS = Counter "events_gateway_repeats_total" ["binding"]
        "Events skipped as repeats.";
    RETRIES = Counter "events_gateway_append_retries_total" ["binding"]
        "Calls of the backlog that failed and were made again.";
    REWINDS = Counter "events_gateway_rewinds_total" ["binding"]
        "Times that a consumer went back because the backlog had changed or forgotten.";
    COMMITS = Counter "events_gateway_commits_total" ["binding"]
        "Offset commits that succeeded.";
    COMMIT_FAILURES = Counter "events_gateway_commit_failures_total" ["binding"]
        "Commits, marks and surveys that failed and are tried again.";
    COMMANDS = Counter "events_gateway_commands_total" ["binding"]
        "Commands carried out.";
    DEAD_LETTERS = Counter "events_gateway_dead_letters_total" ["binding", "reason"]
        "Records that were dead-lettered.";
    DEAD_LETTERS_LOST = Counter "events_gateway_dead_letters_lost_total" ["binding"]
        "Dead letters that are nowhere: no topic is configured, or it refused them for good.";
    SKIPS = Counter "events_gateway_skipped_ranges_total" ["binding", "reason"]
        "Ranges of a partition that were skipped or are in doubt.";
    LAG = Gauge "events_gateway_lag_records" ["binding", "topic", "partition"]
        "Records of an assigned partition that are not yet appended.";
    KAFKA_UP = Gauge "events_gateway_kafka_up" ["binding"]
        "1 while a binding's consumer works without complaint.";
    REDIS_UP = Gauge "events_gateway_redis_up" []
        "1 while the last renewal of the lease succeeded.";
    LEASES = Gauge "events_gateway_leases" ["state"]
        "Live replicas, as the directory told last.";
    DRAINING = Gauge "events_gateway_draining" []
        "1 while this replica drains.";
    READY = Gauge "events_gateway_ready" []
        "1 while traffic is to be routed here.";
    PROCESS_CPU = Counter "process_cpu_seconds_total" []
        "CPU time of the process, user and system.";
    PROCESS_MEMORY = Gauge "process_resident_memory_bytes" []
        "Resident memory.";
    PROCESS_FDS = Gauge "process_open_fds" []
        "Open file descriptors.";
    PROCESS_MAX_FDS = Gauge "process_max_fds" []
        "Most file descriptors that may be open.";
    PROCESS_THREADS = Gauge "process_threads" []
        "Threads.";
    PROCESS_START = Gauge "process_start_time_seconds" []
        "When the process started, in seconds since 1970.";
}

/// The reference page of the metrics, in Markdown.
#[must_use]
pub fn reference() -> String {
    let mut page = String::from(
        "# Metrics\n\nWhat `GET /metrics` of the admin listener tells, in Prometheus' text format. Generated from \
         `gateway/src/metrics/table.rs`.\n\n| name | type | labels | meaning |\n|---|---|---|---|\n",
    );
    for row in ALL {
        let labels: Vec<_> = row.labels.iter().map(|label| format!("`{label}`")).collect();
        page += &format!("| `{}` | {} | {} | {} |\n", row.name, row.kind.as_str(), labels.join(", "), row.help);
    }
    page
}
