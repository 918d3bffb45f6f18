//! The one table from what is wrong with a request to what its sender is told (RFC 9457).

use actix_web::http::StatusCode;
use actix_web::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER, UPGRADE, WWW_AUTHENTICATE,
};
use actix_web::{HttpResponse, HttpResponseBuilder};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;

/// What every `type` begins with; the rest names the row of the table.
pub const TYPE_PREFIX: &str = "https://eventsgateway.dev/problems/";

/// The rows of the table: each kind of problem has one type, title and status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A query parameter that this resource doesn't know.
    UnknownParameter,
    /// A query parameter that is given twice.
    RepeatedParameter,
    /// A query parameter whose value can't be read.
    InvalidParameter,
    /// Two query parameters that exclude each other.
    ConflictingParameters,
    /// No channels named, and no default configured.
    MissingChannels,
    /// Not a channel's name.
    InvalidChannel,
    /// More channels than one stream may have.
    TooManyChannels,
    /// A filter that can't be.
    InvalidFilter,
    /// A channel that this gateway doesn't serve.
    ChannelNotServed,
    /// A cursor of another set of channels.
    CursorOfOtherChannels,
    /// The request can't be read.
    BadRequest,
    /// The bearer token is missing or wrong.
    Unauthorized,
    /// The token proves nothing.
    InvalidToken,
    /// The client hasn't the right.
    Forbidden,
    /// The `Host` or `Origin` isn't one that is served.
    ForeignHost,
    /// Nothing is served at this path.
    NotFound,
    /// The resource has no such method.
    MethodNotAllowed,
    /// The resource can't be sent as any media type that the client accepts.
    NotAcceptable,
    /// The request took too long to arrive.
    RequestTimeout,
    /// The request's content is too large.
    ContentTooLarge,
    /// The request's content is of a media type that the resource doesn't take.
    UnsupportedMediaType,
    /// The content is no event that could be delivered.
    InvalidEvent,
    /// An idempotency key that was used for another event.
    IdempotencyKeyReused,
    /// Too much, too fast.
    TooManyRequests,
    /// The request's target is too long.
    TargetTooLong,
    /// The request's head is too large.
    HeadTooLarge,
    /// The resource is a WebSocket, and the request doesn't open one.
    UpgradeRequired,
    /// Not now, but perhaps later.
    Unavailable,
    /// Something broke in the gateway.
    Internal,
}

impl Kind {
    /// All rows.
    pub const ALL: [Self; 29] = [
        Self::UnknownParameter,
        Self::RepeatedParameter,
        Self::InvalidParameter,
        Self::ConflictingParameters,
        Self::MissingChannels,
        Self::InvalidChannel,
        Self::TooManyChannels,
        Self::InvalidFilter,
        Self::ChannelNotServed,
        Self::CursorOfOtherChannels,
        Self::BadRequest,
        Self::Unauthorized,
        Self::InvalidToken,
        Self::Forbidden,
        Self::ForeignHost,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::NotAcceptable,
        Self::RequestTimeout,
        Self::ContentTooLarge,
        Self::UnsupportedMediaType,
        Self::InvalidEvent,
        Self::IdempotencyKeyReused,
        Self::TooManyRequests,
        Self::TargetTooLong,
        Self::HeadTooLarge,
        Self::UpgradeRequired,
        Self::Unavailable,
        Self::Internal,
    ];

