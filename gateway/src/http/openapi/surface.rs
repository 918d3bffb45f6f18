//! What there is to describe: the part of the configuration that clients see.

use events_gateway_core::access::Right;
use events_gateway_core::view::{RAW, View};
use events_gateway_crds::form::OnDisk;
use events_gateway_crds::listen::Listen;
use events_gateway_crds::publish::Publish;
use serde_json::json;

use crate::config::Alias;
use crate::http::alias;
use crate::http::events::Edge;
use crate::http::screen::Hosts;

/// What a client sees of the configuration.
#[derive(Debug, Clone)]
pub struct Surface {
    /// What every path begins with.
    pub path_prefix: String,
    /// Most channels of a stream.
    pub max_channels: usize,
    /// Whether a request may leave them out.
    pub has_default_channels: bool,
    /// Whether the channel `all` is served.
    pub serves_all: bool,
    /// Names of filters.
    pub filters: Vec<String>,
    /// Names of views, the raw one too.
    pub views: Vec<String>,
    /// Paths of existing frontends.
    pub aliases: Vec<Alias>,
    /// Bounds of publishing; absent: nothing can be published.
    pub publishing: Option<Bounds>,
    /// How clients say who they are; absent: nobody is asked.
    pub identity: Option<Scheme>,
    /// What whoever doesn't say may do nevertheless.
    pub anonymous: Vec<Right>,
    /// Whether only some hosts and origins are answered.
    pub screens_hosts: bool,
}

/// Bounds of a publication.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Most bytes of content.
    pub bytes: usize,
    /// Most events of a request.
    pub events: usize,
    /// Most channels of an event.
    pub channels: usize,
}

/// Where tokens may stand beside `Authorization`.
#[derive(Debug, Clone, Default)]
pub struct Scheme {
    /// In this cookie.
    pub cookie: Option<String>,
    /// In this parameter of the query.
    pub parameter: Option<String>,
}

impl Surface {
    pub(in crate::http) fn of(path_prefix: &str, hosts: &Hosts, edge: &Edge) -> Self {
        let views = edge.policy.views.iter().map(|view| View::name(view).to_owned());
        let rights = [Right::Subscribe, Right::Publish, Right::Stats];
        Self {
            path_prefix: path_prefix.to_owned(),
            max_channels: edge.rules.max_channels,
            has_default_channels: edge.rules.default_channels.is_some(),
            serves_all: edge.policy.serve_all,
            filters: edge.rules.filters.iter().map(|filter| filter.name().to_owned()).collect(),
            views: [RAW.to_owned()].into_iter().chain(views).collect(),
            aliases: edge.aliases.clone(),
            publishing: edge.publishing.as_ref().map(|publishing| Bounds {
                bytes: publishing.max_body_bytes,
                events: publishing.max_events,
                channels: publishing.publisher.max_channels(),
            }),
            identity: edge.credentials.as_ref().map(|credentials| Scheme {
                cookie: credentials.cookie.clone(),
                parameter: credentials.parameter.clone(),
            }),
            anonymous: rights.into_iter().filter(|right| edge.policy.may_any(*right, None)).collect(),
            screens_hosts: !hosts.are_all(),
        }
    }

    /// Everything there is, with the configuration's defaults.
    pub(in crate::http) fn whole() -> Self {
        let defaults: Publish =
            serde_json::from_value(json!({ "topic": "events" })).expect("all but the topic has a default");
        let bound = |number: i32| usize::try_from(number).unwrap_or_default();
        Self {
            path_prefix: Listen::<OnDisk>::default().path_prefix.0,
            max_channels: events_gateway_core::cursor::MAX_CURSOR_CHANNELS,
            has_default_channels: false,
            serves_all: true,
            filters: vec!["large".to_owned()],
            views: vec![RAW.to_owned(), "public".to_owned()],
            aliases: vec![alias::description::example()],
            publishing: Some(Bounds {
                bytes: bound(defaults.max_body_bytes),
                events: bound(defaults.max_events),
                channels: bound(defaults.max_channels),
            }),
            identity: Some(Scheme {
                cookie: Some("__Host-session".to_owned()),
                parameter: Some("access_token".to_owned()),
            }),
            anonymous: vec![Right::Subscribe],
            screens_hosts: false,
        }
    }
}
