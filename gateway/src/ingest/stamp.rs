//! The text that stands beside every offset which the gateway commits.

use events_gateway_core::source::Generation;

/// What a commit says of the life of its partition. Written as `egw1;GENERATION;PARTITIONS;TOPIC-ID;CLUSTER-ID`; anything
/// else beside an offset means that somebody else has set it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// The life of the partition that the offset belongs to.
    pub generation: Generation,
    /// How many partitions the topic had when the group first resolved a start position for this one. Partitions above
    /// the lowest such number were added later and begin at their beginning.
    pub partitions: i32,
    /// The topic's identity.
    pub topic_id: String,
    /// The cluster's identity.
    pub cluster_id: String,
}

impl Stamp {
    /// Reads back what [`std::fmt::Display`] wrote; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(5, ';');
        if parts.next()? != "egw1" {
            return None;
        }
        let generation = Generation(parts.next()?.parse().ok().filter(|&value| value < 1 << 53)?);
        let partitions = parts.next()?.parse().ok()?;
        let topic_id = parts.next()?.to_owned();
        let cluster_id = parts.next()?.to_owned();
        Some(Self { generation, partitions, topic_id, cluster_id })
    }
}

impl std::fmt::Display for Stamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "egw1;{};{};{};{}", self.generation.0, self.partitions, self.topic_id, self.cluster_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_stamp_reads_back_as_written(
            generation in 0u64..1 << 53, partitions in any::<i32>(), topic_id in "[A-Za-z0-9_-]{0,22}", cluster_id in ".{0,30}",
        ) {
            let stamp = Stamp { generation: Generation(generation), partitions, topic_id, cluster_id };
            prop_assert_eq!(Stamp::parse(&stamp.to_string()), Some(stamp));
        }

        #[test]
        fn any_other_text_is_no_stamp(text in "[^e].*") {
            prop_assert_eq!(Stamp::parse(&text), None);
        }
    }

    #[test]
    fn a_later_format_or_a_number_too_large_is_no_stamp() {
        for text in ["", "egw1", "egw2;1;1;a;b", "egw1;x;1;a;b", "egw1;9007199254740992;1;a;b", "egw1;1;1;a"] {
            assert_eq!(Stamp::parse(text), None, "{text}");
        }
    }
}
