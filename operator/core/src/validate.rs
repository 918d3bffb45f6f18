//! From a resource to something proven, or to everything that is wrong with it.
//!
//! The API server has checked the schema and its rules already; here stands what it can't check: that templates and
//! conditions compile, that topics are read once, that what is referred to is there. `check` says the same offline.

use std::collections::{BTreeMap, BTreeSet};

use events_gateway_config::Environment;
use events_gateway_resources::gateway::image::ImageUpdates;
use events_gateway_resources::{EventsGateway, EventsGatewaySpec};

use crate::configuration::{Configuration, Keys, references};
use crate::kind::Kind;
use crate::names;

/// Versions of objects, by name.
pub type Versions = BTreeMap<String, String>;

/// What was found out about a resource's surroundings.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Surroundings {
    /// The image that the operator has for gateways that name none.
    pub default_image: String,
    /// Whether this gateway may move to it now, if it follows the operator at all.
    pub may_update_image: bool,
    /// The namespace that the operator runs in: its pods reach the admin listeners.
    pub operator_namespace: Option<String>,
    /// Which optional kinds the cluster has.
    pub kinds: BTreeSet<Kind>,
    /// The versions of the Secrets that it refers to and that are there, by name. `None`: not looked at.
    pub secrets: Option<Versions>,
    /// Those of its ConfigMaps.
    pub config_maps: Option<Versions>,
}

/// Something that is wrong with a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Whether it is the spec, or something that the spec refers to and that may still come.
    pub reason: Reason,
    /// Where it is and what was expected, one line.
    pub text: String,
}

/// What a problem is about, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The spec has to be changed.
    InvalidSpec,
    /// A Secret isn't there.
    SecretMissing,
    /// A ConfigMap isn't there.
    ConfigMapMissing,
}

/// A gateway that can be built.
#[derive(Debug, Clone, PartialEq)]
pub struct Validated {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its identity; empty where it was never created.
    pub uid: String,
    /// What is wanted.
    pub spec: EventsGatewaySpec,
    /// What the replicas run.
    pub image: String,
    /// What the replicas read.
    pub configuration: Configuration,
    /// Whether the operator makes the admin token, since the spec names none.
    pub makes_token: bool,
    /// The admin token's Secret.
    pub admin_secret: String,
    /// The key of it.
    pub admin_key: String,
    /// The versions of the Secrets whose change replaces the pods.
    pub secret_versions: Versions,
    /// Those of the ConfigMaps.
    pub config_map_versions: Versions,
    /// Kinds that are asked for and that the cluster doesn't have, and what to say of it: all else is built.
    pub missing_kinds: Vec<(Kind, String)>,
    /// The namespace that the operator runs in.
    pub operator_namespace: Option<String>,
}

/// The key of the token in the Secret that the operator makes.
pub const TOKEN: &str = "token";

