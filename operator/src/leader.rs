//! Leader election by a Lease (coordination.k8s.io/v1), as Kubernetes' own controllers do it: whoever holds it renews it, the
//! others take it when they have seen no renewal for as long as it lasts, by their own clocks.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

use crate::words::words;

/// How long a claim lasts without renewal.
const LASTS: Duration = Duration::from_secs(15);
/// How often it is renewed: an API server that is away for [`PATIENCE`] less this ends no operator.
const RENEWED: Duration = Duration::from_secs(2);
/// How long the API server may take for one answer, before it is asked anew.
const ANSWERED: Duration = Duration::from_secs(4);
/// How long a holder tries to renew before it stops acting: less than it lasts.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often the others look, and how soon a holder tries again that failed to renew.
const LOOKED_AT: Duration = Duration::from_secs(2);

/// A claim to act.
#[derive(Clone)]
pub(crate) struct Leadership {
    leases: Api<Lease>,
    name: String,
    identity: String,
}

/// What an operator that doesn't lead has seen of the one that does.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    holder: Option<String>,
    renewed: Option<MicroTime>,
    at: Instant,
}

impl Leadership {
    pub(crate) fn new(client: Client, namespace: &str, name: String, identity: String) -> Self {
        Self { leases: Api::namespaced(client, namespace), name, identity }
    }

    /// Waits until this operator may act; since when its claim counts.
    pub(crate) async fn acquire(&self) -> Instant {
        let mut seen: Option<Seen> = None;
        loop {
            // The others count from when it is written: that may be long before we hear of it.
            let asked = Instant::now();
            match timeout(PATIENCE, self.try_acquire(&mut seen)).await {
                Ok(Ok(true)) => return asked,
                Ok(Ok(false)) => {}
                Ok(Err(error)) => tracing::warn!(error = words(&error), "failed to look at the lease"),
                Err(_) => tracing::warn!("the API server doesn't answer about the lease"),
            }
            // Jitter: several that wait don't all ask at the same moment.
            sleep(LOOKED_AT.mul_f64(1.0 + rand::random::<f64>() * 0.5)).await;
        }
    }

    async fn try_acquire(&self, seen: &mut Option<Seen>) -> Result<bool, kube::Error> {
        let Some(lease) = self.leases.get_opt(&self.name).await? else {
            let lease = self.claimed(Lease::default(), 0);
            return taken(self.leases.create(&PostParams::default(), &lease).await);
        };
        let spec = lease.spec.clone().unwrap_or_default();
        let holder = spec.holder_identity.filter(|holder| !holder.is_empty());
        let is_free = match &holder {
            None => true,
            Some(holder) if *holder == self.identity => true,
            Some(_) => {
                let known = seen.take().filter(|seen| seen.holder == holder && seen.renewed == spec.renew_time);
                let known =
                    known.unwrap_or(Seen { holder: holder.clone(), renewed: spec.renew_time, at: Instant::now() });
                let lasts = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
                let lapsed = known.at.elapsed() >= lasts.map_or(LASTS, Duration::from_secs);
                *seen = Some(known);
                lapsed
            }
        };
        if !is_free {
            return Ok(false);
        }
        let transitions = spec.lease_transitions.unwrap_or(0) + i32::from(holder.as_ref() != Some(&self.identity));
        // With the version that was read: of several that try, one succeeds.
        taken(self.leases.replace(&self.name, &PostParams::default(), &self.claimed(lease, transitions)).await)
    }

    /// Renews until it can't be renewed any more; then nothing may be written. `claimed`: since when the claim counts.
    pub(crate) async fn hold(&self, claimed: Instant) {
        let mut renewed = claimed;
        let mut next = claimed + RENEWED;
        while renewed.elapsed() < PATIENCE {
            sleep_until(next.min(renewed + PATIENCE)).await;
            let asked = Instant::now();
            next = asked + LOOKED_AT;
            // Not beyond the end: who waits for an answer acts meanwhile.
            match timeout_at((asked + ANSWERED).min(renewed + PATIENCE), self.renew()).await {
                Ok(Ok(true)) => (renewed, next) = (asked, asked + RENEWED),
                Ok(Ok(false)) => {
                    tracing::error!("the lease is another's");
                    return;
                }
                Ok(Err(error)) => tracing::warn!(error = words(&error), "failed to renew the lease"),
                Err(_) => tracing::warn!("the API server doesn't answer about the lease"),
            }
        }
        tracing::error!("the lease couldn't be renewed in time");
    }

    async fn renew(&self) -> Result<bool, kube::Error> {
        let Some(lease) = self.leases.get_opt(&self.name).await? else { return Ok(false) };
        let spec = lease.spec.clone().unwrap_or_default();
        if spec.holder_identity.as_ref() != Some(&self.identity) {
            return Ok(false);
        }
        let renewed = self.claimed(lease, spec.lease_transitions.unwrap_or(0));
        self.leases.replace(&self.name, &PostParams::default(), &renewed).await.map(|_| true)
    }

    /// Gives it up, so that another takes over at once.
    pub(crate) async fn release(&self) {
        let release = async {
            let Some(mut lease) = self.leases.get_opt(&self.name).await? else { return Ok(()) };
            let spec = lease.spec.get_or_insert_default();
            if spec.holder_identity.as_ref() == Some(&self.identity) {
                spec.holder_identity = None;
                spec.renew_time = None;
                self.leases.replace(&self.name, &PostParams::default(), &lease).await?;
            }
            Ok::<_, kube::Error>(())
        };
        match timeout(ANSWERED, release).await {
            Ok(Ok(())) => tracing::info!("the lease is given up"),
            Ok(Err(error)) => tracing::warn!(error = words(&error), "failed to give the lease up; it lapses"),
            Err(_) => tracing::warn!("failed to give the lease up in time; it lapses"),
        }
    }

    fn claimed(&self, lease: Lease, transitions: i32) -> Lease {
        let now = MicroTime(Timestamp::now());
        let spec = lease.spec.unwrap_or_default();
        let is_own = spec.holder_identity.as_ref() == Some(&self.identity);
        Lease {
            metadata: ObjectMeta { name: Some(self.name.clone()), ..lease.metadata },
            spec: Some(LeaseSpec {
                acquire_time: spec.acquire_time.filter(|_| is_own).or_else(|| Some(now.clone())),
                holder_identity: Some(self.identity.clone()),
                lease_duration_seconds: i32::try_from(LASTS.as_secs()).ok(),
                lease_transitions: Some(transitions),
                renew_time: Some(now),
                ..spec
            }),
        }
    }
}

/// Whether it was taken; somebody else being quicker is no error.
fn taken(result: Result<Lease, kube::Error>) -> Result<bool, kube::Error> {
    match result {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
        Err(error) => Err(error),
    }
}
