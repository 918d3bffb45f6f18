//! An HTTPRoute of the Gateway API, whose requests may last for ever (GEP-1742: a time-out of zero is none).

use serde_json::{Value, json};

use super::metadata;
use crate::kind::Kind;
use crate::names;
use crate::validate::Validated;

pub(super) fn http_route(gateway: &Validated) -> Option<Value> {
    let wanted = gateway.spec.exposure.http_route.as_ref()?;
    let parents: Vec<Value> = wanted
        .parents
        .iter()
        .map(|parent| {
            let mut reference = json!({
                "group": "gateway.networking.k8s.io",
                "kind": "Gateway",
                "name": parent.name,
            });
            if let Some(namespace) = &parent.namespace {
                reference["namespace"] = json!(namespace);
            }
            if let Some(section) = &parent.section_name {
                reference["sectionName"] = json!(section);
            }
            if let Some(port) = parent.port {
                reference["port"] = json!(port);
            }
            reference
        })
        .collect();
    let mut spec = json!({
        "parentRefs": parents,
        "rules": [{
            "matches": [{ "path": { "type": "PathPrefix", "value": gateway.spec.listen.path_prefix } }],
            "timeouts": { "request": "0s", "backendRequest": "0s" },
            "backendRefs": [{
                "group": "",
                "kind": "Service",
                "name": names::main(&gateway.name),
                "port": gateway.spec.exposure.service.port,
                "weight": 1,
            }],
        }],
    });
    if !wanted.hosts.is_empty() {
        spec["hostnames"] = json!(wanted.hosts);
    }
    let metadata = metadata::with(gateway, names::main(&gateway.name), &wanted.metadata, [].into());
    Some(super::object(Kind::HttpRoute, &json!({ "metadata": metadata, "spec": spec })))
}
