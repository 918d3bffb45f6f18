//! The scale subresource, through which autoscalers act.

use anyhow::Result;
use serde_json::json;

use super::lab::{self, GATEWAYS, gateway};

#[tokio::test]
async fn scale_shows_what_status_says_and_writes_the_spec() -> Result<()> {
    let api = lab::api().await?;
    api.create(GATEWAYS, &gateway("scaled")).await?.success()?;
    let path = format!("{GATEWAYS}/scaled");
    let status = json!({ "status": { "replicas": 2, "selector": "app.kubernetes.io/instance=scaled" } });
    api.merge(&format!("{path}/status"), &status).await?.success()?;

    let mut scale = api.get(&format!("{path}/scale")).await?.success()?.body;
    assert_eq!(scale["spec"]["replicas"], 2, "absent replicas are filled in: an autoscaler takes 0 for switched off");
    assert_eq!(scale["status"], json!({ "replicas": 2, "selector": "app.kubernetes.io/instance=scaled" }));

    scale["spec"]["replicas"] = json!(5);
    api.replace(&format!("{path}/scale"), &scale).await?.success()?;
    let gateway = api.get(&path).await?.success()?.body;
    assert_eq!((&gateway["spec"]["replicas"], &gateway["status"]["replicas"]), (&json!(5), &json!(2)));
    Ok(())
}

#[tokio::test]
async fn a_count_out_of_bounds_is_refused_at_scale_too() -> Result<()> {
    let api = lab::api().await?;
    api.create(GATEWAYS, &gateway("scaled-too-far")).await?.success()?;
    let path = format!("{GATEWAYS}/scaled-too-far/scale");
    let mut scale = api.get(&path).await?.success()?.body;
    scale["spec"]["replicas"] = json!(1_001);
    let answer = api.replace(&path, &scale).await?;
    assert_eq!(answer.status, 422, "{}", answer.message());
    Ok(())
}
