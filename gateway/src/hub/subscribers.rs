//! Who subscribes to a channel, and who of them is woken by which events.
//!
//! Subscribers with a filter stand in groups that want the same: of an event that nobody in a group wants none of them is woken,
//! so that a filter saves not only what it leaves out but the work of leaving it out. Lest their places fall out of what is in
//! memory, a group is woken all the same once in a while.

use std::sync::Arc;

use events_gateway_core::entry::Entry;
use events_gateway_core::join::{Bounds, Pending};
use slab::Slab;

use super::HubCounters;
use super::interest::Interest;
use super::signal::Signal;

/// What may pass a group by before it is woken all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct PassedBy {
    pub(super) events: usize,
    /// Their weight.
    pub(super) bytes: usize,
}

impl PassedBy {
    /// At most a quarter of what a ring holds.
    pub(super) fn most(ring: Bounds) -> Self {
        Self { events: 64.min(ring.events / 4), bytes: (256 << 10).min(ring.bytes / 4) }
    }

    /// Room for them beside what may wait for a subscriber: they aren't its slowness.
    pub(super) fn beside(self, pending: Pending) -> Pending {
        Pending { events: pending.events + self.events, bytes: pending.bytes + self.bytes, ..pending }
    }

    fn is_due(self, most: Self) -> bool {
        self.events >= most.events || self.bytes >= most.bytes
    }
}

#[derive(Debug, Default)]
pub(super) struct Subscribers {
    /// Those who want everything.
    all: Slab<Arc<Signal>>,
    groups: Slab<Group>,
    count: usize,
}

#[derive(Debug)]
struct Group {
    interest: Interest,
    members: Slab<Arc<Signal>>,
    passed_by: PassedBy,
}

/// A subscriber's place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    group: Option<usize>,
    member: usize,
}

impl Subscribers {
    pub(super) fn join(&mut self, signal: Arc<Signal>, interest: &Interest) -> Key {
        self.count += 1;
        if interest.filter.is_none() {
            return Key { group: None, member: self.all.insert(signal) };
        }
        let known = self.groups.iter().find(|(_, group)| group.interest.is_as(interest)).map(|(key, _)| key);
        let group = known.unwrap_or_else(|| {
            self.groups.insert(Group {
                interest: interest.clone(),
                members: Slab::new(),
                passed_by: PassedBy::default(),
            })
        });
        Key { group: Some(group), member: self.groups[group].members.insert(signal) }
    }

    pub(super) fn leave(&mut self, key: Key) {
        self.count -= 1;
        match key.group {
            None => {
                self.all.remove(key.member);
            }
            Some(at) => {
                let group = &mut self.groups[at];
                group.members.remove(key.member);
                if group.members.is_empty() {
                    self.groups.remove(at);
                }
            }
        }
        if self.count == 0 {
            // A slab keeps the room of its fullest hour.
            *self = Self::default();
        }
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Whether anybody has a filter.
    pub(super) fn have_filters(&self) -> bool {
        !self.groups.is_empty()
    }

    pub(super) fn wake_all(&mut self) {
        self.all.iter().for_each(|(_, signal)| signal.wake());
        for (_, group) in &mut self.groups {
            group.wake();
        }
    }

    /// Wakes those who want any of these.
    pub(super) fn wake_for(&mut self, released: &[Arc<Entry>], most: PassedBy, counters: &HubCounters) {
        self.all.iter().for_each(|(_, signal)| signal.wake());
        for (_, group) in &mut self.groups {
            group.passed_by.events += released.len();
            group.passed_by.bytes += released.iter().map(|entry| entry.weight()).sum::<usize>();
            if group.passed_by.is_due(most) || released.iter().any(|entry| group.interest.of(entry, counters).is_some())
            {
                group.wake();
            }
        }
    }
}

impl Group {
    fn wake(&mut self) {
        self.passed_by = PassedBy::default();
        self.members.iter().for_each(|(_, signal)| signal.wake());
    }
}
