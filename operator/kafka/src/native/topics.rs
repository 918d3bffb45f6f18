//! Topics: described, created, grown.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::CString;

use rdkafka::bindings as raw;
use rdkafka::error::RDKafkaErrorCode as Code;

use super::{Owned, TEXT, ask, c_string, check, check_error, of_another_kind, text};
use crate::cluster::Session;
use crate::error::Fault;
use crate::topics::{Creation, Partition, Topic};

/// By topic its own answer.
type Each<T> = BTreeMap<String, Result<T, Fault>>;

/// Describes topics in one request; `None` where there is none. Never creates one.
pub(crate) fn describe_topics(session: &Session, topics: &BTreeSet<String>) -> Result<Each<Option<Topic>>, Fault> {
    if topics.is_empty() {
        return Ok(Each::new());
    }
    let names = topics.iter().map(|topic| c_string(topic)).collect::<Result<Vec<CString>, Fault>>()?;
    let mut pointers: Vec<_> = names.iter().map(|name| name.as_ptr()).collect();
    // SAFETY: the library copies the names into the collection, which is freed after the request copied it.
    let collection = Owned(
        unsafe { raw::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len()) },
        raw::rd_kafka_TopicCollection_destroy,
    );
    ask(
        session,
        raw::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS,
        // SAFETY: see the parent module's head.
        |line| unsafe { raw::rd_kafka_DescribeTopics(line.client, collection.0, line.options, line.queue) },
        // SAFETY: the event lives for the call, and all that is read from it is copied.
        |event| unsafe {
            let result = raw::rd_kafka_event_DescribeTopics_result(event);
            if result.is_null() {
                return Err(of_another_kind());
            }
            let mut count = 0;
            let descriptions = raw::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
            let each = super::slice(descriptions.cast_const(), count).iter().map(|description| described(*description));
            Ok(each.collect())
        },
    )
}

/// # Safety
/// A description that lives for the call.
unsafe fn described(description: *const raw::rd_kafka_TopicDescription_t) -> (String, Result<Option<Topic>, Fault>) {
    // SAFETY: the caller's promise.
    unsafe {
        let name = text(raw::rd_kafka_TopicDescription_name(description));
        match check_error(raw::rd_kafka_TopicDescription_error(description)) {
            Err(Fault { code: Code::UnknownTopicOrPartition | Code::UnknownTopic, .. }) => return (name, Ok(None)),
            Err(fault) => return (name, Err(fault)),
            Ok(()) => {}
        }
        let mut count = 0;
        let partitions = raw::rd_kafka_TopicDescription_partitions(description, &raw mut count);
        let partitions = super::slice(partitions.cast_const(), count).iter().map(|partition| {
            let (mut replicas, mut in_sync) = (0, 0);
            raw::rd_kafka_TopicPartitionInfo_replicas(*partition, &raw mut replicas);
            raw::rd_kafka_TopicPartitionInfo_isr(*partition, &raw mut in_sync);
            let leader = raw::rd_kafka_TopicPartitionInfo_leader(*partition);
            Partition {
                leader: (!leader.is_null()).then(|| raw::rd_kafka_Node_id(leader)).filter(|id| *id >= 0),
                replicas,
                in_sync,
            }
        });
        (name, Ok(Some(Topic { partitions: partitions.collect() })))
    }
}

