//! What the controllers, the scheduler and admission do.

use anyhow::Result;
use events_gateway_cluster::Namespace;
use serde_json::{Value, json};

use super::lab::{BOUND, deployment, lab, pod_template};

fn items(list: &Value) -> Vec<Value> {
    list["items"].as_array().cloned().unwrap_or_default()
}

#[tokio::test]
async fn a_deployment_gets_pods_that_run_on_a_node() -> Result<()> {
    let api = &lab().await?.api;
    let namespace = Namespace::restricted(api, "workloads").await?;
    let deployments = namespace.path("apps/v1", "deployments");
    let created = api.create(&deployments, &deployment("web", 3)).await?.success()?;
    assert!(created.warnings.is_empty(), "{:?}", created.warnings);

    api.until(&format!("{deployments}/web"), "3 available", BOUND, |object| object["status"]["availableReplicas"] == 3)
        .await?;
    let pods = items(&api.get(&namespace.path("v1", "pods")).await?.success()?.body);
    assert_eq!(pods.len(), 3);
    for pod in &pods {
        assert_eq!(pod["status"]["phase"], "Running");
        assert_eq!(pod["metadata"]["ownerReferences"][0]["kind"], "ReplicaSet");
        assert!(pod["spec"]["nodeName"].as_str().is_some_and(|node| node.starts_with("simulated-")), "{pod:#}");
    }
    Ok(())
}

#[tokio::test]
async fn what_is_owned_goes_after_its_owner() -> Result<()> {
    let api = &lab().await?.api;
    let namespace = Namespace::create(api, "owned").await?;
    let maps = namespace.path("v1", "configmaps");
    let map = |name: &str, owners: Value| json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name, "ownerReferences": owners } });
    let owner = api.create(&maps, &map("owner", json!([]))).await?.success()?.body;
    let reference =
        json!([{ "apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"] }]);
    api.create(&maps, &map("owned", reference)).await?.success()?;

    api.delete(&format!("{maps}/owner")).await?.success()?;
    api.until(&format!("{maps}/owned"), "the end of what was owned", BOUND, Value::is_null).await?;
    Ok(())
}

#[tokio::test]
async fn a_restricted_namespace_refuses_a_pod_that_may_be_root() -> Result<()> {
    let api = &lab().await?.api;
    let namespace = Namespace::restricted(api, "restricted").await?;
    let mut pod = pod_template("root");
    pod["apiVersion"] = json!("v1");
    pod["kind"] = json!("Pod");
    pod["metadata"]["name"] = json!("root");
    pod["spec"]["securityContext"]["runAsNonRoot"] = json!(false);
    let answer = api.create(&namespace.path("v1", "pods"), &pod).await?;
    assert_eq!(answer.status, 403);
    assert!(answer.message().contains("violates PodSecurity \"restricted:latest\""), "{}", answer.message());
    Ok(())
}

#[tokio::test]
async fn a_dropped_namespace_goes_with_all_that_is_in_it() -> Result<()> {
    let api = &lab().await?.api;
    let namespace = Namespace::create(api, "dropped").await?;
    api.create(&namespace.path("apps/v1", "deployments"), &deployment("web", 1)).await?.success()?;
    let path = format!("/api/v1/namespaces/{}", namespace.name());
    drop(namespace);
    api.until(&path, "the namespace's end", BOUND, Value::is_null).await?;
    Ok(())
}
