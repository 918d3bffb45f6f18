//! The backlog on Redis 7 or newer: standalone, Sentinel or Cluster.
//!
//! Commands go over one connection per primary, shard subscriptions over another; both are replaced when they die. Every
//! write is one script, sent once: where its fate is unknown the caller hears so and calls again, and repeats are skipped.

mod announcement;
mod answer;
mod directory;
mod entry;
mod keys;
mod link;
mod options;
mod quotas;
mod script;
mod servers;
mod subscriptions;
mod topology;
mod watermarks;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use events_gateway_core::{Channel, Position, Standing, Timestamp};
use futures_util::{StreamExt as _, stream};
use redis::Cmd;
use tokio::time::timeout;

pub use options::{Address, Credentials, Mode, Options, OptionsError, Tls};

use crate::backlog::{Appended, Backlog, BacklogError, Batch, Breaks, Listener, MAX_PAGE_BYTES, Page, Token};
use keys::Keys;
use script::Script;
use servers::Servers;
use subscriptions::Subscriptions;

/// Verify calls on their way at once; the connection packs them into few writes.
const VERIFYING: usize = 256;

/// A replica's access to the shared backlog, watermarks and directory. Dropping it ends its connections.
pub struct RedisBacklog {
    options: Arc<Options>,
    keys: Keys,
    servers: Arc<Servers>,
    subscriptions: Subscriptions,
}

impl RedisBacklog {
    /// Proves the options and begins to connect; must be called within a tokio runtime. Redis needn't be there: calls
    /// fail as [`BacklogError::Unavailable`] meanwhile, with the reason (also when a server turns out unfit: older than
    /// 7, evicting, of another mode), and work as soon as it is.
    pub fn start(options: Options, listener: Arc<dyn Listener>) -> Result<Self, OptionsError> {
        options.validate()?;
        if options.tls.is_some() {
            // A process has one provider; whoever comes second keeps the first's.
            let _ = rustls::crypto::ring::default_provider().install_default();
            let probe = Address { host: "localhost".into(), port: 1 };
            link::client(&options, &probe, &options.credentials)?;
        }
        let options = Arc::new(options);
        let keys = Keys::new(&options.prefix);
        let servers = Arc::new(Servers::start(Arc::clone(&options)));
        let subscriptions = Subscriptions::start(Arc::clone(&options), keys.clone(), Arc::clone(&servers), listener);
        Ok(Self { options, keys, servers, subscriptions })
    }

    /// Whether every primary is connected now.
    #[must_use]
    pub fn is_reachable(&self) -> bool {
        self.servers.are_up()
    }

    /// A call of a channel's script; its two keys are the first arguments.
    fn call(&self, script: &Script, channel: &Channel) -> Cmd {
        let mut command = redis::cmd("EVALSHA");
        command.arg(&script.digest).arg(2).arg(self.keys.backlog(channel)).arg(self.keys.meta(channel));
        command
    }

    async fn run(&self, script: &Script, channel: &Channel, command: Cmd) -> Result<redis::Value, BacklogError> {
        self.servers.run(&self.keys.meta(channel), Some(script), |_| Ok(command.clone())).await
    }

    /// Registers again. Once one of many has `failed`, those whose primary is away fail at once: waiting for each would
    /// take the time-out as often as there are channels.
    async fn verify_one(
        &self,
        channel: &Channel,
        token: &Token,
        breaks: &Breaks,
        failed: &AtomicBool,
    ) -> Result<Standing, BacklogError> {
        if failed.load(Ordering::Relaxed) && !self.servers.is_up(&self.keys.meta(channel)) {
            return Err(BacklogError::Unavailable("its primary is away".into()));
        }
        let standing = self.own(channel, token, breaks).await;
        if matches!(standing, Err(BacklogError::Unavailable(_))) {
            failed.store(true, Ordering::Relaxed);
        }
        standing
    }

    async fn own(&self, channel: &Channel, token: &Token, breaks: &Breaks) -> Result<Standing, BacklogError> {
        if !token.replica.bytes().all(|byte| byte.is_ascii_graphic() && byte != b';') || token.replica.is_empty() {
            return Err(BacklogError::Refused(
                "a replica's id is printable ASCII without spaces and semicolons".into(),
            ));
        }
        let mut command = self.call(&script::REGISTER, channel);
        command.arg(&*token.replica).arg(token.number).arg(millis(self.options.ownership));
        command.arg(millis(self.options.retained_age)).arg(millis(self.options.expiry()));
        entry::write_breaks(&mut command, breaks);
        entry::standing(self.run(&script::REGISTER, channel, command).await?)
    }
}

