//! CEL conditions, bounded before they are parsed and when they are run.
//!
//! The `cel` crate has no cost limit and its parser needs exponential memory for some short texts (cel-rust#306). So:
//! the text is bounded ([`bounds`]) before the parser sees it; what was parsed may only compare, not compute without end
//! ([`shape`]); and what a run may cost at most is known before it begins ([`cost`]).

mod bounds;
mod cost;
mod shape;
mod value;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};

use cel::{Context, Env, ExecutionError, Program, Value};

pub use bounds::MAX_CONDITION_BYTES;
use cost::Cost;
pub(super) use cost::MAX_NANOSECONDS;
use value::Uses;
pub(super) use value::Variables;

use super::Input;
use crate::envelope::{Reason, Rejection, quoted};

/// The standard library, shared by all runs; it holds no state.
static STANDARD: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// A proven condition; displayed as it was written.
#[derive(Debug)]
pub(crate) struct Condition {
    text: String,
    program: Program,
    cost: Cost,
    uses: Uses,
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Condition {
    /// Parses a condition. Unknown variables and functions are refused here, not when the first record arrives.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        bounds::check(text)?;
        let program = guarded(|| Program::compile(text))
            .map_err(|()| "the CEL parser failed on it".to_owned())?
            .map_err(|errors| match errors.errors.first() {
                Some(first) => format!("not CEL (line {}, column {}): {}", first.pos.0, first.pos.1, first.msg),
                None => "not CEL".into(),
            })?;
        let cost = shape::check(program.expression())?;
        let references = program.references();
        let uses = Uses {
            key: references.has_variable("key"),
            headers: references.has_variable("headers"),
            value: references.has_variable("value"),
            topic: references.has_variable("topic"),
        };
        drop(references);
        Ok(Self { text: text.into(), program, cost, uses })
    }

    /// Runs the condition. Input over its bounds, an error and any result but a boolean are rejections: a record that
    /// can't be judged goes to the dead letters, not to the next route.
    pub(crate) fn holds(&self, input: &Input<'_>) -> Result<bool, Rejection> {
        guarded(|| self.judge(input)).unwrap_or_else(|()| Err(failed("the CEL interpreter failed on it")))
    }

    fn judge(&self, input: &Input<'_>) -> Result<bool, Rejection> {
        let (scope, budget) = input.variables.scope(self.uses, &input.record)?;
        let nanoseconds = self.cost.nanoseconds(&budget);
        input.spend(nanoseconds).map_err(|all| {
            failed(&format!(
                "this record is too large for its routes' conditions: {} elements and {} bytes might take them {} us, at most {} are \
                 allowed",
                budget.elements,
                budget.bytes,
                all / 1000,
                MAX_NANOSECONDS / 1000
            ))
        })?;
        let mut context = Context::with_env(STANDARD.clone());
        context.set_variable_resolver(&scope);
        match self.program.execute(&context) {
            Ok(Value::Bool(holds)) => Ok(holds),
            Ok(other) => Err(failed(&format!("it gave {}, expected true or false", other.type_of()))),
            Err(error) => Err(failed(&self.told(&error))),
        }
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

fn failed(detail: &str) -> Rejection {
    Rejection::new(Reason::Expression, format!("when: {detail}"))
}

/// Runs code of the `cel` crate so that a panic of it is an error like any other: the crate is young, and one
/// condition must not stop a partition. Nothing of it outlives the call in a state that a panic could have broken: the
/// program is only read, the context is dropped. (Where panics abort, or for an overflow of the stack, this is no help: the
/// latter is why nesting is bounded everywhere.)
fn guarded<T>(run: impl FnOnce() -> T) -> Result<T, ()> {
    catch_unwind(AssertUnwindSafe(run)).map_err(drop)
}

#[cfg(test)]
mod tests;
