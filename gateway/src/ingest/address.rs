//! From a decoded record to the events that its channels are to hold.
//!
//! **Headers with the prefix `egw-` are the gateway's own, and no secret**: whoever may produce to a topic may write them.
//! So ingest honours only those that can take something away from the record that carries them, never add to it:
//! [`REDRIVE_CHANNELS`] narrows the channels that the envelope addresses (it can't name one more), and drops the record's
//! protection against its own repeats; [`REDRIVE_FROM`] is shown as an attribute, as trustworthy as any other attribute
//! that the producer sets; [`PUBLISHER`] and [`IDEMPOTENCY_KEY`] say what a record is a repeat of. The listener that takes
//! publications writes them and lets nobody else's through: producers of one topic trust one another not to use up the
//! others' keys, as they trust one another's partitions.

use std::sync::Arc;

use events_gateway_core::envelope::{Envelope, Reason, Rejection};
use events_gateway_core::record::Record;
use events_gateway_core::source::Origin;
use events_gateway_core::{Channel, Event};

use crate::backlog::Placed;

/// Header of a published record: who published it. Keys and ids of two publishers are never compared.
pub const PUBLISHER: &str = "egw-publisher";
/// Header of a published record: what is compared instead of the event's id, if the publisher named it.
pub const IDEMPOTENCY_KEY: &str = "egw-idempotency-key";
/// Header of a redriven record: the channels still owed, joined by `,`.
pub const REDRIVE_CHANNELS: &str = "egw-redrive-channels";
/// Header of a redriven record: where it was read first, `topic/partition/offset`.
pub const REDRIVE_FROM: &str = "egw-redrive-from";
/// The attribute that repeats [`REDRIVE_FROM`].
pub const REDRIVEN_FROM_ATTRIBUTE: &str = "redriven-from";
/// W3C Trace Context's header, and the attribute that carries it on.
pub const TRACEPARENT: &str = "traceparent";
/// The attribute of an event of `all` that names the record's public channels, joined by `,`.
pub const CHANNELS_ATTRIBUTE: &str = "channels";

/// Whether events of a channel also go to `all`.
pub type IsPublic = Arc<dyn Fn(&Channel) -> bool + Send + Sync>;

/// What a record adds to which channels.
#[derive(Debug)]
pub(crate) struct Addressed {
    /// In the publisher's order, distinct; at least one unless `all` is given.
    pub channels: Vec<Channel>,
    /// What they get.
    pub placed: Placed,
    /// What `all` gets, after the others hold theirs.
    pub all: Option<Placed>,
}

/// Builds the event of a record, and the one for `all` if that is served (`public` given) and any channel is public.
pub(crate) fn address(
    mut envelope: Envelope,
    record: &Record<'_>,
    origin: Origin,
    public: Option<&IsPublic>,
) -> Result<Addressed, Rejection> {
    let redrive: Option<Vec<&[u8]>> =
        record.header(REDRIVE_CHANNELS).map(|owed| owed.split(|byte| *byte == b',').collect());
    let owes = |channel: &str| redrive.as_ref().is_none_or(|owed| owed.contains(&channel.as_bytes()));
    let public = public.filter(|_| owes(Channel::all().as_str()));
    let named: Vec<&str> = public.map_or_else(Vec::new, |is_public| {
        envelope.channels.iter().filter(|channel| is_public(channel)).map(Channel::as_str).collect()
    });
    let named = (!named.is_empty()).then(|| named.join(","));
    envelope.channels.retain(|channel| owes(channel.as_str()));
    if envelope.channels.is_empty() && named.is_none() {
        let detail = format!("header {REDRIVE_CHANNELS} names none of the channels that the record addresses");
        return Err(Rejection { reason: Reason::Unroutable, detail });
    }
    if let Some(from) = record.header(REDRIVE_FROM).filter(|_| redrive.is_some()) {
        let from = String::from_utf8_lossy(from).chars().take(400).collect();
        envelope.attributes.insert(REDRIVEN_FROM_ATTRIBUTE.into(), from);
    }
    if let Some(traced) = record.header(TRACEPARENT).and_then(traceparent) {
        envelope.attributes.entry(TRACEPARENT.into()).or_insert_with(|| traced.to_owned());
    }
    let Envelope { channels, kind, data, time, attributes, id, scope, key } = envelope;
    let text = |name| record.header(name).map(String::from_utf8_lossy);
    let once = match redrive {
        Some(_) => None,
        None => once(text(PUBLISHER).as_deref(), text(IDEMPOTENCY_KEY).as_deref(), &scope, id.as_deref()),
    };
    let event = Event { kind, data, time, attributes, id, key, origin };
    let all = named.map(|named| {
        let mut all = event.clone();
        all.attributes.insert(CHANNELS_ATTRIBUTE.into(), named);
        Placed { event: Arc::new(all), once: once.clone() }
    });
    Ok(Addressed { channels, placed: Placed { event: Arc::new(event), once }, all })
}

/// What a record is the only one of among its repeats: the publisher's key, else the event's id in its scope.
pub(crate) fn once(publisher: Option<&str>, key: Option<&str>, scope: &str, id: Option<&str>) -> Option<String> {
    // Lengths first: no two give one text (CVE-2026-39972 was a key made by plain joining).
    match (publisher, key, id) {
        (Some(publisher), Some(key), _) => Some(format!("k{}:{publisher}{key}", publisher.len())),
        (Some(publisher), None, Some(id)) => {
            Some(format!("p{}:{publisher}{}:{scope}{id}", publisher.len(), scope.len()))
        }
        (None, _, Some(id)) => Some(format!("{}:{scope}{id}", scope.len())),
        (_, _, None) => None,
    }
}

