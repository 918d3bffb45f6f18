//! Where a record would go, and why: for people who write routes.

use std::fmt;

use super::{Command, Decoder, Envelope, Format, Rejection};
use crate::record::Record;
use crate::route::{Input, Template};

/// Longest shown part of a value, in characters.
const SHOWN: usize = 200;

/// What a decoder does with one record. Unlike a [`Rejection`] it shows values of the record: it is for the person who
/// has that record at hand, not for logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// How the record was read; `None` when it was refused before that was known.
    pub format: Option<Format>,
    /// Why so.
    pub why: String,
    /// What was tried, in order: conditions and templates.
    pub steps: Vec<Step>,
    /// What came of it: what is delivered or done, as text, or why nothing is.
    pub outcome: Result<Outcome, Rejection>,
}

/// What a record decodes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// An event to append.
    Event(Envelope),
    /// A command to carry out.
    Command(Command),
}

/// One condition or template, and what it gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The field of the configuration: `routes[0].when`, `routes[1].channels[0]`.
    pub field: String,
    /// The condition or template as configured.
    pub text: String,
    /// What it gave for this record.
    pub result: String,
}

/// Explains what [`Decoder::decode`] does with a record.
#[must_use]
pub fn explain(decoder: &Decoder, record: &Record<'_>) -> Explanation {
    explanation(decoder, record, decoder.decode(record).map(Outcome::Event))
}

/// Explains what [`Decoder::command`] does with a record.
#[must_use]
pub fn explain_command(decoder: &Decoder, record: &Record<'_>) -> Explanation {
    explanation(decoder, record, decoder.command(record).map(Outcome::Command))
}

fn explanation(decoder: &Decoder, record: &Record<'_>, outcome: Result<Outcome, Rejection>) -> Explanation {
    let mut steps = Vec::new();
    let (format, why) = if decoder.check_size(record).is_err() {
        (None, "the size is checked before anything is read".into())
    } else if decoder.routes.is_empty() {
        match Format::recognise(record) {
            Ok((format, why)) => (Some(format), why.to_owned()),
            Err(rejection) => (None, rejection.detail),
        }
    } else {
        (Some(Format::Routes), routed(decoder, record, &mut steps))
    };
    Explanation { format, why, steps, outcome }
}

/// Goes the way of the decoder through its routes, and writes down each step.
fn routed(decoder: &Decoder, record: &Record<'_>, steps: &mut Vec<Step>) -> String {
    let input = Input::new(*record);
    for (index, route) in decoder.routes.iter().enumerate() {
        let step = |field: &str, text: String, result: String| Step {
            field: format!("routes[{index}].{field}"),
            text,
            result,
        };
        let holds = route.holds(&input);
        if let Some(condition) = &route.when {
            let result = match &holds {
                Ok(holds) => holds.to_string(),
                Err(rejection) => rejection.to_string(),
            };
            steps.push(step("when", condition.to_string(), result));
        }
        match holds {
            Ok(true) => {}
            Ok(false) => continue,
            Err(_) => return format!("the condition of route {:?} failed", route.name),
        }
        for (at, template) in route.channels.iter().enumerate() {
            let mut channels = super::Addressees::default();
            let result = match template.address(&input, &format!("channels[{at}]"), &mut channels) {
                Err(rejection) => rejection.to_string(),
                Ok(()) => channels
                    .into_channels()
                    .map(|channels| channels.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
                    .unwrap_or_else(|_| "none".into()),
            };
            steps.push(step(&format!("channels[{at}]"), template.to_string(), result));
        }
        let mut fill = |field: &str, template: &Template| {
            let result = match template.fill(&input, field) {
                Ok(Some(text)) => shown(&text),
                Ok(None) => "absent".into(),
                Err(rejection) => rejection.to_string(),
            };
            steps.push(step(field, template.to_string(), result));
        };
        let fields = [
            ("kind", &route.kind),
            ("data", &route.data),
            ("key", &route.key),
            ("id", &route.id),
            ("time", &route.time),
        ];
        for (field, template) in fields {
            if let Some(template) = template {
                fill(field, template);
            }
        }
        for (name, template) in &route.attributes {
            fill(&format!("attributes.{name}"), template);
        }
        return format!("route {:?} is the first whose condition holds", route.name);
    }
    "no route's condition holds".into()
}

/// A value as one line, cut.
fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push_str("...");
    }
    shown
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.format {
            Some(format) => writeln!(f, "format:   {format} ({})", self.why)?,
            None => writeln!(f, "format:   not told ({})", self.why)?,
        }
        for step in &self.steps {
            writeln!(f, "{}: {} -> {}", step.field, step.text, step.result)?;
        }
        match &self.outcome {
            Err(rejection) => writeln!(f, "rejected: {rejection}"),
            Ok(Outcome::Event(envelope)) => event(envelope, f),
            Ok(Outcome::Command(Command::Disconnect { channels, before })) => {
                writeln!(f, "command:  disconnect what was opened before {} ms", before.0)?;
                addressed(channels, f)
            }
            Ok(Outcome::Command(Command::Connect { channels })) => {
                writeln!(f, "command:  connect")?;
                addressed(channels, f)
            }
        }
    }
}

fn addressed(channels: &[crate::Channel], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    channels.iter().try_for_each(|channel| writeln!(f, "channel:  {channel}"))
}

fn event(envelope: &Envelope, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    addressed(&envelope.channels, f)?;
    writeln!(f, "type:     {}", envelope.kind)?;
    writeln!(f, "time:     {} ms", envelope.time.0)?;
    if let Some(id) = &envelope.id {
        writeln!(f, "id:       {}", shown(id))?;
    }
    if !envelope.scope.is_empty() {
        writeln!(f, "scope:    {}", shown(&envelope.scope))?;
    }
    if let Some(key) = &envelope.key {
        writeln!(f, "key:      {}", shown(key))?;
    }
    for (name, value) in &envelope.attributes {
        writeln!(f, "attribute {name}: {}", shown(value))?;
    }
    writeln!(f, "data:     {} bytes: {}", envelope.data.len(), shown(&String::from_utf8_lossy(&envelope.data)))
}
