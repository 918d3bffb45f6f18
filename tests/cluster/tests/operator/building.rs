//! What is made of a gateway, kept as it should be, and taken away.

use std::time::Duration;

use anyhow::Result;
use events_gateway_harness::wait;
use serde_json::{Value, json};

use super::lab::{BOUND, lab, place};

const CHILDREN: [(&str, &str); 6] = [
    ("serviceaccounts", "events"),
    ("configmaps", "events-config"),
    ("services", "events"),
    ("services", "events-admin"),
    ("policy/v1/poddisruptionbudgets", "events"),
    ("apps/v1/deployments", "events"),
];

fn everything() -> Value {
    json!({
        "networkPolicy": { "enabled": true },
        "autoscaling": { "type": "HPA" },
        "exposure": { "ingress": { "hosts": ["events.example.org"], "controller": "traefik" } },
        "pod": { "affinity": {
            "nodeAffinity": { "preferred": [{ "weight": 1, "matchExpressions": [{ "key": "spot", "operator": "DoesNotExist" }] }] },
            "podAntiAffinity": { "preferred": [{
                "weight": 1, "term": { "topologyKey": "kubernetes.io/hostname", "matchLabels": { "app": "redis" } },
            }] },
        } },
    })
}

#[tokio::test]
async fn a_gateway_gets_its_objects_and_they_belong_to_it() -> Result<()> {
    let place = place("objects").await?;
    let gateway = place.create("events", json!({ "replicas": 3 })).await?;
    for (kind, name) in CHILDREN {
        let object = place.until(&place.path(kind, name), "being made", Value::is_object).await?;
        assert_eq!(object["metadata"]["ownerReferences"][0]["uid"], gateway["metadata"]["uid"], "{kind} {name}");
        let managers = object["metadata"]["managedFields"].as_array().unwrap().iter();
        let ours = managers.filter(|entry| entry["manager"] == "events-gateway-operator").count();
        assert_eq!(ours, 1, "{kind} {name}: one field manager");
    }
    let token = place.until(&place.path("secrets", "events-admin"), "the token", Value::is_object).await?;
    assert!(token["data"]["token"].as_str().is_some_and(|token| token.len() > 60));
    let deployment = place.path("apps/v1/deployments", "events");
    let deployment = place.until(&deployment, "pods", |object| object["status"]["replicas"] == 3).await?;
    assert_eq!(deployment["spec"]["replicas"], 3);
    place.until_condition("events", "Ready", "NoReadyReplicas").await?;
    let gateway =
        place.until(&place.gateway("events"), "a status", |gateway| gateway["status"]["replicas"] == 3).await?;
    assert_eq!(gateway["status"]["image"], "example.com/events-gateway:test");
    assert_eq!(
        gateway["status"]["selector"],
        "app.kubernetes.io/component=gateway,app.kubernetes.io/instance=events,app.kubernetes.io/name=events-gateway"
    );
    assert_eq!(gateway["status"]["observedGeneration"], gateway["metadata"]["generation"]);
    Ok(())
}

