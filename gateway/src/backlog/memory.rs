//! The backlog in memory: one process, nothing kept beyond it, the same rules as on Redis.
//!
//! A [`Store`] stands for the server and survives its clients; it can be restarted, flushed and put back to a snapshot, and
//! its clients can be cut off, so that whatever recovers from such things can be tried without a server.

mod channel;
mod quotas;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use events_gateway_core::{Channel, Position, Standing, Timestamp};
use parking_lot::{Mutex, MutexGuard};

use self::channel::{Moment, Stored};
use super::{
    Announcement, Appended, Applied, Backlog, BacklogError, Batch, Breaks, Confirmations, ConnectionEntry, Control,
    DataSet, Directory, Lease, Listener, Marked, Offsets, Page, Remembered, Secrets, Taken, Tickets, Token, Watermarks,
};

/// The name of the only primary.
const PRIMARY: &str = "memory";

/// What tells the time.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// How much is kept.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many events a channel's backlog keeps.
    pub retained_events: usize,
    /// How long a channel's backlog keeps an event, counted from the event's own time.
    pub retained_age: Duration,
    /// When an ownership that isn't verified lapses.
    pub ownership: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            retained_events: 10_000,
            retained_age: Duration::from_secs(4 * 3600),
            ownership: Duration::from_secs(45),
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// What stands for the server. Cheap to clone; clones are the same store.
#[derive(Clone)]
pub struct Store {
    clock: Clock,
    state: Arc<Mutex<State>>,
}

impl Default for Store {
    fn default() -> Self {
        Self::new(Arc::new(|| Timestamp(millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()))))
    }
}

/// What a restarted store finds.
#[derive(Debug)]
pub enum Keep {
    /// All it had.
    Everything,
    /// Nothing.
    Nothing,
    /// What it had when the snapshot was taken.
    Snapshot(Box<Snapshot>),
}

/// The contents of a store at one moment.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    channels: HashMap<Channel, Stored>,
    watermarks: HashMap<String, Remembered>,
    leases: BTreeMap<String, (Lease, Timestamp)>,
    connections: HashMap<String, BTreeMap<String, ConnectionEntry>>,
    controls: HashMap<String, Control>,
    /// By group: the cause of its last break.
    causes: HashMap<String, String>,
    /// By name: the content until it is taken, and when it lapses.
    tickets: HashMap<String, (Option<String>, Timestamp)>,
    /// The replicas' secret, and when it lapses.
    secret: Option<(String, Timestamp)>,
    /// Replica -> up to where it has applied the revocations, and until when that is told.
    confirmed: HashMap<String, (Applied, Timestamp)>,
    quotas: quotas::Held,
}

#[derive(Default)]
struct State {
    /// Of this life of the store.
    identity: u64,
    /// Above all positions given out in any life.
    floor: u64,
    kept: Snapshot,
    clients: HashMap<u64, Client>,
    connected: u64,
}

struct Client {
    listener: Arc<dyn Listener>,
    subscribed: HashMap<Channel, Token>,
    is_cut_off: bool,
}

impl State {
    fn tell(&self, channel: &Channel, tell: impl Fn(&dyn Listener)) {
        let hears = |client: &&Client| !client.is_cut_off && client.subscribed.contains_key(channel);
        self.clients.values().filter(hears).for_each(|client| tell(&*client.listener));
    }

    fn resume(client: &Client) {
        if !client.is_cut_off && !client.subscribed.is_empty() {
            client.listener.resumed(client.subscribed.keys().cloned().collect());
        }
    }
}

