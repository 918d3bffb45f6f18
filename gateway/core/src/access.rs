//! Who may do what: rules over channels, for subjects by what their tokens claim. Denied is what no rule grants.

use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value};

use crate::Channel;
use crate::channel::escape_segment;
use crate::pattern::{ChannelPattern, PatternError};
use crate::view::RAW;

/// Somebody who has proven who they are.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Who says so.
    pub issuer: &'a str,
    /// Who it is, to that issuer.
    pub name: &'a str,
    /// All that the issuer says.
    pub claims: &'a Map<String, Value>,
}

/// What may be done with a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// Receive its events from now on.
    Subscribe,
    /// Read its past.
    Replay,
    /// Publish to it.
    Publish,
    /// Hear how many subscribe to it.
    Stats,
}

/// Channels by form; segments may be claims of the subject, each written as one segment whatever it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessPattern {
    text: String,
    segments: Vec<Segment>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Any,
    /// One or more.
    Rest,
    /// `{sub}`
    Name,
    /// `{claims./pointer}`, and whether each element of the array there counts.
    Claim {
        pointer: String,
        each: bool,
    },
}

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccessPatternError {
    /// A placeholder that isn't known, or isn't a segment by itself.
    #[error("a segment is a text, *, {{sub}} or {{claims./pointer}}; expected one between two ':'")]
    Placeholder,
    /// What isn't a placeholder is no pattern of channels.
    #[error(transparent)]
    Pattern(#[from] PatternError),
}

impl FromStr for AccessPattern {
    type Err = AccessPatternError;

    fn from_str(text: &str) -> Result<Self, AccessPatternError> {
        let mut segments = Vec::new();
        let mut rest = text;
        loop {
            // A pointer may hold a colon: a placeholder ends at its brace.
            let (segment, after) = match rest.strip_prefix('{') {
                None => rest.split_once(':').map_or((rest, None), |(segment, after)| (segment, Some(after))),
                Some(inner) => {
                    let (name, after) = inner.split_once('}').ok_or(AccessPatternError::Placeholder)?;
                    segments.push(placeholder(name).ok_or(AccessPatternError::Placeholder)?);
                    match (after, after.strip_prefix(':')) {
                        ("", _) => break,
                        (_, Some(after)) => {
                            rest = after;
                            continue;
                        }
                        (_, None) => return Err(AccessPatternError::Placeholder),
                    }
                }
            };
            if segment.contains(['{', '}']) {
                return Err(AccessPatternError::Placeholder);
            }
            segments.push(match segment {
                "*" => Segment::Any,
                "**" => Segment::Rest,
                literal => Segment::Literal(literal.to_owned()),
            });
            match after {
                Some(after) => rest = after,
                None => break,
            }
        }
        // With placeholders replaced by a plain letter it has to be a pattern.
        let plain: Vec<&str> = segments
            .iter()
            .map(|segment| match segment {
                Segment::Literal(literal) => literal.as_str(),
                Segment::Any => "*",
                Segment::Rest => "**",
                Segment::Name | Segment::Claim { .. } => "x",
            })
            .collect();
        plain.join(":").parse::<ChannelPattern>()?;
        Ok(Self { text: text.to_owned(), segments })
    }
}

fn placeholder(name: &str) -> Option<Segment> {
    if name == "sub" {
        return Some(Segment::Name);
    }
    let pointer = name.strip_prefix("claims.").filter(|pointer| pointer.starts_with('/'))?;
    Some(match pointer.strip_suffix("/*") {
        Some(array) => Segment::Claim { pointer: array.to_owned(), each: true },
        None => Segment::Claim { pointer: pointer.to_owned(), each: false },
    })
}

impl fmt::Display for AccessPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl AccessPattern {
    /// Whether a channel has this form, for a subject or for nobody in particular.
    #[must_use]
    pub fn covers(&self, subject: Option<&Subject<'_>>, channel: &Channel) -> bool {
        if channel.is_all() {
            // It carries what other channels are for: no wildcard grants it by accident, and no claim.
            return matches!(self.segments.as_slice(), [Segment::Literal(name)] if name == channel.as_str());
        }
        let mut found = channel.as_str().split(':');
        for wanted in &self.segments {
            let Some(found) = found.next() else { return false };
            let fits = match wanted {
                Segment::Rest => return true,
                Segment::Any => true,
                Segment::Literal(literal) => literal == found,
                Segment::Name => subject.is_some_and(|subject| is_segment(subject.name, found)),
                Segment::Claim { pointer, each } => subject.is_some_and(|subject| {
                    let values = values(subject.claims, pointer, *each);
                    values.into_iter().filter_map(text).any(|value| is_segment(&value, found))
                }),
            };
            if !fits {
                return false;
            }
        }
        found.next().is_none()
    }
}

/// The value at a pointer (RFC 6901), or each element of the array there.
fn values<'a>(claims: &'a Map<String, Value>, pointer: &str, each: bool) -> Vec<&'a Value> {
    let Some(value) = at(claims, pointer) else { return Vec::new() };
    match value {
        Value::Array(elements) if each => elements.iter().collect(),
        _ if each => Vec::new(),
        value => vec![value],
    }
}

