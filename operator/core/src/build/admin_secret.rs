//! The Secret with the admin listener's token, where the user names none.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use serde_json::Value;

use super::metadata;
use crate::kind::Kind;
use crate::names;
use crate::validate::{TOKEN, Validated};

/// The Secret, for a token that was made just now. It is created once and never applied again: the token stays.
#[must_use]
pub fn admin_secret(gateway: &Validated, token: &str) -> Option<Value> {
    if !gateway.makes_token {
        return None;
    }
    let secret = Secret {
        metadata: metadata::own(gateway, names::admin(&gateway.name)),
        string_data: Some(BTreeMap::from([(TOKEN.into(), token.into())])),
        type_: Some("Opaque".into()),
        ..Secret::default()
    };
    Some(super::object(Kind::Secret, &secret))
}
