//! Install, upgrade, rollback, uninstall; and a release that holds the resource itself while an autoscaler writes to it.

use anyhow::Result;
use events_gateway_cluster::gateways::{VERSION, gateway};
use events_gateway_cluster::helm::{Helm, Release};
use events_gateway_cluster::{Kubectl, Namespace};
use events_gateway_harness::directory::Directory;
use serde_json::{Value, json};

use super::lab::{BOUND, VALUES, chart, control_plane, path};

async fn lives(release: Release) -> Result<()> {
    let control_plane = control_plane().await?;
    let api = control_plane.api()?;
    let helm = Helm::new(release, &control_plane.kubeconfig())?;
    let namespace = Namespace::restricted(&api, release.program()).await?;
    let (name, operator, release) = (namespace.name(), chart("events-gateway-operator"), release.program());
    let deployment = format!("{}/{release}-events-gateway-operator", namespace.path("apps/v1", "deployments"));

    helm.say(&format!("install {release} {operator} -n {name} {VALUES}")).await?;
    let made = api.until(&deployment, "the operator", BOUND, Value::is_object).await?;
    // Nothing changes when nothing changes.
    helm.say(&format!("upgrade {release} {operator} -n {name} {VALUES}")).await?;
    let same = api.get(&deployment).await?.success()?.body;
    assert_eq!(same["metadata"]["generation"], made["metadata"]["generation"]);
    api.create(&namespace.path(VERSION, "eventsgateways"), &gateway("kept", &json!({}))).await?.success()?;

    helm.say(&format!("upgrade {release} {operator} -n {name} {VALUES} --set replicas=3")).await?;
    api.until(&deployment, "three", BOUND, |object| object["spec"]["replicas"] == 3).await?;
    helm.say(&format!("rollback {release} 1 -n {name}")).await?;
    api.until(&deployment, "one again", BOUND, |object| object["spec"]["replicas"] == 1).await?;
    helm.say(&format!("uninstall {release} -n {name}")).await?;
    api.until(&deployment, "its end", BOUND, Value::is_null).await?;
    assert_eq!(api.get(&path(&namespace, "kept")).await?.status, 200, "the gateways stay");
    Ok(())
}

#[tokio::test]
async fn the_operators_chart_lives_under_helm_3() -> Result<()> {
    lives(Release::Three).await
}

#[tokio::test]
async fn the_operators_chart_lives_under_helm_4() -> Result<()> {
    lives(Release::Four).await
}

#[tokio::test]
async fn unknown_values_are_refused_by_name() -> Result<()> {
    let control_plane = control_plane().await?;
    for release in Release::ALL {
        let helm = Helm::new(release, &control_plane.kubeconfig())?;
        let refused = helm.say(&format!("template x {} --set replcias=2", chart("events-gateway-operator"))).await;
        let refused = format!("{:#}", refused.expect_err("a value that isn't known"));
        assert!(refused.contains("replcias"), "{refused}");
    }
    Ok(())
}

/// A release that holds a gateway without `replicas`: what an autoscaler writes is nobody's conflict.
#[tokio::test]
async fn helm_4_upgrades_a_gateway_that_an_autoscaler_writes_to() -> Result<()> {
    let control_plane = control_plane().await?;
    let api = control_plane.api()?;
    let helm = Helm::new(Release::Four, &control_plane.kubeconfig())?;
    let kubectl = Kubectl::new(&control_plane.kubeconfig())?;
    let namespace = Namespace::create(&api, "autoscaled").await?;
    let directory = Directory::new("chart")?;
    std::fs::create_dir_all(directory.join("templates"))?;
    directory.write("Chart.yaml", "apiVersion: v2\nname: events\nversion: 1.0.0\n")?;
    directory.write("values.yaml", "level: info\n")?;
    let object = gateway(
        "events",
        &json!({
            "autoscaling": { "type": "HPA", "maxReplicas": 9 }, "log": { "level": "LEVEL" },
        }),
    );
    directory.write("templates/gateway.yaml", &object.to_string().replace("LEVEL", "{{ .Values.level }}"))?;
    let (name, release) = (namespace.name(), directory.path().display());
    helm.say(&format!("install events {release} -n {name}")).await?;
    kubectl.say(&format!("-n {name} scale egw/events --replicas=7")).await?;
    helm.say(&format!("upgrade events {release} -n {name} --set level=debug")).await?;
    let found = api.get(&path(&namespace, "events")).await?.success()?.body;
    assert_eq!((&found["spec"]["replicas"], &found["spec"]["log"]["level"]), (&json!(7), &json!("debug")));
    Ok(())
}
