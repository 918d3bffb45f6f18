//! Thousands of SSE clients on one thread, cheap enough to leave the processor to the server that is measured.
//!
//! A swarm runs only while one of its methods does: whoever measures says for how long, and reads the [`Tally`] between.

mod connection;
mod decoder;
mod reader;
pub mod tally;

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};

use connection::Connection;
pub use connection::Target;
pub use tally::Tally;

/// How many requests may wait for their answer's head at a time: below the backlog of any server's listening socket, for
/// what overflows that is tried again by TCP a second later, which would measure TCP.
const OPENING: usize = 1_000;

/// A read takes at most this much of one stream, so that one that has much to say doesn't delay the others.
const READ_BYTES: usize = 64 * 1024;

/// How many streams one call of epoll names.
const BATCH: usize = 1_024;

/// Many clients. Dropping it closes all connections.
pub struct Swarm {
    epoll: OwnedFd,
    ready: Vec<epoll::Event>,
    buffer: Vec<u8>,
    connections: Vec<Option<Connection>>,
    waiting: VecDeque<Target>,
    opening: usize,
    opened: usize,
    tally: Tally,
}

impl Swarm {
    /// No clients yet.
    ///
    /// # Errors
    /// When the kernel gives no epoll.
    pub fn new() -> Result<Self> {
        Ok(Self {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC).context("failed to create an epoll")?,
            ready: Vec::with_capacity(BATCH),
            buffer: vec![0; READ_BYTES],
            connections: Vec::new(),
            waiting: VecDeque::new(),
            opening: 0,
            opened: 0,
            tally: Tally::default(),
        })
    }

    /// What all clients have seen so far.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// To begin a measurement in it.
    pub fn tally_mut(&mut self) -> &mut Tally {
        &mut self.tally
    }

    /// How many clients were answered with 200, those included that have ended since.
    #[must_use]
    pub fn opened(&self) -> usize {
        self.opened
    }

    /// Adds clients; they connect while the swarm runs.
    pub fn add(&mut self, targets: impl IntoIterator<Item = Target>) {
        self.waiting.extend(targets);
    }

    /// Adds clients and runs until all of them are answered with 200.
    ///
    /// # Errors
    /// When one is refused, or after `bound`.
    pub fn open(&mut self, targets: impl IntoIterator<Item = Target>, bound: Duration) -> Result<()> {
        self.add(targets);
        let wanted = self.opened + self.opening + self.waiting.len();
        let refused = self.tally.refused;
        self.run_until(bound, |swarm| swarm.opened >= wanted || swarm.tally.refused > refused)?;
        if self.opened < wanted {
            let refused = self.tally.refused - refused;
            bail!("{} of {wanted} streams are open, {refused} were refused, within {bound:?}", self.opened);
        }
        Ok(())
    }

    /// Closes all connections and returns what each client would ask for to go on.
    pub fn close(&mut self) -> Vec<Target> {
        self.waiting.clear();
        (self.opening, self.opened) = (0, 0);
        self.connections.drain(..).flatten().map(|connection| connection.resumption()).collect()
    }

    /// For each channel, the sequence number behind the newest event that any of its clients has.
    #[must_use]
    pub fn ends(&self, channels: u32) -> Vec<u64> {
        let mut ends = vec![0; channels as usize];
        for connection in self.connections.iter().flatten() {
            let end = &mut ends[connection.channel() as usize];
            *end = connection.next().unwrap_or(0).max(*end);
        }
        ends
    }

    /// How many events the connected clients lack, all together, until each has its channel up to `ends`.
    #[must_use]
    pub fn behind(&self, ends: &[u64]) -> u64 {
        let lack = |connection: &Connection| {
            let end = ends[connection.channel() as usize];
            end.saturating_sub(connection.next().unwrap_or(0))
        };
        self.connections.iter().flatten().map(lack).sum()
    }

    /// Runs for as long as this.
    ///
    /// # Errors
    /// When epoll or a new connection fails. What a server does wrong is counted, not an error.
    pub fn run_for(&mut self, duration: Duration) -> Result<()> {
        self.run_until(duration, |_| false).map(drop)
    }

    /// Runs until `done`, which is asked after each batch of at most 1,024 streams; `false`: it wasn't within `bound`.
    ///
    /// # Errors
    /// As [`Swarm::run_for`].
    pub fn run_until(&mut self, bound: Duration, mut done: impl FnMut(&Self) -> bool) -> Result<bool> {
        let end = Instant::now() + bound;
        loop {
            self.connect_waiting()?;
            if done(self) {
                return Ok(true);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            self.turn(left.min(Duration::from_millis(50)))?;
        }
    }

    fn connect_waiting(&mut self) -> Result<()> {
        while self.opening < OPENING {
            let Some(target) = self.waiting.pop_front() else { break };
            let connection = Connection::open(target)?;
            let token = epoll::EventData::new_u64(self.connections.len() as u64);
            epoll::add(&self.epoll, connection.descriptor(), token, epoll::EventFlags::OUT)
                .context("failed to watch a connection")?;
            self.connections.push(Some(connection));
            self.opening += 1;
        }
        Ok(())
    }

    fn turn(&mut self, longest: Duration) -> Result<()> {
        let timeout = Timespec::try_from(longest).context("the wait is too long")?;
        self.ready.clear();
        match epoll::wait(&self.epoll, spare_capacity(&mut self.ready), Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error).context("failed to wait for streams"),
        }
        for index in 0..self.ready.len() {
            let event = self.ready[index];
            let (flags, token) = (event.flags, event.data.u64());
            self.serve(usize::try_from(token).expect("a token is an index"), flags);
        }
        Ok(())
    }

    /// Moves one connection on; whatever goes wrong ends it and is counted.
    fn serve(&mut self, index: usize, flags: epoll::EventFlags) {
        let Some(connection) = self.connections[index].as_mut() else {
            return;
        };
        if flags.contains(epoll::EventFlags::OUT) {
            let token = epoll::EventData::new_u64(index as u64);
            let asked = connection.request().is_ok()
                && epoll::modify(&self.epoll, connection.descriptor(), token, epoll::EventFlags::IN).is_ok();
            if !asked {
                self.end(index);
            }
            return;
        }
        let was_open = connection.is_open();
        let lives = connection.receive(&mut self.buffer, &mut self.tally).unwrap_or(false);
        let is_open = connection.is_open();
        if is_open && !was_open {
            self.opening -= 1;
            self.opened += 1;
        }
        let refused = connection.is_refused();
        if !lives || refused {
            self.end(index);
        }
    }

    fn end(&mut self, index: usize) {
        let Some(connection) = self.connections[index].take() else {
            return;
        };
        self.tally.ended += 1;
        if !connection.is_open() {
            self.opening -= 1;
            self.tally.refused += 1;
        }
    }
}
