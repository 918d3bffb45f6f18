//! What a subscription is asked for, for the [description](crate::http::openapi).

use actix_web::web;
use events_gateway_core::access::Right;
use events_gateway_core::disconnect::DisconnectReason;
use events_gateway_core::filter::{MAX_TERM_BYTES, MAX_TERMS};
use events_gateway_core::sse::Format;
use serde_json::{Value, json};

use crate::http::openapi::{
    Answer, Asks, Operation, Parameter, Resource, Schemas, Surface, attribute_name, channel, list_of,
};
use crate::http::problem::Kind;
use crate::http::publish;
use crate::http::query::MESSAGE;

/// Where events are, below the prefix.
pub(in crate::http) const RESOURCE: Resource = Resource { path: "/events", route: || web::to(super::serve), describe };

const SUBSCRIBE: &str = "\
Opens a stream of Server-Sent Events (WHATWG HTML, 9.2) that goes on until one side ends it. \
It begins with `gateway.open`; `gateway.gap` tells what can no longer be delivered, `gateway.expiring` that the token ends soon, \
`gateway.closing` why the stream ends, whether to come back (`retryable`) and when (`reconnect_after_ms`, in milliseconds). \
Comments keep it alive. An `id` is a cursor: a client that comes back with it goes on exactly there, at any replica.

A refusal that may pass is a stream as well, of `gateway.closing` alone, because an `EventSource` gives up for ever on any other \
status; who doesn't accept `text/event-stream` is told by 503.";

/// Where a client says that it stands.
const CURSOR: &str = "\
A cursor (at most 128 of `A-Z a-z 0-9 . _ ~ -`) of exactly these channels, or `earliest` for all that is retained. \
What is no cursor is told as a gap. Left out or empty: from now on.";

fn describe(surface: &Surface, schemas: &mut Schemas) -> Vec<Operation> {
    let mut operations = vec![subscribe(surface, schemas)];
    operations.extend(publish::description::events(surface, schemas));
    operations
}

fn subscribe(surface: &Surface, schemas: &mut Schemas) -> Operation {
    let mut operation = Operation::get("subscribe", "Subscribe to channels")
        .describe(SUBSCRIBE)
        .asks(Asks::TokenOrTicket, surface.anonymous.contains(&Right::Subscribe));
    for parameter in parameters(surface) {
        operation = operation.parameter(parameter);
    }
    stream(operation, schemas).problems(&[
        Kind::ConflictingParameters,
        Kind::MissingChannels,
        Kind::InvalidChannel,
        Kind::TooManyChannels,
        Kind::InvalidFilter,
        Kind::CursorOfOtherChannels,
    ])
}

