//! What a subscription wants of its channel's events, and how it wants to see them.

use std::sync::Arc;

use events_gateway_core::entry::{Entry, Seen};
use events_gateway_core::view::View;

use super::HubCounters;
use super::counters::count;
use super::filters::Seated;

/// A view and a filter over what it leaves.
#[derive(Debug, Clone, Default)]
pub(super) struct Interest {
    pub(super) view: Option<Arc<View>>,
    pub(super) filter: Option<Arc<Seated>>,
}

impl Interest {
    /// The event as the subscriber is to see it, if it is for them.
    pub(super) fn of<'e>(&self, entry: &'e Entry, counters: &HubCounters) -> Option<Seen<'e>> {
        let seen = match &self.view {
            None => entry.raw(),
            Some(view) => entry.through(view, |failure| {
                count(&counters.view_failures);
                tracing::debug!(view = view.name(), channel = %entry.raw().channel(), %failure, "failed to make a view");
            })?,
        };
        self.filter.as_ref().is_none_or(|filter| filter.passes(&seen)).then_some(seen)
    }

    /// Whether it isn't known yet that an event isn't for the subscriber. Judges nothing: fit to be asked under a channel's lock.
    pub(super) fn may_want(&self, entry: &Entry) -> bool {
        let seen = match &self.view {
            None => entry.raw(),
            Some(view) => match entry.known_through(view) {
                Some(Some(seen)) => seen,
                known => return known.is_none(),
            },
        };
        self.filter.as_ref().and_then(|filter| filter.known(&seen)) != Some(false)
    }

    /// Whether two want the same of every event.
    pub(super) fn is_as(&self, other: &Self) -> bool {
        let same_filter = match (&self.filter, &other.filter) {
            (None, None) => true,
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            _ => false,
        };
        // A filter's seat is of one view.
        same_filter && self.view.as_ref().map(|view| view.index()) == other.view.as_ref().map(|view| view.index())
    }
}
