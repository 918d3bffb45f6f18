//! An API that a server of the suite answers for, through the API server: as one of metrics would be.

use std::process::Command;

use anyhow::{Context as _, Result};
use events_gateway_cluster::{Namespace, condition};
use events_gateway_harness::certificates::Certificates;
use events_gateway_harness::directory::Directory;
use events_gateway_harness::{Process, port, tools};
use serde_json::{Value, json};

use super::lab::{BOUND, lab};

/// A server of files over TLS: what is asked for is a whole answer, head and body.
fn serve(directory: &Directory, certificates: &Certificates, port: u16) -> Result<Process> {
    let resources = json!({
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": "aggregated.example.com/v1",
        "resources": [{ "name": "counts", "kind": "Count", "namespaced": true, "singularName": "", "verbs": ["get"] }],
    });
    std::fs::create_dir_all(directory.join("apis/aggregated.example.com")).context("failed to create a directory")?;
    let answer = format!("HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{resources}");
    directory.write("apis/aggregated.example.com/v1", &answer)?;
    let mut command = Command::new(tools::program("openssl")?);
    command.current_dir(directory.path()).args([
        "s_server",
        "-HTTP",
        "-quiet",
        "-accept",
        &format!("127.0.0.1:{port}"),
    ]);
    command.arg("-cert").arg(certificates.server()).arg("-key").arg(certificates.server_key());
    Process::start("an aggregated API", command, &directory.join("server.log"))
}

#[tokio::test]
async fn an_aggregated_api_is_served_by_a_server_on_this_machine() -> Result<()> {
    let api = &lab().await?.api;
    let namespace = Namespace::create(api, "aggregated").await?;
    let (directory, certificates, port) = (Directory::new("aggregated")?, Certificates::new()?, port::free());
    let _server = serve(&directory, &certificates, port)?;
    // A Service of this type leads to a name, so it needs neither a node nor an address that isn't loopback.
    let service = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": { "name": "counts" },
        "spec": { "type": "ExternalName", "externalName": "localhost" },
    });
    api.create(&namespace.path("v1", "services"), &service).await?.success()?;
    let registration = json!({
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": { "name": "v1.aggregated.example.com" },
        "spec": {
            "group": "aggregated.example.com",
            "version": "v1",
            "groupPriorityMinimum": 1000,
            "versionPriority": 10,
            "insecureSkipTLSVerify": true,
            "service": { "name": "counts", "namespace": namespace.name(), "port": port },
        },
    });
    let path = "/apis/apiregistration.k8s.io/v1/apiservices";
    api.create(path, &registration).await?.success()?;
    let path = format!("{path}/v1.aggregated.example.com");
    api.until(&path, "an available API", BOUND, |object| condition::is_true(object, "Available")).await?;
    let listed = |list: &Value| list["resources"][0]["kind"] == "Count";
    api.until("/apis/aggregated.example.com/v1", "its resources", BOUND, listed).await?;
    // Namespaces can't go while an API is registered that nobody answers for.
    api.delete(&path).await?.success().map(drop)
}