/// Proves a resource.
///
/// # Errors
/// With everything that is wrong with it.
pub fn validate(gateway: &EventsGateway, surroundings: &Surroundings) -> Result<Validated, Vec<Problem>> {
    let name = gateway.metadata.name.clone().unwrap_or_default();
    let mut problems = Vec::new();
    let mut spec = gateway.spec.clone();
    // Without a token the operator makes one, so that it can see and drain the replicas.
    let token = spec.admin.token.get_or_insert_with(|| own_token(&name)).clone();
    let is_own = gateway.spec.admin.token.is_none();
    let configuration = Configuration::render(&spec.configuration());
    if let Err(found) = events_gateway_config::parse(&configuration.text, &Environment::new()) {
        let invalid = |problem: String| Problem { reason: Reason::InvalidSpec, text: format!("spec.{problem}") };
        problems.extend(found.to_string().lines().map(|line| invalid(line.to_owned())));
    }
    let mut missing = Vec::new();
    for (wanted, kind, place) in [
        (spec.exposure.http_route.is_some(), Kind::HttpRoute, "exposure.httpRoute"),
        (spec.monitoring.service_monitor.enabled, Kind::ServiceMonitor, "monitoring.serviceMonitor"),
        (spec.monitoring.prometheus_rule.enabled, Kind::PrometheusRule, "monitoring.prometheusRule"),
        (spec.autoscaling.keda.is_some(), Kind::ScaledObject, "autoscaling.type KEDA"),
    ] {
        if wanted && !surroundings.kinds.contains(&kind) {
            let (group, _, name, _) = kind.names();
            let text = format!("spec.{place} needs the kind {name} of {group}, which this cluster doesn't have");
            missing.push((kind, text));
        }
    }
    let mut refers = configuration.references.clone();
    if is_own {
        refers.secrets.remove(&*token.name);
    }
    for (kind, reason, keys, present) in [
        ("Secret", Reason::SecretMissing, &refers.secrets, &surroundings.secrets),
        ("ConfigMap", Reason::ConfigMapMissing, &refers.config_maps, &surroundings.config_maps),
    ] {
        let Some(present) = present else { continue };
        for name in keys.keys().filter(|name| !present.contains_key(*name)) {
            let text = format!("the {kind} {name}, which spec refers to, isn't in this namespace");
            problems.push(Problem { reason, text });
        }
    }
    let Some(image) = image(gateway, surroundings) else {
        let text = "spec.image.reference is required: the operator was started without an image for gateways".into();
        problems.push(Problem { reason: Reason::InvalidSpec, text });
        return Err(problems);
    };
    if !problems.is_empty() {
        return Err(problems);
    }
    let (secret_versions, config_map_versions) = restarting(&gateway.spec, surroundings);
    Ok(Validated {
        namespace: gateway.metadata.namespace.clone().unwrap_or_default(),
        uid: gateway.metadata.uid.clone().unwrap_or_default(),
        image,
        configuration,
        makes_token: is_own,
        admin_secret: token.name.0,
        admin_key: token.key.0,
        secret_versions,
        config_map_versions,
        missing_kinds: missing,
        operator_namespace: surroundings.operator_namespace.clone(),
        name,
        spec,
    })
}

fn own_token(name: &str) -> events_gateway_resources::form::SecretKey {
    let (name, key) = (names::admin(name).as_str().into(), TOKEN.into());
    events_gateway_resources::form::SecretKey { name, key }
}

/// What the replicas run: what the spec says, else what was pinned, else the operator's image.
fn image(gateway: &EventsGateway, surroundings: &Surroundings) -> Option<String> {
    if let Some(reference) = &gateway.spec.image.reference {
        return Some(reference.0.clone());
    }
    let own = Some(surroundings.default_image.clone()).filter(|image| !image.is_empty());
    let pinned = gateway.status.as_ref().and_then(|status| status.image.as_ref()).map(|image| image.0.clone());
    let follows = gateway.spec.image.updates == ImageUpdates::Automatic && surroundings.may_update_image;
    if follows { own.or(pinned) } else { pinned.or(own) }
}

/// The versions of the Secrets and ConfigMaps that pods read only when they start. A listener's certificate is read anew by
/// itself, and the operator's own token never changes.
fn restarting(spec: &EventsGatewaySpec, surroundings: &Surroundings) -> (Versions, Versions) {
    if !spec.rollout.restart_on_secret_change {
        return Default::default();
    }
    let mut without_listener = spec.configuration();
    without_listener.listen.tls = None;
    let read_once = references(&without_listener);
    let versions = |present: &Option<Versions>, keys: &Keys| {
        let present = present.iter().flatten().filter(|(name, _)| keys.contains_key(*name));
        present.map(|(name, version)| (name.clone(), version.clone())).collect()
    };
    (versions(&surroundings.secrets, &read_once.secrets), versions(&surroundings.config_maps, &read_once.config_maps))
}

#[cfg(test)]
mod tests;
