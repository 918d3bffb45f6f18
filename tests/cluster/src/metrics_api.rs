//! An API of custom metrics, as HorizontalPodAutoscalers ask it: `custom.metrics.k8s.io/v1beta2`, answered with what pods say of
//! themselves at that moment.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::{Context as _, Result};
use events_gateway_harness::certificates::Certificates;
use events_gateway_harness::{http, metrics, port};
use k8s_openapi::jiff::Timestamp;
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};

use crate::api::Api;
use crate::condition;
use crate::namespace::Namespace;

/// How long the API server may take to find it.
const BOUND: Duration = Duration::from_secs(60);
/// Its group and version.
const GROUP: &str = "custom.metrics.k8s.io/v1beta2";
/// Its registration.
const REGISTRATION: &str = "/apis/apiregistration.k8s.io/v1/apiservices/v1beta2.custom.metrics.k8s.io";
/// The port of a gateway that has metrics, by name.
const PORT: &str = "admin";

/// One metric of pods, through the API server. It answers until [`MetricsApi::end`].
pub struct MetricsApi {
    server: actix_web::dev::ServerHandle,
    api: Api,
    namespace: Namespace,
}

#[derive(Clone)]
struct Source {
    api: Api,
    metric: String,
}

impl MetricsApi {
    /// Serves `metric`, which pods have at `/metrics` of their admin port.
    ///
    /// # Errors
    /// When it can't listen, or the API server doesn't find it.
    pub async fn start(api: &Api, metric: &str) -> Result<Self> {
        let (port, certificates) = (port::free(), Certificates::new()?);
        let source = Source { api: api.clone(), metric: metric.to_owned() };
        let server = HttpServer::new(move || {
            let pods = format!("/apis/{GROUP}/namespaces/{{namespace}}/pods/*/{{metric}}");
            App::new()
                .app_data(web::Data::new(source.clone()))
                .route(&format!("/apis/{GROUP}"), web::get().to(resources))
                .route(&pods, web::get().to(values))
        })
        .workers(1)
        .disable_signals()
        .bind_rustls_0_23(("127.0.0.1", port), tls(&certificates)?)
        .context("failed to listen")?
        .run();
        let handle = server.handle();
        tokio::spawn(server);
        let namespace = Namespace::create(api, "metrics").await?;
        // A Service of this type leads to a name, so it needs neither a node nor an address that isn't loopback.
        let service = json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": { "name": "metrics" },
            "spec": { "type": "ExternalName", "externalName": "localhost" },
        });
        api.create(&namespace.path("v1", "services"), &service).await?.success()?;
        api.create("/apis/apiregistration.k8s.io/v1/apiservices", &registration(&namespace, port)).await?.success()?;
        api.until(REGISTRATION, "an available API", BOUND, |object| condition::is_true(object, "Available")).await?;
        Ok(Self { server: handle, api: api.clone(), namespace })
    }

    /// Ends it: namespaces can't go while an API is registered that nobody answers for.
    ///
    /// # Errors
    /// When the API server can't be asked.
    pub async fn end(self) -> Result<()> {
        self.api.delete(REGISTRATION).await?.success()?;
        self.server.stop(false).await;
        drop(self.namespace);
        Ok(())
    }
}

fn registration(namespace: &Namespace, port: u16) -> Value {
    json!({
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": { "name": "v1beta2.custom.metrics.k8s.io" },
        "spec": {
            "group": "custom.metrics.k8s.io",
            "version": "v1beta2",
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
            "insecureSkipTLSVerify": true,
            "service": { "name": "metrics", "namespace": namespace.name(), "port": port },
        },
    })
}

fn tls(certificates: &Certificates) -> Result<ServerConfig> {
    let certificate = CertificateDer::from_pem_file(certificates.server()).context("failed to read the certificate")?;
    let key = PrivateKeyDer::from_pem_file(certificates.server_key()).context("failed to read the key")?;
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key);
    config.context("failed to configure TLS")
}

async fn resources(source: web::Data<Source>) -> HttpResponse {
    HttpResponse::Ok().json(json!({
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": GROUP,
        "resources": [{
            "name": format!("pods/{}", source.metric),
            "kind": "MetricValueList",
            "namespaced": true,
            "singularName": "",
            "verbs": ["get"],
        }],
    }))
}

/// One value for each pod that runs.
async fn values(
    source: web::Data<Source>,
    place: web::Path<(String, String)>,
    query: web::Query<std::collections::HashMap<String, String>>,
) -> HttpResponse {
    let (namespace, metric) = place.into_inner();
    if metric != source.metric {
        return HttpResponse::NotFound().json(json!({ "kind": "Status", "status": "Failure", "code": 404 }));
    }
    let selector = query.get("labelSelector").cloned().unwrap_or_default();
    match of_pods(&source, &namespace, &selector).await {
        Ok(items) => HttpResponse::Ok().json(json!({
            "kind": "MetricValueList", "apiVersion": GROUP, "metadata": {}, "items": items,
        })),
        Err(error) => HttpResponse::ServiceUnavailable().body(format!("{error:#}")),
    }
}

async fn of_pods(source: &Source, namespace: &str, selector: &str) -> Result<Vec<Value>> {
    let selector = selector.replace('=', "%3D").replace(',', "%2C");
    let path = format!("/api/v1/namespaces/{namespace}/pods?labelSelector={selector}");
    let pods = source.api.get(&path).await?.success()?.body;
    let mut items = Vec::new();
    for pod in pods["items"].as_array().into_iter().flatten() {
        let Some(address) = address(pod) else { continue };
        let Ok(answer) = http::get(address, "/metrics").await else { continue };
        let value = metrics::sum(&answer.text(), &source.metric, &[]);
        let name = &pod["metadata"]["name"];
        items.push(json!({
            "describedObject": { "kind": "Pod", "namespace": namespace, "name": name, "apiVersion": "/v1" },
            "metric": { "name": source.metric },
            "timestamp": Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "value": format!("{value:.0}"),
        }));
    }
    Ok(items)
}

/// Where a pod's metrics are, once it runs.
fn address(pod: &Value) -> Option<SocketAddr> {
    let ip: IpAddr = pod["status"]["podIP"].as_str()?.parse().ok()?;
    let containers = pod["spec"]["containers"].as_array()?.iter();
    let mut ports = containers.flat_map(|container| container["ports"].as_array().into_iter().flatten());
    let port = ports.find(|port| port["name"] == PORT)?["containerPort"].as_u64()?;
    Some((ip, u16::try_from(port).ok()?).into())
}
