//! Offset resets, step by step. A step stands in the status before it is done, and can be repeated: whoever goes on after a
//! crash does the step that stands there.
//!
//! The reset itself writes nothing but its status and offsets. That replicas leave their groups, and come back, is seen to by
//! the passes over the gateway: they pause the groups of every reset that is under way, so a reset that is deleted, or ended,
//! lets them consume again, and a pause that is lost is made again.

mod plan;
mod step;

use std::sync::Arc;
use std::time::Duration;

use events_gateway_resources::EventsGatewayOffsetReset;
use events_gateway_resources::offset_reset::status::Phase;
use futures_util::StreamExt as _;
use kube::ResourceExt as _;
use kube::runtime::controller::{Action, Config, Controller};
use tokio::time::Instant;

use crate::context::Context;
use crate::watches::Touched;

/// The longest wait after failures.
const MAX_BACKOFF: Duration = Duration::from_secs(60);

/// Runs until `stop` is ready.
pub(crate) async fn run(
    context: Arc<Context>,
    resets: Touched<EventsGatewayOffsetReset>,
    stop: impl Future<Output = ()> + Send + Sync + 'static,
) {
    let passes = Controller::for_stream(resets, context.stores.resets.clone())
        .with_config(Config::default().concurrency(4))
        .graceful_shutdown_on(stop)
        .run(reconcile, on_failure, context)
        .for_each(|result| async move {
            if let Err(error @ kube::runtime::controller::Error::QueueError(_)) = result {
                tracing::warn!(%error, "failed to watch");
            }
        });
    passes.await;
}

async fn reconcile(reset: Arc<EventsGatewayOffsetReset>, context: Arc<Context>) -> Result<Action, kube::Error> {
    let phase = reset.status.as_ref().map(|status| status.phase).unwrap_or_default();
    if reset.metadata.deletion_timestamp.is_some() || matches!(phase, Phase::Succeeded | Phase::Failed) {
        return Ok(Action::await_change());
    }
    let began = Instant::now();
    let result = step::step(&context, &reset).await;
    let word = if result.is_ok() { "ok" } else { "failed" };
    context.metrics.passed("EventsGatewayOffsetReset", word, began.elapsed());
    result
}

#[allow(clippy::needless_pass_by_value)] // The controller hands them over.
fn on_failure(reset: Arc<EventsGatewayOffsetReset>, error: &kube::Error, context: Arc<Context>) -> Action {
    let key = (reset.namespace().unwrap_or_default(), format!("{} (reset)", reset.name_any()));
    let times = {
        let mut failures = context.failures.lock();
        let times = failures.entry(key.clone()).or_insert(0);
        *times = times.saturating_add(1);
        *times
    };
    context.metrics.errors.with_label_values(&["reset"]).inc();
    tracing::warn!(namespace = key.0, name = reset.name_any(), %error, "a step of an offset reset failed");
    Action::requeue(Duration::from_secs(1).saturating_mul(2_u32.saturating_pow(times.min(10))).min(MAX_BACKOFF))
}
