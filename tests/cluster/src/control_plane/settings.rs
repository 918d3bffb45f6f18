//! What a suite may want of its control plane.

use std::net::Ipv4Addr;

/// How a control plane is started.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Also run the controller manager and the scheduler: Deployments get pods, pods get nodes, what is owned is collected.
    pub controllers: bool,
    /// Who may ask the API server besides the administrator. They may do nothing until RBAC says so.
    pub users: Vec<User>,
    /// Where it serves.
    pub network: Network,
    /// Further arguments of the controller manager, such as `--horizontal-pod-autoscaler-sync-period=1s`.
    pub controller_arguments: Vec<String>,
}

/// A user of the API server.
#[derive(Debug, Clone)]
pub struct User {
    /// As RBAC names it.
    pub name: String,
    /// Its groups, besides `system:authenticated`.
    pub groups: Vec<String>,
}

impl User {
    /// A user of a name and groups.
    #[must_use]
    pub fn new(name: &str, groups: &[&str]) -> Self {
        Self { name: name.to_owned(), groups: groups.iter().map(|&group| group.to_owned()).collect() }
    }

    /// Its bearer token. The API server is seen by this machine only, and gone with the test.
    pub(super) fn token(&self) -> String {
        format!("token-of-{}", self.name)
    }
}

/// The addresses of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// Where the API server listens. When this is no loopback address the Service `kubernetes` leads here.
    pub address: Ipv4Addr,
    /// The first three bytes of the Services' first addresses.
    pub services: [u8; 3],
    /// How many bits of the Services' addresses are one and the same: with 24 there are 254 of them.
    pub services_prefix: u8,
}

impl Default for Network {
    fn default() -> Self {
        Self { address: Ipv4Addr::LOCALHOST, services: [10, 96, 0], services_prefix: 16 }
    }
}

impl Network {
    /// The Services' range.
    #[must_use]
    pub fn service_range(&self) -> String {
        let [a, b, c] = self.services;
        format!("{a}.{b}.{c}.0/{}", self.services_prefix)
    }

    /// The address of the Service `kubernetes`.
    #[must_use]
    pub fn kubernetes(&self) -> Ipv4Addr {
        let [a, b, c] = self.services;
        Ipv4Addr::new(a, b, c, 1)
    }
}
