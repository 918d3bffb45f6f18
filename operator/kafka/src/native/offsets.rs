//! Offsets of logs and of groups.

use std::collections::BTreeMap;

use rdkafka::bindings as raw;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::{Owned, ask, ask_coordinator, c_string, check, check_error, of_another_kind, text};
use crate::cluster::Session;
use crate::error::Fault;

/// Topic and partition.
type At = (String, i32);
/// Of each partition its own answer.
type Each<T> = BTreeMap<At, Result<T, Fault>>;

/// Which offset of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Edge {
    /// Of the oldest record.
    Start,
    /// After the newest record, open transactions included.
    End,
    /// Of the first record that isn't older than this, ms since 1970.
    Time(i64),
}

/// What a group has committed for a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Committed {
    pub(crate) offset: i64,
    /// With text beside it, as the gateway does and hands at the brokers don't.
    pub(crate) has_metadata: bool,
}

fn list_of<'a>(partitions: impl IntoIterator<Item = (&'a At, Offset)>) -> Result<TopicPartitionList, Fault> {
    let mut list = TopicPartitionList::new();
    for ((topic, partition), offset) in partitions {
        // The wrapper panics on such names.
        drop(c_string(topic)?);
        let added = list.add_partition_offset(topic, *partition, offset);
        added.map_err(|error| Fault::invalid(&error.to_string()))?;
    }
    Ok(list)
}

/// The elements of a list that librdkafka lends.
///
/// # Safety
/// Null, or a list that lives for `'a`.
unsafe fn elements<'a>(list: *const raw::rd_kafka_topic_partition_list_t) -> &'a [raw::rd_kafka_topic_partition_t] {
    if list.is_null() {
        return &[];
    }
    // SAFETY: the caller's promise; `cnt` elements stand at `elems`.
    unsafe { super::slice((*list).elems.cast_const(), usize::try_from((*list).cnt).unwrap_or(0)) }
}

/// # Safety
/// An element of a live list.
unsafe fn place(element: &raw::rd_kafka_topic_partition_t) -> At {
    // SAFETY: the caller's promise: the name ends in NUL.
    (unsafe { text(element.topic) }, element.partition)
}

/// One offset of each log, in one request to each leader; `None` where no record is young enough.
pub(crate) fn list_offsets(session: &Session, partitions: &[At], edge: Edge) -> Result<Each<Option<i64>>, Fault> {
    if partitions.is_empty() {
        return Ok(Each::new());
    }
    let of = match edge {
        Edge::Start => Offset::Beginning,
        Edge::End => Offset::End,
        Edge::Time(time) => Offset::Offset(time.max(0)),
    };
    let list = list_of(partitions.iter().map(|at| (at, of)))?;
    ask(
        session,
        raw::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_LISTOFFSETS,
        // SAFETY: see the parent module's head; the list lives until the request was made, which copies it.
        |line| unsafe { raw::rd_kafka_ListOffsets(line.client, list.ptr(), line.options, line.queue) },
        // SAFETY: the event lives for the call, and all that is read from it is copied.
        |event| unsafe {
            let result = raw::rd_kafka_event_ListOffsets_result(event);
            if result.is_null() {
                return Err(of_another_kind());
            }
            let mut count = 0;
            let infos = raw::rd_kafka_ListOffsets_result_infos(result, &raw mut count);
            let each = super::slice(infos.cast_const(), count).iter().map(|info| {
                let element = &*raw::rd_kafka_ListOffsetsResultInfo_topic_partition(*info);
                let offset =
                    check(element.err, std::ptr::null()).map(|()| (element.offset >= 0).then_some(element.offset));
                (place(element), offset)
            });
            let each: Each<_> = each.collect();
            super::unless_passing(each.values())?;
            Ok(each)
        },
    )
}

