//! Who may read what: the one place that every subscription passes.
//!
//! There is no identity yet: whoever reaches the listener may read every channel that is served.

use std::sync::Arc;

use super::problem::{Kind, Problem};
use super::query::Asked;

/// What is served to whom.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// Whether the firehose `all` is served.
    pub serve_all: bool,
}

/// What an authorised client holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Who it is; absent while no identity is configured.
    pub subject: Option<Arc<str>>,
    /// What it may have: what it asked for.
    pub asked: Asked,
}

/// Decides on a request. A refusal here is terminal: asking again gives the same answer.
pub fn authorise(policy: &Policy, asked: Asked) -> Result<Grant, Problem> {
    if !policy.serve_all && asked.channels.as_slice().iter().any(events_gateway_core::Channel::is_all) {
        return Err(Kind::ChannelNotServed.because("this gateway doesn't serve the channel \"all\"").about("channels"));
    }
    Ok(Grant { subject: None, asked })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::query::{Rules, read};

    fn asked(query: &str) -> Asked {
        let rules = Rules { default_channels: None, max_channels: 12 };
        read(query, None, &rules).unwrap()
    }

    #[test]
    fn the_firehose_is_refused_where_it_is_not_served() {
        let closed = Policy { serve_all: false };
        assert_eq!(authorise(&closed, asked("channels=a,all")).unwrap_err().kind, Kind::ChannelNotServed);
        assert!(authorise(&closed, asked("channels=a,everyone")).is_ok());
        assert!(authorise(&Policy { serve_all: true }, asked("channels=all")).is_ok());
    }
}
