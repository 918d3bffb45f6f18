//! What is served at paths of existing frontends, for the [description](crate::http::openapi).
//!
//! The channels and attributes for which a path stands aren't told: they are the configuration's business, not the page's.

use std::collections::BTreeSet;

use events_gateway_core::access::Right;
use events_gateway_core::alias::{ChannelTemplate, PathPattern};
use events_gateway_core::filter::{MAX_TERM_BYTES, MAX_TERMS};
use events_gateway_core::sse::Format;
use serde_json::json;

use crate::config::aliases::{Alias, Meaning, Serves, VALUE};
use crate::http::events::description::{cursor, last_event_id, stream, terms, types};
use crate::http::openapi::{Asks, Operation, Parameter, Schemas, Surface, list_of, list_of_values, or_empty};
use crate::http::problem::Kind;
use crate::http::websocket::description::upgrade;

/// How a value becomes a part of a channel.
const FILLS: &str = "\
fills one segment of a channel, which has at most 200 bytes: a byte that is none of `A-Z a-z 0-9 _ . -` takes three of them.";

/// Each path and what is done there.
pub(in crate::http) fn describe(surface: &Surface, schemas: &mut Schemas) -> Vec<(String, Vec<Operation>)> {
    let mut described = Vec::new();
    let mut ids = BTreeSet::new();
    for (index, alias) in surface.aliases.iter().enumerate() {
        // The first of the list is served: one that never is isn't there.
        let path = alias.path.to_string();
        let is_hidden = |earlier: &Alias| earlier.path.values(&path, |text| Some(text.to_owned())).is_some();
        if surface.aliases[..index].iter().any(is_hidden) {
            continue;
        }
        let operation = operation(alias, id(alias, &mut ids), surface, schemas);
        described.push((path, vec![operation]));
    }
    described
}

/// A name of the path's letters and digits, with a number where another has it already.
fn id(alias: &Alias, taken: &mut BTreeSet<String>) -> String {
    let mut name = match alias.serves {
        Serves::Events => "subscribeAt".to_owned(),
        Serves::Websocket => "connectAt".to_owned(),
    };
    let path = alias.path.to_string();
    for word in path.split(|char: char| !char.is_ascii_alphanumeric()).filter(|word| !word.is_empty()) {
        let (first, rest) = word.split_at(1);
        name.push_str(&first.to_ascii_uppercase());
        name.push_str(rest);
    }
    let numbered = (2..).map(|number| format!("{name}{number}"));
    let free = [name.clone()].into_iter().chain(numbered).find(|name| !taken.contains(name)).unwrap_or_default();
    taken.insert(free.clone());
    free
}

fn operation(alias: &Alias, id: String, surface: &Surface, schemas: &mut Schemas) -> Operation {
    let is_open = surface.anonymous.contains(&Right::Subscribe);
    let operation = match alias.serves {
        Serves::Events => Operation::get(id, "Subscribe, at a path of an existing frontend"),
        Serves::Websocket => Operation::get(id, "Open a WebSocket of events, at a path of an existing frontend"),
    };
    let mut operation = operation.describe(about(alias)).asks(Asks::TokenOrTicket, is_open).problems(&problems(alias));
    for name in alias.path.names() {
        let value = format!("Percent-encoded UTF-8 (anything else is another path, and not found). It {FILLS}");
        operation = operation.parameter(Parameter::path(name, json!({ "type": "string", "minLength": 1 }), &value));
    }
    for parameter in parameters(alias, surface) {
        operation = operation.parameter(parameter);
    }
    match alias.serves {
        Serves::Websocket => upgrade(operation),
        Serves::Events => {
            let cursors = alias.parameters.iter().filter(|(_, meaning)| *meaning == Meaning::Cursor);
            let names: Vec<&str> = cursors.map(|(name, _)| name.as_str()).collect();
            stream(operation.parameter(last_event_id(names.first().copied())), schemas)
        }
    }
}

