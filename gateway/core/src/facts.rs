//! An event as expressions of filters and views read it.

use crate::envelope::Rejection;
use crate::expression::{Boxed, Budget, Facts, json, map, text};
use crate::{Channel, Event};

/// An event of a channel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EventFacts<'a> {
    pub(crate) channel: &'a Channel,
    pub(crate) event: &'a Event,
}

impl<'a> Facts<'a> for EventFacts<'a> {
    const NAMES: &'static [&'static str] = &["channel", "type", "attributes", "data"];

    fn build(&self, index: usize, budget: &mut Budget) -> Result<Boxed<'a>, Rejection> {
        match Self::NAMES[index] {
            "channel" => text(self.channel.as_str(), budget),
            "type" => text(&self.event.kind, budget),
            "attributes" => {
                let attributes = self.event.attributes.iter();
                map(attributes.map(|(name, value)| (name.as_str(), Some(value.as_bytes()))), budget)
            }
            _ => {
                let data = std::str::from_utf8(&self.event.data);
                json("data", data.map_err(|_| Rejection::undecodable("data: expected UTF-8 text"))?, budget)
            }
        }
    }
}
