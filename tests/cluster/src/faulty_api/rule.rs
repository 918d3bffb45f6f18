//! Which requests are answered otherwise.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::fault::Fault;

/// Requests, by verb and path.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    verbs: String,
    path: String,
}

impl Pattern {
    pub(super) fn new(verbs: &str, path: &str) -> Self {
        Self { verbs: verbs.into(), path: path.into() }
    }

    pub(super) fn covers(&self, verb: &str, path: &str) -> bool {
        self.verbs.split(' ').any(|one| one == "*" || one == verb) && is_like(path, &self.path)
    }
}

fn is_like(text: &str, pattern: &str) -> bool {
    match pattern.split_once('*') {
        None => text == pattern,
        Some((before, after)) => {
            let Some(rest) = text.strip_prefix(before) else { return false };
            (0..=rest.len()).any(|at| rest.get(at..).is_some_and(|rest| is_like(rest, after)))
        }
    }
}

struct Entry {
    pattern: Pattern,
    fault: Fault,
    most: usize,
    hits: Arc<AtomicUsize>,
}

/// All that are in force.
#[derive(Clone, Default)]
pub(super) struct Rules(Arc<Mutex<Vec<Entry>>>);

impl Rules {
    pub(super) fn add(&self, pattern: Pattern, fault: Fault, most: usize) -> Rule {
        let hits = Arc::new(AtomicUsize::new(0));
        let entry = Entry { pattern, fault, most, hits: Arc::clone(&hits) };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
        Rule { rules: self.clone(), hits }
    }

    /// What becomes of a request, and the how manyth it is that this rule is for.
    pub(super) fn fault(&self, verb: &str, path: &str) -> Option<(Fault, usize)> {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut in_force = entries.iter().rev().filter(|one| one.hits.load(Ordering::Relaxed) < one.most);
        let entry = in_force.find(|one| one.pattern.covers(verb, path))?;
        Some((entry.fault.clone(), entry.hits.fetch_add(1, Ordering::Relaxed) + 1))
    }
}

/// A rule in force. Dropping it ends it.
#[must_use]
pub struct Rule {
    rules: Rules,
    hits: Arc<AtomicUsize>,
}

impl Rule {
    /// How many requests it was for.
    #[must_use]
    pub fn hits(&self) -> usize {
        self.hits.load(Ordering::Relaxed)
    }
}

impl Drop for Rule {
    fn drop(&mut self) {
        let mut entries = self.rules.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|entry| !Arc::ptr_eq(&entry.hits, &self.hits));
    }
}