fn about(alias: &Alias) -> String {
    let written = match alias.format {
        Format::Data => "its data as it came, or as the client's view leaves it",
        Format::Envelope => "JSON with channel, type, time, attributes, id and data",
        Format::CloudEvents => "a structured CloudEvent 1.0",
    };
    match (alias.serves, alias.event_names) {
        (Serves::Websocket, _) => format!(
            "Opens a WebSocket (RFC 6455) of the channels for which path and parameters stand. Each message is an event: {written}. \
             Nothing is asked over it, and no message bears a cursor. Pages of other origins are refused unless they are listed."
        ),
        (Serves::Events, true) => {
            format!(
                "The stream of `subscribe`, of the channels for which path and parameters stand. Each event is {written}."
            )
        }
        (Serves::Events, false) => format!(
            "The stream of `subscribe`, of the channels for which path and parameters stand. Each event is {written}, without its type: a \
             page hears it as a `message`."
        ),
    }
}

fn parameters(alias: &Alias, surface: &Surface) -> impl Iterator<Item = Parameter> {
    let name_channels = alias.parameters.iter().filter(|(_, meaning)| matches!(meaning, Meaning::Channels(_))).count();
    // Where several may name channels there is no way to say that one of them has to.
    let is_needed = alias.channels.is_empty() && name_channels == 1;
    let terms_of = |name: &str, description: &str| {
        Parameter::query(name, or_empty(&list_of(MAX_TERMS, MAX_TERM_BYTES)), &format!("{description} Empty: all."))
    };
    alias.parameters.iter().map(move |(name, meaning)| match meaning {
        Meaning::Types => terms_of(name, &types()),
        Meaning::Attributes(_) => {
            terms_of(name, &format!("Only events that have one of these values, separated by commas. {}", terms()))
        }
        Meaning::Channels(_) => {
            // Values of channels that the alias has already are beside the point.
            let most = surface.max_channels.saturating_sub(alias.channels.len()).max(1);
            let list = list_of_values(most);
            let description = format!(
                "Values, separated by commas, `\\,` standing for a comma, `\\\\` for a backslash. Each {FILLS}"
            );
            let schema = if is_needed { list } else { or_empty(&list) };
            Parameter::query(name, schema, &description).required(is_needed)
        }
        Meaning::Cursor => cursor(name),
        Meaning::Ignored => Parameter::query(name, json!({ "type": "string" }), "Taken, and of no effect."),
    })
}

/// What its path and parameters may be refused for.
fn problems(alias: &Alias) -> Vec<Kind> {
    let has = |wanted: fn(&Meaning) -> bool| alias.parameters.iter().any(|(_, meaning)| wanted(meaning));
    let names_channels = has(|meaning| matches!(meaning, Meaning::Channels(_)));
    let has_values = alias.path.names().next().is_some();
    let has_lists = has(|meaning| matches!(meaning, Meaning::Types | Meaning::Attributes(_) | Meaning::Channels(_)));
    let kinds = [
        (has_values, Kind::NotFound),
        (has_values || names_channels, Kind::InvalidChannel),
        (has_lists, Kind::InvalidFilter),
        (alias.channels.is_empty(), Kind::MissingChannels),
        (true, Kind::TooManyChannels),
        (true, Kind::ChannelNotServed),
    ];
    kinds.into_iter().filter(|(is_told, _)| *is_told).map(|(_, kind)| kind).collect()
}

/// An alias with whatever one may have.
pub(in crate::http) fn example() -> Alias {
    let channel =
        |text, known: &[&str]| ChannelTemplate::parse(text, known).expect("the example's channels are templates");
    let parameters = [
        ("types", Meaning::Types),
        ("agents", Meaning::Attributes(vec!["sender".to_owned(), "recipient".to_owned()])),
        ("processes", Meaning::Channels(channel("process:{value}", &[VALUE]))),
        ("from", Meaning::Cursor),
        ("_", Meaning::Ignored),
    ];
    Alias {
        path: PathPattern::parse("/api/events/users/{user}").expect("the example's path is one"),
        serves: Serves::Events,
        channels: vec![channel("user:{user}", &["user"]), channel("everyone", &[])],
        parameters: parameters.map(|(name, meaning)| (name.to_owned(), meaning)).into(),
        view: None,
        format: Format::Envelope,
        event_names: true,
    }
}
