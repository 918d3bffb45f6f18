//! When the next events are due: a timer that epoll can wait for.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use anyhow::{Context as _, Result};
use rustix::event::Timespec;
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime};

/// A rate, while it runs.
#[derive(Debug)]
pub(super) struct Schedule {
    timer: OwnedFd,
    rate: u32,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    since: Instant,
    events: u64,
}

impl Schedule {
    /// At rest.
    pub(super) fn new(rate: u32) -> Result<Self> {
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)
            .context("failed to create a timer")?;
        Ok(Self { timer, rate: rate.max(1), running: None })
    }

    /// Becomes readable when events are due.
    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.timer.as_fd()
    }

    pub(super) fn start(&mut self) -> Result<()> {
        self.running = Some(Running { since: Instant::now(), events: 0 });
        self.tick_every(1_000_000_000 / i64::from(self.rate))
    }

    pub(super) fn stop(&mut self) -> Result<()> {
        self.running = None;
        self.tick_every(0)
    }

    /// How many events are due since the last call.
    pub(super) fn due(&mut self) -> u64 {
        let mut ticks = [0; 8];
        // Only to make the timer unreadable again; what is due follows from the clock, so no tick's delay adds up.
        let _ = rustix::io::read(&self.timer, &mut ticks);
        let Some(running) = self.running.as_mut() else { return 0 };
        let wanted = (running.since.elapsed().as_secs_f64() * f64::from(self.rate)) as u64;
        let due = wanted - running.events;
        running.events = wanted;
        due
    }

    fn tick_every(&self, nanoseconds: i64) -> Result<()> {
        let interval = Timespec { tv_sec: nanoseconds / 1_000_000_000, tv_nsec: nanoseconds % 1_000_000_000 };
        let timer = Itimerspec { it_interval: interval, it_value: interval };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &timer).context("failed to set the timer")?;
        Ok(())
    }
}
