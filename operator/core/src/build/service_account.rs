//! The pods' identity. Nothing is granted to it, and no token of it is mounted.

use k8s_openapi::api::core::v1::ServiceAccount;
use serde_json::Value;

use super::metadata;
use crate::kind::Kind;
use crate::names;
use crate::validate::Validated;

pub(super) fn service_account(gateway: &Validated) -> Value {
    let account = ServiceAccount {
        metadata: metadata::own(gateway, names::main(&gateway.name)),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    };
    super::object(Kind::ServiceAccount, &account)
}