/// What a group has committed, `None` where nothing. A group that doesn't exist has committed nothing.
pub(crate) fn committed(session: &Session, group: &str, partitions: &[At]) -> Result<Each<Option<Committed>>, Fault> {
    if partitions.is_empty() {
        return Ok(Each::new());
    }
    let list = list_of(partitions.iter().map(|at| (at, Offset::Invalid)))?;
    let name = c_string(group)?;
    // SAFETY: the library copies name and list into the object, which is freed after the request copied it.
    let wanted = Owned(
        unsafe { raw::rd_kafka_ListConsumerGroupOffsets_new(name.as_ptr(), list.ptr()) },
        raw::rd_kafka_ListConsumerGroupOffsets_destroy,
    );
    ask_coordinator(
        session,
        raw::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS,
        // SAFETY: see the parent module's head.
        |line| unsafe {
            let mut groups = [wanted.0];
            raw::rd_kafka_ListConsumerGroupOffsets(line.client, groups.as_mut_ptr(), 1, line.options, line.queue);
        },
        // SAFETY: the event lives for the call, and all that is read from it is copied.
        |event| unsafe {
            let result = raw::rd_kafka_event_ListConsumerGroupOffsets_result(event);
            if result.is_null() {
                return Err(of_another_kind());
            }
            let mut count = 0;
            let groups = raw::rd_kafka_ListConsumerGroupOffsets_result_groups(result, &raw mut count);
            each_of(super::slice(groups.cast_const(), count), |element| {
                let offset = element.offset;
                let has_metadata = !element.metadata.is_null() && element.metadata_size > 0;
                (offset >= 0).then_some(Committed { offset, has_metadata })
            })
        },
    )
}

/// Sets a group's offsets, without metadata. The brokers refuse it, partition by partition, while the group has members.
pub(crate) fn alter(session: &Session, group: &str, offsets: &BTreeMap<At, i64>) -> Result<Each<()>, Fault> {
    if offsets.is_empty() {
        return Ok(Each::new());
    }
    let list = list_of(offsets.iter().map(|(at, offset)| (at, Offset::Offset(*offset))))?;
    let name = c_string(group)?;
    // SAFETY: the library copies name and list into the object, which is freed after the request copied it.
    let wanted = Owned(
        unsafe { raw::rd_kafka_AlterConsumerGroupOffsets_new(name.as_ptr(), list.ptr()) },
        raw::rd_kafka_AlterConsumerGroupOffsets_destroy,
    );
    ask_coordinator(
        session,
        raw::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_ALTERCONSUMERGROUPOFFSETS,
        // SAFETY: see the parent module's head.
        |line| unsafe {
            let mut groups = [wanted.0];
            raw::rd_kafka_AlterConsumerGroupOffsets(line.client, groups.as_mut_ptr(), 1, line.options, line.queue);
        },
        // SAFETY: the event lives for the call, and all that is read from it is copied.
        |event| unsafe {
            let result = raw::rd_kafka_event_AlterConsumerGroupOffsets_result(event);
            if result.is_null() {
                return Err(of_another_kind());
            }
            let mut count = 0;
            let groups = raw::rd_kafka_AlterConsumerGroupOffsets_result_groups(result, &raw mut count);
            each_of(super::slice(groups.cast_const(), count), |_| ())
        },
    )
}

/// The partitions of the one group in a result.
///
/// # Safety
/// Results that live for the call.
unsafe fn each_of<T>(
    groups: &[*const raw::rd_kafka_group_result_t],
    read: impl Fn(&raw::rd_kafka_topic_partition_t) -> T,
) -> Result<Each<T>, Fault> {
    let group = *groups.first().ok_or_else(of_another_kind)?;
    // SAFETY: the caller's promise.
    unsafe {
        check_error(raw::rd_kafka_group_result_error(group))?;
        let each = elements(raw::rd_kafka_group_result_partitions(group))
            .iter()
            .map(|element| (place(element), check(element.err, std::ptr::null()).map(|()| read(element))));
        let each: Each<_> = each.collect();
        super::unless_passing(each.values())?;
        Ok(each)
    }
}
