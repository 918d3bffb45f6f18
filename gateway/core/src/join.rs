//! How replay and live events become one sequence: pure, so that every interleaving can be tried.
//!
//! A [`Reel`] is one channel as a replica holds it: the recent events, released strictly in order. A [`Walker`] is one
//! subscriber's place in the channel. Nobody is pushed to: a walker reads from pages of the backlog until it stands where
//! the reel begins, then from the reel. So a subscriber costs a few words, and being slow costs nobody else anything.

mod course;
mod reel;
mod released;
mod replay;
mod ring;
mod walker;

pub use reel::{Heard, Reel};
pub use replay::{Replay, ReplayPage};
pub use ring::Bounds;
pub use walker::{Overflow, Pending, Pulled, Step, Walker};
