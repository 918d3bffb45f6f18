//! What a dead letter says of its record, as headers. All names have the gateway's prefix `egw-`.

use events_gateway_core::record::Record;

use super::DeadLetter;

/// The stable reason.
pub const REASON: &str = "egw-dead-reason";
/// What was wrong, for people.
pub const DETAIL: &str = "egw-dead-detail";
/// The binding that read the record.
pub const BINDING: &str = "egw-dead-binding";
/// Where it was read.
pub const TOPIC: &str = "egw-dead-topic";
/// The partition there.
pub const PARTITION: &str = "egw-dead-partition";
/// The offset there.
pub const OFFSET: &str = "egw-dead-offset";
/// The record's timestamp there, in ms since 1970.
pub const TIME: &str = "egw-dead-time";
/// The channels that don't hold it, joined by `,`; absent for all that it may address.
pub const OWED: &str = "egw-dead-owed";
/// Present (`true`) when the value was too large to be kept.
pub const VALUE_DROPPED: &str = "egw-dead-value-dropped";

const OURS: [&str; 9] = [REASON, DETAIL, BINDING, TOPIC, PARTITION, OFFSET, TIME, OWED, VALUE_DROPPED];

/// Whether a header is one that a dead letter has of its own.
#[must_use]
pub fn is_ours(name: &str) -> bool {
    OURS.contains(&name)
}

/// The headers that a letter gets before the record's own, which are kept (but earlier ones of these names: a letter that
/// died again tells of its last death).
#[must_use]
pub fn of(letter: &DeadLetter) -> Vec<(&'static str, String)> {
    let mut headers = vec![
        (REASON, letter.rejection.reason.as_str().to_owned()),
        (DETAIL, letter.rejection.detail.clone()),
        (BINDING, letter.binding.clone()),
        (TOPIC, letter.at.topic.to_string()),
        (PARTITION, letter.at.partition.to_string()),
        (OFFSET, letter.record.offset.to_string()),
        (TIME, letter.record.time.0.to_string()),
    ];
    if !letter.owed.is_empty() {
        let owed: Vec<&str> = letter.owed.iter().map(events_gateway_core::Channel::as_str).collect();
        headers.push((OWED, owed.join(",")));
    }
    headers
}

/// A dead letter read back.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Epitaph {
    /// Where the letter stands in the dead-letter topic: its partition and offset.
    pub letter: (i32, u64),
    /// The stable reason.
    pub reason: String,
    /// What was wrong.
    pub detail: String,
    /// The binding that read the record.
    pub binding: String,
    /// Where it was read: topic, partition, offset.
    pub from: (String, i32, u64),
    /// The record's timestamp, in ms since 1970.
    pub time: u64,
    /// When the letter was written, in ms since 1970.
    pub died: u64,
    /// The channels owed; empty for all that it may address.
    pub owed: Vec<String>,
    /// Whether the value was dropped.
    pub value_dropped: bool,
}

impl Epitaph {
    /// Reads the headers of a record of a dead-letter topic; `None` for one that no gateway wrote.
    #[must_use]
    pub fn read(letter: &Record<'_>) -> Option<Self> {
        let text = |name| letter.header(name).map(|value| String::from_utf8_lossy(value).into_owned());
        Some(Self {
            letter: (letter.partition, letter.offset),
            reason: text(REASON)?,
            detail: text(DETAIL).unwrap_or_default(),
            binding: text(BINDING).unwrap_or_default(),
            from: (text(TOPIC)?, text(PARTITION)?.parse().ok()?, text(OFFSET)?.parse().ok()?),
            time: text(TIME)?.parse().ok()?,
            died: letter.time.0,
            owed: text(OWED).map_or_else(Vec::new, |owed| owed.split(',').map(str::to_owned).collect()),
            value_dropped: letter.header(VALUE_DROPPED).is_some(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{OwnedRecord, TopicPartition};
    use events_gateway_core::envelope::{Reason, Rejection};
    use events_gateway_core::{Channel, Timestamp};

    #[test]
    fn a_letter_reads_back_as_written() {
        let letter = DeadLetter {
            binding: "orders".into(),
            at: TopicPartition::new("shop.orders", 3),
            record: OwnedRecord::copy(9, Timestamp(5), None, None, std::iter::empty()),
            rejection: Rejection { reason: Reason::Refused, detail: "too large".into() },
            owed: vec![Channel::parse("a").unwrap(), Channel::parse("b:1").unwrap()],
        };
        let written = of(&letter);
        let headers: Vec<(&str, Option<&[u8]>)> =
            written.iter().map(|(name, value)| (*name, Some(value.as_bytes()))).collect();
        assert!(headers.iter().all(|(name, _)| is_ours(name)));
        let record = Record {
            topic: "dead",
            partition: 0,
            offset: 1,
            time: Timestamp(8),
            key: None,
            headers: &headers,
            value: None,
        };
        let read = Epitaph::read(&record).unwrap();
        assert_eq!(
            (read.reason.as_str(), read.detail.as_str(), read.binding.as_str()),
            ("refused", "too large", "orders")
        );
        assert_eq!((read.from, read.time, read.died), (("shop.orders".into(), 3, 9), 5, 8));
        assert_eq!(read.owed, ["a", "b:1"]);
        assert_eq!(Epitaph::read(&Record { headers: &[], ..record }), None);
    }
}
