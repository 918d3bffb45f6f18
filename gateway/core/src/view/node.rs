//! A JSON value that is taken apart only where a view looks into it.

use std::borrow::Cow;

use super::Failure;
use super::pointer::{Path, Token};
use crate::envelope::{Fault, Kind, elements, kind_of, members, quoted, whole};

/// Most elements of an array that a view looks into.
const MAX_ELEMENTS: usize = 10_000;

#[derive(Debug)]
pub(super) enum Node<'a> {
    /// As it was written.
    Written(&'a str),
    Made(String),
    Object(Vec<(Cow<'a, str>, Node<'a>)>),
    Array(Vec<Node<'a>>),
}

impl<'a> Node<'a> {
    /// The whole of an event's data.
    pub(super) fn root(text: &'a str) -> Result<Self, Failure> {
        let text = whole(text).map_err(|fault| fail(&fault))?;
        match kind_of(text) {
            Kind::Object | Kind::Array => Ok(Self::Written(text)),
            kind => Err(Failure(format!("data: expected an object or an array, found {kind}"))),
        }
    }

    pub(super) fn made(json: String) -> Self {
        Self::Made(json)
    }

    /// Takes it apart, if it is an object or an array.
    fn open(&mut self) -> Result<(), Failure> {
        if let Self::Written(text) = *self {
            match kind_of(text) {
                Kind::Object => {
                    let members = members(text).map_err(|fault| fail(&fault))?;
                    *self = Self::Object(members.into_iter().map(|(name, json)| (name, Self::Written(json))).collect());
                }
                Kind::Array => {
                    let elements = elements(text, 0, MAX_ELEMENTS, true).map_err(|fault| fail(&fault))?;
                    *self = Self::Array(elements.into_iter().map(Self::Written).collect());
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Only what the paths lead to. A path that leads nowhere keeps nothing.
    pub(super) fn keep(self, path: &Path) -> Result<Self, Failure> {
        Ok(self.kept(path)?.unwrap_or_else(|| Self::Object(Vec::new())))
    }

    fn kept(mut self, path: &Path) -> Result<Option<Self>, Failure> {
        if path.is_all() {
            return Ok(Some(self));
        }
        self.open()?;
        Ok(match self {
            Self::Object(members) => {
                let mut kept = Vec::new();
                for (name, node) in members {
                    if let Some(path) = path.members.get(&*name)
                        && let Some(node) = node.kept(path)?
                    {
                        kept.push((name, node));
                    }
                }
                Some(Self::Object(kept))
            }
            Self::Array(elements) => match &path.each {
                None => None,
                Some(path) => {
                    let kept = elements.into_iter().filter_map(|element| element.kept(path).transpose());
                    Some(Self::Array(kept.collect::<Result<_, _>>()?))
                }
            },
            Self::Written(_) | Self::Made(_) => None,
        })
    }

    /// Takes out what the tokens lead to, if it is there.
    pub(super) fn drop(&mut self, tokens: &[Token]) -> Result<(), Failure> {
        let Some((first, rest)) = tokens.split_first() else { return Ok(()) };
        self.open()?;
        match (self, first) {
            (Self::Object(members), Token::Member(name)) => match rest {
                [] => members.retain(|(known, _)| known != name),
                _ => {
                    for (_, node) in members.iter_mut().filter(|(known, _)| known == name) {
                        node.drop(rest)?;
                    }
                }
            },
            (Self::Array(elements), Token::Each) => match rest {
                [] => elements.clear(),
                _ => elements.iter_mut().try_for_each(|element| element.drop(rest))?,
            },
            _ => {}
        }
        Ok(())
    }

    /// Takes out one member.
    pub(super) fn take(&mut self, tokens: &[Token]) -> Result<Option<Self>, Failure> {
        let Some((Token::Member(name), rest)) = tokens.split_first() else { return Ok(None) };
        self.open()?;
        let Self::Object(members) = self else { return Ok(None) };
        let Some(at) = members.iter().position(|(known, _)| known == name) else { return Ok(None) };
        if rest.is_empty() { Ok(Some(members.remove(at).1)) } else { members[at].1.take(rest) }
    }

    /// Puts a member, in place of what is there; makes the objects on the way.
    pub(super) fn put(&mut self, tokens: &[Token], value: Self) -> Result<(), Failure> {
        let Some((Token::Member(name), rest)) = tokens.split_first() else { return Ok(()) };
        self.open()?;
        let Self::Object(members) = self else {
            return Err(Failure(format!("{}: what it would stand in is no object", quoted(name))));
        };
        let at = match members.iter().position(|(known, _)| known == name) {
            Some(at) => at,
            None => {
                members.push((name.clone().into(), Self::Object(Vec::new())));
                members.len() - 1
            }
        };
        if rest.is_empty() {
            members[at].1 = value;
            Ok(())
        } else {
            members[at].1.put(rest, value)
        }
    }

    pub(super) fn write(&self, out: &mut String) {
        match self {
            Self::Written(text) => out.push_str(text),
            Self::Made(text) => out.push_str(text),
            Self::Object(members) => {
                out.push('{');
                for (at, (name, node)) in members.iter().enumerate() {
                    out.push_str(if at == 0 { "" } else { "," });
                    out.push_str(&serde_json::Value::from(&**name).to_string());
                    out.push(':');
                    node.write(out);
                }
                out.push('}');
            }
            Self::Array(elements) => {
                out.push('[');
                for (at, node) in elements.iter().enumerate() {
                    out.push_str(if at == 0 { "" } else { "," });
                    node.write(out);
                }
                out.push(']');
            }
        }
    }
}

fn fail(fault: &Fault) -> Failure {
    Failure(format!("data: {fault}"))
}
