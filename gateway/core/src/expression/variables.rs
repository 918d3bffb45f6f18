//! The variables of an expression: each is built when the first expression asks for it, and shared by all that do.

use std::cell::OnceCell;

use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;

use super::value::{Boxed, Budget, too_large};
use crate::envelope::Rejection;

/// Most variables that there are.
pub(crate) const MAX_VARIABLES: usize = 4;

/// What expressions may ask of, and how it is built.
pub(crate) trait Facts<'a> {
    /// The variables' names, at most [`MAX_VARIABLES`].
    const NAMES: &'static [&'static str];

    /// The variable of the name at `index`, counted in `budget`.
    fn build(&self, index: usize, budget: &mut Budget) -> Result<Boxed<'a>, Rejection>;
}

/// Which of the variables an expression reads.
pub(super) type Uses = [bool; MAX_VARIABLES];

type Built<'a> = OnceCell<Result<(Boxed<'a>, Budget), Rejection>>;

/// What was built so far; borrows from the facts where it can.
#[derive(Debug, Default)]
pub(crate) struct Variables<'a>([Built<'a>; MAX_VARIABLES]);

/// The variables as the interpreter asks for them.
pub(super) struct Scope<'s> {
    names: &'static [&'static str],
    values: [Option<&'s (dyn Val + 's)>; MAX_VARIABLES],
}

impl VariableResolver for Scope<'_> {
    fn resolve<'b>(&'b self, name: &str) -> Option<CowVal<'b, 'b>> {
        let index = self.names.iter().position(|known| *known == name)?;
        self.values[index].map(CowVal::Borrowed)
    }
}

impl<'a> Variables<'a> {
    /// What an expression reads, and how much that is.
    pub(super) fn scope<F: Facts<'a>>(&self, uses: Uses, facts: &F) -> Result<(Scope<'_>, Budget), Rejection> {
        let mut total = Budget::default();
        let mut scope = Scope { names: F::NAMES, values: [None; MAX_VARIABLES] };
        for index in (0..F::NAMES.len()).filter(|index| uses[*index]) {
            let built = self.0[index].get_or_init(|| {
                let mut budget = Budget::default();
                facts.build(index, &mut budget).map(|value| (value, budget))
            });
            let (value, budget) = built.as_ref().map_err(Rejection::clone)?;
            scope.values[index] = Some(value.as_ref());
            total = total.and(*budget);
        }
        if total.fits() { Ok((scope, total)) } else { Err(too_large()) }
    }
}
