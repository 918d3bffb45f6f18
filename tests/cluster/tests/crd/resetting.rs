//! Offset resets: one-shot, never changed.

use anyhow::Result;
use serde_json::json;

use super::lab::{self, RESETS, reset};

#[tokio::test]
async fn an_offset_reset_can_not_be_changed() -> Result<()> {
    let api = lab::api().await?;
    api.create(RESETS, &reset("unchangeable")).await?.success()?;
    let path = format!("{RESETS}/unchangeable");
    for patch in [
        json!({ "spec": { "to": { "position": "Latest" } } }),
        json!({ "spec": { "dryRun": true } }),
        json!({ "spec": { "bindings": ["orders"] } }),
    ] {
        let answer = api.merge(&path, &patch).await?;
        assert_eq!(answer.status, 422, "{patch}");
        assert!(answer.message().contains("an offset reset can't be changed: delete it"), "{}", answer.message());
    }
    let labelled = api.merge(&path, &json!({ "metadata": { "labels": { "reviewed": "yes" } } })).await?;
    assert_eq!(labelled.status, 200, "labels are no part of what is carried out");
    Ok(())
}

#[tokio::test]
async fn its_status_changes_while_it_is_carried_out() -> Result<()> {
    let api = lab::api().await?;
    api.create(RESETS, &reset("carried-out")).await?.success()?;
    let status = json!({ "status": {
        "phase": "Setting",
        "records": -12,
        "partitions": [{ "topic": "t", "partition": 0, "binding": "events", "from": 7, "to": 0, "done": true }],
    } });
    let answer = api.merge(&format!("{RESETS}/carried-out/status"), &status).await?.success()?;
    assert_eq!((answer.warnings.len(), &answer.body["status"]["phase"]), (0, &json!("Setting")));
    let unknown = json!({ "status": { "phase": "Thinking" } });
    assert_eq!(api.merge(&format!("{RESETS}/carried-out/status"), &unknown).await?.status, 422);
    Ok(())
}
