//! Secrets and files that the configuration names.

use std::path::Path;

use super::GatewayError;
use crate::config::{Place, Problems, Secret};

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
