//! Descriptions of groups.

use std::ffi::CString;

use rdkafka::bindings as raw;

use super::{ask_coordinator, c_string, check_error, is_passing, of_another_kind, passes, text};
use crate::cluster::Session;
use crate::error::Fault;
use crate::group::{Group, Member, Protocol, State};

use raw::rd_kafka_consumer_group_state_t as NativeState;
use raw::rd_kafka_consumer_group_type_t as NativeType;

/// Describes groups, each named once, in their order; a request for each to its coordinator, all at once.
pub(crate) fn describe_groups(
    session: &Session,
    groups: &[String],
) -> Result<Vec<(String, Result<Group, Fault>)>, Fault> {
    let mut all = Vec::with_capacity(groups.len());
    let mut due = groups.to_vec();
    while !due.is_empty() {
        let each = describe_once(session, &due)?;
        let passing = each.iter().filter_map(|(_, group)| group.as_ref().err()).find(|fault| is_passing(fault));
        let may_ask_again = passing.is_some_and(|fault| passes(session, fault));
        let is_due = |group: &Result<Group, Fault>| may_ask_again && group.as_ref().is_err_and(is_passing);
        due = each.iter().filter(|(_, group)| is_due(group)).map(|(name, _)| name.clone()).collect();
        all.extend(each.into_iter().filter(|(_, group)| !is_due(group)));
    }
    Ok(all)
}

fn describe_once(session: &Session, groups: &[String]) -> Result<Vec<(String, Result<Group, Fault>)>, Fault> {
    let names = groups.iter().map(|group| c_string(group)).collect::<Result<Vec<CString>, Fault>>()?;
    let mut pointers: Vec<_> = names.iter().map(|name| name.as_ptr()).collect();
    ask_coordinator(
        session,
        raw::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS,
        // SAFETY: see the parent module's head; the names live until the request was made, which copies them.
        |line| unsafe {
            let (names, count) = (pointers.as_mut_ptr(), pointers.len());
            raw::rd_kafka_DescribeConsumerGroups(line.client, names, count, line.options, line.queue);
        },
        // SAFETY: the event lives for the call, and all that is read from it is copied.
        |event| unsafe {
            let result = raw::rd_kafka_event_DescribeConsumerGroups_result(event);
            if result.is_null() {
                return Err(of_another_kind());
            }
            let mut count = 0;
            let descriptions = raw::rd_kafka_DescribeConsumerGroups_result_groups(result, &raw mut count);
            let descriptions = super::slice(descriptions.cast_const(), count);
            let each: Vec<_> = descriptions.iter().map(|description| described(*description)).collect();
            super::unless_passing(each.iter().map(|(_, group)| group))?;
            Ok(each)
        },
    )
}

/// # Safety
/// A description that lives for the call.
unsafe fn described(description: *const raw::rd_kafka_ConsumerGroupDescription_t) -> (String, Result<Group, Fault>) {
    // SAFETY: the caller's promise.
    unsafe {
        let name = text(raw::rd_kafka_ConsumerGroupDescription_group_id(description));
        if let Err(fault) = check_error(raw::rd_kafka_ConsumerGroupDescription_error(description)) {
            return (name, Err(fault));
        }
        let members = (0..raw::rd_kafka_ConsumerGroupDescription_member_count(description)).map(|index| {
            let member = raw::rd_kafka_ConsumerGroupDescription_member(description, index);
            Member {
                id: text(raw::rd_kafka_MemberDescription_consumer_id(member)),
                client_id: text(raw::rd_kafka_MemberDescription_client_id(member)),
                host: text(raw::rd_kafka_MemberDescription_host(member)).trim_start_matches('/').to_owned(),
            }
        });
        let coordinator = raw::rd_kafka_ConsumerGroupDescription_coordinator(description);
        let coordinator = (!coordinator.is_null()).then(|| {
            let (host, port) = (raw::rd_kafka_Node_host(coordinator), raw::rd_kafka_Node_port(coordinator));
            format!("{}:{port}", text(host))
        });
        let group = Group {
            state: state(raw::rd_kafka_ConsumerGroupDescription_state(description)),
            protocol: match raw::rd_kafka_ConsumerGroupDescription_type(description) {
                NativeType::RD_KAFKA_CONSUMER_GROUP_TYPE_CONSUMER => Some(Protocol::Consumer),
                NativeType::RD_KAFKA_CONSUMER_GROUP_TYPE_CLASSIC => Some(Protocol::Classic),
                _ => None,
            },
            members: members.collect(),
            coordinator,
        };
        (name, Ok(group))
    }
}

fn state(state: NativeState) -> State {
    match state {
        NativeState::RD_KAFKA_CONSUMER_GROUP_STATE_PREPARING_REBALANCE
        | NativeState::RD_KAFKA_CONSUMER_GROUP_STATE_COMPLETING_REBALANCE => State::Rebalancing,
        NativeState::RD_KAFKA_CONSUMER_GROUP_STATE_STABLE => State::Stable,
        NativeState::RD_KAFKA_CONSUMER_GROUP_STATE_DEAD => State::Absent,
        NativeState::RD_KAFKA_CONSUMER_GROUP_STATE_EMPTY => State::Empty,
        // KIP-848's Assigning and Reconciling, which the library doesn't tell apart.
        _ => State::Rebalancing,
    }
}
