//! Quotas on Redis: a hash for each, one script.

use async_trait::async_trait;

use super::script::HOLD;
use super::{RedisBacklog, entry, millis};
use crate::backlog::{BacklogError, Hold, Quotas};

#[async_trait]
impl Quotas for RedisBacklog {
    async fn hold(&self, hold: Hold<'_>) -> Result<bool, BacklogError> {
        let key = self.keys.quota(hold.quota)?;
        let mut command = redis::cmd("EVALSHA");
        command.arg(&HOLD.digest).arg(1).arg(&key).arg(hold.holder).arg(hold.count);
        command.arg(if hold.most == u32::MAX { String::new() } else { hold.most.to_string() });
        command.arg(millis(hold.lease)).arg(millis(hold.expiry).max(1)).arg(hold.live);
        let answer = self.servers.run(&key, Some(&HOLD), |_| Ok(command.clone())).await?;
        Ok(entry::number(answer, "the answer to a hold")? == 1)
    }
}
