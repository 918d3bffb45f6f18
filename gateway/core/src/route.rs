//! Routes: how records that are no envelopes become one, by templates and a condition.

mod condition;
mod input;
mod reference;
mod template;

use std::collections::BTreeMap;
use std::fmt;

use crate::envelope::{Addressees, Draft, MAX_CHANNELS, Rejection, check_attribute_name, check_kind, parse_time};
use condition::Condition;
pub(crate) use input::Input;
pub use template::MAX_TEMPLATE_BYTES;
pub(crate) use template::Template;

/// A route as configured.
///
/// Each text but `name` and `when` is a *template*: literal text with references in braces (`{{` and `}}` are literal
/// braces).
///
/// | reference | stands for |
/// |---|---|
/// | `{key}`, `{topic}` | the record's key (UTF-8) and topic |
/// | `{header.x-tenant}` | the last header of that name |
/// | `{value./a/b}` | what the JSON pointer (RFC 6901) `/a/b` finds in the value: a string's text, a number or boolean exactly as written, an object or array as exactly the JSON that stands there |
/// | `{value./ids/*}`, `{value./to/*/id}` | in channels only: one channel for each element of the array |
/// | `{value}` | the whole value, byte for byte, JSON or not |
/// | `{value.}` | the whole value as JSON: a string's text, anything else as it stands |
///
/// What a reference doesn't find is *absent*; so is a JSON null.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RouteSpec {
    /// Names the route in logs and explanations; distinct within a binding.
    pub name: String,
    /// A CEL expression over `key`, `headers`, `value` and `topic` that says whether the route applies; none: it does.
    pub when: Option<String>,
    /// The channels, 1 to 64. A reference fills exactly one segment, escaped. One that is absent, an object or an array
    /// leaves the record unroutable.
    pub channels: Vec<String>,
    /// The type; none: `message`. Absent references make the record unroutable: a type that was meant to be there is
    /// not guessed.
    pub kind: Option<String>,
    /// The data; none: the whole value, byte for byte. References insert text and quote nothing: to build JSON from
    /// parts that contain free text is to let their writers build it. Absent as a whole: `null`.
    pub data: Option<String>,
    /// The key; none, or a reference absent: the record's key.
    pub key: Option<String>,
    /// The id; none, a reference absent, or empty: no id.
    pub id: Option<String>,
    /// The time, RFC 3339 or milliseconds; none, or a reference absent: the record's time.
    pub time: Option<String>,
    /// Attributes by name. One with an absent reference is left out.
    pub attributes: BTreeMap<String, String>,
}

/// What is wrong with a route, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Index of the route in its binding.
    pub route: usize,
    /// Path within the route (`channels[1]`); empty for the route as a whole.
    pub path: String,
    /// What is wrong, and what is expected.
    pub message: String,
}

impl Problem {
    pub(crate) fn new(route: usize, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { route, path: path.into(), message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dot = if self.path.is_empty() { "" } else { "." };
        write!(f, "routes[{}]{dot}{}: {}", self.route, self.path, self.message)
    }
}

impl std::error::Error for Problem {}

/// A proven route.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) name: String,
    pub(crate) when: Option<Condition>,
    pub(crate) channels: Vec<Template>,
    pub(crate) kind: Option<Template>,
    pub(crate) data: Option<Template>,
    pub(crate) key: Option<Template>,
    pub(crate) id: Option<Template>,
    pub(crate) time: Option<Template>,
    pub(crate) attributes: Vec<(String, Template)>,
}

