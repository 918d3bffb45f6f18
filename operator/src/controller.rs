//! From a resource to what runs, in five steps: dereference, validate, build, apply, update the status.
//!
//! A pass is made when the resource or anything that belongs to it is touched, and now and then. It reads all that it needs
//! anew: nothing depends on what an earlier pass remembers.

pub(crate) mod applied;
mod apply;
mod consumption;
mod dereference;
mod error;
mod exposure;
mod scale;
pub(crate) mod survey;
mod update_status;

use std::sync::Arc;
use std::time::Duration;

use events_gateway_operator_core::scaling::Decision;
use events_gateway_operator_core::status::{ExposureView, Observation, wanted};
use events_gateway_operator_core::{build, configuration, labels, names, validate};
use events_gateway_resources::condition::ConditionStatus;
use events_gateway_resources::gateway::status::Draining;
use events_gateway_resources::text::Timestamp as Time;
use events_gateway_resources::{EventsGateway, EventsGatewayStatus};
use futures_util::StreamExt as _;
use k8s_openapi::jiff::Timestamp;
use kube::runtime::controller::{Action, Config, Controller};
use kube::runtime::reflector::ObjectRef;
use kube::{Resource as _, ResourceExt as _};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::context::{Context, Key};
use crate::kafka::View;
use crate::watches::{GatewayStreams, Guarded};
use error::Failure;

/// Passes that run at the same time.
const CONCURRENCY: u16 = 16;
/// What is touched again within this time is looked at once.
const DEBOUNCE: Duration = Duration::from_millis(100);
/// The longest wait after failures.
const MAX_BACKOFF: Duration = Duration::from_secs(300);
/// How long an invalid resource rests: what it lacks may come without being watched.
const INVALID: Duration = Duration::from_secs(120);

/// Runs until `stop` is ready; passes that are under way are finished then.
pub(crate) async fn run(
    context: Arc<Context>,
    streams: GatewayStreams,
    touched: mpsc::UnboundedReceiver<ObjectRef<Guarded>>,
    stop: impl Future<Output = ()> + Send + Sync + 'static,
) {
    let stores = context.stores.clone();
    let mut controller = Controller::for_stream(streams.gateways, stores.gateways.clone())
        .with_config(Config::default().concurrency(CONCURRENCY).debounce(DEBOUNCE))
        .owns_stream(streams.deployments)
        .watches_stream(streams.pods, |pod| {
            let name = pod.labels().get(labels::INSTANCE).cloned();
            name.zip(pod.namespace()).map(|(name, namespace)| ObjectRef::new(&name).within(&namespace))
        });
    let gateways = stores.gateways.clone();
    controller = controller.watches_stream(streams.secrets, move |secret| {
        let (name, namespace) = (secret.name_any(), secret.namespace());
        let uses = |gateway: &EventsGateway| {
            gateway.namespace() == namespace
                && (names::admin(&gateway.name_any()) == name
                    || configuration::references(&gateway.spec.configuration()).contains_key(&name))
        };
        let users = gateways.state();
        let users = users.iter().filter(|gateway| gateway.0.as_ref().is_ok_and(uses));
        users.map(|gateway| ObjectRef::from_obj(&**gateway)).collect::<Vec<_>>()
    });
    controller = controller.watches_stream(streams.resets, |reset| {
        reset.namespace().map(|namespace| ObjectRef::new(&reset.spec.gateway.0).within(&namespace))
    });
    for (kind, stream) in streams.children {
        controller = controller.owns_stream_with(stream, kind.resource());
    }
    let kinds = tokio_stream_of(context.kinds.changes());
    let passes = controller
        .reconcile_all_on(kinds)
        .reconcile_on(futures_util::stream::unfold(touched, |mut touched| async move {
            touched.recv().await.map(|gateway| (gateway, touched))
        }))
        .graceful_shutdown_on(stop)
        .run(reconcile, on_failure, context)
        .for_each(|result| async move {
            // Failures of passes were told by `on_failure`; what is left are watches that are made again.
            if let Err(error @ kube::runtime::controller::Error::QueueError(_)) = result {
                tracing::warn!(%error, "failed to watch");
            }
        });
    passes.await;
}

