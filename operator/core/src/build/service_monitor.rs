//! Where Prometheus finds the replicas' metrics.

use serde_json::{Value, json};

use super::{metadata, pod, service};
use crate::kind::Kind;
use crate::validate::Validated;
use crate::{labels, names};

pub(super) fn service_monitor(gateway: &Validated) -> Option<Value> {
    let wanted = &gateway.spec.monitoring.service_monitor;
    if !wanted.enabled {
        return None;
    }
    let mut selector = labels::selector(&gateway.name);
    selector.insert(labels::LISTENER.into(), service::ADMIN.into());
    let monitor = json!({
        "metadata": metadata::with(gateway, names::main(&gateway.name), &wanted.metadata, [].into()),
        "spec": {
            "selector": { "matchLabels": selector },
            "endpoints": [{
                "port": pod::ADMIN_PORT,
                "path": "/metrics",
                // Dashboards and alerts tell gateways apart by it.
                "relabelings": [{
                    "sourceLabels": ["__meta_kubernetes_service_label_app_kubernetes_io_instance"],
                    "targetLabel": "gateway",
                }],
                "interval": format!("{}s", wanted.interval.get().as_secs()),
            }],
        },
    });
    Some(super::object(Kind::ServiceMonitor, &monitor))
}
