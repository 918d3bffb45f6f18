//! Who a replica is, and its claim to be alive.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::{Duration, MINUTE, SECOND};
use crate::text::{HostPort, Identifier};

/// Who this replica is, and its claim to be alive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Replica {
    /// What people know it by. Absent: the environment's `POD_NAME`, else `HOSTNAME`, else `gateway`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Identifier>,
    /// Where its public listener is reached, told to others in its lease. Absent: the
    /// environment's `POD_IP` with `listen.port`, else the address that it listens on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<HostPort>,
    /// How long its lease holds without renewal; it is renewed three times as often.
    pub lease: Duration<{ 3 * SECOND }, { 10 * MINUTE }>,
    /// How often every owned channel is compared with Redis, so that a lost announcement costs no more than this.
    pub verify: Duration<SECOND, { 5 * MINUTE }>,
    /// How long this replica alone may be without Redis before it is no longer ready.
    pub redis_patience: Duration<SECOND, { 10 * MINUTE }>,
}

impl Default for Replica {
    fn default() -> Self {
        Self {
            name: None,
            address: None,
            lease: Duration::millis(15 * SECOND),
            verify: Duration::millis(15 * SECOND),
            redis_patience: Duration::millis(10 * SECOND),
        }
    }
}
