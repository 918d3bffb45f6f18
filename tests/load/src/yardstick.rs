//! The yardstick: a server that does the least work any SSE server must do for the same deliveries.
//!
//! One thread, one epoll, and one `write` for each delivery; it makes the events itself, at a given rate, round the
//! channels. It has no backlog, no cursors, no heartbeats, no timeouts and no mercy: a client whose socket takes no more
//! is dropped. What a gateway needs beyond its processor time is what the gateway's features cost.

mod client;
mod process;
mod schedule;

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};

use anyhow::{Context as _, Result};
use rustix::buffer::spare_capacity;
use rustix::event::epoll;
use rustix::net::sockopt::set_tcp_nodelay;

use crate::event::{self, Stamp};
use client::Client;
pub use process::YardstickProcess;
use schedule::Schedule;

/// How many descriptors one call of epoll names.
const BATCH: usize = 1_024;

/// What it says on standard output before its address.
const LISTENING: &str = "listening ";

/// The server's state.
#[derive(Debug)]
struct Yardstick {
    epoll: OwnedFd,
    listener: TcpListener,
    schedule: Schedule,
    /// Clients by the number of their descriptor.
    clients: Vec<Option<Client>>,
    /// Descriptors of each channel's subscribers.
    subscribers: Vec<Vec<usize>>,
    events: u64,
}

/// Serves `channels` channels on a free port, `rate` events a second in all while it is told to.
///
/// It writes its address to standard output, obeys the lines `start` and `stop` on standard input, and returns at its end.
///
/// # Errors
/// When it can't listen, or epoll fails.
pub fn run(channels: u32, rate: u32) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("failed to listen")?;
    // The standard library's backlog is 128; thousands come at once here.
    rustix::net::listen(&listener, 4_096).context("failed to widen the backlog")?;
    listener.set_nonblocking(true).context("failed to make the listener non-blocking")?;
    let address = listener.local_addr().context("a listener has no address")?;
    let mut yardstick = Yardstick {
        epoll: epoll::create(epoll::CreateFlags::CLOEXEC).context("failed to create an epoll")?,
        listener,
        schedule: Schedule::new(rate)?,
        clients: Vec::new(),
        subscribers: vec![Vec::new(); channels.max(1) as usize],
        events: 0,
    };
    let mut output = std::io::stdout();
    writeln!(output, "{LISTENING}{address}").and_then(|()| output.flush()).context("nobody reads the address")?;
    yardstick.serve()
}

impl Yardstick {
    fn serve(&mut self) -> Result<()> {
        let (listener, timer, orders) =
            (self.listener.as_raw_fd(), self.schedule.descriptor().as_raw_fd(), std::io::stdin().as_raw_fd());
        self.watch(self.listener.as_fd())?;
        self.watch(self.schedule.descriptor())?;
        self.watch(std::io::stdin().as_fd())?;
        let mut ready: Vec<epoll::Event> = Vec::with_capacity(BATCH);
        loop {
            ready.clear();
            match epoll::wait(&self.epoll, spare_capacity(&mut ready), None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error).context("failed to wait for clients"),
            }
            for event in &ready {
                let token = event.data;
                match token.u64() as i32 {
                    descriptor if descriptor == listener => self.accept(),
                    descriptor if descriptor == timer => self.publish(),
                    descriptor if descriptor == orders => {
                        if !self.obey()? {
                            return Ok(());
                        }
                    }
                    descriptor => self.receive(descriptor as usize),
                }
            }
        }
    }

    fn watch(&self, descriptor: BorrowedFd<'_>) -> Result<()> {
        let token = epoll::EventData::new_u64(descriptor.as_raw_fd().cast_unsigned().into());
        epoll::add(&self.epoll, descriptor, token, epoll::EventFlags::IN).context("failed to watch a descriptor")
    }

    /// `false`: there are no more orders, whoever gave them is gone.
    fn obey(&mut self) -> Result<bool> {
        let mut orders = [0; 64];
        let length = std::io::stdin().read(&mut orders).context("failed to read orders")?;
        for order in String::from_utf8_lossy(&orders[..length]).lines() {
            match order {
                "start" => self.schedule.start()?,
                "stop" => self.schedule.stop()?,
                _ => {}
            }
        }
        Ok(length > 0)
    }

    fn accept(&mut self) {
        while let Ok((socket, _)) = self.listener.accept() {
            let index = socket.as_raw_fd() as usize;
            let prepared = socket.set_nonblocking(true).is_ok() && set_tcp_nodelay(&socket, true).is_ok();
            if !prepared || self.watch(socket.as_fd()).is_err() {
                continue;
            }
            if self.clients.len() <= index {
                self.clients.resize_with(index + 1, || None);
            }
            self.clients[index] = Some(Client::new(socket));
        }
    }

    fn receive(&mut self, index: usize) {
        let Some(client) = self.clients.get_mut(index).and_then(Option::as_mut) else {
            return;
        };
        match client.receive() {
            client::Heard::Nothing => {}
            client::Heard::Request(channel) if (channel as usize) < self.subscribers.len() && client.greet() => {
                self.subscribers[channel as usize].push(index);
            }
            client::Heard::Request(_) | client::Heard::End => self.drop_client(index),
        }
    }

    fn publish(&mut self) {
        let mut block = Vec::with_capacity(2 * event::DATA_BYTES);
        for _ in 0..self.schedule.due() {
            let channels = self.subscribers.len() as u64;
            let (channel, sequence) = (self.events % channels, self.events / channels);
            self.events += 1;
            let stamp = Stamp { sent: event::now(), channel: channel as u32, sequence };
            block.clear();
            block.extend_from_slice(format!("id: {}\nevent: {}\ndata: ", sequence + 1, event::TYPE).as_bytes());
            stamp.write(&mut block);
            block.extend_from_slice(b"\n\n");
            self.fan_out(channel as usize, &block);
        }
    }

    fn fan_out(&mut self, channel: usize, block: &[u8]) {
        let mut full = Vec::new();
        for &index in &self.subscribers[channel] {
            let taken = self.clients[index].as_mut().is_some_and(|client| client.send(block));
            if !taken {
                full.push(index);
            }
        }
        full.into_iter().for_each(|index| self.drop_client(index));
    }

    fn drop_client(&mut self, index: usize) {
        let client = self.clients[index].take();
        if let Some(channel) = client.and_then(|client| client.channel()) {
            self.subscribers[channel as usize].retain(|subscriber| *subscriber != index);
        }
    }
}
