//! What client and gateway say to each other: one JSON object a message.

use std::collections::BTreeMap;

use bytes::BytesMut;
use events_gateway_core::Channel;
use events_gateway_core::cursor::ChannelSet;
use events_gateway_core::disconnect::Closing;
use events_gateway_core::frame;
use serde::{Deserialize, Serialize};

use crate::http::content;
use crate::http::problem::{Document, Kind, Problem, quote};
use crate::http::query::{self, Asked, Rules};
use crate::hub::Resume;

/// What a client asks for. Unknown types and members are refused by name.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum Asking {
    /// Who it is; only as the first message.
    Authenticate { token: String },
    /// To be told of channels.
    Subscribe(Wanted),
    /// Not any more.
    Unsubscribe { id: String },
    /// Who it is, for longer.
    Renew { token: String },
    /// A sign of life.
    Ping {},
}

/// A subscription that is asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    pub(super) id: String,
    channels: Vec<String>,
    cursor: Option<String>,
    format: Option<String>,
    view: Option<String>,
    filter: Option<String>,
    #[serde(default)]
    types: Vec<String>,
    #[serde(default)]
    attributes: BTreeMap<String, Vec<String>>,
}

impl Asking {
    /// Reads a message.
    pub(super) fn read(text: &str) -> Result<Self, Problem> {
        content::object(text.as_bytes())
            .map_err(|error| Kind::BadRequest.because(format!("message: {}", quote(&error.to_string()))))
    }
}

impl Wanted {
    /// Proves it.
    pub(super) fn prove(&self, rules: &Rules) -> Result<Asked, Problem> {
        if !is_id(&self.id) {
            return Err(Kind::InvalidParameter.because("an id is 1 to 64 of A-Z a-z 0-9 _ -").about("id"));
        }
        let channels = self.channels(rules).map_err(|problem| problem.about("channels"))?;
        let resume = match self.cursor.as_deref() {
            None | Some("") => Resume::Live,
            Some(text) => query::resume(text, &channels, true).map_err(|problem| problem.about("cursor"))?,
        };
        let (format, bears_types) =
            self.format.as_deref().map(query::format).transpose()?.unwrap_or((Default::default(), true));
        let named = self.filter.as_deref().map(|name| query::named_filter(name, &rules.filters)).transpose()?;
        let terms = self.attributes.iter().map(|(name, values)| (vec![name.clone()], values.clone())).collect();
        let filter = query::build_filter(self.types.clone(), terms, named)?;
        Ok(Asked { channels, resume, format, named: bears_types, view: self.view.clone(), filter })
    }

    fn channels(&self, rules: &Rules) -> Result<ChannelSet, Problem> {
        let too_many = || {
            let most = rules.max_channels;
            Kind::TooManyChannels.because(format!("a subscription has at most {most} channels: open a second one"))
        };
        if self.channels.is_empty() {
            return Err(Kind::MissingChannels.because("the list of channels is empty"));
        }
        if self.channels.len() > rules.max_channels {
            return Err(too_many());
        }
        let parse = |name: &String| {
            Channel::parse(name).map_err(|error| Kind::InvalidChannel.because(format!("\"{}\": {error}", quote(name))))
        };
        let channels = self.channels.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
        ChannelSet::new(channels).map_err(|_| too_many())
    }
}

/// Whether a client may call a subscription so.
pub(super) fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

/// What the gateway tells, beside what subscriptions are told.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(in crate::http) enum Telling<'a> {
    /// The connection is there.
    Open { connection: &'a str, replica: &'a str },
    /// A subscription has ended because it was asked to.
    Unsubscribed { id: &'a str },
    /// The right to be connected ends.
    Expiring { expires_in_ms: u64 },
    /// It doesn't yet.
    Renewed { expires_in_ms: u64 },
    /// A message was refused.
    Problem {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        problem: Document<'a>,
    },
    /// The connection ends.
    Closing(Closing),
    /// A sign of life.
    Pong {},
}

impl Telling<'_> {
    /// Writes it as a frame.
    pub(in crate::http) fn put(&self, output: &mut BytesMut) {
        frame::put_message(output, self);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Rules {
        Rules { default_channels: None, max_channels: 3, filters: Vec::new(), credentials: Vec::new() }
    }

    fn wanted(text: &str) -> Result<Asked, Problem> {
        match Asking::read(text)? {
            Asking::Subscribe(wanted) => wanted.prove(&rules()),
            _ => panic!("{text}"),
        }
    }

    #[test]
    fn a_subscription_says_what_a_query_says() {
        let asked = wanted(
            r#"{"type":"subscribe","id":"s","channels":["b","a"],"cursor":"earliest","format":"envelope",
                "types":["x.*"],"attributes":{"region":["eu"]},"view":"public"}"#,
        );
        let query = "channels=a,b&last_event_id=earliest&format=envelope&types=x.*&attribute.region=eu&view=public";
        assert_eq!(asked, query::read(query, None, &rules()));
    }

    #[test]
    fn what_is_unknown_repeated_or_out_of_bounds_is_refused_by_name() {
        for (text, told) in [
            (r#"{"type":"publish"}"#, "publish"),
            (r#"{"type":"subscribe","id":"s","chanels":["a"]}"#, "chanels"),
            (r#"{"type":"subscribe","id":"s","channels":["a"],"channels":["b"]}"#, "channels"),
            (r#"{"type":"ping","x":1}"#, "x"),
            (r#"{"type":"authenticate"}"#, "token"),
            ("[]", "message"),
            ("{", "message"),
        ] {
            let Err(problem) = Asking::read(text) else { panic!("{text}") };
            assert_eq!(problem.kind, Kind::BadRequest);
            assert!(problem.detail.contains(told), "{text}: {}", problem.detail);
        }
        for (text, kind) in [
            (r#"{"type":"subscribe","id":"","channels":["a"]}"#, Kind::InvalidParameter),
            (r#"{"type":"subscribe","id":"a\"b","channels":["a"]}"#, Kind::InvalidParameter),
            (r#"{"type":"subscribe","id":"s","channels":[]}"#, Kind::MissingChannels),
            (r#"{"type":"subscribe","id":"s","channels":["a,b"]}"#, Kind::InvalidChannel),
            (r#"{"type":"subscribe","id":"s","channels":["a","b","c","d"]}"#, Kind::TooManyChannels),
            (r#"{"type":"subscribe","id":"s","channels":["a"],"format":"xml"}"#, Kind::InvalidParameter),
            (r#"{"type":"subscribe","id":"s","channels":["a"],"filter":"none"}"#, Kind::InvalidParameter),
            (r#"{"type":"subscribe","id":"s","channels":["a"],"types":[""]}"#, Kind::InvalidFilter),
        ] {
            assert_eq!(wanted(text).unwrap_err().kind, kind, "{text}");
        }
    }
}
