//! Lengths of time, written as text: `30s`, `1h30m`, `250ms`.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Milliseconds in a second.
pub const SECOND: i64 = 1_000;
/// Milliseconds in a minute.
pub const MINUTE: i64 = 60 * SECOND;
/// Milliseconds in an hour.
pub const HOUR: i64 = 60 * MINUTE;

/// What a duration looks like. The units are those that both this crate and the CEL of Kubernetes read.
pub const PATTERN: &str = "^([0-9]{1,9}(ms|s|m|h))+$";
/// Longest text of a duration, in bytes.
pub const MAX_TEXT_BYTES: usize = 32;
/// The schema's keyword that holds the bounds: `{"min": "1s", "max": "1h"}`.
pub const BOUNDS_KEYWORD: &str = "x-bounds";

/// A length of time in whole milliseconds, `MIN ..= MAX`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration<const MIN: i64, const MAX: i64>(i64);

/// Why a text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DurationError {
    /// It doesn't follow [`PATTERN`].
    Form,
    /// It is shorter than the first or longer than the second, in milliseconds.
    Bounds(i64, i64),
}

impl std::error::Error for DurationError {}

impl fmt::Display for DurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form => f.write_str("expected a duration such as 30s, 1h30m or 250ms"),
            Self::Bounds(min, max) => write!(f, "must be {} to {}", format_millis(*min), format_millis(*max)),
        }
    }
}

/// Reads a duration; answers milliseconds.
pub fn parse_millis(text: &str) -> Result<i64, DurationError> {
    if text.is_empty() || text.len() > MAX_TEXT_BYTES {
        return Err(DurationError::Form);
    }
    let mut total = 0_i64;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 || digits > 9 {
            return Err(DurationError::Form);
        }
        let number: i64 = rest[..digits].parse().map_err(|_| DurationError::Form)?;
        rest = &rest[digits..];
        let letters = rest.bytes().take_while(u8::is_ascii_lowercase).count();
        let unit = match &rest[..letters] {
            "ms" => 1,
            "s" => SECOND,
            "m" => MINUTE,
            "h" => HOUR,
            _ => return Err(DurationError::Form),
        };
        rest = &rest[letters..];
        // At most ten parts of at most 10^9 hours: far below i64's end.
        total += number * unit;
    }
    Ok(total)
}

/// Writes milliseconds the way a person would: `1h30m`, `15s`, `250ms`, `0s`.
#[must_use]
pub fn format_millis(millis: i64) -> String {
    let mut text = String::new();
    let mut rest = millis.max(0);
    for (unit, size) in [("h", HOUR), ("m", MINUTE), ("s", SECOND), ("ms", 1)] {
        if rest >= size {
            text.push_str(&format!("{}{unit}", rest / size));
            rest %= size;
        }
    }
    if text.is_empty() { "0s".into() } else { text }
}

impl<const MIN: i64, const MAX: i64> Duration<MIN, MAX> {
    /// A duration of the program itself, such as a default. Panics when it is out of bounds: at compile time in a
    /// constant, in the first test otherwise.
    #[must_use]
    pub const fn millis(millis: i64) -> Self {
        assert!(MIN >= 0 && MIN <= millis && millis <= MAX, "a duration of the program is out of its own bounds");
        Self(millis)
    }

    /// Reads and checks a text.
    pub fn parse(text: &str) -> Result<Self, DurationError> {
        let millis = parse_millis(text)?;
        if (MIN..=MAX).contains(&millis) { Ok(Self(millis)) } else { Err(DurationError::Bounds(MIN, MAX)) }
    }

    /// The same as the standard library's.
    #[must_use]
    pub const fn get(self) -> std::time::Duration {
        // Never negative: both constructors check it.
        std::time::Duration::from_millis(self.0.unsigned_abs())
    }
}

impl<const MIN: i64, const MAX: i64> fmt::Display for Duration<MIN, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format_millis(self.0))
    }
}

impl<const MIN: i64, const MAX: i64> fmt::Debug for Duration<MIN, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<const MIN: i64, const MAX: i64> Serialize for Duration<MIN, MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, const MIN: i64, const MAX: i64> Deserialize<'de> for Duration<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl<const MIN: i64, const MAX: i64> JsonSchema for Duration<MIN, MAX> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Duration_{MIN}_{MAX}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": PATTERN,
            "maxLength": MAX_TEXT_BYTES,
            "x-kind": "duration",
            "x-expected": "a duration such as 30s, 1h30m or 250ms",
            BOUNDS_KEYWORD: { "min": format_millis(MIN), "max": format_millis(MAX) },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_back_as_written() {
        for text in ["30s", "1h30m", "250ms", "0s", "4h", "1m1s1ms"] {
            assert_eq!(format_millis(parse_millis(text).unwrap()), text);
        }
        assert_eq!(format_millis(parse_millis("90m").unwrap()), "1h30m");
    }

    #[test]
    fn what_has_no_unit_or_another_one_is_refused() {
        for text in ["", "30", "s", "1d", "-1s", "1.5s", "1 s", "1s ", "1234567890s", "١s", "1S"] {
            assert_eq!(parse_millis(text), Err(DurationError::Form), "{text}");
        }
        assert_eq!(Duration::<1_000, 2_000>::parse("3s"), Err(DurationError::Bounds(1_000, 2_000)));
        assert_eq!(DurationError::Bounds(SECOND, HOUR).to_string(), "must be 1s to 1h");
    }
}
