//! The pure core of Events Gateway: its words and rules.
//!
//! Nothing here knows an async runtime, a client library or a clock: time and randomness come in as arguments, and the
//! compiler checks it, because this crate depends on none of them.

pub mod access;
pub mod channel;
pub mod cursor;
pub mod disconnect;
pub mod entry;
pub mod envelope;
pub mod event;
mod expression;
mod facts;
pub mod filter;
pub mod frame;
pub mod join;
pub mod page;
pub mod pattern;
pub mod position;
pub mod publication;
pub mod record;
pub mod route;
pub mod source;
pub mod sse;
pub mod time;
pub mod trace;
pub mod view;

pub use channel::Channel;
pub use event::Event;
pub use position::{Epoch, Epochs, Position, Standing};
pub use time::Timestamp;
