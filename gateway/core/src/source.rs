//! Where a record came from: its source, its place there, and the generation that tells one life of a source from the next.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// (binding, topic, partition), written `binding/topic/partition`; none of the parts may hold a `/`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SourceId(Arc<str>);

impl SourceId {
    /// Names a partition of a topic as read by a binding.
    #[must_use]
    pub fn new(binding: &str, topic: &str, partition: i32) -> Self {
        Self(format!("{binding}/{topic}/{partition}").into())
    }

    /// `binding/topic/partition`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A value that is raised when offsets start over, so that records read again are told from repeats. It only grows:
/// max(now in ms, any known + 1). Below 2^53.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Generation(pub u64);

/// Where exactly an event came from. Written into the backlog's field `source` as
/// `binding/topic/partition/generation/place`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The partition.
    pub source: SourceId,
    /// Its life.
    pub generation: Generation,
    /// The offset there.
    pub place: u64,
}

impl Origin {
    /// Reads back what [`fmt::Display`] wrote; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.rsplitn(3, '/');
        let place = parts.next()?.parse().ok()?;
        let generation = Generation(parts.next()?.parse().ok()?);
        let source = parts.next()?;
        (source.split('/').count() == 3).then(|| Self { source: SourceId(source.into()), generation, place })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.source, self.generation.0, self.place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_reads_back_as_written() {
        let origin = Origin { source: SourceId::new("orders", "shop.orders", 7), generation: Generation(1), place: 42 };
        assert_eq!(origin.to_string(), "orders/shop.orders/7/1/42");
        assert_eq!(Origin::parse(&origin.to_string()), Some(origin));
        for bad in ["", "a/b/1/2", "a/b/1/x/2", "a/b/c/d/1/2", "a/b/1/2/-3"] {
            assert_eq!(Origin::parse(bad), None, "{bad}");
        }
    }
}