fn tokio_stream_of(receiver: tokio::sync::watch::Receiver<()>) -> impl futures_util::Stream<Item = ()> + Send {
    futures_util::stream::unfold(receiver, |mut receiver| async move {
        receiver.changed().await.ok()?;
        Some(((), receiver))
    })
}

fn key(gateway: &Guarded) -> Key {
    (gateway.meta().namespace.clone().unwrap_or_default(), gateway.name_any())
}

async fn reconcile(gateway: Arc<Guarded>, context: Arc<Context>) -> Result<Action, Failure> {
    let (key, began) = (key(&gateway), Instant::now());
    let gateway = match &gateway.0 {
        Ok(gateway) => gateway,
        Err(invalid) => {
            tracing::error!(namespace = key.0, name = key.1, error = %invalid, "failed to read an EventsGateway");
            context.metrics.passed("EventsGateway", "invalid", began.elapsed());
            return Ok(Action::await_change());
        }
    };
    if gateway.metadata.deletion_timestamp.is_some() {
        // What belongs to it goes with it.
        context.forget(&key);
        return Ok(Action::await_change());
    }
    let queue = context.metrics.queue.with_label_values(&["EventsGateway"]);
    queue.inc();
    let passed = pass(&context, &key, gateway).await;
    queue.dec();
    let result = match &passed {
        Ok((_, true)) => "ok",
        Ok((_, false)) => "invalid",
        Err(_) => "failed",
    };
    context.metrics.passed("EventsGateway", result, began.elapsed());
    let (action, _) = passed?;
    context.failures.lock().remove(&key);
    context.metrics.last_success.with_label_values(&[&key.0, &key.1]).set(crate::metrics::now());
    Ok(action)
}

