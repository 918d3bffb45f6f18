//! etcd and kube-apiserver as processes, with nothing in them; and the controllers, for suites that need them.

pub(crate) mod access;
mod commands;
pub mod settings;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use events_gateway_harness::directory::Directory;
use events_gateway_harness::process::Signal;
use events_gateway_harness::{Process, port, wait};
use serde_json::json;

pub use settings::{Network, Settings, User};

use self::access::{ADMINISTRATOR, Access, kubeconfig_name};
use self::commands::Plan;
use crate::api::Api;

/// How long the API server may take to be ready; it takes 3 s on two idle cores.
const BOUND: Duration = Duration::from_secs(90);

/// How long a token of a service account is good for: longer than any suite runs.
const TOKEN_LIFE: Duration = Duration::from_secs(24 * 3600);

/// A control plane. Dropping it kills it and removes its data.
#[derive(Debug)]
pub struct ControlPlane {
    controllers: Vec<Process>,
    api_server: Option<Process>,
    _etcd: Process,
    access: Access,
    settings: Settings,
    store: u16,
    port: u16,
    directory: Directory,
}

impl ControlPlane {
    /// Starts an API server, and nothing that acts on what it holds: quick, and enough to test definitions.
    ///
    /// # Errors
    /// When the programs aren't installed or don't come up; the log's tail is part of the message.
    pub async fn start() -> Result<Self> {
        Self::with(&Settings::default()).await
    }

    /// Starts a whole control plane: with the controller manager and the scheduler.
    ///
    /// # Errors
    /// As [`ControlPlane::start`].
    pub async fn with_controllers() -> Result<Self> {
        Self::with(&Settings { controllers: true, ..Settings::default() }).await
    }

    /// Starts one with these settings and waits until it is ready.
    ///
    /// # Errors
    /// As [`ControlPlane::start`].
    pub async fn with(settings: &Settings) -> Result<Self> {
        let settings = settings.clone();
        let directory = Directory::new("control-plane")?;
        let (store, port) = (port::free(), port::free());
        let access = Access::new(&settings.network, port)?;
        access.write(&directory, &settings)?;
        let plan = Plan { directory: &directory, access: &access, settings: &settings, store, port };
        let etcd = Process::start("etcd", plan.etcd()?, &directory.join("etcd.log"))?;
        let controllers = Vec::new();
        let mut this = Self { controllers, api_server: None, _etcd: etcd, access, settings, store, port, directory };
        this.resume_api_server().await?;
        if this.settings.controllers {
            this.start_controllers().await?;
        }
        Ok(this)
    }

    /// The administrator's kubeconfig.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.kubeconfig_of(ADMINISTRATOR)
    }

    /// The kubeconfig of a user whom the [`Settings`] name.
    #[must_use]
    pub fn kubeconfig_of(&self, user: &str) -> PathBuf {
        self.directory.join(&kubeconfig_name(user))
    }

    /// A kubeconfig of a service account, with a token as its pods would get it.
    ///
    /// # Errors
    /// When there is no such account.
    pub async fn kubeconfig_of_account(&self, namespace: &str, name: &str) -> Result<PathBuf> {
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token");
        let request = json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": { "expirationSeconds": TOKEN_LIFE.as_secs() },
        });
        let answer = self.api()?.create(&path, &request).await?.success()?;
        let token = answer.body["status"]["token"].as_str().context("the API server gave no token")?;
        self.access.kubeconfig(&self.directory, &format!("{namespace}/{name}"), token)
    }

    /// A client as the administrator.
    ///
    /// # Errors
    /// When the kubeconfig can't be read.
    pub fn api(&self) -> Result<Api> {
        Api::connect(&self.kubeconfig())
    }

    /// Where the API server answers.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}:{}", self.settings.network.address, self.port)
    }

    /// The addresses that it was started with.
    #[must_use]
    pub fn network(&self) -> Network {
        self.settings.network
    }

    /// The certificate of the authority that the API server's is from.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.access.authority.authority()
    }

    /// Stops the API server in good order. etcd and the controllers stay.
    ///
    /// # Errors
    /// When it doesn't stop.
    pub async fn stop_api_server(&mut self) -> Result<()> {
        if let Some(mut process) = self.api_server.take() {
            process.signal(Signal::Terminate);
            process.wait(BOUND).await?;
        }
        Ok(())
    }

    /// Kills the API server (SIGKILL). etcd and the controllers stay.
    pub fn kill_api_server(&mut self) {
        self.api_server = None;
    }

    /// Starts the API server again, on the same port and data, and waits until it is ready.
    ///
    /// # Errors
    /// When it runs already or doesn't come up.
    pub async fn resume_api_server(&mut self) -> Result<()> {
        ensure!(self.api_server.is_none(), "the API server runs already");
        let command = self.plan().api_server()?;
        let mut process = Process::start("kube-apiserver", command, &self.directory.join("api-server.log"))?;
        let api = self.api()?;
        let ready = || {
            let api = api.clone();
            async move { Ok(api.get("/readyz").await.ok().filter(|answer| answer.status == 200)) }
        };
        process.until("being ready", BOUND, ready).await?;
        self.api_server = Some(process);
        Ok(())
    }

    /// The ends of all logs, for a message about what didn't happen.
    #[must_use]
    pub fn logs(&self) -> String {
        let processes = self.controllers.iter().chain(&self.api_server);
        processes.map(Process::tail).collect::<Vec<_>>().join("\n")
    }

    async fn start_controllers(&mut self) -> Result<()> {
        let plan = self.plan();
        let commands = [("kube-controller-manager", plan.controller_manager()?), ("kube-scheduler", plan.scheduler()?)];
        for (name, command) in commands {
            let log = self.directory.join(&format!("{name}.log"));
            self.controllers.push(Process::start(name, command, &log)?);
        }
        // No pod can be created before its namespace has this account.
        let api = self.api()?;
        let account = || async {
            Ok(api.get("/api/v1/namespaces/default/serviceaccounts/default").await?.success().ok().map(drop))
        };
        let waited = wait::until("the first service account", BOUND, account).await;
        waited.with_context(|| self.logs())
    }

    fn plan(&self) -> Plan<'_> {
        let Self { directory, access, settings, store, port, .. } = self;
        Plan { directory, access, settings, store: *store, port: *port }
    }
}

/// The kubeconfig of a path, as kube takes it.
pub(crate) fn read_kubeconfig(path: &Path) -> Result<kube::config::Kubeconfig> {
    kube::config::Kubeconfig::read_from(path).with_context(|| format!("failed to read {}", path.display()))
}
