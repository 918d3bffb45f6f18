//! Paths of an existing frontend, and the channels that they stand for.

use std::fmt;

use crate::Channel;
use crate::channel::{ChannelError, escape_segment};

/// Most segments of a path.
const MAX_SEGMENTS: usize = 16;

/// A path whose segments may be values: `/api/events/users/{user}`. A `/` at its end counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathPattern {
    text: String,
    segments: Vec<Segment>,
}

/// A channel whose segments may be values: `user:{user}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelTemplate {
    text: String,
    segments: Vec<Segment>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Value(String),
}

/// The values of one request, by name.
pub type Values = Vec<(String, String)>;

fn segment(text: &str) -> Result<Segment, String> {
    let Some(name) = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else {
        return match text.contains(['{', '}']) {
            true => Err(format!("\"{text}\": a value is a segment by itself, such as {{user}}")),
            false => Ok(Segment::Literal(text.to_owned())),
        };
    };
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_name {
        Ok(Segment::Value(name.to_owned()))
    } else {
        Err(format!("\"{text}\": a value's name is letters, digits and '_'"))
    }
}

impl PathPattern {
    /// Parses a pattern.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let path = text.strip_prefix('/').ok_or("a path begins with /")?;
        let segments = path.split('/').map(segment).collect::<Result<Vec<_>, _>>()?;
        if segments.len() > MAX_SEGMENTS {
            return Err(format!("a path has at most {MAX_SEGMENTS} segments, this one has {}", segments.len()));
        }
        let empty = segments.iter().rev().skip(1).any(|segment| *segment == Segment::Literal(String::new()));
        if empty || path.is_empty() {
            return Err("a path has no empty segment but the last".into());
        }
        let pattern = Self { text: text.to_owned(), segments };
        let names: Vec<&str> = pattern.names().collect();
        if names.iter().enumerate().any(|(at, name)| names[..at].contains(name)) {
            return Err("two of its values have one name".into());
        }
        Ok(pattern)
    }

    /// The names of its values.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        names(&self.segments)
    }

    /// The values of a path of this form, as `decode` reads a segment; `None` for other paths, and where it can't be read.
    pub fn values(&self, path: &str, decode: impl Fn(&str) -> Option<String>) -> Option<Values> {
        let mut found = path.strip_prefix('/')?.split('/');
        let mut values = Vec::new();
        for wanted in &self.segments {
            let found = found.next()?;
            match wanted {
                Segment::Literal(literal) if literal == found => {}
                Segment::Literal(_) => return None,
                Segment::Value(name) => values.push((name.clone(), decode(found).filter(|value| !value.is_empty())?)),
            }
        }
        found.next().is_none().then_some(values)
    }
}

impl ChannelTemplate {
    /// Parses a template whose values have these names.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str, known: &[&str]) -> Result<Self, String> {
        let segments = text.split(':').map(segment).collect::<Result<Vec<_>, _>>()?;
        if let Some(unknown) = names(&segments).find(|name| !known.contains(name)) {
            return Err(format!("there is no value {{{unknown}}} here"));
        }
        let template = Self { text: text.to_owned(), segments };
        let sample: Vec<(String, String)> = known.iter().map(|name| ((*name).to_owned(), "x".to_owned())).collect();
        template.channel(&sample).map_err(|error| error.to_string())?;
        Ok(template)
    }

    /// The channel with these values, each of which fills exactly one segment, whatever it holds.
    ///
    /// # Errors
    /// When a value is empty or the channel too long.
    pub fn channel(&self, values: &Values) -> Result<Channel, ChannelError> {
        let mut text = String::new();
        for segment in &self.segments {
            if !text.is_empty() {
                text.push(':');
            }
            match segment {
                Segment::Literal(literal) => text.push_str(literal),
                Segment::Value(name) => {
                    let value = values.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value);
                    text.push_str(&escape_segment(value)?);
                }
            }
        }
        Channel::parse(&text)
    }
}

fn names(segments: &[Segment]) -> impl Iterator<Item = &str> {
    segments.iter().filter_map(|segment| match segment {
        Segment::Value(name) => Some(name.as_str()),
        Segment::Literal(_) => None,
    })
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for ChannelTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn values(pattern: &str, path: &str) -> Option<Values> {
        PathPattern::parse(pattern).unwrap().values(path, |text| Some(text.to_owned()))
    }

    #[test]
    fn a_path_has_its_form_exactly() {
        let of = |name: &str, value: &str| Some(vec![(name.to_owned(), value.to_owned())]);
        assert_eq!(values("/a/b/", "/a/b/"), Some(vec![]));
        assert_eq!(values("/a/b/", "/a/b"), None);
        assert_eq!(values("/a/b", "/a/b/"), None);
        assert_eq!(values("/users/{user}", "/users/7"), of("user", "7"));
        assert_eq!(values("/users/{user}", "/users/"), None);
        assert_eq!(values("/users/{user}/events", "/users/7/events"), of("user", "7"));
        assert_eq!(values("/users/{user}", "/users/7/8"), None);
        for wrong in ["a", "/", "//a", "/a//b", "/a{b}", "/{a}/{a}", "/{}", "/{a-b}"] {
            assert!(PathPattern::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_channel_has_the_segments_that_are_written_whatever_its_values_hold() {
        let template = ChannelTemplate::parse("user:{user}:mail", &["user"]).unwrap();
        let channel = |value: &str| template.channel(&vec![("user".to_owned(), value.to_owned())]);
        assert_eq!(channel("7").unwrap().as_str(), "user:7:mail");
        assert_eq!(channel("7:x").unwrap().as_str(), "user:7~3Ax:mail");
        assert_eq!(channel(""), Err(ChannelError::Empty));
        for wrong in ["user:{other}", "user:x{user}", "", "a b"] {
            assert!(ChannelTemplate::parse(wrong, &["user"]).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn two_values_never_give_one_channel(one in "\\PC{1,12}", other in "\\PC{1,12}") {
            let template = ChannelTemplate::parse("user:{v}", &["v"]).unwrap();
            let channel = |value: &String| template.channel(&vec![("v".to_owned(), value.clone())]).ok();
            if let (Some(a), Some(b)) = (channel(&one), channel(&other)) {
                prop_assert_eq!(one == other, a == b);
            }
        }
    }
}
