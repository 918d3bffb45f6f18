//! Which gateways may move to the operator's image now: those that follow it, a few at a time.

use std::collections::BTreeSet;

use parking_lot::Mutex;

use crate::context::Key;

/// A gateway that follows the operator's image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Follower {
    pub(crate) key: Key,
    /// Whether its status has the operator's image.
    pub(crate) has_image: bool,
    /// Whether all its replicas run what they are to run.
    pub(crate) rolled_out: bool,
}

/// Who was let go, until that shows in the cluster: passes run side by side and would all find nobody on the way.
#[derive(Debug, Default)]
pub(crate) struct ImageUpdates(Mutex<BTreeSet<Key>>);

impl ImageUpdates {
    /// Whether `key` may move, at most `most` at a time. `followers`: all that follow, it among them.
    pub(crate) fn may_move(&self, key: &Key, followers: &[Follower], most: usize) -> bool {
        let mut let_go = self.0.lock();
        let is_moving = |one: &&Follower| {
            let is_there = one.has_image && one.rolled_out;
            !is_there && (one.has_image || let_go.contains(&one.key))
        };
        let moving: BTreeSet<Key> = followers.iter().filter(is_moving).map(|one| one.key.clone()).collect();
        let may = moving.contains(key) || moving.len() < most;
        *let_go = moving;
        if may {
            let_go.insert(key.clone());
        }
        may
    }

    /// It didn't move after all: it is paused, or can't be built.
    pub(crate) fn give_back(&self, key: &Key) {
        self.0.lock().remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        ("shop".into(), name.into())
    }

    fn follower(name: &str, has_image: bool, rolled_out: bool) -> Follower {
        Follower { key: key(name), has_image, rolled_out }
    }

    #[test]
    fn of_many_that_ask_at_once_only_as_many_move_as_may() {
        let (updates, all) = (ImageUpdates::default(), ["a", "b", "c", "d"].map(|name| follower(name, false, true)));
        let moved: Vec<bool> = all.iter().map(|one| updates.may_move(&one.key, &all, 2)).collect();
        assert_eq!(moved, [true, true, false, false]);
        assert!(updates.may_move(&key("a"), &all, 2), "who was let go goes on");
    }

    #[test]
    fn the_next_one_moves_when_one_has_arrived() {
        let updates = ImageUpdates::default();
        let all = |a_has, a_rolled| [follower("a", a_has, a_rolled), follower("b", false, true)];
        assert!(updates.may_move(&key("a"), &all(false, true), 1));
        assert!(!updates.may_move(&key("b"), &all(false, true), 1));
        assert!(!updates.may_move(&key("b"), &all(true, false), 1), "it is rolled out");
        assert!(updates.may_move(&key("b"), &all(true, true), 1));
    }

    #[test]
    fn an_operator_that_starts_finds_who_is_on_the_way_in_the_cluster() {
        let all = [follower("a", true, false), follower("b", false, true)];
        assert!(!ImageUpdates::default().may_move(&key("b"), &all, 1));
    }

    #[test]
    fn who_gives_back_or_is_gone_holds_up_nobody() {
        let updates = ImageUpdates::default();
        let all = [follower("a", false, true), follower("b", false, true)];
        assert!(updates.may_move(&key("a"), &all, 1));
        updates.give_back(&key("a"));
        assert!(updates.may_move(&key("b"), &all, 1));
        assert!(!updates.may_move(&key("a"), &all, 1));
        assert!(updates.may_move(&key("a"), &all[..1], 1), "b was deleted");
    }
}
