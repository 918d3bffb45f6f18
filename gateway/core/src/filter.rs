//! Filters: which events of its channels a subscriber wants.
//!
//! A filter is a conjunction: the type is one of those named, each attribute term holds, and the configured expression does.
//! What it leaves out is no gap, and the cursor passes over it.

pub mod glob;
pub mod table;

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::expression::{Expression, Spent, Variables};
use crate::facts::EventFacts;
use crate::{Channel, Event};
use glob::Glob;

/// Most types and values of one filter together, counting its expression as one.
pub const MAX_TERMS: usize = 16;
/// Longest type or value, in bytes.
pub const MAX_TERM_BYTES: usize = 200;

/// What a subscriber wants. Two filters are equal when they are written alike, whatever the order of their terms.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Filter {
    /// Sorted; empty: all types.
    types: Vec<Glob>,
    /// Sorted.
    terms: Vec<Term>,
    named: Option<NamedFilter>,
}

/// One of these attributes has one of these values.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Term {
    /// Sorted, distinct, at least one.
    pub attributes: Vec<String>,
    /// Sorted, distinct, at least one.
    pub values: Vec<String>,
}

/// A filter of the configuration: an expression with a name.
#[derive(Debug, Clone)]
pub struct NamedFilter {
    name: Arc<str>,
    when: Arc<Expression>,
}

/// Why there is no such filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// More terms than a filter may have.
    #[error("a filter has at most {MAX_TERMS} types and values together, this one has {0}")]
    TooMany(usize),
    /// A type or value that is empty or too long.
    #[error("a type or value has 1 to {MAX_TERM_BYTES} bytes, without control characters")]
    Text,
    /// A type with more stars than are taken.
    #[error("a type has at most {} stars", glob::MAX_STARS)]
    Stars,
}

impl Filter {
    /// Builds a filter. `types`: with `*` for any run of characters, also none. `terms`: (attributes, values).
    ///
    /// # Errors
    /// When it is too large, or a text can't be one.
    pub fn new(
        types: Vec<String>,
        terms: Vec<(Vec<String>, Vec<String>)>,
        named: Option<NamedFilter>,
    ) -> Result<Self, FilterError> {
        let values = terms.iter().map(|(_, values)| values.len()).sum::<usize>();
        let count = types.len() + values + usize::from(named.is_some());
        if count > MAX_TERMS {
            return Err(FilterError::TooMany(count));
        }
        let is_text = |text: &String| (1..=MAX_TERM_BYTES).contains(&text.len()) && !text.chars().any(char::is_control);
        if !types.iter().chain(terms.iter().flat_map(|(_, values)| values)).all(is_text) {
            return Err(FilterError::Text);
        }
        let mut types =
            types.into_iter().map(|text| Glob::new(text).ok_or(FilterError::Stars)).collect::<Result<Vec<_>, _>>()?;
        let mut terms: Vec<Term> = terms
            .into_iter()
            .map(|(attributes, values)| Term { attributes: sorted(attributes), values: sorted(values) })
            .collect();
        types.sort();
        types.dedup();
        terms.sort();
        terms.dedup();
        Ok(Self { types, terms, named })
    }

    /// Whether it lets everything pass.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.types.is_empty() && self.terms.is_empty() && self.named.is_none()
    }

    /// Whether an event passes. One that the expression can't judge doesn't.
    #[must_use]
    pub fn passes(&self, channel: &Channel, event: &Event) -> bool {
        (self.types.is_empty() || self.types.iter().any(|wanted| wanted.fits(&event.kind)))
            && self.terms.iter().all(|term| term.holds(&event.attributes))
            && self.named.as_ref().is_none_or(|named| named.holds(channel, event))
    }
}

fn sorted(mut texts: Vec<String>) -> Vec<String> {
    texts.sort();
    texts.dedup();
    texts
}

impl Term {
    fn holds(&self, attributes: &BTreeMap<String, String>) -> bool {
        self.attributes.iter().any(|name| attributes.get(name).is_some_and(|value| self.values.contains(value)))
    }
}

impl NamedFilter {
    /// Proves a filter of the configuration: a CEL expression over `channel`, `type`, `attributes` and `data`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(name: &str, when: &str) -> Result<Self, String> {
        Ok(Self { name: name.into(), when: Arc::new(Expression::parse::<EventFacts<'_>>(when)?) })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    fn holds(&self, channel: &Channel, event: &Event) -> bool {
        let facts = EventFacts { channel, event };
        self.when.holds(&facts, &Variables::default(), &Spent::default()).unwrap_or(false)
    }
}

/// Names are unique in a configuration.
impl PartialEq for NamedFilter {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for NamedFilter {}

impl Hash for NamedFilter {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl fmt::Display for NamedFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests;