/// Creates a topic for each name.
pub(crate) fn create(session: &Session, topics: &BTreeMap<String, Creation>) -> Result<Each<()>, Fault> {
    if topics.is_empty() {
        return Ok(Each::new());
    }
    let mut all = Vec::with_capacity(topics.len());
    for (name, creation) in topics {
        let name = c_string(name)?;
        let replicas = creation.replication_factor.unwrap_or(-1);
        let mut said = [0; TEXT];
        // SAFETY: name and text outlive the call; what it gives is freed after the request copied it.
        let topic = unsafe {
            raw::rd_kafka_NewTopic_new(name.as_ptr(), creation.partitions, replicas, said.as_mut_ptr(), TEXT)
        };
        let topic = made(topic, raw::rd_kafka_NewTopic_destroy, &said)?;
        if creation.compacted {
            // SAFETY: the topic lives, and both texts are copied. It refuses nothing but a name that isn't there.
            unsafe { raw::rd_kafka_NewTopic_set_config(topic.0, c"cleanup.policy".as_ptr(), c"compact".as_ptr()) };
        }
        all.push(topic);
    }
    let mut pointers: Vec<_> = all.iter().map(|topic| topic.0).collect();
    ask(
        session,
        raw::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_CREATETOPICS,
        // SAFETY: see the parent module's head.
        |line| unsafe {
            let (topics, count) = (pointers.as_mut_ptr(), pointers.len());
            raw::rd_kafka_CreateTopics(line.client, topics, count, line.options, line.queue);
        },
        // SAFETY: the event lives for the call, and all that is read from it is copied.
        |event| unsafe {
            let result = raw::rd_kafka_event_CreateTopics_result(event);
            if result.is_null() {
                return Err(of_another_kind());
            }
            let mut count = 0;
            let topics = raw::rd_kafka_CreateTopics_result_topics(result, &raw mut count);
            Ok(each_of(super::slice(topics.cast_const(), count)))
        },
    )
}

/// Raises the number of partitions of each topic to this.
pub(crate) fn grow(session: &Session, topics: &BTreeMap<String, i32>) -> Result<Each<()>, Fault> {
    if topics.is_empty() {
        return Ok(Each::new());
    }
    let mut all = Vec::with_capacity(topics.len());
    for (name, partitions) in topics {
        let name = c_string(name)?;
        let count = usize::try_from(*partitions).map_err(|_| Fault::invalid("a negative number of partitions"))?;
        let mut said = [0; TEXT];
        // SAFETY: name and text outlive the call; what it gives is freed after the request copied it.
        let growth = unsafe { raw::rd_kafka_NewPartitions_new(name.as_ptr(), count, said.as_mut_ptr(), TEXT) };
        all.push(made(growth, raw::rd_kafka_NewPartitions_destroy, &said)?);
    }
    let mut pointers: Vec<_> = all.iter().map(|growth| growth.0).collect();
    ask(
        session,
        raw::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_CREATEPARTITIONS,
        // SAFETY: see the parent module's head.
        |line| unsafe {
            let (topics, count) = (pointers.as_mut_ptr(), pointers.len());
            raw::rd_kafka_CreatePartitions(line.client, topics, count, line.options, line.queue);
        },
        // SAFETY: the event lives for the call, and all that is read from it is copied.
        |event| unsafe {
            let result = raw::rd_kafka_event_CreatePartitions_result(event);
            if result.is_null() {
                return Err(of_another_kind());
            }
            let mut count = 0;
            let topics = raw::rd_kafka_CreatePartitions_result_topics(result, &raw mut count);
            Ok(each_of(super::slice(topics.cast_const(), count)))
        },
    )
}

fn made<T>(
    pointer: *mut T,
    destroy: unsafe extern "C" fn(*mut T),
    said: &[std::ffi::c_char],
) -> Result<Owned<T>, Fault> {
    if pointer.is_null() {
        // SAFETY: the buffer was zero before, and the library writes less than its length and a NUL.
        return Err(Fault::invalid(&unsafe { text(said.as_ptr()) }));
    }
    Ok(Owned(pointer, destroy))
}

/// # Safety
/// Results that live for the call.
unsafe fn each_of(topics: &[*const raw::rd_kafka_topic_result_t]) -> Each<()> {
    let each = topics.iter().map(|topic| {
        // SAFETY: the caller's promise.
        unsafe {
            let said = raw::rd_kafka_topic_result_error_string(*topic);
            (text(raw::rd_kafka_topic_result_name(*topic)), check(raw::rd_kafka_topic_result_error(*topic), said))
        }
    });
    each.collect()
}
