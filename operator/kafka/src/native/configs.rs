//! Settings that the brokers keep for a group.

use std::collections::BTreeMap;

use rdkafka::bindings as raw;

use super::{Owned, ask, c_string, check, check_error, of_another_kind, text};
use crate::cluster::Session;
use crate::error::Fault;

type Resource = raw::rd_kafka_ConfigResource_t;

fn resource(group: &str) -> Result<Owned<Resource>, Fault> {
    let name = c_string(group)?;
    let kind = raw::rd_kafka_ResourceType_t::RD_KAFKA_RESOURCE_GROUP;
    // SAFETY: the library copies the name; what it gives is freed after the request copied it.
    let resource = unsafe { raw::rd_kafka_ConfigResource_new(kind, name.as_ptr()) };
    if resource.is_null() {
        return Err(Fault::invalid("an empty group's name"));
    }
    Ok(Owned(resource, raw::rd_kafka_ConfigResource_destroy))
}

/// The settings of a group by name, the brokers' defaults included. A group that doesn't exist has the defaults.
pub(crate) fn describe_group(session: &Session, group: &str) -> Result<BTreeMap<String, String>, Fault> {
    let resource = resource(group)?;
    ask(
        session,
        raw::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS,
        // SAFETY: see the parent module's head.
        |line| unsafe {
            let mut resources = [resource.0];
            raw::rd_kafka_DescribeConfigs(line.client, resources.as_mut_ptr(), 1, line.options, line.queue);
        },
        // SAFETY: the event lives for the call, and all that is read from it is copied.
        |event| unsafe {
            let result = raw::rd_kafka_event_DescribeConfigs_result(event);
            if result.is_null() {
                return Err(of_another_kind());
            }
            let mut count = 0;
            let resources = raw::rd_kafka_DescribeConfigs_result_resources(result, &raw mut count);
            let resource = of_one(super::slice(resources.cast_const(), count))?;
            let entries = raw::rd_kafka_ConfigResource_configs(resource, &raw mut count);
            let entries = super::slice(entries.cast_const(), count).iter().map(|entry| {
                (text(raw::rd_kafka_ConfigEntry_name(*entry)), text(raw::rd_kafka_ConfigEntry_value(*entry)))
            });
            Ok(entries.collect())
        },
    )
}

/// Sets these settings of a group and leaves its others alone (IncrementalAlterConfigs; the older AlterConfigs would reset
/// them). All or none.
pub(crate) fn alter_group(session: &Session, group: &str, settings: &BTreeMap<&str, String>) -> Result<(), Fault> {
    let resource = resource(group)?;
    for (name, value) in settings {
        let (name, value) = (c_string(name)?, c_string(value)?);
        let set = raw::rd_kafka_AlterConfigOpType_t::RD_KAFKA_ALTER_CONFIG_OP_TYPE_SET;
        // SAFETY: the library copies both; an error that it gives is ours to free.
        unsafe {
            let error = Owned(
                raw::rd_kafka_ConfigResource_add_incremental_config(resource.0, name.as_ptr(), set, value.as_ptr()),
                raw::rd_kafka_error_destroy,
            );
            check_error(error.0)?;
        }
    }
    ask(
        session,
        raw::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_INCREMENTALALTERCONFIGS,
        // SAFETY: see the parent module's head.
        |line| unsafe {
            let mut resources = [resource.0];
            raw::rd_kafka_IncrementalAlterConfigs(line.client, resources.as_mut_ptr(), 1, line.options, line.queue);
        },
        // SAFETY: the event lives for the call, and all that is read from it is copied.
        |event| unsafe {
            let result = raw::rd_kafka_event_IncrementalAlterConfigs_result(event);
            if result.is_null() {
                return Err(of_another_kind());
            }
            let mut count = 0;
            let resources = raw::rd_kafka_IncrementalAlterConfigs_result_resources(result, &raw mut count);
            of_one(super::slice(resources.cast_const(), count)).map(drop)
        },
    )
}

/// The one resource of an answer, unless it holds an error.
///
/// # Safety
/// Results that live for the call.
unsafe fn of_one(resources: &[*const Resource]) -> Result<*const Resource, Fault> {
    let resource = *resources.first().ok_or_else(of_another_kind)?;
    // SAFETY: the caller's promise.
    unsafe {
        check(raw::rd_kafka_ConfigResource_error(resource), raw::rd_kafka_ConfigResource_error_string(resource))
    }?;
    Ok(resource)
}
