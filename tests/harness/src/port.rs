//! Free TCP ports for servers that must be told theirs before they start.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Mutex, PoisonError};

use rand::Rng as _;

/// Below the range that the kernel gives to outgoing connections (32768 and up by default): a server that is restarted
/// finds its port free, because no client's connection can have taken it meanwhile.
const RANGE: std::ops::Range<u16> = 12_000..32_000;

/// Redis Cluster's bus listens this far above the data port; both must be free.
pub const CLUSTER_BUS_DISTANCE: u16 = 10_000;

static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// A port nobody listens on, never given twice by this process.
///
/// # Panics
/// When thousands of tries find none.
#[must_use]
pub fn free() -> u16 {
    pick(RANGE, is_free)
}

/// A port that is free together with the one [`CLUSTER_BUS_DISTANCE`] above it.
///
/// # Panics
/// When thousands of tries find none.
#[must_use]
pub fn free_with_bus() -> u16 {
    pick(RANGE.start..RANGE.end - CLUSTER_BUS_DISTANCE, |port| is_free(port) && is_free(port + CLUSTER_BUS_DISTANCE))
}

fn pick(range: std::ops::Range<u16>, fits: impl Fn(u16) -> bool) -> u16 {
    for _ in 0..10_000 {
        let port = rand::rng().random_range(range.clone());
        let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
        if !given.contains(&port) && fits(port) {
            given.insert(port);
            return port;
        }
    }
    panic!("no free port between {} and {}", range.start, range.end);
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_port_is_given_twice() {
        let ports: BTreeSet<u16> = (0..200).map(|_| free()).collect();
        assert_eq!(ports.len(), 200);
    }

    #[test]
    fn a_port_in_use_is_not_given() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, free())).expect("a free port can be bound");
        let port = listener.local_addr().expect("a bound listener has an address").port();
        assert!(!is_free(port));
    }
}
