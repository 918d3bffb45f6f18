//! What is worth an alert, of one gateway. The rules for all gateways together are in `deploy/monitoring`.

use serde_json::{Value, json};

use super::metadata;
use crate::kind::Kind;
use crate::names;
use crate::validate::Validated;

pub(super) fn prometheus_rule(gateway: &Validated) -> Option<Value> {
    let wanted = &gateway.spec.monitoring.prometheus_rule;
    if !wanted.enabled {
        return None;
    }
    let (namespace, name) = (&gateway.namespace, &gateway.name);
    let series = format!("{{namespace=\"{namespace}\",service=\"{}\"}}", names::admin(name));
    let rule = |alert: &str, expression: String, lasting: &str, severity: &str, summary: String| {
        json!({
            "alert": alert,
            "expr": expression,
            "for": lasting,
            "labels": { "severity": severity, "gateway": name },
            "annotations": { "summary": summary },
        })
    };
    let rules = [
        rule(
            "EventsGatewayLag",
            format!("sum(events_gateway_lag_records{series}) > {}", wanted.lag),
            "5m",
            "warning",
            format!("Gateway {namespace}/{name} is behind Kafka by more than {} records.", wanted.lag),
        ),
        rule(
            "EventsGatewayKafkaDown",
            format!("min(events_gateway_kafka_up{series}) == 0"),
            "2m",
            "critical",
            format!("A replica of gateway {namespace}/{name} can't read from Kafka: its streams stay open and silent."),
        ),
        rule(
            "EventsGatewayRedisDown",
            format!("min(events_gateway_redis_up{series}) == 0"),
            "1m",
            "critical",
            format!("A replica of gateway {namespace}/{name} can't reach Redis: nothing is delivered or committed."),
        ),
        rule(
            "EventsGatewayDeadLettersLost",
            format!("increase(events_gateway_dead_letters_lost_total{series}[5m]) > 0"),
            "0m",
            "warning",
            format!("Records that gateway {namespace}/{name} couldn't make events of are kept nowhere."),
        ),
    ];
    let metadata = metadata::with(gateway, names::main(name), &wanted.metadata, [].into());
    let object = json!({
        "metadata": metadata,
        "spec": { "groups": [{ "name": format!("events-gateway.{namespace}.{name}"), "rules": rules }] },
    });
    Some(super::object(Kind::PrometheusRule, &object))
}
