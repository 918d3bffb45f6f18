//! How a listener asks who comes.

use serde_json::{Map, Value, json};

use super::Asks;
use crate::http::problem::Kind;

/// How a listener asks who comes.
#[derive(Default)]
pub(in crate::http) struct Guard {
    /// How they may say it; none: nobody is asked.
    pub(in crate::http) ways: Vec<Way>,
    /// What those are told who aren't let in.
    pub(in crate::http) problems: Vec<Kind>,
    /// Whether only some hosts and origins are answered.
    pub(in crate::http) screens_hosts: bool,
}

/// A way to say who one is.
pub(in crate::http) struct Way {
    /// The scheme's name.
    pub(in crate::http) name: &'static str,
    /// The scheme.
    pub(in crate::http) scheme: Value,
    /// Where it may be gone.
    pub(in crate::http) leads: fn(Asks) -> bool,
}

impl Guard {
    /// Whether who comes is asked for this.
    pub(super) fn asks(&self, asks: Asks) -> bool {
        asks != Asks::Nobody && !self.ways.is_empty()
    }

    /// `components.securitySchemes`.
    pub(super) fn schemes(&self) -> Map<String, Value> {
        self.ways.iter().map(|way| (way.name.to_owned(), way.scheme.clone())).collect()
    }

    /// An operation's `security`. `is_open`: whether who doesn't say who they are may be granted something.
    pub(super) fn security(&self, asks: Asks, is_open: bool) -> Value {
        let ways = self.ways.iter().filter(|way| (way.leads)(asks)).map(|way| json!({ way.name: [] }));
        is_open.then(|| json!({})).into_iter().chain(ways).collect()
    }
}
