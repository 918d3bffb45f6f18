//! Patterns over channels, for configuration: `orders`, `user:*`, `orders:**`. No client ever subscribes to one.

use std::fmt;
use std::str::FromStr;

use crate::Channel;
use crate::channel::ChannelError;

/// Segments joined by `:`. `*` stands for exactly one segment; `**`, only as the last, for one or more.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ChannelPattern(String);

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// `**` stands before the end, or `*` beside other letters of a segment.
    #[error("'*' is a segment of its own, and '**' only the last one, as in user:* or orders:**")]
    Star,
    /// What isn't a star is no part of a channel.
    #[error(transparent)]
    Channel(#[from] ChannelError),
}

impl FromStr for ChannelPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let count = text.split(':').count();
        // With stars replaced by a plain letter, the pattern must be a channel.
        let mut segments = Vec::with_capacity(count);
        for (index, segment) in text.split(':').enumerate() {
            segments.push(match segment {
                "*" => "x",
                "**" if index + 1 == count => "x",
                segment if segment.contains('*') => return Err(PatternError::Star),
                segment => segment,
            });
        }
        Channel::parse(&segments.join(":"))?;
        Ok(Self(text.into()))
    }
}

impl ChannelPattern {
    /// Whether the channel has this form.
    #[must_use]
    pub fn matches(&self, channel: &Channel) -> bool {
        let mut segments = channel.as_str().split(':');
        for wanted in self.0.split(':') {
            match (wanted, segments.next()) {
                (_, None) => return false,
                ("**", Some(_)) => return true,
                ("*", Some(_)) => {}
                (wanted, Some(segment)) if wanted == segment => {}
                _ => return false,
            }
        }
        segments.next().is_none()
    }

    /// As it was written.
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fits(pattern: &str, channel: &str) -> bool {
        pattern.parse::<ChannelPattern>().unwrap().matches(&Channel::parse(channel).unwrap())
    }

    #[test]
    fn a_star_is_one_segment_and_two_are_the_rest() {
        assert!(fits("orders", "orders") && !fits("orders", "orders:1") && !fits("orders", "order"));
        assert!(fits("user:*", "user:42") && !fits("user:*", "user") && !fits("user:*", "user:42:a"));
        assert!(fits("*:a", "user:a") && !fits("*:a", "user:b"));
        assert!(fits("orders:**", "orders:1:2") && fits("orders:**", "orders:1") && !fits("orders:**", "orders"));
        assert!(fits("**", "a") && fits("**", "a:b:c"));
    }

    #[test]
    fn stars_elsewhere_are_refused() {
        for text in ["user*", "**:a", "a:***", "a:*b"] {
            assert_eq!(text.parse::<ChannelPattern>(), Err(PatternError::Star), "{text}");
        }
        assert_eq!("".parse::<ChannelPattern>(), Err(PatternError::Channel(ChannelError::Empty)));
        assert_eq!("a::*".parse::<ChannelPattern>(), Err(PatternError::Channel(ChannelError::Empty)));
    }

    proptest! {
        #[test]
        fn any_text_is_a_pattern_or_refused(text in "[a-z*:~ ]{0,12}") {
            if let Ok(pattern) = text.parse::<ChannelPattern>() {
                prop_assert_eq!(pattern.as_str(), text);
            }
        }
    }
}