/// One pass; whether the resource is valid.
async fn pass(context: &Context, key: &Key, gateway: &EventsGateway) -> Result<(Action, bool), Failure> {
    let wanted = wanted(gateway);
    let about = gateway.object_ref(&());
    let found = dereference::dereference(context, key, gateway, wanted).await?;
    let proven = validate(gateway, &found.surroundings);
    let paused = paused(gateway);
    let mut failure = None;
    let mut decision = None;
    let mut exposed = ExposureView::default();
    let resting = consumption::resting(context, key, gateway);
    let seen = proven.is_ok().then(|| context.kafka.view(key, gateway)).flatten();
    let lasts = seen.as_ref().map_or(survey::STEADY, View::lasts);
    if let (Ok(validated), None) = (&proven, paused) {
        if gateway.spec.image.reference.is_none() && gateway.status.as_ref().is_none_or(|status| status.image.is_none())
        {
            // Before anything runs it: another operator with another image must find it.
            let mut status = gateway.status.clone().unwrap_or_default();
            status.image = Some(validated.image.as_str().into());
            update_status::write(context, key, &status).await?;
        }
        let objects = build(validated);
        let template_waits = apply::changes_template(context, key, &objects);
        decision = scale::decided(gateway, &found, wanted, template_waits);
        let deployed = found.deployment.as_ref().and_then(|deployment| deployment.spec.as_ref()?.replicas);
        let holds = decision.as_ref().is_some_and(Decision::holds_template);
        let applied = apply::apply(context, key, validated, &objects, deployed.unwrap_or(wanted), holds).await;
        let scaled = match (&applied, &decision) {
            (Ok(()), Some(decision)) => scale::carry_out(context, key, &about, &found, decision).await,
            _ => Ok(()),
        };
        failure = applied.and(scaled).err();
        consumption::see_to(context, key, &found, &resting).await;
        match exposure::exposure(context, key, validated).await {
            Ok(view) => exposed = view,
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    // What was written in this pass is seen in the status that follows.
    let deployment = context.applied.newest(key, found.deployment.clone());
    let words = failure.as_ref().map(ToString::to_string);
    let observation = Observation {
        gateway,
        proven: proven.as_ref().map_err(Vec::as_slice),
        deployment: deployment.as_ref(),
        pods: &found.views,
        wanted,
        draining: decision.as_ref().map(|decision| draining(&decision.draining)).unwrap_or_default(),
        paused,
        failure: words.as_deref(),
        autoscaler: found.autoscaler.clone(),
        exposure: exposed,
        groups: seen.as_ref().map(|seen| seen.groups.clone()),
        protocol: seen.as_ref().and_then(|seen| seen.protocol.clone()),
        kafka_problems: seen.map(|seen| seen.problems).unwrap_or_default(),
        consumption_paused: resting.values().next().cloned(),
        now: Timestamp::now(),
    };
    let status = observation.status();
    tell_ready(context, &status);
    update_status::update_status(context, key, gateway, &about, status).await?;
    if let Some(failure) = failure {
        return Err(failure);
    }
    let again = match &proven {
        Err(_) => INVALID,
        Ok(_) => decision.and_then(|decision| decision.again).unwrap_or(survey::STEADY).min(lasts),
    };
    // Jitter: passes over many gateways don't fall on one moment.
    Ok((Action::requeue(again.mul_f64(0.9 + rand::random::<f64>() * 0.2)), proven.is_ok()))
}

/// How many gateways are ready, as their statuses say.
fn tell_ready(context: &Context, now: &EventsGatewayStatus) {
    let word = |status: &EventsGatewayStatus| {
        let ready = status.conditions.iter().find(|condition| condition.kind.0 == "Ready");
        ready.is_some_and(|condition| condition.status == ConditionStatus::True)
    };
    let all = context.stores.gateways.state();
    let known = all.iter().filter_map(|gateway| gateway.0.as_ref().ok()?.status.as_ref());
    let ready = known.clone().filter(|status| word(status)).count();
    // The one that is looked at right now may not have said anything before.
    let ready = if all.len() == 1 { usize::from(word(now)) } else { ready };
    let told = |ready: &str, count: usize| {
        context.metrics.resources.with_label_values(&[ready]).set(i64::try_from(count).unwrap_or(i64::MAX));
    };
    told("true", ready);
    told("false", all.len() - ready);
}

fn paused(gateway: &EventsGateway) -> Option<&'static str> {
    let annotated = gateway.annotations().get(labels::PAUSED).is_some_and(|value| value == "true");
    match (gateway.spec.paused, annotated) {
        (true, _) => Some("spec.paused is true"),
        (false, true) => Some("the annotation eventsgateway.dev/paused is true"),
        (false, false) => None,
    }
}

fn draining(decided: &[events_gateway_operator_core::scaling::Draining]) -> Vec<Draining> {
    let told = decided.iter().take(100).map(|one| Draining {
        pod: one.pod.as_str().into(),
        connections: one.connections.and_then(|number| i32::try_from(number).ok()).unwrap_or(0),
        since: Time(one.since.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
    });
    told.collect()
}

/// Later and later, for each resource by itself.
#[allow(clippy::needless_pass_by_value)] // The controller hands them over.
fn on_failure(gateway: Arc<Guarded>, failure: &Failure, context: Arc<Context>) -> Action {
    let key = key(&gateway);
    let times = {
        let mut failures = context.failures.lock();
        let times = failures.entry(key.clone()).or_insert(0);
        *times = times.saturating_add(1);
        *times
    };
    context.metrics.errors.with_label_values(&[failure.category()]).inc();
    let wait = Duration::from_secs(1).saturating_mul(2_u32.saturating_pow(times.min(16) - 1)).min(MAX_BACKOFF);
    let wait = wait.mul_f64(0.75 + rand::random::<f64>() * 0.5);
    tracing::warn!(namespace = key.0, name = key.1, error = %failure, times, again_in_s = wait.as_secs_f64(), "a pass failed");
    Action::requeue(wait)
}
