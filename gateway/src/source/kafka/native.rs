//! What the client library can and its Rust wrapper doesn't offer: identities of topic and cluster, raw commit metadata, and
//! the log's end as the last fetch told it.
//!
//! **Why this is sound.** Every function borrows a live client (`&BaseConsumer`, `&TopicPartitionList`), whose handle librdkafka
//! guarantees to be usable from any thread (rdkafka.h, "thread-safety"). Whatever librdkafka allocates for us is freed here
//! exactly once, by a guard, by the function that rdkafka.h names; whatever it lends (descriptions, ids, strings inside an
//! event) is copied before the guard of its owner drops. Lengths and counts are those that librdkafka reports with the
//! pointer, and a null pointer is never followed.
#![allow(unsafe_code)]

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::time::Duration;

use rdkafka::bindings as raw;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::message::BorrowedMessage;
use rdkafka::topic_partition_list::TopicPartitionList;
use smallvec::SmallVec;

const NO_ERROR: raw::rd_kafka_resp_err_t = raw::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR;

/// Frees what librdkafka gave, with its own function.
struct Owned<T>(*mut T, unsafe extern "C" fn(*mut T));

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: the pointer came from librdkafka with this destructor, and nothing else frees it.
            unsafe { (self.1)(self.0) }
        }
    }
}

fn millis(timeout: Duration) -> i32 {
    i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX)
}

/// An answer to an admin request; dropped in this order, as they were made in the other one.
struct Answer {
    event: Owned<raw::rd_kafka_event_t>,
    _queue: Owned<raw::rd_kafka_queue_t>,
    _options: Owned<raw::rd_kafka_AdminOptions_t>,
}

/// Sends an admin request and waits for its answer, for at most `timeout` and a little.
///
/// # Safety
/// `client` is live, and `send` makes the request of this operation.
unsafe fn ask(
    client: *mut raw::rd_kafka_t,
    operation: raw::rd_kafka_admin_op_t,
    timeout: Duration,
    send: impl FnOnce(*const raw::rd_kafka_AdminOptions_t, *mut raw::rd_kafka_queue_t),
) -> Result<Answer, String> {
    // SAFETY: the caller's promise; `text` outlives the call that may write to it.
    unsafe {
        let options = Owned(raw::rd_kafka_AdminOptions_new(client, operation), raw::rd_kafka_AdminOptions_destroy);
        let mut text = [0; 256];
        raw::rd_kafka_AdminOptions_set_request_timeout(options.0, millis(timeout), text.as_mut_ptr(), text.len());
        let queue = Owned(raw::rd_kafka_queue_new(client), raw::rd_kafka_queue_destroy);
        send(options.0, queue.0);
        let wait = millis(timeout).saturating_add(500);
        let event = Owned(raw::rd_kafka_queue_poll(queue.0, wait), raw::rd_kafka_event_destroy);
        if event.0.is_null() {
            return Err("no answer".into());
        }
        succeeded(raw::rd_kafka_event_error(event.0))?;
        Ok(Answer { event, _queue: queue, _options: options })
    }
}

/// What a code says, if it is an error.
fn succeeded(code: raw::rd_kafka_resp_err_t) -> Result<(), String> {
    if code == NO_ERROR {
        return Ok(());
    }
    // SAFETY: librdkafka answers a static text for every code.
    Err(unsafe { CStr::from_ptr(raw::rd_kafka_err2str(code)) }.to_string_lossy().into_owned())
}

/// The cluster's id; `None` if no broker tells it within `timeout` (all that the client library speaks to have one).
pub(super) fn cluster_id<C: ConsumerContext>(consumer: &BaseConsumer<C>, timeout: Duration) -> Option<String> {
    let client = consumer.client().native_ptr();
    // SAFETY: a live client; the string is ours to free by rd_kafka_mem_free (rdkafka.h, rd_kafka_clusterid), which for
    // strings is the C allocator's free.
    unsafe {
        let text = raw::rd_kafka_clusterid(client, millis(timeout));
        if text.is_null() {
            return None;
        }
        let id = CStr::from_ptr(text).to_string_lossy().into_owned();
        raw::rd_kafka_mem_free(client, text.cast());
        Some(id)
    }
}

/// A topic's id as 32 hexadecimal digits; empty where the brokers know none (before Kafka 2.8). Blocks for at most
/// `timeout` and a little.
pub(super) fn topic_id<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
    timeout: Duration,
) -> Result<String, String> {
    let client = consumer.client().native_ptr();
    let name = CString::new(topic).map_err(|_| "a topic's name holds NUL".to_owned())?;
    // SAFETY: see the module's head. `names` lives until the request was made, which copies it.
    unsafe {
        let mut names = [name.as_ptr()];
        let topics = Owned(
            raw::rd_kafka_TopicCollection_of_topic_names(names.as_mut_ptr(), 1),
            raw::rd_kafka_TopicCollection_destroy,
        );
        let operation = raw::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS;
        let answer = ask(client, operation, timeout, |options, queue| {
            raw::rd_kafka_DescribeTopics(client, topics.0, options, queue);
        })?;
        let result = raw::rd_kafka_event_DescribeTopics_result(answer.event.0);
        if result.is_null() {
            return Err("an answer of another kind".into());
        }
        let mut count = 0;
        let descriptions = raw::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
        if descriptions.is_null() || count == 0 {
            return Err("no such topic".into());
        }
        let description = *descriptions;
        succeeded(raw::rd_kafka_error_code(raw::rd_kafka_TopicDescription_error(description)))?;
        let id = raw::rd_kafka_TopicDescription_topic_id(description);
        if id.is_null() {
            return Ok(String::new());
        }
        let high = raw::rd_kafka_Uuid_most_significant_bits(id) as u64;
        let low = raw::rd_kafka_Uuid_least_significant_bits(id) as u64;
        Ok(if high == 0 && low == 0 { String::new() } else { format!("{high:016x}{low:016x}") })
    }
}

