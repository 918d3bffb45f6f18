use serde_json::{Value, json};

use super::*;

fn gateway(spec: &Value) -> EventsGateway {
    let mut object = json!({
        "apiVersion": "eventsgateway.dev/v1alpha1",
        "kind": "EventsGateway",
        "metadata": { "name": "events", "namespace": "shop", "uid": "u" },
        "spec": {
            "redis": { "nodes": ["redis:6379"] },
            "kafka": { "bootstrap": ["kafka:9092"], "bindings": [{ "name": "events", "topics": ["events"] }] },
        },
    });
    for (key, value) in spec.as_object().unwrap() {
        object["spec"][key] = value.clone();
    }
    serde_json::from_value(object).unwrap()
}

fn surroundings() -> Surroundings {
    Surroundings {
        default_image: "gateway:1".into(),
        secrets: Some(Versions::new()),
        config_maps: Some(Versions::new()),
        ..Surroundings::default()
    }
}

fn problems(spec: &Value) -> Vec<String> {
    let found = validate(&gateway(spec), &surroundings()).expect_err("something is wrong");
    found.into_iter().map(|problem| format!("{:?} {}", problem.reason, problem.text)).collect()
}

#[test]
fn everything_that_is_wrong_is_told_at_once_with_its_place() {
    let kafka = json!({
        "bootstrap": ["kafka:9092"],
        "bindings": [{ "name": "a", "topics": ["t"] }, { "name": "b", "topics": ["t"], "route": "r" }],
    });
    let found = problems(&json!({
        "kafka": kafka,
        "routes": [{ "name": "r", "rules": [{ "when": "value.", "channels": ["user:{value./id"] }] }],
        "redis": {
            "nodes": ["redis:6379"],
            "password": { "name": "redis", "key": "password" },
            "tls": { "caFile": { "configMap": { "name": "authorities", "key": "ca.crt" } } },
        },
    }));
    for expected in [
        "InvalidSpec spec.kafka.bindings[1].topics[0]",
        "InvalidSpec spec.routes[0].rules[0].when",
        "InvalidSpec spec.routes[0].rules[0].channels[0]",
        "SecretMissing the Secret redis",
        "ConfigMapMissing the ConfigMap authorities",
    ] {
        assert!(found.iter().any(|problem| problem.starts_with(expected)), "{expected}: {found:#?}");
    }
}

#[test]
fn a_pinned_image_stays_until_the_gateway_follows_and_may_move() {
    let mut pinned = gateway(&json!({}));
    let image = |gateway: &EventsGateway, surroundings: &Surroundings| validate(gateway, surroundings).unwrap().image;
    assert_eq!(image(&pinned, &surroundings()), "gateway:1");
    let newer = Surroundings { default_image: "gateway:2".into(), ..surroundings() };
    pinned.status.get_or_insert_default().image = Some("gateway:1".into());
    assert_eq!(image(&pinned, &newer), "gateway:1");
    pinned.spec.image.updates = ImageUpdates::Automatic;
    assert_eq!(image(&pinned, &newer), "gateway:1");
    assert_eq!(image(&pinned, &Surroundings { may_update_image: true, ..newer.clone() }), "gateway:2");
    pinned.spec.image.reference = Some("own:3".into());
    assert_eq!(image(&pinned, &newer), "own:3");
}

#[test]
fn without_any_image_it_says_what_to_do() {
    let nothing = Surroundings { default_image: String::new(), ..surroundings() };
    let found = validate(&gateway(&json!({})), &nothing).unwrap_err();
    assert!(found[0].text.starts_with("spec.image.reference is required"), "{found:?}");
}

#[test]
fn the_listeners_certificate_and_the_own_token_replace_no_pods() {
    let spec = json!({
        "listen": { "tls": { "certFile": { "name": "tls", "key": "c" }, "keyFile": { "name": "tls", "key": "k" } } },
        "redis": { "nodes": ["redis:6379"], "password": { "name": "redis", "key": "password" } },
    });
    let versions = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), "1".to_owned())).collect();
    let all = Surroundings { secrets: Some(versions(&["tls", "redis", "events-admin", "other"])), ..surroundings() };
    let validated = validate(&gateway(&spec), &all).unwrap();
    assert_eq!(validated.secret_versions, versions(&["redis"]));
    assert!(validated.makes_token && validated.admin_secret == "events-admin" && validated.admin_key == "token");
    let mut never = spec;
    never["rollout"] = json!({ "restartOnSecretChange": false });
    assert!(validate(&gateway(&never), &all).unwrap().secret_versions.is_empty());
}

#[test]
fn authorities_replace_the_pods_when_their_config_map_changes() {
    let spec = json!({
        "redis": {
            "nodes": ["redis:6379"],
            "tls": { "caFile": { "configMap": { "name": "authorities", "key": "ca.crt" } } },
        },
    });
    let at = |version: &str| {
        let versions = [("authorities", version), ("other", "1")].map(|(name, at)| (name.to_owned(), at.to_owned()));
        let surroundings = Surroundings { config_maps: Some(versions.into()), ..surroundings() };
        let validated = validate(&gateway(&spec), &surroundings).unwrap();
        let objects = crate::build(&validated);
        let deployment = &objects[&(Kind::Deployment, "events".to_owned())];
        (validated.config_map_versions, deployment["spec"]["template"]["metadata"]["annotations"].clone())
    };
    let (versions, before) = at("1");
    assert_eq!(versions, Versions::from([("authorities".to_owned(), "1".to_owned())]));
    assert_eq!(before, at("1").1);
    assert_ne!(before, at("2").1);
}

#[test]
fn a_kind_that_the_cluster_lacks_keeps_nothing_else_from_being_built() {
    let spec = json!({ "monitoring": { "serviceMonitor": { "enabled": true } } });
    let validated = validate(&gateway(&spec), &surroundings()).unwrap();
    assert_eq!(validated.missing_kinds[0].0, Kind::ServiceMonitor);
    assert!(validated.missing_kinds[0].1.contains("monitoring.coreos.com"), "{:?}", validated.missing_kinds);
    let objects = crate::build(&validated);
    assert!(objects.keys().any(|(kind, _)| *kind == Kind::Deployment));
    assert!(objects.keys().all(|(kind, _)| *kind != Kind::ServiceMonitor));
}
