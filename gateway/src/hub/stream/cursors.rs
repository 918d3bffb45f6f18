//! The cursors of one stream: plain ones, or such as only its client may come back with.

use events_gateway_core::Timestamp;
use events_gateway_core::cursor::seal::Seal;
use events_gateway_core::cursor::{ChannelSet, CursorError, Mark, Marks};

/// Writes them, and reads the one that the client came with.
pub(super) struct Cursors {
    set: ChannelSet,
    owner: Owner,
}

/// Whose they are.
enum Owner {
    /// Anybody's who may read the past.
    Anybody,
    /// This client's, but no secret is known to seal them with: none counts.
    Unsealed,
    /// This client's; the last was told in this slice of time.
    Sealed(Box<Seal>, u64),
}

impl Cursors {
    /// `own`: the client may come back only with its own, which are sealed as far as that can be done.
    pub(super) fn new(set: ChannelSet, own: bool, seal: Option<Seal>) -> Self {
        let owner = match (own, seal) {
            (false, _) => Owner::Anybody,
            (true, None) => Owner::Unsealed,
            (true, Some(seal)) => Owner::Sealed(Box::new(seal), 0),
        };
        Self { set, owner }
    }

    pub(super) fn set(&self) -> &ChannelSet {
        &self.set
    }

    /// Whether those of one event are the same for every stream of its channels.
    pub(super) fn are_shared(&self) -> bool {
        matches!(self.owner, Owner::Anybody)
    }

    pub(super) fn parse(&self, text: &str, now: Timestamp) -> Result<Marks, CursorError> {
        match &self.owner {
            Owner::Anybody => self.set.parse(text),
            Owner::Unsealed => Err(CursorError::NotOwn),
            Owner::Sealed(seal, _) => seal.parse(text, now),
        }
    }

    pub(super) fn text(&mut self, marks: &[Mark], now: impl FnOnce() -> Timestamp) -> String {
        match &mut self.owner {
            Owner::Anybody | Owner::Unsealed => self.set.cursor(marks),
            Owner::Sealed(seal, told) => {
                let now = now();
                *told = seal.slice(now);
                seal.cursor(marks, now)
            }
        }
    }

    /// Whether the last one is to be told again, before it is too old to come back with.
    pub(super) fn are_stale(&self, now: impl FnOnce() -> Timestamp) -> bool {
        match &self.owner {
            Owner::Anybody | Owner::Unsealed => false,
            Owner::Sealed(seal, told) => *told != seal.slice(now()),
        }
    }
}