/// How whoever asks for a stream is answered, whatever the parameters mean.
pub(in crate::http) fn stream(operation: Operation, schemas: &mut Schemas) -> Operation {
    let stream = Answer::of("A stream, described by one of its events.", "text/event-stream", event(schemas))
        .example(json!({ "id": "1aBcDeFgHiJ", "event": "order.shipped", "data": r#"{"order":7}"# }))
        .uncached("no-store, no-transform")
        .header("X-Accel-Buffering", json!({ "required": true, "schema": { "const": "no" } }))
        .header("Referrer-Policy", json!({ "description": "With a ticket.", "schema": { "const": "no-referrer" } }));
    operation.answer(200, stream).problems(&[
        Kind::UnknownParameter,
        Kind::RepeatedParameter,
        Kind::InvalidParameter,
        Kind::ChannelNotServed,
        Kind::NotAcceptable,
        Kind::Unavailable,
    ])
}

fn parameters(surface: &Surface) -> Vec<Parameter> {
    let most = surface.max_channels;
    let all = if surface.serves_all { " `all` carries every event of the public channels." } else { "" };
    let defaults = if surface.has_default_channels { " Left out: the configured ones." } else { "" };
    let channels = format!(
        "Channels, separated by commas, each named once.{defaults}{all} `topics` is another name of this parameter, of which one may be \
         given."
    );
    let channels = Parameter::query(
        "channels",
        json!({ "type": "array", "items": channel(), "minItems": 1, "maxItems": most }),
        &channels,
    );
    let formats: Vec<&str> = Format::NAMES.iter().map(|(name, _)| *name).chain([MESSAGE]).collect();
    let format = json!({ "enum": formats, "default": Format::NAMES[0].0 });
    let terms = terms();
    let mut parameters = vec![
        channels
            .required(!surface.has_default_channels)
            .style("form", false)
            .example(json!(["user:42", "everyone"])),
        last_event_id(Some("last_event_id")),
        cursor("last_event_id"),
        Parameter::query(
            "format",
            format,
            "How `data:` is written: the event's data as it came, JSON with everything, or a structured CloudEvent 1.0. `message` is \
             `envelope` without `event:`, so that a page hears every event as a `message`; where a cursor moves without an event, \
             `gateway.cursor` says so.",
        ),
        Parameter::query(
            "types",
            list_of(MAX_TERMS, MAX_TERM_BYTES),
            &types(),
        ),
        Parameter::query(
            "attributes",
            json!({
                "type": "object",
                "propertyNames": { "pattern": format!(r"^attribute\.{}$", attribute_name()) },
                "additionalProperties": list_of(MAX_TERMS, MAX_TERM_BYTES),
                "maxProperties": MAX_TERMS,
            }),
            &format!(
                "Only events whose attribute has one of these values: `attribute.NAME=a,b`, a parameter of its own for each attribute. {terms}"
            ),
        )
        .style("form", true)
        .example(json!({ "attribute.region": "eu,us" })),
        Parameter::query("view", json!({ "enum": surface.views }), "What is left of each event; left out: the default one of each channel."),
    ];
    if !surface.filters.is_empty() {
        parameters.push(Parameter::query(
            "filter",
            json!({ "enum": surface.filters }),
            "Only events that this filter lets pass.",
        ));
    }
    parameters
}

/// The field in which a client says where it stands, and the parameter over which it wins.
pub(in crate::http) fn last_event_id(parameter: Option<&str>) -> Parameter {
    let wins = parameter.map_or_else(|| ".".to_owned(), |name| format!("; wins over `{name}`."));
    Parameter::header("Last-Event-ID", json!({ "type": "string" }), &format!("Where to go on{wins} {CURSOR}"))
}

/// The parameter in which it does.
pub(in crate::http) fn cursor(name: &str) -> Parameter {
    Parameter::query(name, json!({ "type": "string" }), &format!("Where to go on. {CURSOR}"))
}

/// What a parameter of types asks for.
pub(in crate::http) fn types() -> String {
    let terms = terms();
    format!(
        "Only events of one of these types, separated by commas, in which `*` is any run of characters, at most four times. {terms}"
    )
}

/// What holds for all that a filter is made of.
pub(in crate::http) fn terms() -> String {
    format!(
        "At most {MAX_TERMS} types and values together, a named filter counting as one; each at most {MAX_TERM_BYTES} bytes. `\\,` stands \
         for a comma, `\\\\` for a backslash."
    )
}

/// An event as it stands in a stream.
fn event(schemas: &mut Schemas) -> Value {
    let reasons: Vec<&str> = DisconnectReason::ALL.iter().map(|reason| reason.as_str()).collect();
    let closing = format!("`gateway.closing` gives as `reason` one of {}.", reasons.join(", "));
    schemas.named(
        "StreamedEvent",
        json!({
            "description": format!("One event of a stream, by its fields. {closing}"),
            "type": "object",
            "properties": {
                "id": { "description": "The cursor behind it.", "type": "string", "pattern": "^[A-Za-z0-9._~-]{1,128}$" },
                "event": {
                    "description": "Its type, or one of the gateway's own, which begin with `gateway.`. Left out: `message`.",
                    "type": "string",
                },
                "data": { "description": "As `format` says; JSON in the gateway's own.", "type": "string" },
                "retry": { "description": "How long to wait before a reconnection, in milliseconds.", "type": "integer", "minimum": 0 },
            },
            "required": ["data"],
        }),
    )
}
