//! A ScaledObject of KEDA, by connections and lag, with numbers from Prometheus.

use events_gateway_resources::gateway::Autoscaler;
use serde_json::{Value, json};

use super::autoscaling::{CONNECTIONS, behaviour, target};
use super::metadata;
use crate::kind::Kind;
use crate::names;
use crate::validate::Validated;

pub(super) fn scaled_object(gateway: &Validated) -> Option<Value> {
    let wanted = &gateway.spec.autoscaling;
    let keda = wanted.keda.as_ref().filter(|_| wanted.kind == Autoscaler::Keda)?;
    // Labels that the Prometheus operator gives to what a ServiceMonitor finds.
    let series = format!("{{namespace=\"{}\",service=\"{}\"}}", gateway.namespace, names::admin(&gateway.name));
    let trigger = |metric: &str, threshold: i32| {
        json!({
            "type": "prometheus",
            "metricType": "AverageValue",
            "metadata": {
                "serverAddress": keda.prometheus,
                "query": format!("sum({metric}{series})"),
                "threshold": threshold.to_string(),
                // KEDA takes an empty answer for 0 unless told otherwise: with an error the count stays.
                "ignoreNullValues": (!keda.hold_on_missing_metrics).to_string(),
            },
        })
    };
    let mut triggers = vec![trigger(CONNECTIONS, wanted.connections_per_replica)];
    triggers.extend(wanted.lag_per_replica.map(|lag| trigger("events_gateway_lag_records", lag)));
    let scaled = json!({
        "metadata": metadata::own(gateway, names::main(&gateway.name)),
        "spec": {
            "scaleTargetRef": target(gateway),
            "minReplicaCount": wanted.min_replicas,
            "maxReplicaCount": wanted.max_replicas,
            "pollingInterval": keda.polling.get().as_secs(),
            "advanced": { "horizontalPodAutoscalerConfig": { "behavior": behaviour(wanted) } },
            "triggers": triggers,
        },
    });
    Some(super::object(Kind::ScaledObject, &scaled))
}
