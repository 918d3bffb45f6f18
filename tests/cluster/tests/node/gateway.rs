//! A gateway as a pod, with the servers that it needs on this machine.

use anyhow::Result;
use events_gateway_cluster::Cluster;
use events_gateway_harness::{Kafka, kafka, redis};
use serde_json::{Value, json};

/// The image's name.
pub(crate) const IMAGE: &str = "example.com/events-gateway:test";

/// Kafka and Redis, which pods of one node reach.
pub(crate) struct Servers {
    _kafka: Kafka,
    _redis: redis::Server,
    config: Value,
}

impl Servers {
    pub(crate) async fn start(cluster: &Cluster) -> Result<Self> {
        let host = cluster.node.host();
        let kafka = Kafka::with(&kafka::Settings { outside: Some(host), ..kafka::Settings::default() }).await?;
        let open = redis::Settings::default().set("bind", &format!("127.0.0.1 {host}")).set("protected-mode", "no");
        let server = redis::Server::with(&open).await?;
        let config = json!({
            "listen": { "address": "0.0.0.0" },
            "admin": { "address": "0.0.0.0" },
            "kafka": {
                "bootstrap": [kafka.outside()],
                "bindings": [{ "name": "events", "topics": ["events"], "groupId": "node" }],
            },
            "redis": { "nodes": [format!("{host}:{}", server.port())] },
            "drain": { "timeout": "10s" },
        });
        kafka.create_topic("events", 1).await?;
        Ok(Self { _kafka: kafka, _redis: server, config })
    }

    /// The gateway's configuration, as pods mount it.
    pub(crate) fn config(&self) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": { "name": "config" },
            "data": { "config.yaml": self.config.to_string() },
        })
    }
}

/// A pod of the gateway that the strictest admission takes, with a finalizer, so that its end can be looked at.
pub(crate) fn pod() -> Value {
    let probe = |path: &str| json!({ "httpGet": { "path": path, "port": "admin" }, "periodSeconds": 1 });
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": "gateway", "labels": { "app": "gateway" }, "finalizers": ["example.com/looked-at"] },
        "spec": {
            "automountServiceAccountToken": false,
            "terminationGracePeriodSeconds": 30,
            "securityContext": {
                "runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": { "type": "RuntimeDefault" },
            },
            "containers": [{
                "name": "gateway",
                "image": IMAGE,
                "args": ["run", "--config", "/etc/events-gateway/config.yaml"],
                "ports": [{ "name": "http", "containerPort": 8080 }, { "name": "admin", "containerPort": 9090 }],
                "readinessProbe": probe("/ready"),
                "livenessProbe": probe("/live"),
                "lifecycle": { "preStop": { "sleep": { "seconds": 2 } } },
                "securityContext": {
                    "allowPrivilegeEscalation": false,
                    "readOnlyRootFilesystem": true,
                    "capabilities": { "drop": ["ALL"] },
                },
                "volumeMounts": [{ "name": "config", "mountPath": "/etc/events-gateway" }],
            }],
            "volumes": [{ "name": "config", "configMap": { "name": "config" } }],
        },
    })
}

/// A Service of the pod's admin listener.
pub(crate) fn service() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": { "name": "gateway" },
        "spec": { "selector": { "app": "gateway" }, "ports": [{ "port": 90, "targetPort": "admin" }] },
    })
}
