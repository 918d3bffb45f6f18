//! A real ingress controller: Traefik, on this machine, for Ingress and HTTPRoute.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use events_gateway_harness::directory::Directory;
use events_gateway_harness::{Process, http, port};
use serde_json::{Value, json};

use crate::control_plane::ControlPlane;
use crate::definitions::Family;
use crate::kubectl::Kubectl;
use crate::program::program;

/// How long it may take to serve.
const BOUND: Duration = Duration::from_secs(60);

/// The name of its IngressClass and of its GatewayClass.
pub const CLASS: &str = "traefik";

/// Traefik. It connects to pods by their addresses, so it needs a [`crate::Cluster`].
#[derive(Debug)]
pub struct Traefik {
    process: Process,
    _directory: Directory,
    plain: u16,
    secure: u16,
}

impl Traefik {
    /// Starts it with its classes, and with the definitions of the Gateway API.
    ///
    /// # Errors
    /// When it isn't installed or doesn't come up.
    pub async fn start(control_plane: &ControlPlane) -> Result<Self> {
        Family::GatewayApi.install(&control_plane.api()?).await?;
        let kubectl = Kubectl::new(&control_plane.kubeconfig())?;
        kubectl.apply("default", &classes().to_string()).await?;

        let directory = Directory::new("traefik")?;
        let (plain, secure, ping) = (port::free(), port::free(), port::free());
        let mut command = Command::new(program("traefik")?);
        command.current_dir(directory.path()).env("KUBECONFIG", control_plane.kubeconfig());
        for (name, port) in [("web", plain), ("websecure", secure), ("ping", ping)] {
            command.arg(format!("--entrypoints.{name}.address=127.0.0.1:{port}"));
        }
        command
            .args(["--ping=true", "--ping.entrypoint=ping", "--log.level=INFO", "--log.nocolor=true"])
            .args(["--global.checknewversion=false", "--global.sendanonymoususage=false"])
            // What is listed for Ingresses and Gateways as their address.
            .args(["--providers.kubernetesingress=true", "--providers.kubernetesingress.ingressendpoint.ip=127.0.0.1"])
            .args(["--providers.kubernetesgateway=true", "--providers.kubernetesgateway.statusaddress.ip=127.0.0.1"]);
        let mut process = Process::start("traefik", command, &directory.join("traefik.log"))?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, ping));
        let serving = || async move {
            Ok(http::get(address, "/ping").await.is_ok_and(|answer| answer.status() == 200).then_some(()))
        };
        process.until("serving", BOUND, serving).await?;
        Ok(Self { process, _directory: directory, plain, secure })
    }

    /// Where it serves plain HTTP, for clients on this machine.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.plain).into()
    }

    /// Where it serves HTTPS.
    #[must_use]
    pub fn secure_address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.secure).into()
    }

    /// The end of its log, for a message about what didn't happen.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.tail()
    }

    /// A Gateway with a listener `web` at [`Traefik::address`], for HTTPRoutes of all namespaces.
    #[must_use]
    pub fn gateway(&self, name: &str) -> Value {
        json!({
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "Gateway",
            "metadata": { "name": name },
            "spec": {
                "gatewayClassName": CLASS,
                "listeners": [{
                    "name": "web",
                    "protocol": "HTTP",
                    // Traefik finds its entrypoint by this.
                    "port": self.plain,
                    "allowedRoutes": { "namespaces": { "from": "All" } },
                }],
            },
        })
    }
}

fn classes() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "List",
        "items": [
            {
                "apiVersion": "networking.k8s.io/v1",
                "kind": "IngressClass",
                "metadata": { "name": CLASS },
                "spec": { "controller": "traefik.io/ingress-controller" },
            },
            {
                "apiVersion": "gateway.networking.k8s.io/v1",
                "kind": "GatewayClass",
                "metadata": { "name": CLASS },
                "spec": { "controllerName": "traefik.io/gateway-controller" },
            },
        ],
    })
}
