//! Texts with stars, each for any run of characters.

use std::fmt;

/// Most stars of a pattern: each may make the comparison look at the text again.
pub const MAX_STARS: usize = 4;

/// A text in which `*` stands for any run of characters, also for none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Glob(String);

impl Glob {
    /// `None` with more than [`MAX_STARS`].
    #[must_use]
    pub fn new(text: String) -> Option<Self> {
        (text.matches('*').count() <= MAX_STARS).then_some(Self(text))
    }

    /// The one text that fits, if there is no star.
    #[must_use]
    pub fn exact(&self) -> Option<&str> {
        (!self.0.contains('*')).then_some(self.0.as_str())
    }

    /// Whether a text is of this form. The leftmost place where a part fits is the right one: what follows a star may be
    /// anything, so a later place never lets more fit.
    #[must_use]
    pub fn fits(&self, text: &str) -> bool {
        let Some((head, rest)) = self.0.split_once('*') else { return self.0 == text };
        let Some(mut text) = text.strip_prefix(head) else { return false };
        let mut rest = rest;
        while let Some((part, after)) = rest.split_once('*') {
            let Some(at) = text.find(part) else { return false };
            text = &text[at + part.len()..];
            rest = after;
        }
        text.ends_with(rest)
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fits(pattern: &str, text: &str) -> bool {
        Glob::new(pattern.to_owned()).unwrap().fits(text)
    }

    #[test]
    fn a_star_is_any_run_of_characters() {
        for (pattern, text, expected) in [
            ("order.created", "order.created", true),
            ("order.created", "order.create", false),
            ("order.*", "order.created", true),
            ("order.*", "order.", true),
            ("order.*", "order", false),
            ("*.created", "order.created", true),
            ("*", "", true),
            ("a*a", "a", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "ac", false),
            ("**", "x", true),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
        assert!(Glob::new("*****".to_owned()).is_none());
    }

    proptest! {
        #[test]
        fn it_agrees_with_its_definition(pattern in "[ab*]{0,8}", text in "[ab]{0,12}") {
            if let Some(glob) = Glob::new(pattern.clone()) {
                prop_assert_eq!(glob.fits(&text), slowly(pattern.as_bytes(), text.as_bytes()));
            }
        }
    }

    /// By the definition, one character at a time.
    fn slowly(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (Some((b'*', rest)), _) => {
                slowly(rest, text) || text.split_first().is_some_and(|(_, after)| slowly(pattern, after))
            }
            (Some((wanted, rest)), Some((found, after))) => wanted == found && slowly(rest, after),
            _ => false,
        }
    }
}
