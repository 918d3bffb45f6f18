//! The directory on Redis: leases, connections, owners and what groups are to do.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use events_gateway_core::{Channel, Timestamp};
use futures_util::future::try_join_all;
use redis::{Cmd, Value};
use serde::de::DeserializeOwned;

use super::script::RAISE;
use super::{RedisBacklog, entry, millis};
use crate::backlog::{
    Applied, BacklogError, Confirmations, ConnectionEntry, Control, Directory, Lease, Secrets, Taken, Tickets,
};

/// Most leases that are told.
const MAX_LEASES: usize = 1_000;
/// Connections written by one command.
const CHUNK: usize = 500;

fn json<T: serde::Serialize>(value: &T) -> Result<String, BacklogError> {
    serde_json::to_string(value).map_err(|error| BacklogError::Refused(format!("failed to write: {error}")))
}

fn parse<T: DeserializeOwned>(value: Value, what: &str) -> Result<T, BacklogError> {
    serde_json::from_slice(&entry::bytes(value, what)?).map_err(|_| entry::malformed(what))
}

impl RedisBacklog {
    async fn on(&self, key: &str, command: Cmd) -> Result<Value, BacklogError> {
        self.servers.run(key, None, |_| Ok(command.clone())).await
    }
}

/// This machine's clock: it only orders the index of leases, which leases themselves confirm.
fn clock() -> u64 {
    millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn command<const N: usize>(name: &str, arguments: [&str; N]) -> Cmd {
    let mut command = redis::cmd(name);
    for argument in arguments {
        command.arg(argument);
    }
    command
}

/// What stands in place of a ticket that was taken.
const SPENT: &str = "spent";

#[async_trait]
impl Tickets for RedisBacklog {
    async fn keep_ticket(&self, name: &str, content: &str, ttl: Duration) -> Result<(), BacklogError> {
        let key = self.keys.ticket(name)?;
        let mut set = command("SET", [&key, content, "PX"]);
        set.arg(millis(ttl).max(1));
        self.on(&key, set).await.map(|_| ())
    }

    async fn take_ticket(&self, name: &str) -> Result<Taken, BacklogError> {
        let key = self.keys.ticket(name)?;
        // One command, so that one caller has it; it stays known as spent for as long as it would have been good.
        Ok(match self.on(&key, command("SET", [&key, SPENT, "XX", "GET", "KEEPTTL"])).await? {
            Value::Nil => Taken::Never,
            value => match entry::text(value, "a ticket")? {
                spent if spent == SPENT => Taken::Before,
                content => Taken::Now(content),
            },
        })
    }
}

#[async_trait]
impl Secrets for RedisBacklog {
    async fn share_secret(&self, mine: &str, ttl: Duration) -> Result<String, BacklogError> {
        let key = self.keys.secret();
        // Of all who find none one succeeds, and the others are told what it has set.
        let mut set = command("SET", [&key, mine, "NX", "GET", "PX"]);
        set.arg(millis(ttl).max(1));
        match self.on(&key, set).await? {
            Value::Nil => Ok(mine.to_owned()),
            known => {
                let mut keep = command("PEXPIRE", [&key]);
                keep.arg(millis(ttl).max(1));
                self.on(&key, keep).await?;
                entry::text(known, "the replicas' secret")
            }
        }
    }
}

#[async_trait]
impl Confirmations for RedisBacklog {
    async fn confirm(&self, replica: &str, applied: &Applied, ttl: Duration) -> Result<(), BacklogError> {
        let key = self.keys.revocations(replica)?;
        let mut set = command("SET", [&key, &json(applied)?, "PX"]);
        set.arg(millis(ttl).max(1));
        self.on(&key, set).await.map(|_| ())
    }

    async fn confirmed(&self, replica: &str) -> Result<Option<Applied>, BacklogError> {
        let key = self.keys.revocations(replica)?;
        match self.on(&key, command("GET", [&key])).await? {
            Value::Nil => Ok(None),
            value => parse(value, "a replica's confirmation").map(Some),
        }
    }
}

#[async_trait]
impl Directory for RedisBacklog {
    async fn renew(&self, lease: &Lease, ttl: Duration, first: bool) -> Result<bool, BacklogError> {
        let key = self.keys.replica(&lease.replica)?;
        let mut set = command("SET", [&key, &json(lease)?, if first { "NX" } else { "XX" }]);
        set.arg("PX").arg(millis(ttl));
        if self.on(&key, set).await? == Value::Nil {
            return Ok(false);
        }
        let index = self.keys.replicas();
        let mut add = command("ZADD", [&index]);
        add.arg(clock() + millis(ttl)).arg(&lease.replica);
        self.on(&index, add).await?;
        if first {
            // Those that nobody renewed for an hour, whatever the clocks say.
            let mut remove = command("ZREMRANGEBYSCORE", [&index, "-inf"]);
            remove.arg(clock().saturating_sub(3_600_000));
            self.on(&index, remove).await?;
        }
        Ok(true)
    }

    async fn release(&self, replica: &str) -> Result<(), BacklogError> {
        let keys = [self.keys.replica(replica)?, self.keys.connections(replica)?, self.keys.revocations(replica)?];
        for key in keys {
            self.on(&key, command("DEL", [&key])).await?;
        }
        let index = self.keys.replicas();
        self.on(&index, command("ZREM", [&index, replica])).await.map(|_| ())
    }

    async fn leases(&self) -> Result<Vec<Lease>, BacklogError> {
        let index = self.keys.replicas();
        let mut range = command("ZRANGE", [&index, "0"]);
        range.arg(MAX_LEASES - 1).arg("REV");
        let replicas = entry::array(self.on(&index, range).await?, "the index of leases")?;
        let read = |replica| async move {
            let key = self.keys.replica(&entry::text(replica, "the index of leases")?)?;
            match self.on(&key, command("GET", [&key])).await? {
                Value::Nil => Ok(None),
                value => parse(value, "a lease").map(Some),
            }
        };
        Ok(try_join_all(replicas.into_iter().map(read)).await?.into_iter().flatten().collect())
    }

    async fn record(
        &self,
        replica: &str,
        opened: &[ConnectionEntry],
        closed: &[String],
        ttl: Duration,
    ) -> Result<(), BacklogError> {
        let key = self.keys.connections(replica)?;
        for chunk in opened.chunks(CHUNK) {
            let mut set = command("HSET", [&key]);
            for connection in chunk {
                set.arg(&connection.connection).arg(json(connection)?);
            }
            self.on(&key, set).await?;
        }
        for chunk in closed.chunks(CHUNK) {
            let mut remove = command("HDEL", [&key]);
            remove.arg(chunk);
            self.on(&key, remove).await?;
        }
        let mut expire = command("PEXPIRE", [&key]);
        expire.arg(millis(ttl));
        self.on(&key, expire).await.map(|_| ())
    }

    async fn connections(&self, replica: &str) -> Result<Vec<ConnectionEntry>, BacklogError> {
        let key = self.keys.connections(replica)?;
        let values = entry::array(self.on(&key, command("HVALS", [&key])).await?, "a replica's connections")?;
        values.into_iter().map(|value| parse(value, "a connection")).collect()
    }

    async fn owners(&self, channel: &Channel) -> Result<Vec<(String, Timestamp)>, BacklogError> {
        let key = self.keys.meta(channel);
        let owners = match self.on(&key, command("HGET", [&key, "owners"])).await? {
            Value::Nil => return Ok(Vec::new()),
            value => entry::text(value, "a channel's owners")?,
        };
        let read = |owner: &str| {
            let mut parts = owner.split(' ');
            let (replica, _, lapses) = (parts.next()?, parts.next()?, parts.next()?);
            Some((replica.to_owned(), Timestamp(lapses.parse().ok()?)))
        };
        owners.split(';').map(|owner| read(owner).ok_or_else(|| entry::malformed("a channel's owners"))).collect()
    }

    async fn control(&self, group: &str) -> Result<Control, BacklogError> {
        let what = "a group's control";
        let key = self.keys.control(group)?;
        let values = entry::array(self.on(&key, command("HMGET", [&key, "paused", "breaks"])).await?, what)?;
        let [paused, breaks]: [Value; 2] = values.try_into().map_err(|_| entry::malformed(what))?;
        let paused = paused != Value::Nil && entry::text(paused, what)? == "1";
        let breaks = if breaks == Value::Nil { 0 } else { entry::number(breaks, what)? };
        Ok(Control { paused, breaks })
    }

    async fn set_paused(&self, group: &str, paused: bool) -> Result<(), BacklogError> {
        let key = self.keys.control(group)?;
        self.on(&key, command("HSET", [&key, "paused", if paused { "1" } else { "0" }])).await.map(|_| ())
    }

    async fn raise_breaks(&self, group: &str, known: u64, cause: Option<&str>) -> Result<u64, BacklogError> {
        let key = self.keys.control(group)?;
        let mut command = command("EVALSHA", [&RAISE.digest]);
        command.arg(1).arg(&key).arg(known).arg(cause.unwrap_or_default());
        let answer = self.servers.run(&key, Some(&RAISE), |_| Ok(command.clone())).await?;
        entry::number(answer, "a group's break number")
    }
}
