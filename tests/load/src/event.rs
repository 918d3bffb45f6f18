//! The event that every measurement sends: 256 bytes of JSON whose numbers stand at fixed places.
//!
//! Fixed places make reading cheap: thousands of clients live on the core that the measured server doesn't use.

use std::time::{SystemTime, UNIX_EPOCH};

/// Length of an event's data, bytes.
pub const DATA_BYTES: usize = 256;

/// The event's type on the wire.
pub const TYPE: &str = "load";

/// The channel that several streams of events share.
pub const SHARED: &str = "load:shared";

/// The attribute that names an event's stream there.
pub const ATTRIBUTE: &str = "stream";

const SENT: &[u8] = b"{\"sent\":\"";
const CHANNEL: &[u8] = b"\",\"channel\":\"";
const SEQUENCE: &[u8] = b"\",\"sequence\":\"";
const FILL: &[u8] = b"\",\"fill\":\"";
const END: &[u8] = b"\"}";
const SENT_DIGITS: usize = 16;
const CHANNEL_DIGITS: usize = 6;
const SEQUENCE_DIGITS: usize = 10;

/// What an event says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// When it was sent: microseconds since 1970 by CLOCK_REALTIME.
    pub sent: u64,
    /// Number of its channel, below 1,000,000.
    pub channel: u32,
    /// Its place among the channel's events; the first has 0.
    pub sequence: u64,
}

impl Stamp {
    /// Appends [`DATA_BYTES`] bytes of JSON.
    pub fn write(self, buffer: &mut Vec<u8>) {
        let start = buffer.len();
        buffer.extend_from_slice(SENT);
        put_digits(buffer, self.sent, SENT_DIGITS);
        buffer.extend_from_slice(CHANNEL);
        put_digits(buffer, u64::from(self.channel), CHANNEL_DIGITS);
        buffer.extend_from_slice(SEQUENCE);
        put_digits(buffer, self.sequence, SEQUENCE_DIGITS);
        buffer.extend_from_slice(FILL);
        buffer.resize(start + DATA_BYTES - END.len(), b'x');
        buffer.extend_from_slice(END);
    }

    /// Reads what [`Stamp::write`] wrote; nothing for any other bytes.
    #[must_use]
    pub fn read(data: &[u8]) -> Option<Self> {
        if data.len() != DATA_BYTES {
            return None;
        }
        let rest = data.strip_prefix(SENT)?;
        let (sent, rest) = rest.split_at(SENT_DIGITS);
        let (channel, rest) = rest.strip_prefix(CHANNEL)?.split_at(CHANNEL_DIGITS);
        let sequence = rest.strip_prefix(SEQUENCE)?.get(..SEQUENCE_DIGITS)?;
        Some(Self { sent: digits(sent)?, channel: u32::try_from(digits(channel)?).ok()?, sequence: digits(sequence)? })
    }
}

/// Name of a channel by its number.
#[must_use]
pub fn channel_name(channel: u32) -> String {
    format!("load:{channel:06}")
}

/// Microseconds since 1970 by CLOCK_REALTIME.
#[must_use]
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

fn put_digits(buffer: &mut Vec<u8>, mut value: u64, digits: usize) {
    let start = buffer.len();
    buffer.resize(start + digits, b'0');
    for digit in buffer[start..].iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

fn digits(text: &[u8]) -> Option<u64> {
    text.iter().try_fold(0, |value: u64, byte| byte.is_ascii_digit().then(|| value * 10 + u64::from(byte - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_reads_back_as_written() {
        let stamp = Stamp { sent: 1_795_255_200_123_456, channel: 989, sequence: 4_000_000_007 };
        let mut data = Vec::new();
        stamp.write(&mut data);
        assert_eq!(data.len(), DATA_BYTES);
        assert!(serde_json::from_slice::<serde_json::Value>(&data).is_ok());
        assert_eq!(Stamp::read(&data), Some(stamp));
    }

    #[test]
    fn other_data_is_no_stamp() {
        let mut data = Vec::new();
        Stamp { sent: 1, channel: 2, sequence: 3 }.write(&mut data);
        assert_eq!(Stamp::read(&data[1..]), None);
        data[12] = b'x';
        assert_eq!(Stamp::read(&data), None);
        assert_eq!(Stamp::read(b""), None);
    }
}
