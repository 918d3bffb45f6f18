//! The replicas. How many there are is decided apart: it isn't written here.

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::Value;

use super::{metadata, pod};
use crate::kind::Kind;
use crate::validate::Validated;
use crate::{labels, names};

/// How long a pod still serves after it was told to go, in seconds: until endpoints and load balancers have noticed. Then
/// it gets SIGTERM and drains.
pub const PRE_STOP: i64 = 5;
/// What is added to a pod's time for what isn't drain: consumers leave their groups, the process ends.
const MARGIN: i64 = 30;
/// How long Kubernetes waits for one more pod to be ready, in seconds, beyond what a drain takes.
const PROGRESS: i64 = 600;

/// How long a pod has from being told to go until it is killed, in seconds.
#[must_use]
pub fn grace_period(gateway: &Validated) -> i64 {
    // A drain lasts at most nine minutes: far from i64's end.
    PRE_STOP + i64::try_from(gateway.spec.drain.timeout.get().as_millis().div_ceil(1_000)).unwrap_or(540) + MARGIN
}

pub(super) fn deployment(gateway: &Validated) -> Value {
    let rollout = &gateway.spec.rollout;
    let deployment = Deployment {
        metadata: metadata::own(gateway, names::main(&gateway.name)),
        spec: Some(DeploymentSpec {
            selector: LabelSelector { match_labels: Some(labels::selector(&gateway.name)), ..LabelSelector::default() },
            strategy: Some(DeploymentStrategy {
                type_: Some("RollingUpdate".into()),
                rolling_update: Some(RollingUpdateDeployment {
                    max_surge: Some(IntOrString::Int(rollout.max_surge)),
                    max_unavailable: Some(IntOrString::Int(rollout.max_unavailable)),
                }),
            }),
            min_ready_seconds: Some(rollout.min_ready_seconds),
            progress_deadline_seconds: Some(
                i32::try_from(PROGRESS + grace_period(gateway) + i64::from(rollout.min_ready_seconds))
                    .unwrap_or(i32::MAX),
            ),
            revision_history_limit: Some(3),
            template: pod::template(gateway),
            ..DeploymentSpec::default()
        }),
        status: None,
    };
    super::object(Kind::Deployment, &deployment)
}
