//! Who may do what.

use anyhow::Result;
use events_gateway_cluster::{Api, Kubectl, Namespace};
use serde_json::json;

use super::lab::{VISITOR, lab};

#[tokio::test]
async fn a_user_may_do_what_a_role_of_its_group_says_and_nothing_else() -> Result<()> {
    let lab = lab().await?;
    let namespace = Namespace::create(&lab.api, "users").await?;
    let visitor = Api::connect(&lab.control_plane.kubeconfig_of(VISITOR))?;
    let (maps, secrets) = (namespace.path("v1", "configmaps"), namespace.path("v1", "secrets"));
    assert_eq!(visitor.get(&maps).await?.status, 403);

    let kubectl = Kubectl::new(&lab.control_plane.kubeconfig())?;
    let name = namespace.name();
    kubectl.say(&format!("-n {name} create role readers --verb=get,list --resource=configmaps")).await?;
    kubectl.say(&format!("-n {name} create rolebinding readers --role=readers --group=visitors")).await?;
    visitor.get(&maps).await?.success()?;
    assert_eq!(visitor.get(&secrets).await?.status, 403);
    Ok(())
}

#[tokio::test]
async fn a_service_account_is_who_its_kubeconfig_says() -> Result<()> {
    let lab = lab().await?;
    let namespace = Namespace::create(&lab.api, "accounts").await?;
    let account = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "robot" } });
    lab.api.create(&namespace.path("v1", "serviceaccounts"), &account).await?.success()?;
    let kubeconfig = lab.control_plane.kubeconfig_of_account(namespace.name(), "robot").await?;
    let said = Kubectl::new(&kubeconfig)?.say("auth whoami -o jsonpath={.status.userInfo.username}").await?;
    assert_eq!(said, format!("system:serviceaccount:{}:robot", namespace.name()));
    Ok(())
}

#[tokio::test]
async fn kubectl_shows_what_it_was_refused() -> Result<()> {
    let kubectl = Kubectl::new(&lab().await?.control_plane.kubeconfig_of(VISITOR))?;
    let refused = kubectl.say("get nodes").await.expect_err("nobody allowed it");
    assert!(format!("{refused:#}").contains("cannot list resource \"nodes\""), "{refused:#}");
    Ok(())
}
