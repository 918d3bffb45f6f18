//! The connections of one worker. Where there is no room for one more, whoever has longest not sent a request gives way.
//!
//! A connection costs a client nothing, and it may take `listen.headTimeout` to send a head: so many that send half a one, or a byte
//! at a time, would keep all others out.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Waker};

/// What is left free for who comes next: the hundredth part, but one at least.
const RESERVE: usize = 100;

/// How many connections there are, and which of them have yet to send a request.
#[derive(Debug)]
pub(super) struct Heads {
    most: usize,
    open: Cell<usize>,
    /// The oldest first; some have gone, or sent one.
    waiting: RefCell<VecDeque<Weak<Waiting>>>,
    /// How often one did; of all workers.
    gave_way: Arc<AtomicU64>,
}

#[derive(Debug, Default)]
struct Waiting {
    has_begun: Cell<bool>,
    gives_way: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

/// One connection, as long as it is there.
#[derive(Debug)]
pub(super) struct Head {
    heads: Rc<Heads>,
    waiting: Rc<Waiting>,
}

impl Heads {
    /// For `most` connections.
    pub(super) fn new(most: usize, gave_way: Arc<AtomicU64>) -> Rc<Self> {
        Rc::new(Self { most, open: Cell::new(0), waiting: RefCell::default(), gave_way })
    }

    /// One more connection.
    pub(super) fn enter(self: &Rc<Self>) -> Head {
        let waiting = Rc::new(Waiting::default());
        let open = self.open.get() + 1;
        self.open.set(open);
        let mut queue = self.waiting.borrow_mut();
        if open + (self.most / RESERVE).max(1) > self.most {
            let oldest = std::iter::from_fn(|| queue.pop_front()).filter_map(|waiting| waiting.upgrade());
            if let Some(oldest) = oldest.into_iter().find(|waiting| !waiting.has_begun.get()) {
                self.gave_way.fetch_add(1, Ordering::Relaxed);
                oldest.gives_way.set(true);
                if let Some(waker) = oldest.waker.take() {
                    waker.wake();
                }
            }
        }
        if queue.len() > 2 * open {
            queue.retain(|waiting| waiting.upgrade().is_some_and(|waiting| !waiting.has_begun.get()));
        }
        queue.push_back(Rc::downgrade(&waiting));
        drop(queue);
        Head { heads: self.clone(), waiting }
    }
}

impl Head {
    /// It has sent a request: it never gives way.
    pub(super) fn begin(&self) {
        self.waiting.has_begun.set(true);
        self.waiting.waker.take();
    }

    /// Whether it gives way; if it doesn't yet, `cx` is woken when it does.
    pub(super) fn gives_way(&self, cx: &Context<'_>) -> bool {
        if self.waiting.has_begun.get() {
            return false;
        }
        if !self.waiting.gives_way.get() {
            let mut waker = self.waiting.waker.borrow_mut();
            if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                *waker = Some(cx.waker().clone());
            }
        }
        self.waiting.gives_way.get()
    }
}

impl Drop for Head {
    fn drop(&mut self) {
        self.heads.open.set(self.heads.open.get() - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gives_way(head: &Head) -> bool {
        head.gives_way(&Context::from_waker(Waker::noop()))
    }

    #[test]
    fn the_oldest_without_a_request_gives_way_when_there_is_no_room_and_nobody_before() {
        let heads = Heads::new(10, Arc::default());
        let mut guests: Vec<Head> = (0..9).map(|_| heads.enter()).collect();
        assert!(guests.iter().all(|guest| !gives_way(guest)));
        guests[0].begin();
        drop(guests.remove(1));
        guests.push(heads.enter());
        assert!(guests.iter().all(|guest| !gives_way(guest)), "one had gone");
        guests.push(heads.enter());
        let given: Vec<bool> = guests.iter().map(gives_way).collect();
        assert_eq!(given.iter().position(|gave| *gave), Some(1), "the oldest that has sent nothing");
        assert_eq!(given.iter().filter(|gave| **gave).count(), 1);
        assert_eq!(heads.gave_way.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn who_has_sent_a_request_stays_and_nothing_is_remembered_of_who_has_gone() {
        let heads = Heads::new(100, Arc::default());
        let served: Vec<Head> = (0..100).map(|_| heads.enter()).inspect(Head::begin).collect();
        for _ in 0..10_000 {
            drop(heads.enter());
        }
        assert!(served.iter().all(|guest| !gives_way(guest)));
        assert!(heads.waiting.borrow().len() <= 203, "{}", heads.waiting.borrow().len());
        drop(served);
        assert_eq!(heads.open.get(), 0);
    }
}
