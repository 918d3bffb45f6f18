//! CloudEvents 1.0 in the two modes of their Kafka binding (<https://github.com/cloudevents/spec>, kafka-protocol-binding
//! and json-format 1.0.2).
//!
//! * The channels stand in the extension attribute `channels` (comma separated) or `channel` (exactly one); they are
//!   addresses and don't become attributes of the event.
//! * `type`, `id` and `time` are the event's own. `source` is the scope within which ids are compared.
//! * The key is the extension `partitionkey`, else the record's key. `subject` is an attribute, no key: it names what the
//!   event is about within its source, and two sources may use the same.
//! * `source`, `subject`, `dataschema`, `datacontenttype` and all other extensions become attributes, as text.
//! * Data: in binary mode the record's value, byte for byte. In structured mode `data` of a JSON content type (or none)
//!   is delivered as exactly the JSON that stands there, so that both modes deliver the same; of another type, a string
//!   is delivered as its text. `data_base64` must hold UTF-8 text. Absent or, in binary mode, empty data is `null`.

use std::borrow::Cow;
use std::str;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::format;
use super::json::{self, Kind, kind_of};
use super::{Draft, Rejection, quoted, time};
use crate::record::Record;

/// Attributes that are texts, whatever the JSON format has for extensions (CloudEvents 1.0, section "Context Attributes";
/// partitioning extension).
const TEXTS: [&str; 11] = [
    "specversion",
    "id",
    "source",
    "type",
    "time",
    "subject",
    "datacontenttype",
    "dataschema",
    "partitionkey",
    "channels",
    "channel",
];

/// The attributes of one event, collected from headers or members.
#[derive(Default)]
struct Attributes<'a> {
    draft: Draft<'a>,
    channels: Option<Cow<'a, str>>,
    channel: Option<Cow<'a, str>>,
    version: Option<Cow<'a, str>>,
    source: bool,
    content_type: Option<Cow<'a, str>>,
}

impl<'a> Attributes<'a> {
    fn take(&mut self, name: &str, value: Cow<'a, str>) -> Result<(), Rejection> {
        match name {
            "specversion" => self.version = Some(value),
            "type" => self.draft.kind = Some(value),
            "id" => self.draft.id = Some(value),
            "time" => {
                let time = time::rfc3339(&value).ok_or_else(|| {
                    Rejection::undecodable("time: expected RFC 3339 with an offset, from 1970 to 9999")
                })?;
                self.draft.time = Some(time);
            }
            "channels" => self.channels = Some(value),
            "channel" => self.channel = Some(value),
            "partitionkey" => self.draft.key = Some(value),
            "source" if value.is_empty() => return Err(Rejection::undecodable("source: must not be empty")),
            "source" => {
                self.source = true;
                self.draft.attributes.insert("source".into(), value.clone().into_owned());
                self.draft.scope = value;
            }
            _ => {
                if name == "datacontenttype" {
                    self.content_type = Some(value.clone());
                }
                self.draft.attributes.insert(name.to_owned(), value.into_owned());
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Draft<'a>, Rejection> {
        match self.version.as_deref() {
            Some("1.0") => {}
            Some(_) => {
                return Err(Rejection::undecodable("specversion: expected \"1.0\", found another version"));
            }
            None => {
                return Err(Rejection::undecodable("specversion: a CloudEvent must have one, found none"));
            }
        }
        for (name, there) in
            [("id", self.draft.id.is_some()), ("source", self.source), ("type", self.draft.kind.is_some())]
        {
            if !there {
                return Err(Rejection::undecodable(format!("{name}: a CloudEvent must have one, found none")));
            }
        }
        match (self.channels, self.channel) {
            (Some(_), Some(_)) => {
                return Err(Rejection::unroutable("channels: there is the extension channel as well; expected one"));
            }
            (Some(names), None) => {
                for name in names.split(',') {
                    self.draft.channels.add(name.trim_matches([' ', '\t']), "channels")?;
                }
            }
            (None, Some(name)) => self.draft.channels.add(&name, "channel")?,
            (None, None) => {
                return Err(Rejection::unroutable(
                    "channels: expected the extension attribute channels (comma separated) or channel, found neither",
                ));
            }
        }
        Ok(self.draft)
    }
}

/// Reads a CloudEvent whose attributes are headers.
pub(crate) fn binary<'a>(record: &Record<'a>) -> Result<Draft<'a>, Rejection> {
    let mut attributes = Attributes::default();
    for (name, value) in record.headers {
        let (Some(name), Some(value)) = (name.strip_prefix("ce_"), value) else {
            continue;
        };
        let value = str::from_utf8(value)
            .map_err(|_| Rejection::undecodable(format!("{}: the header is not UTF-8 text", quoted(name))))?;
        attributes.take(name, Cow::Borrowed(value))?;
    }
    if let Some(media_type) = format::content_type(record)? {
        attributes.take("datacontenttype", Cow::Borrowed(media_type))?;
    }
    attributes.draft.data = format::text(record)?.filter(|text| !text.is_empty()).map(Cow::Borrowed);
    attributes.finish()
}

/// Reads a CloudEvent that is a JSON object.
pub(crate) fn structured(text: &str) -> Result<Draft<'_>, Rejection> {
    let members = json::members(text).map_err(|fault| Rejection::undecodable(format!("value: {fault}")))?;
    let mut attributes = Attributes::default();
    let (mut data, mut base64) = (None, None);
    for (name, value) in members {
        match name.as_ref() {
            "data" => data = Some(value),
            "data_base64" => base64 = Some(value),
            // These are strings by the specification, or ours; other extensions may be numbers and booleans too.
            name if TEXTS.contains(&name) && !matches!(kind_of(value), Kind::String | Kind::Null) => {
                return Err(Rejection::undecodable(format!(
                    "{}: expected a string, found {}",
                    quoted(name),
                    kind_of(value)
                )));
            }
            // Null is the same as absent (JSON format, section 2.2).
            name => match json::scalar(value) {
                Ok(None) => {}
                Ok(Some(text)) => attributes.take(name, text)?,
                Err(fault) => return Err(Rejection::undecodable(format!("{}: {fault}", quoted(name)))),
            },
        }
    }
    let json_data = format::is_json(attributes.content_type.as_deref());
    attributes.draft.data = match (data, base64) {
        (Some(_), Some(_)) => {
            return Err(Rejection::undecodable("data_base64: there is data as well; expected one of them"));
        }
        (Some(value), None) if kind_of(value) == Kind::String && !json_data => {
            Some(json::string(value).map_err(|fault| Rejection::undecodable(format!("data: {fault}")))?)
        }
        (Some(value), None) => Some(Cow::Borrowed(value)),
        (None, Some(value)) => Some(Cow::Owned(decoded(value)?)),
        (None, None) => None,
    };
    attributes.finish()
}

fn decoded(value: &str) -> Result<String, Rejection> {
    let text = json::string(value).map_err(|fault| Rejection::undecodable(format!("data_base64: {fault}")))?;
    let bytes = STANDARD
        .decode(text.as_bytes())
        .map_err(|_| Rejection::undecodable("data_base64: expected base64 with padding (RFC 4648, section 4)"))?;
    String::from_utf8(bytes)
        .map_err(|_| Rejection::undecodable("data_base64: expected UTF-8 text; streams of events carry text only"))
}
