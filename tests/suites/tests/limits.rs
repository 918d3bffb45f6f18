//! What a replica lets in: exact on all replicas together, and others aren't held up by whoever floods one.

#[path = "limits/attack.rs"]
mod attack;
#[path = "limits/flood.rs"]
mod flood;
#[path = "limits/observers.rs"]
mod observers;
#[path = "limits/quotas.rs"]
mod quotas;
