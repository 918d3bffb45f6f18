//! The errands of a consumer: which is sent next, and what follows from what it found.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::super::counters::Phase;
use super::super::errand::{Found, Settled, Sought};
use super::super::partition::Partition;
use super::super::resume::{Decision, Mark};
use super::{LastCommit, Outcome, Run};
use crate::backlog::Offsets;
use crate::source::{Commitment, Source, SourceError, TopicPartition};

impl<S: Source> Run<S> {
    /// Sends the most urgent errand, if none is under way: a last commit of what is given up, where to go on, mark and commit,
    /// identities.
    pub(super) fn send_errand(&mut self) {
        if self.errand.is_some() {
            return;
        }
        let now = Instant::now();
        let quiet = self.leaving.iter_mut().find(|leave| {
            let is_quiet = |at| self.partitions.get(at).is_none_or(|partition: &Partition| partition.outstanding == 0);
            leave.last_commit == LastCommit::Due && leave.partitions.iter().all(is_quiet)
        });
        if let Some(leave) = quiet {
            leave.last_commit = LastCommit::Asked;
            let partitions = leave.partitions.clone();
            self.errand = self.settle(&partitions, true);
            if self.errand.is_some() {
                return;
            }
            self.last_commit_tried();
        }
        if now >= self.resolve_after {
            let sought: Vec<Sought> = self
                .partitions
                .values()
                .filter(|partition| partition.is_sought())
                .map(|partition| Sought {
                    at: partition.at.clone(),
                    life: partition.life,
                    known: partition.stamp.generation,
                })
                .collect();
            if !sought.is_empty() {
                let errands = self.errands.clone();
                self.errand = Some(async move { Outcome::Resolved(errands.resolve(sought).await) }.boxed());
                return;
            }
        }
        if self.settle_due {
            self.settle_due = false;
            let reading = |partition: &&Partition| partition.phase == Phase::Reading;
            let partitions: Vec<_> = self.partitions.values().filter(reading).map(|one| one.at.clone()).collect();
            self.errand = self.settle(&partitions, false);
        } else if now >= self.identify_after {
            self.identify_after = now + self.options.identify_every;
            let mut topics: BTreeSet<Arc<str>> = self.partitions.keys().map(|at| at.topic.clone()).collect();
            topics.extend(self.options.topics.iter().cloned());
            let (errands, topics) = (self.errands.clone(), topics.into_iter().collect());
            self.errand = Some(async move { Outcome::Identified(errands.identify(topics).await) }.boxed());
        }
    }

    /// Only one errand is under way: what was asked for is over.
    fn last_commit_tried(&mut self) {
        let asked = self.leaving.iter_mut().filter(|leave| leave.last_commit == LastCommit::Asked);
        asked.for_each(|leave| leave.last_commit = LastCommit::Done);
    }

