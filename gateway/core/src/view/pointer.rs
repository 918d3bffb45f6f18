//! JSON pointers (RFC 6901) of views, in which `*` stands for each element of an array.

use std::collections::BTreeMap;
use std::fmt;

/// Most tokens of a pointer.
const MAX_TOKENS: usize = 16;

/// One step into a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Member(String),
    Each,
}

/// A proven pointer, not the empty one; displayed as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pointer {
    text: String,
    tokens: Vec<Token>,
}

impl Pointer {
    pub(super) fn parse(text: &str, stars: bool) -> Result<Self, String> {
        let path = text.strip_prefix('/').ok_or("expected a JSON pointer such as /customer/name (RFC 6901)")?;
        let tokens = path.split('/').map(|token| match token {
            "*" if stars => Ok(Token::Each),
            "*" => Err("a * goes only with keep and drop".to_owned()),
            token => Ok(Token::Member(unescape(token).ok_or("has a '~' that is neither ~0 nor ~1 (RFC 6901)")?)),
        });
        let tokens = tokens.collect::<Result<Vec<_>, _>>()?;
        if tokens.len() > MAX_TOKENS {
            return Err(format!("a pointer has at most {MAX_TOKENS} tokens, this one has {}", tokens.len()));
        }
        Ok(Self { text: text.to_owned(), tokens })
    }

    pub(super) fn tokens(&self) -> &[Token] {
        &self.tokens
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn unescape(token: &str) -> Option<String> {
    let mut parts = token.split('~');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push(match part.as_bytes().first() {
            Some(b'0') => '~',
            Some(b'1') => '/',
            _ => return None,
        });
        text.push_str(&part[1..]);
    }
    Some(text)
}

/// Several pointers as one tree: what is kept.
#[derive(Debug, Default)]
pub(super) struct Path {
    /// A pointer ends here: all that is below.
    whole: bool,
    pub(super) members: BTreeMap<String, Path>,
    pub(super) each: Option<Box<Path>>,
}

impl Path {
    pub(super) fn add(&mut self, pointer: &Pointer) {
        let mut path = self;
        for token in &pointer.tokens {
            path = match token {
                Token::Member(name) => path.members.entry(name.clone()).or_default(),
                Token::Each => path.each.get_or_insert_default(),
            };
        }
        path.whole = true;
    }

    /// Whether everything is kept.
    pub(super) fn is_all(&self) -> bool {
        self.whole || (self.members.is_empty() && self.each.is_none())
    }
}
