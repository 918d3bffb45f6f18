//! The one place that reads the wall clock.

use std::time::SystemTime;

use events_gateway_core::Timestamp;

/// Milliseconds since 1970, by this machine's clock.
#[must_use]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
