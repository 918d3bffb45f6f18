//! What users are shown: the samples, and the manifest that installs the operator.

use anyhow::{Context as _, Result, ensure};
use events_gateway_cluster::Api;
use events_gateway_harness::tools;
use serde_json::{Value, json};

use super::lab;

/// The objects of a YAML file; what is no object of Kubernetes is passed over.
fn objects(path: &std::path::Path) -> Result<Vec<Value>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))?;
    let mut texts = vec![String::new()];
    for line in text.lines() {
        match line {
            "---" => texts.push(String::new()),
            _ => texts.last_mut().expect("there is one").extend([line, "\n"]),
        }
    }
    let values = texts.iter().map(|text| serde_saphyr::from_str::<Value>(text).context("failed to parse"));
    let values = values.collect::<Result<Vec<_>>>().with_context(|| path.display().to_string())?;
    Ok(values.into_iter().filter(|value| value["apiVersion"].is_string()).collect())
}

/// The collection that an object belongs to.
fn collection(object: &Value) -> Result<String> {
    let version = object["apiVersion"].as_str().context("no version")?;
    let kind = object["kind"].as_str().context("no kind")?.to_lowercase();
    let group = if version.contains('/') { format!("/apis/{version}") } else { format!("/api/{version}") };
    let namespace = match (object["metadata"]["namespace"].as_str(), kind.as_str()) {
        (Some(namespace), _) => format!("/namespaces/{namespace}"),
        (None, "eventsgateway" | "eventsgatewayoffsetreset") => "/namespaces/default".into(),
        (None, _) => String::new(),
    };
    Ok(format!("{group}{namespace}/{kind}s"))
}

async fn make_namespace(api: &Api, name: &str) -> Result<()> {
    let object = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
    api.apply(&format!("/api/v1/namespaces/{name}"), &object).await?.success()?;
    Ok(())
}

/// Creates the object without keeping it; names that nobody knows are errors.
async fn accepted(api: &Api, object: &Value) -> Result<Value> {
    let path = format!("{}?dryRun=All&fieldValidation=Strict", collection(object)?);
    let answer = api.create(&path, object).await?.success()?;
    ensure!(answer.warnings.is_empty(), "{:?}", answer.warnings);
    Ok(answer.body)
}

#[tokio::test]
async fn every_sample_is_accepted_without_a_warning() -> Result<()> {
    let api = lab::api().await?;
    make_namespace(&api, "events").await?;
    let mut kinds = Vec::new();
    for entry in std::fs::read_dir(tools::checkout().join("deploy/samples/kubernetes"))? {
        let path = entry?.path();
        if path.extension().is_none_or(|ending| ending != "yaml") {
            continue;
        }
        for object in objects(&path)? {
            let name = path.display();
            let made = accepted(&api, &object).await.with_context(|| format!("{name} isn't accepted"))?;
            // Whoever applied it again would undo what the autoscaler did.
            let is_autoscaled = !["None", ""].contains(&made["spec"]["autoscaling"]["type"].as_str().unwrap_or(""));
            ensure!(!is_autoscaled || object["spec"].get("replicas").is_none(), "{name} sets replicas");
            kinds.push(object["kind"].as_str().unwrap_or_default().to_owned());
        }
    }
    assert!(kinds.len() >= 7, "{kinds:?}");
    assert!(kinds.iter().any(|kind| kind == "EventsGatewayOffsetReset"), "{kinds:?}");
    Ok(())
}

#[tokio::test]
async fn a_field_that_nobody_knows_is_refused() -> Result<()> {
    let api = lab::api().await?;
    let object = lab::with(lab::gateway("misspelt"), &[("/spec/replica_count", json!(3))]);
    let error = accepted(&api, &object).await.expect_err("it is refused").to_string();
    assert!(error.contains("unknown field \"spec.replica_count\""), "{error}");
    Ok(())
}

/// The namespace warns of pods that aren't restricted, so that silence is the admission's own word for it.
#[tokio::test]
async fn the_manifest_is_accepted_and_its_pods_are_restricted() -> Result<()> {
    let api = lab::api().await?;
    let objects = objects(&tools::checkout().join("deploy/install.yaml"))?;
    let (namespaces, others): (Vec<_>, Vec<_>) = objects.iter().partition(|object| object["kind"] == "Namespace");
    let [namespace] = namespaces[..] else { anyhow::bail!("{} namespaces", namespaces.len()) };
    let name = namespace["metadata"]["name"].as_str().context("no name")?;
    let path = format!("/api/v1/namespaces/{name}");
    api.apply(&path, namespace).await?.success()?;
    let definitions = others.iter().filter(|object| object["kind"] == "CustomResourceDefinition").count();
    assert_eq!(definitions, 2);
    for object in others {
        // The definitions are there already.
        if object["kind"] != "CustomResourceDefinition" {
            accepted(&api, object).await.with_context(|| format!("{} isn't accepted", object["kind"]))?;
        }
    }

    let deployment = objects.iter().find(|object| object["kind"] == "Deployment").context("no Deployment")?;
    let container = "/spec/template/spec/containers/0/securityContext";
    let lax = lab::with(deployment.clone(), &[(container, json!({ "allowPrivilegeEscalation": true }))]);
    let error = accepted(&api, &lax).await.expect_err("it is warned of").to_string();
    assert!(error.contains("would violate PodSecurity"), "{error}");
    Ok(())
}