    fn settle(&mut self, partitions: &[TopicPartition], last: bool) -> Option<BoxFuture<'static, Outcome>> {
        let now = Instant::now();
        let (mut offsets, mut commitments) = (Offsets::new(), Vec::new());
        for at in partitions {
            let Some(partition) = self.partitions.get_mut(at) else {
                continue;
            };
            // Never played in this life: there is nothing to say.
            if partition.stamp.partitions == 0 || !matches!(partition.phase, Phase::Reading | Phase::Leaving) {
                continue;
            }
            let offset = partition.settled(now, self.options.settle);
            let key = Mark::key(&at.topic, &partition.stamp.topic_id, partition.stamp.generation);
            offsets.insert((key, at.partition), offset);
            if offset > partition.committed {
                let metadata = partition.stamp.to_string();
                commitments.push((Commitment { at: at.clone(), offset, metadata }, partition.life));
            }
        }
        if offsets.is_empty() || (last && commitments.is_empty()) {
            return None;
        }
        let marked =
            self.marked.iter().filter(|(key, _)| offsets.contains_key(key)).map(|(k, v)| (k.clone(), *v)).collect();
        let (errands, data_set) = (self.errands.clone(), self.data_set.clone());
        Some(
            async move {
                Outcome::Settled {
                    last,
                    result: errands.settle(data_set, marked, offsets, commitments).await,
                }
            }
            .boxed(),
        )
    }

    pub(super) fn came_back(&mut self, outcome: Outcome) {
        if matches!(outcome, Outcome::Settled { last: true, .. }) {
            self.last_commit_tried();
        }
        match outcome {
            Outcome::Resolved(Ok(found)) => self.found(found),
            Outcome::Resolved(Err(error)) => {
                self.resolve_failures += 1;
                self.resolve_after = Instant::now() + self.options.backoff.after(self.resolve_failures);
                self.trouble(&error.to_string());
            }
            Outcome::Settled { result: Ok(Settled::Committed { marked, commitments }), .. } => {
                self.trouble = None;
                self.marked.extend(marked);
                for (commitment, life) in commitments {
                    let partition = self.partitions.get_mut(&commitment.at);
                    if let Some(partition) = partition.filter(|partition| partition.life == life) {
                        partition.committed = commitment.offset;
                        self.monitor.counters.commits.add(1);
                    }
                }
            }
            Outcome::Settled { result: Ok(Settled::Uncommitted { marked, error }), last } => {
                self.marked.extend(marked);
                if !last {
                    self.trouble(&error.to_string());
                }
            }
            Outcome::Settled { result: Ok(Settled::Rewind), .. } => self.rewind("the backlog forgot the watermark"),
            Outcome::Settled { result: Err(error), .. } => self.trouble(&error.to_string()),
            Outcome::Identified(topics) => {
                let is_another = |partition: &Partition| {
                    let is_of = |(topic, id): &(Arc<str>, Result<String, _>)| {
                        *topic == partition.at.topic && id.as_ref().is_ok_and(|id| *id != partition.stamp.topic_id)
                    };
                    partition.phase == Phase::Reading && topics.iter().any(is_of)
                };
                if self.partitions.values().any(is_another) {
                    self.rewind("a topic was created anew");
                }
                self.identified(&topics);
            }
        }
    }

    /// Tells which topics are missing or forbidden: the source says so once, which the next commit would make forgotten.
    /// Where all are there, a consumer that has nothing to commit has its last trouble behind it.
    fn identified(&mut self, topics: &[(Arc<str>, Result<String, SourceError>)]) {
        let failed = |(topic, id): &(Arc<str>, Result<_, SourceError>)| {
            let error = id.as_ref().err()?;
            Some(format!("topic {topic}: {error}"))
        };
        let failures: Vec<String> = topics.iter().filter_map(failed).collect();
        if failures.is_empty() {
            let is_past = self.troubled.is_none_or(|at| at.elapsed() >= self.options.identify_every);
            if is_past && self.partitions.is_empty() {
                self.trouble = None;
            }
            self.topics_trouble = None;
            return;
        }
        self.monitor.counters.failures.add(1);
        let trouble = failures.join("; ");
        if self.topics_trouble.as_deref() != Some(&*trouble) {
            tracing::warn!(binding = self.options.binding, group = self.options.group, "{trouble}");
            self.topics_trouble = Some(trouble);
        }
    }

    fn found(&mut self, found: Found) {
        match found.missing {
            None => self.resolve_failures = 0,
            // Which topic it is, is told by their identities, which are asked for all the time.
            Some(error) => {
                tracing::debug!(binding = self.options.binding, %error, "some partitions are sought again");
                self.resolve_failures += 1;
                self.resolve_after = Instant::now() + self.options.backoff.after(self.resolve_failures);
            }
        }
        if found.data_set != self.data_set {
            // Whoever still reads does so for another data set: back, once.
            self.rewind("the data set changed");
            self.data_set = found.data_set;
        }
        let mut is_stopped = false;
        for (sought, decision, survey) in found.partitions {
            let Some(partition) = self.partitions.get_mut(&sought.at) else {
                continue;
            };
            if partition.life != sought.life || partition.phase == Phase::Leaving {
                continue;
            }
            match decision {
                Decision::Play(resume) => {
                    if let Some(skip) = resume.skip {
                        self.monitor.counters.skipped(skip);
                    }
                    let key = (
                        Mark::key(&sought.at.topic, &resume.stamp.topic_id, resume.stamp.generation),
                        sought.at.partition,
                    );
                    if let Some(offset) = found.marked.get(&key) {
                        self.marked.insert(key, *offset);
                    }
                    tracing::info!(
                        partition = %sought.at, offset = resume.offset, generation = resume.stamp.generation.0, "reading",
                    );
                    partition.play(resume.offset, resume.stamp, survey.log_end);
                    self.controls.play(&sought.at, resume.offset, partition.life);
                }
                // Asked for again with the next errand: somebody may have set it meanwhile.
                Decision::NoStart => {
                    partition.phase = Phase::Stopped;
                    is_stopped = true;
                }
            }
        }
        if is_stopped {
            self.trouble(
                "a partition has no committed offset, and the start position is `error`: set the group's offsets",
            );
            self.resolve_after = Instant::now() + self.options.backoff.most;
        }
        self.show();
    }
}
