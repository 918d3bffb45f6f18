//! The text of one or several positions: the SSE `id:` and `Last-Event-ID`.
//!
//! A cursor is opaque to clients, at most 128 bytes of `A-Z a-z 0-9 . _ ~ -`: anything longer or other makes browsers ask
//! for permission by a CORS preflight before they reconnect (WHATWG Fetch, CORS-safelisted request-header). It is bound to
//! the set of channels that it was made for, whatever their order, and never says which they are.
//!
//! Text: `1` (format), then base64url without padding of: 6 bytes of a keyless hash of the sorted channels; then per channel,
//! in sorted order, a LEB128 number `value * 2 + kind` (kind 0: a position; kind 1: milliseconds of an opening). Clients without the
//! right to replay are told others: see [`seal`].

pub mod seal;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use siphasher::sip::SipHasher13;
use smallvec::SmallVec;
use std::hash::Hasher as _;

use crate::{Channel, Position, Timestamp};

/// Longest cursor, in bytes.
pub const MAX_CURSOR_BYTES: usize = 128;

/// Most channels that one cursor, and so one stream, covers. Positions and times of the next century take 7 bytes each:
/// 1 + ceil((6 + 12 * 7) * 4 / 3) = 121.
pub const MAX_CURSOR_CHANNELS: usize = 12;

const FORMAT: u8 = b'1';
const BINDING_BYTES: usize = 6;

/// Where a subscriber stands in one channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mark {
    /// It has everything up to this position.
    At(Position),
    /// Its channel could not be reached when the stream opened, at this time: it has nothing yet of what came since.
    Since(Timestamp),
}

/// Where a subscriber stands in each channel of a stream, in the order of the [`ChannelSet`].
pub type Marks = SmallVec<[Mark; 1]>;

/// The channels of one stream: sorted, distinct, 1 to [`MAX_CURSOR_CHANNELS`]; what a cursor is bound to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ChannelSet {
    channels: SmallVec<[Channel; 1]>,
    binding: [u8; BINDING_BYTES],
}

/// Why a list of channels can't be one stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChannelSetError {
    /// No channel at all.
    #[error("a stream needs at least one channel")]
    Empty,
    /// More than a cursor covers.
    #[error("a stream has at most {MAX_CURSOR_CHANNELS} channels, {0} were asked for: open a second stream")]
    TooMany(usize),
}

/// Why a text is not a cursor of these channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CursorError {
    /// Not what [`ChannelSet::cursor`] writes.
    #[error("not a cursor of this gateway")]
    Malformed,
    /// A cursor of another set of channels.
    #[error("a cursor of other channels")]
    OtherChannels,
    /// Not one that this client was told lately, see [`seal`].
    #[error("a cursor that this client wasn't told, or not lately")]
    NotOwn,
}

impl ChannelSet {
    /// Sorts and takes repeats out.
    pub fn new(channels: impl IntoIterator<Item = Channel>) -> Result<Self, ChannelSetError> {
        let mut channels: SmallVec<[Channel; 1]> = channels.into_iter().collect();
        channels.sort_unstable();
        channels.dedup();
        match channels.len() {
            0 => return Err(ChannelSetError::Empty),
            1..=MAX_CURSOR_CHANNELS => {}
            many => return Err(ChannelSetError::TooMany(many)),
        }
        let mut hasher = SipHasher13::new_with_keys(0, 0);
        for channel in &channels {
            hasher.write(channel.as_str().as_bytes());
            // No channel holds this byte: two lists never hash the same text.
            hasher.write_u8(b',');
        }
        let mut binding = [0; BINDING_BYTES];
        binding.copy_from_slice(&hasher.finish().to_le_bytes()[..BINDING_BYTES]);
        Ok(Self { channels, binding })
    }

    /// Sorted, distinct.
    #[must_use]
    pub fn as_slice(&self) -> &[Channel] {
        &self.channels
    }

    /// Writes where a subscriber stands; `marks` are in the order of [`Self::as_slice`], one each.
    #[must_use]
    pub fn cursor(&self, marks: &[Mark]) -> String {
        debug_assert_eq!(marks.len(), self.channels.len());
        let mut bytes: SmallVec<[u8; 96]> = SmallVec::from_slice(&self.binding);
        write_marks(&mut bytes, marks);
        let mut text = String::with_capacity(MAX_CURSOR_BYTES);
        text.push(char::from(FORMAT));
        URL_SAFE_NO_PAD.encode_string(&bytes, &mut text);
        text
    }

