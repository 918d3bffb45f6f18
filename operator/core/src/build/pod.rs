//! A replica's pod: without privileges, without a token of Kubernetes, on a file system that can't be written.

mod affinity;
mod placement;
mod volumes;

use std::collections::BTreeMap;

use events_gateway_resources::gateway::image::PullPolicy;
use events_gateway_resources::gateway::pod::Amounts;
use events_gateway_resources::text::Quantity as Amount;
use k8s_openapi::api::core::v1::{
    Capabilities, Container, ContainerPort, EnvVar, EnvVarSource, HTTPGetAction, Lifecycle, LifecycleHandler,
    LocalObjectReference, ObjectFieldSelector, PodSecurityContext, PodSpec, PodTemplateSpec, Probe,
    ResourceRequirements, SeccompProfile, SecurityContext, SleepAction,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::deployment::{PRE_STOP, grace_period};
use crate::configuration::{CONFIG, FILE};
use crate::digest::digest;
use crate::validate::Validated;
use crate::{labels, names};

/// The name of the public listener's port.
pub const PUBLIC_PORT: &str = "http";
/// The name of the admin listener's port.
pub const ADMIN_PORT: &str = "admin";
/// The name of the one container.
pub const CONTAINER: &str = "gateway";
/// Nobody's user and group, the same as in the images.
const USER: i64 = 65_532;

pub(super) fn template(gateway: &Validated) -> PodTemplateSpec {
    let added = &gateway.spec.pod.metadata;
    let mut annotations: BTreeMap<String, String> =
        added.annotations.iter().map(|(key, value)| (key.clone(), value.0.clone())).collect();
    annotations.insert(labels::CONFIGURATION.into(), digest([gateway.configuration.text.as_str()]));
    for (annotation, versions) in
        [(labels::SECRETS, &gateway.secret_versions), (labels::CONFIG_MAPS, &gateway.config_map_versions)]
    {
        if !versions.is_empty() {
            let versions = versions.iter().flat_map(|(name, version)| [name.as_str(), version.as_str()]);
            annotations.insert(annotation.into(), digest(versions));
        }
    }
    let mut own: BTreeMap<String, String> =
        added.labels.iter().map(|(key, value)| (key.clone(), value.0.clone())).collect();
    own.extend(labels::all(&gateway.name));
    PodTemplateSpec {
        metadata: Some(ObjectMeta { labels: Some(own), annotations: Some(annotations), ..ObjectMeta::default() }),
        spec: Some(spec(gateway)),
    }
}

fn spec(gateway: &Validated) -> PodSpec {
    let pod = &gateway.spec.pod;
    let pull_secrets = gateway.spec.image.pull_secrets.iter();
    let pull_secrets: Vec<_> = pull_secrets.map(|name| LocalObjectReference { name: name.0.clone() }).collect();
    let node_selector: BTreeMap<String, String> =
        pod.node_selector.iter().map(|(key, value)| (key.clone(), value.0.clone())).collect();
    PodSpec {
        containers: vec![container(gateway)],
        service_account_name: Some(names::main(&gateway.name)),
        automount_service_account_token: Some(false),
        // Variables for every Service of the namespace could override keys of the configuration.
        enable_service_links: Some(false),
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: Some(USER),
            run_as_group: Some(USER),
            fs_group: Some(USER),
            seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".into(), ..SeccompProfile::default() }),
            ..PodSecurityContext::default()
        }),
        termination_grace_period_seconds: Some(grace_period(gateway)),
        volumes: Some(volumes::volumes(gateway)),
        image_pull_secrets: Some(pull_secrets).filter(|secrets| !secrets.is_empty()),
        node_selector: Some(node_selector).filter(|labels| !labels.is_empty()),
        affinity: affinity::affinity(&pod.affinity),
        tolerations: placement::tolerations(pod),
        topology_spread_constraints: Some(placement::spread(gateway)),
        priority_class_name: pod.priority_class_name.as_ref().map(|name| name.0.clone()),
        runtime_class_name: pod.runtime_class_name.as_ref().map(|name| name.0.clone()),
        ..PodSpec::default()
    }
}

fn container(gateway: &Validated) -> Container {
    let spec = &gateway.spec;
    Container {
        name: CONTAINER.into(),
        image: Some(gateway.image.clone()),
        image_pull_policy: Some(
            match spec.image.pull_policy {
                PullPolicy::IfNotPresent => "IfNotPresent",
                PullPolicy::Always => "Always",
                PullPolicy::Never => "Never",
            }
            .into(),
        ),
        args: Some(vec!["run".into(), "--config".into(), format!("{CONFIG}/{FILE}")]),
        env: Some(vec![field("POD_NAME", "metadata.name"), field("POD_IP", "status.podIP")]),
        ports: Some(vec![port(PUBLIC_PORT, spec.listen.port), port(ADMIN_PORT, spec.admin.port)]),
        // A replica is live at once, and ready when it reaches Redis.
        startup_probe: Some(Probe { period_seconds: Some(1), failure_threshold: Some(60), ..probe("/live") }),
        liveness_probe: Some(Probe { period_seconds: Some(10), failure_threshold: Some(3), ..probe("/live") }),
        readiness_probe: Some(Probe { period_seconds: Some(2), failure_threshold: Some(2), ..probe("/ready") }),
        lifecycle: Some(Lifecycle {
            pre_stop: Some(LifecycleHandler {
                sleep: Some(SleepAction { seconds: PRE_STOP }),
                ..LifecycleHandler::default()
            }),
            ..Lifecycle::default()
        }),
        resources: resources(&spec.pod.resources),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            read_only_root_filesystem: Some(true),
            capabilities: Some(Capabilities { drop: Some(vec!["ALL".into()]), add: None }),
            ..SecurityContext::default()
        }),
        termination_message_policy: Some("FallbackToLogsOnError".into()),
        volume_mounts: Some(volumes::mounts(gateway)),
        ..Container::default()
    }
}

fn field(name: &str, path: &str) -> EnvVar {
    let source = EnvVarSource {
        field_ref: Some(ObjectFieldSelector { field_path: path.into(), api_version: Some("v1".into()) }),
        ..EnvVarSource::default()
    };
    EnvVar { name: name.into(), value_from: Some(source), value: None }
}

fn port(name: &str, port: i32) -> ContainerPort {
    ContainerPort {
        name: Some(name.into()),
        container_port: port,
        protocol: Some("TCP".into()),
        ..ContainerPort::default()
    }
}

fn probe(path: &str) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.into()),
            port: IntOrString::String(ADMIN_PORT.into()),
            ..HTTPGetAction::default()
        }),
        timeout_seconds: Some(2),
        ..Probe::default()
    }
}

fn resources(wanted: &events_gateway_resources::gateway::pod::Resources) -> Option<ResourceRequirements> {
    let (requests, limits) = (amounts(&wanted.requests), amounts(&wanted.limits));
    (requests.is_some() || limits.is_some()).then(|| ResourceRequirements {
        requests,
        limits,
        ..ResourceRequirements::default()
    })
}

fn amounts(wanted: &Amounts) -> Option<BTreeMap<String, Quantity>> {
    let amounts: BTreeMap<String, Quantity> =
        [("cpu", &wanted.cpu), ("memory", &wanted.memory), ("ephemeral-storage", &wanted.ephemeral_storage)]
            .into_iter()
            .filter_map(|(name, amount): (&str, &Option<Amount>)| {
                Some((name.into(), Quantity(amount.as_ref()?.0.clone())))
            })
            .collect();
    Some(amounts).filter(|amounts| !amounts.is_empty())
}
