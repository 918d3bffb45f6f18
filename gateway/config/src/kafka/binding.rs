//! Bindings.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::time::Duration;

use events_gateway_crds as raw;
use raw::kafka::{Isolation, Kind};

use crate::problem::{Place, Problems};
use crate::text;

/// Topics that are read by one consumer group as one kind of message.
#[derive(Debug, Clone, PartialEq)]
pub struct Binding {
    /// Unique; a DNS label.
    pub name: String,
    /// At least one; no other binding reads them.
    pub topics: Vec<String>,
    /// Unique.
    pub group_id: String,
    /// How many members of the group this replica is.
    pub consumers: NonZeroUsize,
    /// What the records are.
    pub kind: Kind,
    /// Name of an existing route; `None`: default envelope and CloudEvents.
    pub route: Option<String>,
    /// Where a group begins that has never committed.
    pub start: Start,
    /// Whether records of open transactions are read.
    pub isolation: Isolation,
}

/// Where a group begins that has never committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At the oldest record.
    Earliest,
    /// After the newest.
    Latest,
    /// Nowhere: the binding rests and says so.
    Error,
    /// At the first record younger than this.
    Ago(Duration),
}

impl From<raw::kafka::Start> for Start {
    fn from(raw: raw::kafka::Start) -> Self {
        match raw {
            raw::kafka::Start::Earliest => Self::Earliest,
            raw::kafka::Start::Latest => Self::Latest,
            raw::kafka::Start::Error => Self::Error,
            raw::kafka::Start::Ago(millis) => Self::Ago(Duration::from_millis(millis.unsigned_abs())),
        }
    }
}

fn group_id(raw: &raw::kafka::Binding) -> String {
    raw.group_id.as_ref().map_or_else(|| format!("events-gateway-{}", &*raw.name), |id| id.0.clone())
}

pub(super) fn prove(
    raw: &[raw::kafka::Binding],
    routes: &BTreeSet<&str>,
    place: &Place,
    problems: &mut Problems,
) -> Option<Vec<Binding>> {
    let groups: Vec<String> = raw.iter().map(group_id).collect();
    let each = || raw.iter().enumerate().map(|(index, binding)| (place.index(index), binding));
    text::distinct(each().map(|(at, binding)| (at.key("name"), &*binding.name)), "the name", problems);
    text::distinct(
        each().zip(&groups).map(|((at, binding), group)| {
            (at.key(if binding.group_id.is_some() { "groupId" } else { "name" }), group.as_str())
        }),
        "the consumer group",
        problems,
    );
    text::distinct(
        each().flat_map(|(at, binding)| {
            let topics = at.key("topics");
            binding.topics.iter().enumerate().map(move |(index, topic)| (topics.index(index), &**topic))
        }),
        "the topic",
        problems,
    );
    let mut proven = Vec::with_capacity(raw.len());
    for ((at, binding), group_id) in each().zip(groups.iter().cloned()) {
        if let Some(route) = &binding.route
            && !routes.contains(&**route)
        {
            let near = crate::suggest::closest(route, routes.iter().copied());
            let near = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
            problems.add(at.key("route"), format!("names no route{near}"));
        }
        // '.' and '..' follow the pattern and are no topics (Kafka's own rule).
        for (index, topic) in binding.topics.iter().enumerate() {
            if matches!(&**topic, "." | "..") {
                problems.add(at.key("topics").index(index), "is no name of a topic");
            }
        }
        let consumers = text::count(binding.consumers, at.key("consumers"), problems);
        proven.push(consumers.map(|consumers| Binding {
            name: binding.name.0.clone(),
            topics: binding.topics.iter().map(|topic| topic.0.clone()).collect(),
            group_id,
            consumers,
            kind: binding.kind,
            route: binding.route.as_ref().map(|route| route.0.clone()),
            start: binding.start.into(),
            isolation: binding.isolation,
        }));
    }
    proven.into_iter().collect()
}
