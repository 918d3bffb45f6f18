//! What a Gateway's listeners say of the URLs that clients come through.

use events_gateway_resources::gateway::exposure::http_route::ParentReference;
use kube::Api;
use kube::api::{ApiResource, DynamicObject};
use serde_json::Value;

use crate::context::{Context, Key};

/// Scheme and port of a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Origin {
    pub(super) scheme: &'static str,
    pub(super) port: i32,
}

impl Origin {
    /// The URL of a host's streams; its port only where it isn't the scheme's own.
    pub(super) fn url(self, host: &str, prefix: &str) -> String {
        let Self { scheme, port } = self;
        let port = if port == if scheme == "https" { 443 } else { 80 } { String::new() } else { format!(":{port}") };
        format!("{scheme}://{host}{port}{prefix}/events")
    }
}

/// What is told of a Gateway that can't be read, as in another namespace than the operator's.
pub(super) const USUAL: Origin = Origin { scheme: "https", port: 443 };

/// The listeners that a route of the resource `key` is attached to by `parent`; none when its Gateway can't be read.
pub(super) async fn listeners(context: &Context, key: &Key, parent: &ParentReference) -> Vec<Value> {
    let namespace = parent.namespace.as_ref().map_or(key.0.as_str(), |namespace| namespace.0.as_str());
    let resource = ApiResource {
        group: "gateway.networking.k8s.io".into(),
        version: "v1".into(),
        api_version: "gateway.networking.k8s.io/v1".into(),
        kind: "Gateway".into(),
        plural: "gateways".into(),
    };
    let gateways: Api<DynamicObject> = Api::namespaced_with(context.client.clone(), namespace, &resource);
    let name = &parent.name.0;
    match gateways.get_opt(name).await {
        Ok(found) => found.map_or_else(Vec::new, |gateway| attached(&gateway.data["spec"]["listeners"], parent)),
        Err(error) => {
            tracing::debug!(namespace, name, %error, "failed to read a Gateway: its listeners are taken for https");
            Vec::new()
        }
    }
}

/// Those of a Gateway's listeners that a parent reference means.
fn attached(listeners: &Value, parent: &ParentReference) -> Vec<Value> {
    let meant = |listener: &&Value| {
        parent.section_name.as_ref().is_none_or(|name| listener["name"] == name.0.as_str())
            && parent.port.is_none_or(|port| listener["port"] == port)
    };
    listeners.as_array().into_iter().flatten().filter(meant).cloned().collect()
}

/// Where clients come in for a host: encrypted, if any of the listeners that serve it is.
pub(super) fn origin(listeners: &[Value], host: &str) -> Origin {
    let serving = listeners.iter().filter(|listener| serves(listener["hostname"].as_str().unwrap_or_default(), host));
    let origins = serving.filter_map(|listener| {
        let scheme = match listener["protocol"].as_str()? {
            "HTTPS" => "https",
            "HTTP" => "http",
            _ => return None,
        };
        Some(Origin { scheme, port: i32::try_from(listener["port"].as_i64()?).ok()? })
    });
    origins.min_by_key(|origin| (origin.scheme == "http", origin.port)).unwrap_or(USUAL)
}

/// Whether a listener's host name, which may be empty or begin with `*.`, takes in a host (Gateway API, `Listener.hostname`).
fn serves(listener: &str, host: &str) -> bool {
    match listener.strip_prefix('*') {
        Some(suffix) => host.len() > suffix.len() && host.ends_with(suffix),
        None => listener.is_empty() || listener == host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(parent: Value, host: &str) -> (&'static str, i32) {
        let listeners = json!([
            { "name": "plain", "protocol": "HTTP", "port": 80 },
            { "name": "side", "protocol": "HTTP", "port": 8080 },
            { "name": "secure", "protocol": "HTTPS", "port": 8443, "hostname": "*.example.org" },
            { "name": "own", "protocol": "HTTPS", "port": 443, "hostname": "own.example.net" },
            { "name": "raw", "protocol": "TCP", "port": 9000 },
        ]);
        let parent: ParentReference = serde_json::from_value(parent).unwrap();
        let origin = origin(&attached(&listeners, &parent), host);
        (origin.scheme, origin.port)
    }

    #[test]
    fn a_url_is_that_of_the_listener_that_serves_the_host() {
        let any = || json!({ "name": "web" });
        assert_eq!(told(any(), "events.example.org"), ("https", 8443), "encrypted before plain");
        assert_eq!(told(any(), "example.org"), ("http", 80), "a wildcard stands for one label at least");
        assert_eq!(told(any(), "own.example.net"), ("https", 443));
        assert_eq!(told(json!({ "name": "web", "sectionName": "plain" }), "events.example.org"), ("http", 80));
        assert_eq!(told(json!({ "name": "web", "port": 8080 }), "events.example.org"), ("http", 8080));
    }

    #[test]
    fn without_a_listener_that_serves_it_a_url_is_https() {
        for parent in
            [json!({ "name": "web", "sectionName": "raw" }), json!({ "name": "web", "sectionName": "absent" })]
        {
            assert_eq!(told(parent, "events.example.org"), ("https", 443));
        }
    }
}
