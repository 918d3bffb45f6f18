//! The shard subscriptions of the channels that this replica owns: a link per primary, held to what is wanted.
//!
//! One task owns the state. A channel is *loose* until its primary has confirmed it; whenever a link is replaced, a slot
//! moves away or the primaries change, the channels concerned become loose, are subscribed again where they now belong, and
//! are then reported as resumed, since announcements may have been lost meanwhile.

mod line;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use events_gateway_core::Channel;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval};

use self::line::Line;
use super::keys::Keys;
use super::link::Task;
use super::options::{Address, Options};
use super::servers::Servers;
use crate::backlog::{BacklogError, Listener, Token};

/// Channels subscribed in one pipeline. Each is a command of its own: a slot that moved then fails one, not all.
const CHUNK: usize = 500;
/// Pause before what a server refused is tried again.
const RETRY: Duration = Duration::from_millis(100);

/// What the task is asked or told. The queue is unbounded, but holds at most one order per waiting caller, one loss per
/// subscribed channel, and a few events per link.
enum Order {
    Subscribe { channel: Channel, token: Token, ready: oneshot::Sender<()> },
    Want { channel: Channel, token: Token },
    Unsubscribe { channel: Channel, token: Token },
    Up { address: Address },
    Down { address: Address },
    Lost { address: Address, channel: Channel },
    Answered { address: Address, results: Vec<Answered> },
}

/// What became of one placement of a channel.
struct Answered {
    channel: Channel,
    serial: u64,
    result: Result<(), String>,
}

/// A channel to subscribe (with the serial number of its placement) or to unsubscribe.
type Change = (Channel, Option<u64>);

/// Asks the task.
pub(super) struct Subscriptions {
    orders: mpsc::UnboundedSender<Order>,
    _task: Task,
}

impl Subscriptions {
    pub(super) fn start(options: Arc<Options>, keys: Keys, servers: Arc<Servers>, listener: Arc<dyn Listener>) -> Self {
        let (orders, inbox) = mpsc::unbounded_channel();
        let desk = Desk {
            options,
            keys,
            servers,
            listener,
            orders: orders.downgrade(),
            lines: HashMap::new(),
            channels: HashMap::new(),
            loose: HashSet::new(),
            serial: 0,
        };
        Self { orders, _task: Task::spawn(desk.run(inbox)) }
    }

    /// Returns when the channel's primary has confirmed the subscription. Waits for as long as that takes.
    pub(super) async fn subscribe(&self, channel: &Channel, token: &Token) -> Result<(), BacklogError> {
        let (ready, confirmed) = oneshot::channel();
        let order = Order::Subscribe { channel: channel.clone(), token: token.clone(), ready };
        let ended = || BacklogError::Unavailable("the subscription was given up".into());
        self.orders.send(order).map_err(|_| ended())?;
        confirmed.await.map_err(|_| ended())
    }

    /// Makes sure that the channel is wanted, without waiting.
    pub(super) fn want(&self, channel: &Channel, token: &Token) {
        let _ = self.orders.send(Order::Want { channel: channel.clone(), token: token.clone() });
    }

    /// Ends the subscription if it is this token's.
    pub(super) fn unsubscribe(&self, channel: &Channel, token: &Token) {
        let _ = self.orders.send(Order::Unsubscribe { channel: channel.clone(), token: token.clone() });
    }
}

/// A channel that is wanted.
struct Wanted {
    token: Token,
    /// Where it was asked for last, and the serial number of that.
    at: Option<(Address, u64)>,
    confirmed: bool,
    /// It was confirmed once and lost since: the owner must verify.
    resumes: bool,
    waiting: Vec<oneshot::Sender<()>>,
}

struct Desk {
    options: Arc<Options>,
    keys: Keys,
    servers: Arc<Servers>,
    listener: Arc<dyn Listener>,
    orders: mpsc::WeakUnboundedSender<Order>,
    lines: HashMap<Address, Line>,
    channels: HashMap<Channel, Wanted>,
    loose: HashSet<Channel>,
    /// Of the last placement.
    serial: u64,
}

