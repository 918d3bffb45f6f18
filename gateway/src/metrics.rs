//! What a replica tells Prometheus: one table of names, and sources that are read when they are asked for.
//!
//! Counting costs the hot path nothing here: sources keep plain atomic counters, and a scrape copies them.

pub mod process;
pub mod sheet;
pub mod sources;
pub mod table;

use parking_lot::RwLock;
use prometheus::{Encoder as _, TextEncoder};

pub use sheet::Sheet;
pub use table::{Description, Type};

/// Writes what one part of the replica knows onto the sheet; called at each scrape, must not block.
pub type Source = Box<dyn Fn(&mut Sheet) + Send + Sync>;

/// All sources of a replica.
#[derive(Default)]
pub struct Metrics(RwLock<Vec<Source>>);

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Metrics").field(&self.0.read().len()).finish()
    }
}

impl Metrics {
    /// The media type of [`Self::text`].
    pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

    /// Adds a source.
    pub fn add(&self, source: Source) {
        self.0.write().push(source);
    }

    /// Prometheus' text format 0.0.4, families in order of name.
    #[must_use]
    pub fn text(&self) -> String {
        let mut sheet = Sheet::default();
        for source in self.0.read().iter() {
            source(&mut sheet);
        }
        let mut text = Vec::new();
        // It fails only for families without samples, which a sheet doesn't have, and when writing to memory does.
        if let Err(error) = TextEncoder::new().encode(&sheet.families(), &mut text) {
            tracing::error!(%error, "failed to write the metrics");
        }
        String::from_utf8(text).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
