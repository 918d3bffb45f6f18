//! Expressions of PromQL, as far as names go.

/// The names of the gateway's and the operator's metrics, and of their processes, in an expression.
#[must_use]
pub fn metrics(expression: &str) -> Vec<String> {
    let words = expression.split(|character: char| !(character.is_ascii_alphanumeric() || "_:".contains(character)));
    let ours = |word: &&str| word.starts_with("events_gateway_") || word.starts_with("process_");
    words.filter(ours).map(str::to_owned).collect()
}

/// The family that a name belongs to: histograms have three names, and one line in the table.
#[must_use]
pub fn family(name: &str, is_histogram: impl Fn(&str) -> bool) -> String {
    let of = |ending| name.strip_suffix(ending).filter(|family| is_histogram(family));
    let family = ["_bucket", "_sum", "_count"].into_iter().find_map(of);
    family.unwrap_or(name).to_owned()
}
