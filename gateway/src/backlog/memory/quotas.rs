//! Quotas in memory.

use std::collections::HashMap;

use async_trait::async_trait;
use events_gateway_core::Timestamp;

use super::{MemoryBacklog, millis};
use crate::backlog::{BacklogError, Hold, Quotas};

/// By holder: how many, and since when it says so.
type Holders = HashMap<String, (u32, Timestamp)>;

/// By quota: its holders, and when it is forgotten.
pub(super) type Held = HashMap<String, (Holders, Timestamp)>;

#[async_trait]
impl Quotas for MemoryBacklog {
    async fn hold(&self, hold: Hold<'_>) -> Result<bool, BacklogError> {
        let (mut state, now) = self.state()?;
        state.kept.quotas.retain(|_, (_, until)| *until > now);
        let (holders, until) = state.kept.quotas.entry(hold.quota.to_owned()).or_default();
        let is_live = |holder: &String, since: Timestamp| {
            hold.live.contains(holder) || now.millis_since(since) < millis(hold.lease)
        };
        holders.retain(|holder, (_, since)| holder == hold.holder || is_live(holder, *since));
        let others =
            holders.iter().filter(|(holder, _)| *holder != hold.holder).map(|(_, (count, _))| u64::from(*count));
        let is_full = others.sum::<u64>() + u64::from(hold.count) > u64::from(hold.most);
        *until = (*until).max(Timestamp(now.0 + millis(hold.expiry)));
        if hold.most != u32::MAX && is_full {
            return Ok(false);
        }
        if hold.count == 0 {
            holders.remove(hold.holder);
        } else {
            holders.insert(hold.holder.to_owned(), (hold.count, now));
        }
        if holders.is_empty() {
            state.kept.quotas.remove(hold.quota);
        }
        Ok(true)
    }
}
