//! One link for shard subscriptions: what is sent on it, and what comes in.

use std::sync::Arc;

use bytes::Bytes;
use redis::aio::MultiplexedConnection;
use redis::{PushInfo, PushKind, Value};
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;

use super::super::announcement::{self, Message};
use super::super::answer::Answer;
use super::super::keys::Keys;
use super::super::link::{Link, OnPush, State, Task};
use super::super::options::{Address, Options};
use super::{Answered, CHUNK, Change, Order};
use crate::backlog::{Announcement, Listener};

/// A link for subscriptions and the task that sends on it, in order.
pub(super) struct Line {
    pub(super) up: bool,
    pub(super) changes: mpsc::UnboundedSender<Change>,
    _task: Task,
}

impl Line {
    pub(super) fn start(
        options: &Arc<Options>,
        keys: &Keys,
        address: &Address,
        listener: &Arc<dyn Listener>,
        orders: &mpsc::UnboundedSender<Order>,
    ) -> Self {
        let on_push = on_push(keys.clone(), address.clone(), Arc::clone(listener), orders.downgrade());
        // The command link to the same server already watches for its loss.
        let link = Link::start(Arc::clone(options), address.clone(), Some(on_push), Arc::new(Notify::new()));
        let (changes, inbox) = mpsc::unbounded_channel();
        let _task =
            Task::spawn(carry(link, keys.clone(), address.clone(), inbox, orders.downgrade(), Arc::clone(options)));
        Self { up: false, changes, _task }
    }
}

/// Tells the listener what is announced, and the desk what was lost.
fn on_push(
    keys: Keys,
    address: Address,
    listener: Arc<dyn Listener>,
    orders: mpsc::WeakUnboundedSender<Order>,
) -> OnPush {
    Arc::new(move |PushInfo { kind, data }| {
        let mut data = data.into_iter();
        let Some(Value::BulkString(name)) = data.next() else {
            return;
        };
        let Some(channel) = keys.announced(&name) else { return };
        match (kind, data.next()) {
            (PushKind::SMessage, Some(Value::BulkString(payload))) => {
                match announcement::decode(Bytes::from(payload)) {
                    Ok(Message::Events { epoch, first, events }) => {
                        listener.announced(Announcement { channel, epoch, first, events });
                    }
                    Ok(Message::Closed(before)) => listener.closed(&channel, before),
                    Err(reason) => {
                        // Perhaps of a later release: the backlog holds what it announced.
                        tracing::warn!(%channel, %reason, "failed to read an announcement");
                        listener.resumed(vec![channel]);
                    }
                }
            }
            (PushKind::SUnsubscribe, _) => {
                if let Some(orders) = orders.upgrade() {
                    let _ = orders.send(Order::Lost { address: address.clone(), channel });
                }
            }
            _ => {}
        }
    })
}

/// Sends a line's changes in order, and reports the link's state and what servers answered.
async fn carry(
    link: Link,
    keys: Keys,
    address: Address,
    mut inbox: mpsc::UnboundedReceiver<Change>,
    orders: mpsc::WeakUnboundedSender<Order>,
    options: Arc<Options>,
) {
    let mut state = link.watch();
    state.mark_changed();
    let mut up: Option<MultiplexedConnection> = None;
    let mut changes = Vec::new();
    let report = |order| orders.upgrade().is_some_and(|orders| orders.send(order).is_ok());
    loop {
        tokio::select! {
            biased;
            changed = state.changed() => {
                if changed.is_err() {
                    return;
                }
                let now = state.borrow_and_update().clone();
                // A connection that was replaced between two looks was lost all the same.
                if up.take().is_some() && !report(Order::Down { address: address.clone() }) {
                    return;
                }
                if let State::Up(connection) = now {
                    up = Some(connection);
                    if !report(Order::Up { address: address.clone() }) {
                        return;
                    }
                }
            }
            count = inbox.recv_many(&mut changes, CHUNK) => {
                if count == 0 {
                    return;
                }
                let batch = std::mem::take(&mut changes);
                let Some(connection) = &mut up else { continue };
                let answers = timeout(options.call_timeout, subscribe(connection, &keys, &address, &batch)).await;
                let Ok(Some(results)) = answers else {
                    // The connection is dead, or its answers no longer match what was asked (a slot moved away at that
                    // moment): only a new one is sure to tell the truth.
                    link.replace();
                    continue;
                };
                if !report(Order::Answered { address: address.clone(), results }) {
                    return;
                }
            }
        }
    }
}

/// Subscribes and unsubscribes; `None` when the answers don't match the questions.
async fn subscribe(
    connection: &mut MultiplexedConnection,
    keys: &Keys,
    address: &Address,
    batch: &[Change],
) -> Option<Vec<Answered>> {
    let mut pipeline = redis::Pipeline::with_capacity(batch.len());
    for (channel, wanted) in batch {
        let verb = if wanted.is_some() { "SSUBSCRIBE" } else { "SUNSUBSCRIBE" };
        pipeline.cmd(verb).arg(keys.announcements(channel));
    }
    let values = connection.send_packed_commands(&pipeline, 0, batch.len()).await.ok()?;
    if values.len() != batch.len() {
        return None;
    }
    let mut results = Vec::with_capacity(batch.len());
    for ((channel, wanted), value) in batch.iter().zip(values) {
        let result = match value {
            Value::Push { kind, data } => {
                let expected = if wanted.is_some() { PushKind::SSubscribe } else { PushKind::SUnsubscribe };
                let name = keys.announcements(channel);
                let named = matches!(data.first(), Some(Value::BulkString(found)) if *found == name.as_bytes());
                if kind != expected || !named {
                    return None;
                }
                Ok(())
            }
            Value::ServerError(_) => Err(format!("{:?}", Answer::of(value, address))),
            _ => return None,
        };
        if let Some(serial) = *wanted {
            results.push(Answered { channel: channel.clone(), serial, result });
        }
    }
    Some(results)
}
