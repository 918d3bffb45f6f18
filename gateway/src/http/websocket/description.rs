//! How a WebSocket is opened, for the [description](crate::http::openapi).

use actix_web::web;
use serde_json::{Value, json};

use crate::http::openapi::{Answer, Asks, Operation, Parameter, Resource, Schemas, Surface};
use crate::http::problem::Kind;

/// Where it is, below the prefix.
pub(in crate::http) const RESOURCE: Resource = Resource { path: "/ws", route: || web::to(super::serve), describe };

const CONNECT: &str = "\
Opens a WebSocket (RFC 6455) that carries several subscriptions, which come and go at run time. Its messages are described in \
docs/websocket.md. Where identity is configured, who asks may also say who they are in the first message; a refusal that may pass is \
told over the WebSocket. Pages of other origins are refused unless they are listed.";

fn describe(_: &Surface, _: &mut Schemas) -> Vec<Operation> {
    let operation = Operation::get("connect", "Open a WebSocket").describe(CONNECT).asks(Asks::TokenOrTicket, true);
    vec![upgrade(operation)]
}

/// How a WebSocket is opened, whatever is told over it.
pub(in crate::http) fn upgrade(operation: Operation) -> Operation {
    let word = |word: &str| json!({ "const": word });
    let key = json!({ "type": "string", "pattern": "^[A-Za-z0-9+/]{21}[AQgw]==$" });
    let field = |schema: Value| json!({ "required": true, "schema": schema });
    operation
        .tag("WebSocket")
        .parameter(Parameter::header("Upgrade", word("websocket"), "Asks for it.").required(true))
        .parameter(Parameter::header("Connection", word("Upgrade"), "Asks for it.").required(true))
        .parameter(Parameter::header("Sec-WebSocket-Version", word("13"), "The protocol's.").required(true))
        .parameter(Parameter::header("Sec-WebSocket-Key", key, "Sixteen random bytes, as base64.").required(true))
        .answer(
            101,
            Answer::empty("A WebSocket.")
                .header("Upgrade", field(word("websocket")))
                .header("Sec-WebSocket-Accept", field(json!({ "type": "string" })))
                .header("Referrer-Policy", json!({ "description": "With a ticket.", "schema": word("no-referrer") })),
        )
        .problems(&[
            Kind::UpgradeRequired,
            Kind::UnknownParameter,
            Kind::RepeatedParameter,
            Kind::InvalidParameter,
            Kind::ForeignHost,
            Kind::Internal,
        ])
}
