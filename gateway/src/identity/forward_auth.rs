//! Sessions and opaque tokens: a service is asked whose they are.
//!
//! What it says is trusted; what it doesn't say in time, or not as it should, is nobody's word: whoever asked may come again, and is
//! never let in. The same question is asked once at a time, and its answer holds for some seconds, so neither a page with many
//! streams nor somebody who tries the same again and again is much work for the service. As long as a stream is open it is asked
//! [again](recheck) every so often.

mod answers;
mod question;
pub mod recheck;
mod session;
mod streams;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use events_gateway_identity::{Identity, TokenError, asserted};
use events_gateway_kafka_client::https;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout};
use tracing::Level;
use ureq::http::HeaderValue;

use crate::clock::now;
use answers::{Answers, Found};
pub use question::Question;
pub use session::Session;
use streams::Streams;
pub use streams::{Judge, Vouched};

/// Most questions on their way at a time; whoever asks more may come again.
const MOST_CALLS: usize = 64;
/// Largest answer, in bytes.
const MAX_ANSWER: u64 = 64 << 10;
/// How long a refusal holds: long enough that who repeats a hostile request doesn't reach the service each time, short enough
/// that who has just signed in isn't kept out.
const REFUSAL_HOLDS: Duration = Duration::from_secs(1);
/// How long nobody asks again whose question wasn't answered.
const FAILURE_HOLDS: Duration = Duration::from_millis(250);
/// How long a client is used before its authorities are read again.
const RENEW: Duration = Duration::from_secs(600);

/// Whom to ask, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// The URL: https, but for this machine.
    pub url: String,
    /// Authorities for its certificate; `None`: the public ones.
    pub ca_file: Option<PathBuf>,
    /// The issuer of its subjects.
    pub issuer: String,
    /// How long an answer may take.
    pub timeout: Duration,
    /// How long an answer holds.
    pub cache: Duration,
    /// How long claims without an end are good.
    pub lifetime: Duration,
}

/// Who somebody is, as the service says.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// This one.
    Proven(Arc<Identity>),
    /// Nobody: 401, or claims that are over or not yet good.
    Unknown,
    /// Nobody who may come here: 403.
    Forbidden,
    /// Not known now. Never cached for longer than a moment.
    Unavailable,
}

