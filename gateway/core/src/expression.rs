//! CEL expressions, bounded before they are parsed and when they are run.
//!
//! The `cel` crate has no cost limit and its parser needs exponential memory for some short texts (cel-rust#306). So:
//! the text is bounded ([`bounds`]) before the parser sees it; what was parsed may only compare, not compute without end
//! ([`shape`]); and what a run may cost at most is known before it begins ([`cost`]).

mod bounds;
mod cost;
mod shape;
mod value;
mod variables;

use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};

use cel::{Context, Env, ExecutionError, Program, Value};

#[cfg(test)]
pub(crate) use bounds::MAX_EXPRESSION_BYTES;
use cost::Cost;
pub(crate) use cost::MAX_NANOSECONDS;
pub(crate) use value::{Boxed, Budget, binary, json, map, null, text};
pub(crate) use variables::{Facts, Variables};
use variables::{MAX_VARIABLES, Uses};

use crate::envelope::{Reason, Rejection, quoted};

/// The standard library, shared by all runs; it holds no state.
static STANDARD: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// A proven expression; displayed as it was written.
#[derive(Debug)]
pub(crate) struct Expression {
    text: String,
    program: Program,
    cost: Cost,
    uses: Uses,
}

/// The time that expressions may need for one record or event, all together.
#[derive(Debug, Default)]
pub(crate) struct Spent(Cell<usize>);

impl Spent {
    /// Refused, with what they would need, when that is more than there is.
    fn add(&self, nanoseconds: usize) -> Result<(), usize> {
        let all = self.0.get().saturating_add(nanoseconds);
        self.0.set(all);
        if all <= MAX_NANOSECONDS { Ok(()) } else { Err(all) }
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Expression {
    /// Parses an expression over these facts. Unknown variables and functions are refused here, not when it is run first.
    pub(crate) fn parse<'a, F: Facts<'a>>(text: &str) -> Result<Self, String> {
        bounds::check(text)?;
        let program = guarded(|| Program::compile(text))
            .map_err(|()| "the CEL parser failed on it".to_owned())?
            .map_err(|errors| match errors.errors.first() {
                Some(first) => format!("not CEL (line {}, column {}): {}", first.pos.0, first.pos.1, first.msg),
                None => "not CEL".into(),
            })?;
        let cost = shape::check(program.expression(), F::NAMES)?;
        let references = program.references();
        let mut uses = [false; MAX_VARIABLES];
        for (uses, name) in uses.iter_mut().zip(F::NAMES) {
            *uses = references.has_variable(name);
        }
        drop(references);
        Ok(Self { text: text.into(), program, cost, uses })
    }

    /// Runs it, and takes what it gives. Facts over their bounds and errors are rejections.
    pub(crate) fn run<'a, F: Facts<'a>, R>(
        &self,
        facts: &F,
        variables: &Variables<'a>,
        spent: &Spent,
        take: impl FnOnce(Value) -> Result<R, Rejection>,
    ) -> Result<R, Rejection> {
        guarded(|| {
            let (scope, budget) = variables.scope(self.uses, facts)?;
            spent.add(self.cost.nanoseconds(&budget)).map_err(|all| {
                failed(format!(
                    "what the expressions read is too large for them: {} elements and {} bytes might take them {} us, at most {} \
                     are allowed",
                    budget.elements,
                    budget.bytes,
                    all / 1000,
                    MAX_NANOSECONDS / 1000
                ))
            })?;
            let mut context = Context::with_env(STANDARD.clone());
            context.set_variable_resolver(&scope);
            take(self.program.execute(&context).map_err(|error| failed(self.told(&error)))?)
        })
        .unwrap_or_else(|()| Err(failed("the CEL interpreter failed on it")))
    }

    /// Runs it; any result but true and false is a rejection.
    pub(crate) fn holds<'a, F: Facts<'a>>(
        &self,
        facts: &F,
        variables: &Variables<'a>,
        spent: &Spent,
    ) -> Result<bool, Rejection> {
        self.run(facts, variables, spent, |value| match value {
            Value::Bool(holds) => Ok(holds),
            other => Err(failed(format!("it gave {}, expected true or false", other.type_of()))),
        })
    }

    /// What went wrong, without data: the crate's own messages hold the values.
    fn told(&self, error: &ExecutionError) -> String {
        match error {
            ExecutionError::NoSuchKey(name) if self.text.contains(name.as_str()) => {
                format!("there is no {}; has() tells whether there is", quoted(name))
            }
            ExecutionError::NoSuchKey(_) => "there is no such member; has() tells whether there is".into(),
            ExecutionError::NoSuchOverload(_)
            | ExecutionError::ValuesNotComparable(..)
            | ExecutionError::UnsupportedBinaryOperator(..)
            | ExecutionError::UnexpectedType { .. }
            | ExecutionError::UnsupportedTargetType { .. } => {
                "an operator or function met a value of a type that it can't take".into()
            }
            ExecutionError::IndexOutOfBounds(_) | ExecutionError::UnsupportedIndex(..) => {
                "an index is out of bounds or no index".into()
            }
            ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) | ExecutionError::Overflow(..) => {
                "a division by zero or an overflow".into()
            }
            _ => "it failed".into(),
        }
    }
}

pub(crate) fn failed(detail: impl Into<String>) -> Rejection {
    Rejection::new(Reason::Expression, detail.into())
}

/// Runs code of the `cel` crate so that a panic of it is an error like any other: the crate is young, and one
/// expression must not stop a partition. Nothing of it outlives the call in a state that a panic could have broken: the
/// program is only read, the context is dropped. (Where panics abort, or for an overflow of the stack, this is no help: the
/// latter is why nesting is bounded everywhere.)
fn guarded<T>(run: impl FnOnce() -> T) -> Result<T, ()> {
    catch_unwind(AssertUnwindSafe(run)).map_err(drop)
}

#[cfg(test)]
mod tests;
