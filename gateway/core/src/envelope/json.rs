//! JSON read in place: members and elements as the slices in which they were written, nothing built, nothing rounded.
//!
//! Depth is no danger: skipping a value is iterative in `serde_json`. Duplicate members are refused, because two
//! readers that choose differently among them are how one record means two things (RFC 8259, section 4).

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use smallvec::SmallVec;

use super::quoted;

/// Most members of an object whose members all matter.
pub(crate) const MAX_MEMBERS: usize = 128;

/// Why a text isn't the JSON that was asked for. Its message holds no data but a member's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Not JSON at all.
    Syntax { line: usize, column: usize },
    /// A member that stands twice.
    Duplicate(String),
    /// More members or elements than are allowed.
    TooMany(usize),
    /// A string with half a surrogate pair, which no UTF-8 text can hold.
    Surrogate,
    /// Well-formed, but of another type.
    Type { expected: &'static str, found: Kind },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax { line, column } => write!(f, "not JSON (line {line}, column {column})"),
            Self::Duplicate(name) => write!(f, "the member {} stands twice", quoted(name)),
            Self::TooMany(limit) => write!(f, "more than {limit} members or elements"),
            Self::Surrogate => f.write_str("a string holds half a surrogate pair or a wrong escape"),
            Self::Type { expected, found } => write!(f, "expected {expected}, found {found}"),
        }
    }
}

/// The type of a JSON value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Null,
    Bool,
    Number,
    String,
    Array,
    Object,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "null",
            Self::Bool => "a boolean",
            Self::Number => "a number",
            Self::String => "a string",
            Self::Array => "an array",
            Self::Object => "an object",
        })
    }
}

/// The type of the value that begins here: decided by its first byte, whatever follows.
pub(crate) fn kind_of(json: &str) -> Kind {
    match json.trim_ascii_start().as_bytes().first() {
        Some(b'{') => Kind::Object,
        Some(b'[') => Kind::Array,
        Some(b'"') => Kind::String,
        Some(b't' | b'f') => Kind::Bool,
        Some(b'n') => Kind::Null,
        _ => Kind::Number,
    }
}

/// A string, borrowed unless it holds escapes.
pub(crate) struct Text<'a>(pub(crate) Cow<'a, str>);

impl<'de> serde::Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Reader)
    }
}

/// The unescaped text of a string.
pub(crate) fn string<'a>(json: &'a str) -> Result<Cow<'a, str>, Fault> {
    match kind_of(json) {
        Kind::String => serde_json::from_str::<Text<'a>>(json).map(|text| text.0).map_err(|_| Fault::Surrogate),
        found => Err(Fault::Type { expected: "a string", found }),
    }
}

/// The text of a scalar: a string unescaped, a number or boolean exactly as written; `None` for null.
pub(crate) fn scalar<'a>(json: &'a str) -> Result<Option<Cow<'a, str>>, Fault> {
    match kind_of(json) {
        Kind::Null => Ok(None),
        Kind::String => string(json).map(Some),
        Kind::Bool | Kind::Number => Ok(Some(Cow::Borrowed(json))),
        found => Err(Fault::Type { expected: "a string, number or boolean", found }),
    }
}

/// The members of an object, each value as the slice in which it was written.
pub(crate) type Members<'a> = SmallVec<[(Cow<'a, str>, &'a str); 12]>;

/// Reads an object of at most [`MAX_MEMBERS`] members.
pub(crate) fn members(json: &str) -> Result<Members<'_>, Fault> {
    expect(json, Kind::Object, "an object")?;
    let mut fault = None;
    read(json, MembersReader { fault: &mut fault }).map_err(|error| fault.unwrap_or_else(|| syntax(&error)))
}

/// The member of that name of an object; the whole object is read, so that a duplicate of it is noticed.
pub(crate) fn member<'a>(json: &'a str, name: &str) -> Result<Option<&'a str>, Fault> {
    let mut fault = None;
    read(json, MemberReader { name, fault: &mut fault }).map_err(|error| fault.unwrap_or_else(|| syntax(&error)))
}

