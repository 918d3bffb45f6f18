//! Paths of existing frontends.

use events_gateway_core::alias::{ChannelTemplate, PathPattern};
use events_gateway_core::sse::Format;
use events_gateway_core::view::RAW;
use events_gateway_crds as raw;
use raw::aliases::{AliasFormat, AliasMeaning};

pub use raw::aliases::Serves;

use super::problem::{Place, Problems};
use super::text;

/// A path, and what it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias {
    /// The whole of it.
    pub path: PathPattern,
    /// What is served.
    pub serves: Serves,
    /// Channels by the path's values.
    pub channels: Vec<ChannelTemplate>,
    /// Its parameters, names distinct.
    pub parameters: Vec<(String, Meaning)>,
    /// The view that is asked for.
    pub view: Option<String>,
    /// How events are written.
    pub format: Format,
    /// Whether they bear their types.
    pub event_names: bool,
}

/// What a parameter means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning {
    /// Types.
    Types,
    /// Values of one of these attributes.
    Attributes(Vec<String>),
    /// Channels, by [`VALUE`].
    Channels(ChannelTemplate),
    /// Where the client stands.
    Cursor,
    /// Nothing.
    Ignored,
}

/// The gateway's own paths, below the prefix.
pub const OWN: [&str; 8] =
    ["events", "events/stats", "events/broadcast", "tickets", "ws", "openapi.json", "client.js", "client.d.ts"];

/// The name of a parameter's value in its channel.
pub const VALUE: &str = "value";

/// Proves them.
pub(super) fn prove(raw: &raw::Gateway, place: &Place, problems: &mut Problems) -> Option<Vec<Alias>> {
    let each = || raw.aliases.iter().enumerate().map(|(index, alias)| (place.index(index), alias));
    text::distinct(each().map(|(at, alias)| (at.key("path"), &*alias.path)), "the path", problems);
    each().map(|(at, alias)| prove_alias(alias, raw, &at, problems)).collect::<Vec<_>>().into_iter().collect()
}

fn prove_alias(raw: &raw::aliases::Alias, all: &raw::Gateway, place: &Place, problems: &mut Problems) -> Option<Alias> {
    let path = problems.take(place.key("path"), PathPattern::parse(&raw.path))?;
    let prefix = &*all.listen.path_prefix;
    if OWN.iter().any(|own| *raw.path == format!("{prefix}/{own}")) {
        problems.add(place.key("path"), "is one of the gateway's own");
    }
    let names: Vec<&str> = path.names().collect();
    let at = place.key("channels");
    let channels = raw.channels.iter().enumerate();
    let channels: Vec<_> =
        channels.map(|(index, text)| problems.take(at.index(index), ChannelTemplate::parse(text, &names))).collect();
    let at = place.key("parameters");
    text::distinct(
        raw.parameters.iter().enumerate().map(|(index, one)| (at.index(index).key("name"), &*one.name)),
        "the parameter",
        problems,
    );
    let parameters = raw.parameters.iter().enumerate();
    let parameters: Vec<_> =
        parameters.map(|(index, parameter)| prove_parameter(parameter, &at.index(index), problems)).collect();
    if raw.channels.is_empty() && !raw.parameters.iter().any(|parameter| parameter.is == AliasMeaning::Channels) {
        problems.add(place.clone(), "has no channels: name some in channels, or a parameter that is: channels");
    }
    if let Some(view) = &raw.view
        && **view != *RAW
        && !all.views.iter().any(|known| known.name == *view)
    {
        problems.add(place.key("view"), "is none of views, nor raw");
    }
    Some(Alias {
        path,
        serves: raw.serves,
        channels: channels.into_iter().collect::<Option<_>>()?,
        parameters: parameters.into_iter().collect::<Option<_>>()?,
        view: raw.view.as_ref().map(|view| view.0.clone()),
        format: match raw.format {
            AliasFormat::Data => Format::Data,
            AliasFormat::Envelope => Format::Envelope,
            AliasFormat::Cloudevents => Format::CloudEvents,
        },
        event_names: raw.event_names,
    })
}

fn prove_parameter(
    raw: &raw::aliases::AliasParameter,
    place: &Place,
    problems: &mut Problems,
) -> Option<(String, Meaning)> {
    if raw.attributes.is_empty() == (raw.is == AliasMeaning::Attributes) {
        problems.add(place.clone(), "attributes goes with is: attributes, and only with it");
    }
    if raw.channel.is_none() == (raw.is == AliasMeaning::Channels) {
        problems.add(place.clone(), "channel goes with is: channels, and only with it");
    }
    let meaning = match raw.is {
        AliasMeaning::Types => Meaning::Types,
        AliasMeaning::Attributes => Meaning::Attributes(raw.attributes.iter().map(|name| name.0.clone()).collect()),
        AliasMeaning::Channels => {
            let template = raw.channel.as_ref().map(|text| ChannelTemplate::parse(text, &[VALUE]));
            Meaning::Channels(problems.take(place.key("channel"), template?)?)
        }
        AliasMeaning::Cursor => Meaning::Cursor,
        AliasMeaning::Ignored => Meaning::Ignored,
    };
    Some((raw.name.0.clone(), meaning))
}
