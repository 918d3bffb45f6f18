//! What is wrong with a configuration, and where: all of it at once.

use std::cmp::Ordering;
use std::fmt;

/// A step on the way to a value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Into a list.
    Index(usize),
    /// Into a section or map.
    Key(String),
}

/// The place of a value in the configuration file: `kafka.bindings[1].topics`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place(Vec<Step>);

impl Place {
    /// The file as a whole.
    #[must_use]
    pub fn root() -> Self {
        Self::default()
    }

    /// The value of a key of the section at this place.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        self.then(Step::Key(key.into()))
    }

    /// An item of the list at this place.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.then(Step::Index(index))
    }

    /// One step further.
    #[must_use]
    pub fn then(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }

    /// From the root.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// Whether `other` is this place or inside it.
    #[must_use]
    pub fn holds(&self, other: &Self) -> bool {
        other.0.starts_with(&self.0)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("(file)");
        }
        for (number, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                // Keys come from the file: quoted and escaped unless they are plain words, so that none forges a line.
                Step::Key(key) if key.is_empty() || !key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') => {
                    let shown: String = key.chars().take(100).collect();
                    write!(f, "[{shown:?}]")?;
                }
                Step::Key(key) if number == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
            }
        }
        Ok(())
    }
}

/// One thing that is wrong. Displayed as `place: problem`, one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What, and what was expected. Never holds a value of the file: it may be a secret.
    pub problem: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)
    }
}

/// Words of a parser may hold parts of the file: no control character of it reaches a terminal, and no long text a log.
fn one_line(text: &str) -> String {
    text.chars().take(1_000).map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

/// Everything that is wrong, at most one problem a place, sorted by place. Displayed one a line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Notes a problem, unless one is known at exactly this place: what is said first is the cause.
    pub fn add(&mut self, place: Place, problem: impl fmt::Display) {
        let order = |known: &Problem| -> Ordering { known.place.0.cmp(&place.0) };
        if let Err(at) = self.0.binary_search_by(order) {
            self.0.insert(at, Problem { place, problem: one_line(&problem.to_string()) });
        }
    }

    /// The value of a result; an error is noted.
    pub fn take<T, E: fmt::Display>(&mut self, place: Place, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.add(place, error)).ok()
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// By place.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }

    /// Rewords each problem.
    pub(super) fn reword(&mut self, reword: impl Fn(&mut Problem)) {
        self.0.iter_mut().for_each(reword);
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl std::error::Error for Problems {}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, problem) in self.0.iter().enumerate() {
            if number > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_are_listed_by_place_one_a_line() {
        let bindings = Place::root().key("kafka").key("bindings");
        let mut problems = Problems::default();
        problems.add(bindings.index(10).key("name"), "c");
        problems.add(bindings.index(2).key("name"), "b\nforged: line");
        problems.add(Place::root().key("admin").key("port"), "a");
        problems.add(bindings.index(2).key("name"), "said second");
        let text = "admin.port: a\nkafka.bindings[2].name: b forged: line\nkafka.bindings[10].name: c";
        assert_eq!(problems.to_string(), text);
    }

    #[test]
    fn a_key_that_is_no_word_is_quoted() {
        let place = Place::root().key("kafka").key("clientSettings").key("fetch.min.bytes");
        assert_eq!(place.to_string(), "kafka.clientSettings[\"fetch.min.bytes\"]");
        assert_eq!(Place::root().key("a\nb").to_string(), "[\"a\\nb\"]");
        assert_eq!(Place::root().to_string(), "(file)");
    }
}