impl Store {
    /// An empty store whose server tells this time.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { clock, state: Arc::default() }
    }

    /// One replica's access.
    #[must_use]
    pub fn connect(&self, options: Options, listener: Arc<dyn Listener>) -> MemoryBacklog {
        let mut state = self.state.lock();
        state.connected += 1;
        let client = state.connected;
        state.clients.insert(client, Client { listener, subscribed: HashMap::new(), is_cut_off: false });
        MemoryBacklog { store: self.clone(), options, client }
    }

    /// What is stored now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.state.lock().kept.clone()
    }

    /// Begins a new life with what is kept; clients subscribe again and hear that they resumed.
    pub fn restart(&self, keep: Keep) {
        let mut state = self.state.lock();
        state.identity += 1;
        match keep {
            Keep::Everything => {}
            Keep::Nothing => state.kept = Snapshot::default(),
            Keep::Snapshot(snapshot) => state.kept = *snapshot,
        }
        state.clients.values().for_each(State::resume);
    }

    /// Forgets everything within the same life, as `FLUSHALL` does.
    pub fn flush(&self) {
        self.state.lock().kept = Snapshot::default();
    }

    /// Puts something else in the place of a channel's backlog.
    pub fn spoil(&self, channel: &Channel) {
        self.state.lock().kept.channels.entry(channel.clone()).or_default().spoilt = true;
    }
}

/// One replica's access to a [`Store`]. Dropping it disconnects.
pub struct MemoryBacklog {
    store: Store,
    options: Options,
    client: u64,
}

impl Drop for MemoryBacklog {
    fn drop(&mut self) {
        self.store.state.lock().clients.remove(&self.client);
    }
}

impl MemoryBacklog {
    /// Cuts this client off: its calls fail and it hears nothing.
    pub fn cut_off(&self) {
        if let Some(client) = self.store.state.lock().clients.get_mut(&self.client) {
            client.is_cut_off = true;
        }
    }

    /// Ends [`Self::cut_off`]; the client hears that it resumed.
    pub fn reconnect(&self) {
        if let Some(client) = self.store.state.lock().clients.get_mut(&self.client) {
            client.is_cut_off = false;
            State::resume(client);
        }
    }

    fn state(&self) -> Result<(MutexGuard<'_, State>, Timestamp), BacklogError> {
        let state = self.store.state.lock();
        if state.clients.get(&self.client).is_none_or(|client| client.is_cut_off) {
            return Err(BacklogError::Unavailable("cut off".into()));
        }
        Ok((state, (self.store.clock)()))
    }

    /// Runs a verb on a channel as one step.
    fn on<T>(
        &self,
        channel: &Channel,
        verb: impl FnOnce(&mut Stored, Moment<'_>) -> Result<T, BacklogError>,
        tell: impl FnOnce(&State, &T),
    ) -> Result<T, BacklogError> {
        let (mut state, now) = self.state()?;
        let moment = Moment { options: &self.options, identity: state.identity, now, floor: state.floor };
        let stored = state.kept.channels.entry(channel.clone()).or_default();
        let answer = verb(stored, moment)?;
        let floor = stored.floor();
        state.floor = state.floor.max(floor);
        // Told under the lock, so that every owner hears in the order of the appends.
        tell(&state, &answer);
        Ok(answer)
    }

    fn own(&self, channel: &Channel, token: &Token, breaks: &Breaks) -> Result<Standing, BacklogError> {
        let (mut state, _) = self.state()?;
        if let Some(client) = state.clients.get_mut(&self.client) {
            client.subscribed.insert(channel.clone(), token.clone());
        }
        drop(state);
        self.on(channel, |stored, moment| stored.register(moment, token, breaks), |_, _| {})
    }
}

#[async_trait]
impl Backlog for MemoryBacklog {
    async fn append(&self, batch: Batch) -> Result<Appended, BacklogError> {
        batch.check()?;
        if self.data_set().await? != batch.data_set {
            return Err(BacklogError::DataSetChanged);
        }
        let tell = |state: &State, (_, fresh): &(Appended, Option<channel::Fresh>)| {
            if let Some((epoch, first, events)) = fresh {
                state.tell(&batch.channel, |listener| {
                    listener.announced(Announcement {
                        channel: batch.channel.clone(),
                        epoch: *epoch,
                        first: *first,
                        events: events.clone(),
                    });
                });
            }
        };
        let identity = batch.data_set.0.get(PRIMARY).cloned();
        let verb = |stored: &mut Stored, moment: Moment<'_>| {
            // Again, within the step: a restart may have come between.
            if identity.as_deref() != Some(&moment.identity.to_string()) {
                return Err(BacklogError::DataSetChanged);
            }
            stored.append(moment, &batch)
        };
        self.on(&batch.channel, verb, tell).map(|(appended, _)| appended)
    }

