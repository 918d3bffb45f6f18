//! What publications are, for the [description](crate::http::openapi).

use actix_web::web;
use events_gateway_core::access::Right;
use events_gateway_core::envelope::{MAX_ATTRIBUTES, MAX_ID_BYTES};
use serde_json::{Value, json};

use super::answer::{Batch, Each, One};
use crate::http::openapi::{
    Answer, Asks, Bounds, Operation, Parameter, Resource, Schemas, Surface, attribute_name, channel, cloud_event_field,
    event_type, list, text,
};
use crate::http::problem::Kind;
use crate::publish::MAX_KEY_BYTES;

/// Where broadcasts go, below the prefix.
pub(in crate::http) const BROADCASTS: Resource =
    Resource { path: "/events/broadcast", route: || web::to(super::serve_broadcast), describe: broadcasts };

const PUBLISH: &str = "\
Writes events to Kafka, from where they go to their channels. 202 is answered when Kafka has all of them; 207 when it has a part; what \
became of each event of a batch stands at its index.

Modes: an event or an array of events; CloudEvents 1.0 structured, batched, or binary: the attributes as `ce-` fields, percent-encoded \
where they aren't printable ASCII, and the content, of any media type but those of CloudEvents, as data. The `ce-` fields stand all \
together or not at all; with `ce-specversion` an `application/json` content is data too. A CloudEvent names its channels in the \
extension attribute `channels` (separated by commas) or `channel`.

With an `Idempotency-Key`, or an `id` in the event, a retry within 10 minutes is harmless: it is delivered once.";

/// Times that the gateway reads: of 1970 and later.
const TIME: &str = r"^(19[7-9][0-9]|[2-9][0-9]{3})-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$";

