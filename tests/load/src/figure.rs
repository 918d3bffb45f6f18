//! A measured figure beside its target.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One line of the results.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// Which scenario gave it.
    pub scenario: String,
    /// What was measured.
    pub name: String,
    /// In which unit; empty for ratios and counts.
    pub unit: String,
    /// One value for each round.
    pub values: Vec<f64>,
    /// What is to be reached, where there is a target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    /// How it was configured, where that matters.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// A bound.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// Good when the median is this or less.
    AtMost(f64),
    /// Good when the median is this or more.
    AtLeast(f64),
}

impl Figure {
    /// A figure without target and note.
    #[must_use]
    pub fn new(scenario: &str, name: &str, unit: &str, values: Vec<f64>) -> Self {
        let (scenario, name, unit) = (scenario.to_owned(), name.to_owned(), unit.to_owned());
        Self { scenario, name, unit, values, target: None, note: String::new() }
    }

    /// With a target.
    #[must_use]
    pub fn target(mut self, target: Target) -> Self {
        self.target = Some(target);
        self
    }

    /// With a note.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// The middle value; of two middle ones their mean. Nothing when there are no values.
    #[must_use]
    pub fn median(&self) -> Option<f64> {
        let sorted = self.sorted();
        let middle = sorted.len() / 2;
        match sorted.len() {
            0 => None,
            even if even % 2 == 0 => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
            _ => Some(sorted[middle]),
        }
    }

    /// Whether the target is reached; nothing without a target.
    #[must_use]
    pub fn reached(&self) -> Option<bool> {
        let target = self.target?;
        Some(self.median().is_some_and(|median| match target {
            Target::AtMost(bound) => median <= bound,
            Target::AtLeast(bound) => median >= bound,
        }))
    }

    /// The lowest and the highest value, where there are several.
    #[must_use]
    pub fn range(&self) -> Option<(f64, f64)> {
        let sorted = self.sorted();
        (sorted.len() > 1).then(|| (sorted[0], sorted[sorted.len() - 1]))
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.values.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(bound) => write!(f, "<= {}", Number(*bound)),
            Self::AtLeast(bound) => write!(f, ">= {}", Number(*bound)),
        }
    }
}

/// A number with as many digits as say something.
#[derive(Debug, Clone, Copy)]
pub struct Number(pub f64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.0;
        if value.fract() == 0.0 || value.abs() >= 100.0 {
            write!(f, "{value:.0}")
        } else if value.abs() >= 10.0 {
            write!(f, "{value:.1}")
        } else {
            write!(f, "{value:.2}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_decides_whether_a_target_is_reached() {
        let figure = Figure::new("s", "n", "ms", vec![9.0, 1.0, 1.5]);
        assert_eq!(figure.median(), Some(1.5));
        assert_eq!(figure.range(), Some((1.0, 9.0)));
        assert_eq!(figure.reached(), None);
        assert_eq!(figure.clone().target(Target::AtMost(1.5)).reached(), Some(true));
        assert_eq!(figure.target(Target::AtLeast(1.6)).reached(), Some(false));
    }

    #[test]
    fn a_figure_without_values_reaches_no_target() {
        let figure = Figure::new("s", "n", "", Vec::new()).target(Target::AtMost(1.0));
        assert_eq!((figure.median(), figure.reached()), (None, Some(false)));
    }

    #[test]
    fn numbers_have_the_digits_that_say_something() {
        let texts = [0.214, 6.0, 18.25, 40_000.4].map(|value| Number(value).to_string());
        assert_eq!(texts, ["0.21", "6", "18.2", "40000"]);
    }
}
