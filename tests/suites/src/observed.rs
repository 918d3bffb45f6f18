//! What a client saw, as the checker wants it.

use events_gateway_harness::ledger::Observed;
use events_gateway_harness::sse::client::History;

/// Translates a history. Events of publishers must be those of [`crate::Traffic`].
///
/// # Panics
/// When an event isn't what [`crate::Traffic`] produced, or a gap isn't told as the contract says.
#[must_use]
pub fn of(history: &History) -> Vec<Observed> {
    since(history, 0)
}

/// [`of`] without the first `seen` events of the history, which were translated before.
///
/// # Panics
/// As [`of`].
#[must_use]
pub fn since(history: &History, seen: usize) -> Vec<Observed> {
    let mut observed = Vec::new();
    let mut connection = seen.checked_sub(1).map_or(0, |last| history.events[last].connection);
    for received in &history.events[seen..] {
        if received.connection > connection {
            connection = received.connection;
            observed.push(Observed::Reconnect);
        }
        match received.event.kind.as_str() {
            "gateway.gap" => observed.push(gap(&received.event.json())),
            kind if kind.starts_with("gateway.") => {}
            _ => {
                let data = received.event.json();
                let sequence = data["sequence"].as_u64().unwrap_or_else(|| panic!("no sequence: {data}"));
                observed.push(Observed::Event { channel: text(&data, "channel"), sequence });
            }
        }
    }
    observed
}

fn gap(data: &serde_json::Value) -> Observed {
    Observed::Gap {
        channel: text(data, "channel"),
        reason: text(data, "reason"),
        missing: data["missing"].as_u64(),
        may_repeat: data["may_repeat"].as_bool().unwrap_or_else(|| panic!("a gap without may_repeat: {data}")),
    }
}

fn text(data: &serde_json::Value, field: &str) -> String {
    data[field].as_str().unwrap_or_else(|| panic!("no {field}: {data}")).to_owned()
}
