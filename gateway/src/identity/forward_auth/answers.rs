//! What the service said a moment ago, and what it is being asked.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::Answer;
use super::question::Key;

/// Most answers that are remembered. Where there would be more, all are forgotten: they hold for seconds only.
const MOST: usize = 10_000;
/// How often those that don't hold any more are looked for.
const SWEEP: Duration = Duration::from_secs(5);

/// Answers by question, bounded.
#[derive(Debug)]
pub(super) struct Answers {
    known: HashMap<Key, (Answer, Instant)>,
    pending: HashMap<Key, watch::Sender<Option<Answer>>>,
    swept: Instant,
}

impl Default for Answers {
    fn default() -> Self {
        Self { known: HashMap::new(), pending: HashMap::new(), swept: Instant::now() }
    }
}

/// What there is of a question.
pub(super) enum Found {
    Answer(Answer),
    /// It is being asked.
    Pending(watch::Receiver<Option<Answer>>),
    Nothing,
}

impl Answers {
    pub(super) fn find(&self, key: &Key, now: Instant) -> Found {
        match self.known.get(key) {
            Some((answer, until)) if *until > now => Found::Answer(answer.clone()),
            _ => self.pending.get(key).map_or(Found::Nothing, |told| Found::Pending(told.subscribe())),
        }
    }

    /// It is being asked now; whoever asks tells the answer here.
    pub(super) fn begin(&mut self, key: Key, now: Instant) -> watch::Sender<Option<Answer>> {
        if now.duration_since(self.swept) >= SWEEP || self.known.len() >= MOST {
            self.known.retain(|_, (_, until)| *until > now);
            self.swept = now;
        }
        if self.known.len() >= MOST {
            self.known.clear();
        }
        let told = watch::Sender::new(None);
        self.pending.insert(key, told.clone());
        told
    }

    /// It was answered.
    pub(super) fn end(&mut self, key: Key, answer: Answer, until: Instant) {
        self.pending.remove(&key);
        self.known.insert(key, (answer, until));
    }

    /// Nobody asks any more.
    pub(super) fn give_up(&mut self, key: &Key) {
        self.pending.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_remembered_is_bounded_however_many_ask() {
        let mut answers = Answers::default();
        for number in 0..3 * MOST as u64 {
            let mut key = Key::default();
            key[..8].copy_from_slice(&number.to_be_bytes());
            let now = Instant::now();
            drop(answers.begin(key, now));
            answers.end(key, Answer::Unknown, now + Duration::from_secs(5));
            assert!(answers.known.len() <= MOST && answers.pending.is_empty());
        }
        tokio::time::advance(SWEEP).await;
        drop(answers.begin(Key::default(), Instant::now()));
        assert!(answers.known.is_empty(), "what doesn't hold any more is forgotten");
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_holds_until_its_time_and_whoever_waits_is_let_go() {
        let (mut answers, key) = (Answers::default(), Key::default());
        let told = answers.begin(key, Instant::now());
        let Found::Pending(mut pending) = answers.find(&key, Instant::now()) else { panic!("it is being asked") };
        answers.end(key, Answer::Forbidden, Instant::now() + Duration::from_secs(1));
        told.send_replace(Some(Answer::Forbidden));
        assert_eq!(*pending.wait_for(Option::is_some).await.unwrap(), Some(Answer::Forbidden));
        assert!(matches!(answers.find(&key, Instant::now()), Found::Answer(Answer::Forbidden)));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(matches!(answers.find(&key, Instant::now()), Found::Nothing));

        let told = answers.begin(key, Instant::now());
        let Found::Pending(mut pending) = answers.find(&key, Instant::now()) else { panic!("it is being asked") };
        answers.give_up(&key);
        drop(told);
        assert!(pending.wait_for(Option::is_some).await.is_err(), "nobody will tell");
    }
}
