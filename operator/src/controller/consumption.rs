//! Whether the replicas consume: their groups are paused while the spec says so, and while an offset reset is under way.

use std::collections::BTreeMap;
use std::sync::Arc;

use events_gateway_operator_core::ReplicaPod;
use events_gateway_operator_core::status::PodView;
use events_gateway_resources::EventsGateway;
use events_gateway_resources::offset_reset::status::Phase;

use super::dereference::Dereferenced;
use super::survey::address;
use crate::context::{Context, Key};
use crate::kafka::group_id;

/// Which groups are to rest, and why; the others are to consume.
pub(crate) fn resting(context: &Context, key: &Key, gateway: &EventsGateway) -> BTreeMap<String, String> {
    let bindings = &gateway.spec.kafka.bindings;
    if gateway.spec.consumption.paused {
        return bindings.iter().map(|binding| (group_id(binding), "spec.consumption.paused is true".into())).collect();
    }
    let resets = context.stores.resets.state();
    let holding = resets.iter().filter(|reset| {
        let phase = reset.status.as_ref().map(|status| status.phase).unwrap_or_default();
        reset.metadata.namespace.as_deref() == Some(&key.0)
            && reset.spec.gateway.0 == key.1
            && reset.metadata.deletion_timestamp.is_none()
            && matches!(phase, Phase::Quiescing | Phase::Planning | Phase::Setting)
            && !reset.spec.dry_run
    });
    let mut resting = BTreeMap::new();
    for reset in holding {
        let why = format!("the offset reset {} is under way", reset.metadata.name.as_deref().unwrap_or_default());
        let chosen = bindings.iter();
        let chosen =
            chosen.filter(|binding| reset.spec.bindings.is_empty() || reset.spec.bindings.contains(&binding.name));
        resting.extend(chosen.map(|binding| (group_id(binding), why.clone())));
    }
    resting
}

/// Tells the replicas what isn't so yet; any one of them passes it on to all through Redis.
pub(crate) async fn see_to(context: &Context, key: &Key, found: &Dereferenced, resting: &BTreeMap<String, String>) {
    let mut wrong: BTreeMap<&str, bool> = BTreeMap::new();
    for binding in found.views.iter().filter_map(|pod| pod.answer.known()).flat_map(|status| &status.kafka) {
        let wanted = resting.contains_key(&binding.group);
        if binding.paused != wanted {
            wrong.insert(&binding.group, wanted);
        }
    }
    let Some(client) = found.replicas.as_ref().filter(|_| !wrong.is_empty()) else { return };
    let answering = |pod: &&Arc<ReplicaPod>| {
        let view = found.views.iter().find(|view| Some(&view.name) == pod.metadata.name.as_ref());
        view.is_some_and(|view: &PodView| view.answer.known().is_some())
    };
    let Some(address) = found.pods.iter().filter(answering).find_map(|pod| address(pod)) else { return };
    for (group, pause) in wrong {
        let told = if pause { client.pause(address, group).await } else { client.resume(address, group).await };
        match told {
            Ok(()) => tracing::info!(namespace = key.0, name = key.1, group, pause, "consumption set"),
            Err(error) => {
                context.metrics.errors.with_label_values(&[error.category()]).inc();
                tracing::warn!(namespace = key.0, name = key.1, group, pause, %error, "failed to set consumption");
            }
        }
    }
    context.kafka.look_again(key);
    // They are asked again soon: only what they say counts.
    for pod in &found.pods {
        context.surveys.forget_pod(key, pod.metadata.uid.as_deref().unwrap_or_default());
    }
}
