//! An API that a server of the suite answers for, through the API server: that of metrics.

use anyhow::Result;
use events_gateway_cluster::MetricsApi;
use serde_json::{Value, json};

use super::lab::{BOUND, lab};

#[tokio::test]
async fn an_aggregated_api_is_served_by_a_server_on_this_machine() -> Result<()> {
    let api = &lab().await?.api;
    let metrics = MetricsApi::start(api, "streams").await?;
    let root = "/apis/custom.metrics.k8s.io/v1beta2";
    let listed = |list: &Value| list["resources"][0]["name"] == "pods/streams";
    api.until(root, "its resources", BOUND, listed).await?;
    let of_pods = |metric: &str| format!("{root}/namespaces/default/pods/*/{metric}?labelSelector=app%3Dnone");
    let values = api.get(&of_pods("streams")).await?.success()?.body;
    assert_eq!((&values["kind"], &values["items"]), (&json!("MetricValueList"), &json!([])));
    assert_eq!(api.get(&of_pods("others")).await?.status, 404);
    metrics.end().await
}
