//! What a consumer asks of brokers and primaries beside the flow of records, one errand at a time: where to go on, storing
//! the watermark and committing, the topics' identities. None touches the consumer's state; each tells what it found.

use std::collections::BTreeMap;
use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use events_gateway_core::source::Generation;
use futures_util::future::join_all;
use siphasher::sip::SipHasher13;

use super::resume::{Decision, Mark, Skip, decide};
use super::{Clock, Ports};
use crate::backlog::{BacklogError, DataSet, Marked, Offsets};
use crate::source::{Commitment, Controls, SourceError, Start, Survey, TopicPartition};

/// A log's end that seems to have moved back is asked for again after so long: a new leader may not know its high
/// watermark yet (KIP-207).
const SECOND_LOOK: Duration = Duration::from_secs(1);

/// Why an errand came back without a result. It is sent again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ErrandError {
    #[error("failed to ask the source: {0}")]
    Source(#[from] SourceError),
    #[error("failed to ask the backlog: {0}")]
    Backlog(#[from] BacklogError),
}

/// A partition whose continuation is sought.
#[derive(Debug, Clone)]
pub(crate) struct Sought {
    pub at: TopicPartition,
    pub life: u64,
    pub known: Generation,
}

/// What was found.
pub(crate) struct Found {
    pub data_set: DataSet,
    /// What was marked, by key.
    pub marked: Offsets,
    pub partitions: Vec<(Sought, Decision, Survey)>,
    /// Why some of those sought are missing: they are sought again, after a while.
    pub missing: Option<SourceError>,
}

/// What became of a mark and commit.
pub(crate) enum Settled {
    /// The watermark holds `marked`, and `commitments` are committed.
    Committed { marked: Offsets, commitments: Vec<(Commitment, u64)> },
    /// The watermark holds it, but the commit failed.
    Uncommitted { marked: Offsets, error: SourceError },
    /// The backlog isn't what was believed.
    Rewind,
}

pub(crate) struct Errands {
    pub ports: Ports,
    pub controls: Arc<dyn Controls>,
    pub group: String,
    pub start: Start,
    pub clock: Clock,
    /// Whether what is skipped tears channels: a group of commands appends nothing.
    pub tears: bool,
}

impl Errands {
    /// Finds out where partitions go on, and makes it hold: identities are read before the committed offsets, break numbers
    /// raised (and heard of), the watermark stored, resolved positions committed, in this order, before anything is played.
    pub(crate) async fn resolve(&self, sought: Vec<Sought>) -> Result<Found, ErrandError> {
        let data_set = self.ports.watermarks.data_set().await?;
        let remembered = self.ports.watermarks.remembered(&self.group).await?;
        let (mut partitions, mut missing) = self.look(&sought, &remembered.offsets).await?;
        let is_truncated =
            |decision: &Decision| matches!(decision, Decision::Play(resume) if resume.skip == Some(Skip::Truncated));
        if partitions.iter().any(|(_, decision, _)| is_truncated(decision)) {
            tokio::time::sleep(SECOND_LOOK).await;
            (partitions, missing) = self.look(&sought, &remembered.offsets).await?;
        }
        let resumes = || {
            partitions.iter().filter_map(|(sought, decision, _)| match decision {
                Decision::Play(resume) => Some((&sought.at, resume)),
                Decision::NoStart => None,
            })
        };
        let mut skips = Vec::new();
        for (at, resume) in resumes() {
            if let Some(skip) = resume.skip {
                tracing::warn!(partition = %at, offset = resume.offset, skip = skip.as_str(), "records may have been skipped");
                skips.push(skip);
            }
        }
        if self.tears && skips.is_empty() {
            // What is marked may have been marked by a replica that skipped something: it had raised the number before, and lost
            // the partition. Nothing is appended with a lower one, or subscribers would be told too late.
            let control = self.ports.directory.control(&self.group).await?;
            self.ports.breaks.raise(&self.group, control.breaks);
        } else if self.tears {
            self.tear(&skips, &data_set, &remembered.life).await?;
        }
        let mut marked = Offsets::new();
        for (at, resume) in resumes() {
            let key = Mark::key(&at.topic, &resume.stamp.topic_id, resume.stamp.generation);
            marked.insert((key, at.partition), resume.offset);
        }
        if !marked.is_empty() {
            match self.ports.watermarks.mark(&self.group, &data_set, &Offsets::new(), &marked).await? {
                Marked::Stored => {}
                Marked::Forgotten => return Err(BacklogError::DataSetChanged.into()),
            }
        }
        let commitments: Vec<Commitment> = resumes()
            .filter(|(_, resume)| resume.commit_first)
            .map(|(at, resume)| Commitment {
                at: at.clone(),
                offset: resume.offset,
                metadata: resume.stamp.to_string(),
            })
            .collect();
        if !commitments.is_empty() {
            self.controls.commit(commitments).await?;
        }
        Ok(Found { data_set, marked, partitions, missing })
    }

    /// Raises the break number. All who find that one memory doesn't know the group have lost the same: what came before it.
    /// The first tear after that tells of it, so they share one; every other skip is somebody's own.
    async fn tear(&self, skips: &[Skip], data_set: &DataSet, life: &str) -> Result<(), ErrandError> {
        let shared = skips.iter().all(|skip| *skip == Skip::BacklogForgotten);
        let cause = shared.then(|| {
            // Without the primaries' addresses: replicas may reach one by several.
            let mut identities: Vec<_> = data_set.0.values().collect();
            identities.sort_unstable();
            let mut hasher = SipHasher13::new();
            (identities, life).hash(&mut hasher);
            format!("forgotten {:016x}", hasher.finish())
        });
        let known = self.ports.breaks.current().number(&self.group);
        let raised = self.ports.directory.raise_breaks(&self.group, known, cause.as_deref()).await?;
        self.ports.breaks.raise(&self.group, raised);
        tracing::warn!(
            group = self.group,
            breaks = raised,
            cause,
            "channels are told that records may have been skipped"
        );
        Ok(())
    }

    async fn look(
        &self,
        sought: &[Sought],
        remembered: &Offsets,
    ) -> Result<(Vec<(Sought, Decision, Survey)>, Option<SourceError>), ErrandError> {
        let (surveys, missing) = self.survey(sought).await?;
        let now = (self.clock)();
        let decided = surveys.into_iter().filter_map(|survey| {
            let sought = sought.iter().find(|sought| sought.at == survey.at)?;
            let marks = Mark::all_of(&sought.at, remembered);
            Some((sought.clone(), decide(&survey, &marks, sought.known, now), survey))
        });
        Ok((decided.collect(), missing))
    }

    /// What is known of the partitions. Where the brokers don't tell it of all together, each topic is asked about by itself:
    /// one that is forbidden, or gone, rests no other.
    async fn survey(&self, sought: &[Sought]) -> Result<(Vec<Survey>, Option<SourceError>), SourceError> {
        let partitions: Vec<TopicPartition> = sought.iter().map(|sought| sought.at.clone()).collect();
        let error = match self.controls.survey(&partitions, self.start).await {
            Ok(surveys) => return Ok((surveys, None)),
            Err(error) => error,
        };
        let mut topics = BTreeMap::<Arc<str>, Vec<TopicPartition>>::new();
        for at in partitions {
            topics.entry(at.topic.clone()).or_default().push(at);
        }
        if topics.len() == 1 {
            return Err(error);
        }
        let each = join_all(topics.values().map(|partitions| self.controls.survey(partitions, self.start))).await;
        let (mut surveys, mut missing) = (Vec::new(), None);
        for answer in each {
            match answer {
                Ok(found) => surveys.extend(found),
                Err(error) => missing = Some(error),
            }
        }
        if surveys.is_empty() { Err(error) } else { Ok((surveys, missing)) }
    }

    /// Stores the watermark, then commits what it covers.
    pub(crate) async fn settle(
        &self,
        data_set: DataSet,
        marked: Offsets,
        offsets: Offsets,
        commitments: Vec<(Commitment, u64)>,
    ) -> Result<Settled, ErrandError> {
        match self.ports.watermarks.mark(&self.group, &data_set, &marked, &offsets).await {
            Ok(Marked::Stored) => {}
            Ok(Marked::Forgotten) | Err(BacklogError::DataSetChanged) => return Ok(Settled::Rewind),
            Err(error) => return Err(error.into()),
        }
        if !commitments.is_empty() {
            let commit = commitments.iter().map(|(commitment, _)| commitment.clone()).collect();
            if let Err(error) = self.controls.commit(commit).await {
                return Ok(Settled::Uncommitted { marked: offsets, error });
            }
        }
        Ok(Settled::Committed { marked: offsets, commitments })
    }

    /// The identities of topics, or why one can't be had: each for itself.
    pub(crate) async fn identify(&self, topics: Vec<Arc<str>>) -> Vec<(Arc<str>, Result<String, SourceError>)> {
        let mut found = Vec::with_capacity(topics.len());
        for topic in topics {
            let id = self.controls.topic_id(&topic).await;
            found.push((topic, id));
        }
        found
    }
}
