//! The configuration file.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::Value;

use super::metadata;
use crate::configuration::FILE;
use crate::kind::Kind;
use crate::names;
use crate::validate::Validated;

pub(super) fn config_map(gateway: &Validated) -> Value {
    let map = ConfigMap {
        metadata: metadata::own(gateway, names::config(&gateway.name)),
        data: Some(BTreeMap::from([(FILE.into(), gateway.configuration.text.clone())])),
        ..ConfigMap::default()
    };
    super::object(Kind::ConfigMap, &map)
}
