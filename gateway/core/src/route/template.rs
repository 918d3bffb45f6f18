//! Text with references in braces.

use std::borrow::Cow;
use std::fmt;

use smallvec::SmallVec;

use super::Input;
use super::input::Found;
use super::reference::Reference;
use crate::Channel;
use crate::channel::{MAX_CHANNEL_BYTES, escape_segment};
use crate::envelope::{Addressees, Kind, Rejection, kind_of};

/// Longest template, in bytes.
pub const MAX_TEMPLATE_BYTES: usize = 1024;

/// Most references in one template: each reads the record's value once.
const MAX_REFERENCES: usize = 16;

/// A proven template; displayed as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template {
    text: String,
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Reference(Reference),
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Template {
    /// Parses the template of anything but a channel.
    pub(crate) fn text(text: &str) -> Result<Self, String> {
        let template = Self::parse(text)?;
        if let Some(reference) = template.references().find(|reference| reference.fan_out().is_some()) {
            return Err(format!("{reference}: only channels fan out over the elements of an array"));
        }
        Ok(template)
    }

    /// Parses the template of a channel. Whatever the references find, the result is a channel with the segments
    /// that are written here; so a segment holds at most one reference, or two pairs of values could give one channel.
    pub(crate) fn channel(text: &str) -> Result<Self, String> {
        let template = Self::parse(text)?;
        if template.references().filter(|reference| reference.fan_out().is_some()).count() > 1 {
            return Err("a channel fans out over at most one array".into());
        }
        let mut sample = String::new();
        let mut references_in_segment = 0;
        for piece in &template.pieces {
            match piece {
                Piece::Literal(literal) => {
                    if literal.contains(':') {
                        references_in_segment = 0;
                    }
                    sample.push_str(literal);
                }
                Piece::Reference(reference) => {
                    references_in_segment += 1;
                    if references_in_segment > 1 {
                        return Err(format!(
                            "{reference}: there is another reference in this segment; expected at most one between two ':', \
                             because different values must never give one channel"
                        ));
                    }
                    sample.push('x');
                }
            }
        }
        let channel = Channel::parse(&sample).map_err(|error| error.to_string())?;
        if channel.is_all() {
            return Err("the channel \"all\" is the gateway's to address".into());
        }
        Ok(template)
    }

    fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_TEMPLATE_BYTES {
            return Err(format!("a template has at most {MAX_TEMPLATE_BYTES} bytes, this one has {}", text.len()));
        }
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            literal.push_str(&rest[..at]);
            rest = &rest[at..];
            if rest.starts_with("{{") || rest.starts_with("}}") {
                literal.push_str(&rest[..1]);
                rest = &rest[2..];
                continue;
            }
            let Some(inner) = rest.strip_prefix('{') else {
                return Err("a '}' without its '{'; a literal brace is written twice".into());
            };
            let Some((reference, after)) = inner.split_once('}') else {
                return Err("a '{' without its '}'; a literal brace is written twice".into());
            };
            if !literal.is_empty() {
                pieces.push(Piece::Literal(std::mem::take(&mut literal)));
            }
            pieces.push(Piece::Reference(Reference::parse(reference)?));
            rest = after;
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        let template = Self { text: text.into(), pieces };
        match template.references().count() {
            count if count > MAX_REFERENCES => Err(format!("at most {MAX_REFERENCES} references, found {count}")),
            _ => Ok(template),
        }
    }

    fn references(&self) -> impl Iterator<Item = &Reference> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Reference(reference) => Some(reference),
            Piece::Literal(_) => None,
        })
    }

    /// The text of a template that refers to nothing.
    pub(crate) fn literal(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [] => Some(""),
            [Piece::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// Fills the template; `None` when a reference is absent. A template that is one reference copies nothing.
    pub(crate) fn fill<'t, 'a: 't>(
        &'t self,
        input: &Input<'a>,
        field: &str,
    ) -> Result<Option<Cow<'t, str>>, Rejection> {
        let named = |rejection: Rejection| Rejection::new(rejection.reason, format!("{field}: {}", rejection.detail));
        if let Some(text) = self.literal() {
            return Ok(Some(Cow::Borrowed(text)));
        }
        if let [Piece::Reference(reference)] = self.pieces.as_slice() {
            return Ok(match input.find(reference).map_err(named)? {
                Found::Absent => None,
                Found::Scalar(text) => Some(text),
                Found::Structure(json) => Some(Cow::Borrowed(json)),
            });
        }
        let mut filled = String::with_capacity(self.text.len());
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => filled.push_str(text),
                Piece::Reference(reference) => match input.find(reference).map_err(named)? {
                    Found::Absent => return Ok(None),
                    Found::Scalar(text) => filled.push_str(&text),
                    Found::Structure(json) => filled.push_str(json),
                },
            }
        }
        Ok(Some(Cow::Owned(filled)))
    }

    /// Adds the channel, or with a `*` the channels, that result for a record; `field` names this template.
    pub(crate) fn address(&self, input: &Input<'_>, field: &str, channels: &mut Addressees) -> Result<(), Rejection> {
        if let Some(name) = self.literal() {
            return channels.add(name, field);
        }
        let named = |rejection: Rejection| Rejection::new(rejection.reason, format!("{field}: {}", rejection.detail));
        let mut segments: SmallVec<[String; 4]> = SmallVec::new();
        let mut each = None;
        for reference in self.references() {
            segments.push(match reference.fan_out() {
                None => segment(reference, &input.find(reference).map_err(named)?).map_err(named)?,
                Some((pointer, rest)) => {
                    each = Some((segments.len(), reference, input.each(reference, pointer, rest).map_err(named)?));
                    String::new()
                }
            });
        }
        let Some((at, reference, elements)) = each else {
            return self.add(&segments, field, channels);
        };
        for element in elements {
            segments[at] = segment(reference, &element).map_err(named)?;
            self.add(&segments, field, channels)?;
        }
        Ok(())
    }

    fn add(&self, segments: &[String], field: &str, channels: &mut Addressees) -> Result<(), Rejection> {
        let mut name = String::with_capacity(MAX_CHANNEL_BYTES);
        let mut segments = segments.iter();
        for piece in &self.pieces {
            name.push_str(match piece {
                Piece::Literal(text) => text,
                Piece::Reference(_) => segments.next().map_or("", String::as_str),
            });
        }
        // A broadcast is for the operator to configure, not for a value to bring about.
        if name == Channel::everyone().as_str() {
            return Err(Rejection::unroutable(format!(
                "{field}: the values in {self} give \"everyone\", which only a literal may address"
            )));
        }
        channels.add(&name, field)
    }
}

/// What was found, as one segment.
fn segment(reference: &Reference, found: &Found<'_>) -> Result<String, Rejection> {
    let refuse =
        |what: &str| Rejection::unroutable(format!("{reference}: expected a string, number or boolean, found {what}"));
    match found {
        Found::Absent => Err(refuse("nothing or null")),
        Found::Structure(json) => Err(refuse(&kind_of(json).to_string())),
        Found::Scalar(text) if reference.is_whole() && matches!(kind_of(text), Kind::Object | Kind::Array) => {
            Err(refuse(&kind_of(text).to_string()))
        }
        Found::Scalar(text) if reference.is_whole() && text.trim_ascii() == "null" => Err(refuse("null")),
        Found::Scalar(text) if text.len() > MAX_CHANNEL_BYTES => Err(Rejection::unroutable(format!(
            "{reference}: a channel has at most {MAX_CHANNEL_BYTES} bytes, this value alone has {}",
            text.len()
        ))),
        Found::Scalar(text) => {
            escape_segment(text).map_err(|error| Rejection::unroutable(format!("{reference}: {error}")))
        }
    }
}
