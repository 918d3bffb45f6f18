//! How fast something may happen.

use std::num::NonZeroU32;

use events_gateway_crds as raw;

use super::problem::{Place, Problems};
use super::text;

/// How often something may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// In the long run.
    pub per_second: NonZeroU32,
    /// At once; at least what comes in a second.
    pub burst: NonZeroU32,
}

impl Rate {
    /// The outer `None`: there is one, and it is wrong.
    #[allow(clippy::option_option)] // what is absent is right
    pub(super) fn prove(raw: Option<&raw::rate::Rate>, place: &Place, problems: &mut Problems) -> Option<Option<Self>> {
        let Some(raw) = raw else { return Some(None) };
        if raw.burst < raw.per_second {
            problems.add(place.key("burst"), "must be at least perSecond: a second's may come at once");
        }
        let per_second = text::rate(raw.per_second, place.key("perSecond"), problems);
        let burst = text::rate(raw.burst, place.key("burst"), problems);
        Some(Some(Self { per_second: per_second?, burst: burst? }))
    }
}
