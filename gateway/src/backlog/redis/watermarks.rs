//! The watermark on Redis: one hash per primary and group, whose slot the primary serves.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::try_join_all;
use redis::Value;

use super::options::Address;
use super::{RedisBacklog, entry, millis, script};
use crate::backlog::{BacklogError, DataSet, Marked, Offsets, Remembered, Watermarks};

/// `topic/partition`: no topic's name holds a slash.
fn field((topic, partition): &(String, i32)) -> String {
    format!("{topic}/{partition}")
}

/// The field that names the memory; a partition's has a slash.
const LIFE: &[u8] = b"life";

fn partition(field: &str) -> Option<(String, i32)> {
    let (topic, partition) = field.rsplit_once('/')?;
    Some((topic.into(), partition.parse().ok()?))
}

impl RedisBacklog {
    async fn identity(&self, primary: &Address) -> Result<(String, String), BacklogError> {
        let mut command = redis::cmd("INFO");
        command.arg("replication");
        let info = match self.servers.ask(primary, &command, None).await? {
            Value::VerbatimString { text, .. } => text,
            other => entry::text(other, "INFO")?,
        };
        let identity = info.lines().find_map(|line| line.strip_prefix("master_replid:")).map(str::trim_end);
        let identity = identity.filter(|_| info.lines().any(|line| line.trim_end() == "role:master"));
        let no_primary = || BacklogError::Unavailable(format!("{primary} isn't a primary"));
        Ok((primary.to_string(), identity.ok_or_else(no_primary)?.into()))
    }

    async fn remembered_by(&self, tag: u32, primary: &Address, group: &str) -> Result<Remembered, BacklogError> {
        let what = "a watermark";
        let mut command = redis::cmd("EVALSHA");
        command.arg(&script::REMEMBER.digest).arg(1).arg(self.keys.watermark(tag, group)?);
        command.arg(format!("{:032x}", rand::random::<u128>())).arg(millis(self.options.expiry()));
        let answer = self.servers.ask(primary, &command, Some(&script::REMEMBER)).await?;
        let mut fields = entry::array(answer, what)?.into_iter();
        let mut remembered = Remembered::default();
        while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
            let name = entry::bytes(name, what)?;
            if name == LIFE {
                remembered.life = entry::text(value, what)?;
                continue;
            }
            let name = std::str::from_utf8(&name).ok().and_then(partition).ok_or_else(|| entry::malformed(what))?;
            remembered.offsets.insert(name, entry::number(value, what)?);
        }
        Ok(remembered)
    }
}

#[async_trait]
impl Watermarks for RedisBacklog {
    async fn data_set(&self) -> Result<DataSet, BacklogError> {
        let map = self.servers.map().await?;
        let identities = try_join_all(map.primaries.iter().map(|primary| self.identity(primary))).await?;
        Ok(DataSet(Arc::new(identities.into_iter().collect::<BTreeMap<_, _>>())))
    }

    async fn remembered(&self, group: &str) -> Result<Remembered, BacklogError> {
        let map = self.servers.map().await?;
        let asked = map.tags().into_iter().map(|(tag, primary)| self.remembered_by(tag, primary, group));
        let mut answers = try_join_all(asked).await?.into_iter();
        let mut lowest = answers.next().unwrap_or_default();
        for other in answers {
            lowest.life.push_str(&other.life);
            lowest.offsets.retain(|partition, offset| match other.offsets.get(partition) {
                Some(remembered) => {
                    *offset = (*offset).min(*remembered);
                    true
                }
                None => false,
            });
        }
        Ok(lowest)
    }

    async fn mark(
        &self,
        group: &str,
        data_set: &DataSet,
        marked: &Offsets,
        offsets: &Offsets,
    ) -> Result<Marked, BacklogError> {
        let map = self.servers.map().await?;
        let calls = map.tags().into_iter().map(|(tag, primary)| async move {
            let Some(identity) = data_set.0.get(&primary.to_string()) else {
                return Ok(false);
            };
            let mut command = redis::cmd("EVALSHA");
            command.arg(&script::MARK.digest).arg(1).arg(self.keys.watermark(tag, group)?).arg(identity);
            command.arg(millis(self.options.expiry())).arg(marked.len());
            for (partition, offset) in marked.iter().chain(offsets) {
                command.arg(field(partition)).arg(*offset);
            }
            let answer = self.servers.ask(primary, &command, Some(&script::MARK)).await?;
            Ok(entry::number(answer, "the answer to a mark")? == 1)
        });
        let stored: Vec<bool> = try_join_all(calls).await?;
        let all = !stored.is_empty() && stored.into_iter().all(|stored| stored);
        Ok(if all { Marked::Stored } else { Marked::Forgotten })
    }
}
