//! Clients and traffic around one fault.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result};
use events_gateway_harness::{Ledger, Link};
use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use tokio::time::sleep;

use super::Load;
use crate::platform::Platform;
use crate::readers::Readers;
use crate::traffic::{Make, Produced, Traffic, numbered};

/// One fault's surroundings: channels, clients and traffic of its own on a platform that others use before and after.
#[derive(Debug)]
pub struct Scene<'a> {
    /// Where it happens.
    pub platform: &'a mut Platform,
    /// Chooses victims and durations.
    pub random: &'a mut StdRng,
    /// How much flows.
    pub load: Load,
    channels: Vec<String>,
    /// Between the balancer and the clients that come through it.
    entrance: Option<Link>,
    readers: Option<Readers>,
    traffic: Option<Traffic>,
    produced: Produced,
    /// Of each channel, how many of the first events were there before a replay, and the first one that comes again.
    replay: BTreeMap<String, (u64, u64)>,
}

impl<'a> Scene<'a> {
    /// A scene whose channels have names of their own by `number`.
    #[must_use]
    pub fn new(platform: &'a mut Platform, random: &'a mut StdRng, load: Load, number: usize) -> Self {
        Self {
            channels: (0..load.clients).map(|index| format!("fault:{number}-{index}")).collect(),
            platform,
            random,
            load,
            entrance: None,
            readers: None,
            traffic: None,
            produced: Produced::default(),
            replay: BTreeMap::new(),
        }
    }

    /// A random replica.
    pub fn victim(&mut self) -> usize {
        self.random.random_range(0..self.platform.gateways.len())
    }

    /// Waits between `least` and `most` milliseconds.
    pub async fn wait(&mut self, least: u64, most: u64) {
        sleep(Duration::from_millis(self.random.random_range(least..=most))).await;
    }

    /// So many of the channels that flow, at random.
    pub fn some_channels(&mut self, count: usize) -> Vec<String> {
        self.channels.choose_multiple(self.random, count).cloned().collect()
    }

    /// The channels that flow.
    #[must_use]
    pub fn channels(&self) -> &[String] {
        &self.channels
    }

    /// Between the balancer and the clients that come through it, half of all.
    ///
    /// # Errors
    /// Before [`super::happen`] has opened it.
    pub fn entrance(&self) -> Result<&Link> {
        self.entrance.as_ref().context("nobody reads")
    }

    /// What was produced until now.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        match &self.traffic {
            Some(traffic) => traffic.so_far(),
            None => self.produced.ledger.clone(),
        }
    }

    /// The clients.
    ///
    /// # Errors
    /// Before [`super::happen`] has opened them.
    pub fn readers(&self) -> Result<&Readers> {
        self.readers.as_ref().context("nobody reads")
    }

    pub(super) async fn begin(&mut self) -> Result<()> {
        let entrance = Link::to(self.platform.balancer.address()).await?;
        self.readers = Some(Readers::open(&self.channels, entrance.address(), &self.platform.addresses()).await?);
        self.entrance = Some(entrance);
        self.flow()?;
        sleep(self.load.calm).await;
        Ok(())
    }

    pub(super) async fn end(&mut self) -> Result<bool> {
        self.platform.revive().await?;
        sleep(self.load.calm).await;
        self.rest().await
    }

    /// Lets traffic flow, going on with the numbers.
    ///
    /// # Errors
    /// When it flows already.
    pub fn flow(&mut self) -> Result<()> {
        self.flow_of(numbered)
    }

    /// [`Scene::flow`] of other records.
    ///
    /// # Errors
    /// As [`Scene::flow`].
    pub fn flow_of(&mut self, make: Make) -> Result<()> {
        anyhow::ensure!(self.traffic.is_none(), "traffic flows already");
        let producer = self.platform.kafka.producer()?;
        let (topic, channels) = (self.platform.topic(), self.channels.clone());
        let earlier = std::mem::take(&mut self.produced);
        self.traffic = Some(Traffic::go_on(producer, topic, channels, self.load.rate, make, earlier));
        Ok(())
    }

    /// Stops traffic and waits until the clients have it all; `false` when they didn't get the last of it in time.
    ///
    /// # Errors
    /// When the broker didn't take a record.
    pub async fn rest(&mut self) -> Result<bool> {
        self.hush().await?;
        Ok(self.readers()?.settle(&self.produced.ledger, self.load.patience).await)
    }

    /// Stops traffic, whoever has it.
    ///
    /// # Errors
    /// When the broker didn't take a record.
    pub async fn hush(&mut self) -> Result<()> {
        if let Some(traffic) = self.traffic.take() {
            self.produced = traffic.stop().await?;
        }
        Ok(())
    }

    /// Notes that the records at and above these offsets (partition -> offset) come again, and gives how many.
    pub fn expect_replay(&mut self, offsets: &BTreeMap<i32, i64>) -> u64 {
        let mut count = 0;
        for (channel, places) in &self.produced.places {
            let kept = places.iter().take_while(|place| place.offset < offsets[&place.partition]).count();
            self.replay.insert(channel.clone(), (places.len() as u64, kept as u64 + 1));
            count += (places.len() - kept) as u64;
        }
        count
    }

    /// The first client and channel whose events weren't: all until the reset, those that were to come again, the rest.
    pub(super) fn wrong_replay(&self) -> Result<Option<String>> {
        let ledger = self.ledger();
        let wrong = self.readers()?.sequences().find_map(|(client, channel, numbers)| {
            let (before, first) = self.replay.get(channel).copied().unwrap_or((0, 1));
            let expected = (1..=before).chain(first..=before).chain(before + 1..=ledger.produced(channel));
            let expected: Vec<u64> = expected.collect();
            (numbers != expected).then(|| {
                let place = numbers.iter().zip(&expected).take_while(|(found, wanted)| found == wanted).count();
                let (found, wanted) = (numbers.get(place), expected.get(place));
                format!("{client}, {channel}: at {place} came {found:?}, expected {wanted:?}")
            })
        });
        Ok(wrong)
    }
}