    /// (name, status, title). The name is the end of `type`, and the metrics' label.
    fn row(self) -> (&'static str, u16, &'static str) {
        match self {
            Self::UnknownParameter => ("unknown-parameter", 400, "Unknown query parameter"),
            Self::RepeatedParameter => ("repeated-parameter", 400, "Repeated query parameter"),
            Self::InvalidParameter => ("invalid-parameter", 400, "Invalid query parameter"),
            Self::ConflictingParameters => ("conflicting-parameters", 400, "Conflicting query parameters"),
            Self::MissingChannels => ("missing-channels", 400, "No channels named"),
            Self::InvalidChannel => ("invalid-channel", 400, "Invalid channel"),
            Self::TooManyChannels => ("too-many-channels", 400, "Too many channels"),
            Self::InvalidFilter => ("invalid-filter", 400, "Invalid filter"),
            Self::ChannelNotServed => ("channel-not-served", 403, "Channel not served"),
            Self::CursorOfOtherChannels => ("cursor-of-other-channels", 400, "Cursor of other channels"),
            Self::BadRequest => ("bad-request", 400, "Bad request"),
            Self::Unauthorized => ("unauthorized", 401, "Unauthorized"),
            Self::InvalidToken => ("invalid-token", 401, "Invalid token"),
            Self::Forbidden => ("forbidden", 403, "Forbidden"),
            Self::ForeignHost => ("foreign-host", 403, "Foreign host or origin"),
            Self::NotFound => ("not-found", 404, "Not found"),
            Self::MethodNotAllowed => ("method-not-allowed", 405, "Method not allowed"),
            Self::NotAcceptable => ("not-acceptable", 406, "Not acceptable"),
            Self::RequestTimeout => ("request-timeout", 408, "Request timeout"),
            Self::ContentTooLarge => ("content-too-large", 413, "Content too large"),
            Self::UnsupportedMediaType => ("unsupported-media-type", 415, "Unsupported media type"),
            Self::InvalidEvent => ("invalid-event", 400, "Invalid event"),
            Self::IdempotencyKeyReused => ("idempotency-key-reused", 422, "Idempotency key reused"),
            Self::TooManyRequests => ("too-many-requests", 429, "Too many requests"),
            Self::TargetTooLong => ("target-too-long", 414, "Request target too long"),
            Self::HeadTooLarge => ("head-too-large", 431, "Request head too large"),
            Self::UpgradeRequired => ("upgrade-required", 426, "Upgrade required"),
            Self::Unavailable => ("unavailable", 503, "Temporarily unavailable"),
            Self::Internal => ("internal", 500, "Internal error"),
        }
    }

    /// The stable name: the end of `type`, and a metric label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.row().0
    }

    /// What it is, for people.
    #[must_use]
    pub fn title(self) -> &'static str {
        self.row().2
    }

    /// The problem's `type`.
    #[must_use]
    pub fn type_uri(self) -> String {
        format!("{TYPE_PREFIX}{}", self.as_str())
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(self) -> StatusCode {
        StatusCode::from_u16(self.row().1).expect("the table's statuses are three digits")
    }

    /// This problem, with what is particular to the request.
    #[must_use]
    pub fn because(self, detail: impl Into<String>) -> Problem {
        Problem { kind: self, detail: detail.into(), parameter: None, allow: None, retry_after: None, closes: false }
    }
}

/// One occurrence of a problem.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Problem {
    /// Which row of the table.
    pub kind: Kind,
    /// What is particular to this request, for people.
    pub detail: String,
    /// The offending query parameter.
    pub parameter: Option<String>,
    /// The methods that the resource has.
    pub allow: Option<&'static str>,
    /// When to come again, in seconds.
    pub retry_after: Option<u64>,
    /// Whether the connection ends with the answer.
    pub closes: bool,
}

/// What is wrong with a request (RFC 9457).
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub struct Document<'a> {
    /// Which problem it is.
    #[schemars(schema_with = "types")]
    r#type: String,
    /// What it is, for people.
    title: &'static str,
    /// The HTTP status.
    #[schemars(range(min = 400, max = 599))]
    status: u16,
    /// What is particular to this request, for people.
    detail: &'a str,
    /// The query parameter, or the member, that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text")]
    parameter: Option<&'a str>,
}

fn types(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "format": "uri", "enum": Kind::ALL.map(Kind::type_uri) })
}

/// Never null: left out where there is none.
fn text(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string" })
}

/// Longest text of a request that is repeated in an answer, in bytes.
const MAX_QUOTE: usize = 200;

