//! Whoever holds an open stream is judged again every so often: what has proven them may do so no longer. Here it is by what this
//! replica knows; [who knows sessions](super::forward_auth::recheck) is asked besides.

use std::sync::Arc;
use std::time::Duration;

use events_gateway_core::disconnect::DisconnectReason;
use events_gateway_identity::TokenError;
use tokio::time::sleep;

use super::Identities;
use crate::replica::Connections;
use crate::replica::reconnect::Reconnect;
use crate::revocation::{PAGE, PAUSE};

/// By how much the time between two rounds differs: replicas that start together don't judge together.
pub(super) const JITTER: std::ops::Range<f64> = 0.9..1.1;

/// Judges all of them, for ever, page by page. What can't be told at the moment ends nobody's stream.
pub async fn recheck(
    identities: Arc<Identities>,
    connections: Arc<Connections>,
    every: Duration,
    reconnect: Reconnect,
) {
    loop {
        sleep(every.mul_f64(rand::random_range(JITTER))).await;
        let (mut after, mut ended) = (None, 0);
        while let Some((last, page)) = connections.identified(after, PAGE) {
            for (number, entry) in page {
                let (Some(issuer), Some(proof)) = (&entry.issuer, &entry.proof) else { continue };
                let Err(error) = identities.prove_again(issuer, proof) else { continue };
                if let Some(reason) = reason(error) {
                    connections.close(number, reconnect.closing(reason));
                    ended += 1;
                }
            }
            after = Some(last);
            sleep(PAUSE).await;
        }
        if ended > 0 {
            tracing::info!(ended, "streams are ended whose tokens prove nothing any more");
        }
    }
}

/// Why a stream ends; `None`: it doesn't.
pub(super) fn reason(error: TokenError) -> Option<DisconnectReason> {
    match error {
        error if error.may_pass() => None,
        TokenError::Revoked => Some(DisconnectReason::Revoked),
        _ => Some(DisconnectReason::NoLongerPermitted),
    }
}