    /// Reads a cursor back. Accepts exactly what [`Self::cursor`] writes.
    pub fn parse(&self, text: &str) -> Result<Marks, CursorError> {
        if text.len() > MAX_CURSOR_BYTES || text.as_bytes().first() != Some(&FORMAT) {
            return Err(CursorError::Malformed);
        }
        let bytes = URL_SAFE_NO_PAD.decode(&text.as_bytes()[1..]).map_err(|_| CursorError::Malformed)?;
        let (binding, rest) = bytes.split_at_checked(BINDING_BYTES).ok_or(CursorError::Malformed)?;
        let marks = read_marks(rest).ok_or(CursorError::Malformed)?;
        if binding != self.binding || marks.len() != self.channels.len() {
            return Err(if marks.is_empty() { CursorError::Malformed } else { CursorError::OtherChannels });
        }
        Ok(marks)
    }
}

fn write_marks(bytes: &mut SmallVec<[u8; 96]>, marks: &[Mark]) {
    for mark in marks {
        let (value, kind) = match mark {
            Mark::At(position) => (position.0, 0),
            Mark::Since(time) => (time.0, 1),
        };
        write_number(bytes, value << 1 | kind);
    }
}

/// At most [`MAX_CURSOR_CHANNELS`].
fn read_marks(mut rest: &[u8]) -> Option<Marks> {
    let mut marks = Marks::new();
    while !rest.is_empty() {
        let number = read_number(&mut rest)?;
        let (value, is_time) = (number >> 1, number & 1 == 1);
        marks.push(if is_time { Mark::Since(Timestamp(value)) } else { Mark::At(Position(value)) });
        if marks.len() > MAX_CURSOR_CHANNELS {
            return None;
        }
    }
    Some(marks)
}

fn write_number(bytes: &mut SmallVec<[u8; 96]>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// At most 54 bits, in their shortest form: positions and times stay below 2^53, and each number has one spelling.
fn read_number(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for (index, &byte) in rest.iter().enumerate().take(8) {
        number |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            *rest = &rest[index + 1..];
            return (number < 1 << 54 && (byte != 0 || index == 0)).then_some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn channels(count: usize) -> ChannelSet {
        ChannelSet::new((0..count).map(|n| Channel::parse(&format!("user:{n}")).unwrap())).unwrap()
    }

    fn mark() -> impl Strategy<Value = Mark> {
        prop_oneof![
            (0u64..1 << 48).prop_map(|value| Mark::At(Position(value))),
            (0u64..1 << 48).prop_map(|value| Mark::Since(Timestamp(value))),
        ]
    }

    #[test]
    fn twelve_channels_fit_for_a_century() {
        let century = 100 * 366 * 86_400 * 1_000u64;
        let text = channels(12).cursor(&[Mark::At(Position(century * 64)); 12]);
        assert!(text.len() <= MAX_CURSOR_BYTES, "{}", text.len());
        let since = channels(12).cursor(&[Mark::Since(Timestamp(century + century)); 12]);
        assert!(since.len() <= MAX_CURSOR_BYTES);
        assert_eq!(
            ChannelSet::new((0..13).map(|n| Channel::parse(&n.to_string()).unwrap())),
            Err(ChannelSetError::TooMany(13))
        );
    }

    #[test]
    fn a_cursor_of_other_channels_is_told_from_garbage() {
        let text = channels(2).cursor(&[Mark::At(Position(5)), Mark::At(Position(6))]);
        let others = ChannelSet::new(["a", "b"].map(|name| Channel::parse(name).unwrap())).unwrap();
        assert_eq!(others.parse(&text), Err(CursorError::OtherChannels));
        assert_eq!(channels(3).parse(&text), Err(CursorError::OtherChannels));
        for garbage in ["", "1", "2AAAA", "1!!!!", "hello", "1AAAAAAAA=", "1AAAAAAAA"] {
            assert_eq!(channels(2).parse(garbage), Err(CursorError::Malformed), "{garbage}");
        }
    }

    #[test]
    fn the_order_in_which_channels_are_named_does_not_matter() {
        let named = |names: [&str; 3]| ChannelSet::new(names.map(|name| Channel::parse(name).unwrap())).unwrap();
        assert_eq!(named(["b", "a", "b"]), named(["a", "b", "a"]));
    }

    proptest! {
        #[test]
        fn a_cursor_reads_back_as_written(marks in vec(mark(), 1..=12)) {
            let set = channels(marks.len());
            let text = set.cursor(&marks);
            prop_assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte)));
            let read_back = set.parse(&text).unwrap();
            prop_assert_eq!(read_back.as_slice(), marks.as_slice());
        }

        #[test]
        fn what_is_accepted_is_exactly_what_is_written(text in "[A-Za-z0-9_-]{0,130}") {
            if let Ok(marks) = channels(1).parse(&text) {
                prop_assert_eq!(channels(1).cursor(&marks), text);
            }
        }

        #[test]
        fn any_text_is_parsed_or_refused(text in any::<String>()) {
            let _ = channels(3).parse(&text);
        }
    }
}
