//! The channels of one record while they are collected: valid, distinct, bounded.

use super::{MAX_CHANNELS, Rejection, quoted};
use crate::Channel;

/// At most [`MAX_CHANNELS`] distinct channels, in the order of their first mention.
#[derive(Debug, Default)]
pub(crate) struct Addressees(Vec<Channel>);

impl Addressees {
    /// Adds the channel of that name, as written by the publisher; `field` names where it stood. One that is there
    /// already counts once.
    pub(crate) fn add(&mut self, name: &str, field: &str) -> Result<(), Rejection> {
        let channel = Channel::parse(name).map_err(|error| Rejection::unroutable(format!("{field}: {error}")))?;
        if channel.is_all() {
            return Err(Rejection::unroutable(format!(
                "{field}: the channel {} is the gateway's to address; name the channels that the event is for",
                quoted("all")
            )));
        }
        if self.0.contains(&channel) {
            return Ok(());
        }
        if self.0.len() == MAX_CHANNELS {
            return Err(Rejection::unroutable(format!("{field}: a record addresses at most {MAX_CHANNELS} channels")));
        }
        self.0.push(channel);
        Ok(())
    }

    /// The channels; refused when there is none.
    pub(crate) fn into_channels(self) -> Result<Vec<Channel>, Rejection> {
        if self.0.is_empty() {
            return Err(Rejection::unroutable("channels: expected at least one channel, found none"));
        }
        Ok(self.0)
    }
}
