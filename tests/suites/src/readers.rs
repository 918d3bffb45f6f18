//! A hundred clients, and the verdict on what they saw.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use events_gateway_harness::Ledger;
use events_gateway_harness::ledger::{Observed, Verdict};
use events_gateway_harness::sse::{Client, Options};
use events_gateway_harness::wait;

use crate::observed;
use crate::platform::events_of;

/// How long opening all clients may take.
const OPEN: Duration = Duration::from_secs(60);

/// Clients that reconnect, each reading two channels.
#[derive(Debug)]
pub struct Readers {
    clients: Vec<(String, [String; 2], Client)>,
}

impl Readers {
    /// Opens as many clients as there are channels: half of them through the balancer, half directly, each moving on to
    /// another replica when its own is gone. All have their `gateway.open` when this returns.
    ///
    /// # Errors
    /// When a stream doesn't open in a minute.
    pub async fn open(channels: &[String], balancer: SocketAddr, replicas: &[SocketAddr]) -> Result<Self> {
        let mut clients = Vec::new();
        for (index, channel) in channels.iter().enumerate() {
            // Far enough apart to be on other partitions and other Redis shards.
            let second = &channels[(index + channels.len() / 2 - 1) % channels.len()];
            let pair = [channel.clone(), second.clone()];
            let mut options = Options { give_up: false, ..Options::new(balancer, events_of(&pair)) };
            if index % 2 == 1 {
                options.addresses = replicas.to_vec();
                options.addresses.rotate_left(index / 2 % replicas.len());
            }
            clients.push((format!("client-{index}"), pair, Client::open(options)));
        }
        let readers = Self { clients };
        for (_, _, client) in &readers.clients {
            let opened = |history: &events_gateway_harness::sse::client::History| {
                history.events.iter().any(|received| received.event.kind == "gateway.open")
            };
            client.wait_for("gateway.open", OPEN, opened).await?;
        }
        Ok(readers)
    }

    /// Waits until every client has the last event of its channels, and then some; `false` when that isn't within `bound`.
    pub async fn settle(&self, ledger: &Ledger, bound: Duration) -> bool {
        let done = || {
            self.clients.iter().all(|(_, channels, client)| {
                let seen = observed::of(&client.history());
                channels.iter().all(|channel| {
                    let last = ledger.produced(channel);
                    last == 0
                        || seen.iter().rev().any(|item| {
                            matches!(item, Observed::Event { channel: other, sequence } if other == channel && *sequence == last)
                        })
                })
            })
        };
        // In vain is no error here: the checker says what is missing.
        let settled = wait::until("the last events", bound, || {
            let done = done();
            async move {
                if !done {
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
                Ok(done.then_some(()))
            }
        })
        .await;
        // A repeat would come after the last event.
        tokio::time::sleep(Duration::from_secs(1)).await;
        settled.is_ok()
    }

    /// Judges all clients against what was produced; a client that gave up, or saw a stream that careful servers don't
    /// send, is an error.
    ///
    /// # Errors
    /// When a stream broke the format.
    pub fn judge(&self, ledger: &Ledger) -> Result<Verdict> {
        let mut sum = Verdict::default();
        for (name, channels, client) in &self.clients {
            let history = client.history();
            anyhow::ensure!(history.violations.is_empty(), "{name}: {:?}", history.violations);
            let subscribed: Vec<(&str, u64)> = channels.iter().map(|channel| (channel.as_str(), 1)).collect();
            sum.add(ledger.judge(name, &subscribed, &observed::of(&history)));
        }
        Ok(sum)
    }

    /// Of each client and each of its channels, the numbers in the order of their arrival.
    pub fn sequences(&self) -> impl Iterator<Item = (&str, &str, Vec<u64>)> {
        self.clients.iter().flat_map(|(name, channels, client)| {
            let seen = observed::of(&client.history());
            channels.iter().map(move |channel| {
                let numbers = seen.iter().filter_map(|item| match item {
                    Observed::Event { channel: other, sequence } if other == channel => Some(*sequence),
                    _ => None,
                });
                (name.as_str(), channel.as_str(), numbers.collect())
            })
        })
    }
}
