//! Cursors that prove whom they were told to, and that it was lately.
//!
//! A client without the right to replay may go on where it was, and read nothing of what came before it was there. So a cursor of
//! its own is sealed, and no other counts. The key of a seal follows from a secret that all replicas share, the holder, the
//! channels, and the time in slices of the window: it is good in its own slice and the next, so for the window at least and
//! for twice as long at most. In the slice before too: replicas' clocks differ.
//!
//! Text: `2` (format), then base64url without padding of: 11 bytes of SipHash-2-4 with 128 bits (Aumasson and Bernstein, *SipHash: a
//! fast short-input PRF*, 2012) over the marks, then the marks as in a plain cursor. With twelve channels these are 128 bytes of text.

use std::hash::Hasher as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use siphasher::sip128::{Hasher128 as _, SipHasher24};
use subtle::ConstantTimeEq as _;

use super::{ChannelSet, CursorError, MAX_CURSOR_BYTES, Mark, Marks, read_marks, write_marks};
use crate::Timestamp;

const FORMAT: u8 = b'2';
const SEAL_BYTES: usize = 11;
const KEY_BYTES: usize = 16;

/// What all replicas share, and nobody else knows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret([u8; KEY_BYTES]);

/// Seals the cursors of one holder for one set of channels.
#[derive(Clone)]
pub struct Seal {
    root: [u8; KEY_BYTES],
    window_ms: u64,
    channels: usize,
}

impl Secret {
    /// Of random bytes.
    #[must_use]
    pub fn new(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// As a text, for where it is kept.
    #[must_use]
    pub fn to_text(self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// Reads it back.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seal(..)")
    }
}

impl Seal {
    /// For a holder, whatever identifies it; whoever bears no name shares the empty one. `window_ms` isn't 0.
    #[must_use]
    pub fn new(secret: Secret, window_ms: u64, holder: &str, set: &ChannelSet) -> Self {
        let mut hasher = SipHasher24::new_with_key(&secret.0);
        // Lengths first: no two lists are the same bytes.
        for part in [holder].into_iter().chain(set.as_slice().iter().map(crate::Channel::as_str)) {
            hasher.write(&(part.len() as u64).to_le_bytes());
            hasher.write(part.as_bytes());
        }
        Self { root: hasher.finish128().as_bytes(), window_ms: window_ms.max(1), channels: set.as_slice().len() }
    }

    /// Which slice of time this is: a cursor that was told in an older one is soon over.
    #[must_use]
    pub fn slice(&self, now: Timestamp) -> u64 {
        now.0 / self.window_ms
    }

    /// Writes where its holder stands; `marks` are in the order of the channels, one each.
    #[must_use]
    pub fn cursor(&self, marks: &[Mark], now: Timestamp) -> String {
        debug_assert_eq!(marks.len(), self.channels);
        let mut bytes = smallvec::SmallVec::from_slice(&[0; SEAL_BYTES]);
        write_marks(&mut bytes, marks);
        let seal = self.of(self.slice(now), &bytes[SEAL_BYTES..]);
        bytes[..SEAL_BYTES].copy_from_slice(&seal);
        let mut text = String::with_capacity(MAX_CURSOR_BYTES);
        text.push(char::from(FORMAT));
        URL_SAFE_NO_PAD.encode_string(&bytes, &mut text);
        text
    }

    /// Reads a cursor of the holder's own back, if it was told lately.
    pub fn parse(&self, text: &str, now: Timestamp) -> Result<Marks, CursorError> {
        if text.len() > MAX_CURSOR_BYTES || text.as_bytes().first() != Some(&FORMAT) {
            return Err(CursorError::Malformed);
        }
        let bytes = URL_SAFE_NO_PAD.decode(&text.as_bytes()[1..]).map_err(|_| CursorError::Malformed)?;
        let (given, rest) = bytes.split_at_checked(SEAL_BYTES).ok_or(CursorError::Malformed)?;
        let slice = self.slice(now);
        let is_own = [slice, slice.wrapping_sub(1), slice + 1]
            .into_iter()
            .fold(subtle::Choice::from(0), |found, slice| found | self.of(slice, rest).ct_eq(given));
        if !bool::from(is_own) {
            return Err(CursorError::NotOwn);
        }
        let marks = read_marks(rest).ok_or(CursorError::Malformed)?;
        if marks.len() == self.channels { Ok(marks) } else { Err(CursorError::Malformed) }
    }

