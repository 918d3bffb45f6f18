//! The page of `dev`: what streams by, a form to send an event, and the proof that nothing is missing.
//!
//! Only `dev` mounts it. The listener has checked Host and Origin before anything here is asked; what changes something
//! takes nothing but `application/json`, which no page of another origin can send without a preflight that nobody grants.

mod endpoints;
mod page;
mod status;
pub mod types;

use std::sync::Arc;

use actix_web::web::{self, ServiceConfig};

use crate::dev::{Publisher, Sample};
pub use types::Types;

/// What the page is told and works with; shared by the listener's workers.
#[derive(Debug)]
pub struct Console {
    /// What the subscribe endpoint's path begins with: `/api/v1`, or empty.
    pub path_prefix: String,
    /// The admin listener as a browser reaches it: `http://127.0.0.1:8081`, no `/` at the end.
    pub admin_url: String,
    /// The topic that is bound as commands; `None`: the page can't ask for a disconnect.
    pub commands: Option<String>,
    /// Takes the page's events to Kafka.
    pub publisher: Arc<Publisher>,
    /// The sample traffic that the page starts and stops.
    pub sample: Arc<Sample>,
    /// The types that have streamed by.
    pub types: Arc<Types>,
}

/// Mounts `/`, its assets, and `/console/…`.
pub fn configure(services: &mut ServiceConfig, console: web::Data<Console>) {
    services.app_data(console);
    page::mount(services);
    endpoints::mount(services);
}

#[cfg(test)]
mod tests;
