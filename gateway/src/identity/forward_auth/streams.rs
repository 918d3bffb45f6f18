//! Open streams of those whom the service has proven, by what it was asked: so it can be asked again, once for all of them.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use events_gateway_identity::{Digest, Identity};
use parking_lot::Mutex;
use smallvec::SmallVec;

use super::ForwardAuth;
use super::question::{Key, Question};
use crate::replica::connections::Close;

/// Whether a stream may go on, now that its holder is who the service says; it may also act on it.
pub type Judge = Box<dyn Fn(&Arc<Identity>) -> bool + Send + Sync>;

/// All of a replica.
#[derive(Default)]
pub(super) struct Streams(Mutex<Held>);

#[derive(Default)]
struct Held {
    next: u64,
    by_question: BTreeMap<Key, Asked>,
}

/// What was asked, and all streams that it opened.
struct Asked {
    question: Arc<Question>,
    /// Until when the last answer is good, in milliseconds since 1970.
    ends: u64,
    /// By number, ascending.
    streams: SmallVec<[(u64, Arc<Stream>); 1]>,
}

/// One of them.
pub(super) struct Stream {
    pub(super) subject: Digest,
    pub(super) judge: Judge,
    pub(super) close: Close,
}

/// What is to be asked again.
pub(super) struct Due {
    pub(super) question: Arc<Question>,
    pub(super) ends: u64,
    pub(super) streams: Vec<Arc<Stream>>,
}

impl Streams {
    /// A stream of whom the answer to this question proved, which is good until `ends`; answers its number.
    pub(super) fn add(&self, key: Key, question: Arc<Question>, ends: u64, stream: Stream) -> u64 {
        let mut held = self.0.lock();
        let number = held.next;
        held.next += 1;
        // Streams with the same question share the first one's; another's is dropped here.
        let asked = held.by_question.entry(key).or_insert_with(|| Asked { question, ends, streams: SmallVec::new() });
        asked.ends = ends;
        asked.streams.push((number, Arc::new(stream)));
        number
    }

    /// It is no more.
    fn remove(&self, key: &Key, number: u64) {
        // Dropped after the lock is released: what judges a stream may own what locks again.
        let _stream = {
            let mut held = self.0.lock();
            let Some(asked) = held.by_question.get_mut(key) else { return };
            let found = asked.streams.binary_search_by_key(&number, |(number, _)| *number);
            let stream = found.ok().map(|at| asked.streams.remove(at));
            if asked.streams.is_empty() {
                held.by_question.remove(key);
            }
            stream
        };
    }

    /// At most `most` questions behind `after` and not behind `last`, in order.
    pub(super) fn page(&self, after: &Key, last: &Key, most: usize) -> Vec<Key> {
        if after >= last {
            return Vec::new();
        }
        let held = self.0.lock();
        let range = held.by_question.range::<Key, _>((Bound::Excluded(after), Bound::Included(last)));
        range.take(most).map(|(key, _)| *key).collect()
    }

    /// A question with the streams that are open now; `None` when there are none any more.
    pub(super) fn due(&self, key: &Key) -> Option<Due> {
        let held = self.0.lock();
        let Asked { question, ends, streams } = held.by_question.get(key)?;
        let streams = streams.iter().map(|(_, stream)| stream.clone()).collect();
        Some(Due { question: question.clone(), ends: *ends, streams })
    }

    /// The newest answer is good until then.
    pub(super) fn extend(&self, key: &Key, ends: u64) {
        if let Some(asked) = self.0.lock().by_question.get_mut(key) {
            asked.ends = ends;
        }
    }
}

/// A stream about whose holder the service is asked again until this is dropped.
pub struct Vouched {
    service: Arc<ForwardAuth>,
    key: Key,
    number: u64,
}

impl Vouched {
    pub(super) fn new(service: Arc<ForwardAuth>, key: Key, number: u64) -> Self {
        Self { service, key, number }
    }
}

impl Drop for Vouched {
    fn drop(&mut self) {
        self.service.streams.remove(&self.key, self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Session;
    use super::super::tests::{options, question};
    use super::*;

    const LAST: Key = [u8::MAX; 32];

    fn open(service: &Arc<ForwardAuth>, name: &str) -> Vouched {
        let who = Identity {
            issuer: "session".into(),
            subject: name.into(),
            id: None,
            expires: 1_000,
            issued: None,
            key: None,
            claims: serde_json::Map::new(),
        };
        Session::new(service.clone(), question(name)).hold(&who, Arc::new(|_| {}), Box::new(|_| true))
    }

    #[test]
    fn streams_with_one_question_share_it_and_nothing_is_kept_of_those_that_ended() {
        let service = ForwardAuth::new(options("http://127.0.0.1:1/"));
        let ann = question("ann").key();
        let one = open(&service, "ann");
        let kept = service.streams.due(&ann).unwrap().question;
        let (other, same) = (open(&service, "bob"), open(&service, "ann"));
        assert_eq!(service.streams.page(&Key::default(), &LAST, 10).len(), 2, "two questions");
        let due = service.streams.due(&ann).unwrap();
        assert_eq!(due.streams.len(), 2);
        assert!(Arc::ptr_eq(&due.question, &kept));
        drop(one);
        assert_eq!(service.streams.due(&ann).unwrap().streams.len(), 1);
        drop((other, same));
        assert!(service.streams.due(&ann).is_none());
        assert!(service.streams.0.lock().by_question.is_empty());
    }

    #[test]
    fn questions_are_gone_through_page_by_page() {
        let service = ForwardAuth::new(options("http://127.0.0.1:1/"));
        let _streams: Vec<Vouched> = (0..7).map(|number| open(&service, &number.to_string())).collect();
        let (mut after, mut found) = (Key::default(), Vec::new());
        loop {
            let page = service.streams.page(&after, &LAST, 3);
            let Some(last) = page.last() else { break };
            after = *last;
            found.extend(page);
        }
        assert!(found.len() == 7 && found.is_sorted(), "{found:?}");
        assert!(service.streams.page(&LAST, &LAST, 3).is_empty());
    }
}
