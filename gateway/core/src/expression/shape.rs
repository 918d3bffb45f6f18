//! What an expression may consist of, checked once it is parsed.

use cel::common::ast::{ComprehensionExpr, EntryExpr, Expr, IdedExpr};

use super::cost::{Cost, Parts};
use crate::envelope::quoted;

/// Deepest expression tree: the interpreter is recursive.
const MAX_DEPTH: usize = 96;

/// How an operator or function costs.
enum Weight {
    Constant,
    /// Reads a string from end to end.
    String,
    /// Compares two values: no dearer than the smaller of them.
    Comparison,
    /// Looks through a container.
    Search,
}

/// The operators and functions that an expression may use: what compares. Joining strings and lists (`+`) is missing on
/// purpose, because results could grow with each use; regular expressions because their cost can't be told beforehand.
fn weight(name: &str, member: bool, arguments: usize) -> Option<Weight> {
    Some(match (name, member, arguments) {
        ("_&&_" | "_||_" | "_[_]" | "_-_" | "_*_" | "_/_" | "_%_", false, 2)
        | ("!_" | "-_" | "@not_strictly_false", false, 1)
        | ("_?_:_", false, 3) => Weight::Constant,
        ("_==_" | "_!=_" | "_<_" | "_<=_" | "_>_" | "_>=_", false, 2) => Weight::Comparison,
        ("@in", false, 2) => Weight::Search,
        ("startsWith" | "endsWith", true, 1) => Weight::Comparison,
        ("contains", true, 1)
        | ("size", true, 0)
        | ("size" | "int" | "uint" | "double" | "string" | "bool", false, 1) => Weight::String,
        _ => return None,
    })
}

/// Checks the whole tree, with these variables, and tells its cost.
pub(super) fn check(expression: &IdedExpr, variables: &'static [&'static str]) -> Result<Cost, String> {
    let mut walk = Walk { variables, cost: Cost::default(), in_macro: None };
    walk.visit(expression, 0)?;
    Ok(walk.cost)
}

struct Walk<'e> {
    variables: &'static [&'static str],
    cost: Cost,
    in_macro: Option<&'e ComprehensionExpr>,
}

impl<'e> Walk<'e> {
    fn parts(&mut self) -> &mut Parts {
        if self.in_macro.is_some() { &mut self.cost.each } else { &mut self.cost.once }
    }

