//! One look at a gateway's Kafka: groups and lag; topics and settings, which are put right where the spec says so.

use std::collections::BTreeSet;

use events_gateway_crds::Duration;
use events_gateway_operator_kafka::settings::GroupSettings;
use events_gateway_operator_kafka::topics::{self, Wanted};
use events_gateway_operator_kafka::{Cluster, Clusters, GroupLag};
use events_gateway_resources::EventsGateway;
use events_gateway_resources::gateway::status::Group;
use events_gateway_resources::gateway::topics::TopicMode;

use super::{Trouble, View, client, group_id, readers};
use crate::context::Key;

/// Most lines of drift that a group's status has room for.
const MAX_DRIFT: usize = 32;

pub(super) async fn look(client: &kube::Client, clusters: &Clusters, key: &Key, gateway: &EventsGateway) -> View {
    let mut view = View::default();
    if let Err(trouble) = fill(&mut view, client, clusters, key, gateway).await {
        tracing::warn!(namespace = key.0, name = key.1, error = %trouble, "failed to look at Kafka");
        view.problems.push(trouble.to_string());
    }
    view
}

async fn fill(
    view: &mut View,
    client: &kube::Client,
    clusters: &Clusters,
    key: &Key,
    gateway: &EventsGateway,
) -> Result<(), Trouble> {
    let cluster = client::cluster(client, clusters, key, gateway).await?;
    let bindings = &gateway.spec.kafka.bindings;
    let names: BTreeSet<String> = bindings.iter().map(group_id).collect();
    let groups = cluster.groups(names).await?;
    let lags = cluster.lag(readers(gateway, &[])).await?;
    for binding in bindings {
        let id = group_id(binding);
        let (group, lag) = (groups.get(&id), lags.get(&id));
        for problem in
            [group.and_then(|one| one.as_ref().err()), lag.and_then(|one| one.as_ref().err())].into_iter().flatten()
        {
            view.problems.push(problem.to_string());
        }
        let group = group.and_then(|group| group.as_ref().ok());
        // A group without members counts as classic, whatever it will speak.
        if let Some(protocol) = group.filter(|group| !group.members.is_empty()).and_then(|group| group.protocol) {
            view.protocol.get_or_insert_with(|| protocol.as_str().into());
        }
        let lag = lag.and_then(|lag| lag.as_ref().ok());
        view.groups.push(Group {
            binding: binding.name.clone(),
            group_id: id.as_str().into(),
            state: group.map(|group| group.state.as_str().into()),
            members: group.map(|group| i32::try_from(group.members.len()).unwrap_or(i32::MAX)),
            partitions: lag.map(|lag| i32::try_from(lag.partitions.len()).unwrap_or(i32::MAX)),
            lag: lag.map(GroupLag::total),
            drift: Vec::new(),
        });
    }
    settings(view, &cluster, gateway).await;
    see_to_topics(view, &cluster, gateway).await
}

/// Puts the groups' own settings right. Each drift is logged; what the brokers can't do is told.
async fn settings(view: &mut View, cluster: &Cluster, gateway: &EventsGateway) {
    let consumption = &gateway.spec.consumption;
    let wanted = GroupSettings {
        session_timeout: consumption.session_timeout.map(Duration::get),
        heartbeat_interval: consumption.heartbeat_interval.map(Duration::get),
    };
    if wanted == GroupSettings::default() {
        return;
    }
    for told in &mut view.groups {
        let group = told.group_id.0.clone();
        match cluster.set_settings(group.clone(), wanted).await {
            Ok(drifts) => {
                for drift in drifts {
                    tracing::info!(group, setting = drift.name, wanted = drift.wanted, was = drift.was, "set");
                }
            }
            Err(error) => {
                view.problems.push(error.to_string());
                let left = cluster.settings_drift(group, wanted).await.unwrap_or_default();
                told.drift.extend(left.iter().map(|drift| drift.to_string().as_str().into()));
            }
        }
    }
}

async fn see_to_topics(view: &mut View, cluster: &Cluster, gateway: &EventsGateway) -> Result<(), Trouble> {
    let wanted = &gateway.spec.topics;
    if wanted.mode == TopicMode::Ignore {
        return Ok(());
    }
    let read = gateway.spec.kafka.bindings.iter().flat_map(|binding| &binding.topics).map(|topic| topic.0.clone());
    let dead = gateway.spec.kafka.dead_letters.iter().map(|dead| dead.topic.0.clone());
    let names: BTreeSet<String> = read.chain(dead).collect();
    let replication_factor = wanted.replication_factor;
    let mut each: Vec<Wanted> = names
        .into_iter()
        .map(|name| Wanted { name, partitions: wanted.partitions, replication_factor, compacted: false })
        .collect();
    // One partition does: it isn't grown, which would move keys.
    let revocation = gateway.spec.identity.as_ref().and_then(|identity| identity.revocation.as_ref());
    each.extend(revocation.map(|revocation| Wanted {
        name: revocation.topic.0.clone(),
        partitions: None,
        replication_factor,
        compacted: true,
    }));
    let found = cluster.topics(each.iter().map(|topic| topic.name.clone()).collect()).await?;
    for error in found.values().filter_map(|topic| topic.as_ref().err()) {
        view.problems.push(error.to_string());
    }
    let plan = topics::plan(&each, &found);
    let mut done = BTreeSet::new();
    if wanted.mode == TopicMode::Manage && !plan.is_empty() {
        for outcome in cluster.apply_topics(plan.clone()).await? {
            match outcome.result {
                Ok(change) => {
                    tracing::info!(topic = outcome.topic, ?change, "topic managed");
                    done.insert(outcome.topic);
                }
                Err(error) => view.problems.push(error.to_string()),
            }
        }
    }
    // Nothing is done about replicas.
    let is_done = |shortfall: &topics::Shortfall| {
        !matches!(shortfall, topics::Shortfall::Replicas { .. }) && done.contains(shortfall.topic())
    };
    for shortfall in plan.shortfalls.iter().filter(|shortfall| !is_done(shortfall)) {
        view.problems.push(shortfall.to_string());
        for (binding, group) in gateway.spec.kafka.bindings.iter().zip(&mut view.groups) {
            if binding.topics.iter().any(|topic| topic.0 == shortfall.topic()) {
                group.drift.push(shortfall.to_string().as_str().into());
            }
        }
    }
    view.groups.iter_mut().for_each(|group| group.drift.truncate(MAX_DRIFT));
    Ok(())
}
