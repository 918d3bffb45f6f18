//! Patterns of channels, for configuration: `orders`, `user:*`, `tenant:*:alerts`.

use std::fmt;

use crate::channel::{Channel, ChannelError, MAX_CHANNEL_BYTES};

/// A channel in which whole segments may be `*`: each stands for exactly one segment, whatever it is. No client ever
/// subscribes to a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelPattern(Box<str>);

/// Why a text is not a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Longer than a channel can be.
    #[error("a pattern has at most {MAX_CHANNEL_BYTES} bytes, this one has {0}")]
    TooLong(usize),
    /// A `*` beside other text in a segment.
    #[error("a '*' stands for one whole segment; expected it alone between two ':'")]
    PartOfSegment,
    /// What isn't `*` must be segments of a channel.
    #[error(transparent)]
    Channel(ChannelError),
}

impl ChannelPattern {
    /// Parses a pattern.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.len() > MAX_CHANNEL_BYTES {
            return Err(PatternError::TooLong(text.len()));
        }
        for segment in text.split(':') {
            if segment == "*" {
                continue;
            }
            if segment.contains('*') {
                return Err(PatternError::PartOfSegment);
            }
            Channel::parse(segment).map_err(PatternError::Channel)?;
        }
        Ok(Self(text.into()))
    }

    /// Whether the channel has as many segments, each equal or met by a `*`.
    #[must_use]
    pub fn matches(&self, channel: &Channel) -> bool {
        let mut segments = channel.as_str().split(':');
        self.0.split(':').all(|wanted| segments.next().is_some_and(|segment| wanted == "*" || wanted == segment))
            && segments.next().is_none()
    }

    /// The pattern.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ChannelPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for ChannelPattern {
    type Err = PatternError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// Several patterns in their order. Configurations hold few, so each is tried in turn.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChannelPatterns(Vec<ChannelPattern>);

impl ChannelPatterns {
    /// Parses each; the problems come with their index, all at once.
    pub fn parse<T: AsRef<str>>(texts: &[T]) -> Result<Self, Vec<(usize, PatternError)>> {
        let mut patterns = Vec::with_capacity(texts.len());
        let mut problems = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            match ChannelPattern::parse(text.as_ref()) {
                Ok(pattern) => patterns.push(pattern),
                Err(error) => problems.push((index, error)),
            }
        }
        if problems.is_empty() { Ok(Self(patterns)) } else { Err(problems) }
    }

    /// Whether any pattern matches.
    #[must_use]
    pub fn matches(&self, channel: &Channel) -> bool {
        self.first(channel).is_some()
    }

    /// The index of the first pattern that matches: where an order of precedence is configured.
    #[must_use]
    pub fn first(&self, channel: &Channel) -> Option<usize> {
        self.0.iter().position(|pattern| pattern.matches(channel))
    }

    /// Whether there is none, so that nothing matches.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<ChannelPattern> for ChannelPatterns {
    fn from_iter<I: IntoIterator<Item = ChannelPattern>>(patterns: I) -> Self {
        Self(patterns.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matches(pattern: &str, channel: &str) -> bool {
        ChannelPattern::parse(pattern).unwrap().matches(&Channel::parse(channel).unwrap())
    }

    #[test]
    fn a_star_stands_for_exactly_one_segment() {
        assert!(matches("orders", "orders"));
        assert!(matches("*", "orders"));
        assert!(matches("user:*", "user:42"));
        assert!(matches("*:*:alerts", "tenant:a:alerts"));
        assert!(!matches("*", "user:42"));
        assert!(!matches("user:*", "user"));
        assert!(!matches("user:*", "user:42:x"));
        assert!(!matches("user:*", "users:42"));
        assert!(!matches("orders", "orders:1"));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        assert_eq!(ChannelPattern::parse("user:4*"), Err(PatternError::PartOfSegment));
        assert_eq!(ChannelPattern::parse("**"), Err(PatternError::PartOfSegment));
        assert_eq!(ChannelPattern::parse(""), Err(PatternError::Channel(ChannelError::Empty)));
        assert_eq!(ChannelPattern::parse("a::b"), Err(PatternError::Channel(ChannelError::Empty)));
        assert_eq!(ChannelPattern::parse("a b"), Err(PatternError::Channel(ChannelError::Byte { byte: b' ', at: 1 })));
        assert_eq!(ChannelPattern::parse(&"a".repeat(201)), Err(PatternError::TooLong(201)));
        assert!(Channel::parse("user:*").is_err(), "no client can subscribe to a pattern");
    }

    #[test]
    fn all_problems_of_a_set_are_reported_and_the_first_match_wins() {
        let problems = ChannelPatterns::parse(&["a", "b*", "c:"]).unwrap_err();
        assert_eq!(problems.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [1, 2]);
        let patterns = ChannelPatterns::parse(&["user:*", "*:42"]).unwrap();
        assert_eq!(patterns.first(&Channel::parse("user:42").unwrap()), Some(0));
        assert_eq!(patterns.first(&Channel::parse("task:42").unwrap()), Some(1));
        assert!(!patterns.matches(&Channel::parse("task:43").unwrap()));
        assert!(!ChannelPatterns::default().matches(&Channel::all()));
    }

    proptest! {
        #[test]
        fn a_channel_matches_itself_and_each_way_to_star_its_segments(segments in prop::collection::vec("[a-c~.-]{1,3}", 1..5), stars: u8) {
            let name = segments.join(":");
            let Ok(channel) = Channel::parse(&name) else { return Ok(()) };
            prop_assert!(matches(&name, &name));
            let starred: Vec<&str> =
                segments.iter().enumerate().map(|(at, segment)| if stars >> at & 1 == 1 { "*" } else { segment }).collect();
            prop_assert!(ChannelPattern::parse(&starred.join(":")).unwrap().matches(&channel));
        }
    }
}
