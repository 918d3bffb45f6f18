//! Views: what is left of an event for those who may not, or need not, have all of it. Made once per event and view.
//!
//! In this order: what is kept, what is dropped from that, what is renamed, what is computed (from the event as it came). JSON is
//! read in place: what a view doesn't touch stays as it was written.

mod node;
mod pointer;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::expression::{Expression, Spent, Variables, failed};
use crate::facts::EventFacts;
use crate::{Channel, Event};
use node::Node;
use pointer::{Path, Pointer};

/// The name of the event as it came, which is a view as well.
pub const RAW: &str = "raw";
/// Most views of a configuration: each event may be held in as many forms.
pub const MAX_VIEWS: usize = 16;
/// Most pointers of each kind, and most computed fields.
pub const MAX_POINTERS: usize = 64;
/// The type of what is delivered where a view failed and that is to be told.
pub const FAILED_TYPE: &str = "gateway.failed";

/// A view as configured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ViewSpec {
    /// Unique, not [`RAW`].
    pub name: String,
    /// JSON pointers to what stays; empty: everything. `*` stands for each element of an array.
    pub keep: Vec<String>,
    /// JSON pointers to what goes.
    pub drop: Vec<String>,
    /// From where to where, without `*`.
    pub rename: Vec<(String, String)>,
    /// Where, and the CEL expression over `channel`, `type`, `attributes` and `data` that gives what stands there.
    pub compute: Vec<(String, String)>,
    /// Names of attributes that stay; `None`: all.
    pub attributes: Option<Vec<String>>,
    /// Whether an event for which it fails is told (as [`FAILED_TYPE`]) or withheld.
    pub tells_failures: bool,
}

/// What is wrong with a view, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Path within the view, such as `keep[1]`.
    pub path: String,
    /// What is wrong.
    pub message: String,
}

/// A proven view.
#[derive(Debug)]
pub struct View {
    name: Arc<str>,
    index: usize,
    keep: Path,
    drop: Vec<Pointer>,
    rename: Vec<(Pointer, Pointer)>,
    compute: Vec<(Pointer, Expression)>,
    attributes: Option<Vec<String>>,
    tells_failures: bool,
}

/// Why a view can't be had of an event. Holds no data but names of members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure(pub(crate) String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl View {
    /// Proves a view, which is the one at `index`, below [`MAX_VIEWS`], of the configuration; tells all that is wrong.
    ///
    /// # Errors
    /// At least one problem.
    pub fn build(spec: &ViewSpec, index: usize) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        if spec.name == RAW {
            problems.push(Problem { path: "name".into(), message: format!("{RAW} is the event as it came") });
        }
        let counts = [
            ("keep", spec.keep.len()),
            ("drop", spec.drop.len()),
            ("rename", spec.rename.len()),
            ("compute", spec.compute.len()),
        ];
        for (path, count) in counts.into_iter().filter(|(_, count)| *count > MAX_POINTERS) {
            problems.push(Problem { path: path.into(), message: format!("at most {MAX_POINTERS}, found {count}") });
        }
        let mut pointer = |text: &str, path: String, stars: bool| {
            Pointer::parse(text, stars).map_err(|message| problems.push(Problem { path, message })).ok()
        };
        let mut keep = Path::default();
        for (at, text) in spec.keep.iter().enumerate() {
            if let Some(pointer) = pointer(text, format!("keep[{at}]"), true) {
                keep.add(&pointer);
            }
        }
        let each = |texts: &[String]| texts.iter().cloned().enumerate().collect::<Vec<_>>();
        let drop =
            each(&spec.drop).into_iter().filter_map(|(at, text)| pointer(&text, format!("drop[{at}]"), true)).collect();
        let mut rename = Vec::new();
        for (at, (from, to)) in spec.rename.iter().enumerate() {
            let from = pointer(from, format!("rename[{at}].from"), false);
            let to = pointer(to, format!("rename[{at}].to"), false);
            rename.extend(from.zip(to));
        }
        let mut compute = Vec::new();
        for (at, (to, value)) in spec.compute.iter().enumerate() {
            let to = pointer(to, format!("compute[{at}].to"), false);
            compute.extend(to.map(|to| (at, to, value)));
        }
        let mut computed = Vec::new();
        for (at, to, value) in compute {
            match Expression::parse::<EventFacts<'_>>(value) {
                Ok(expression) => computed.push((to, expression)),
                Err(message) => problems.push(Problem { path: format!("compute[{at}].value"), message }),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            name: spec.name.as_str().into(),
            index,
            keep,
            drop,
            rename,
            compute: computed,
            attributes: spec.attributes.clone(),
            tells_failures: spec.tells_failures,
        })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Which one of the configuration it is.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// Whether failures are told.
    #[must_use]
    pub fn tells_failures(&self) -> bool {
        self.tells_failures
    }

    /// What it leaves of an event.
    ///
    /// # Errors
    /// When the data is no JSON object or array, where it looks for one; when an object that it looks into has a member twice or
    /// more than 128; when an expression can't be evaluated.
    pub fn of(&self, channel: &Channel, event: &Event) -> Result<Event, Failure> {
        let mut seen = event.clone();
        if let Some(kept) = &self.attributes {
            seen.attributes.retain(|name, _| kept.contains(name));
        }
        let touches =
            !(self.keep.is_all() && self.drop.is_empty() && self.rename.is_empty() && self.compute.is_empty());
        if touches {
            seen.data = self.data(channel, event)?;
        }
        Ok(seen)
    }

    /// What is delivered instead where it failed and that is told.
    #[must_use]
    pub fn failed(&self, event: &Event) -> Event {
        let told = serde_json::json!({ "view": &*self.name, "type": &*event.kind });
        Event {
            kind: FAILED_TYPE.into(),
            data: Bytes::from(told.to_string()),
            attributes: Default::default(),
            ..event.clone()
        }
    }

    fn data(&self, channel: &Channel, event: &Event) -> Result<Bytes, Failure> {
        let text = std::str::from_utf8(&event.data).map_err(|_| Failure("data: expected UTF-8 text".into()))?;
        let mut node = Node::root(text)?;
        if !self.keep.is_all() {
            node = node.keep(&self.keep)?;
        }
        for pointer in &self.drop {
            node.drop(pointer.tokens())?;
        }
        for (from, to) in &self.rename {
            if let Some(taken) = node.take(from.tokens())? {
                node.put(to.tokens(), taken)?;
            }
        }
        let (facts, variables, spent) = (EventFacts { channel, event }, Variables::default(), Spent::default());
        for (to, expression) in &self.compute {
            let value = expression
                .run(&facts, &variables, &spent, |value| {
                    value.json().map_err(|_| failed(format!("{to}: it gave {}, which is no JSON", value.type_of())))
                })
                .map_err(|rejection| Failure(format!("compute {to}: {}", rejection.detail)))?;
            node.put(to.tokens(), Node::made(value.to_string()))?;
        }
        let mut written = String::with_capacity(text.len());
        node.write(&mut written);
        Ok(Bytes::from(written))
    }
}

#[cfg(test)]
mod tests;