/// Ends a subscription that no registration came of, also where the caller didn't wait for it.
struct Withdrawal<'a> {
    subscriptions: &'a Subscriptions,
    channel: &'a Channel,
    token: &'a Token,
}

impl Drop for Withdrawal<'_> {
    fn drop(&mut self) {
        self.subscriptions.unsubscribe(self.channel, self.token);
    }
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).min(1 << 52)
}

#[async_trait]
impl Backlog for RedisBacklog {
    async fn append(&self, batch: Batch) -> Result<Appended, BacklogError> {
        let what = "the answer to an append";
        batch.check()?;
        let build = |primary: &Address| {
            let identity = batch.data_set.0.get(&primary.to_string()).ok_or(BacklogError::DataSetChanged)?;
            let mut command = self.call(&script::APPEND, &batch.channel);
            command.arg(identity).arg(self.keys.announcements(&batch.channel));
            command.arg(batch.source.as_str()).arg(batch.generation.0);
            command.arg(self.options.retained_events).arg(millis(self.options.retained_age));
            command.arg(millis(self.options.expiry()));
            entry::write_breaks(&mut command, &batch.breaks);
            entry::write(&mut command, &batch)?;
            Ok(command)
        };
        let answer = self.servers.run(&self.keys.meta(&batch.channel), Some(&script::APPEND), build).await?;
        let mut answer = entry::array(answer, what)?.into_iter().map(|value| entry::number(value, what));
        let mut next = || answer.next().unwrap_or_else(|| Err(entry::malformed(what)));
        if next()? == 0 {
            return Err(BacklogError::DataSetChanged);
        }
        let count = |number: u64| usize::try_from(number).map_err(|_| entry::malformed(what));
        Ok(Appended { stored: count(next()?)?, repeats: count(next()?)?, head: Position(next()?) })
    }

    async fn register(&self, channel: &Channel, token: &Token, breaks: &Breaks) -> Result<Standing, BacklogError> {
        let withdrawal = Withdrawal { subscriptions: &self.subscriptions, channel, token };
        let owned = async {
            self.subscriptions.subscribe(channel, token).await?;
            self.own(channel, token, breaks).await
        };
        let late = |_| BacklogError::Unavailable(format!("not registered within {:?}", self.options.call_timeout));
        let owned = timeout(self.options.call_timeout, owned).await.map_err(late).and_then(|owned| owned);
        if owned.is_ok() {
            std::mem::forget(withdrawal);
        }
        owned
    }

    async fn unregister(&self, channel: &Channel, token: &Token) -> Result<(), BacklogError> {
        self.subscriptions.unsubscribe(channel, token);
        let mut command = self.call(&script::UNREGISTER, channel);
        command.arg(&*token.replica).arg(token.number);
        self.run(&script::UNREGISTER, channel, command).await.map(|_| ())
    }

    async fn verify(&self, owned: &[(Channel, Token)], breaks: &Breaks) -> Vec<Result<Standing, BacklogError>> {
        let failed = AtomicBool::new(false);
        let mut calls = Vec::with_capacity(owned.len());
        for (channel, token) in owned {
            self.subscriptions.want(channel, token);
            calls.push(self.verify_one(channel, token, breaks, &failed));
        }
        stream::iter(calls).buffered(VERIFYING).collect().await
    }

    async fn read(&self, channel: &Channel, after: Position, limit: usize) -> Result<Page, BacklogError> {
        let what = "the answer to a read";
        let mut command = self.call(&script::READ, channel);
        command.arg(after.0.saturating_add(1)).arg(limit.max(1)).arg(MAX_PAGE_BYTES);
        command.arg(millis(self.options.expiry()));
        let answer = entry::array(self.run(&script::READ, channel, command).await?, what)?;
        let [standing, entries]: [redis::Value; 2] = answer.try_into().map_err(|_| entry::malformed(what))?;
        let entries = entry::array(entries, what)?.into_iter().map(entry::entry).collect::<Result<_, _>>()?;
        Ok(Page { standing: entry::standing(standing)?, entries })
    }

    async fn close_before(&self, channel: &Channel, time: Timestamp) -> Result<Timestamp, BacklogError> {
        let mut command = self.call(&script::CLOSE, channel);
        command.arg(self.keys.announcements(channel)).arg(time.0.min(1 << 52)).arg(millis(self.options.expiry()));
        let answer = self.run(&script::CLOSE, channel, command).await?;
        entry::number(answer, "the answer to a close").map(Timestamp)
    }

    async fn keep(&self, channel: &Channel) -> Result<(), BacklogError> {
        let mut command = self.call(&script::KEEP, channel);
        command.arg(millis(self.options.expiry()));
        self.run(&script::KEEP, channel, command).await.map(|_| ())
    }
}
