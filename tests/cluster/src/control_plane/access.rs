//! Who is who to the API server: certificates, tokens, kubeconfigs.

use std::path::PathBuf;

use anyhow::Result;
use events_gateway_harness::certificates::{Certificates, Issued};
use events_gateway_harness::directory::Directory;

use super::settings::{Network, Settings, User};

/// Whose kubeconfig tests use when they don't say.
pub(super) const ADMINISTRATOR: &str = "administrator";
/// The controller manager. Its controllers get accounts of their own, which its own rights only create.
pub(super) const CONTROLLER_MANAGER: &str = "system:kube-controller-manager";
/// The scheduler.
pub(super) const SCHEDULER: &str = "system:kube-scheduler";
/// The kubelet of the node of [`crate::Cluster`].
pub(crate) const KUBELET: &str = "system:node:node";
/// What leads from Services to pods.
pub(crate) const PROXY: &str = "system:kube-proxy";

/// Certificates of the servers, and a kubeconfig for each user.
#[derive(Debug)]
pub(super) struct Access {
    pub(super) authority: Certificates,
    pub(super) server: Issued,
    /// As whom the API server asks kubelets.
    pub(super) kubelet_client: Issued,
    /// As whom the API server passes requests on to aggregated APIs.
    pub(super) front_proxy: Issued,
    address: String,
}

impl Access {
    pub(super) fn new(network: &Network, port: u16) -> Result<Self> {
        let authority = Certificates::new()?;
        let names = format!(
            "subjectAltName=DNS:localhost,DNS:kubernetes.default,DNS:kubernetes.default.svc,IP:127.0.0.1,IP:{},IP:{}\n\
             extendedKeyUsage=serverAuth\n",
            network.address,
            network.kubernetes()
        );
        let client = "extendedKeyUsage=clientAuth\n";
        let server = authority.issue("api-server", "/CN=kube-apiserver", &names)?;
        let kubelet_client = authority.issue("kubelet-client", "/O=system:masters/CN=kubelet-client", client)?;
        let front_proxy = authority.issue("front-proxy", "/CN=front-proxy", client)?;
        let address = format!("https://{}:{port}", network.address);
        Ok(Self { authority, server, kubelet_client, front_proxy, address })
    }

    /// Writes the tokens that the API server knows, and a kubeconfig for each.
    pub(super) fn write(&self, directory: &Directory, settings: &Settings) -> Result<()> {
        let own = [
            User::new(ADMINISTRATOR, &["system:masters"]),
            User::new(CONTROLLER_MANAGER, &[]),
            User::new(SCHEDULER, &[]),
            User::new(KUBELET, &["system:nodes"]),
            User::new(PROXY, &[]),
        ];
        let mut tokens = String::new();
        for (number, user) in own.iter().chain(&settings.users).enumerate() {
            let User { name, groups } = user;
            tokens += &format!("{},{name},{number},\"{}\"\n", user.token(), groups.join(","));
            self.kubeconfig(directory, name, &user.token())?;
        }
        directory.write("tokens.csv", &tokens).map(drop)
    }

    /// Writes a kubeconfig with a token.
    pub(super) fn kubeconfig(&self, directory: &Directory, user: &str, token: &str) -> Result<PathBuf> {
        let authority = self.authority.authority();
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: test\n\
             clusters: [{{name: test, cluster: {{server: \"{}\", certificate-authority: \"{}\"}}}}]\n\
             users: [{{name: test, user: {{token: \"{token}\"}}}}]\n\
             contexts: [{{name: test, context: {{cluster: test, user: test, namespace: default}}}}]\n",
            self.address,
            authority.display()
        );
        directory.write(&kubeconfig_name(user), &text)
    }
}

/// The file of a user's kubeconfig.
pub(super) fn kubeconfig_name(user: &str) -> String {
    format!("{}.kubeconfig", user.replace([':', '/'], "-"))
}
