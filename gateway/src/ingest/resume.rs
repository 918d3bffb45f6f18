//! Where a partition goes on: every case in one pure function (design, section 3, rules "Repeats", "Watermark" and
//! "Kafka's own gaps").

use events_gateway_core::Timestamp;
use events_gateway_core::source::Generation;

use super::stamp::Stamp;
use crate::backlog::Offsets;
use crate::source::{Survey, TopicPartition};

/// What every primary remembers of a partition in one of its lives: this offset was about to be committed.
///
/// The watermark's key names the life, so that it can't be taken for another's, and so that a commit that was lost goes on
/// in the generation that it had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The topic's identity.
    pub topic_id: String,
    /// The generation in which it was stored.
    pub generation: Generation,
    /// The offset of the next record.
    pub offset: u64,
}

impl Mark {
    /// The name under which the watermark holds marks of this life: `topic;TOPIC-ID;GENERATION` (no topic's name and no
    /// topic id holds a `;`).
    #[must_use]
    pub fn key(topic: &str, topic_id: &str, generation: Generation) -> String {
        format!("{topic};{topic_id};{}", generation.0)
    }

    /// The marks of one partition among what is remembered of its group.
    #[must_use]
    pub fn all_of(at: &TopicPartition, remembered: &Offsets) -> Vec<Self> {
        let of_topic = |key: &str, offset: u64| {
            let mut parts = key.split(';');
            (parts.next()? == &*at.topic).then_some(())?;
            let topic_id = parts.next()?.to_owned();
            Some(Self { topic_id, generation: Generation(parts.next()?.parse().ok()?), offset })
        };
        let same = remembered.iter().filter(|((_, partition), _)| *partition == at.partition);
        same.filter_map(|((key, _), offset)| of_topic(key, *offset)).collect()
    }
}

/// Why records may have been skipped, or can't be told from records that were. Each raises the break number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Skip {
    /// Retention removed records that had not been appended yet.
    Retention,
    /// The log ends before what was read already.
    Truncated,
    /// The topic was created anew; what its old life still held is unknown.
    Recreated,
    /// Offsets were committed, but the backlog remembers nothing of the group.
    BacklogForgotten,
    /// The offset was set by hand, to after what had been read: whoever did it wants that, and subscribers lose it all the same.
    PassedOver,
}

impl Skip {
    /// A stable name, for metrics and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Retention => "retention",
            Self::Truncated => "truncated",
            Self::Recreated => "recreated",
            Self::BacklogForgotten => "backlog-forgotten",
            Self::PassedOver => "passed-over",
        }
    }
}

/// Where and how to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resume {
    /// The first record to read.
    pub offset: u64,
    /// What is committed with it from now on.
    pub stamp: Stamp,
    /// Has to be committed before the first record is handled.
    pub commit_first: bool,
    /// Raise the break number before going on.
    pub skip: Option<Skip>,
}

/// What to do with an assigned partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Go on.
    Play(Resume),
    /// There is no committed offset, and the configuration says that there has to be one.
    NoStart,
}

/// Decides from what the brokers (`survey`) and the backlog (`marks`) know. `known` is the highest generation that this
/// consumer has used for the partition, 0 for none.
#[must_use]
pub fn decide(survey: &Survey, marks: &[Mark], known: Generation, now: Timestamp) -> Decision {
    let committed = survey.committed.as_ref().map(|committed| (committed.offset, Stamp::parse(&committed.metadata)));
    let siblings: Vec<Stamp> = survey.siblings.iter().filter_map(|text| Stamp::parse(text)).collect();
    let stamped = committed.iter().filter_map(|(_, stamp)| stamp.as_ref()).map(|stamp| stamp.generation);
    let highest = stamped.chain(marks.iter().map(|mark| mark.generation)).chain([known]).max().unwrap_or_default();
    let next = Generation(now.0.max(highest.0 + 1));
    let is_ours = |stamp: &Stamp| stamp.topic_id == survey.topic_id && stamp.cluster_id == survey.cluster_id;
    let begin = |offset: u64, generation: Generation, skip: Option<Skip>| {
        let stamp = Stamp {
            generation,
            partitions: survey.partitions,
            topic_id: survey.topic_id.clone(),
            cluster_id: survey.cluster_id.clone(),
        };
        Decision::Play(within(survey, Resume { offset, stamp, commit_first: true, skip }, next))
    };
    let recreated = || begin(survey.log_start, next, Some(Skip::Recreated));
    match committed {
        Some((offset, Some(stamp))) if is_ours(&stamp) => {
            let life = |mark: &&Mark| mark.topic_id == stamp.topic_id && mark.generation == stamp.generation;
            let (offset, skip) = match marks.iter().find(life) {
                Some(mark) => (offset.min(mark.offset), None),
                None => (offset, Some(Skip::BacklogForgotten)),
            };
            Decision::Play(within(survey, Resume { offset, stamp, commit_first: false, skip }, next))
        }
        // The offset means nothing in another topic or cluster: all that is there is new.
        Some((_, Some(_))) => recreated(),
        // Set by hand. The offset is what somebody wants; the new generation makes records read again count as new.
        Some((offset, None)) => {
            let read = marks.iter().filter(|mark| mark.topic_id == survey.topic_id).max_by_key(|mark| mark.generation);
            begin(offset, next, read.filter(|read| read.offset < offset).map(|_| Skip::PassedOver))
        }
        None => {
            let same = marks.iter().filter(|mark| mark.topic_id == survey.topic_id);
            if let Some(mark) = same.max_by_key(|mark| mark.generation) {
                return begin(mark.offset, mark.generation, None);
            }
            if !marks.is_empty() || siblings.iter().any(|stamp| !is_ours(stamp)) {
                return recreated();
            }
            let born = siblings.iter().map(|stamp| stamp.partitions).min();
            if born.is_some_and(|born| survey.at.partition >= born) {
                return begin(survey.log_start, next, None);
            }
            survey.start.map_or(Decision::NoStart, |start| begin(start, next, None))
        }
    }
}

