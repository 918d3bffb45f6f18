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
use events_gateway_operator_core::status::{ExposureView, Observation, unobserved, wanted};
use events_gateway_operator_core::{build, labels, validate};
use events_gateway_resources::gateway::status::Draining;
use events_gateway_resources::text::Timestamp as Time;
use events_gateway_resources::{EventsGateway, EventsGatewayStatus};
use futures_util::StreamExt as _;
use futures_util::future::ready;
use futures_util::stream;
use k8s_openapi::jiff::Timestamp;
use kube::runtime::controller::{Action, Config, Controller, Error};
use kube::runtime::reflector::ObjectRef;
use kube::{Resource as _, ResourceExt};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::context::{Context, Key, key};
use crate::kafka::View;
use crate::watches::{GatewayStreams, Guarded, Indexed, Topic, replica_of};
pub(crate) use error::Failure;

/// Passes that run at the same time, in all namespaces together.
pub(crate) const AT_A_TIME: usize = 16;
/// What is touched again within this time is looked at once.
const DEBOUNCE: Duration = Duration::from_millis(100);
/// The longest wait after failures.
pub(crate) const MAX_BACKOFF: Duration = Duration::from_secs(300);
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
    let mut controller = Controller::for_stream(streams.gateways, stores.gateways.store().clone())
        .with_config(Config::default().debounce(DEBOUNCE))
        .owns_stream(streams.deployments)
        .watches_stream(streams.pods, |pod| {
            replica_of(&pod).map(|(namespace, name)| ObjectRef::new(&name).within(&namespace))
        });
    let gateways = stores.gateways.clone();
    controller =
        controller.watches_stream(streams.secrets, move |secret| users(&gateways, &Topic::Secret(key(&secret))));
    let gateways = stores.gateways.clone();
    controller = controller
        .watches_stream(streams.config_maps, move |config_map| users(&gateways, &Topic::ConfigMap(key(&config_map))));
    controller = controller.watches_stream(streams.resets, |reset| {
        reset.namespace().map(|namespace| ObjectRef::new(&reset.spec.gateway.0).within(&namespace))
    });
    for (kind, stream) in streams.children {
        controller = controller.owns_stream_with(stream, kind.resource());
    }
    let kinds = stream::unfold(context.kinds.changes(), async |mut kinds| Some((kinds.changed().await.ok()?, kinds)));
    let touched = stream::unfold(touched, async |mut touched| Some((touched.recv().await?, touched)));
    let passes = controller
        .reconcile_all_on(kinds)
        .reconcile_on(touched)
        .graceful_shutdown_on(stop)
        .run(reconcile, on_failure, context.clone())
        .for_each(|result| {
            // Failures of passes were told by `on_failure`, those of watches where they are watched.
            if let Err(Error::ObjectNotFound(gone)) = result {
                context.forget(&(gone.namespace.unwrap_or_default(), gone.name));
            }
            ready(())
        });
    passes.await;
}

/// The gateways that use an object.
fn users(gateways: &Indexed<Guarded, Topic>, object: &Topic) -> Vec<ObjectRef<Guarded>> {
    gateways.of(object).iter().map(|gateway| ObjectRef::from_obj(&**gateway)).collect()
}

async fn reconcile(gateway: Arc<Guarded>, context: Arc<Context>) -> Result<Action, Failure> {
    let key = key(&*gateway);
    if let Some(rest) = context.failures.rests(&key) {
        return Ok(Action::requeue(rest));
    }
    let queue = context.metrics.queue.with_label_values(&["EventsGateway"]);
    queue.inc();
    let turn = context.turns.acquire().await;
    queue.dec();
    // Closed by nobody.
    let _turn = turn.expect("turns are given for as long as the operator runs");
    let began = Instant::now();
    if let Err(unseen) = context.stores.seen().await {
        tell_unseen(&context, &key, &unseen).await;
        return Err(unseen);
    }
    // What was wanted when it was queued may be over.
    let Some(gateway) = context.stores.gateways.get(&key) else {
        return Ok(Action::await_change());
    };
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
        return Ok(Action::await_change());
    }
    let passed = pass(&context, &key, gateway).await;
    let result = match &passed {
        Ok((_, true)) => "ok",
        Ok((_, false)) => "invalid",
        Err(_) => "failed",
    };
    context.metrics.passed("EventsGateway", result, began.elapsed());
    let (action, _) = passed?;
    context.failures.forget(&key);
    context.metrics.last_success.with_label_values(&[&key.0, &key.1]).set(crate::metrics::now());
    Ok(action)
}

