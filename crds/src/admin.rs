//! The admin listener.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::form::{Form, OnDisk, Translate};
use crate::text::IpText;

/// The admin listener: health, metrics and, with a token, inspection and control. Never put it on an ingress.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default, bound = "")]
#[schemars(bound = "")]
pub struct Admin<F: Form = OnDisk> {
    /// IP address to listen on.
    pub address: IpText,
    /// Port to listen on; 0 takes any free one.
    #[schemars(range(min = 0, max = 65_535))]
    pub port: i32,
    /// The bearer token that everything but `/live`, `/ready` and `/metrics` asks for, at least 16 bytes. Absent:
    /// nothing else exists; on Kubernetes the operator then makes one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<F::Secret>,
}

impl<F: Form> Default for Admin<F> {
    fn default() -> Self {
        Self { address: "0.0.0.0".into(), port: 9090, token: None }
    }
}

impl<F: Form> Admin<F> {
    /// The same in another form.
    pub fn translate<T: Form>(&self, leaves: &mut impl Translate<F, T>) -> Admin<T> {
        Admin {
            address: self.address.clone(),
            port: self.port,
            token: self.token.as_ref().map(|token| leaves.secret(token)),
        }
    }
}