impl Route {
    /// Proves a route; each problem is pushed, and with any there is no route.
    pub(crate) fn build(index: usize, spec: &RouteSpec, problems: &mut Vec<Problem>) -> Option<Self> {
        let before = problems.len();
        let mut problem = |path: &str, message: String| problems.push(Problem::new(index, path, message));
        if spec.name.is_empty() || spec.name.len() > 64 || spec.name.chars().any(char::is_control) {
            problem("name", "expected 1 to 64 bytes without control characters".into());
        }
        if spec.channels.is_empty() || spec.channels.len() > MAX_CHANNELS {
            problem("channels", format!("expected 1 to {MAX_CHANNELS} templates, found {}", spec.channels.len()));
        }
        if spec.attributes.len() > crate::envelope::MAX_ATTRIBUTES {
            problem(
                "attributes",
                format!("at most {}, found {}", crate::envelope::MAX_ATTRIBUTES, spec.attributes.len()),
            );
        }
        let when = spec
            .when
            .as_deref()
            .and_then(|text| Condition::parse(text).map_err(|message| problem("when", message)).ok());
        let mut channels = Vec::with_capacity(spec.channels.len());
        for (at, text) in spec.channels.iter().enumerate() {
            match Template::channel(text) {
                Ok(template) => channels.push(template),
                Err(message) => problem(&format!("channels[{at}]"), message),
            }
        }
        let mut optional = |path: &str, text: &Option<String>| -> Option<Template> {
            Template::text(text.as_deref()?).map_err(|message| problem(path, message)).ok()
        };
        let kind = optional("kind", &spec.kind);
        let data = optional("data", &spec.data);
        let key = optional("key", &spec.key);
        let id = optional("id", &spec.id);
        let time = optional("time", &spec.time);
        let mut attributes = Vec::with_capacity(spec.attributes.len());
        for (name, text) in &spec.attributes {
            let path = format!("attributes.{name}");
            if let Err(message) = check_attribute_name(name) {
                problem(&path, message);
            }
            match Template::text(text) {
                Ok(template) => attributes.push((name.clone(), template)),
                Err(message) => problem(&path, message),
            }
        }
        if let Some(Err(message)) = kind.as_ref().and_then(Template::literal).map(check_kind) {
            problem("kind", message);
        }
        if time.as_ref().and_then(Template::literal).is_some() {
            problem("time", "a fixed time for all records; expected a reference".into());
        }
        if id.as_ref().and_then(Template::literal).is_some() {
            problem("id", "one id for all records would make each but the first a repeat; expected a reference".into());
        }
        (problems.len() == before).then(|| Self {
            name: spec.name.clone(),
            when,
            channels,
            kind,
            data,
            key,
            id,
            time,
            attributes,
        })
    }

    /// Whether this route is the record's.
    pub(crate) fn holds(&self, input: &Input<'_>) -> Result<bool, Rejection> {
        self.when.as_ref().map_or(Ok(true), |condition| condition.holds(input))
    }

    /// Fills the templates.
    pub(crate) fn draft<'t, 'a: 't>(&'t self, input: &Input<'a>) -> Result<Draft<'t>, Rejection> {
        let mut channels = Addressees::default();
        for (at, template) in self.channels.iter().enumerate() {
            template.address(input, &format!("channels[{at}]"), &mut channels)?;
        }
        let optional = |field: &str, template: &'t Option<Template>| match template {
            Some(template) => template.fill(input, field),
            None => Ok(None),
        };
        let kind = optional("kind", &self.kind)?;
        if let (Some(template), None) = (&self.kind, &kind) {
            return Err(Rejection::unroutable(format!("kind: {template} finds nothing in this record")));
        }
        let data = match &self.data {
            Some(template) => template.fill(input, "data")?,
            None => input.text()?.map(Into::into),
        };
        let time =
            match optional("time", &self.time)? {
                None => None,
                Some(text) => Some(parse_time(&text).ok_or_else(|| {
                    Rejection::undecodable(format!("time: expected {}", crate::envelope::EXPECTED_TIME))
                })?),
            };
        let mut attributes = BTreeMap::new();
        for (name, template) in &self.attributes {
            if let Some(value) = template.fill(input, name)? {
                attributes.insert(name.clone(), value.into_owned());
            }
        }
        Ok(Draft {
            channels,
            kind,
            data,
            id: optional("id", &self.id)?.filter(|id| !id.is_empty()),
            key: optional("key", &self.key)?,
            time,
            attributes,
            scope: "".into(),
        })
    }
}

#[cfg(test)]
mod tests;
