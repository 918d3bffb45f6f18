//! How much waits: requests that are read, and events on their way to Kafka.

use std::sync::atomic::{AtomicUsize, Ordering};

/// A bound on bytes.
#[derive(Debug)]
pub(super) struct Pending {
    used: AtomicUsize,
    most: usize,
}

/// A part of it, given back when this is dropped.
#[derive(Debug)]
pub struct Reserved<'a> {
    of: &'a Pending,
    bytes: usize,
}

impl Pending {
    pub(super) fn new(most: usize) -> Self {
        Self { used: AtomicUsize::new(0), most }
    }

    pub(super) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    pub(super) fn reserve(&self) -> Reserved<'_> {
        Reserved { of: self, bytes: 0 }
    }
}

impl Reserved<'_> {
    /// Takes so many more bytes, if they are free.
    #[must_use]
    pub fn grow(&mut self, bytes: usize) -> bool {
        let (used, most) = (&self.of.used, self.of.most);
        let fits = |used: usize| used.checked_add(bytes).filter(|sum| *sum <= most);
        let grown = used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok();
        if grown {
            self.bytes += bytes;
        }
        grown
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        self.of.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_reserved_is_bounded_and_given_back() {
        let pending = Pending::new(10);
        let mut one = pending.reserve();
        let mut other = pending.reserve();
        assert!(one.grow(6) && other.grow(4));
        assert!(!one.grow(1) && !other.grow(usize::MAX));
        drop(other);
        assert!(one.grow(4));
        drop(one);
        assert_eq!(pending.used(), 0);
    }
}
