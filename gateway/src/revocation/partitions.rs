//! How far the partitions of the topic were read.

use std::collections::BTreeMap;

/// Where each partition's log begins and ends.
pub(super) type Ends = BTreeMap<i32, (u64, u64)>;

/// The offset of the next record of each partition, as far as one was read.
pub(super) type Positions = BTreeMap<i32, u64>;

/// Whether all was read that stood in the topic when it was asked where it ends. A log without records needs no reading.
pub(super) fn reach(positions: &Positions, ends: &Ends) -> bool {
    ends.iter().all(|(partition, (start, end))| {
        start >= end || positions.get(partition).is_some_and(|position| position >= end)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_was_read_once_every_partition_with_records_was_read_to_its_end() {
        let ends = Ends::from([(0, (0, 5)), (1, (7, 7)), (2, (0, 0))]);
        assert!(!reach(&Positions::new(), &ends));
        assert!(!reach(&Positions::from([(0, 4)]), &ends));
        assert!(reach(&Positions::from([(0, 5)]), &ends));
        assert!(reach(&Positions::from([(0, 6), (1, 3)]), &ends), "what came since counts later");
    }
}
