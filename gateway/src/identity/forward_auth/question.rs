//! What a service is asked: the fields that are sent on, and nothing else of a request.

use std::fmt;

use ring::digest::{Context, SHA256};

/// The digest of a question: no two questions have one.
pub(super) type Key = [u8; 32];

/// The fields that are sent on, in order. It is kept as long as a stream is open that it opened, and is no larger than the fields of
/// a request, 16 KiB, or a message of a WebSocket, which is as much.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Question(Vec<(String, Vec<u8>)>);

impl Question {
    /// Adds a field. `name`: in small letters.
    pub fn add(&mut self, name: &str, value: &[u8]) {
        self.0.push((name.to_owned(), value.to_owned()));
    }

    pub(super) fn fields(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    /// A digest over everything that is sent, each part behind its length: joined as they are, parts of two different questions could
    /// be one text, and one client's answer another's (CVE-2026-39972).
    pub(super) fn key(&self) -> Key {
        let mut digest = Context::new(&SHA256);
        let mut put = |part: &[u8]| {
            digest.update(&(part.len() as u64).to_be_bytes());
            digest.update(part);
        };
        for (name, value) in self.fields() {
            put(name.as_bytes());
            put(value);
        }
        let mut key = Key::default();
        key.copy_from_slice(digest.finish().as_ref());
        key
    }
}

/// Names only: values are secrets.
impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn question(fields: &[(String, Vec<u8>)]) -> Question {
        Question(fields.to_vec())
    }

    fn fields() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
        // Few letters and short parts, so that many sets are one text when joined.
        prop::collection::vec(
            ("[ab:]{0,3}", prop::collection::vec(prop::sample::select(b"ab:\0".to_vec()), 0..4)),
            0..4,
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]
        #[test]
        fn two_different_questions_never_have_one_key(one in fields(), other in fields()) {
            prop_assert_eq!(question(&one).key() == question(&other).key(), one == other);
        }

        #[test]
        fn a_part_that_moves_to_its_neighbour_makes_another_key(all in fields(), at in 0_usize..4, cut in 0_usize..3) {
            let mut moved = all.clone();
            if let Some((name, value)) = moved.get_mut(at) {
                let cut = cut.min(name.len());
                let tail = name.split_off(cut);
                value.splice(0..0, tail.into_bytes());
            }
            prop_assert_eq!(question(&all).key() == question(&moved).key(), all == moved);
        }
    }

    #[test]
    fn what_is_asked_is_never_printed() {
        let mut question = Question::default();
        question.add("authorization", b"Bearer secret");
        assert_eq!(format!("{question:?}"), "[\"authorization\"]");
    }
}
