//! Who may do what.

use events_gateway_core::access::{AccessPattern, Rule, Rules};
use events_gateway_core::view::RAW;
use events_gateway_crds as raw;
use raw::access::AccessTo;

use super::problem::{Place, Problems};
use super::text;

/// Proves the rules.
pub(super) fn prove(
    raw: &raw::access::Access,
    identity: Option<&raw::identity::Identity>,
    views: &[raw::views::View],
    place: &Place,
    problems: &mut Problems,
) -> Option<Rules> {
    for (index, rule) in raw.rules.iter().enumerate() {
        let at = place.key("rules").index(index).key("views");
        text::distinct(
            rule.views.iter().enumerate().map(|(view, name)| (at.index(view), &**name)),
            "the view",
            problems,
        );
        for (view, name) in rule.views.iter().enumerate() {
            if **name != *RAW && !views.iter().any(|known| known.name == *name) {
                problems.add(at.index(view), "is none of views, nor raw");
            }
        }
        if !rule.views.is_empty() && rule.subscribe.is_empty() {
            problems.add(at, "goes only with subscribe: it says by which views those channels may be had");
        }
    }
    let rules = raw.rules.iter().enumerate();
    let proven: Vec<Option<Rule>> =
        rules.map(|(index, rule)| prove_rule(rule, identity, &place.key("rules").index(index), problems)).collect();
    proven.into_iter().collect::<Option<_>>().map(Rules)
}

fn prove_rule(
    raw: &raw::access::AccessRule,
    identity: Option<&raw::identity::Identity>,
    place: &Place,
    problems: &mut Problems,
) -> Option<Rule> {
    let everyone = raw.to == AccessTo::Everyone;
    if everyone && (raw.issuer.is_some() || !raw.claims.is_empty()) {
        problems.add(place.clone(), "issuer and claims go only with to: subjects: who has no token has neither");
    }
    match (everyone, identity) {
        (false, None) => problems.add(place.clone(), "is for subjects, and without identity there are none"),
        (_, Some(identity)) => {
            if let Some(issuer) = &raw.issuer
                && !identity.issuers.iter().any(|known| known.issuer == *issuer)
                && identity.forward_auth.as_ref().is_none_or(|service| service.issuer != *issuer)
            {
                problems.add(place.key("issuer"), "is none of identity.issuers");
            }
        }
        (true, None) => {}
    }
    for pointer in raw.claims.keys().filter(|pointer| !pointer.starts_with('/')) {
        problems.add(place.key("claims").key(pointer), "is no JSON pointer: expected one such as /realm_access/roles");
    }
    let mut patterns = |raw: &[raw::text::AccessPattern], key: &str| -> Option<Vec<AccessPattern>> {
        let at = place.key(key);
        let each = raw.iter().enumerate();
        let proven: Vec<_> = each.map(|(index, text)| problems.take(at.index(index), text.parse())).collect();
        proven.into_iter().collect()
    };
    let (subscribe, replay) = (patterns(&raw.subscribe, "subscribe"), patterns(&raw.replay, "replay"));
    let (publish, stats) = (patterns(&raw.publish, "publish"), patterns(&raw.stats, "stats"));
    Some(Rule {
        everyone,
        issuer: raw.issuer.as_ref().map(|issuer| issuer.0.clone()),
        claims: raw.claims.iter().map(|(pointer, text)| (pointer.clone(), text.0.clone())).collect(),
        subscribe: subscribe?,
        views: raw.views.iter().map(|view| view.0.clone()).collect(),
        replay: replay?,
        publish: publish?,
        stats: stats?,
    })
}
