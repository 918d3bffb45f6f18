//! Decoders of routes: what proves that every template and condition compiles.

use events_gateway_core::envelope::Decoder;
use events_gateway_core::route::{self, RouteSpec};

use super::{Config, Place, Problems, Route, routes};

/// Notes every template and condition that doesn't compile.
pub(super) fn prove(config: &Config, problems: &mut Problems) {
    for (index, route) in config.routes.iter().enumerate() {
        if let Err(found) = build(route, config.kafka.max_record_bytes.get()) {
            for problem in found {
                problems.add(routes::place(index, problem.route, &problem.path), problem.message);
            }
        }
    }
}

/// The decoder of a binding's route, or of the default envelope and CloudEvents where it has none.
pub fn of(config: &Config, route: Option<&str>) -> Result<Decoder, Problems> {
    let max = config.kafka.max_record_bytes.get();
    let built = match route.and_then(|name| config.route(name)) {
        Some(route) => build(route, max),
        None => Decoder::build(&[], max),
    };
    built.map_err(|found| {
        let mut problems = Problems::default();
        for problem in found {
            problems.add(Place::root().key("routes").key(&problem.path), problem.message);
        }
        problems
    })
}

fn build(route: &Route, max_record_bytes: usize) -> Result<Decoder, Vec<route::Problem>> {
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