/// A topic's settings by name, those that the brokers tell. Blocks for at most `timeout` and a little.
pub(crate) fn topic_settings<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
    timeout: Duration,
) -> Result<BTreeMap<String, String>, String> {
    let client = consumer.client().native_ptr();
    let name = CString::new(topic).map_err(|_| "a topic's name holds NUL".to_owned())?;
    // SAFETY: see the module's head. `name` lives until the resource was made, which copies it; the request copies the resource.
    unsafe {
        let resource = Owned(
            raw::rd_kafka_ConfigResource_new(raw::rd_kafka_ResourceType_t::RD_KAFKA_RESOURCE_TOPIC, name.as_ptr()),
            raw::rd_kafka_ConfigResource_destroy,
        );
        if resource.0.is_null() {
            return Err("a topic has a name".into());
        }
        let mut resources = [resource.0];
        let operation = raw::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS;
        let answer = ask(client, operation, timeout, |options, queue| {
            raw::rd_kafka_DescribeConfigs(client, resources.as_mut_ptr(), 1, options, queue);
        })?;
        let result = raw::rd_kafka_event_DescribeConfigs_result(answer.event.0);
        if result.is_null() {
            return Err("an answer of another kind".into());
        }
        let mut count = 0;
        let described = raw::rd_kafka_DescribeConfigs_result_resources(result, &raw mut count);
        if described.is_null() || count == 0 {
            return Err("no such topic".into());
        }
        let described = *described;
        succeeded(raw::rd_kafka_ConfigResource_error(described))?;
        let entries = raw::rd_kafka_ConfigResource_configs(described, &raw mut count);
        let mut settings = BTreeMap::new();
        for index in 0..if entries.is_null() { 0 } else { count } {
            let entry = *entries.add(index);
            let (name, value) = (raw::rd_kafka_ConfigEntry_name(entry), raw::rd_kafka_ConfigEntry_value(entry));
            if !name.is_null() && !value.is_null() {
                let text = |text| CStr::from_ptr(text).to_string_lossy().into_owned();
                settings.insert(text(name), text(value));
            }
        }
        Ok(settings)
    }
}

/// The text beside each offset of a list, in its order; what isn't UTF-8 reads as empty. (The wrapper's own accessor panics on
/// such bytes, and anybody who may commit for the group could write them.)
pub(super) fn metadata(list: &TopicPartitionList) -> Vec<String> {
    // SAFETY: the list is borrowed; `cnt` elements stand at `elems`, each with `metadata_size` bytes at `metadata` unless
    // that is null.
    unsafe {
        let list = &*list.ptr();
        let count = usize::try_from(list.cnt).unwrap_or(0);
        let text = |index| {
            let element = &*list.elems.add(index);
            if element.metadata.is_null() || element.metadata_size == 0 {
                return String::new();
            }
            let bytes = std::slice::from_raw_parts(element.metadata.cast::<u8>(), element.metadata_size);
            std::str::from_utf8(bytes).unwrap_or_default().to_owned()
        };
        (0..count).map(text).collect()
    }
}

/// A message's headers, in their order. What of a name isn't UTF-8 is replaced. (The wrapper's own accessor panics on such
/// names, and anybody who may produce could write them.)
pub(super) fn headers<'a>(message: &'a BorrowedMessage<'_>) -> SmallVec<[(Cow<'a, str>, Option<&'a [u8]>); 8]> {
    let mut headers = std::ptr::null_mut();
    let mut all = SmallVec::new();
    // SAFETY: the message is borrowed for as long as what is returned; names and values stand in its own memory, names end
    // in NUL, values have the length given, and an index beyond the last header is answered with an error.
    unsafe {
        if raw::rd_kafka_message_headers(message.ptr(), &raw mut headers) != NO_ERROR {
            return all;
        }
        for index in 0.. {
            let (mut name, mut value, mut size) = (std::ptr::null(), std::ptr::null(), 0);
            let found = raw::rd_kafka_header_get_all(headers, index, &raw mut name, &raw mut value, &raw mut size);
            if found != NO_ERROR || name.is_null() {
                return all;
            }
            let value = (!value.is_null()).then(|| std::slice::from_raw_parts(value.cast::<u8>(), size));
            all.push((CStr::from_ptr(name).to_string_lossy(), value));
        }
    }
    all
}

/// Fills in the offsets after what was polled last of each partition, marks of transactions included; `Offset::Invalid` where
/// nothing was since its last seek. Doesn't wait.
pub(super) fn positions<C: ConsumerContext>(consumer: &BaseConsumer<C>, list: &mut TopicPartitionList) {
    // SAFETY: a live client, and a list that is borrowed exclusively while its elements' offsets are written.
    unsafe {
        // Never fails as a whole; elements that are unknown get no offset.
        raw::rd_kafka_position(consumer.client().native_ptr(), list.ptr());
    }
}

/// Start and end of a log as the last fetch told them; `None` before one. Doesn't wait.
pub(super) fn log_ends<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
    partition: i32,
) -> Option<(u64, u64)> {
    let name = CString::new(topic).ok()?;
    let (mut low, mut high) = (0, 0);
    // SAFETY: a live client, a string that outlives the call, two integers to write to.
    let error = unsafe {
        raw::rd_kafka_get_watermark_offsets(
            consumer.client().native_ptr(),
            name.as_ptr(),
            partition,
            &raw mut low,
            &raw mut high,
        )
    };
    (error == NO_ERROR).then(|| u64::try_from(low).ok().zip(u64::try_from(high).ok())).flatten()
}
