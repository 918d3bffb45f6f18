//! What the chart grants is what the operator needs: it works as the chart's own account, and is refused nothing.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use events_gateway_cluster::gateways::{self, VERSION, gateway};
use events_gateway_cluster::helm::{Helm, Release};
use events_gateway_cluster::operator::Settings;
use events_gateway_cluster::{Api, Family, Namespace, Operator};
use events_gateway_harness::wait;
use serde_json::{Value, json};

use super::lab::{BOUND, VALUES, account, chart, control_plane, path};

fn everything() -> Value {
    json!({
        "networkPolicy": { "enabled": true },
        "autoscaling": { "type": "HPA" },
        "exposure": {
            "ingress": { "hosts": ["events.example.org"] },
            "service": { "type": "LoadBalancer" },
            "httpRoute": { "parents": [{ "name": "web" }], "hosts": ["route.example.org"] },
        },
        "kafka": {
            "bootstrap": ["kafka:9092"],
            "bindings": [{ "name": "events", "topics": ["events"] }],
            "security": { "protocol": "ssl", "tls": { "caFile": { "configMap": { "name": "authorities", "key": "ca.crt" } } } },
        },
    })
}

const KINDS: [(&str, &str); 5] = [
    ("gateway.networking.k8s.io/v1", "httproutes"),
    ("networking.k8s.io/v1", "networkpolicies"),
    ("networking.k8s.io/v1", "ingresses"),
    ("autoscaling/v2", "horizontalpodautoscalers"),
    ("policy/v1", "poddisruptionbudgets"),
];

/// Has the operator make everything, mend and take it away again.
async fn works(api: &Api, namespace: &Namespace, operator: &Operator) -> Result<()> {
    // Its content is read as well, for Kafka.
    let authorities = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "authorities" }, "data": { "ca.crt": "" } });
    api.create(&namespace.path("v1", "configmaps"), &authorities).await?.success()?;
    let web = json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": { "name": "web" },
        "spec": { "gatewayClassName": "any", "listeners": [{ "name": "plain", "protocol": "HTTP", "port": 8080 }] },
    });
    api.create(&namespace.path("gateway.networking.k8s.io/v1", "gateways"), &web).await?.success()?;
    let gateways = namespace.path(VERSION, "eventsgateways");
    api.create(&gateways, &gateway("events", &everything())).await?.success()?;
    let deployment = format!("{}/events", namespace.path("apps/v1", "deployments"));
    let works = async {
        api.until(&deployment, "two pods", BOUND, |object| object["status"]["replicas"] == 2).await?;
        for (group, plural) in KINDS {
            api.until(&format!("{}/events", namespace.path(group, plural)), "being made", BOUND, Value::is_object)
                .await?;
        }
        // Its listener is read.
        let url = "http://route.example.org:8080/api/v1/events";
        let told = |object: &Value| {
            object["status"]["endpoints"].as_array().is_some_and(|urls| urls.iter().any(|told| told == url))
        };
        api.until(&path(namespace, "events"), "the route's URL", BOUND, told).await?;
        let nothing = json!({ "spec": {
            "networkPolicy": { "enabled": false }, "autoscaling": { "type": "None" }, "replicas": 1,
            "exposure": { "ingress": null, "httpRoute": null }, "disruptionBudget": { "enabled": false },
        } });
        api.merge(&path(namespace, "events"), &nothing).await?.success()?;
        for (group, plural) in KINDS {
            api.until(&format!("{}/events", namespace.path(group, plural)), "being deleted", BOUND, Value::is_null)
                .await?;
        }
        // Its pods don't run: two are one soon.
        api.until(&deployment, "one pod", BOUND, |object| object["status"]["replicas"] == 1).await?;
        let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "own" }, "stringData": { "token": "x".repeat(32) } });
        api.create(&namespace.path("v1", "secrets"), &secret).await?.success()?;
        let own = json!({ "spec": { "admin": { "token": { "name": "own", "key": "token" } } } });
        api.merge(&path(namespace, "events"), &own).await?.success()?;
        api.until(
            &format!("{}/events-admin", namespace.path("v1", "secrets")),
            "the token's end",
            BOUND,
            Value::is_null,
        )
        .await?;
        let reset = gateways::reset("reset", &json!({ "gateway": "none", "to": { "position": "Earliest" } }));
        let resets = namespace.path(VERSION, "eventsgatewayoffsetresets");
        api.create(&resets, &reset).await?.success()?;
        api.until(&format!("{resets}/reset"), "a status", BOUND, |reset| reset["status"]["conditions"].is_array())
            .await?;
        // Notices are given.
        let events = namespace.path("events.k8s.io/v1", "events");
        wait::until("a notice", BOUND, || async {
            let list = api.get(&events).await?.success()?.body;
            let all = list["items"].as_array().cloned().unwrap_or_default();
            Ok(all.iter().any(|event| event["reportingController"] == "eventsgateway.dev/operator").then_some(()))
        })
        .await
    };
    works.await.with_context(|| operator.log())?;
    let log = operator.log();
    // Namespaces of other tests may be about to end.
    let refused = log.lines().find(|line| line.contains("forbidden") && !line.contains("being terminated"));
    assert_eq!(refused, None, "{log}");
    Ok(())
}

