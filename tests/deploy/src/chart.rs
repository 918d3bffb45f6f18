//! A chart, as Helm renders it.

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::{checkout, documents, output, program};

/// Both versions of Helm that are in use.
pub const HELMS: [&str; 2] = ["helm3", "helm4"];

/// The operator's chart.
pub const OPERATOR: &str = "charts/events-gateway-operator";

/// The chart of the definitions.
pub const DEFINITIONS: &str = "charts/events-gateway-crds";

/// The oldest Kubernetes that the charts support; without a cluster Helm has to be told of one.
const KUBERNETES: &str = "--kube-version=1.33.0";

/// Lints a chart; warnings are errors.
///
/// # Errors
/// With what Helm says.
pub fn lint(helm: &str, chart: &str, arguments: &[&str]) -> Result<String> {
    let command = &mut program(helm)?;
    output(command.current_dir(checkout()).args(["lint", "--strict", KUBERNETES, chart]).args(arguments))
}

/// The objects of a release named `release` in the namespace `system`.
///
/// # Errors
/// With what Helm says.
pub fn render(helm: &str, chart: &str, arguments: &[&str]) -> Result<Vec<Value>> {
    let command = &mut program(helm)?;
    command.current_dir(checkout()).args(["template", "release", chart, KUBERNETES, "--namespace=system"]);
    documents(&output(command.args(arguments))?)
}

/// The objects of a kind.
pub fn of_kind<'a>(objects: &'a [Value], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    objects.iter().filter(move |object| object["kind"] == kind)
}

/// The object of a kind and a name.
///
/// # Errors
/// When there is none.
pub fn find<'a>(objects: &'a [Value], kind: &'a str, name: &str) -> Result<&'a Value> {
    of_kind(objects, kind)
        .find(|object| object["metadata"]["name"] == name)
        .with_context(|| format!("there is no {kind} {name}"))
}
