//! Conditions of routes: expressions over a record.

use std::collections::BTreeMap;
use std::fmt;

use super::Input;
use crate::envelope::{Reason, Rejection, value_text};
use crate::expression::{Boxed, Budget, Expression, Facts, binary, json, map, null, text};
use crate::record::Record;

/// A proven condition; displayed as it was written.
#[derive(Debug)]
pub(crate) struct Condition(Expression);

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'a> Facts<'a> for Record<'a> {
    const NAMES: &'static [&'static str] = &["key", "headers", "value", "topic"];

    fn build(&self, index: usize, budget: &mut Budget) -> Result<Boxed<'a>, Rejection> {
        match Self::NAMES[index] {
            "key" => binary(self.key, budget),
            "headers" => {
                // The last of each name.
                let last: BTreeMap<&'a str, Option<&'a [u8]>> = self.headers.iter().copied().collect();
                map(last.into_iter(), budget)
            }
            "value" => match value_text(self)? {
                None => Ok(null()),
                Some(text) => json("value", text, budget),
            },
            _ => text(self.topic, budget),
        }
    }
}

impl Condition {
    /// Parses a condition. Unknown variables and functions are refused here, not when the first record arrives.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        Expression::parse::<Record<'_>>(text).map(Self)
    }

    /// Runs the condition. Input over its bounds, an error and any result but a boolean are rejections: a record that
    /// can't be judged goes to the dead letters, not to the next route.
    pub(crate) fn holds(&self, input: &Input<'_>) -> Result<bool, Rejection> {
        self.0.holds(&input.record, &input.variables, &input.spent).map_err(|rejection| match rejection.reason {
            Reason::Expression => Rejection::new(Reason::Expression, format!("when: {}", rejection.detail)),
            _ => rejection,
        })
    }
}

#[cfg(test)]
mod tests;
