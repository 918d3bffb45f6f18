//! What is told of a gateway: its status, condition by condition, from what was seen of it.

mod conditions;
mod numbers;
mod pods;

use events_gateway_resources::gateway::status::{Draining, Group};
use events_gateway_resources::gateway::{Autoscaler, EventsGatewayStatus};
use events_gateway_resources::text::ImageReference;
use events_gateway_resources::{EventsGateway, gateway};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::jiff::Timestamp;

use crate::labels;
use crate::scaling::Activity;
use crate::validate::{Problem, Validated};

pub use conditions::{conditions, unobserved};
pub use numbers::{MIN_AGE, worth_writing};
pub use pods::{Answer, PodView};

/// What was seen of a gateway in one pass.
#[derive(Debug, Clone)]
pub struct Observation<'a> {
    /// The resource.
    pub gateway: &'a EventsGateway,
    /// What became of proving it.
    pub proven: Result<&'a Validated, &'a [Problem]>,
    /// Its Deployment, if there is one.
    pub deployment: Option<&'a Deployment>,
    /// Its pods.
    pub pods: &'a [PodView],
    /// How many replicas are wanted, within bounds.
    pub wanted: i32,
    /// Replicas that drain because of a scale-down.
    pub draining: Vec<Draining>,
    /// What scaling is about.
    pub activity: Activity,
    /// Why reconciliation is paused, if it is.
    pub paused: Option<&'a str>,
    /// What failed in this pass.
    pub failure: Option<&'a str>,
    /// The autoscaler, as it tells of itself.
    pub autoscaler: AutoscalerView,
    /// Addresses at which it is exposed, and what keeps it from being so.
    pub exposure: ExposureView,
    /// Whether the operator talks to the brokers itself.
    pub asks_brokers: bool,
    /// The consumer groups; `None`: not looked at yet.
    pub groups: Option<Vec<Group>>,
    /// The protocol that the groups speak, if it is known.
    pub protocol: Option<String>,
    /// What is wrong in Kafka: topics, settings, reachability.
    pub kafka_problems: Vec<String>,
    /// Whether consumption is paused, and by what.
    pub consumption_paused: Option<String>,
    /// The time.
    pub now: Timestamp,
}

/// What an autoscaler tells of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AutoscalerView {
    /// Whether it is active; `None`: it isn't there yet, or says nothing.
    pub active: Option<bool>,
    /// Its own words.
    pub message: String,
    /// Who else writes `spec.replicas`.
    pub second_writer: Option<String>,
}

/// How a gateway is exposed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExposureView {
    /// URLs at which clients reach it.
    pub endpoints: Vec<String>,
    /// What keeps it from being reached.
    pub problems: Vec<String>,
    /// What it still waits for.
    pub waiting: Vec<String>,
}

impl Observation<'_> {
    /// The status that tells of it.
    #[must_use]
    pub fn status(&self) -> EventsGatewayStatus {
        let before = self.gateway.status.clone().unwrap_or_default();
        let deployed = self.deployment.and_then(|deployment| deployment.spec.as_ref()?.replicas);
        let seen = self.deployment.and_then(|deployment| deployment.status.as_ref());
        let serving = self.pods.iter().filter_map(|pod| pod.answer.known());
        let asked = self.pods.iter().any(|pod| pod.answer.known().is_some());
        let connections = asked.then(|| gateway::status::Connections {
            total: serving.clone().map(|status| i64::try_from(status.connections).unwrap_or(i64::MAX)).sum(),
            max_per_replica: serving
                .clone()
                .map(|status| i32::try_from(status.connections).unwrap_or(i32::MAX))
                .max()
                .unwrap_or(0),
        });
        let groups = self.groups.clone().filter(|groups| !groups.is_empty());
        let groups = groups.map(|groups| groups.into_iter().map(|group| self.with_lag(group)).collect::<Vec<_>>());
        let lag = match &groups {
            Some(groups) => groups.iter().map(|group| group.lag).sum(),
            // What the replicas say of the partitions that they have.
            _ => serving
                .clone()
                .flat_map(|status| &status.kafka)
                .map(|one| one.lag)
                .sum::<Option<u64>>()
                .filter(|_| asked)
                .map(|lag| i64::try_from(lag).unwrap_or(i64::MAX))
                .or(before.lag),
        };
        let pinned = before.image.clone();
        let mut status = EventsGatewayStatus {
            observed_generation: self.gateway.metadata.generation,
            replicas: deployed.or(before.replicas),
            ready_replicas: seen.map(|status| status.ready_replicas.unwrap_or(0)).or(Some(0)),
            updated_replicas: seen.map(|status| status.updated_replicas.unwrap_or(0)).or(Some(0)),
            selector: self
                .gateway
                .metadata
                .name
                .as_deref()
                .map(|name| labels::text(&labels::selector(name)).as_str().into()),
            image: match &self.proven {
                Ok(validated) if self.gateway.spec.image.reference.is_none() => {
                    Some(ImageReference(validated.image.clone()))
                }
                _ => pinned,
            },
            connections: connections.or_else(|| before.connections.clone().filter(|_| !self.pods.is_empty())),
            lag,
            protocol: self.protocol.as_deref().map(Into::into).or_else(|| before.protocol.clone()),
            groups: groups.unwrap_or_else(|| before.groups.clone()),
            draining: self.draining.clone(),
            endpoints: self.exposure.endpoints.iter().map(|url| url.as_str().into()).collect(),
            conditions: Vec::new(),
        };
        status.conditions = conditions(self, &status, &before);
        status
    }

    /// With the lag that the replicas tell, where they have all partitions: offsets are committed seconds later, so that in a
    /// steady flow what isn't committed is far more than what waits.
    fn with_lag(&self, group: Group) -> Group {
        let told = self.pods.iter().filter_map(|pod| pod.answer.known()).flat_map(|status| &status.kafka);
        let told: Vec<_> = told.filter(|one| one.binding == group.binding.0 && one.group == group.group_id.0).collect();
        let assigned: u64 = told.iter().map(|one| u64::from(one.assigned)).sum();
        let lag = told.iter().map(|one| one.lag).sum::<Option<u64>>().and_then(|lag| i64::try_from(lag).ok());
        let is_whole = group.partitions.and_then(|count| u64::try_from(count).ok()) == Some(assigned) && assigned > 0;
        Group { lag: lag.filter(|_| is_whole).or(group.lag), ..group }
    }

    /// Whether an autoscaler sets the count.
    #[must_use]
    pub fn is_autoscaled(&self) -> bool {
        self.gateway.spec.autoscaling.kind != Autoscaler::None
    }
}

/// How many replicas are wanted: within the autoscaler's bounds, where there is one.
#[must_use]
pub fn wanted(gateway: &EventsGateway) -> i32 {
    let spec = &gateway.spec;
    match spec.autoscaling.kind {
        Autoscaler::None => spec.replicas.max(0),
        _ => spec.replicas.clamp(spec.autoscaling.min_replicas, spec.autoscaling.max_replicas),
    }
}

#[cfg(test)]
mod tests;
