//! What the API server makes of the definitions themselves.

use anyhow::Result;
use serde_json::Value;

use super::lab;

#[tokio::test]
async fn definitions_are_established_without_a_warning() -> Result<()> {
    // Warnings and NonStructuralSchema fail the lab.
    lab::api().await.map(drop)
}

#[tokio::test]
async fn a_table_of_gateways_has_the_columns_of_kubectl_get() -> Result<()> {
    let api = lab::api().await?;
    let resources = api.get("/apis/eventsgateway.dev/v1alpha1").await?.success()?.body["resources"].clone();
    let resources = resources.as_array().cloned().unwrap_or_default();
    let named = |name: &str| resources.iter().find(|resource| resource["name"] == name).cloned().unwrap_or(Value::Null);
    assert_eq!(named("eventsgateways")["shortNames"], serde_json::json!(["egw"]));
    assert_eq!(named("eventsgateways/scale")["kind"], "Scale");
    assert!(named("eventsgateways/status").is_object() && named("eventsgatewayoffsetresets/status").is_object());
    Ok(())
}