#[tokio::test]
async fn once_settled_nothing_is_written_any_more() -> Result<()> {
    let place = place("settled").await?;
    place.create("events", everything()).await?;
    place.until_condition("events", "Ready", "NoReadyReplicas").await?;
    let mut paths: Vec<String> = CHILDREN.iter().map(|(kind, name)| place.path(kind, name)).collect();
    for kind in [
        "networking.k8s.io/v1/networkpolicies",
        "networking.k8s.io/v1/ingresses",
        "autoscaling/v2/horizontalpodautoscalers",
    ] {
        paths.push(place.path(kind, "events"));
        place.until(paths.last().unwrap(), "being made", Value::is_object).await?;
    }
    let marks = async || {
        let mut marks = Vec::new();
        for path in &paths {
            let object = place.api.get(path).await?.success()?.body;
            let generation = object["metadata"]["generation"].as_i64().unwrap_or(1);
            assert_eq!(generation, 1, "{path}: it was made as it is to be");
            // Others write statuses; what we write shows in the fields that we manage.
            let ours = object["metadata"]["managedFields"].as_array().unwrap().iter();
            marks.push(
                ours.filter(|entry| entry["manager"] == "events-gateway-operator")
                    .map(|entry| entry["time"].clone())
                    .collect::<Vec<_>>(),
            );
        }
        anyhow::Ok(marks)
    };
    let before = marks().await?;
    let operator = &lab().await?.operator;
    let passes = operator.metric("events_gateway_operator_reconciles_total", &[]).await?;
    // Passes are caused without changing what is wanted.
    for number in 0..3 {
        place
            .merge("events", json!({ "metadata": { "annotations": { "example.org/touched": number.to_string() } } }))
            .await?;
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    assert!(operator.metric("events_gateway_operator_reconciles_total", &[]).await? >= passes + 2.0);
    assert_eq!(marks().await?, before);
    Ok(())
}

#[tokio::test]
async fn service_and_ingress_are_as_the_spec_says() -> Result<()> {
    let place = place("exposure").await?;
    let exposure = json!({
        "service": {
            "type": "LoadBalancer", "allocateLoadBalancerNodePorts": false, "externalTrafficPolicy": "Local",
            "healthCheckNodePort": 31_999, "internalTrafficPolicy": "Local", "trafficDistribution": "PreferClose",
            "ipFamilyPolicy": "PreferDualStack", "ipFamilies": ["IPv4"],
        },
        "ingress": {
            "hosts": ["a.example.org", "b.example.org"], "pathType": "ImplementationSpecific",
            "tls": [{ "hosts": ["b.example.org"], "secretName": "b" }],
        },
    });
    place.create("events", json!({ "exposure": exposure })).await?;
    let service = place.until(&place.path("services", "events"), "the Service", Value::is_object).await?;
    for field in [
        "type",
        "allocateLoadBalancerNodePorts",
        "externalTrafficPolicy",
        "healthCheckNodePort",
        "internalTrafficPolicy",
        "trafficDistribution",
        "ipFamilyPolicy",
        "ipFamilies",
    ] {
        assert_eq!(service["spec"][field], exposure["service"][field], "{field}");
    }
    let ingress = place.path("networking.k8s.io/v1/ingresses", "events");
    let ingress = place.until(&ingress, "the Ingress", Value::is_object).await?;
    assert_eq!(ingress["spec"]["tls"], exposure["ingress"]["tls"]);
    assert_eq!(ingress["spec"]["rules"][1]["http"]["paths"][0]["pathType"], "ImplementationSpecific");
    let endpoints = |gateway: &Value| gateway["status"]["endpoints"].to_string();
    let told =
        place.until(&place.gateway("events"), "endpoints", |gateway| endpoints(gateway).contains("b.example")).await?;
    let told = endpoints(&told);
    assert!(told.contains("http://a.example.org") && told.contains("https://b.example.org"), "{told}");
    // What is taken out again is the cluster's to decide.
    let plain = json!({ "spec": { "exposure": { "service": {
        "allocateLoadBalancerNodePorts": null, "trafficDistribution": null, "ipFamilyPolicy": null, "ipFamilies": null,
        "internalTrafficPolicy": "Cluster",
    } } } });
    place.merge("events", plain).await?;
    let is_plain = |object: &Value| {
        let spec = &object["spec"];
        spec["internalTrafficPolicy"] == "Cluster"
            && spec["trafficDistribution"].is_null()
            && spec["ipFamilies"] == json!(["IPv4"])
    };
    place.until(&place.path("services", "events"), "a plain Service", is_plain).await?;
    Ok(())
}

#[tokio::test]
async fn what_is_changed_or_deleted_by_others_is_mended() -> Result<()> {
    let place = place("drift").await?;
    place.create("events", json!({ "autoscaling": { "type": "HPA", "maxReplicas": 7 } })).await?;
    let service = place.path("services", "events");
    place.until(&service, "the Service", Value::is_object).await?;
    place.api.merge(&service, &json!({ "spec": { "ports": [{ "port": 81, "targetPort": 1 }] } })).await?.success()?;
    place.until(&service, "the port back", |object| object["spec"]["ports"][0]["port"] == 80).await?;
    // It has no generation: that its spec was changed is told by who manages its fields.
    let autoscaler = place.path("autoscaling/v2/horizontalpodautoscalers", "events");
    place.until(&autoscaler, "the autoscaler", Value::is_object).await?;
    place.api.merge(&autoscaler, &json!({ "spec": { "maxReplicas": 70 } })).await?.success()?;
    place.until(&autoscaler, "the bound back", |object| object["spec"]["maxReplicas"] == 7).await?;
    let config = place.path("configmaps", "events-config");
    let uid = place.until(&config, "the ConfigMap", Value::is_object).await?["metadata"]["uid"].clone();
    place.api.delete(&config).await?.success()?;
    place.until(&config, "another ConfigMap", |object| object.is_object() && object["metadata"]["uid"] != uid).await?;
    let deployment = place.path("apps/v1/deployments", "events");
    place.until(&deployment, "the Deployment", Value::is_object).await?;
    let image = json!([{ "name": "gateway", "image": "example.com/other:1" }]);
    let patch = json!({ "spec": { "template": { "spec": { "containers": image } } } });
    place.api.merge(&deployment, &patch).await?.success()?;
    place
        .until(&deployment, "the image back", |object| {
            object["spec"]["template"]["spec"]["containers"][0]["image"] == "example.com/events-gateway:test"
        })
        .await?;
    Ok(())
}

#[tokio::test]
async fn what_is_no_longer_wanted_goes_and_what_others_made_stays() -> Result<()> {
    let place = place("pruning").await?;
    place.create("events", everything()).await?;
    let kinds = [
        "networking.k8s.io/v1/networkpolicies",
        "networking.k8s.io/v1/ingresses",
        "autoscaling/v2/horizontalpodautoscalers",
        "policy/v1/poddisruptionbudgets",
    ];
    for kind in kinds {
        place.until(&place.path(kind, "events"), "being made", Value::is_object).await?;
    }
    let foreign = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "own", "labels": {
        "app.kubernetes.io/managed-by": "events-gateway-operator", "app.kubernetes.io/instance": "events",
    } } });
    place.api.create(&place.namespace.path("v1", "configmaps"), &foreign).await?.success()?;
    place
        .merge(
            "events",
            json!({ "spec": {
            "networkPolicy": { "enabled": false },
            "autoscaling": { "type": "None" },
            "exposure": { "ingress": null },
            "disruptionBudget": { "enabled": false },
        } }),
        )
        .await?;
    for kind in kinds {
        place.until(&place.path(kind, "events"), "being deleted", Value::is_null).await?;
    }
    assert_eq!(place.api.get(&place.path("configmaps", "own")).await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn an_object_of_the_same_name_that_is_not_ours_is_left_alone_and_told() -> Result<()> {
    let place = place("foreign").await?;
    let foreign = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "events-config" }, "data": { "a": "b" } });
    place.api.create(&place.namespace.path("v1", "configmaps"), &foreign).await?.success()?;
    place.create("events", json!({})).await?;
    let condition = place.until_condition("events", "Ready", "ReconcileFailed").await?;
    assert!(condition["message"].as_str().unwrap().contains("ConfigMap events-config"), "{condition}");
    let found = place.api.get(&place.path("configmaps", "events-config")).await?.success()?.body;
    assert_eq!(found["data"], json!({ "a": "b" }));
    place.api.delete(&place.path("configmaps", "events-config")).await?.success()?;
    place.until_condition("events", "Ready", "NoReadyReplicas").await?;
    Ok(())
}

#[tokio::test]
async fn everything_goes_with_the_gateway() -> Result<()> {
    let place = place("deleting").await?;
    place.create("events", json!({})).await?;
    place.until_condition("events", "Ready", "NoReadyReplicas").await?;
    place.api.delete(&place.gateway("events")).await?.success()?;
    for (kind, name) in CHILDREN {
        place.until(&place.path(kind, name), "being collected", Value::is_null).await?;
    }
    place.until(&place.path("secrets", "events-admin"), "being collected", Value::is_null).await?;
    // Nothing is told of it any more, or its last success would look like one that is long ago.
    let told = format!("namespace=\"{}\"", place.namespace.name());
    let forgotten = || async {
        let name = "events_gateway_operator_last_success_timestamp_seconds";
        Ok((lab().await?.operator.metric(name, &[&told]).await? < 1.0).then_some(()))
    };
    wait::until("being forgotten", BOUND, forgotten).await?;
    Ok(())
}