/// The header's text if it is well-formed by W3C Trace Context, section 3.2: `version-trace-parent-flags` in lower-case
/// hexadecimal, version not `ff`, neither id all zero. A later version may have more after the flags; that is left out.
fn traceparent(header: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(header).ok()?;
    let head = text.get(..55)?;
    let rest = &text[55..];
    let parts: Vec<&str> = head.split('-').collect();
    let is_hex = |part: &str, length| {
        part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let [version, trace, parent, flags] = parts[..] else {
        return None;
    };
    let well_formed = is_hex(version, 2) && is_hex(trace, 32) && is_hex(parent, 16) && is_hex(flags, 2);
    let is_zero = |part: &str| part.bytes().all(|byte| byte == b'0');
    let ends = if version == "00" { rest.is_empty() } else { rest.is_empty() || rest.starts_with('-') };
    (well_formed && version != "ff" && !is_zero(trace) && !is_zero(parent) && ends).then_some(head)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use events_gateway_core::Timestamp;
    use events_gateway_core::source::{Generation, SourceId};
    use proptest::prelude::*;

    type Headers<'a> = &'a [(&'a str, Option<&'a [u8]>)];

    fn addressed(headers: Headers<'_>, public: Option<&IsPublic>) -> Result<Addressed, Rejection> {
        let envelope = Envelope {
            channels: ["orders", "user:1", "orders:eu"].map(|name| Channel::parse(name).unwrap()).to_vec(),
            kind: "created".into(),
            data: Bytes::from_static(b"{}"),
            time: Timestamp(1),
            attributes: Default::default(),
            id: Some("i1".into()),
            scope: "shop".into(),
            key: None,
        };
        let record =
            Record { topic: "t", partition: 0, offset: 5, time: Timestamp(1), key: None, headers, value: Some(b"{}") };
        let origin = Origin { source: SourceId::new("b", "t", 0), generation: Generation(1), place: 5 };
        address(envelope, &record, origin, public)
    }

    fn names(addressed: &Addressed) -> Vec<&str> {
        addressed.channels.iter().map(Channel::as_str).collect()
    }

    fn no_users() -> IsPublic {
        Arc::new(|channel| !channel.as_str().starts_with("user:"))
    }

    #[test]
    fn all_names_the_public_channels_and_only_those() {
        let plain = addressed(&[], None).unwrap();
        assert_eq!(names(&plain), ["orders", "user:1", "orders:eu"]);
        assert!(plain.all.is_none());
        let with_all = addressed(&[], Some(&no_users())).unwrap();
        assert_eq!(with_all.all.unwrap().event.attributes["channels"], "orders,orders:eu");
        assert!(!with_all.placed.event.attributes.contains_key("channels"));
        let secret: IsPublic = Arc::new(|_| false);
        assert!(addressed(&[], Some(&secret)).unwrap().all.is_none());
    }

    #[test]
    fn a_redriven_record_reaches_only_what_it_is_owed_and_never_more() {
        let owed = |owed: &'static [u8]| {
            addressed(&[(REDRIVE_CHANNELS, Some(owed)), (REDRIVE_FROM, Some(b"t/0/3"))], Some(&no_users()))
        };
        let one = owed(b"user:1,secret").unwrap();
        assert_eq!(names(&one), ["user:1"]);
        assert!(one.all.is_none());
        assert_eq!(one.placed.once, None, "its id isn't compared");
        assert_eq!(one.placed.event.attributes["redriven-from"], "t/0/3");
        let all = owed(b"all").unwrap();
        assert_eq!(names(&all), [] as [&str; 0]);
        assert_eq!(all.all.unwrap().event.attributes["channels"], "orders,orders:eu");
        assert_eq!(owed(b"secret").unwrap_err().reason, Reason::Unroutable);
        assert_eq!(owed(b"").unwrap_err().reason, Reason::Unroutable);
    }

    #[test]
    fn an_id_counts_within_its_scope() {
        assert_eq!(addressed(&[], None).unwrap().placed.once.as_deref(), Some("4:shopi1"));
        let origin = addressed(&[(REDRIVE_FROM, Some(b"x"))], None).unwrap();
        assert!(origin.placed.event.attributes.is_empty(), "only a redriven record was read elsewhere");
    }

    #[test]
    fn a_well_formed_traceparent_travels_on() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let carried = addressed(&[(TRACEPARENT, Some(good.as_bytes()))], None).unwrap();
        assert_eq!(carried.placed.event.attributes["traceparent"], good);
        for bad in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-extra",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331\n01",
        ] {
            assert_eq!(traceparent(bad.as_bytes()), None, "{bad}");
        }
        let later = "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more";
        assert_eq!(traceparent(later.as_bytes()), Some(&later[..55]));
    }

    proptest! {
        #[test]
        fn any_header_is_read_or_refused(header in any::<Vec<u8>>(), text in ".{0,80}") {
            traceparent(&header);
            traceparent(text.as_bytes());
        }
    }
}
