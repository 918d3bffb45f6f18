//! Texts and JSON as CEL values, counted while they are built.

use std::collections::HashMap;
use std::{fmt, str};

use cel::common::types::{CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString, CelUInt};
use cel::common::value::Val;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::envelope::{Reason, Rejection, Text};

/// Most bytes that an expression may look at.
const MAX_INPUT_BYTES: usize = 64 * 1024;
/// Most values that it may look at: members, elements and scalars.
const MAX_INPUT_ELEMENTS: usize = 1000;
/// Deepest nesting: comparing and dropping values is recursive.
const MAX_DEPTH: usize = 32;

/// What was built so far.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Budget {
    pub(super) bytes: usize,
    pub(super) elements: usize,
    /// Bytes of the longest string.
    pub(super) longest: usize,
    /// Elements or members of the largest list or map.
    pub(super) widest: usize,
}

pub(super) fn too_large() -> Rejection {
    Rejection::new(
        Reason::Expression,
        format!(
            "an expression looks at no more than {MAX_INPUT_BYTES} bytes, {MAX_INPUT_ELEMENTS} elements, {MAX_DEPTH} levels; here \
             are more"
        ),
    )
}

impl Budget {
    fn count(&mut self, bytes: usize) -> Result<(), TooLarge> {
        self.bytes += bytes;
        self.elements += 1;
        self.longest = self.longest.max(bytes);
        if self.fits() { Ok(()) } else { Err(TooLarge) }
    }

    pub(super) fn fits(&self) -> bool {
        self.bytes <= MAX_INPUT_BYTES && self.elements <= MAX_INPUT_ELEMENTS
    }

    /// Both together.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            bytes: self.bytes + other.bytes,
            elements: self.elements + other.elements,
            longest: self.longest.max(other.longest),
            widest: self.widest.max(other.widest),
        }
    }
}

/// A value of an expression.
pub(crate) type Boxed<'a> = Box<dyn Val + 'a>;

/// Nothing.
pub(crate) fn null<'a>() -> Boxed<'a> {
    Box::new(CelNull)
}

/// A text.
pub(crate) fn text<'a>(text: &'a str, budget: &mut Budget) -> Result<Boxed<'a>, Rejection> {
    budget.count(text.len()).map_err(|TooLarge| too_large())?;
    Ok(Box::new(CelString::from(text)))
}

/// Bytes as text where they are UTF-8, else null: binary keys and headers (schema ids, say) are common, and no reason to
/// refuse a condition on something else.
pub(crate) fn binary<'a>(bytes: Option<&'a [u8]>, budget: &mut Budget) -> Result<Boxed<'a>, Rejection> {
    match bytes.map(str::from_utf8) {
        Some(Ok(utf8)) => text(utf8, budget),
        None | Some(Err(_)) => Ok(Box::new(CelNull)),
    }
}

/// A map of texts to values.
pub(crate) fn map<'a>(
    members: impl ExactSizeIterator<Item = (&'a str, Option<&'a [u8]>)>,
    budget: &mut Budget,
) -> Result<Boxed<'a>, Rejection> {
    budget.widest = members.len();
    let mut map: HashMap<CelMapKey<'a>, Boxed<'a>> = HashMap::with_capacity(members.len().min(MAX_INPUT_ELEMENTS));
    for (name, value) in members {
        budget.count(name.len()).map_err(|TooLarge| too_large())?;
        map.insert(CelMapKey::from(name), binary(value, budget)?);
    }
    Ok(Box::new(CelMap::from(map)))
}

/// Reads JSON; `name` is told where it is none. A whole number becomes an int (or, above 2^63, a uint), any other a double.
pub(crate) fn json<'a>(name: &str, text: &'a str, budget: &mut Budget) -> Result<Boxed<'a>, Rejection> {
    if text.len() > MAX_INPUT_BYTES {
        return Err(too_large());
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let mut full = false;
    let value = Build { budget, full: &mut full, depth: 0 }.deserialize(&mut deserializer);
    match value.and_then(|value| deserializer.end().map(|()| value)) {
        Ok(value) => Ok(value),
        Err(_) if full => Err(too_large()),
        Err(error) => Err(Rejection::undecodable(format!(
            "{name}: an expression reads it, and it is not JSON that can be compared (line {}, column {}): no duplicate members, \
             no numbers beyond double precision's range",
            error.line(),
            error.column()
        ))),
    }
}

struct TooLarge;

struct Build<'b> {
    budget: &'b mut Budget,
    full: &'b mut bool,
    depth: usize,
}

impl Build<'_> {
    fn count<E: Error>(&mut self, bytes: usize) -> Result<(), E> {
        self.budget.count(bytes).map_err(|TooLarge| self.overfull())
    }

    fn overfull<E: Error>(&mut self) -> E {
        *self.full = true;
        E::custom("too large")
    }

    fn deeper<E: Error>(&mut self) -> Result<Build<'_>, E> {
        if self.depth == MAX_DEPTH {
            return Err(self.overfull());
        }
        Ok(Build { budget: self.budget, full: self.full, depth: self.depth + 1 })
    }

    fn scalar<'a, E: Error>(mut self, bytes: usize, value: impl Val + 'a) -> Result<Boxed<'a>, E> {
        self.count(bytes)?;
        Ok(Box::new(value))
    }
}

impl<'de> DeserializeSeed<'de> for Build<'_> {
    type Value = Boxed<'de>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Boxed<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Build<'_> {
    type Value = Boxed<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_unit<E: Error>(self) -> Result<Boxed<'de>, E> {
        self.scalar(0, CelNull)
    }
    fn visit_bool<E: Error>(self, value: bool) -> Result<Boxed<'de>, E> {
        self.scalar(0, CelBool::from(value))
    }
    fn visit_i64<E: Error>(self, value: i64) -> Result<Boxed<'de>, E> {
        self.scalar(0, CelInt::from(value))
    }
    fn visit_u64<E: Error>(self, value: u64) -> Result<Boxed<'de>, E> {
        match i64::try_from(value) {
            Ok(value) => self.scalar(0, CelInt::from(value)),
            Err(_) => self.scalar(0, CelUInt::from(value)),
        }
    }
    fn visit_f64<E: Error>(self, value: f64) -> Result<Boxed<'de>, E> {
        self.scalar(0, CelDouble::from(value))
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<Boxed<'de>, E> {
        self.scalar(text.len(), CelString::from(text.to_owned()))
    }
    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Boxed<'de>, E> {
        self.scalar(text.len(), CelString::from(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut sequence: A) -> Result<Boxed<'de>, A::Error> {
        self.count(0)?;
        let mut elements: Vec<Boxed<'de>> = Vec::new();
        while let Some(element) = sequence.next_element_seed(self.deeper()?)? {
            elements.push(element);
        }
        self.budget.widest = self.budget.widest.max(elements.len());
        Ok(Box::new(CelList::from(elements)))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Boxed<'de>, A::Error> {
        self.count(0)?;
        let mut members: HashMap<CelMapKey<'de>, Boxed<'de>> = HashMap::new();
        while let Some(Text(name)) = map.next_key()? {
            self.budget.bytes += name.len();
            self.budget.longest = self.budget.longest.max(name.len());
            let value = map.next_value_seed(self.deeper()?)?;
            if members.insert(CelMapKey::String(CelString::from(name)), value).is_some() {
                return Err(A::Error::custom("duplicate member"));
            }
        }
        self.budget.widest = self.budget.widest.max(members.len());
        Ok(Box::new(CelMap::from(members)))
    }
}
