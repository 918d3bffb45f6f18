//! The story that sample events tell: customers order, payments are authorised or declined, clerks pack, parcels travel.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

/// Orders under way at once.
const OPEN_ORDERS: usize = 12;
/// Order numbers come again after so many, so that the number of channels is bounded.
const ORDER_NUMBERS: u64 = 500;
/// Every so many events everyone is told something.
const NOTICE_EVERY: u64 = 24;

const CUSTOMERS: [&str; 8] = ["42", "57", "101", "118", "203", "216", "342", "405"];
const CLERKS: [&str; 3] = ["nora", "omar", "pia"];
const GOODS: [(&str, &str, u32); 6] = [
    ("LMP-220", "Desk lamp", 4_900),
    ("CHR-014", "Oak chair", 12_900),
    ("MUG-303", "Mug, 0.3 l", 1_250),
    ("RUG-118", "Wool rug 120 × 180", 18_900),
    ("SHF-051", "Wall shelf", 6_400),
    ("VAS-007", "Glass vase", 3_150),
];
const NOTICES: [&str; 4] = [
    "Delivery to the islands takes a day longer this week.",
    "Maintenance tonight, 22:00 to 22:30 UTC.\nOrders are taken meanwhile; payments follow afterwards.",
    "New in the shop: a café table in three colours — blue, green, cream.",
    "Prices of wall shelves were lowered.",
];

/// The types of all sample events.
pub const TYPES: [&str; 11] = [
    "cart.updated",
    "notice.published",
    "order.cancelled",
    "order.delivered",
    "order.placed",
    "order.shipped",
    "payment.authorised",
    "payment.declined",
    "process.started",
    "task.assigned",
    "task.completed",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Cart,
    Placed,
    Started,
    Paying,
    Assigned,
    Packed,
    Shipped,
    Travelling,
    Declined,
}

#[derive(Debug, Clone)]
struct Order {
    number: u64,
    customer: &'static str,
    clerk: &'static str,
    session: u32,
    goods: (&'static str, &'static str, u32),
    quantity: u32,
    stage: Stage,
}

/// Tells events one by one, endlessly; the same seed tells the same story.
#[derive(Debug)]
pub struct Story {
    random: StdRng,
    orders: Vec<Order>,
    numbered: u64,
    told: u64,
}

impl Story {
    /// Begins a story.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { random: StdRng::seed_from_u64(seed), orders: Vec::new(), numbered: 0, told: 0 }
    }

    /// The next event, as the gateway's JSON envelope.
    pub fn next_event(&mut self) -> Vec<u8> {
        self.told += 1;
        let event = if self.told.is_multiple_of(NOTICE_EVERY) { self.notice() } else { self.advance() };
        serde_json::to_vec(&event).expect("a JSON value always encodes")
    }

    fn pick<T: Copy>(&mut self, among: &[T]) -> T {
        *among.choose(&mut self.random).expect("the lists above are not empty")
    }

    fn notice(&mut self) -> Value {
        let text = self.pick(&NOTICES);
        json!({"type": "notice.published", "channels": ["everyone"], "data": text, "attributes": {"service": "shop"}})
    }

    /// Begins an order while there is room, else tells the next step of one of them.
    fn advance(&mut self) -> Value {
        let index = if self.orders.len() < OPEN_ORDERS && self.random.random_bool(0.3) || self.orders.is_empty() {
            self.numbered += 1;
            let order = Order {
                number: 1_000 + self.numbered % ORDER_NUMBERS,
                customer: self.pick(&CUSTOMERS),
                clerk: self.pick(&CLERKS),
                session: 0xa100 + u32::from(self.random.random::<u8>() % 16),
                goods: self.pick(&GOODS),
                quantity: self.random.random_range(1..=4),
                stage: Stage::Cart,
            };
            self.orders.push(order);
            self.orders.len() - 1
        } else {
            self.random.random_range(0..self.orders.len())
        };
        let is_declined = self.random.random_bool(0.1);
        let order = &mut self.orders[index];
        let (event, next) = order.step(is_declined);
        match next {
            Some(stage) => order.stage = stage,
            None => drop(self.orders.swap_remove(index)),
        }
        event
    }
}