fn at<'a>(claims: &'a Map<String, Value>, pointer: &str) -> Option<&'a Value> {
    let (first, rest) = match pointer.strip_prefix('/')?.split_once('/') {
        Some((first, _)) => (first, &pointer[first.len() + 1..]),
        None => (&pointer[1..], ""),
    };
    claims.get(&first.replace("~1", "/").replace("~0", "~"))?.pointer(rest)
}

/// A claim that can stand in a channel: a text or a whole number.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string()),
        _ => None,
    }
}

fn is_segment(value: &str, segment: &str) -> bool {
    escape_segment(value).is_ok_and(|escaped| escaped == segment)
}

/// What some clients may.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rule {
    /// Whether it is for everybody, also for those who haven't proven who they are.
    pub everyone: bool,
    /// Only for subjects of this issuer.
    pub issuer: Option<String>,
    /// Only for subjects with these texts at these pointers, by themselves or among the elements of an array.
    pub claims: Vec<(String, String)>,
    /// See [`Right::Subscribe`].
    pub subscribe: Vec<AccessPattern>,
    /// By which views these may be had; the first is the default. Empty: [`RAW`].
    pub views: Vec<String>,
    /// See [`Right::Replay`].
    pub replay: Vec<AccessPattern>,
    /// See [`Right::Publish`].
    pub publish: Vec<AccessPattern>,
    /// See [`Right::Stats`].
    pub stats: Vec<AccessPattern>,
}

impl Rule {
    fn is_for(&self, subject: Option<&Subject<'_>>) -> bool {
        let Some(subject) = subject else { return self.everyone };
        let of_issuer = self.issuer.as_ref().is_none_or(|issuer| issuer == subject.issuer);
        of_issuer
            && self.claims.iter().all(|(pointer, wanted)| match at(subject.claims, pointer) {
                Some(Value::Array(elements)) => elements.iter().any(|element| element.as_str() == Some(wanted)),
                Some(value) => value.as_str() == Some(wanted),
                None => false,
            })
    }

    fn views(&self) -> impl Iterator<Item = &str> {
        let raw = self.views.is_empty().then_some(RAW);
        self.views.iter().map(String::as_str).chain(raw)
    }

    fn grants(&self, right: Right) -> &[AccessPattern] {
        match right {
            Right::Subscribe => &self.subscribe,
            Right::Replay => &self.replay,
            Right::Publish => &self.publish,
            Right::Stats => &self.stats,
        }
    }
}

/// All rules.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rules(pub Vec<Rule>);

impl Rules {
    /// Whether any of them grants it for any channel.
    #[must_use]
    pub fn grant_any(&self, right: Right, subject: Option<&Subject<'_>>) -> bool {
        self.0.iter().filter(|rule| rule.is_for(subject)).any(|rule| !rule.grants(right).is_empty())
    }

    /// The view by which a channel may be subscribed to: the one that is asked for, if any rule grants the channel by it; without
    /// one, the first of the first rule that grants the channel.
    #[must_use]
    pub fn view(&self, subject: Option<&Subject<'_>>, channel: &Channel, asked: Option<&str>) -> Option<&str> {
        let rules = self.0.iter().filter(|rule| rule.is_for(subject));
        let granting = rules.filter(|rule| rule.subscribe.iter().any(|pattern| pattern.covers(subject, channel)));
        let mut views = granting.flat_map(Rule::views);
        match asked {
            None => views.next(),
            Some(asked) => views.find(|view| *view == asked),
        }
    }

    /// Whether any of them grants it.
    #[must_use]
    pub fn grant(&self, right: Right, subject: Option<&Subject<'_>>, channel: &Channel) -> bool {
        let rules = self.0.iter().filter(|rule| rule.is_for(subject));
        rules.flat_map(|rule| rule.grants(right)).any(|pattern| pattern.covers(subject, channel))
    }
}

#[cfg(test)]
mod tests;
