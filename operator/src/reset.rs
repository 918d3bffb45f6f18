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
use futures_util::future::ready;
use kube::runtime::controller::{Action, Config, Controller, Error};
use tokio::time::Instant;

use crate::context::{Context, key};
use crate::controller::Failure;
use crate::watches::Touched;

/// The longest wait after failures.
pub(crate) const MAX_BACKOFF: Duration = Duration::from_secs(60);

/// Runs until `stop` is ready.
pub(crate) async fn run(
    context: Arc<Context>,
    resets: Touched<EventsGatewayOffsetReset>,
    stop: impl Future<Output = ()> + Send + Sync + 'static,
) {
    let passes = Controller::for_stream(resets, context.stores.resets.clone())
        .with_config(Config::default().concurrency(4))
        .graceful_shutdown_on(stop)
        .run(reconcile, on_failure, context.clone())
        .for_each(|result| {
            if let Err(Error::ObjectNotFound(gone)) = result {
                context.reset_failures.forget(&(gone.namespace.unwrap_or_default(), gone.name));
            }
            ready(())
        });
    passes.await;
}

async fn reconcile(reset: Arc<EventsGatewayOffsetReset>, context: Arc<Context>) -> Result<Action, Failure> {
    let phase = reset.status.as_ref().map(|status| status.phase).unwrap_or_default();
    if reset.metadata.deletion_timestamp.is_some() || matches!(phase, Phase::Succeeded | Phase::Failed) {
        return Ok(Action::await_change());
    }
    let began = Instant::now();
    context.stores.seen().await?;
    let result = step::step(&context, &reset).await;
    context.metrics.passed("EventsGatewayOffsetReset", if result.is_ok() { "ok" } else { "failed" }, began.elapsed());
    if result.is_ok() {
        context.reset_failures.forget(&key(&*reset));
    }
    result
}

#[allow(clippy::needless_pass_by_value)] // The controller hands them over.
fn on_failure(reset: Arc<EventsGatewayOffsetReset>, failure: &Failure, context: Arc<Context>) -> Action {
    let key = key(&*reset);
    let (times, wait) = context.reset_failures.count(&key, failure.retry_after());
    context.metrics.errors.with_label_values(&[failure.category()]).inc();
    tracing::warn!(namespace = key.0, name = key.1, error = %failure, times, "a step of an offset reset failed");
    Action::requeue(wait)
}
