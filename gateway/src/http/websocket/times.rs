//! What happens when on a connection, by itself.

use std::time::Duration;

use events_gateway_identity::Identity;
use tokio::time::Instant;

use super::Options;
use crate::clock;

/// How long a client may take to say who it is.
const AUTHENTICATE_WITHIN: Duration = Duration::from_secs(5);
/// How long a connection may be without a subscription.
const IDLE: Duration = Duration::from_secs(60);
/// Heartbeats without a sign of life after which a peer counts as gone.
const SILENT_BEATS: u32 = 3;

/// The times of a connection.
pub(super) struct Times {
    heartbeat: Duration,
    expiring: Duration,
    opened: Instant,
    heard: Instant,
    beat: Instant,
    idle_since: Instant,
    expires: Option<Expiry>,
    ends: Option<Instant>,
}

/// When a right to be connected ends.
struct Expiry {
    at: Instant,
    is_told: bool,
}

/// What may be due, beside what is always looked at.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Looks {
    /// Its client may still say who it is.
    pub(super) awaited: bool,
    /// It has no subscription.
    pub(super) idle: bool,
}

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// Its right to be connected has ended.
    Expired,
    /// It ends in so many ms.
    Expiring(u64),
    /// It is as old as it may become.
    Aged,
    /// Its client didn't say who it is.
    Unanswered,
    /// It has had no subscription for too long.
    Idle,
    /// The peer is to give a sign of life.
    Beat,
    /// It gave none.
    Silent,
}

impl Times {
    pub(super) fn new(options: &Options, who: Option<&Identity>) -> Self {
        let now = Instant::now();
        let mut times = Self {
            heartbeat: options.heartbeat,
            expiring: options.expiring,
            opened: now,
            heard: now,
            beat: now + options.heartbeat,
            idle_since: now,
            expires: None,
            ends: options.max_age.map(|(age, jitter)| now + age + jitter.mul_f64(rand::random_range(0.0..=1.0))),
        };
        if let Some(who) = who {
            times.renew(who);
        }
        times
    }

    /// Since the start.
    pub(super) fn age(&self) -> Duration {
        self.opened.elapsed()
    }

    /// The peer is there.
    pub(super) fn hear(&mut self) {
        self.heard = Instant::now();
    }

    /// It has no subscription any more.
    pub(super) fn rest(&mut self) {
        self.idle_since = Instant::now();
    }

    /// From now on its right to be connected ends when this does; answers in how many ms.
    pub(super) fn renew(&mut self, who: &Identity) -> u64 {
        let left = who.expires.saturating_sub(clock::now().0);
        self.expires = Some(Expiry { at: Instant::now() + Duration::from_millis(left), is_told: false });
        left
    }

    /// The first that is due, if anything is; it isn't told twice.
    pub(super) fn due(&mut self, now: Instant, looks: Looks) -> Option<Due> {
        if let Some(Expiry { at, is_told }) = &mut self.expires {
            if *at <= now {
                return Some(Due::Expired);
            }
            if !*is_told && at.checked_sub(self.expiring).is_none_or(|tells| tells <= now) {
                *is_told = true;
                return Some(Due::Expiring(at.saturating_duration_since(now).as_millis() as u64));
            }
        }
        if self.ends.is_some_and(|ends| ends <= now) {
            return Some(Due::Aged);
        }
        if looks.awaited && self.opened + AUTHENTICATE_WITHIN <= now {
            return Some(Due::Unanswered);
        }
        if looks.idle && self.idle_since + IDLE <= now {
            return Some(Due::Idle);
        }
        if self.beat <= now {
            if self.heard + self.heartbeat * SILENT_BEATS <= now {
                return Some(Due::Silent);
            }
            self.beat = now + self.heartbeat;
            return Some(Due::Beat);
        }
        None
    }

    /// When something is due next.
    pub(super) fn next(&self, looks: Looks) -> Instant {
        let tells = |at: Instant| at.checked_sub(self.expiring).unwrap_or(at);
        let expires = self.expires.as_ref().map(|expiry| if expiry.is_told { expiry.at } else { tells(expiry.at) });
        let awaited = looks.awaited.then_some(self.opened + AUTHENTICATE_WITHIN);
        let idle = looks.idle.then_some(self.idle_since + IDLE);
        [expires, self.ends, awaited, idle].into_iter().flatten().fold(self.beat, Instant::min)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Map;

    const SECOND: Duration = Duration::from_secs(1);

    fn options() -> Options {
        let (heartbeat, expiring) = (15 * SECOND, 30 * SECOND);
        Options { heartbeat, expiring, retry: (SECOND, SECOND), max_age: Some((3_600 * SECOND, Duration::ZERO)) }
    }

    fn somebody(lasts: Duration) -> Identity {
        Identity {
            issuer: "https://id".into(),
            subject: "ann".into(),
            id: None,
            expires: clock::now().0 + lasts.as_millis() as u64,
            issued: None,
            key: None,
            claims: Map::new(),
        }
    }

    /// What happens within `time`, each with its second, if the peer answers each beat.
    fn lived(times: &mut Times, looks: Looks, time: Duration) -> Vec<(u64, Due)> {
        let (began, mut happened) = (times.opened, Vec::new());
        loop {
            let now = times.next(looks);
            if now > began + time {
                return happened;
            }
            // Found at the very moment that was told, or told again for ever.
            let due = times.due(now, looks).expect("what was told");
            if due == Due::Beat {
                times.heard = now;
                continue;
            }
            happened.push((now.duration_since(began).as_secs_f64().round() as u64, due));
            if !matches!(due, Due::Expiring(_)) {
                return happened;
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_right_that_ends_is_told_before_and_a_renewed_one_goes_on() {
        let mut times = Times::new(&options(), Some(&somebody(100 * SECOND)));
        let happened = lived(&mut times, Looks::default(), 200 * SECOND);
        assert!(matches!(happened[..], [(70, Due::Expiring(29_900..=30_000)), (100, Due::Expired)]), "{happened:?}");
        let left = times.renew(&somebody(7_200 * SECOND));
        assert!(left > 7_199_000, "{left}");
        assert_eq!(lived(&mut times, Looks::default(), 7_000 * SECOND), [(3_600, Due::Aged)]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_subscribes_to_nothing_or_answers_nothing_is_noticed() {
        let life = |looks| lived(&mut Times::new(&options(), None), looks, 300 * SECOND);
        assert_eq!(life(Looks { awaited: true, idle: true }), [(5, Due::Unanswered)]);
        assert_eq!(life(Looks { awaited: false, idle: true }), [(60, Due::Idle)]);
        assert_eq!(life(Looks::default()), []);
        let mut silent = Times::new(&options(), None);
        let beats = std::iter::from_fn(|| {
            let now = silent.next(Looks::default());
            silent.due(now, Looks::default())
        });
        assert_eq!(beats.take(3).collect::<Vec<_>>(), [Due::Beat, Due::Beat, Due::Silent]);
    }
}
