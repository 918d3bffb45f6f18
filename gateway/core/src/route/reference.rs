//! What stands between a template's braces.

use std::fmt;

use crate::envelope::quoted;

/// Most tokens of a JSON pointer: each is one reading of what is below it.
pub(crate) const MAX_POINTER_TOKENS: usize = 16;

/// A proven reference; displayed as it was written, with its braces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    text: String,
    pub(crate) target: Target,
}

/// What a reference reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    Key,
    Topic,
    Time,
    Header(String),
    Whole,
    Pointer(Pointer),
}

/// A JSON pointer (RFC 6901), unescaped; with a `*` it is split there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pointer {
    pub(crate) tokens: Vec<String>,
    /// What follows the `*` in each element.
    pub(crate) each: Option<Vec<String>>,
}

impl Reference {
    /// Parses what stands between the braces.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let target = match text {
            "key" => Target::Key,
            "topic" => Target::Topic,
            "time" => Target::Time,
            "value" => Target::Whole,
            _ => match (text.strip_prefix("header."), text.strip_prefix("value.")) {
                (Some(""), _) => return Err("{header.}: expected a header's name after the dot".into()),
                (Some(name), _) => Target::Header(name.into()),
                (None, Some(pointer)) => Target::Pointer(Pointer::parse(pointer)?),
                (None, None) => {
                    return Err(format!(
                        "unknown reference {}; known are key, topic, time, header.NAME, value and value./JSON/POINTER",
                        quoted(text)
                    ));
                }
            },
        };
        Ok(Self { text: text.into(), target })
    }

    /// Whether this is the value as plain text, whose type is not known.
    pub(crate) fn is_whole(&self) -> bool {
        self.target == Target::Whole
    }

    /// The pointer and what follows its `*`, if it has one.
    pub(crate) fn fan_out(&self) -> Option<(&Pointer, &[String])> {
        match &self.target {
            Target::Pointer(pointer) => pointer.each.as_deref().map(|rest| (pointer, rest)),
            _ => None,
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{}}}", self.text)
    }
}

impl Pointer {
    fn parse(text: &str) -> Result<Self, String> {
        let mut tokens = Vec::new();
        let mut star = None;
        if !text.is_empty() {
            let Some(path) = text.strip_prefix('/') else {
                return Err(format!("the JSON pointer {} does not begin with '/' (RFC 6901)", quoted(text)));
            };
            for (at, token) in path.split('/').enumerate() {
                if token == "*" && star.replace(at).is_some() {
                    return Err(format!("the JSON pointer {} has more than one *", quoted(text)));
                }
                tokens.push(unescape(token).ok_or_else(|| {
                    format!("the JSON pointer {} has a '~' that is neither ~0 nor ~1 (RFC 6901)", quoted(text))
                })?);
            }
        }
        if tokens.len() > MAX_POINTER_TOKENS {
            return Err(format!(
                "a JSON pointer has at most {MAX_POINTER_TOKENS} tokens, this one has {}",
                tokens.len()
            ));
        }
        let each = star.map(|at| {
            let rest = tokens.split_off(at + 1);
            tokens.pop();
            rest
        });
        Ok(Self { tokens, each })
    }
}

fn unescape(token: &str) -> Option<String> {
    let mut text = String::with_capacity(token.len());
    let mut rest = token.chars();
    while let Some(char) = rest.next() {
        text.push(match char {
            '~' => match rest.next() {
                Some('0') => '~',
                Some('1') => '/',
                _ => return None,
            },
            char => char,
        });
    }
    Some(text)
}
