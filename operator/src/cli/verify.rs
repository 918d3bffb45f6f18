//! `verify`: what `helm test` runs, in the image that is there anyway.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, Client};
use tokio::time::{Instant, sleep};

pub(super) const EXAMPLES: &str = "Example:
  events-gateway-operator verify --pods app.kubernetes.io/name=events-gateway-operator --port 8081";

/// How often is looked again.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The operator's pods, by labels.
    #[arg(long, default_value = "app.kubernetes.io/name=events-gateway-operator", value_name = "SELECTOR")]
    pods: String,
    /// Their admin port.
    #[arg(long, default_value_t = 8081, value_name = "PORT")]
    port: u16,
    /// The namespace that they run in.
    #[arg(long, env = "POD_NAMESPACE", default_value = "default", value_name = "NAMESPACE")]
    namespace: String,
    /// How long all of it may take to come up.
    #[arg(long, default_value = "60s", value_parser = humantime::parse_duration, value_name = "DURATION")]
    timeout: Duration,
}

pub(super) fn verify(options: &Options) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("failed to start")?;
    let _ = rustls::crypto::ring::default_provider().install_default();
    runtime.block_on(async {
        let client = Client::try_default().await.context("failed to find the cluster")?;
        let until = Instant::now() + options.timeout;
        loop {
            match look(&client, options).await {
                Ok(found) => {
                    found.iter().for_each(|line| println!("{line}"));
                    return Ok(());
                }
                Err(error) if Instant::now() + PAUSE >= until => return Err(error),
                Err(_) => sleep(PAUSE).await,
            }
        }
    })
}

async fn look(client: &Client, options: &Options) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let served = client.list_api_group_resources("eventsgateway.dev/v1alpha1").await;
    let served = served.context("the definitions aren't served: install events-gateway-crds, or set crds.install")?;
    for kind in ["EventsGateway", "EventsGatewayOffsetReset"] {
        ensure!(served.resources.iter().any(|resource| resource.kind == kind), "{kind} isn't served");
        found.push(format!("{kind} is served"));
    }
    let pods: Api<Pod> = Api::namespaced(client.clone(), &options.namespace);
    let list = pods.list(&ListParams::default().labels(&options.pods)).await.context("failed to list pods")?;
    let running = list.items.into_iter().filter(|pod| pod.metadata.deletion_timestamp.is_none());
    let running: Vec<Pod> = running.collect();
    if running.is_empty() {
        bail!("no pods with {} in {}", options.pods, options.namespace);
    }
    for pod in running {
        let name = pod.metadata.name.unwrap_or_default();
        let address = pod.status.and_then(|status| status.pod_ip).context("a pod has no address yet")?;
        let address: IpAddr = address.parse().context("a pod's address is none")?;
        let url = format!("http://{}/ready", SocketAddr::new(address, options.port));
        let ready = tokio::task::spawn_blocking(move || agent().get(&url).call()).await.context("failed to ask")?;
        ready.with_context(|| format!("pod {name} isn't ready"))?;
        found.push(format!("pod {name} is ready"));
    }
    Ok(found)
}

/// Asks this very address, and not for long.
fn agent() -> ureq::Agent {
    let config =
        ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(5))).max_redirects(0).proxy(None);
    config.build().into()
}
