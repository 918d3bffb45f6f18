//! An Ingress, with what each controller needs so that streams flow: no buffering, and no time limit below a stream's age.

use std::collections::BTreeMap;

use events_gateway_resources::gateway::exposure::ingress::{Ingress as Wanted, IngressController, PathType};
use events_gateway_resources::text::{HostName, ObjectName};
use k8s_openapi::api::networking::v1::{
    HTTPIngressPath, HTTPIngressRuleValue, Ingress, IngressBackend, IngressRule, IngressServiceBackend, IngressSpec,
    IngressTLS, ServiceBackendPort,
};
use serde_json::Value;

use super::{metadata, pod};
use crate::kind::Kind;
use crate::names;
use crate::validate::Validated;

pub(super) fn ingress(gateway: &Validated) -> Option<Value> {
    let wanted = gateway.spec.exposure.ingress.as_ref()?;
    let hosts: Vec<String> = wanted.hosts.iter().map(|host| host.0.clone()).collect();
    let annotations = annotations(gateway, wanted.controller);
    let ingress = Ingress {
        metadata: metadata::with(gateway, names::main(&gateway.name), &wanted.metadata, annotations),
        spec: Some(IngressSpec {
            ingress_class_name: wanted.class_name.as_ref().map(|class| class.0.clone()),
            rules: Some(hosts.iter().map(|host| rule(gateway, wanted.path_type, host)).collect()),
            tls: tls(wanted),
            default_backend: None,
        }),
        status: None,
    };
    Some(super::object(Kind::Ingress, &ingress))
}

/// One certificate for all hosts, or several.
fn tls(wanted: &Wanted) -> Option<Vec<IngressTLS>> {
    let one = |hosts: &[HostName], secret: &ObjectName| IngressTLS {
        hosts: Some(hosts.iter().map(|host| host.0.clone()).collect()),
        secret_name: Some(secret.0.clone()),
    };
    let all = wanted.tls_secret_name.iter().map(|secret| one(&wanted.hosts, secret));
    let tls: Vec<IngressTLS> = all.chain(wanted.tls.iter().map(|tls| one(&tls.hosts, &tls.secret_name))).collect();
    (!tls.is_empty()).then_some(tls)
}

fn rule(gateway: &Validated, path_type: PathType, host: &str) -> IngressRule {
    let service = IngressServiceBackend {
        name: names::main(&gateway.name),
        port: Some(ServiceBackendPort { name: Some(pod::PUBLIC_PORT.into()), number: None }),
    };
    let path = HTTPIngressPath {
        path: Some(gateway.spec.listen.path_prefix.0.clone()),
        path_type: match path_type {
            PathType::Prefix => "Prefix",
            PathType::ImplementationSpecific => "ImplementationSpecific",
        }
        .into(),
        backend: IngressBackend { service: Some(service), resource: None },
    };
    IngressRule { host: Some(host.into()), http: Some(HTTPIngressRuleValue { paths: vec![path] }) }
}

/// What the controllers' own documentation names. Heartbeats keep a stream from ever being silent for long; the times are
/// those after which a stream has ended by itself.
fn annotations(gateway: &Validated, controller: IngressController) -> BTreeMap<String, String> {
    let seconds = gateway.spec.streams.max_age.get().as_secs() + 60;
    let pairs: Vec<(&str, String)> = match controller {
        // Traefik passes each write of an event stream on at once, and has no time limit for answers.
        IngressController::Generic | IngressController::Traefik => Vec::new(),
        IngressController::Haproxy => vec![
            // HAProxy Technologies' controller, and the community's.
            ("haproxy.org/timeout-server", format!("{seconds}s")),
            ("haproxy-ingress.github.io/timeout-server", format!("{seconds}s")),
        ],
        IngressController::Nginx => vec![
            // The community's controller, retired in March 2026, and F5's.
            ("nginx.ingress.kubernetes.io/proxy-buffering", "off".into()),
            ("nginx.ingress.kubernetes.io/proxy-read-timeout", seconds.to_string()),
            ("nginx.ingress.kubernetes.io/proxy-send-timeout", seconds.to_string()),
            ("nginx.org/proxy-buffering", "False".into()),
            ("nginx.org/proxy-read-timeout", format!("{seconds}s")),
            ("nginx.org/proxy-send-timeout", format!("{seconds}s")),
        ],
    };
    pairs.into_iter().map(|(key, value)| (key.into(), value)).collect()
}
