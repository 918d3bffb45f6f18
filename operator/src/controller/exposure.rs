//! Where clients reach a gateway, and what keeps them from it.

mod listener;

use events_gateway_operator_core::status::ExposureView;
use events_gateway_operator_core::{Kind, Validated, names};
use events_gateway_resources::gateway::exposure::service::ServiceType;
use k8s_openapi::api::core::v1::Service;
use kube::Api;
use kube::api::DynamicObject;
use serde_json::Value;

use super::error::Failure;
use crate::context::{Context, Key};
use listener::{Origin, listeners, origin};

/// Looks at what was made.
pub(crate) async fn exposure(context: &Context, key: &Key, gateway: &Validated) -> Result<ExposureView, Failure> {
    let mut view = ExposureView::default();
    let spec = &gateway.spec;
    let (prefix, wanted) = (&spec.listen.path_prefix.0, &spec.exposure);
    let scheme = if spec.listen.tls.is_some() { "https" } else { "http" };
    let url = |scheme: &'static str, host: &str, port| Origin { scheme, port }.url(host, prefix);
    let name = names::main(&key.1);
    view.endpoints.push(url(scheme, &format!("{name}.{}.svc", key.0), wanted.service.port));
    if wanted.service.kind == ServiceType::LoadBalancer {
        let services: Api<Service> = Api::namespaced(context.client.clone(), &key.0);
        let failed = |source| Failure::Read { what: format!("Service {name}"), source };
        let found = services.get_opt(&name).await.map_err(failed)?;
        let balancer = found.and_then(|found| found.status?.load_balancer?.ingress).unwrap_or_default();
        let hosts = balancer.iter().filter_map(|one| one.hostname.as_deref().or(one.ip.as_deref()));
        let urls: Vec<String> = hosts.map(|host| url(scheme, host, wanted.service.port)).collect();
        if urls.is_empty() {
            view.waiting.push("the load balancer has no address yet".into());
        }
        view.endpoints.extend(urls);
    }
    if let Some(ingress) = &wanted.ingress {
        // A controller need not write addresses into the status: what is asked for is what is told.
        let scheme = |host| if ingress.has_certificate(host) { "https" } else { "http" };
        let hosts = ingress.hosts.iter().filter(|host| !host.0.starts_with('*'));
        view.endpoints.extend(hosts.map(|host| format!("{}://{}{prefix}/events", scheme(host), host.0)));
    }
    if let Some(route) = &wanted.http_route {
        let missing = gateway.missing_kinds.iter().find(|(kind, _)| *kind == Kind::HttpRoute);
        match missing {
            Some((_, text)) => view.problems.push(text.clone()),
            None => accepted(context, key, &name, &mut view).await?,
        }
        let mut attached = Vec::new();
        for parent in &route.parents {
            attached.extend(listeners(context, key, parent).await);
        }
        let hosts = route.hosts.iter().filter(|host| !host.0.starts_with('*'));
        view.endpoints.extend(hosts.map(|host| origin(&attached, &host.0).url(&host.0, prefix)));
    }
    view.endpoints.sort();
    view.endpoints.dedup();
    Ok(view)
}

/// Whether the Gateways take the route.
async fn accepted(context: &Context, key: &Key, name: &str, view: &mut ExposureView) -> Result<(), Failure> {
    let routes: Api<DynamicObject> = Api::namespaced_with(context.client.clone(), &key.0, &Kind::HttpRoute.resource());
    let failed = |source| Failure::Read { what: format!("HTTPRoute {name}"), source };
    let found = routes.get_opt(name).await.map_err(failed)?;
    let parents = found.map(|found| found.data["status"]["parents"].clone()).unwrap_or(Value::Null);
    let parents = parents.as_array().cloned().unwrap_or_default();
    if parents.is_empty() {
        view.waiting.push("no Gateway has taken the HTTPRoute yet".into());
    }
    for parent in parents {
        let gateway = parent["parentRef"]["name"].as_str().unwrap_or_default();
        for condition in parent["conditions"].as_array().into_iter().flatten() {
            let kind = condition["type"].as_str().unwrap_or_default();
            if condition["status"] == "False" && ["Accepted", "ResolvedRefs"].contains(&kind) {
                let message = condition["message"].as_str().unwrap_or_default();
                view.problems.push(format!("Gateway {gateway} doesn't take the HTTPRoute: {message}"));
            }
        }
    }
    Ok(())
}
