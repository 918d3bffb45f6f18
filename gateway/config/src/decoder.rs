//! Decoders of routes: what proves that every template and condition compiles.

use events_gateway_core::envelope::Decoder;

use super::{Config, Place, Problems, routes};

/// Notes every template and condition that doesn't compile.
pub(super) fn prove(config: &Config, problems: &mut Problems) {
    for (index, route) in config.routes.iter().enumerate() {
        if let Err(found) = Decoder::build(&route.rules, config.kafka.max_record_bytes.get()) {
            for problem in found {
                problems.add(routes::place(index, problem.route, &problem.path), problem.message);
            }
        }
    }
}

/// The decoder of a binding's route, or of the default envelope and CloudEvents where it has none.
pub fn of(config: &Config, route: Option<&str>) -> Result<Decoder, Problems> {
    let max = config.kafka.max_record_bytes.get();
    let rules = route.and_then(|name| config.route(name)).map_or(&[][..], |route| &route.rules);
    Decoder::build(rules, max).map_err(|found| {
        let mut problems = Problems::default();
        for problem in found {
            problems.add(Place::root().key("routes").key(&problem.path), problem.message);
        }
        problems
    })
}
