//! How fast something may be done, by the generic cell rate algorithm (ATM Forum's, as `governor` has it).

use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use arc_swap::ArcSwap;
use governor::clock::{Clock as _, MonotonicClock};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};

pub use crate::config::rate::Rate;

/// Calls between two clean-ups: those whose allowance is whole again are forgotten, since they are as good as new.
const CLEAN_EVERY: u32 = 1_000;
/// Most keys that a clean-up leaves. Where there are more, all are forgotten rather than that memory grows, or that each call
/// goes through them.
const MOST: usize = 100_000;

type Limiter<K> = RateLimiter<K, HashMapStateStore<K>, MonotonicClock, NoOpMiddleware<std::time::Instant>>;

/// What each address, or each of something else, has left.
pub(crate) struct Rates<K: Hash + Eq + Clone> {
    limiter: ArcSwap<Limiter<K>>,
    rate: Rate,
    calls: AtomicU32,
}

impl<K: Hash + Eq + Clone> Rates<K> {
    pub(crate) fn new(rate: Rate) -> Self {
        Self { limiter: ArcSwap::from_pointee(fresh(rate)), rate, calls: AtomicU32::new(0) }
    }

    /// Takes so many events from what `key` has left, or says in how many seconds it has. More than a burst count as one: they
    /// could never be had at once.
    pub(crate) fn admit(&self, key: &K, events: usize) -> Result<(), u64> {
        if self.calls.fetch_add(1, Ordering::Relaxed).is_multiple_of(CLEAN_EVERY) {
            self.clean();
        }
        let events = u32::try_from(events).unwrap_or(u32::MAX).min(self.rate.burst.get());
        let Some(events) = NonZeroU32::new(events) else { return Ok(()) };
        match self.limiter.load().check_key_n(key, events) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(early)) => Err(early.wait_time_from(MonotonicClock.now()).as_secs() + 1),
            Err(_) => Err(1),
        }
    }

    fn clean(&self) {
        let limiter = self.limiter.load();
        limiter.retain_recent();
        if limiter.len() > MOST {
            self.limiter.store(Arc::new(fresh(self.rate)));
        }
    }
}

fn fresh<K: Hash + Eq + Clone>(rate: Rate) -> Limiter<K> {
    let quota = Quota::per_second(rate.per_second).allow_burst(rate.burst);
    RateLimiter::new(quota, HashMapStateStore::default(), MonotonicClock)
}

/// What counts as one address: of IPv6 the first 64 bits, of which anybody has as many rests as they like (RFC 4291, 2.5.4).
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from(u128::from(address) & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(per_second: u32, burst: u32) -> Rates<IpAddr> {
        Rates::new(Rate { per_second: per_second.try_into().unwrap(), burst: burst.try_into().unwrap() })
    }

    #[test]
    fn an_address_has_a_burst_and_others_have_theirs() {
        let rates = rates(1, 5);
        let (one, other) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        assert_eq!(rates.admit(&network(one), 5), Ok(()));
        let wait = rates.admit(&network(one), 5).unwrap_err();
        assert!((4..=6).contains(&wait), "{wait} s");
        assert_eq!(rates.admit(&network(other), 1), Ok(()));
        assert_eq!(
            rates.admit(&network("::ffff:192.0.2.1".parse().unwrap()), 1),
            Err(1),
            "the same, as a socket of both families sees it"
        );
    }

    #[test]
    fn whoever_comes_from_everywhere_makes_nothing_grow() {
        let rates: Rates<u32> =
            Rates::new(Rate { per_second: 1.try_into().unwrap(), burst: 1_000.try_into().unwrap() });
        let mut most = 0;
        for key in 0..3 * MOST as u32 {
            assert_eq!(rates.admit(&key, 1_000), Ok(()));
            most = most.max(rates.limiter.load().len());
        }
        assert!(most > MOST && most <= MOST + CLEAN_EVERY as usize, "{most}");
    }

    #[test]
    fn more_than_a_burst_is_a_burst() {
        assert_eq!(rates(10, 10).admit(&network("192.0.2.1".parse().unwrap()), 1_000), Ok(()));
    }

    #[test]
    fn an_ipv6_network_is_one_address() {
        let rates = rates(1, 1);
        assert_eq!(rates.admit(&network("2001:db8::1".parse().unwrap()), 1), Ok(()));
        assert!(rates.admit(&network("2001:db8::2".parse().unwrap()), 1).is_err());
        assert_eq!(rates.admit(&network("2001:db8:0:1::1".parse().unwrap()), 1), Ok(()));
    }
}