/// What a client sent, cut to a length that may be repeated to it.
#[must_use]
pub fn quote(text: &str) -> &str {
    let mut end = text.len().min(MAX_QUOTE);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

impl Problem {
    /// Names the offending query parameter.
    #[must_use]
    pub fn about(mut self, parameter: &str) -> Self {
        self.parameter = Some(quote(parameter).to_owned());
        self
    }

    /// Says which methods there are (RFC 9110, 15.5.6 requires it of a 405).
    #[must_use]
    pub fn allowing(mut self, methods: &'static str) -> Self {
        self.allow = Some(methods);
        self
    }

    /// Says when to come again.
    #[must_use]
    pub fn after_seconds(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// Ends the connection with the answer.
    #[must_use]
    pub fn closing(mut self) -> Self {
        self.closes = true;
        self
    }

    /// Its members.
    #[must_use]
    pub fn document(&self) -> Document<'_> {
        let (_, status, title) = self.kind.row();
        let (detail, parameter) = (self.detail.as_str(), self.parameter.as_deref());
        Document { r#type: self.kind.type_uri(), title, status, detail, parameter }
    }

    /// The answer: `application/problem+json`.
    #[must_use]
    pub fn response(&self) -> HttpResponse {
        self.respond(&self.document())
    }

    /// The answer with one more member.
    #[must_use]
    pub fn response_with(&self, name: &'static str, member: &impl Serialize) -> HttpResponse {
        let mut members = serde_json::to_value(self.document()).unwrap_or_default();
        members[name] = serde_json::to_value(member).unwrap_or_default();
        self.respond(&members)
    }

    /// The answer as bytes, for where there was no request that could be answered: the connection's last.
    #[must_use]
    pub fn last_words(&self) -> Vec<u8> {
        let content = serde_json::to_vec(&self.document()).expect("texts and numbers always encode");
        let mut answer = format!(
            "HTTP/1.1 {}\r\ncontent-type: application/problem+json\r\ncache-control: no-store\r\nconnection: close\r\n\
             content-length: {}\r\n\r\n",
            self.kind.status(),
            content.len()
        )
        .into_bytes();
        answer.extend_from_slice(&content);
        answer
    }

    fn respond(&self, document: &impl Serialize) -> HttpResponse {
        let mut response = HttpResponseBuilder::new(self.kind.status());
        response
            .insert_header((CONTENT_TYPE, HeaderValue::from_static("application/problem+json")))
            .insert_header((CACHE_CONTROL, HeaderValue::from_static("no-store")));
        if let Some(methods) = self.allow {
            response.insert_header((ALLOW, HeaderValue::from_static(methods)));
        }
        if let Some(seconds) = self.retry_after {
            response.insert_header((RETRY_AFTER, HeaderValue::from(seconds)));
        }
        if self.closes {
            response.force_close();
        }
        match self.kind {
            Kind::Unauthorized => drop(response.insert_header((WWW_AUTHENTICATE, "Bearer"))),
            // RFC 6750, section 3.1.
            Kind::InvalidToken => drop(response.insert_header((WWW_AUTHENTICATE, "Bearer error=\"invalid_token\""))),
            // RFC 9110, section 15.5.22.
            Kind::UpgradeRequired => drop(response.insert_header((UPGRADE, "websocket"))),
            _ => {}
        }
        response.body(serde_json::to_vec(document).expect("texts and numbers always encode"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::body::MessageBody as _;

    #[test]
    fn every_kind_has_its_own_name() {
        let mut names: Vec<_> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Kind::ALL.len());
    }

    #[test]
    fn a_problem_is_written_as_rfc_9457_says() {
        let response = Kind::UnknownParameter.because("no parameter \"x\" here").about("x").response();
        assert_eq!(response.status(), 400);
        assert_eq!(response.headers().get(CONTENT_TYPE).unwrap(), "application/problem+json");
        let body = response.into_body().try_into_bytes().unwrap();
        assert_eq!(
            std::str::from_utf8(&body).unwrap(),
            r#"{"type":"https://eventsgateway.dev/problems/unknown-parameter","title":"Unknown query parameter","status":400,"detail":"no parameter \"x\" here","parameter":"x"}"#
        );
    }

    #[test]
    fn what_is_quoted_is_cut_between_characters() {
        let long = "ä".repeat(300);
        assert_eq!(quote(&long).len(), 200);
        assert_eq!(quote(&format!("a{long}")).len(), 199);
        assert_eq!(quote("short"), "short");
    }
}