/// POST to the resource of events.
pub(in crate::http) fn events(surface: &Surface, schemas: &mut Schemas) -> Option<Operation> {
    let bounds = surface.publishing.as_ref()?;
    let event = schemas.named("Event", event(bounds));
    let cloud_event = schemas.named("CloudEvent", cloud_event(bounds));
    let most = bounds.events;
    let batch = |event: &Value| json!({ "type": "array", "items": event, "minItems": 1, "maxItems": most });
    let structured = json!({
        "specversion": "1.0", "id": "8e03978e", "source": "/orders", "type": "order.shipped", "channels": "user:42,orders",
        "data": { "order": 7 },
    });
    let operation = Operation::post("publish", "Publish events")
        .describe(PUBLISH)
        .parameter(idempotency_key())
        .content(
            "application/json",
            json!({
                "schema": { "oneOf": [event, batch(&event)] },
                "examples": {
                    "event": { "value": { "channels": ["user:42"], "type": "order.shipped", "data": { "order": 7 } } },
                    "batch": { "value": [{ "channels": ["user:42"], "data": 1 }, { "channels": ["orders"], "data": 2 }] },
                },
            }),
        )
        .content("application/cloudevents+json", json!({ "schema": cloud_event, "example": structured }))
        .content(
            "application/cloudevents-batch+json",
            json!({ "schema": batch(&cloud_event), "example": [structured] }),
        )
        .content("text/plain", json!({
            "schema": { "description": "Data of a CloudEvent in binary mode, with `ce-` fields.", "type": "string" },
            "example": "shipped",
        }));
    let operation = cloud_event_fields(bounds).into_iter().fold(operation, Operation::parameter);
    let of_each = json!({ "type": "array", "items": schemas.written::<Each<'static>>() });
    Some(
        taken(operation, surface)
            .answer(
                202,
                answer(
                    "Kafka has all of them.",
                    json!({ "anyOf": [schemas.written::<One<'static>>(), schemas.written::<Batch<'static>>()] }),
                )
                .example(place()),
            )
            .answer(207, answer("Kafka has a part of a batch.", schemas.written::<Batch<'static>>()).example(partly()))
            .problem_member("events", of_each),
    )
}

fn broadcasts(surface: &Surface, schemas: &mut Schemas) -> Vec<Operation> {
    let Some(bounds) = &surface.publishing else { return Vec::new() };
    let broadcast = schemas.named(
        "Broadcast",
        json!({
            "type": "object",
            "properties": {
                "topic": with(addressed(), "description", "The channel to publish to."),
                "type": optional(with(event_type(), "description", "The event's type; `message` if left out.")),
                "data": data(),
            },
            "required": ["topic"],
            "additionalProperties": false,
        }),
    );
    let example = json!({ "topic": "orders", "type": "order.shipped", "data": { "order": 7 } });
    let operation = Operation::post("broadcast", "Publish one event to one channel")
        .describe(format!("At most {} bytes; see publishing for the rest.", bounds.bytes))
        .parameter(idempotency_key())
        .content("application/json", json!({ "schema": broadcast, "example": example }))
        .answer(202, answer("Kafka has it.", schemas.written::<One<'static>>()).example(place()));
    vec![taken(operation, surface)]
}

fn place() -> Value {
    json!({ "topic": "events", "partition": 3, "offset": 1_201 })
}

fn partly() -> Value {
    let refused = Kind::InvalidEvent.because("channels: expected at least one channel, found none");
    json!({ "topic": "events", "events": [{ "status": 202, "partition": 3, "offset": 1_202 }, refused.document()] })
}

/// What all publications have in common.
fn taken(operation: Operation, surface: &Surface) -> Operation {
    operation.tag("Publishing").asks(Asks::TokenOfFields, surface.anonymous.contains(&Right::Publish)).problems(&[
        Kind::UnknownParameter,
        Kind::InvalidParameter,
        Kind::UnsupportedMediaType,
        Kind::ContentTooLarge,
        Kind::InvalidEvent,
        Kind::IdempotencyKeyReused,
        Kind::TooManyRequests,
        Kind::Unavailable,
        Kind::Internal,
    ])
}

fn answer(description: &str, schema: Value) -> Answer {
    Answer::of(description, "application/json", schema).uncached("no-store")
}

fn idempotency_key() -> Parameter {
    let (quoted, plain) = (r#"([!#-\[\]-~]|\\["\\])"#, r"[!#-\[\]-~]");
    let key = json!({
        "type": "string",
        "pattern": format!(r#"^("{quoted}{{1,{MAX_KEY_BYTES}}}"|{plain}{{1,{MAX_KEY_BYTES}}})$"#),
    });
    Parameter::header(
        "Idempotency-Key",
        key,
        "Makes a retry harmless, for each publisher by itself; as a string in quotes (RFC 8941) or without any. Of a batch, each event \
         has it together with its index.",
    )
}

/// A CloudEvent's attributes in binary mode. No field may be required: the other modes have none.
fn cloud_event_fields(bounds: &Bounds) -> Vec<Parameter> {
    let token = || cloud_event_field(MAX_ID_BYTES);
    let kind = with(cloud_event_field(200), "not", json!({ "pattern": r#"^"?gateway\."# }));
    let none = json!({ "pattern": "(^|,)all(,|$)" });
    vec![
        Parameter::header("ce-specversion", json!({ "const": "1.0" }), "Binary mode: the version of CloudEvents."),
        Parameter::header("ce-id", token(), "Binary mode: which event it is, within its source."),
        Parameter::header("ce-source", token(), "Binary mode: where it comes from."),
        Parameter::header("ce-type", kind, "Binary mode: its type."),
        Parameter::header(
            "ce-channels",
            with(list(bounds.channels), "not", none),
            "Binary mode: its channels, separated by commas.",
        ),
    ]
}

/// An event as the gateway's own JSON has it.
fn event(bounds: &Bounds) -> Value {
    let id = text(1, MAX_ID_BYTES);
    let millis = json!({ "type": "integer", "minimum": 0, "maximum": 253_402_300_799_999_u64 });
    json!({
        "description": format!("An event. A request has at most {} bytes.", bounds.bytes),
        "type": "object",
        "properties": {
            "channels": {
                "description": "Whom it is for.",
                "type": "array", "items": addressed(), "minItems": 1, "maxItems": bounds.channels,
            },
            "type": optional(with(event_type(), "description", "`message` if left out.")),
            "data": data(),
            "id": optional(with(id, "description", "Makes a retry harmless, as an `Idempotency-Key` does.")),
            "key": optional(json!({ "description": "Events of one key keep their order; the first channel if left out.", "type": "string" })),
            "time": {
                "description": "When it happened: RFC 3339 with an offset, or milliseconds since 1970. Now, if left out.",
                "anyOf": [time(), millis, { "type": "null" }],
            },
            "attributes": optional(json!({
                "description": "Short texts beside the data, at most 16 KiB together.",
                "type": "object",
                "propertyNames": { "pattern": format!("^{}$", attribute_name()) },
                "additionalProperties": { "type": "string" },
                "maxProperties": MAX_ATTRIBUTES,
            })),
        },
        "required": ["channels"],
        "additionalProperties": false,
    })
}

/// A CloudEvent in structured mode.
fn cloud_event(bounds: &Bounds) -> Value {
    let channels = with(list(bounds.channels), "not", json!({ "type": "string", "pattern": "(^|,)all(,|$)" }));
    json!({
        "description": "A CloudEvent 1.0 as a JSON object. Further members are extension attributes.",
        "type": "object",
        "properties": {
            "specversion": { "const": "1.0" },
            "id": with(text(1, MAX_ID_BYTES), "description", "Makes a retry harmless, within its `source`."),
            "source": { "type": "string", "minLength": 1 },
            "type": event_type(),
            "time": optional(time()),
            "channels": optional(with(channels, "description", "Whom it is for, separated by commas.")),
            "channel": optional(with(addressed(), "description", "Whom it is for, if it is one channel.")),
            "partitionkey": optional(json!({ "description": "Events of one key keep their order.", "type": "string" })),
            "subject": optional(json!({ "type": "string" })),
            "datacontenttype": optional(json!({ "type": "string" })),
            "dataschema": optional(json!({ "type": "string" })),
            "data": data(),
            "data_base64": {
                "description": "UTF-8 text as base64, instead of `data`.",
                "type": "string", "contentEncoding": "base64",
                "pattern": "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$",
            },
        },
        "required": ["specversion", "id", "source", "type"],
        "oneOf": [only("channels", "channel"), only("channel", "channels")],
        "not": { "required": ["data", "data_base64"] },
        "propertyNames": { "pattern": format!("^{}$", attribute_name()) },
        "additionalProperties": { "type": ["string", "number", "boolean", "null"] },
        "maxProperties": MAX_ATTRIBUTES,
    })
}

/// One of two members; the other is left out or null.
fn only(one: &str, other: &str) -> Value {
    json!({ "required": [one], "properties": { one: { "type": "string" }, other: { "type": "null" } } })
}

fn time() -> Value {
    json!({ "type": "string", "format": "date-time", "pattern": TIME })
}

/// Any JSON.
fn data() -> Value {
    json!({ "description": "Any JSON; a string is delivered as its text, everything else byte for byte. `null` if left out." })
}

/// A channel that may be published to.
fn addressed() -> Value {
    with(channel(), "not", json!({ "const": "all" }))
}

/// `null` counts as left out.
fn optional(mut schema: Value) -> Value {
    schema["type"] = json!([schema["type"], "null"]);
    schema
}

fn with(mut schema: Value, member: &str, value: impl Into<Value>) -> Value {
    schema[member] = value.into();
    schema
}