impl Order {
    /// What happens now, and the stage after it; `None` when the order is done.
    fn step(&self, is_declined: bool) -> (Value, Option<Stage>) {
        let (sku, name, price) = self.goods;
        let number = self.number;
        let total = f64::from(price * self.quantity) / 100.0;
        let user = format!("user:{}", self.customer);
        let clerk = format!("user:{}", self.clerk);
        let process = format!("process:{number}");
        let session = format!("session:{:x}", self.session);
        let event = |service: &str, kind: &str, channels: &[&String], data: Value| {
            json!({"type": kind, "channels": channels, "data": data, "key": number.to_string(),
                "attributes": {"service": service}})
        };
        match self.stage {
            Stage::Cart => {
                let data = json!({"sku": sku, "name": name, "quantity": self.quantity, "total": total});
                (event("shop", "cart.updated", &[&session], data), Some(Stage::Placed))
            }
            Stage::Placed => {
                let data = json!({"order": number, "total": total, "currency": "EUR",
                    "lines": [{"sku": sku, "name": name, "quantity": self.quantity}]});
                (event("orders", "order.placed", &[&user, &session], data), Some(Stage::Started))
            }
            Stage::Started => {
                let data = json!({"process": number, "definition": "fulfil-order", "version": 3});
                (event("workflow", "process.started", &[&process], data), Some(Stage::Paying))
            }
            Stage::Paying if is_declined => {
                let data = json!({"order": number, "reason": "insufficient_funds"});
                (event("payments", "payment.declined", &[&user, &process], data), Some(Stage::Declined))
            }
            Stage::Paying => {
                let data = json!({"order": number, "amount": total, "currency": "EUR", "method": "card"});
                (event("payments", "payment.authorised", &[&user, &process], data), Some(Stage::Assigned))
            }
            Stage::Assigned => {
                let data = json!({"task": "pack", "order": number, "assignee": self.clerk});
                (event("workflow", "task.assigned", &[&clerk, &process], data), Some(Stage::Packed))
            }
            Stage::Packed => {
                let data = json!({"task": "pack", "order": number, "by": self.clerk, "parcels": 1});
                (event("workflow", "task.completed", &[&process], data), Some(Stage::Shipped))
            }
            Stage::Shipped => {
                let tracking = format!("EG{:08}", number * 7_919);
                let data = json!({"order": number, "carrier": "Post", "tracking": tracking});
                (event("shipping", "order.shipped", &[&user, &process], data), Some(Stage::Travelling))
            }
            Stage::Travelling => {
                let data = json!({"order": number, "at": "front door"});
                (event("shipping", "order.delivered", &[&user, &process], data), None)
            }
            Stage::Declined => {
                let data = json!({"order": number, "reason": "payment declined"});
                (event("orders", "order.cancelled", &[&user, &process], data), None)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use events_gateway_core::Timestamp;
    use events_gateway_core::envelope::Decoder;
    use events_gateway_core::record::Record;
    use std::collections::BTreeSet;

    #[test]
    fn every_sample_event_decodes_and_channels_and_types_are_bounded() {
        let decoder = Decoder::build(&[], 1 << 20).unwrap();
        let mut story = Story::new(7);
        let (mut kinds, mut channels) = (BTreeSet::new(), BTreeSet::new());
        for _ in 0..20_000 {
            let value = story.next_event();
            let record = Record {
                topic: "events",
                partition: 0,
                offset: 0,
                time: Timestamp(1),
                key: None,
                headers: &[],
                value: Some(&value),
            };
            let envelope = decoder.decode(&record).unwrap();
            kinds.insert(envelope.kind.to_string());
            channels.extend(envelope.channels.iter().map(ToString::to_string));
        }
        assert_eq!(kinds.iter().map(String::as_str).collect::<Vec<_>>(), TYPES);
        assert!(channels.len() <= 1 + CUSTOMERS.len() + CLERKS.len() + 16 + 500, "{}", channels.len());
        for kind in ["user:", "session:", "process:", "everyone"] {
            assert!(channels.iter().any(|channel| channel.starts_with(kind)), "{kind}");
        }
    }

    #[test]
    fn one_seed_tells_one_story() {
        let tell = |seed| {
            (0..50).fold((Story::new(seed), Vec::new()), |(mut story, mut told), _| {
                told.push(story.next_event());
                (story, told)
            })
        };
        assert_eq!(tell(1).1, tell(1).1);
        assert_ne!(tell(1).1, tell(2).1);
    }
}
