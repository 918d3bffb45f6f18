//! Routes. Templates and expressions are compiled by whoever uses them, through [`Rules`](super::Rules).

use std::collections::BTreeMap;

use events_gateway_crds as raw;
pub use raw::routes::Otherwise;

use super::problem::{Place, Problems};
use super::text;

/// A named list of rules; the first whose condition holds makes the event.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// Unique; a DNS label.
    pub name: String,
    /// At least one, each reachable.
    pub rules: Vec<Rule>,
    /// What becomes of a record that no rule takes.
    pub otherwise: Otherwise,
}

/// How a record becomes an event.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// CEL; `None`: always.
    pub when: Option<String>,
    /// Templates, at least one.
    pub channels: Vec<String>,
    /// Template; `None`: `message`.
    pub kind: Option<String>,
    /// Template; `None`: the record's value.
    pub data: Option<String>,
    /// Template; `None`: the record's key.
    pub key: Option<String>,
    /// Template; `None`: no id.
    pub id: Option<String>,
    /// Template; `None`: the record's timestamp.
    pub time: Option<String>,
    /// Templates by name.
    pub attributes: BTreeMap<String, String>,
}

/// Longest name of an attribute, in bytes.
pub const MAX_ATTRIBUTE_NAME_BYTES: usize = 100;

/// The place of a rule, for problems with its templates.
#[must_use]
pub fn place(route: usize, rule: usize) -> Place {
    Place::root().key("routes").index(route).key("rules").index(rule)
}

pub(super) fn prove(raw: &[raw::routes::Route], place: &Place, problems: &mut Problems) -> Option<Vec<Route>> {
    text::distinct(
        raw.iter()
            .enumerate()
            .map(|(index, route)| (place.index(index).key("name"), &*route.name)),
        "the name",
        problems,
    );
    for (index, route) in raw.iter().enumerate() {
        let rules = place.index(index).key("rules");
        let unconditional = route.rules.iter().position(|rule| rule.when.is_none());
        for (index, rule) in route.rules.iter().enumerate() {
            if unconditional.is_some_and(|before| before < index) {
                problems.add(rules.index(index), "is never tried: a rule before it has no condition");
            }
            for name in rule.attributes.keys() {
                let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
                if name.is_empty() || name.len() > MAX_ATTRIBUTE_NAME_BYTES || !name.bytes().all(plain) {
                    let expected = "an attribute's name is 1 to 100 letters, digits, '_', '.' and '-'";
                    problems.add(rules.index(index).key("attributes").key(name), expected);
                }
            }
        }
    }
    let text = |template: &Option<raw::text::Template>| template.as_ref().map(|template| template.0.clone());
    let rule = |rule: &raw::routes::Rule| Rule {
        when: rule.when.as_ref().map(|when| when.0.clone()),
        channels: rule.channels.iter().map(|channel| channel.0.clone()).collect(),
        kind: text(&rule.kind),
        data: text(&rule.data),
        key: text(&rule.key),
        id: text(&rule.id),
        time: text(&rule.time),
        attributes: rule
            .attributes
            .iter()
            .map(|(name, template)| (name.clone(), template.0.clone()))
            .collect(),
    };
    let route = |route: &raw::routes::Route| Route {
        name: route.name.0.clone(),
        rules: route.rules.iter().map(rule).collect(),
        otherwise: route.otherwise,
    };
    Some(raw.iter().map(route).collect())
}
