//! What clients subscribe to: `orders`, `user:42`, `process:7`.
//!
//! A channel is segments of `A-Z a-z 0-9 _ . -`, joined by `:`, at most 200 bytes. A value put into a template fills
//! exactly one segment: any other byte, and `~`, is written `~XX` (upper-case hexadecimal), so that two different values
//! never give one channel.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Longest channel name, in bytes: with the key prefix it stays far below Redis' limits and fits a log line.
pub const MAX_CHANNEL_BYTES: usize = 200;

/// A well-formed channel name. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Channel(Arc<str>);

/// Why a text is not a channel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChannelError {
    /// The name, or a value for one of its segments, is empty.
    #[error("a channel and each of its segments must not be empty")]
    Empty,
    /// The name is longer than [`MAX_CHANNEL_BYTES`].
    #[error("a channel has at most {MAX_CHANNEL_BYTES} bytes, this one has {0}")]
    TooLong(usize),
    /// A byte that no segment may hold.
    #[error(
        "byte 0x{byte:02X} at {at} may not stand in a channel: segments are A-Z a-z 0-9 _ . - (and ~XX escapes), joined by ':'"
    )]
    Byte {
        /// The offending byte.
        byte: u8,
        /// Its index in the text.
        at: usize,
    },
    /// A `~` that no two upper-case hexadecimal digits follow, or that escapes a byte which needs none.
    #[error("the escape at {0} is not '~' and two upper-case hexadecimal digits of a byte that must be escaped")]
    Escape(usize),
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-')
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

impl Channel {
    /// Parses a whole channel name. `~XX` escapes, as [`escape_segment`] writes them, are accepted; every value has
    /// exactly one spelling.
    pub fn parse(text: &str) -> Result<Self, ChannelError> {
        let bytes = text.as_bytes();
        if bytes.len() > MAX_CHANNEL_BYTES {
            return Err(ChannelError::TooLong(bytes.len()));
        }
        let mut segment_is_empty = true;
        let mut at = 0;
        while at < bytes.len() {
            match bytes[at] {
                b':' if segment_is_empty => return Err(ChannelError::Empty),
                b':' => segment_is_empty = true,
                b'~' => {
                    let digits = bytes.get(at + 1).copied().and_then(hex).zip(bytes.get(at + 2).copied().and_then(hex));
                    match digits {
                        Some((high, low)) if !is_plain(high << 4 | low) => {
                            segment_is_empty = false;
                            at += 2;
                        }
                        _ => return Err(ChannelError::Escape(at)),
                    }
                }
                byte if is_plain(byte) => segment_is_empty = false,
                byte => return Err(ChannelError::Byte { byte, at }),
            }
            at += 1;
        }
        if segment_is_empty { Err(ChannelError::Empty) } else { Ok(Self(text.into())) }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The channel for what is addressed to everybody.
    #[must_use]
    pub fn everyone() -> Self {
        Self("everyone".into())
    }

    /// The firehose: what goes to any public channel.
    #[must_use]
    pub fn all() -> Self {
        Self("all".into())
    }

    /// Whether this is the firehose.
    #[must_use]
    pub fn is_all(&self) -> bool {
        &*self.0 == "all"
    }
}

/// Writes a value so that it fills exactly one segment of a channel; two different values never give the same segment.
/// Refuses an empty value. The length is checked by [`Channel::parse`] of the whole.
pub fn escape_segment(value: &str) -> Result<String, ChannelError> {
    if value.is_empty() {
        return Err(ChannelError::Empty);
    }
    let mut segment = String::with_capacity(value.len());
    for byte in value.bytes() {
        if is_plain(byte) {
            segment.push(char::from(byte));
        } else {
            const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
            segment.push('~');
            segment.push(char::from(DIGITS[usize::from(byte >> 4)]));
            segment.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
    Ok(segment)
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl std::str::FromStr for Channel {
    type Err = ChannelError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl Serialize for Channel {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Channel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_segments_joined_by_colons() {
        for good in ["orders", "user:42", "session:9f.a_b-C", "user:a~40b", "a:b:c"] {
            assert_eq!(Channel::parse(good).unwrap().as_str(), good);
        }
        assert_eq!(Channel::parse(""), Err(ChannelError::Empty));
        assert_eq!(Channel::parse("a:"), Err(ChannelError::Empty));
        assert_eq!(Channel::parse(":a"), Err(ChannelError::Empty));
        assert_eq!(Channel::parse("a::b"), Err(ChannelError::Empty));
        assert_eq!(Channel::parse("a b"), Err(ChannelError::Byte { byte: b' ', at: 1 }));
        assert_eq!(Channel::parse("a{b}"), Err(ChannelError::Byte { byte: b'{', at: 1 }));
        assert_eq!(Channel::parse("a~4"), Err(ChannelError::Escape(1)));
        assert_eq!(Channel::parse("a~4a"), Err(ChannelError::Escape(1)));
        assert_eq!(Channel::parse("a~41"), Err(ChannelError::Escape(1)), "'A' needs no escape: one spelling each");
        assert_eq!(Channel::parse(&"a".repeat(201)), Err(ChannelError::TooLong(201)));
    }

    proptest! {
        #[test]
        fn two_values_never_give_one_channel(a in any::<String>(), b in any::<String>()) {
            prop_assume!(!a.is_empty() && !b.is_empty());
            let (one, two) = (escape_segment(&a).unwrap(), escape_segment(&b).unwrap());
            prop_assert_eq!(a == b, one == two);
        }

        #[test]
        fn an_escaped_value_is_one_segment(value in any::<String>()) {
            prop_assume!(!value.is_empty());
            let name = format!("user:{}", escape_segment(&value).unwrap());
            match Channel::parse(&name) {
                Ok(channel) => prop_assert_eq!(channel.as_str().matches(':').count(), 1),
                Err(error) => prop_assert_eq!(error, ChannelError::TooLong(name.len())),
            }
        }

        #[test]
        fn any_text_is_parsed_or_refused(text in any::<String>()) {
            if let Ok(channel) = Channel::parse(&text) {
                prop_assert_eq!(channel.as_str(), text);
            }
        }
    }
}
