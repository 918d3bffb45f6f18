//! The one table of what servers answer instead of a result: to be followed, tried again, or refused for good.

use redis::{RedisError, ServerError, Value};

use super::options::Address;
use crate::backlog::BacklogError;

/// What a server's answer means for the call.
#[derive(Debug)]
pub(super) enum Answer {
    /// The result.
    Done(Value),
    /// The script isn't loaded there; nothing was written.
    NoScript,
    /// The slot is served elsewhere from now on; nothing was written.
    Moved(Address),
    /// This once, the slot's importing node is to be asked; nothing was written.
    Ask(Address),
    /// Nothing was done, but it may be later. `elsewhere`: perhaps by another server.
    Later { reason: String, elsewhere: bool },
    /// Nothing was done, and won't be.
    Refused(String),
}

impl Answer {
    /// Judges an answer of the server at `from`.
    pub(super) fn of(value: Value, from: &Address) -> Self {
        match value {
            Value::ServerError(error) => Self::of_error(&error, from),
            value => Self::Done(value),
        }
    }

    fn of_error(error: &ServerError, from: &Address) -> Self {
        let details = error.details().unwrap_or_default();
        let reason = || format!("{} {details}", error.code());
        match error.code() {
            "NOSCRIPT" => Self::NoScript,
            "MOVED" => redirect(details, from).map_or_else(|| later(reason()), Self::Moved),
            "ASK" => redirect(details, from).map_or_else(|| later(reason()), Self::Ask),
            "READONLY" | "CLUSTERDOWN" | "MASTERDOWN" | "LOADING" => Self::Later { reason: reason(), elsewhere: true },
            // A key of another type, a meta that can't be read, a command that is too large.
            "WRONGTYPE" | "EGWREFUSED" | "CROSSSLOT" => Self::Refused(reason()),
            // TRYAGAIN, OOM, BUSY, NOREPLICAS, MISCONF pass by themselves. NOPERM and NOAUTH are for an operator to heal;
            // the events wait meanwhile. Of anything else it is unknown whether it was done; repeats are skipped.
            _ => later(reason()),
        }
    }
}

fn later(reason: String) -> Answer {
    Answer::Later { reason, elsewhere: false }
}

/// Reads `SLOT HOST:PORT`; an empty host means the one that answered.
fn redirect(details: &str, from: &Address) -> Option<Address> {
    let target = details.split(' ').nth(1)?;
    match target.strip_prefix(':') {
        Some(port) => Some(Address { host: from.host.clone(), port: port.parse().ok()? }),
        None => target.parse().ok(),
    }
}

/// A connection's failure: whether the command took effect is unknown.
pub(super) fn unavailable(address: &Address, error: &RedisError) -> BacklogError {
    BacklogError::Unavailable(format!("{address}: {error}"))
}
