//! Rules of the configuration that other modules know, and files that it names.

use std::path::Path;

use events_gateway_core::envelope::Decoder;
use events_gateway_core::route::RouteSpec;

use super::GatewayError;
use crate::config::{Config, Place, Problems, Route, Secret, routes};

/// That every template and condition compiles. For [`crate::config::load`] and its kin.
pub fn routes_compile(config: &Config, problems: &mut Problems) {
    for (index, route) in config.routes.iter().enumerate() {
        if let Err(found) = decoder(route, config.kafka.max_record_bytes.get()) {
            for problem in found {
                problems.add(routes::place(index, problem.route, &problem.path), problem.message);
            }
        }
    }
}

/// The decoder of a route.
pub fn decoder(route: &Route, max_record_bytes: usize) -> Result<Decoder, Vec<events_gateway_core::route::Problem>> {
    let specs: Vec<RouteSpec> = route
        .rules
        .iter()
        .enumerate()
        .map(|(index, rule)| RouteSpec {
            name: format!("{}[{index}]", route.name),
            when: rule.when.clone(),
            channels: rule.channels.clone(),
            kind: rule.kind.clone(),
            data: rule.data.clone(),
            key: rule.key.clone(),
            id: rule.id.clone(),
            time: rule.time.clone(),
            attributes: rule.attributes.clone(),
        })
        .collect();
    Decoder::build(&specs, max_record_bytes)
}

/// The decoder of a binding: of its route, or of the default envelope and CloudEvents.
pub fn decoder_of(config: &Config, route: Option<&str>) -> Result<Decoder, GatewayError> {
    let max = config.kafka.max_record_bytes.get();
    let built = match route.and_then(|name| config.route(name)) {
        Some(route) => decoder(route, max),
        None => Decoder::build(&[], max),
    };
    built.map_err(|found| {
        let mut problems = Problems::default();
        for problem in found {
            problems.add(Place::root().key("routes").key(&problem.path), problem.message);
        }
        GatewayError::Config(problems)
    })
}

/// A secret's text, or a problem at its place.
pub(super) fn secret(place: &str, secret: &Secret) -> Result<String, GatewayError> {
    secret.read().map(|text| text.expose().to_owned()).map_err(|error| problem(place, &error))
}

/// A file's content, or a problem at its place.
pub(super) fn readable(place: &str, path: &Path) -> Result<Vec<u8>, GatewayError> {
    std::fs::read(path).map_err(|error| problem(place, &format!("failed to read {}: {error}", path.display())))
}

fn problem(place: &str, what: &impl std::fmt::Display) -> GatewayError {
    let mut problems = Problems::default();
    problems.add(place.split('.').fold(Place::root(), |place, key| place.key(key)), what);
    GatewayError::Config(problems)
}
