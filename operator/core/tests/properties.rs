//! What holds for whatever is asked for.

use std::collections::BTreeSet;

use events_gateway_operator_core::{Kind, Objects, Surroundings, Validated, build, validate};
use events_gateway_resources::EventsGateway;
use proptest::prelude::*;
use serde_json::{Value, json};

/// A gateway with some of the sections that make further objects.
fn gateway() -> impl Strategy<Value = Value> {
    let sections = prop::collection::vec(any::<bool>(), 7);
    let autoscaler = prop::sample::select(vec!["None", "HPA", "KEDA"]);
    ("[a-z]([-a-z0-9]{0,43}[a-z0-9])?", sections, autoscaler, 1..500i64, any::<bool>()).prop_map(
        |(name, sections, autoscaler, drain, surge)| {
            let mut spec = json!({
                "redis": { "nodes": ["redis:6379"], "password": { "name": "redis", "key": "password" } },
                "kafka": { "bootstrap": ["kafka:9092"], "bindings": [{ "name": "b", "topics": ["t"] }] },
                "autoscaling": { "type": autoscaler },
                "drain": { "timeout": format!("{drain}s"), "settle": "0s" },
                "disruptionBudget": { "enabled": sections[0] },
                "networkPolicy": { "enabled": sections[1] },
                "monitoring": {
                    "serviceMonitor": { "enabled": sections[2] },
                    "prometheusRule": { "enabled": sections[3] },
                },
                "exposure": {},
                "rollout": if surge { json!({}) } else { json!({ "maxSurge": 0, "maxUnavailable": 1 }) },
            });
            if autoscaler == "KEDA" {
                spec["autoscaling"]["keda"] = json!({ "prometheus": "http://prometheus:9090" });
            }
            if sections[4] {
                spec["exposure"]["ingress"] = json!({ "hosts": ["a.example.org"], "controller": "haproxy" });
            }
            if sections[5] {
                spec["exposure"]["httpRoute"] = json!({ "parents": [{ "name": "public" }] });
            }
            if sections[6] {
                spec["admin"] = json!({ "token": { "name": "redis", "key": "token" } });
            }
            json!({
                "apiVersion": "eventsgateway.dev/v1alpha1",
                "kind": "EventsGateway",
                "metadata": { "name": name, "namespace": "shop", "uid": "uid-1" },
                "spec": spec,
            })
        },
    )
}

fn validated(object: &Value) -> Validated {
    let gateway: EventsGateway = serde_json::from_value(object.clone()).unwrap();
    let surroundings = Surroundings {
        default_image: "registry.example.org/events-gateway:1".into(),
        kinds: Kind::ALL.into(),
        secrets: Some([("redis".to_owned(), "1".to_owned())].into()),
        ..Surroundings::default()
    };
    validate(&gateway, &surroundings).unwrap()
}

fn made_of(object: &Value) -> Objects {
    build(&validated(object))
}

proptest! {
    #[test]
    fn the_same_gateway_makes_the_same_objects(gateway in gateway()) {
        prop_assert_eq!(made_of(&gateway), made_of(&gateway));
    }

    #[test]
    fn every_object_is_owned_labelled_and_named_within_bounds(gateway in gateway()) {
        for ((kind, name), object) in made_of(&gateway) {
            prop_assert!(name.len() <= 63 && name.starts_with(gateway["metadata"]["name"].as_str().unwrap()));
            let metadata = &object["metadata"];
            prop_assert_eq!(&metadata["namespace"], "shop");
            prop_assert_eq!(&metadata["ownerReferences"][0]["uid"], "uid-1");
            prop_assert_eq!(&metadata["ownerReferences"][0]["controller"], true);
            prop_assert_eq!(&metadata["labels"]["app.kubernetes.io/managed-by"], "events-gateway-operator");
            prop_assert_eq!(object["kind"].as_str(), Some(kind.names().2));
            prop_assert!(!object.to_string().contains("null"), "{}", object);
        }
    }

    #[test]
    fn selectors_depend_on_nothing_but_the_name(one in gateway(), other in gateway()) {
        let selector = |object: &Value| {
            let key = (Kind::Deployment, object["metadata"]["name"].as_str().unwrap().to_owned());
            made_of(object)[&key]["spec"]["selector"].clone()
        };
        let mut renamed = other.clone();
        renamed["metadata"] = one["metadata"].clone();
        prop_assert_eq!(selector(&one), selector(&renamed));
    }

    #[test]
    fn exactly_what_is_asked_for_is_there(gateway in gateway()) {
        let kinds: BTreeSet<Kind> = made_of(&gateway).into_keys().map(|(kind, _)| kind).collect();
        let spec = &gateway["spec"];
        let wanted = [
            (Kind::PodDisruptionBudget, spec["disruptionBudget"]["enabled"] == true),
            (Kind::NetworkPolicy, spec["networkPolicy"]["enabled"] == true),
            (Kind::ServiceMonitor, spec["monitoring"]["serviceMonitor"]["enabled"] == true),
            (Kind::PrometheusRule, spec["monitoring"]["prometheusRule"]["enabled"] == true),
            (Kind::Ingress, spec["exposure"]["ingress"].is_object()),
            (Kind::HttpRoute, spec["exposure"]["httpRoute"].is_object()),
            (Kind::HorizontalPodAutoscaler, spec["autoscaling"]["type"] == "HPA"),
            (Kind::ScaledObject, spec["autoscaling"]["type"] == "KEDA"),
            (Kind::Deployment, true),
            (Kind::Secret, false),
        ];
        for (kind, wanted) in wanted {
            prop_assert_eq!(kinds.contains(&kind), wanted, "{:?}", kind);
        }
    }

    #[test]
    fn a_pod_has_the_time_that_its_drain_takes(gateway in gateway()) {
        let key = (Kind::Deployment, gateway["metadata"]["name"].as_str().unwrap().to_owned());
        let pod = made_of(&gateway)[&key]["spec"]["template"]["spec"].clone();
        let drain: i64 = gateway["spec"]["drain"]["timeout"].as_str().unwrap().trim_end_matches('s').parse().unwrap();
        let grace = pod["terminationGracePeriodSeconds"].as_i64().unwrap();
        let pre_stop = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"].as_i64().unwrap();
        prop_assert_eq!(grace, pre_stop + drain + 30);
        prop_assert!(grace <= 600, "cluster autoscalers cut it off there");
    }
}