/// The elements of an array, from `skip` on, at most `limit`; more are refused when `strict`, else only read over.
pub(crate) fn elements(json: &str, skip: usize, limit: usize, strict: bool) -> Result<Vec<&str>, Fault> {
    expect(json, Kind::Array, "an array")?;
    let mut fault = None;
    read(json, ElementsReader { skip, limit, strict, fault: &mut fault })
        .map_err(|error| fault.unwrap_or_else(|| syntax(&error)))
}

/// The text without white space around it, if it is one JSON value.
pub(crate) fn whole(json: &str) -> Result<&str, Fault> {
    serde_json::from_str::<&RawValue>(json).map(RawValue::get).map_err(|error| syntax(&error))
}

fn expect(json: &str, kind: Kind, expected: &'static str) -> Result<(), Fault> {
    match kind_of(json) {
        found if found == kind => Ok(()),
        // A text that isn't JSON at all looks like a number by its first byte: say what it is.
        found => match serde_json::from_str::<IgnoredAny>(json) {
            Ok(_) => Err(Fault::Type { expected, found }),
            Err(error) => Err(syntax(&error)),
        },
    }
}

fn syntax(error: &serde_json::Error) -> Fault {
    Fault::Syntax { line: error.line(), column: error.column() }
}

fn read<'a, V: Visitor<'a>>(json: &'a str, visitor: V) -> Result<V::Value, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let value = deserializer.deserialize_any(visitor)?;
    deserializer.end()?;
    Ok(value)
}

struct MembersReader<'f> {
    fault: &'f mut Option<Fault>,
}

impl<'de> Visitor<'de> for MembersReader<'_> {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Members::new();
        while let Some(Text(name)) = map.next_key()? {
            let value: &'de RawValue = map.next_value()?;
            if members.iter().any(|(other, _)| *other == name) {
                *self.fault = Some(Fault::Duplicate(name.into_owned()));
                return Err(A::Error::custom("duplicate"));
            }
            if members.len() == MAX_MEMBERS {
                *self.fault = Some(Fault::TooMany(MAX_MEMBERS));
                return Err(A::Error::custom("too many"));
            }
            members.push((name, value.get()));
        }
        Ok(members)
    }
}

struct MemberReader<'n, 'f> {
    name: &'n str,
    fault: &'f mut Option<Fault>,
}

/// Whether a member's name is the one looked for, without a copy of it.
struct IsName<'n>(&'n str);

impl<'de> DeserializeSeed<'de> for IsName<'_> {
    type Value = bool;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for IsName<'_> {
    type Value = bool;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }
    fn visit_str<E>(self, text: &str) -> Result<bool, E> {
        Ok(text == self.0)
    }
}

impl<'de> Visitor<'de> for MemberReader<'_, '_> {
    type Value = Option<&'de str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found: Option<&'de RawValue> = None;
        while let Some(is_it) = map.next_key_seed(IsName(self.name))? {
            if !is_it {
                map.next_value::<IgnoredAny>()?;
            } else if found.is_some() {
                *self.fault = Some(Fault::Duplicate(self.name.to_owned()));
                return Err(A::Error::custom("duplicate"));
            } else {
                found = Some(map.next_value()?);
            }
        }
        Ok(found.map(RawValue::get))
    }
}

struct ElementsReader<'f> {
    skip: usize,
    limit: usize,
    strict: bool,
    fault: &'f mut Option<Fault>,
}

impl<'de> Visitor<'de> for ElementsReader<'_> {
    type Value = Vec<&'de str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
        let mut elements = Vec::new();
        for _ in 0..self.skip {
            if sequence.next_element::<IgnoredAny>()?.is_none() {
                return Ok(elements);
            }
        }
        while elements.len() < self.limit {
            match sequence.next_element::<&'de RawValue>()? {
                Some(element) => elements.push(element.get()),
                None => return Ok(elements),
            }
        }
        while sequence.next_element::<IgnoredAny>()?.is_some() {
            if self.strict {
                *self.fault = Some(Fault::TooMany(self.limit));
                return Err(A::Error::custom("too many"));
            }
        }
        Ok(elements)
    }
}
