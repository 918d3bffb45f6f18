//! Where records go that can't be delivered, so that their partitions go on.

use async_trait::async_trait;
use events_gateway_core::Channel;
use events_gateway_core::envelope::Rejection;

use crate::source::{OwnedRecord, TopicPartition};

pub mod headers;
pub mod kafka;
pub mod list;
pub mod redrive;
mod silent;

pub use silent::Silent;

/// A record that can't be delivered, or not to all of its channels.
#[derive(Debug, Clone)]
pub struct DeadLetter {
    /// The binding that read it.
    pub binding: String,
    /// Where it was read.
    pub at: TopicPartition,
    /// The record as it came.
    pub record: OwnedRecord,
    /// Why.
    pub rejection: Rejection,
    /// The channels that don't hold it. Empty: the record was never decoded, so all that it may address.
    pub owed: Vec<Channel>,
}

/// What became of a dead letter. Either way its partition goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Buried {
    /// The dead-letter topic has it.
    Written,
    /// The dead-letter topic has it without its value, which was too large with our headers.
    WithoutValue,
    /// There is no dead-letter topic: counted and logged.
    Unwanted,
    /// The broker refused it for good, or for longer than is waited: counted and logged.
    Lost,
}

/// Takes dead letters.
#[async_trait]
pub trait DeadLetters: Send + Sync + 'static {
    /// Returns when the letter is where it will stay, after at most 5 min and some seconds. Dropping the future leaves it
    /// open whether it was written.
    async fn bury(&self, letter: DeadLetter) -> Buried;
}
