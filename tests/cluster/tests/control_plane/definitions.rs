//! Custom resources of others.

use anyhow::Result;
use events_gateway_cluster::Family;

use super::lab::lab;

#[tokio::test]
async fn resources_of_others_are_served_once_they_are_installed() -> Result<()> {
    let api = &lab().await?.api;
    for family in Family::ALL {
        family.install(api).await?;
    }
    for (group, resource) in [
        ("gateway.networking.k8s.io/v1", "httproutes"),
        ("keda.sh/v1alpha1", "scaledobjects"),
        ("monitoring.coreos.com/v1", "servicemonitors"),
        ("monitoring.coreos.com/v1", "prometheusrules"),
    ] {
        api.get(&format!("/apis/{group}/{resource}")).await?.success()?;
    }
    Ok(())
}