/// Keeps a position inside the log: below its start the same generation goes on at the start; above its end a new one
/// begins at the end.
fn within(survey: &Survey, mut resume: Resume, next: Generation) -> Resume {
    if resume.offset > survey.log_end {
        // Also above the end in the life that wrote it, unless the generation is new anyway.
        resume.stamp.generation = next;
        resume.offset = survey.log_end;
        resume.commit_first = true;
        resume.skip = Some(Skip::Truncated);
    } else if resume.offset < survey.log_start {
        resume.offset = survey.log_start;
        resume.skip = Some(resume.skip.unwrap_or(Skip::Retention));
    }
    resume
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Committed, TopicPartition};
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp(1_000_000);
    const BEFORE: Generation = Generation(500_000);

    fn survey() -> Survey {
        Survey {
            at: TopicPartition::new("orders", 1),
            topic_id: "topic".into(),
            cluster_id: "cluster".into(),
            partitions: 4,
            committed: None,
            siblings: Vec::new(),
            log_start: 100,
            log_end: 200,
            start: Some(200),
        }
    }

    fn stamp(topic_id: &str, cluster_id: &str) -> Stamp {
        Stamp { generation: BEFORE, partitions: 4, topic_id: topic_id.into(), cluster_id: cluster_id.into() }
    }

    fn committed(offset: u64, metadata: &str) -> Survey {
        Survey { committed: Some(Committed { offset, metadata: metadata.into() }), ..survey() }
    }

    fn ours(offset: u64) -> Survey {
        committed(offset, &stamp("topic", "cluster").to_string())
    }

    fn mark(topic_id: &str, generation: u64, offset: u64) -> Mark {
        Mark { topic_id: topic_id.into(), generation: Generation(generation), offset }
    }

    fn marked(offset: u64) -> Vec<Mark> {
        vec![mark("topic", OLD - 1, 10), mark("topic", OLD, offset), mark("other", OLD + 1, 20)]
    }

    /// (offset, generation, commit first, skip)
    fn played(survey: &Survey, marks: &[Mark]) -> (u64, u64, bool, Option<Skip>) {
        match decide(survey, marks, Generation(0), NOW) {
            Decision::Play(resume) => {
                assert_eq!((&*resume.stamp.topic_id, &*resume.stamp.cluster_id), ("topic", "cluster"));
                (resume.offset, resume.stamp.generation.0, resume.commit_first, resume.skip)
            }
            Decision::NoStart => panic!("no start"),
        }
    }

    const OLD: u64 = BEFORE.0;
    const NEW: u64 = NOW.0;

    #[test]
    fn a_commit_of_ours_goes_on_in_its_generation_at_the_lower_of_commit_and_watermark() {
        assert_eq!(played(&ours(150), &marked(150)), (150, OLD, false, None));
        assert_eq!(played(&ours(150), &marked(160)), (150, OLD, false, None), "marked, not committed");
        assert_eq!(played(&ours(150), &marked(120)), (120, OLD, false, None), "the watermark's tail was lost");
        assert_eq!(played(&ours(200), &marked(200)), (200, OLD, false, None), "at the end");
    }

    #[test]
    fn a_backlog_that_forgot_the_group_tears_the_epochs() {
        let forgotten = Some(Skip::BacklogForgotten);
        assert_eq!(played(&ours(150), &[]), (150, OLD, false, forgotten));
        assert_eq!(played(&ours(150), &[mark("other", OLD, 150)]), (150, OLD, false, forgotten));
        assert_eq!(
            played(&ours(150), &[mark("topic", OLD - 1, 150)]),
            (150, OLD, false, forgotten),
            "of an earlier life"
        );
        assert_eq!(played(&ours(150), &marked(90)), (100, OLD, false, Some(Skip::Retention)), "Kafka no longer has it");
    }

    #[test]
    fn below_the_start_goes_on_there_and_above_the_end_a_generation_begins() {
        assert_eq!(played(&ours(50), &marked(50)), (100, OLD, false, Some(Skip::Retention)));
        assert_eq!(played(&ours(201), &marked(201)), (200, NEW, true, Some(Skip::Truncated)));
        assert_eq!(played(&committed(50, ""), &[]), (100, NEW, true, Some(Skip::Retention)));
    }

    #[test]
    fn an_offset_set_by_hand_begins_a_generation_there() {
        assert_eq!(played(&committed(120, ""), &marked(180)), (120, NEW, true, None));
        assert_eq!(played(&committed(120, ""), &marked(120)), (120, NEW, true, None));
        assert_eq!(played(&committed(180, ""), &marked(120)), (180, NEW, true, Some(Skip::PassedOver)));
        let replayed = [mark("topic", OLD - 1, 180), mark("topic", OLD, 120)];
        assert_eq!(played(&committed(150, ""), &replayed), (150, NEW, true, Some(Skip::PassedOver)), "after a replay");
        assert_eq!(played(&committed(120, "someone's note"), &[]), (120, NEW, true, None));
        let (_, generation, ..) = played(&committed(120, ""), &[mark("topic", NEW + 7, 180)]);
        assert_eq!(generation, NEW + 8, "above every known one, whatever the clock says");
    }

    #[test]
    fn a_topic_created_anew_is_read_from_its_start() {
        for text in [stamp("other", "cluster"), stamp("topic", "other")] {
            let known = committed(150, &text.to_string());
            assert_eq!(played(&known, &marked(150)), (100, NEW, true, Some(Skip::Recreated)));
        }
        let gone = [mark("other", OLD, 150)];
        assert_eq!(played(&survey(), &gone), (100, NEW, true, Some(Skip::Recreated)), "its commits went with it");
    }

    #[test]
    fn a_lost_commit_resumes_at_the_watermark_in_its_generation() {
        assert_eq!(played(&survey(), &marked(130)), (130, OLD, true, None));
    }

    #[test]
    fn a_first_start_is_the_configured_one_and_is_committed_first() {
        assert_eq!(played(&survey(), &[]), (200, NEW, true, None));
        let refusing = Survey { start: None, ..survey() };
        assert_eq!(decide(&refusing, &[], Generation(0), NOW), Decision::NoStart);
        assert_eq!(decide(&Survey { start: None, ..ours(150) }, &marked(150), Generation(0), NOW), {
            Decision::Play(Resume { offset: 150, stamp: stamp("topic", "cluster"), commit_first: false, skip: None })
        });
    }

    #[test]
    fn a_partition_added_later_begins_at_its_beginning() {
        let born_with = |partitions| stamp("topic", "cluster").to_string().replace(";4;", &format!(";{partitions};"));
        let later = Survey { siblings: vec![born_with(1), born_with(4)], ..survey() };
        assert_eq!(played(&later, &[]), (100, NEW, true, None));
        let racing = Survey { siblings: vec![born_with(4)], ..survey() };
        assert_eq!(played(&racing, &[]), (200, NEW, true, None), "it was there when the group began");
        let foreign = Survey { siblings: vec!["by hand".into()], ..survey() };
        assert_eq!(played(&foreign, &[]), (200, NEW, true, None));
    }

    #[test]
    fn marks_are_found_by_topic_and_partition() {
        let mut remembered = Offsets::new();
        remembered.insert((Mark::key("orders", "topic", Generation(3)), 1), 9);
        remembered.insert((Mark::key("orders", "topic", Generation(3)), 2), 8);
        remembered.insert((Mark::key("orders.eu", "topic", Generation(3)), 1), 7);
        remembered.insert(("orders".into(), 1), 6);
        assert_eq!(Mark::all_of(&TopicPartition::new("orders", 1), &remembered), [mark("topic", 3, 9)]);
    }

    proptest! {
        #[test]
        fn generations_only_grow_and_positions_lie_in_the_log(
            offset in proptest::option::of(0u64..400),
            kind in 0..3,
            marks in proptest::collection::vec((any::<bool>(), 0u64..2_000_000, 0u64..400), 0..3),
            known in 0u64..2_000_000,
            old in 0u64..2_000_000,
        ) {
            let own = Stamp { generation: Generation(old), ..stamp("topic", if kind == 1 { "other" } else { "cluster" }) };
            let metadata = if kind == 2 { String::new() } else { own.to_string() };
            let survey = Survey { committed: offset.map(|offset| Committed { offset, metadata }), ..survey() };
            let marks: Vec<Mark> =
                marks.into_iter().map(|(same, life, offset)| mark(if same { "topic" } else { "other" }, life, offset)).collect();
            let Decision::Play(resume) = decide(&survey, &marks, Generation(known), NOW) else { panic!("no start") };
            prop_assert!((survey.log_start..=survey.log_end).contains(&resume.offset));
            let life = marks.iter().any(|mark| mark.topic_id == "topic" && mark.generation == resume.stamp.generation);
            if !resume.commit_first || (offset.is_none() && life) {
                prop_assert!(resume.stamp.generation == own.generation || life, "goes on in a life that is known");
            } else {
                prop_assert!(resume.stamp.generation > Generation(known));
                prop_assert!(marks.iter().all(|mark| resume.stamp.generation > mark.generation));
                prop_assert!(offset.is_none() || kind == 2 || resume.stamp.generation > own.generation);
                prop_assert!(resume.stamp.generation.0 >= NOW.0);
            }
        }
    }
}
