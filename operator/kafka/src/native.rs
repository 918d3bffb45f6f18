//! The requests of an administrator that the client library can make and its Rust wrapper doesn't offer.
//!
//! **Why this is sound.** Every function borrows a [`Session`], which holds the live client; librdkafka guarantees its handle to
//! be usable from any thread (rdkafka.h, "thread-safety"). Whatever librdkafka allocates for us is freed here exactly once, by
//! [`Owned`], with the function that rdkafka.h names; requests copy their arguments before they return. Whatever it lends
//! (results, strings inside an event) is copied by the reader that [`ask`] calls, before the event is freed. Lengths and counts
//! are those that librdkafka reports with the pointer, and a null pointer is never followed. A queue may be destroyed with a
//! request still under way: the library then drops the answer.
#![allow(unsafe_code)]

mod configs;
mod groups;
mod offsets;
mod topics;

use std::ffi::{CStr, CString, c_char};
use std::time::{Duration, Instant};

use rdkafka::bindings as raw;
use rdkafka::error::RDKafkaErrorCode as Code;

pub(crate) use configs::{alter_group, describe_group};
pub(crate) use groups::describe_groups;
pub(crate) use offsets::{Committed, Edge, alter, committed, list_offsets};
pub(crate) use topics::{create, describe_topics, grow};

use crate::cluster::Session;
use crate::error::Fault;

type ErrorCode = raw::rd_kafka_resp_err_t;
type Operation = raw::rd_kafka_admin_op_t;

/// How often it is looked whether the answer is still worth waiting for.
const SLICE: Duration = Duration::from_millis(100);
/// For what librdkafka has to say.
const TEXT: usize = 512;

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

fn millis(time: Duration) -> i32 {
    // The library takes 1 ms to an hour.
    i32::try_from(time.as_millis()).unwrap_or(i32::MAX).clamp(1, 3_600_000)
}

fn c_string(text: &str) -> Result<CString, Fault> {
    CString::new(text).map_err(|_| Fault::invalid("a name holds NUL"))
}

fn late() -> Fault {
    Fault { code: Code::OperationTimedOut, text: "no answer in time".to_owned() }
}

/// A string that librdkafka lends; empty for null.
///
/// # Safety
/// Null, or a string that ends in NUL and lives for the call.
unsafe fn text(pointer: *const c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
}

/// A code with what librdkafka or a broker says of it.
///
/// # Safety
/// `said` is null, or a string that ends in NUL and lives for the call.
unsafe fn check(code: ErrorCode, said: *const c_char) -> Result<(), Fault> {
    if code == ErrorCode::RD_KAFKA_RESP_ERR_NO_ERROR {
        return Ok(());
    }
    // SAFETY: the caller's promise; descriptions of codes are static.
    let (said, known) = unsafe { (text(said), text(raw::rd_kafka_err2str(code))) };
    let text = match said {
        said if said.is_empty() || said == known => known,
        said => format!("{known}: {said}"),
    };
    Err(Fault { code: code.into(), text })
}

/// An error object that librdkafka lends; null for none.
///
/// # Safety
/// Null, or an error that lives for the call.
unsafe fn check_error(error: *const raw::rd_kafka_error_t) -> Result<(), Fault> {
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: the caller's promise.
    unsafe { check(raw::rd_kafka_error_code(error), raw::rd_kafka_error_string(error)) }
}

/// What a request is given: the client, its options, and the queue for the answer.
struct Line {
    client: *mut raw::rd_kafka_t,
    options: *const raw::rd_kafka_AdminOptions_t,
    queue: *mut raw::rd_kafka_queue_t,
}

/// Makes a request and reads its answer, within the session's time.
fn ask<T>(
    session: &Session,
    operation: Operation,
    send: impl FnOnce(&Line),
    read: impl FnOnce(*mut raw::rd_kafka_event_t) -> Result<T, Fault>,
) -> Result<T, Fault> {
    ask_within(session, session.remains().ok_or_else(late)?, operation, send, read)
}

/// [`ask`] what goes to a group's coordinator, several times if need be; what it asks for may be done twice.
///
/// librdkafka stops looking for a coordinator that isn't there yet after two attempts, and then waits for a change of a
/// connection, which may never come (2.12, `rd_kafka_coord_req_handle_FindCoordinator`: "rely on state broadcast"). A young
/// cluster has none until the first group made it create the topic for offsets.
fn ask_coordinator<T>(
    session: &Session,
    operation: Operation,
    mut send: impl FnMut(&Line),
    mut read: impl FnMut(*mut raw::rd_kafka_event_t) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let mut last = late();
    while let Some(remains) = session.remains() {
        match ask_within(session, remains.min(session.attempt()), operation, &mut send, &mut read) {
            Err(fault) if passes(session, &fault) => last = fault,
            answer => return answer,
        }
    }
    Err(last)
}