/// What came of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was answered a moment ago, or is being asked already.
    Remembered,
    /// The service told who it is.
    Proven,
    /// The service told that it is nobody.
    Refused,
    /// The service gave no answer that could be used.
    Failed,
    /// Too many questions are on their way.
    Crowded,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Remembered, Self::Proven, Self::Refused, Self::Failed, Self::Crowded];

    /// The metrics' label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Remembered => "remembered",
            Self::Proven => "proven",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Crowded => "crowded",
        }
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error("failed to ask")]
    Ask(#[from] ureq::Error),
    /// Redirects are among them: they aren't followed.
    #[error("the service answers with status {0}")]
    Status(u16),
    #[error("the service answers no claims: {0}")]
    Claims(TokenError),
    #[error("failed to read the authorities")]
    Read(#[from] std::io::Error),
    #[error(transparent)]
    Authorities(#[from] https::NoAuthorities),
}

/// Asks, and remembers for a moment.
pub struct ForwardAuth {
    options: Options,
    room: Arc<Semaphore>,
    answers: Mutex<Answers>,
    client: Mutex<Option<(ureq::Agent, Instant)>>,
    streams: Streams,
    counts: [AtomicU64; Outcome::ALL.len()],
}

impl ForwardAuth {
    /// Asks nobody yet.
    #[must_use]
    pub fn new(options: Options) -> Arc<Self> {
        Arc::new(Self {
            options,
            room: Arc::new(Semaphore::new(MOST_CALLS)),
            answers: Mutex::default(),
            client: Mutex::new(None),
            streams: Streams::default(),
            counts: Default::default(),
        })
    }

    /// How often each came of a question.
    pub fn counts(&self) -> impl Iterator<Item = (Outcome, u64)> {
        Outcome::ALL.into_iter().zip(&self.counts).map(|(outcome, count)| (outcome, count.load(Ordering::Relaxed)))
    }

    fn count(&self, outcome: Outcome) {
        self.counts[outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Whose a request is. Waits for the configured time at most, and a little.
    pub async fn ask(self: &Arc<Self>, question: impl Into<Arc<Question>>) -> Answer {
        self.answer(question.into(), Level::WARN).await
    }

    /// Asks, unless that is done or known already; a failure is logged at this level.
    async fn answer(self: &Arc<Self>, question: Arc<Question>, failure: Level) -> Answer {
        let (key, now) = (question.key(), Instant::now());
        let mut pending = {
            let mut answers = self.answers.lock();
            match answers.find(&key, now) {
                Found::Answer(answer) => {
                    drop(answers);
                    self.count(Outcome::Remembered);
                    return fresh(answer);
                }
                Found::Pending(pending) => {
                    self.count(Outcome::Remembered);
                    pending
                }
                Found::Nothing => {
                    let Ok(room) = self.room.clone().try_acquire_owned() else {
                        self.count(Outcome::Crowded);
                        return Answer::Unavailable;
                    };
                    let told = answers.begin(key, now);
                    let pending = told.subscribe();
                    let call = Call { service: self.clone(), key, told, failure };
                    // It goes on also when nobody waits any more: the answer is good for the next one.
                    tokio::task::spawn_blocking(move || {
                        call.run(&question);
                        drop(room);
                    });
                    pending
                }
            }
        };
        // The call has a bound of its own; a busy machine may take a moment to begin with it.
        let answered = timeout(self.options.timeout + Duration::from_secs(1), pending.wait_for(Option::is_some)).await;
        match answered {
            Ok(Ok(answer)) => answer.clone().map_or(Answer::Unavailable, fresh),
            _ => Answer::Unavailable,
        }
    }

    /// Asks the service. Blocks.
    fn call(&self, question: &Question) -> Result<Answer, AskError> {
        let mut request = self.client()?.get(&self.options.url).header("accept", "application/json");
        for (name, value) in question.fields() {
            // They were fields of a request: they can be those of another.
            let Ok(value) = HeaderValue::from_bytes(value) else { return Ok(Answer::Unknown) };
            request = request.header(name, value);
        }
        let mut answer = request.call()?;
        match answer.status().as_u16() {
            200 => {}
            401 => return Ok(Answer::Unknown),
            403 => return Ok(Answer::Forbidden),
            status => return Err(AskError::Status(status)),
        }
        let claims = answer.body_mut().with_config().limit(MAX_ANSWER).read_to_vec()?;
        let lifetime = self.options.lifetime.as_millis() as u64;
        match asserted::read(&claims, &self.options.issuer, lifetime, now().0) {
            Ok(identity) => Ok(Answer::Proven(Arc::new(identity))),
            Err(TokenError::Expired | TokenError::NotYet) => Ok(Answer::Unknown),
            Err(error) => Err(AskError::Claims(error)),
        }
    }

    /// The client, which keeps its connections; made anew every so often, since authorities change.
    fn client(&self) -> Result<ureq::Agent, AskError> {
        let mut client = self.client.lock();
        if let Some((agent, made)) = &*client
            && made.elapsed() < RENEW
        {
            return Ok(agent.clone());
        }
        let authorities = self.options.ca_file.as_ref().map(std::fs::read).transpose()?;
        let agent = https::agent(self.options.timeout, authorities.as_deref())?;
        *client = Some((agent.clone(), Instant::now()));
        Ok(agent)
    }

    /// For how long an answer holds.
    fn holds(&self, answer: &Answer) -> Duration {
        match answer {
            Answer::Proven(identity) => {
                self.options.cache.min(Duration::from_millis(identity.expires.saturating_sub(now().0)))
            }
            Answer::Unknown | Answer::Forbidden => self.options.cache.min(REFUSAL_HOLDS),
            Answer::Unavailable => self.options.cache.min(FAILURE_HOLDS),
        }
    }
}

/// An answer as it is now: nobody is proven by claims that have ended since.
fn fresh(answer: Answer) -> Answer {
    match answer {
        Answer::Proven(identity) if identity.expires <= now().0 => Answer::Unknown,
        answer => answer,
    }
}

/// One call of the service. However it ends, whoever waits for it is told.
struct Call {
    service: Arc<ForwardAuth>,
    key: question::Key,
    told: watch::Sender<Option<Answer>>,
    failure: Level,
}

impl Call {
    fn run(self, question: &Question) {
        let answer = self.service.call(question).unwrap_or_else(|error| {
            let (url, error) = (&self.service.options.url, anyhow::Error::from(error));
            match self.failure {
                Level::WARN => tracing::warn!(url, error = format!("{error:#}"), "failed to ask whose a session is"),
                _ => tracing::debug!(url, error = format!("{error:#}"), "failed to ask whose a session is"),
            }
            Answer::Unavailable
        });
        self.service.count(match answer {
            Answer::Proven(_) => Outcome::Proven,
            Answer::Unknown | Answer::Forbidden => Outcome::Refused,
            Answer::Unavailable => Outcome::Failed,
        });
        let until = Instant::now() + self.service.holds(&answer);
        self.service.answers.lock().end(self.key, answer.clone(), until);
        self.told.send_replace(Some(answer));
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        // After a panic nobody is to wait for what will never come.
        if self.told.borrow().is_none() {
            self.service.answers.lock().give_up(&self.key);
        }
    }
}

impl std::fmt::Debug for ForwardAuth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ForwardAuth").field("options", &self.options).finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(crate) mod tests;
