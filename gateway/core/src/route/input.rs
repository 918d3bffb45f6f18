//! A record as routes read it: what is expensive to find is found once, and only if a route asks.

use std::cell::OnceCell;
use std::str;

use super::reference::{Pointer, Reference, Target};
use crate::envelope::{Fault, Kind, MAX_CHANNELS, Rejection, elements, kind_of, member, scalar, value_text, whole};
use crate::expression::{Spent, Variables};
use crate::record::Record;

/// A record and what was already found in it.
#[derive(Debug)]
pub(crate) struct Input<'a> {
    pub(crate) record: Record<'a>,
    /// What conditions read of it.
    pub(super) variables: Variables<'a>,
    text: OnceCell<Result<Option<&'a str>, Rejection>>,
    /// What all conditions together may need.
    pub(super) spent: Spent,
}

/// What a reference stands for in one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found<'a> {
    /// Nothing, or null.
    Absent,
    /// A string's text, or a number or boolean as written.
    Scalar(std::borrow::Cow<'a, str>),
    /// An object or array, as written.
    Structure(&'a str),
}

impl<'a> Input<'a> {
    pub(crate) fn new(record: Record<'a>) -> Self {
        Self { record, variables: Variables::default(), text: OnceCell::new(), spent: Spent::default() }
    }

    /// The value as text; `None` for a tombstone.
    pub(crate) fn text(&self) -> Result<Option<&'a str>, Rejection> {
        self.text.get_or_init(|| value_text(&self.record)).clone()
    }

    /// What the reference finds. One with a `*` is read by [`Input::each`].
    pub(crate) fn find(&self, reference: &Reference) -> Result<Found<'a>, Rejection> {
        let not_text = || Rejection::undecodable(format!("{reference}: expected UTF-8 text"));
        let utf8 = |bytes: Option<&'a [u8]>| match bytes.map(str::from_utf8) {
            None => Ok(Found::Absent),
            Some(Ok(text)) => Ok(Found::Scalar(text.into())),
            Some(Err(_)) => Err(not_text()),
        };
        match &reference.target {
            Target::Key => utf8(self.record.key),
            Target::Header(name) => utf8(self.record.header(name)),
            Target::Topic => Ok(Found::Scalar(self.record.topic.into())),
            Target::Whole => Ok(self.text()?.map_or(Found::Absent, |text| Found::Scalar(text.into()))),
            Target::Pointer(pointer) => match self.text()? {
                None => Ok(Found::Absent),
                Some(text) => found(follow(text, &pointer.tokens)).map_err(|fault| at(reference, &fault)),
            },
        }
    }

    /// What the reference finds in each element of the array before its `*`.
    pub(crate) fn each(
        &self,
        reference: &Reference,
        pointer: &Pointer,
        rest: &[String],
    ) -> Result<Vec<Found<'a>>, Rejection> {
        let no_array = || Rejection::unroutable(format!("{reference}: expected an array before the *, found none"));
        let text = self.text()?.ok_or_else(no_array)?;
        let array = follow(text, &pointer.tokens).map_err(|fault| at(reference, &fault))?;
        let array = array.filter(|json| kind_of(json) == Kind::Array).ok_or_else(no_array)?;
        let items = elements(array, 0, MAX_CHANNELS, true).map_err(|fault| match fault {
            Fault::TooMany(limit) => {
                Rejection::unroutable(format!("{reference}: the array has more than {limit} elements"))
            }
            fault => at(reference, &fault),
        })?;
        items.into_iter().map(|item| found(follow(item, rest)).map_err(|fault| at(reference, &fault))).collect()
    }
}

fn at(reference: &Reference, fault: &Fault) -> Rejection {
    Rejection::undecodable(format!("{reference}: {fault}"))
}

/// Follows a JSON pointer. The text is read to its end at every level, so that neither broken JSON nor a duplicate of a
/// member on the way goes unnoticed.
fn follow<'a>(json: &'a str, tokens: &[String]) -> Result<Option<&'a str>, Fault> {
    let Some((first, rest)) = tokens.split_first() else {
        return whole(json).map(Some);
    };
    let next = match kind_of(json) {
        Kind::Object => member(json, first)?,
        Kind::Array => match index(first) {
            Some(index) => elements(json, index, 1, false)?.pop(),
            None => whole(json).map(|_| None)?,
        },
        _ => whole(json).map(|_| None)?,
    };
    match next {
        Some(json) if !rest.is_empty() => follow(json, rest),
        next => Ok(next),
    }
}

/// An array index as RFC 6901 writes it: no sign, no leading zero.
fn index(token: &str) -> Option<usize> {
    let plain = token == "0" || (!token.starts_with('0') && token.bytes().all(|byte| byte.is_ascii_digit()));
    token.parse().ok().filter(|_| plain)
}

fn found<'a>(json: Result<Option<&'a str>, Fault>) -> Result<Found<'a>, Fault> {
    match json? {
        None => Ok(Found::Absent),
        Some(json) if matches!(kind_of(json), Kind::Object | Kind::Array) => Ok(Found::Structure(json)),
        Some(json) => Ok(scalar(json)?.map_or(Found::Absent, Found::Scalar)),
    }
}
