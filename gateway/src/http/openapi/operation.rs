//! One operation of a resource, as its handler describes it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::http::problem::Kind;

/// Who may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum Asks {
    /// Anybody; nobody is asked who they are.
    Nobody,
    /// Who has a token.
    Token,
    /// Who has a token, but none in the query.
    TokenOfFields,
    /// Who has a token or a ticket.
    TokenOrTicket,
}

/// What a method does.
pub(in crate::http) struct Operation {
    pub(super) method: &'static str,
    pub(super) id: Cow<'static, str>,
    pub(super) summary: &'static str,
    pub(super) tag: &'static str,
    pub(super) description: String,
    pub(super) parameters: Vec<Parameter>,
    pub(super) content: BTreeMap<&'static str, Value>,
    pub(super) answers: BTreeMap<u16, Answer>,
    pub(super) problems: BTreeSet<Kind>,
    /// A further member of its problems, and what it holds.
    pub(super) member: Option<(&'static str, Value)>,
    pub(super) asks: Asks,
    /// Whether who doesn't say who they are may be granted something.
    pub(super) is_open: bool,
}

/// A value of the path, a parameter of the query, or a header field.
pub(in crate::http) struct Parameter(pub(super) Value);

/// An answer that is no problem.
pub(in crate::http) struct Answer(pub(super) Value);

/// What any request may be told, before its handler.
const OF_ALL: [Kind; 4] = [Kind::BadRequest, Kind::RequestTimeout, Kind::TargetTooLong, Kind::HeadTooLarge];

impl Operation {
    fn new(method: &'static str, id: Cow<'static, str>, summary: &'static str) -> Self {
        Self {
            method,
            id,
            summary,
            tag: "Events",
            description: String::new(),
            parameters: Vec::new(),
            content: BTreeMap::new(),
            answers: BTreeMap::new(),
            problems: OF_ALL.into_iter().collect(),
            member: None,
            asks: Asks::Nobody,
            is_open: true,
        }
    }

    pub(in crate::http) fn get(id: impl Into<Cow<'static, str>>, summary: &'static str) -> Self {
        Self::new("get", id.into(), summary)
    }

    pub(in crate::http) fn post(id: impl Into<Cow<'static, str>>, summary: &'static str) -> Self {
        Self::new("post", id.into(), summary)
    }

    pub(in crate::http) fn tag(self, tag: &'static str) -> Self {
        Self { tag, ..self }
    }

    pub(in crate::http) fn describe(self, description: impl Into<String>) -> Self {
        Self { description: description.into(), ..self }
    }

    pub(in crate::http) fn parameter(mut self, parameter: Parameter) -> Self {
        self.parameters.push(parameter);
        self
    }

    /// What it takes, by media type.
    pub(in crate::http) fn content(mut self, media_type: &'static str, content: Value) -> Self {
        self.content.insert(media_type, content);
        self
    }

    pub(in crate::http) fn answer(mut self, status: u16, answer: Answer) -> Self {
        self.answers.insert(status, answer);
        self
    }

    pub(in crate::http) fn problems(mut self, kinds: &[Kind]) -> Self {
        self.problems.extend(kinds);
        self
    }

    pub(in crate::http) fn problem_member(self, name: &'static str, schema: Value) -> Self {
        Self { member: Some((name, schema)), ..self }
    }

    /// `is_open`: whether who doesn't say who they are may be granted something.
    pub(in crate::http) fn asks(self, asks: Asks, is_open: bool) -> Self {
        Self { asks, is_open, ..self }
    }
}

impl Parameter {
    /// A value of the path.
    pub(in crate::http) fn path(name: &str, schema: Value, description: &str) -> Self {
        let parameter = json!({ "name": name, "in": "path", "description": description, "required": true });
        Self(parameter).with("schema", schema)
    }

    /// A parameter of the query.
    pub(in crate::http) fn query(name: &str, schema: Value, description: &str) -> Self {
        Self(json!({ "name": name, "in": "query", "description": description })).with("schema", schema)
    }

    /// A header field.
    pub(in crate::http) fn header(name: &str, schema: Value, description: &str) -> Self {
        Self(json!({ "name": name, "in": "header", "description": description })).with("schema", schema)
    }

    /// One that may not be left out.
    pub(in crate::http) fn required(self, is_required: bool) -> Self {
        self.with("required", json!(is_required))
    }

    /// How it is written.
    pub(in crate::http) fn style(self, style: &str, explode: bool) -> Self {
        self.with("style", json!(style)).with("explode", json!(explode))
    }

    pub(in crate::http) fn example(self, example: Value) -> Self {
        self.with("example", example)
    }

    fn with(mut self, member: &str, value: Value) -> Self {
        self.0[member] = value;
        self
    }
}

impl Answer {
    pub(in crate::http) fn of(description: &str, media_type: &str, schema: Value) -> Self {
        let mut answer = json!({ "description": description });
        answer["content"][media_type]["schema"] = schema;
        Self(answer)
    }

    pub(in crate::http) fn empty(description: &str) -> Self {
        Self(json!({ "description": description }))
    }

    pub(in crate::http) fn header(mut self, name: &str, header: Value) -> Self {
        self.0["headers"][name] = header;
        self
    }

    /// The field `Cache-Control` that it always has.
    pub(in crate::http) fn uncached(self, how: &str) -> Self {
        self.header("Cache-Control", json!({ "required": true, "schema": { "const": how } }))
    }

    /// What it may look like.
    pub(in crate::http) fn example(mut self, example: Value) -> Self {
        let contents = self.0["content"].as_object_mut();
        if let Some(content) = contents.and_then(|contents| contents.values_mut().next()) {
            content["example"] = example;
        }
        self
    }
}
