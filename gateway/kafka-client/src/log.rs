//! What librdkafka logs.

use rdkafka::config::RDKafkaLogLevel;

/// Carries a line of librdkafka's into ours, one level below its own: what it calls an error mostly heals.
pub fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical | RDKafkaLogLevel::Error => {
            tracing::warn!(target: "librdkafka", facility, "{message}");
        }
        RDKafkaLogLevel::Warning => tracing::info!(target: "librdkafka", facility, "{message}"),
        _ => tracing::debug!(target: "librdkafka", facility, "{message}"),
    }
}

/// What of a log line of a failed connection stays the same while it goes on failing: not the thread, nor how long it took.
#[must_use]
pub fn reason(line: &str) -> &str {
    let line = line.split_once("]: ").map_or(line, |(_, rest)| rest);
    line.split_once(" (after ").map_or(line, |(reason, _)| reason)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_reason_is_the_same_however_long_the_failure_took() {
        let line = "[thrd:sasl_plaintext://kafka:9092/bootstrap]: sasl_plaintext://kafka:9092/bootstrap: SASL authentication \
                    error: invalid credentials (after 386ms in state AUTH_REQ, 1 identical error(s) suppressed)";
        let reason = "sasl_plaintext://kafka:9092/bootstrap: SASL authentication error: invalid credentials";
        assert_eq!(super::reason(line), reason);
        assert_eq!(super::reason("plain"), "plain");
    }
}