    async fn register(&self, channel: &Channel, token: &Token, breaks: &Breaks) -> Result<Standing, BacklogError> {
        self.own(channel, token, breaks)
    }

    async fn unregister(&self, channel: &Channel, token: &Token) -> Result<(), BacklogError> {
        let (mut state, _) = self.state()?;
        if let Some(client) = state.clients.get_mut(&self.client)
            && client.subscribed.get(channel) == Some(token)
        {
            client.subscribed.remove(channel);
        }
        if let Some(stored) = state.kept.channels.get_mut(channel) {
            stored.unregister(token);
        }
        Ok(())
    }

    async fn verify(&self, owned: &[(Channel, Token)], breaks: &Breaks) -> Vec<Result<Standing, BacklogError>> {
        owned.iter().map(|(channel, token)| self.own(channel, token, breaks)).collect()
    }

    async fn read(&self, channel: &Channel, after: Position, limit: usize) -> Result<Page, BacklogError> {
        self.on(channel, |stored, moment| stored.read(moment, after, limit), |_, _| {})
    }

    async fn close_before(&self, channel: &Channel, time: Timestamp) -> Result<Timestamp, BacklogError> {
        let tell =
            |state: &State, before: &Timestamp| state.tell(channel, |listener| listener.closed(channel, *before));
        self.on(channel, |stored, moment| stored.close_before(moment, time), tell)
    }

    async fn keep(&self, channel: &Channel) -> Result<(), BacklogError> {
        self.on(channel, Stored::keep, |_, ()| {})
    }
}

#[async_trait]
impl Watermarks for MemoryBacklog {
    async fn data_set(&self) -> Result<DataSet, BacklogError> {
        let (state, _) = self.state()?;
        Ok(DataSet(Arc::new(BTreeMap::from([(PRIMARY.into(), state.identity.to_string())]))))
    }

    async fn remembered(&self, group: &str) -> Result<Remembered, BacklogError> {
        let (mut state, _) = self.state()?;
        let remembered = state.kept.watermarks.entry(group.into()).or_default();
        if remembered.life.is_empty() {
            remembered.life = format!("{:032x}", rand::random::<u128>());
        }
        Ok(remembered.clone())
    }

    async fn mark(
        &self,
        group: &str,
        data_set: &DataSet,
        marked: &Offsets,
        offsets: &Offsets,
    ) -> Result<Marked, BacklogError> {
        let (mut state, _) = self.state()?;
        let is_same = data_set.0.get(PRIMARY) == Some(&state.identity.to_string());
        let known = &mut state.kept.watermarks.entry(group.into()).or_default().offsets;
        let remembers = |(partition, offset)| known.get(partition).is_some_and(|known| known >= offset);
        if !is_same || !marked.iter().all(remembers) {
            return Ok(Marked::Forgotten);
        }
        known.extend(offsets.clone());
        Ok(Marked::Stored)
    }
}

#[async_trait]
impl Tickets for MemoryBacklog {
    async fn keep_ticket(&self, name: &str, content: &str, ttl: Duration) -> Result<(), BacklogError> {
        let (mut state, now) = self.state()?;
        state.kept.tickets.retain(|_, (_, until)| *until > now);
        let lapses = Timestamp(now.0 + millis(ttl));
        state.kept.tickets.insert(name.into(), (Some(content.into()), lapses));
        Ok(())
    }

    async fn take_ticket(&self, name: &str) -> Result<Taken, BacklogError> {
        let (mut state, now) = self.state()?;
        let known = state.kept.tickets.get_mut(name).filter(|(_, until)| *until > now);
        Ok(known.map_or(Taken::Never, |(content, _)| content.take().map_or(Taken::Before, Taken::Now)))
    }
}

#[async_trait]
impl Secrets for MemoryBacklog {
    async fn share_secret(&self, mine: &str, ttl: Duration) -> Result<String, BacklogError> {
        let (mut state, now) = self.state()?;
        let secret = &mut state.kept.secret;
        let known = secret.take().filter(|(_, until)| *until > now).map_or_else(|| mine.to_owned(), |(known, _)| known);
        *secret = Some((known.clone(), Timestamp(now.0 + millis(ttl))));
        Ok(known)
    }
}