/// One pass; whether the resource is valid.
async fn pass(context: &Context, key: &Key, gateway: &EventsGateway) -> Result<(Action, bool), Failure> {
    let wanted = wanted(gateway);
    let about = gateway.object_ref(&());
    let steady = survey::steady(context.everywhere.iter().map(|stores| stores.pods.len()).sum());
    let found = dereference::dereference(context, key, gateway, wanted, steady).await?;
    let proven = validate(gateway, &found.surroundings);
    let paused = paused(gateway);
    if proven.is_err() || paused.is_some() {
        context.image_updates.give_back(key);
    }
    let again = survey::again(&found.views, steady);
    let mut failures = Vec::new();
    let mut decision = None;
    let mut exposed = ExposureView::default();
    let resting = consumption::resting(context, key, gateway);
    let looks = proven.is_ok() && context.settings.kafka;
    let seen = looks.then(|| context.kafka.view(key, gateway)).flatten();
    let lasts = seen.as_ref().map_or(steady, View::lasts);
    if let (Ok(validated), None) = (&proven, paused) {
        if gateway.spec.image.reference.is_none() && gateway.status.as_ref().is_none_or(|status| status.image.is_none())
        {
            // Before anything runs it: another operator with another image must find it.
            let before = gateway.status.clone().unwrap_or_default();
            let image = Some(validated.image.as_str().into());
            let pinned = EventsGatewayStatus { image, ..before.clone() };
            update_status::write(context, key, &before, &pinned).await?;
        }
        let objects = build(validated);
        let template_waits = apply::changes_template(context, key, &objects);
        decision = scale::decided(gateway, &found, wanted, template_waits);
        let deployed = found.deployment.as_ref().and_then(|deployment| deployment.spec.as_ref()?.replicas);
        let holds = decision.as_ref().is_some_and(Decision::holds_template);
        failures = apply::apply(context, key, validated, &objects, deployed.unwrap_or(wanted), holds).await;
        // What is refused keeps nobody from scaling.
        if let (false, Some(decision)) = (failures.iter().any(Failure::is_of_server), &decision) {
            failures.extend(scale::carry_out(context, key, &about, &found, decision).await.err());
        }
        consumption::see_to(context, key, &found, &resting).await;
        if !failures.iter().any(Failure::is_of_server) {
            match exposure::exposure(context, key, validated).await {
                Ok(view) => exposed = view,
                Err(failure) => failures.push(failure),
            }
        }
    }
    // What was written in this pass is seen in the status that follows.
    let deployment = context.applied.newest(key, found.deployment.clone());
    let words: Vec<String> = failures.iter().map(ToString::to_string).collect();
    let words = (!words.is_empty()).then(|| words.join("; "));
    let observation = Observation {
        gateway,
        proven: proven.as_ref().map_err(Vec::as_slice),
        deployment: deployment.as_ref(),
        pods: &found.views,
        wanted,
        draining: decision.as_ref().map(|decision| draining(&decision.draining)).unwrap_or_default(),
        activity: decision.as_ref().map(|decision| decision.activity).unwrap_or_default(),
        paused,
        failure: words.as_deref(),
        autoscaler: found.autoscaler.clone(),
        exposure: exposed,
        asks_brokers: context.settings.kafka,
        groups: seen.as_ref().map(|seen| seen.groups.clone()),
        protocol: seen.as_ref().and_then(|seen| seen.protocol.clone()),
        kafka_problems: seen.map(|seen| seen.problems).unwrap_or_default(),
        consumption_paused: resting.values().next().cloned(),
        now: Timestamp::now(),
    };
    let status = observation.status();
    tell_ready(context);
    failures.extend(update_status::update_status(context, key, gateway, &about, status).await.err());
    let mut failures = failures.into_iter();
    if let Some(first) = failures.next() {
        // The first is told by whoever is told of the pass.
        for failure in failures {
            context.metrics.errors.with_label_values(&[failure.category()]).inc();
            tracing::warn!(namespace = key.0, name = key.1, error = %failure, "failed in the same pass");
        }
        return Err(first);
    }
    let again = match &proven {
        Err(_) => INVALID,
        Ok(_) => decision.and_then(|decision| decision.again).unwrap_or(again).min(lasts),
    };
    // Jitter: passes over many gateways don't fall on one moment.
    Ok((Action::requeue(again.mul_f64(0.9 + rand::random::<f64>() * 0.2)), proven.is_ok()))
}

/// Tells of a pass that couldn't be begun, in the status as it is: nothing is known that could be told anew.
async fn tell_unseen(context: &Context, key: &Key, unseen: &Failure) {
    let Some(gateway) = context.stores.gateways.get(key) else { return };
    let Ok(gateway) = &gateway.0 else { return };
    let status = unobserved(gateway, &unseen.to_string(), Timestamp::now());
    let told = update_status::update_status(context, key, gateway, &gateway.object_ref(&()), status).await;
    if let Err(failure) = told {
        tracing::warn!(namespace = key.0, name = key.1, error = %failure, "failed to tell of it");
    }
}

/// How many gateways are ready, as their statuses say: a status that is written is another pass, and seen then.
fn tell_ready(context: &Context) {
    for (word, is_ready) in [("true", true), ("false", false)] {
        let count: usize = context.everywhere.iter().map(|stores| stores.gateways.count(&Topic::Ready(is_ready))).sum();
        context.metrics.resources.with_label_values(&[word]).set(i64::try_from(count).unwrap_or(i64::MAX));
    }
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
    let key = key(&*gateway);
    let (times, wait) = context.failures.count(&key, failure.retry_after());
    context.metrics.errors.with_label_values(&[failure.category()]).inc();
    tracing::warn!(namespace = key.0, name = key.1, error = %failure, times, again_in_s = wait.as_secs_f64(), "a pass failed");
    Action::requeue(wait)
}
