//! Who this replica is.

use std::net::IpAddr;
use std::time::Duration;

use events_gateway_crds as raw;

use super::overrides::Environment;
use super::problem::{Place, Problems};
use super::text::HostPort;

/// Who this replica is, and its claim to be alive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replica {
    /// What people know it by: not unique over time, unlike a replica's id.
    pub name: String,
    /// Where its public listener is reached: as configured, or at the pod's address; `None`: where it listens.
    pub address: Option<HostPort>,
    /// How long its lease holds.
    pub lease: Duration,
    /// How often owned channels are verified.
    pub verify: Duration,
    /// How long this replica alone may be without Redis and still be ready.
    pub redis_patience: Duration,
}

impl Replica {
    pub(super) fn prove(
        raw: &raw::replica::Replica,
        listen: &raw::listen::Listen,
        environment: &Environment,
        place: &Place,
        problems: &mut Problems,
    ) -> Option<Self> {
        let address = match &raw.address {
            Some(address) => problems.take(place.key("address"), address.parse()).map(Some),
            None => Some(in_pod(environment, listen)),
        };
        let named =
            ["POD_NAME", "HOSTNAME"].into_iter().find_map(|name| environment.get(name).filter(|name| !name.is_empty()));
        let name = raw.name.as_ref().map(|name| &name.0).or(named).map_or("gateway", String::as_str);
        Some(Self {
            name: name.into(),
            address: address?,
            lease: raw.lease.get(),
            verify: raw.verify.get(),
            redis_patience: raw.redis_patience.get(),
        })
    }
}

/// Where a pod is reached: its own address, which only Kubernetes knows, and the public listener's port.
fn in_pod(environment: &Environment, listen: &raw::listen::Listen) -> Option<HostPort> {
    let address: IpAddr = environment.get("POD_IP")?.parse().ok()?;
    let port = u16::try_from(listen.port).ok().filter(|port| *port != 0)?;
    Some(HostPort { host: address.to_string(), port })
}