/// Whether what a coordinator answered may be another thing soon; waits for as long as that takes.
fn passes(session: &Session, fault: &Fault) -> bool {
    let pause = match fault.code {
        Code::OperationTimedOut => Duration::ZERO,
        Code::CoordinatorNotAvailable | Code::CoordinatorLoadInProgress => SLICE * 2,
        Code::NotCoordinator => crate::client::COORDINATORS_ARE_KNOWN_FOR * 2 + SLICE * 2,
        _ => return false,
    };
    let until = Instant::now() + pause;
    while Instant::now() < until && session.hopeless().is_none() && session.remains().is_some() {
        // A thread for blocking calls.
        std::thread::sleep(SLICE.min(pause));
    }
    session.hopeless().is_none() && session.remains().is_some()
}

fn is_passing(fault: &Fault) -> bool {
    matches!(
        fault.code,
        Code::OperationTimedOut
            | Code::CoordinatorNotAvailable
            | Code::CoordinatorLoadInProgress
            | Code::NotCoordinator
    )
}

/// Fails as a whole what failed everywhere for a reason that passes: the library answers requests to several brokers with an
/// error for each.
fn unless_passing<'a, T: 'a>(each: impl IntoIterator<Item = &'a Result<T, Fault>>) -> Result<(), Fault> {
    let mut failure = Ok(());
    for answer in each {
        match answer {
            Err(fault) if is_passing(fault) => failure = Err(fault.clone()),
            _ => return Ok(()),
        }
    }
    failure
}

fn ask_within<T>(
    session: &Session,
    within: Duration,
    operation: Operation,
    send: impl FnOnce(&Line),
    read: impl FnOnce(*mut raw::rd_kafka_event_t) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let deadline = Instant::now() + within;
    let client = session.instance.native();
    let mut said = [0; TEXT];
    // SAFETY: see the module's head; the instance outlives the call.
    let (options, queue) = unsafe {
        let options = Owned(raw::rd_kafka_AdminOptions_new(client, operation), raw::rd_kafka_AdminOptions_destroy);
        let set = raw::rd_kafka_AdminOptions_set_request_timeout(options.0, millis(within), said.as_mut_ptr(), TEXT);
        check(set, said.as_ptr())?;
        if matches!(
            operation,
            Operation::RD_KAFKA_ADMIN_OP_CREATETOPICS | Operation::RD_KAFKA_ADMIN_OP_CREATEPARTITIONS
        ) {
            // How long the broker may take for it; its answer has to travel as well.
            let part = millis(within / 2);
            let set = raw::rd_kafka_AdminOptions_set_operation_timeout(options.0, part, said.as_mut_ptr(), TEXT);
            check(set, said.as_ptr())?;
        }
        (options, Owned(raw::rd_kafka_queue_new(client), raw::rd_kafka_queue_destroy))
    };
    send(&Line { client, options: options.0, queue: queue.0 });
    let event = loop {
        if let Some(fault) = session.hopeless() {
            return Err(fault);
        }
        // SAFETY: our own queue; the event is ours to destroy.
        let event = unsafe { Owned(raw::rd_kafka_queue_poll(queue.0, millis(SLICE)), raw::rd_kafka_event_destroy) };
        if !event.0.is_null() {
            break event;
        }
        // The library itself gives up at the deadline, and says more than we could; it does so a little late.
        if Instant::now() > deadline + SLICE * 5 {
            return Err(late());
        }
    };
    // SAFETY: the event lives until the end of this function.
    unsafe { check(raw::rd_kafka_event_error(event.0), raw::rd_kafka_event_error_string(event.0)) }?;
    let answer = read(event.0)?;
    session.instance.answered();
    Ok(answer)
}

/// The answer isn't what was asked for: a mistake of ours or of the library's.
fn of_another_kind() -> Fault {
    Fault { code: Code::Fail, text: "an answer of another kind".to_owned() }
}

/// An array that librdkafka lends, as a slice.
///
/// # Safety
/// `pointer` is null or holds `count` elements that live for `'a`.
unsafe fn slice<'a, T>(pointer: *const T, count: usize) -> &'a [T] {
    if pointer.is_null() || count == 0 {
        return &[];
    }
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts(pointer, count) }
}
