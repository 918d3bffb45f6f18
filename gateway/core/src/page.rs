//! What is read of a backlog, and what its owners are told.

use std::sync::Arc;

use crate::{Channel, Event, Position, Standing};

/// Entries of a backlog after some position, and where the channel stood in the same instant.
#[derive(Debug, Clone)]
pub struct Page {
    /// Of the whole channel, not of the page.
    pub standing: Standing,
    /// Ascending, each above the position asked for, none missing between the first and the last but what trimming or an
    /// epoch's end explains. Shorter than what was asked for where it reaches `standing.head()`, or is large enough.
    pub entries: Vec<(Position, Arc<Event>)>,
}

/// What owners are told, in the order in which the primary published it.
#[derive(Debug, Clone)]
pub struct Announcement {
    /// Of which channel.
    pub channel: Channel,
    /// Start of the epoch that the events stand in.
    pub epoch: Position,
    /// Position of the first event; the others follow without a hole.
    pub first: Position,
    /// At least one.
    pub events: Vec<Arc<Event>>,
}
