//! Who subscribes to a channel, and who of them is woken by which events.
//!
//! Subscribers with a filter stand in groups that want the same: of an event that nobody in a group wants none of them is woken,
//! so that a filter saves not only what it leaves out but the work of leaving it out. Where their places fall behind, [`Quiet`] knows
//! that they missed nothing.

use std::sync::Arc;

use events_gateway_core::Position;
use events_gateway_core::entry::Entry;
use slab::Slab;

use super::HubCounters;
use super::interest::Interest;
use super::quiet::Quiet;
use super::signal::Signal;

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
    quiet: Arc<Quiet>,
}

/// A subscriber's place.
#[derive(Debug)]
pub(super) struct Key {
    group: Option<usize>,
    member: usize,
    /// What passes its group by.
    pub(super) quiet: Option<Arc<Quiet>>,
}

impl Subscribers {
    pub(super) fn join(&mut self, signal: Arc<Signal>, interest: &Interest) -> Key {
        self.count += 1;
        if interest.filter.is_none() {
            return Key { group: None, member: self.all.insert(signal), quiet: None };
        }
        let known = self.groups.iter().find(|(_, group)| group.interest.is_as(interest)).map(|(key, _)| key);
        let group = known.unwrap_or_else(|| {
            self.groups.insert(Group { interest: interest.clone(), members: Slab::new(), quiet: Arc::default() })
        });
        let Group { members, quiet, .. } = &mut self.groups[group];
        Key { group: Some(group), member: members.insert(signal), quiet: Some(quiet.clone()) }
    }

    pub(super) fn leave(&mut self, key: &Key) {
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

    pub(super) fn wake_all(&self) {
        self.all.iter().for_each(|(_, signal)| signal.wake());
        self.groups.iter().for_each(|(_, group)| group.wake());
    }

    /// Wakes those who want any of these, the newest of a reel that holds what lies above `base`.
    pub(super) fn wake_for(&self, newest: &[Arc<Entry>], base: Position, counters: &HubCounters) {
        self.all.iter().for_each(|(_, signal)| signal.wake());
        for (_, group) in &self.groups {
            let wanted = |entry: &Arc<Entry>| (entry.position, group.interest.of(entry, counters).is_some());
            if group.quiet.note(base, newest.iter().map(wanted)) {
                group.wake();
            }
        }
    }
}

impl Group {
    fn wake(&self) {
        self.members.iter().for_each(|(_, signal)| signal.wake());
    }
}
