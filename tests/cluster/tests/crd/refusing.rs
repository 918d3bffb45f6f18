//! What is refused and taken.

use anyhow::{Result, ensure};
use events_gateway_operator_core::schema;
use events_gateway_resources::definition::definitions;
use serde_json::{Value, json};

use super::cases::{self, Refused};
use super::lab::{self, GATEWAYS, RESETS, gateway, with};

async fn refuses_all(collection: &str, cases: &[Refused]) -> Result<()> {
    let api = lab::api().await?;
    for Refused { object, says } in cases {
        let answer = api.create(&format!("{collection}?dryRun=All"), object).await?;
        ensure!(answer.status == 422, "expected {says:?}, got {}: {:#}", answer.status, answer.body);
        ensure!(answer.message().contains(says), "expected {says:?}, got {:?}", answer.message());
    }
    Ok(())
}

#[tokio::test]
async fn what_breaks_a_bound_is_refused() -> Result<()> {
    refuses_all(GATEWAYS, &cases::bounds()).await
}

#[tokio::test]
async fn what_breaks_a_rule_is_refused_with_what_to_do() -> Result<()> {
    refuses_all(GATEWAYS, &cases::rules()).await
}

#[tokio::test]
async fn offset_resets_that_contradict_themselves_are_refused() -> Result<()> {
    refuses_all(RESETS, &cases::resets()).await
}

#[tokio::test]
async fn what_keeps_the_rules_is_taken_without_a_warning() -> Result<()> {
    let api = lab::api().await?;
    for object in cases::taken() {
        let answer = api.create(&format!("{GATEWAYS}?dryRun=All&fieldValidation=Strict"), &object).await?;
        ensure!(answer.status == 201, "{object:#}\n{}: {}", answer.status, answer.message());
        ensure!(answer.warnings.is_empty(), "{:?}", answer.warnings);
    }
    Ok(())
}

#[tokio::test]
async fn unknown_fields_are_refused_by_name() -> Result<()> {
    let api = lab::api().await?;
    for (place, value, named) in [
        ("/spec/replcias", json!(3), "spec.replcias"),
        ("/spec/redis/passwrod", json!({ "name": "s", "key": "k" }), "spec.redis.passwrod"),
        ("/spec/kafka/clientSettings", json!({ "plugin.library.paths": "/x.so" }), "plugin.library.paths"),
        ("/spec/kafka/clientSettings", json!({ "ssl.ca.location": "/etc/passwd" }), "ssl.ca.location"),
        ("/spec/pod", json!({ "securityContext": { "privileged": true } }), "spec.pod.securityContext"),
        ("/spec/pod", json!({ "serviceAccountName": "admin" }), "spec.pod.serviceAccountName"),
        ("/spec/pod", json!({ "hostNetwork": true }), "spec.pod.hostNetwork"),
        ("/spec/exposure", json!({ "service": { "selector": { "a": "b" } } }), "spec.exposure.service.selector"),
        (
            "/spec/pod/affinity",
            json!({ "podAffinity": { "required": [
                { "topologyKey": "zone", "matchLabels": { "a": "b" }, "namespaceSelector": {} }
            ] } }),
            "namespaceSelector",
        ),
    ] {
        let object = with(gateway("unknown"), &[(place, value)]);
        let answer = api.create(&format!("{GATEWAYS}?dryRun=All&fieldValidation=Strict"), &object).await?;
        ensure!(answer.status == 400 && answer.message().contains(named), "{named}: {}", answer.message());
    }
    Ok(())
}

/// Every rule of the definitions has a case above, so that none is added that nobody has seen refuse.
#[test]
fn every_rule_has_a_case() {
    fn messages(node: &Value, found: &mut Vec<String>) {
        match node {
            Value::Object(map) => {
                let rules = map.get("x-kubernetes-validations").and_then(Value::as_array);
                found.extend(rules.into_iter().flatten().filter_map(|rule| Some(rule["message"].as_str()?.to_owned())));
                map.values().for_each(|value| messages(value, found));
            }
            Value::Array(items) => items.iter().for_each(|item| messages(item, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    definitions().iter().for_each(|definition| messages(&definition.object, &mut found));
    assert!(found.len() > 60, "{}", found.len());
    let cases: Vec<Refused> = [cases::bounds(), cases::rules(), cases::resets()].into_iter().flatten().collect();
    for message in found {
        // Bounds of durations and client settings are made by one function each.
        let made = message.starts_with("must be ") || message.contains(" must be ") && message.contains('.');
        // `resetting` has the case of immutability.
        let elsewhere = message.starts_with("an offset reset can't be changed");
        let covered = cases.iter().any(|case| message.contains(case.says));
        assert!(made || elsewhere || covered, "no case for: {message}");
    }
}

/// What the API server refuses is refused without one, too, and rules with the same words.
#[test]
fn check_refuses_offline_what_the_server_refuses() {
    // Bounds are told in words of another library.
    for Refused { object, says } in cases::bounds() {
        assert!(!schema::check(&object).is_empty(), "{says}: {object:#}");
    }
    for Refused { object, says } in cases::rules() {
        let found = schema::check(&object);
        assert!(found.iter().any(|problem| problem.contains(says)), "{says}: {found:?}");
    }
    for object in cases::taken() {
        assert_eq!(schema::check(&object), Vec::<String>::new(), "{object:#}");
    }
}