#[async_trait]
impl Confirmations for MemoryBacklog {
    async fn confirm(&self, replica: &str, applied: &Applied, ttl: Duration) -> Result<(), BacklogError> {
        let (mut state, now) = self.state()?;
        state.kept.confirmed.retain(|_, (_, until)| *until > now);
        state.kept.confirmed.insert(replica.into(), (applied.clone(), Timestamp(now.0 + millis(ttl))));
        Ok(())
    }

    async fn confirmed(&self, replica: &str) -> Result<Option<Applied>, BacklogError> {
        let (state, now) = self.state()?;
        Ok(state.kept.confirmed.get(replica).filter(|(_, until)| *until > now).map(|(applied, _)| applied.clone()))
    }
}

#[async_trait]
impl Directory for MemoryBacklog {
    async fn renew(&self, lease: &Lease, ttl: Duration, first: bool) -> Result<bool, BacklogError> {
        let (mut state, now) = self.state()?;
        let expiry = self.options.retained_age.max(Duration::from_secs(7 * 24 * 3600));
        state.kept.channels.retain(|_, stored| now.millis_since(stored.touched) < millis(expiry));
        state.kept.leases.retain(|_, (_, until)| *until > now);
        if state.kept.leases.contains_key(&lease.replica) == first {
            return Ok(false);
        }
        state.kept.leases.insert(lease.replica.clone(), (lease.clone(), Timestamp(now.0 + millis(ttl))));
        Ok(true)
    }

    async fn release(&self, replica: &str) -> Result<(), BacklogError> {
        let (mut state, _) = self.state()?;
        state.kept.leases.remove(replica);
        state.kept.connections.remove(replica);
        state.kept.confirmed.remove(replica);
        Ok(())
    }

    async fn leases(&self) -> Result<Vec<Lease>, BacklogError> {
        let (state, now) = self.state()?;
        let live = state.kept.leases.values().filter(|(_, until)| *until > now);
        Ok(live.map(|(lease, _)| lease.clone()).take(1_000).collect())
    }

    async fn record(
        &self,
        replica: &str,
        opened: &[ConnectionEntry],
        closed: &[String],
        _ttl: Duration,
    ) -> Result<(), BacklogError> {
        let (mut state, _) = self.state()?;
        let known = state.kept.connections.entry(replica.into()).or_default();
        known.extend(opened.iter().map(|connection| (connection.connection.clone(), connection.clone())));
        known.retain(|connection, _| !closed.contains(connection));
        Ok(())
    }

    async fn connections(&self, replica: &str) -> Result<Vec<ConnectionEntry>, BacklogError> {
        let (state, _) = self.state()?;
        Ok(state.kept.connections.get(replica).map(|known| known.values().cloned().collect()).unwrap_or_default())
    }

    async fn owners(&self, channel: &Channel) -> Result<Vec<(String, Timestamp)>, BacklogError> {
        let (state, _) = self.state()?;
        Ok(state.kept.channels.get(channel).map(Stored::owners).unwrap_or_default())
    }

    async fn control(&self, group: &str) -> Result<Control, BacklogError> {
        let (state, _) = self.state()?;
        Ok(state.kept.controls.get(group).copied().unwrap_or_default())
    }

    async fn set_paused(&self, group: &str, paused: bool) -> Result<(), BacklogError> {
        let (mut state, _) = self.state()?;
        state.kept.controls.entry(group.into()).or_default().paused = paused;
        Ok(())
    }

    async fn raise_breaks(&self, group: &str, known: u64, cause: Option<&str>) -> Result<u64, BacklogError> {
        let (mut state, now) = self.state()?;
        let before = state.kept.causes.insert(group.into(), cause.unwrap_or_default().into());
        let control = state.kept.controls.entry(group.into()).or_default();
        if cause.is_none() || before.as_deref() != cause {
            control.breaks = (control.breaks + 1).max(known + 1).max(now.0);
        }
        Ok(control.breaks)
    }
}
