//! What a format or a route found in a record, before it is proven: every bound of an envelope is enforced here, once.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::str;

use bytes::Bytes;

use super::{Addressees, Command, Envelope, Reason, Rejection, quoted};
use crate::Timestamp;
use crate::event::{DEFAULT_TYPE, RESERVED_TYPE_PREFIX};
use crate::record::Record;

/// Longest type, in bytes.
pub const MAX_TYPE_BYTES: usize = 200;
/// Longest id, in bytes: the last 1,000 of a channel are kept to tell repeats.
pub const MAX_ID_BYTES: usize = 256;
/// Most attributes.
pub const MAX_ATTRIBUTES: usize = 64;
/// Longest name of an attribute, in bytes.
pub const MAX_ATTRIBUTE_NAME_BYTES: usize = 64;
/// Most bytes of all attributes' names and values together: they go wherever the event goes.
pub const MAX_ATTRIBUTES_BYTES: usize = 16 * 1024;

/// Fields found, not yet proven.
#[derive(Debug, Default)]
pub(crate) struct Draft<'a> {
    pub(crate) channels: Addressees,
    pub(crate) kind: Option<Cow<'a, str>>,
    /// `None` becomes `null`: every event has data.
    pub(crate) data: Option<Cow<'a, str>>,
    pub(crate) id: Option<Cow<'a, str>>,
    pub(crate) key: Option<Cow<'a, str>>,
    pub(crate) time: Option<Timestamp>,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) scope: Cow<'a, str>,
}

impl Draft<'_> {
    /// Proves the fields; what is missing comes from the record.
    pub(crate) fn into_envelope(self, record: &Record<'_>) -> Result<Envelope, Rejection> {
        let kind = self.kind.unwrap_or(Cow::Borrowed(DEFAULT_TYPE));
        check_kind(&kind).map_err(|problem| Rejection::new(Reason::ForbiddenType, format!("type: {problem}")))?;
        if let Some(id) = &self.id {
            check_id(id)?;
        }
        check_attributes(&self.attributes)?;
        let channels = self.channels.into_channels()?;
        let record_key = || record.key.and_then(|key| str::from_utf8(key).ok());
        Ok(Envelope {
            channels,
            kind: kind.into(),
            data: match self.data {
                None => Bytes::from_static(b"null"),
                Some(Cow::Borrowed(text)) => Bytes::copy_from_slice(text.as_bytes()),
                Some(Cow::Owned(text)) => Bytes::from(text),
            },
            time: self.time.unwrap_or(record.time),
            attributes: self.attributes,
            id: self.id.map(Into::into),
            scope: self.scope.into_owned(),
            key: self.key.as_deref().or_else(record_key).map(Into::into),
        })
    }

    /// Proves that this is a command: its type is `disconnect` or `connect`, and its channels are its recipients.
    pub(crate) fn into_command(self, record: &Record<'_>) -> Result<Command, Rejection> {
        let disconnect = match self.kind.as_deref() {
            Some("disconnect") => true,
            Some("connect") => false,
            _ => {
                return Err(Rejection::undecodable(
                    "type: expected \"disconnect\" or \"connect\", because this topic is bound as commands",
                ));
            }
        };
        let channels = self.channels.into_channels()?;
        Ok(if disconnect {
            Command::Disconnect { channels, before: record.time }
        } else {
            Command::Connect { channels }
        })
    }
}

/// Why a text can't be an event's type.
pub(crate) fn check_kind(kind: &str) -> Result<(), String> {
    if kind.is_empty() {
        Err("must not be empty".into())
    } else if kind.len() > MAX_TYPE_BYTES {
        Err(format!("at most {MAX_TYPE_BYTES} bytes, this one has {}", kind.len()))
    } else if kind.chars().any(char::is_control) {
        Err("must not hold control characters".into())
    } else if kind.trim() != kind {
        Err("must not begin or end with white space".into())
    } else if kind.starts_with(RESERVED_TYPE_PREFIX) {
        Err(format!("the prefix {} is the gateway's own", quoted(RESERVED_TYPE_PREFIX)))
    } else {
        Ok(())
    }
}

fn check_id(id: &str) -> Result<(), Rejection> {
    if id.is_empty() || id.len() > MAX_ID_BYTES {
        return Err(Rejection::undecodable(format!("id: expected 1 to {MAX_ID_BYTES} bytes, found {}", id.len())));
    }
    Ok(())
}

/// Why a text can't be an attribute's name.
pub(crate) fn check_attribute_name(name: &str) -> Result<(), String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    let starts_well = name.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric() || first == b'_');
    if starts_well && name.len() <= MAX_ATTRIBUTE_NAME_BYTES && name.bytes().all(plain) {
        return Ok(());
    }
    Err(format!(
        "the name {} is not 1 to {MAX_ATTRIBUTE_NAME_BYTES} of A-Z a-z 0-9 _ . -, the first a letter, digit or _",
        quoted(name)
    ))
}

fn check_attributes(attributes: &BTreeMap<String, String>) -> Result<(), Rejection> {
    if attributes.len() > MAX_ATTRIBUTES {
        let found = attributes.len();
        return Err(Rejection::undecodable(format!("attributes: at most {MAX_ATTRIBUTES}, found {found}")));
    }
    for name in attributes.keys() {
        check_attribute_name(name).map_err(|problem| Rejection::undecodable(format!("attributes: {problem}")))?;
    }
    let bytes: usize = attributes.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > MAX_ATTRIBUTES_BYTES {
        return Err(Rejection::undecodable(format!(
            "attributes: at most {MAX_ATTRIBUTES_BYTES} bytes of names and values, found {bytes}"
        )));
    }
    Ok(())
}