    fn of(&self, slice: u64, marks: &[u8]) -> [u8; SEAL_BYTES] {
        let key = hash(&self.root, &slice.to_le_bytes());
        let mut seal = [0; SEAL_BYTES];
        seal.copy_from_slice(&hash(&key, marks)[..SEAL_BYTES]);
        seal
    }
}

fn hash(key: &[u8; KEY_BYTES], bytes: &[u8]) -> [u8; KEY_BYTES] {
    let mut hasher = SipHasher24::new_with_key(key);
    hasher.write(bytes);
    hasher.finish128().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Channel, Position};
    use proptest::collection::vec;
    use proptest::prelude::*;

    const SECRET: Secret = Secret([7; KEY_BYTES]);
    const WINDOW: u64 = 60_000;
    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn channels(names: &[&str]) -> ChannelSet {
        ChannelSet::new(names.iter().map(|name| Channel::parse(name).unwrap())).unwrap()
    }

    fn seal(holder: &str, names: &[&str]) -> Seal {
        Seal::new(SECRET, WINDOW, holder, &channels(names))
    }

    #[test]
    fn a_cursor_is_its_holders_for_its_channels_only() {
        let marks = [Mark::At(Position(5)), Mark::At(Position(6))];
        let text = seal("me", &["a", "b"]).cursor(&marks, NOW);
        assert_eq!(seal("me", &["b", "a"]).parse(&text, NOW).unwrap().as_slice(), marks);
        for (holder, names) in
            [("you", ["a", "b"]), ("", ["a", "b"]), ("me", ["a", "c"]), ("mea", ["b", "c"]), ("m", ["ea", "b"])]
        {
            assert_eq!(seal(holder, &names).parse(&text, NOW), Err(CursorError::NotOwn), "{holder} {names:?}");
        }
        let elsewhere = Seal::new(Secret([8; KEY_BYTES]), WINDOW, "me", &channels(&["a", "b"]));
        assert_eq!(elsewhere.parse(&text, NOW), Err(CursorError::NotOwn), "another secret");
    }

    #[test]
    fn a_plain_cursor_proves_nothing_and_a_sealed_one_is_no_plain_one() {
        let (set, marks) = (channels(&["a"]), [Mark::At(Position(5))]);
        assert_eq!(seal("me", &["a"]).parse(&set.cursor(&marks), NOW), Err(CursorError::Malformed));
        assert_eq!(set.parse(&seal("me", &["a"]).cursor(&marks, NOW)), Err(CursorError::Malformed));
    }

    #[test]
    fn twelve_channels_fit_for_a_century() {
        let names: Vec<String> = (0..12).map(|number| number.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let century = 100 * 366 * 86_400 * 1_000_u64;
        let text = seal("me", &names).cursor(&[Mark::At(Position(century * 64)); 12], NOW);
        assert!(text.len() <= MAX_CURSOR_BYTES, "{}", text.len());
    }

    #[test]
    fn a_secret_reads_back_and_is_never_shown() {
        assert_eq!(Secret::from_text(&SECRET.to_text()), Some(SECRET));
        assert_eq!(Secret::from_text("short"), None);
        assert!(!format!("{SECRET:?} {:?}", seal("me", &["a"])).contains('7'));
    }

    proptest! {
        #[test]
        fn a_cursor_is_good_for_the_window_at_least_and_for_twice_as_long_at_most(
            told in 0..WINDOW, age in 0..3 * WINDOW, position in 0_u64..1 << 48,
        ) {
            let (seal, told) = (seal("me", &["a"]), Timestamp(NOW.0 + told));
            let text = seal.cursor(&[Mark::At(Position(position))], told);
            let known = seal.parse(&text, Timestamp(told.0 + age));
            if age <= WINDOW {
                prop_assert!(known.is_ok());
            }
            if age >= 2 * WINDOW {
                prop_assert_eq!(known, Err(CursorError::NotOwn));
            }
        }

        #[test]
        fn a_cursor_that_was_changed_is_nobodys(
            marks in vec(0_u64..1 << 48, 1..=3), at in 1_usize..40, letter in "[A-Za-z0-9_-]",
        ) {
            let names = &["a", "b", "c"][..marks.len()];
            let marks: Vec<Mark> = marks.into_iter().map(|value| Mark::At(Position(value))).collect();
            let text = seal("me", names).cursor(&marks, NOW);
            prop_assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte)));
            let at = at.min(text.len() - 1);
            let changed = format!("{}{letter}{}", &text[..at], &text[at + 1..]);
            let known = seal("me", names).parse(&changed, NOW);
            prop_assert_eq!(known.is_ok(), changed == text);
        }

        #[test]
        fn any_text_is_parsed_or_refused(text in any::<String>()) {
            prop_assert!(seal("me", &["a"]).parse(&text, NOW).is_err());
            let sealed = format!("2{text}");
            prop_assert!(seal("me", &["a"]).parse(&sealed, NOW).is_err());
        }
    }
}
