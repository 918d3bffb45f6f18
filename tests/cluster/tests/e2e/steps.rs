//! What happens to the gateway while its clients read.

mod autoscaling;
mod consuming;
mod looking;
mod operator;
mod outside;
mod replacing;
mod scaling;
mod starting;

use std::pin::Pin;

use anyhow::Result;

use super::scene::Scene;

/// A step under way; in the end it gives what is worth telling.
pub(crate) type Act<'a> = Pin<Box<dyn Future<Output = Result<String>> + 'a>>;

/// One step.
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) act: for<'a> fn(&'a mut Scene) -> Act<'a>,
}

macro_rules! steps {
    ($($name:literal => $act:path,)*) => {
        &[$(Step { name: $name, act: |scene| Box::pin($act(scene)) },)*]
    };
}

/// In this order: each begins with what the one before it left.
pub(crate) const STEPS: &[Step] = steps! {
    "what people see" => looking::look,
    "a stranger at the admin port" => outside::strangers,
    "an autoscaler, 2 to 5" => autoscaling::up,
    "another image under it" => autoscaling::other_image,
    "scale 5 to 2" => autoscaling::off,
    "another password of Redis" => replacing::password,
    "another admin token" => replacing::token,
    "an offset reset" => consuming::reset,
    "scale 2 to 4" => scaling::up,
    "eviction of a pod" => outside::evict,
    "deletion of a pod" => outside::delete,
    "scale 4 to 2, operator killed three times" => operator::killed_in_a_drain,
    "restart of the API server" => outside::restart_the_api_server,
    "uninstall and install of the chart" => operator::installed_again,
    "pause and resume" => operator::paused,
    "the topic deleted and made again" => consuming::recreate_the_topic,
};

pub(crate) use operator::nothing_is_written;
pub(crate) use starting::start;
