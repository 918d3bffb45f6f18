//! Routes. Their templates and expressions are compiled by [`decoder`](super::decoder).

use events_gateway_core::route::RouteSpec;
use events_gateway_crds as raw;

use super::problem::{Place, Problems};
use super::text;

/// A named list of rules; the first whose condition holds makes the event.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// Unique; a DNS label.
    pub name: String,
    /// At least one, each reachable.
    pub rules: Vec<RouteSpec>,
}

/// The place of a value of a rule, for problems with its templates: `field` is `when`, `channels[1]`, `kind` or
/// `attributes.NAME`, as the core names them; empty for the rule as a whole.
#[must_use]
pub fn place(route: usize, rule: usize, field: &str) -> Place {
    let rule = Place::root().key("routes").index(route).key("rules").index(rule);
    if let Some(name) = field.strip_prefix("attributes.") {
        return rule.key("attributes").key(name);
    }
    let channel = field.strip_prefix("channels[").and_then(|rest| rest.strip_suffix(']')?.parse().ok());
    match (field, channel) {
        ("", _) => rule,
        (_, Some(index)) => rule.key("channels").index(index),
        // In the file it is called what it is called in the envelope.
        ("kind", _) => rule.key("type"),
        (field, None) => rule.key(field),
    }
}

pub(super) fn prove(raw: &[raw::routes::Route], place: &Place, problems: &mut Problems) -> Option<Vec<Route>> {
    text::distinct(
        raw.iter().enumerate().map(|(index, route)| (place.index(index).key("name"), &*route.name)),
        "the name",
        problems,
    );
    for (index, route) in raw.iter().enumerate() {
        let rules = place.index(index).key("rules");
        let unconditional = route.rules.iter().position(|rule| rule.when.is_none());
        for index in 0..route.rules.len() {
            if unconditional.is_some_and(|before| before < index) {
                problems.add(rules.index(index), "is never tried: a rule before it has no condition");
            }
        }
    }
    Some(raw.iter().map(route).collect())
}

fn route(raw: &raw::routes::Route) -> Route {
    let rules = raw.rules.iter().enumerate().map(|(index, rule)| spec(format!("{}[{index}]", &*raw.name), rule));
    Route { name: raw.name.0.clone(), rules: rules.collect() }
}

fn spec(name: String, rule: &raw::routes::Rule) -> RouteSpec {
    let text = |template: &Option<raw::text::Template>| template.as_ref().map(|template| template.0.clone());
    RouteSpec {
        name,
        when: rule.when.as_ref().map(|when| when.0.clone()),
        channels: rule.channels.iter().map(|channel| channel.0.clone()).collect(),
        kind: text(&rule.kind),
        data: text(&rule.data),
        key: text(&rule.key),
        id: text(&rule.id),
        time: text(&rule.time),
        attributes: rule.attributes.iter().map(|(name, template)| (name.clone(), template.0.clone())).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::place;

    #[test]
    fn fields_of_a_rule_have_their_places_in_the_file() {
        for (field, expected) in [
            ("", "routes[1].rules[2]"),
            ("when", "routes[1].rules[2].when"),
            ("kind", "routes[1].rules[2].type"),
            ("channels[3]", "routes[1].rules[2].channels[3]"),
            ("attributes.a.b", "routes[1].rules[2].attributes[\"a.b\"]"),
        ] {
            assert_eq!(place(1, 2, field).to_string(), expected);
        }
    }
}