    fn visit(&mut self, expression: &'e IdedExpr, depth: usize) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err(format!("nested deeper than {MAX_DEPTH}; `in [...]` replaces long chains"));
        }
        let depth = depth + 1;
        self.parts().nodes += 1;
        match &expression.expr {
            Expr::Literal(_) => Ok(()),
            Expr::Ident(name) => self.variable(name),
            Expr::Select(select) => self.visit(&select.operand, depth),
            Expr::List(list) if list.optional_indices.is_empty() => {
                list.elements.iter().try_for_each(|element| self.visit(element, depth))
            }
            Expr::Map(map) => map.entries.iter().try_for_each(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) if !entry.optional => {
                    self.visit(&entry.key, depth)?;
                    self.visit(&entry.value, depth)
                }
                _ => Err("only plain map literals are taken".into()),
            }),
            Expr::Call(call) => {
                let target = call.target.as_deref();
                let mut operands = target.into_iter().chain(&call.args);
                match weight(&call.func_name, target.is_some(), call.args.len()) {
                    Some(Weight::Constant) => {}
                    // What is read is the first operand; of a search, the second.
                    Some(Weight::String) => self.reads(operands.next(), |parts| parts.strings += 1),
                    Some(Weight::Search) => self.reads(operands.nth(1), |parts| parts.structures += 1),
                    Some(Weight::Comparison) => {
                        let smaller =
                            operands.max_by_key(|operand| (is_constant(operand), self.is_of_element(operand)));
                        self.reads(smaller, |parts| parts.structures += 1);
                    }
                    None if self.counts(&call.func_name, &call.args) => {}
                    None => return Err(refused(&call.func_name)),
                }
                target.into_iter().chain(&call.args).try_for_each(|argument| self.visit(argument, depth))
            }
            Expr::Comprehension(comprehension) => self.comprehension(comprehension, depth),
            Expr::List(_) | Expr::Struct(_) | Expr::Unspecified => {
                Err("messages and optional values are not taken".into())
            }
        }
    }

    /// Counts an operator that reads all of an operand: nothing if that stands in the expression, once for the whole
    /// input if it is part of the macro's element (each element is visited once), else in each round.
    fn reads(&mut self, operand: Option<&IdedExpr>, count: impl Fn(&mut Parts)) {
        match operand {
            Some(operand) if is_constant(operand) => {}
            Some(operand) if self.is_of_element(operand) => self.cost.once.structures += 1,
            _ => count(self.parts()),
        }
    }

    /// Whether this is the variable of the macro, or a member or element of it.
    fn is_of_element(&self, expression: &IdedExpr) -> bool {
        match &expression.expr {
            Expr::Ident(name) => self.in_macro.is_some_and(|comprehension| comprehension.iter_var == *name),
            Expr::Select(select) => self.is_of_element(&select.operand),
            Expr::Call(call) if call.func_name == "_[_]" => {
                call.args.first().is_some_and(|first| self.is_of_element(first))
            }
            _ => false,
        }
    }

    fn variable(&self, name: &str) -> Result<(), String> {
        let of_macro = self.in_macro.is_some_and(|comprehension| {
            comprehension.iter_var == name
                || comprehension.accu_var == name
                || comprehension.iter_var2.as_deref() == Some(name)
        });
        if of_macro || self.variables.contains(&name) {
            return Ok(());
        }
        Err(format!("unknown variable {}; known are {}", quoted(name), self.variables.join(", ")))
    }

    /// Whether this is the `+ 1` by which the macro `exists_one` counts.
    fn counts(&self, function: &str, arguments: &[IdedExpr]) -> bool {
        let accumulator = self.in_macro.map(|comprehension| comprehension.accu_var.as_str());
        let first = arguments.first().map(|argument| &argument.expr);
        function == "_+_" && matches!(first, Some(Expr::Ident(name)) if Some(name.as_str()) == accumulator)
    }

    fn comprehension(&mut self, comprehension: &'e ComprehensionExpr, depth: usize) -> Result<(), String> {
        if matches!(comprehension.accu_init.expr, Expr::List(_)) {
            return Err("map and filter are not taken; of the macros has, all, exists and exists_one are".into());
        }
        if self.in_macro.is_some() || self.cost.each.nodes > 0 {
            return Err("at most one macro (all, exists, exists_one), not nested".into());
        }
        self.visit(&comprehension.iter_range, depth)?;
        // A list made by a macro can't be the range: none of the macros that are taken gives a list.
        self.in_macro = Some(comprehension);
        for part in
            [&comprehension.accu_init, &comprehension.loop_cond, &comprehension.loop_step, &comprehension.result]
        {
            self.visit(part, depth)?;
        }
        self.in_macro = None;
        Ok(())
    }
}

/// Whether the expression itself holds the whole value, so that comparing with it costs no more than it is long.
fn is_constant(expression: &IdedExpr) -> bool {
    match &expression.expr {
        Expr::Literal(_) => true,
        Expr::List(list) => list.elements.iter().all(is_constant),
        _ => false,
    }
}

fn refused(function: &str) -> String {
    match function {
        "_+_" => "'+' is not taken: expressions compare, they don't build".into(),
        _ => format!(
            "unknown function {} or a wrong number of arguments; known are size, contains, startsWith, endsWith, int, uint, \
             double, string, bool and the macros has, all, exists, exists_one",
            quoted(function)
        ),
    }
}