#[tokio::test]
async fn the_operator_works_with_what_the_chart_grants() -> Result<()> {
    let control_plane = control_plane().await?;
    let api = control_plane.api()?;
    Family::GatewayApi.install(&api).await?;
    let helm = Helm::new(Release::Four, &control_plane.kubeconfig())?;
    for scope in ["cluster", "namespaces"] {
        let (home, place) = (Namespace::create(&api, "home").await?, Namespace::create(&api, "place").await?);
        let listed =
            if scope == "namespaces" { format!("--set namespaces={{{}}}", place.name()) } else { String::new() };
        let chart = chart("events-gateway-operator");
        helm.say(&format!("install rights-{scope} {chart} -n {} {VALUES} {listed}", home.name())).await?;
        let account = account(&api, &home).await?;
        let kubeconfig = control_plane.kubeconfig_of_account(home.name(), &account).await?;
        let settings = Settings {
            leader_election: true,
            lease: Some((format!("rights-{scope}-events-gateway-operator"), home.name().to_owned())),
            namespaces: if scope == "namespaces" { vec![place.name().to_owned()] } else { Vec::new() },
            image: "example.com/events-gateway:1".into(),
            ..Settings::default()
        };
        let operator = Operator::start(&kubeconfig, &settings).await?;
        works(&api, &place, &operator).await.with_context(|| scope.to_owned())?;
        drop(operator);
        helm.say(&format!("uninstall rights-{scope} -n {}", home.name())).await?;
    }
    Ok(())
}

/// The whole list, so that a right that is added is added here too, where somebody asks what it is for.
#[tokio::test]
async fn nothing_else_is_granted() -> Result<()> {
    let control_plane = control_plane().await?;
    let helm = Helm::new(Release::Three, &control_plane.kubeconfig())?;
    let chart = chart("events-gateway-operator");
    let text =
        helm.say(&format!("template x {chart} {VALUES} --show-only templates/rbac.yaml --kube-version 1.36.0")).await?;
    let documents: Vec<Value> = serde_saphyr::from_multiple(&text)?;
    let role = documents.iter().find(|one| one["kind"] == "ClusterRole").context("no role")?;
    let mut granted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for rule in role["rules"].as_array().context("no rules")? {
        let texts = |name: &str| {
            rule[name].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()
        };
        for (group, resource) in texts("apiGroups")
            .iter()
            .flat_map(|group| texts("resources").into_iter().map(move |one| (group.clone(), one)))
        {
            granted.entry(format!("{group}/{resource}")).or_default().extend(texts("verbs"));
        }
    }
    let read = ["list", "watch"].as_slice();
    let made = ["create", "get", "list", "patch", "watch"].as_slice();
    let all = ["create", "delete", "get", "list", "patch", "watch"].as_slice();
    let expected: BTreeMap<String, BTreeSet<String>> = [
        ("eventsgateway.dev/eventsgateways", read),
        ("eventsgateway.dev/eventsgatewayoffsetresets", read),
        ("eventsgateway.dev/eventsgateways/status", &["patch"]),
        ("eventsgateway.dev/eventsgatewayoffsetresets/status", &["patch"]),
        ("eventsgateway.dev/eventsgateways/finalizers", &["update"]),
        ("/services", made),
        ("/configmaps", made),
        ("/serviceaccounts", made),
        ("apps/deployments", made),
        ("/secrets", &["create", "delete", "get", "list", "watch"]),
        ("/pods", &["list", "patch", "watch"]),
        ("policy/poddisruptionbudgets", all),
        ("networking.k8s.io/ingresses", all),
        ("networking.k8s.io/networkpolicies", all),
        ("autoscaling/horizontalpodautoscalers", all),
        ("gateway.networking.k8s.io/httproutes", all),
        ("gateway.networking.k8s.io/gateways", &["get"]),
        ("monitoring.coreos.com/servicemonitors", all),
        ("monitoring.coreos.com/prometheusrules", all),
        ("keda.sh/scaledobjects", all),
        ("events.k8s.io/events", &["create", "patch"]),
    ]
    .map(|(resource, verbs)| (resource.to_owned(), verbs.iter().map(|verb| (*verb).to_owned()).collect()))
    .into();
    assert_eq!(granted, expected);
    Ok(())
}
