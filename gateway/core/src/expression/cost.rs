//! What a run of an expression costs at most, known before it begins.

use super::value::Budget;

/// Most nanoseconds that all expressions of a kind together may be estimated at for one record or event. The estimate is an upper bound,
/// several times what is measured.
pub(crate) const MAX_NANOSECONDS: usize = 1_000_000;

/// The parts of an expression by what they cost.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Parts {
    /// Nodes: each takes a constant time.
    pub(super) nodes: usize,
    /// Operators that may read one whole string.
    pub(super) strings: usize,
    /// Operators that may compare all of the input with itself.
    pub(super) structures: usize,
}

/// What runs once, and what runs for each element of the list that the macro goes through.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cost {
    pub(super) once: Parts,
    pub(super) each: Parts,
}

impl Parts {
    fn nanoseconds(self, budget: &Budget) -> usize {
        const NODE: usize = 150;
        const BYTES_PER_NANOSECOND: usize = 1;
        const ELEMENT: usize = 100;
        self.nodes * NODE
            + self.strings * budget.longest / BYTES_PER_NANOSECOND
            + self.structures * (budget.bytes / BYTES_PER_NANOSECOND + budget.elements * ELEMENT)
    }
}

impl Cost {
    /// What a run over that much may take.
    pub(super) fn nanoseconds(&self, budget: &Budget) -> usize {
        // A list to go through stands in the input or, element by element, in the expression.
        let rounds = budget.widest.max(self.once.nodes);
        self.once.nanoseconds(budget) + rounds * self.each.nanoseconds(budget)
    }
}