impl Desk {
    async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Order>) {
        let mut changes = self.servers.topology.changes();
        let mut retry = interval(RETRY);
        retry.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut orders = Vec::new();
        loop {
            tokio::select! {
                count = inbox.recv_many(&mut orders, CHUNK) => {
                    if count == 0 {
                        return;
                    }
                    let mut fresh = Vec::new();
                    for order in orders.drain(..) {
                        self.obey(order, &mut fresh);
                    }
                    self.place(fresh);
                }
                changed = changes.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    self.relocate();
                }
                _ = retry.tick(), if !self.loose.is_empty() => {
                    let loose = self.loose.iter().cloned().collect();
                    self.place(loose);
                }
            }
        }
    }

    fn obey(&mut self, order: Order, fresh: &mut Vec<Channel>) {
        match order {
            Order::Subscribe { channel, token, ready } => {
                let wanted = self.want(&channel, token, fresh);
                if wanted.confirmed {
                    let _ = ready.send(());
                } else {
                    wanted.waiting.retain(|waiting| !waiting.is_closed());
                    wanted.waiting.push(ready);
                }
            }
            Order::Want { channel, token } => {
                self.want(&channel, token, fresh);
            }
            Order::Unsubscribe { channel, token } => {
                if self.channels.get(&channel).is_some_and(|wanted| wanted.token == token) {
                    self.loose.remove(&channel);
                    let at = self.channels.remove(&channel).and_then(|wanted| wanted.at);
                    if let Some(line) = at.and_then(|(address, _)| self.lines.get(&address)) {
                        let _ = line.changes.send((channel, None));
                    }
                }
            }
            Order::Up { address } => {
                if let Some(line) = self.lines.get_mut(&address) {
                    line.up = true;
                }
                fresh.extend(self.loose.iter().cloned());
            }
            Order::Down { address } => {
                if let Some(line) = self.lines.get_mut(&address) {
                    line.up = false;
                }
                self.loosen(|at, _| *at == address);
            }
            Order::Lost { address, channel } => {
                self.loosen_one(&channel, |at| *at == address);
                self.servers.topology.suspect();
            }
            Order::Answered { address, results } => self.answered(&address, results),
        }
    }

    fn want(&mut self, channel: &Channel, token: Token, fresh: &mut Vec<Channel>) -> &mut Wanted {
        let wanted = self.channels.entry(channel.clone()).or_insert_with(|| {
            self.loose.insert(channel.clone());
            fresh.push(channel.clone());
            Wanted { token: token.clone(), at: None, confirmed: false, resumes: false, waiting: Vec::new() }
        });
        wanted.token = token;
        wanted
    }

    fn loosen_one(&mut self, channel: &Channel, concerns: impl Fn(&Address) -> bool) {
        let Some(wanted) = self.channels.get_mut(channel) else {
            return;
        };
        if wanted.at.as_ref().is_some_and(|(at, _)| concerns(at)) {
            wanted.resumes |= wanted.confirmed;
            (wanted.at, wanted.confirmed) = (None, false);
            self.loose.insert(channel.clone());
        }
    }

    /// Makes loose whatever is placed where it can't stay.
    fn loosen(&mut self, concerns: impl Fn(&Address, &Channel) -> bool) {
        for (channel, wanted) in &mut self.channels {
            if wanted.at.as_ref().is_some_and(|(at, _)| concerns(at, channel)) {
                wanted.resumes |= wanted.confirmed;
                (wanted.at, wanted.confirmed) = (None, false);
                self.loose.insert(channel.clone());
            }
        }
    }

    /// The primaries changed: what isn't where it belongs goes there, and lines to former primaries end.
    fn relocate(&mut self) {
        let map = self.servers.topology.map();
        let keys = self.keys.clone();
        self.loosen(|at, channel| map.primary(&keys.announcements(channel)) != Some(at));
        self.lines.retain(|address, _| map.primaries.contains(address));
        let loose = self.loose.iter().cloned().collect();
        self.place(loose);
    }

    /// Asks for loose channels where their links are up; the others wait for that.
    fn place(&mut self, channels: Vec<Channel>) {
        let map = self.servers.topology.map();
        for channel in channels {
            let Some(wanted) = self.channels.get_mut(&channel) else {
                continue;
            };
            if wanted.at.is_some() {
                continue;
            }
            let Some(address) = map.primary(&self.keys.announcements(&channel)) else {
                continue;
            };
            if !self.lines.contains_key(address) {
                let Some(orders) = self.orders.upgrade() else { return };
                let line = Line::start(&self.options, &self.keys, address, &self.listener, &orders);
                self.lines.insert(address.clone(), line);
            }
            let line = &self.lines[address];
            if line.up {
                self.serial += 1;
                wanted.at = Some((address.clone(), self.serial));
                self.loose.remove(&channel);
                let _ = line.changes.send((channel, Some(self.serial)));
            }
        }
    }

    fn answered(&mut self, address: &Address, results: Vec<Answered>) {
        let mut resumed = Vec::new();
        for Answered { channel, serial, result } in results {
            let Some(wanted) = self.channels.get_mut(&channel) else {
                continue;
            };
            if wanted.at.as_ref().map(|(_, serial)| *serial) != Some(serial) {
                continue;
            }
            match result {
                Ok(()) => {
                    wanted.confirmed = true;
                    for ready in wanted.waiting.drain(..) {
                        let _ = ready.send(());
                    }
                    if std::mem::take(&mut wanted.resumes) {
                        resumed.push(channel);
                    }
                }
                Err(reason) => {
                    tracing::debug!(%channel, %address, %reason, "failed to subscribe");
                    wanted.at = None;
                    self.loose.insert(channel);
                    self.servers.topology.suspect();
                }
            }
        }
        if !resumed.is_empty() {
            self.listener.resumed(resumed);
        }
    }
}
